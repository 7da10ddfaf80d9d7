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

/// The text is not a WebSocket address. It does not say what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address of the form ws://HOST/voice/KEY or wss://HOST/voice/KEY")]
pub struct BadAddress;

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let uri: Uri = text.parse().map_err(|_| BadAddress)?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(BadAddress),
        };
        let authority = uri.authority().ok_or(BadAddress)?;
        // A name and password before the host would be sent nowhere; better say so than drop them.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(BadAddress);
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
