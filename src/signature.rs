//! Did the provider send this upgrade request? Its signature, checked with the customer's secret.
//!
//! Pure: the request in pieces, a secret, and a yes or no. The URL holds a raw key, so it is never
//! put together: its pieces go into the MAC one after the other, nothing here keeps or prints them,
//! and no type here has a `Debug`. Who has to sign, and what a no means, is the session's business.
//!
//! # What is accepted
//!
//! A signature is made over the URL as the provider knows it, and providers do not document exactly
//! which spelling of it that is for a WebSocket. Every spelling below names the same host and the
//! same key, so accepting several gives nothing away.
//!
//! - Twilio, `X-Twilio-Signature`: base64 of HMAC-SHA1 over the full URL; an upgrade has no
//!   parameters. Where `X-Twilio-Webhooks-Signature-Settings` names an algorithm, it is that one:
//!   accounts with a shared key for webhooks sign with HMAC-SHA256, and the secret is that key. Twilio's own frameworks for Python check `wss://`, and a report against its ASP.NET
//!   helper says that `https://` does not match; the general page on webhooks knows `https://` only.
//!   Both are accepted, each with the port as the request had it, without one and with 443 (the
//!   official validators try with and without, since signing is "inconsistent" there), and with or
//!   without a slash at the end: no source says that Twilio adds one here, and it names the same
//!   call. A query string belongs to the URL.
//! - Plivo, `X-Plivo-Signature-V3` with `X-Plivo-Signature-V3-Nonce`: base64 of HMAC-SHA256 over
//!   URL, dot, nonce; the header may list several signatures. The plain reading is the URL itself.
//!   The official stream SDK checks it with the scheme `http` and `/websocket` at the end. Both are
//!   accepted, with `wss`, `https` and `http`, and with ports as above. The parameters of a query
//!   string are sorted; percent-encodings in it, which the official package decodes, are not decoded
//!   here.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Signatures that are looked at in one header; a provider sends one for each of a few tokens.
const MOST_SIGNATURES: usize = 8;

/// The URL that was signed, in pieces.
#[derive(Clone, Copy)]
pub struct SignedUrl<'a> {
    /// Host, with a port if the provider dials one: as in `UPVOOT_PUBLIC_URL` or the `Host` header.
    pub authority: &'a str,
    /// The path of `UPVOOT_PUBLIC_URL`, which a proxy in front takes off again; often empty.
    pub prefix: &'a str,
    /// The raw path; it holds the key.
    pub path: &'a str,
    /// The raw query string, without its question mark.
    pub query: Option<&'a str>,
}

/// How Twilio made a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwilioAlgorithm {
    /// HMAC-SHA1 with the account's auth token.
    Sha1,
    /// HMAC-SHA256 with a shared key for webhooks.
    Sha256,
}

