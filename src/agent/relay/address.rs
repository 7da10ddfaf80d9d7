//! Where a bot is: a `wss://` address, or a `ws://` one on this machine.
//!
//! Which of them may be dialled is decided when a name has become an address, by [`super::network`];
//! this is what can be said of the text alone.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use rustls_pki_types::ServerName;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::key::looks_like_key;

/// Characters of the longest address.
const LONGEST: usize = 2048;

/// What stands for a value that is not shown.
const HIDDEN: &str = "***";

/// The address of a bot. `Display` and `Debug` show scheme and host only: people put tokens into
/// paths and query strings.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayUrl {
    text: String,
    pub(super) secure: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// What stands in the `Host` header.
    pub(super) authority: String,
    /// Path and query, as given.
    pub(super) path: String,
}

/// A name, or an address that needs no looking up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

/// Why a text is no address of a bot. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Something else, or a host that cannot be one.
    #[error("must be an address of the form wss://HOST/PATH")]
    NotWebSocket,
    /// Sound and secrets do not travel in the clear.
    #[error("must begin with wss://; ws:// is for a bot on localhost only")]
    Plain,
    /// It would be sent nowhere, and stored in the clear.
    #[error("may not hold a user name or password; name a secret instead")]
    UserInfo,
    /// It would be sent nowhere.
    #[error("may not have a fragment")]
    Fragment,
    /// It leads to a voice endpoint, perhaps this one; and a key is never stored.
    #[error("may not hold a key")]
    Key,
    /// Longer than any sensible address.
    #[error("may have at most 2048 characters")]
    TooLong,
}

impl RelayUrl {
    /// The whole address: for the store, and for those who may read the agent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address with the values of its query hidden, for those who may not change it: people put
    /// tokens there.
    pub fn masked(&self) -> String {
        let Some((address, query)) = self.text.split_once('?') else { return self.text.clone() };
        let hide = |pair: &str| match pair.split_once('=') {
            Some((name, _)) => format!("{name}={HIDDEN}"),
            None => HIDDEN.to_owned(),
        };
        let query = query.split('&').map(hide).collect::<Vec<_>>().join("&");
        format!("{address}?{query}")
    }

    /// Scheme, host and port: where the bot is, and nothing that people put tokens into.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "wss" } else { "ws" }, self.authority)
    }

    /// The name that the certificate has to be for.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        match &self.host {
            Host::Name(name) => ServerName::try_from(name.clone()).expect("the parser has tried"),
            Host::Address(address) => ServerName::from(*address),
        }
    }
}

impl FromStr for RelayUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        if text.len() > LONGEST {
            return Err(BadUrl::TooLong);
        }
        if looks_like_key(text) {
            return Err(BadUrl::Key);
        }
        if text.contains('#') {
            return Err(BadUrl::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| BadUrl::NotWebSocket)?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(BadUrl::NotWebSocket),
        };
        let authority = uri.authority().ok_or(BadUrl::NotWebSocket)?;
        if authority.as_str().contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let host = host(authority.host())?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => {
                if secure {
                    443
                } else {
                    80
                }
            }
            _ => authority.port_u16().filter(|port| *port > 0).ok_or(BadUrl::NotWebSocket)?,
        };
        let local = match &host {
            Host::Name(name) => name == "localhost",
            Host::Address(address) => address.is_loopback(),
        };
        if !secure && !local {
            return Err(BadUrl::Plain);
        }
        Ok(Self {
            text: text.to_owned(),
            secure,
            host,
            port,
            authority: authority.as_str().to_owned(),
            path: match uri.path_and_query().map_or("", |path| path.as_str()) {
                rooted if rooted.starts_with('/') => rooted.to_owned(),
                query => format!("/{query}"),
            },
        })
    }
}

