//! Where a bot of somebody's own listens: the address, as far as its text can be judged.
//!
//! Whether a name leads to where it may is decided when it is dialled, by what it resolves to.

use std::{fmt, net::IpAddr, str::FromStr};

use url::{Host, Url};

use crate::key::looks_like_key;

/// Characters of an address at most.
pub const LONGEST: usize = 2_048;

/// The address of a bot: `wss://...`, or `ws://` to this machine itself, written as `localhost`, as
/// `[::1]` or as an address in 127.0.0.0/8. It has neither user information nor a fragment, and is
/// kept as it was written: what is shown, what is compared and what is dialled are one text. `Debug`
/// hides what follows the host, for people put tokens there.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayUrl(String);

/// The text is no address of a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a bot")]
pub struct BadUrl;

impl FromStr for RelayUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        Self::parse(text).ok_or(BadUrl)
    }
}

impl RelayUrl {
    fn parse(text: &str) -> Option<Self> {
        // Parsers do not agree on what is outside of these, and a key has no business in an address.
        let plain = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
        if text.len() > LONGEST || !text.bytes().all(plain) || looks_like_key(text) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let url = Url::parse(text).ok()?;
        // A number is an address too, and so is `127.1`: addresses have to be spelled out.
        let host = url.host_str()?;
        let spelled_out = authority.get(..host.len())?.eq_ignore_ascii_case(host);
        let here = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) if spelled_out => IpAddr::from(address).is_loopback(),
            Host::Ipv4(_) => return None,
            Host::Ipv6(address) => IpAddr::from(address).is_loopback(),
        };
        let encrypted_or_here = scheme == "wss" || (scheme == "ws" && here);
        let good = encrypted_or_here && !authority.contains('@') && url.fragment().is_none();
        good.then(|| Self(text.to_owned()))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.split('/').take(3).collect::<Vec<_>>().join("/");
        write!(f, "RelayUrl({}/…)", host.split('?').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bot_is_reached_encrypted_or_on_this_machine() {
        for good in [
            "wss://bot.example.com",
            "wss://bot.example.com/",
            "wss://bot.example.com:8443/calls?tenant=7&x=%20",
            "wss://BOT.example.com/a@b",
            "wss://192.0.2.1/",
            "wss://[2001:db8::1]:1/",
            "ws://127.0.0.1:9000",
            "ws://127.9.8.7/x",
            "ws://[::1]:9000/",
            "ws://localhost",
            "ws://LOCALHOST:9000/?a=b",
        ] {
            assert_eq!(RelayUrl::parse(good).unwrap().as_str(), good);
        }
        let key = format!("wss://bot.example.com/sk_live_{}", "ab".repeat(32));
        let long = format!("wss://bot.example.com/{}", "a".repeat(LONGEST));
        assert!(RelayUrl::parse(&long[..LONGEST]).is_some());
        for wrong in [
            "",
            "bot.example.com",
            "https://bot.example.com",
            "WSS://bot.example.com",
            "wss:bot.example.com",
            "wss:///bot.example.com",
            "wss://",
            "wss://:443/",
            "wss://bot.example.com:99999/",
            "wss://user@bot.example.com/",
            "wss://user:word@bot.example.com/",
            "wss://@bot.example.com/",
            "wss://bot.example.com/#part",
            "wss://bot.example.com/#",
            " wss://bot.example.com/",
            "wss://bot.example.com/a b",
            "wss://bot.example.com/\t",
            "wss://bot.exämple.com/",
            "wss://bot.example.com\\@evil.example.com/",
            "wss://[::1",
            "wss://a..%00b/",
            "wss://2130706433/",
            "wss://127.1/",
            "ws://bot.example.com/",
            "ws://192.0.2.1/",
            "ws://10.0.0.1/",
            "ws://[::2]/",
            "ws://[::ffff:127.0.0.1]/",
            "ws://2130706433/",
            "ws://127.1/",
            "ws://0x7f.0.0.1/",
            "ws://localhost.example.com/",
            "ws://localhost@example.com/",
            "ws://127.0.0.1.example.com/",
            &key,
            &long,
        ] {
            assert_eq!(RelayUrl::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_may_hold_a_token_is_not_printed() {
        for token in ["/token", "?token", "/a?b=token"] {
            let url = RelayUrl::parse(&format!("wss://bot.example.com:1{token}")).unwrap();
            assert_eq!(format!("{url:?}"), "RelayUrl(wss://bot.example.com:1/…)");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in "\\PC{0,60}") {
            let _ = RelayUrl::parse(&noise);
            let _ = RelayUrl::parse(&format!("ws://{noise}"));
            let _ = RelayUrl::parse(&format!("wss://{noise}"));
        }
    }
}
