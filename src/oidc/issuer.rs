//! What may be asked: over TLS, or on this machine.

use std::fmt;

use openidconnect::{
    IssuerUrl,
    url::{Host, Url},
};

/// The provider's name, which is an address too: exactly as it writes it itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(IssuerUrl);

impl Issuer {
    /// Takes `https`, and `http` to this machine; no query, no fragment, no password.
    pub fn parse(text: &str) -> Option<Self> {
        let issuer = IssuerUrl::new(text.to_owned()).ok()?;
        let url = issuer.url();
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        (bare && url.password().is_none() && is_safe(url)).then_some(Self(issuer))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> &IssuerUrl {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a secret can go there without being read on the way.
pub(super) fn is_safe(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_over_tls_or_on_this_machine() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/realms/main/",
            "http://localhost:9000",
            "http://127.0.0.1:1/x",
            "http://[::1]:1",
        ] {
            assert_eq!(Issuer::parse(good).unwrap().as_str(), good);
        }
        for wrong in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "https://",
            "https://id.example.com?x=1",
            "https://id.example.com#x",
            "https://ann:secret@id.example.com",
            "file:///etc/passwd",
        ] {
            assert!(Issuer::parse(wrong).is_none(), "{wrong}");
        }
    }
}
