//! Where to call. The address holds a key, so it is wiped, and cut short wherever it is shown.

use std::{fmt, str::FromStr};

use tokio_tungstenite::tungstenite::http::Uri;
use zeroize::Zeroizing;

/// A `ws://` or `wss://` address. `Display` and `Debug` show the host and nothing of the path.
#[derive(Clone)]
pub struct Address {
    pub(super) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands in the `Host` header.
    pub(super) authority: String,
    /// Path and query, as given.
    pub(super) path: Zeroizing<String>,
}

/// Why a text is not the address of a call. It never repeats the text, which may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// A key and nothing else.
    #[error("this is a key without an address: use ws://HOST/voice/KEY")]
    KeyAlone,
    /// The path ends in the id of a key.
    #[error("this address ends in the id of a key (key_...): the key itself begins with sk_live_")]
    KeyId,
    /// It begins with `http://` or `https://`.
    #[error("a call is no web page: use {instead}:// in place of {given}://")]
    Web {
        /// What it begins with.
        given: &'static str,
        /// What it should begin with.
        instead: &'static str,
    },
    /// No scheme.
    #[error("the scheme is missing: begin with ws:// or wss://")]
    NoScheme,
    /// A space or a line break within it.
    #[error("there is white space within the address")]
    WhiteSpace,
    /// Anything else.
    #[error("not an address of the form ws://HOST/voice/KEY or wss://HOST/voice/KEY")]
    Other,
}

impl BadAddress {
    /// What is wrong with a text that is no address.
    fn of(text: &str) -> Self {
        match text.split_once("://") {
            _ if text.contains(char::is_whitespace) => Self::WhiteSpace,
            None if text.starts_with("sk_live_") => Self::KeyAlone,
            None if text.contains('.') || text.contains(':') || text.contains('/') => {
                Self::NoScheme
            }
            Some(("http", _)) => Self::Web { given: "http", instead: "ws" },
            Some(("https", _)) => Self::Web { given: "https", instead: "wss" },
            _ => Self::Other,
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        // What is copied from a screen or a file often ends in a line break.
        let text = text.trim();
        let uri: Uri = text.parse().map_err(|_| BadAddress::of(text))?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(BadAddress::of(text)),
        };
        let authority = uri.authority().ok_or(BadAddress::Other)?;
        // A name and password before the host would be sent nowhere; better say so than drop them.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(BadAddress::Other);
        }
        if uri.path().rsplit('/').next().is_some_and(|last| last.starts_with("key_")) {
            return Err(BadAddress::KeyId);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            secure,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: Zeroizing::new(path.to_owned()),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", if self.secure { "wss" } else { "ws" }, self.authority)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        concat!("sk_live_", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff");

    #[test]
    fn an_address_is_taken_apart_and_never_shown_whole() {
        let address: Address = format!("wss://voice.example.com/voice/{KEY}?x=1").parse().unwrap();
        assert!(address.secure);
        assert_eq!((address.host.as_str(), address.port), ("voice.example.com", 443));
        assert_eq!(*address.path, format!("/voice/{KEY}?x=1"));
        for shown in [format!("{address}"), format!("{address:?}"), format!("{address:#?}")] {
            assert!(shown.contains("wss://voice.example.com/…"), "{shown}");
            assert!(!shown.contains("sk_live_"), "{shown}");
        }
        let local: Address = "ws://[::1]:8080".parse().unwrap();
        assert_eq!((local.host.as_str(), local.port, local.path.as_str()), ("::1", 8080, "/"));
        assert_eq!(local.authority, "[::1]:8080");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wrong) in [
            (KEY, BadAddress::KeyAlone),
            ("ws://localhost:8080/voice/key_0123", BadAddress::KeyId),
            ("http://localhost:8080/voice/x", BadAddress::Web { given: "http", instead: "ws" }),
            ("https://localhost/voice/x", BadAddress::Web { given: "https", instead: "wss" }),
            ("localhost:8080/voice/x", BadAddress::NoScheme),
            ("ws://localhost/voice/a b", BadAddress::WhiteSpace),
            ("ws://", BadAddress::Other),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err(), wrong, "{text}");
        }
        assert!(format!(" ws://localhost/voice/{KEY}\r\n").parse::<Address>().is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for wrong in ["", KEY, "https://host/voice/x", "ws://", "ws:///voice/x", "ws://a b/", "wss"]
            .into_iter()
            .map(ToOwned::to_owned)
            .chain([format!("http://localhost/voice/{KEY}"), format!("ws://{KEY}@host/voice")])
        {
            let error = wrong.parse::<Address>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sk_live_"), "{wrong}");
        }
    }
}
