//! What the handshake already tells of a peer: hints for detection, never proof.
//!
//! Header values are not looked at beyond the subprotocol's name: signatures are made with secrets of
//! the customer that we do not have.

use super::{Name, native};

/// A subprotocol of ours that the peer offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subprotocol {
    /// UpVoot's own dialect.
    Native,
    /// jambonz `listen`.
    Jambonz,
    /// Asterisk `chan_websocket`.
    Asterisk,
}

impl Subprotocol {
    /// The names that are accepted. Of a peer's offer the first that is among them is the one to
    /// answer with.
    pub const TOKENS: [&'static str; 4] =
        [native::SUBPROTOCOL, "audio.jambonz.org", "audio.drachtio.org", "media"];

    /// The subprotocol of that name, if it is one of ours.
    pub fn from_token(token: &str) -> Option<Self> {
        match token {
            native::SUBPROTOCOL => Some(Self::Native),
            "audio.jambonz.org" | "audio.drachtio.org" => Some(Self::Jambonz),
            "media" => Some(Self::Asterisk),
            _ => None,
        }
    }
}

/// What the handshake tells.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// The subprotocol that was agreed on.
    pub subprotocol: Option<Subprotocol>,
    /// The provider whose signature or token stands in the headers.
    pub signed_by: Option<Name>,
    /// The raw query string. Only Asterisk's dialect reads it, for who calls whom.
    pub query: Option<String>,
}

impl Hints {
    /// Reads a request's headers, given as pairs of name and value, and its query string.
    pub fn from_headers<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        query: Option<&str>,
    ) -> Self {
        let mut hints = Self { query: query.map(str::to_owned), ..Self::default() };
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if name == "sec-websocket-protocol" {
                let offered = value.split(',').find_map(|t| Subprotocol::from_token(t.trim()));
                hints.subprotocol = hints.subprotocol.or(offered);
            } else if let Some(provider) = signer(&name) {
                // Vobiz is Plivo's twin and may send its headers too; its own are the clearer word.
                if hints.signed_by != Some(Name::Vobiz) {
                    hints.signed_by = Some(provider);
                }
            }
        }
        hints
    }
}

/// The provider that signs with this header.
fn signer(header: &str) -> Option<Name> {
    const SIGNATURES: [(&str, Name); 4] = [
        ("x-twilio-signature", Name::Twilio),
        ("x-telnyx-streaming-auth-token", Name::Telnyx),
        ("x-plivo-signature", Name::Plivo),
        ("x-vobiz-signature", Name::Vobiz),
    ];
    SIGNATURES.into_iter().find(|(prefix, _)| header.starts_with(prefix)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(headers: &[(&str, &str)]) -> Hints {
        Hints::from_headers(headers.iter().copied(), Some("from=1"))
    }

    #[test]
    fn the_first_subprotocol_that_is_ours_counts() {
        let offered = |value| hints(&[("Sec-WebSocket-Protocol", value)]).subprotocol;
        assert_eq!(offered("upvoot.v1"), Some(Subprotocol::Native));
        assert_eq!(offered("chat, audio.drachtio.org"), Some(Subprotocol::Jambonz));
        assert_eq!(offered("media,upvoot.v1"), Some(Subprotocol::Asterisk));
        assert_eq!(offered("multimedia"), None);
        let twice = hints(&[
            ("sec-websocket-protocol", "chat"),
            ("sec-websocket-protocol", "audio.jambonz.org"),
        ]);
        assert_eq!(twice.subprotocol, Some(Subprotocol::Jambonz));
        for token in Subprotocol::TOKENS {
            assert!(Subprotocol::from_token(token).is_some(), "{token}");
        }
    }

    #[test]
    fn a_signature_tells_the_provider() {
        let signed = |name| hints(&[("host", "x"), (name, "s")]).signed_by;
        assert_eq!(signed("X-Twilio-Signature"), Some(Name::Twilio));
        assert_eq!(signed("x-telnyx-streaming-auth-token"), Some(Name::Telnyx));
        assert_eq!(signed("X-Plivo-Signature-V3"), Some(Name::Plivo));
        assert_eq!(signed("X-Vobiz-Signature-V2"), Some(Name::Vobiz));
        assert_eq!(signed("authorization"), None);
        let both = [("x-vobiz-signature-v3", ""), ("x-plivo-signature-v3", "")];
        assert_eq!(hints(&both).signed_by, Some(Name::Vobiz));
        assert_eq!(hints(&[]).query.as_deref(), Some("from=1"));
    }
}