fn host(text: &str) -> Result<Host, BadUrl> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(BadUrl::NotWebSocket)?;
        let address: Ipv6Addr = inner.parse().map_err(|_| BadUrl::NotWebSocket)?;
        return Ok(Host::Address(IpAddr::V6(address).to_canonical()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    // Names only: what a resolver may take for a number (127.1, 0x7f000001) is none of them.
    let name = text.to_ascii_lowercase();
    let number = name
        .rsplit('.')
        .find(|label| !label.is_empty())
        .is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x"));
    match ServerName::try_from(name.as_str()) {
        Ok(ServerName::DnsName(_)) if !number => Ok(Host::Name(name)),
        _ => Err(BadUrl::NotWebSocket),
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin())
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_address_of_a_bot_says_why() {
        let key = format!("sk_live_{}", "ab".repeat(32));
        for (text, why) in [
            ("", BadUrl::NotWebSocket),
            ("bot.example.com", BadUrl::NotWebSocket),
            ("https://bot.example.com/", BadUrl::NotWebSocket),
            ("wss://", BadUrl::NotWebSocket),
            ("wss:///bot", BadUrl::NotWebSocket),
            ("wss://bot example/", BadUrl::NotWebSocket),
            ("wss://bot.example.com:/", BadUrl::NotWebSocket),
            ("wss://bot.example.com:0/", BadUrl::NotWebSocket),
            ("wss://bot.example.com:65536/", BadUrl::NotWebSocket),
            ("wss://bot.example.com:x/", BadUrl::NotWebSocket),
            ("wss://bot.example.com/\r\nX: y", BadUrl::NotWebSocket),
            ("wss://[::1/", BadUrl::NotWebSocket),
            ("wss://[fe80::1%25eth0]/", BadUrl::NotWebSocket),
            ("wss://127.1/", BadUrl::NotWebSocket),
            ("wss://2130706433/", BadUrl::NotWebSocket),
            ("wss://0x7f000001/", BadUrl::NotWebSocket),
            ("wss://bot.0x7f/", BadUrl::NotWebSocket),
            ("wss://0177.0.0.1/", BadUrl::NotWebSocket),
            ("wss://./", BadUrl::NotWebSocket),
            ("ws://bot.example.com/", BadUrl::Plain),
            ("ws://10.0.0.1/", BadUrl::Plain),
            ("ws://localhost.example.com/", BadUrl::Plain),
            ("wss://me:secret@bot.example.com/", BadUrl::UserInfo),
            ("wss://bot.example.com/#a", BadUrl::Fragment),
            (&format!("wss://voice.example.com/voice/{key}"), BadUrl::Key),
            (&format!("wss://bot.example.com/{}", "x".repeat(2048)), BadUrl::TooLong),
        ] {
            assert_eq!(text.parse::<RelayUrl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn an_address_is_taken_apart_and_its_path_is_not_shown() {
        let url: RelayUrl = "wss://Bot.example.com/call?token=s3cret".parse().unwrap();
        assert!(url.secure);
        assert_eq!(url.host, Host::Name("bot.example.com".to_owned()));
        assert_eq!((url.port, url.path.as_str()), (443, "/call?token=s3cret"));
        assert_eq!(url.as_str(), "wss://Bot.example.com/call?token=s3cret");
        for shown in [format!("{url}"), format!("{url:?}"), format!("{url:#?}")] {
            assert!(shown.contains("wss://Bot.example.com/…"), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn a_masked_address_has_no_value_of_its_query() {
        for (text, masked) in [
            ("wss://bot.example.com/call", "wss://bot.example.com/call"),
            ("wss://bot.example.com?s3cret", "wss://bot.example.com?***"),
            (
                "wss://b.example/a?token=s3cret&n=7&&x=a=b?",
                "wss://b.example/a?token=***&n=***&***&x=***",
            ),
        ] {
            let url: RelayUrl = text.parse().unwrap();
            assert_eq!(url.masked(), masked);
            assert_eq!(masked.parse::<RelayUrl>().unwrap().masked(), masked);
        }
    }

    #[test]
    fn addresses_and_ports_are_understood() {
        for (text, host, port, path) in [
            ("ws://localhost", "localhost", 80, "/"),
            ("ws://localhost:8765/", "localhost", 8765, "/"),
            ("ws://127.0.0.1:1/a", "127.0.0.1", 1, "/a"),
            ("ws://[::1]:8765?x", "::1", 8765, "/?x"),
            ("wss://[2606:4700::1]/", "2606:4700::1", 443, "/"),
            ("wss://[::ffff:1.2.3.4]:9/", "1.2.3.4", 9, "/"),
            ("wss://xn--bcher-kva.example./", "xn--bcher-kva.example.", 443, "/"),
        ] {
            let url: RelayUrl = text.parse().unwrap();
            let parsed = match &url.host {
                Host::Name(name) => name.clone(),
                Host::Address(address) => address.to_string(),
            };
            assert_eq!((parsed.as_str(), url.port, url.path.as_str()), (host, port, path));
            let _ = url.server_name();
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in "[ -~]{0,60}") {
            let _ = noise.parse::<RelayUrl>();
            if let Ok(url) = format!("wss://{noise}").parse::<RelayUrl>() {
                let _ = url.server_name();
            }
        }
    }
}