impl TwilioAlgorithm {
    /// What `X-Twilio-Webhooks-Signature-Settings` says, such as `key=...,algorithm=HMAC_SHA256`;
    /// SHA-1 where it says nothing, and nothing where it names another.
    pub fn from_settings(settings: &[u8]) -> Option<Self> {
        let mut pairs = settings.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        match pairs.find_map(|pair| pair.strip_prefix(b"algorithm=")) {
            None => Some(Self::Sha1),
            Some(name) if name.eq_ignore_ascii_case(b"HMAC_SHA1") => Some(Self::Sha1),
            Some(name) if name.eq_ignore_ascii_case(b"HMAC_SHA256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }
}

/// Whether Twilio, knowing this secret, has signed this URL in this way.
pub fn twilio(
    secret: &SecretString,
    url: SignedUrl<'_>,
    signature: &[u8],
    algorithm: TwilioAlgorithm,
) -> bool {
    match algorithm {
        TwilioAlgorithm::Sha1 => twilio_with::<Hmac<Sha1>>(secret, url, signature),
        TwilioAlgorithm::Sha256 => twilio_with::<Hmac<Sha256>>(secret, url, signature),
    }
}

fn twilio_with<M>(secret: &SecretString, url: SignedUrl<'_>, signature: &[u8]) -> bool
where
    M: Mac + KeyInit + Clone,
{
    let Some(signature) = decoded(signature) else { return false };
    let Some(keyed) = keyed::<M>(secret) else { return false };
    let query = url.query.map(|query| ["?", query]);
    let query = query.as_ref().map_or(&[][..], |query| &query[..]);
    url.spellings(&["wss://", "https://"], &["", "/"]).any(|spelling| {
        let mac = fed(keyed.clone(), spelling.iter().chain(query)).finalize().into_bytes();
        mac[..].ct_eq(&signature).into()
    })
}

/// Whether Plivo, knowing this secret, has signed this URL together with this nonce: one of the
/// comma-separated signatures has to be right.
pub fn plivo(secret: &SecretString, url: SignedUrl<'_>, nonce: &[u8], signatures: &[u8]) -> bool {
    let signatures: Vec<Vec<u8>> =
        signatures.split(|b| *b == b',').take(MOST_SIGNATURES).filter_map(decoded).collect();
    let Some(keyed) = keyed::<Hmac<Sha256>>(secret) else { return false };
    let query = sorted(url.query.unwrap_or_default());
    url.spellings(&["wss://", "https://", "http://"], &["", "/websocket"]).any(|spelling| {
        let mac = fed(keyed.clone(), spelling.iter().chain(&query));
        let mac = mac.chain_update(b".").chain_update(nonce).finalize().into_bytes();
        signatures.iter().any(|signature| mac[..].ct_eq(signature).into())
    })
}

impl<'a> SignedUrl<'a> {
    /// The ways to write this URL without its query, each in pieces.
    fn spellings(
        self,
        schemes: &'static [&'static str],
        endings: &'static [&'static str],
    ) -> impl Iterator<Item = [&'a str; 6]> {
        let (host, port) = split_port(self.authority);
        let ports = [port, "", ":443"];
        let known = usize::from(port.is_empty() || port == ":443");
        let prefixes = [self.prefix, ""].into_iter().skip(usize::from(self.prefix.is_empty()));
        schemes.iter().flat_map(move |scheme| {
            prefixes.clone().flat_map(move |prefix| {
                ports.into_iter().skip(known).flat_map(move |port| {
                    let before = [*scheme, host, port, prefix];
                    endings.iter().map(move |ending| {
                        let [scheme, host, port, prefix] = before;
                        [scheme, host, port, prefix, self.path, *ending]
                    })
                })
            })
        })
    }
}

/// Host and `:port`; the brackets of an IPv6 address belong to the host.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => authority.split_at(at),
        _ => (authority, ""),
    }
}

/// The pieces of a query string in the order in which Plivo signs them: `?`, then the parameters by
/// name and value, joined by `&`.
fn sorted(query: &str) -> Vec<&str> {
    let mut parameters: Vec<(&str, &str)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .collect();
    parameters.sort_unstable();
    let mut pieces = Vec::with_capacity(4 * parameters.len());
    for (at, (name, value)) in parameters.into_iter().enumerate() {
        pieces.extend([if at == 0 { "?" } else { "&" }, name, "=", value]);
    }
    pieces
}

/// A MAC with this key; none with an empty one, which everybody knows.
fn keyed<M: KeyInit>(secret: &SecretString) -> Option<M> {
    let secret = secret.expose_secret().as_bytes();
    if secret.is_empty() {
        return None;
    }
    Some(M::new_from_slice(secret).expect("a key of HMAC may have any length"))
}

fn fed<'a, M: Mac>(mac: M, pieces: impl Iterator<Item = &'a &'a str>) -> M {
    pieces.fold(mac, |mac, piece| mac.chain_update(piece.as_bytes()))
}

