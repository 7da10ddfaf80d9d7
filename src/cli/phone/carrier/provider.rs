//! The telephony providers that a call can be placed as, and what each of them has to offer.

use crate::{
    audio::format::{
        Encoding::{self, Alaw, Mulaw, Pcm16},
        Format,
    },
    dialect::Name,
};

/// A telephony provider, or one of the ways in which it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Twilio Media Streams.
    Twilio,
    /// SignalWire cXML streams.
    SignalWire,
    /// Telnyx media streaming in RTP mode.
    Telnyx,
    /// Plivo audio streams.
    Plivo,
    /// Vobiz audio streams.
    Vobiz,
    /// Vonage Voice WebSockets.
    Vonage,
    /// Exotel Voicebot streams, with `snake_case` names.
    Exotel,
    /// Exotel streams whose names are in camelCase, as its public samples write them.
    ExotelCamel,
    /// Tata Smartflo.
    Smartflo,
    /// jambonz `listen` in streaming mode.
    Jambonz,
    /// Asterisk `chan_websocket` with commands in plain text.
    Asterisk,
    /// Asterisk `chan_websocket` with `f(json)`.
    AsteriskJson,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Twilio,
        Self::SignalWire,
        Self::Telnyx,
        Self::Plivo,
        Self::Vobiz,
        Self::Vonage,
        Self::Exotel,
        Self::ExotelCamel,
        Self::Smartflo,
        Self::Jambonz,
        Self::Asterisk,
        Self::AsteriskJson,
    ];

    /// The dialect it speaks.
    pub fn dialect(self) -> Name {
        match self {
            Self::Twilio => Name::Twilio,
            Self::SignalWire => Name::SignalWire,
            Self::Telnyx => Name::Telnyx,
            Self::Plivo => Name::Plivo,
            Self::Vobiz => Name::Vobiz,
            Self::Vonage => Name::Vonage,
            Self::Exotel | Self::ExotelCamel => Name::Exotel,
            Self::Smartflo => Name::Smartflo,
            Self::Jambonz => Name::Jambonz,
            Self::Asterisk | Self::AsteriskJson => Name::Asterisk,
        }
    }

    /// The name by which people choose it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExotelCamel => "exotel-camel",
            Self::AsteriskJson => "asterisk-json",
            plain => plain.dialect().as_str(),
        }
    }

    /// The provider of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The encodings it offers, each with its rates; what it uses unless told otherwise is first.
    fn offers(self) -> &'static [(Encoding, &'static [u32])] {
        match self {
            Self::Twilio | Self::Smartflo => &[(Mulaw, &[8_000])],
            Self::SignalWire => &[(Mulaw, &[8_000]), (Pcm16, &[16_000, 24_000])],
            Self::Telnyx => {
                &[(Mulaw, &[8_000]), (Alaw, &[8_000]), (Pcm16, &[16_000, 8_000, 24_000, 48_000])]
            }
            Self::Plivo => &[(Mulaw, &[8_000]), (Pcm16, &[8_000, 16_000])],
            Self::Vobiz => &[(Mulaw, &[8_000]), (Pcm16, &[8_000, 16_000, 24_000])],
            Self::Vonage => &[(Pcm16, &[16_000, 8_000, 24_000])],
            Self::Exotel | Self::ExotelCamel => &[(Pcm16, &[8_000, 16_000, 24_000])],
            Self::Jambonz => &[(Pcm16, &[8_000, 16_000, 24_000, 48_000])],
            Self::Asterisk | Self::AsteriskJson => &[
                (Pcm16, &[16_000, 8_000, 24_000, 32_000, 48_000]),
                (Mulaw, &[8_000]),
                (Alaw, &[8_000]),
            ],
        }
    }

    /// The format for this encoding and rate, or for what the provider uses where nothing is said;
    /// `None` if it does not offer that.
    pub fn format(self, encoding: Option<Encoding>, rate: Option<u32>) -> Option<Format> {
        let (encoding, rates) = self
            .offers()
            .iter()
            .filter(|(offered, _)| encoding.is_none_or(|wanted| wanted == *offered))
            .find(|(_, rates)| rate.is_none_or(|wanted| rates.contains(&wanted)))?;
        Format::new(*encoding, rate.unwrap_or(rates[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_found_by_its_name_and_has_a_format_of_its_own() {
        for provider in Provider::ALL {
            assert_eq!(Provider::from_name(provider.as_str()), Some(provider));
            assert!(provider.format(None, None).is_some());
            for (encoding, rates) in provider.offers() {
                for rate in *rates {
                    assert!(provider.format(Some(*encoding), Some(*rate)).is_some());
                }
            }
        }
        assert_eq!(Provider::from_name("native"), None);
    }

    #[test]
    fn what_a_provider_does_not_offer_is_no_format() {
        let twilio = Provider::Twilio;
        assert_eq!(twilio.format(None, None), Some(Format::PCMU));
        assert_eq!(twilio.format(Some(Pcm16), None), None);
        assert_eq!(twilio.format(None, Some(16_000)), None);
        assert_eq!(Provider::Telnyx.format(Some(Alaw), None), Some(Format::PCMA));
        assert_eq!(Provider::Telnyx.format(None, Some(16_000)), Format::pcm(16_000));
        assert_eq!(Provider::Vobiz.format(Some(Pcm16), Some(24_000)), Format::pcm(24_000));
        assert_eq!(Provider::Plivo.format(Some(Pcm16), Some(24_000)), None);
    }
}
