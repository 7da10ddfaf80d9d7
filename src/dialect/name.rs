//! The names of the dialects, as they stand in call rows, in an agent's settings and in logs.

use serde::{Deserialize, Serialize};

/// A wire format that the voice endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// UpVoot's own.
    Native,
    /// Twilio Media Streams, `<Connect><Stream>`.
    Twilio,
    /// SignalWire cXML `<Connect><Stream>`.
    SignalWire,
    /// Telnyx media streaming over RTP mode.
    Telnyx,
    /// Plivo audio streams.
    Plivo,
    /// Vobiz audio streams.
    Vobiz,
    /// Vonage Voice WebSockets.
    Vonage,
    /// Exotel Voicebot streams.
    Exotel,
    /// Tata Smartflo and its relatives.
    Smartflo,
    /// jambonz `listen`.
    Jambonz,
    /// Asterisk `chan_websocket`.
    Asterisk,
}

impl Name {
    /// Every dialect.
    pub const ALL: [Self; 11] = [
        Self::Native,
        Self::Twilio,
        Self::SignalWire,
        Self::Telnyx,
        Self::Plivo,
        Self::Vobiz,
        Self::Vonage,
        Self::Exotel,
        Self::Smartflo,
        Self::Jambonz,
        Self::Asterisk,
    ];

    /// The name as programs read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Twilio => "twilio",
            Self::SignalWire => "signalwire",
            Self::Telnyx => "telnyx",
            Self::Plivo => "plivo",
            Self::Vobiz => "vobiz",
            Self::Vonage => "vonage",
            Self::Exotel => "exotel",
            Self::Smartflo => "smartflo",
            Self::Jambonz => "jambonz",
            Self::Asterisk => "asterisk",
        }
    }

    /// The dialect of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_it_is_written() {
        for name in Name::ALL {
            assert_eq!(Name::from_name(name.as_str()), Some(name));
            let json = format!("\"{}\"", name.as_str());
            assert_eq!(serde_json::to_string(&name).unwrap(), json);
            assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        }
        assert_eq!(Name::from_name("Twilio"), None);
    }
}