fn decoded(signature: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(signature.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: &str = "voice.example.com";
    const NONCE: &[u8] = b"20240101120000123456";

    fn path() -> String {
        format!("/voice/sk_live_{}", "ab".repeat(32))
    }

    fn twilio_says(authority: &str, path: &str, query: Option<&str>, signature: &str) -> bool {
        let secret = SecretString::from("made-up-twilio-token");
        twilio(
            &secret,
            SignedUrl { authority, prefix: "", path, query },
            signature.as_bytes(),
            TwilioAlgorithm::Sha1,
        )
    }

    fn plivo_says(authority: &str, path: &str, query: Option<&str>, signatures: &str) -> bool {
        let secret = SecretString::from("made-up-plivo-token");
        plivo(
            &secret,
            SignedUrl { authority, prefix: "", path, query },
            NONCE,
            signatures.as_bytes(),
        )
    }

    /// Each computed with PyPI's `twilio` 9.13, over the spelling that stands beside it.
    const BY_TWILIO: [(&str, Option<&str>, &str); 6] = [
        (HOST, None, "ciYvtTbMyHM/gn36nCPXCsFgHG8="), // wss://HOST/voice/KEY
        (HOST, None, "TB2X6VAv/V45Epovl4B0LLrLLkY="), // https://HOST/voice/KEY
        (HOST, None, "8B4iTxcZGA5A2ZdQbWbC3qi0S2c="), // wss://HOST:443/voice/KEY
        (HOST, None, "Ba3zmxpciXDs7TcVROoUe4vYspM="), // wss://HOST/voice/KEY/
        (HOST, Some("a=1"), "0tN5HuBOnhwFVi7SNykScSvkzNI="), // wss://HOST/voice/KEY?a=1
        ("voice.example.com:8443", None, "aF2RLQXo+0IzZPZRa/FU+nZMtkM="), // wss://HOST:8443/...
    ];

    /// Each computed with PyPI's `plivo` 4.63, over the spelling that stands beside it.
    const BY_PLIVO: [(Option<&str>, &str); 4] = [
        (None, "lTrlo2fICbrsRbpeC6R7BPGsJQZbcom84JNiDK7R9DI="), // wss://HOST/voice/KEY
        (None, "pLzaNGvOaUV/fS4+3U5Q50dttlGQssRZRjewN7Tq+ME="), // https://HOST/voice/KEY
        (None, "7TdkdS+VGzFKuNPTLVpTJH786ID0n0+DoxWonc/M3C8="), // http://.../websocket
        (Some("b=2&a=1&a=0"), "qyg66B5xii0JmmXiAYSSYc9qKYbe0kMdmMmsk6FraAE="), // https, sorted
    ];

    #[test]
    fn what_twilio_has_not_signed_is_not_accepted() {
        let (path, good) = (path(), BY_TWILIO[0].2);
        let other_key = path.replace("ab", "cd");
        // wss://other.example.com/voice/KEY
        let other_host = "7VW5eyXWqslk/bH4GMMWXafc22s=";
        for (authority, path, query, signature) in [
            (HOST, path.as_str(), None, ""),
            (HOST, &path, None, "ciYvtTbMyHM/gn36nCPXCsFgHG8"),
            (HOST, &path, None, "CiYvtTbMyHM/gn36nCPXCsFgHG8="),
            (HOST, &path, None, "ciYvtTbMyHM="),
            (HOST, &path, None, BY_PLIVO[0].1),
            (HOST, &path, None, other_host),
            (HOST, &path, Some("a=2"), BY_TWILIO[4].2),
            (HOST, &path, Some(""), good),
            (HOST, &other_key, None, good),
            ("other.example.com", &path, None, good),
            (HOST, &path, None, BY_TWILIO[5].2),
        ] {
            assert!(!twilio_says(authority, path, query, signature), "{authority} {signature}");
        }
        let url = SignedUrl { authority: HOST, prefix: "", path: &path, query: None };
        assert!(!twilio(
            &SecretString::from("another token"),
            url,
            good.as_bytes(),
            TwilioAlgorithm::Sha1
        ));
    }

    #[test]
    fn an_empty_secret_accepts_not_even_what_was_signed_with_it() {
        let path = path();
        let url = SignedUrl { authority: HOST, prefix: "", path: &path, query: None };
        let mac = Hmac::<Sha1>::new_from_slice(b"").unwrap();
        let mac = mac.chain_update(format!("wss://{HOST}{path}")).finalize().into_bytes();
        let empty = SecretString::from("");
        assert!(!twilio(&empty, url, BASE64.encode(mac).as_bytes(), TwilioAlgorithm::Sha1));
        assert!(!plivo(&empty, url, NONCE, BY_PLIVO[0].1.as_bytes()));
    }

    #[test]
    fn what_twilio_has_signed_is_accepted_in_every_spelling() {
        for (authority, query, signature) in BY_TWILIO {
            assert!(twilio_says(authority, &path(), query, signature), "{signature}");
            assert!(twilio_says(authority, &path(), query, &format!(" {signature} ")));
        }
        // The port is one that only we know of: the proxy in front of us has another.
        assert!(twilio_says("voice.example.com:8080", &path(), None, BY_TWILIO[0].2));
        assert!(twilio_says("voice.example.com:443", &path(), None, BY_TWILIO[0].2));
    }

    #[test]
    fn the_algorithm_is_what_the_settings_name() {
        for (settings, algorithm) in [
            ("", Some(TwilioAlgorithm::Sha1)),
            ("key=webhooks_sharedkey_1", Some(TwilioAlgorithm::Sha1)),
            ("key=k,algorithm=HMAC_SHA256", Some(TwilioAlgorithm::Sha256)),
            ("algorithm=hmac_sha1 , key=k", Some(TwilioAlgorithm::Sha1)),
            ("key=k,algorithm=NONE", None),
            ("key=k,algorithm=", None),
        ] {
            assert_eq!(
                TwilioAlgorithm::from_settings(settings.as_bytes()),
                algorithm,
                "{settings}"
            );
        }
        let path = path();
        let url = SignedUrl { authority: HOST, prefix: "", path: &path, query: None };
        let secret = SecretString::from("a shared key");
        let mac = Hmac::<Sha256>::new_from_slice(b"a shared key").unwrap();
        let mac = mac.chain_update(format!("wss://{HOST}{path}")).finalize().into_bytes();
        let signature = BASE64.encode(mac);
        assert!(twilio(&secret, url, signature.as_bytes(), TwilioAlgorithm::Sha256));
        assert!(!twilio(&secret, url, signature.as_bytes(), TwilioAlgorithm::Sha1));
    }

    #[test]
    fn the_path_of_the_public_url_may_stand_before_ours() {
        let path = path();
        let secret = SecretString::from("token");
        let signed = |url: String| {
            let mac = Hmac::<Sha1>::new_from_slice(b"token").unwrap();
            BASE64.encode(mac.chain_update(url).finalize().into_bytes())
        };
        let said = |prefix, signature: &str| {
            let url = SignedUrl { authority: HOST, prefix, path: &path, query: None };
            twilio(&secret, url, signature.as_bytes(), TwilioAlgorithm::Sha1)
        };
        let (with, without) =
            (signed(format!("wss://{HOST}/up{path}")), signed(format!("wss://{HOST}{path}")));
        assert!(said("/up", &with) && said("/up", &without) && said("", &without));
        assert!(!said("", &with) && !said("/down", &with));
    }

    #[test]
    fn what_plivo_has_not_signed_is_not_accepted() {
        let (path, good) = (path(), BY_PLIVO[0].1);
        // https://other.example.com/voice/KEY
        let other_host = "4Rnb4AwyRNpnDc2zw6RzKZlC2xgjFD4R0kqGCsZEaeQ=";
        for (path, query, signatures) in [
            (path.as_str(), None, String::new()),
            (&path, None, ",,,".to_owned()),
            (&path, None, good.to_lowercase()),
            (&path, None, other_host.to_owned()),
            (&path, None, BY_TWILIO[0].2.to_owned()),
            (&path, Some("a=1"), good.to_owned()),
            (&path.replace("ab", "cd"), None, good.to_owned()),
            (&path, None, format!("{}{good}", format!("{other_host},").repeat(8))),
        ] {
            assert!(!plivo_says(HOST, path, query, &signatures), "{signatures}");
        }
        let secret = SecretString::from("made-up-plivo-token");
        let url = SignedUrl { authority: HOST, prefix: "", path: &path, query: None };
        assert!(!plivo(&secret, url, b"another nonce", good.as_bytes()));
        assert!(!plivo(&SecretString::from("another token"), url, NONCE, good.as_bytes()));
    }

    #[test]
    fn what_plivo_has_signed_is_accepted_alone_and_in_a_list() {
        for (query, signature) in BY_PLIVO {
            assert!(plivo_says(HOST, &path(), query, signature), "{signature}");
            let list = format!("AAAA, {signature},nonsense");
            assert!(plivo_says(HOST, &path(), query, &list), "{list}");
        }
    }

    #[test]
    fn an_ipv6_address_keeps_its_brackets() {
        assert_eq!(split_port("[2001:db8::1]"), ("[2001:db8::1]", ""));
        assert_eq!(split_port("[2001:db8::1]:8443"), ("[2001:db8::1]", ":8443"));
        assert_eq!(split_port("host:8443"), ("host", ":8443"));
    }

    proptest! {
        #[test]
        fn noise_is_no_signature(
            authority in any::<String>(), path in any::<String>(),
            query in any::<Option<String>>(), noise in any::<Vec<u8>>(),
        ) {
            let secret = SecretString::from("made-up");
            let url = SignedUrl { authority: &authority, prefix: "", path: &path, query: query.as_deref() };
            prop_assert!(!twilio(&secret, url, &noise, TwilioAlgorithm::Sha1));
            prop_assert!(!twilio(&secret, url, &noise, TwilioAlgorithm::Sha256));
            prop_assert!(!plivo(&secret, url, &noise, &noise));
        }
    }
}
