//! Whose request it is: the peer's address, seen through the proxies an operator trusts.
//!
//! Forwarded headers are a client's own words until a trusted proxy has written them, so they count
//! only as far as the chain of trusted proxies reaches. This module knows no route and no limit; the
//! voice endpoint counts attempts by the address, `api` writes it into the audit log.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::networks::Networks;

/// The proxies whose forwarded headers are believed.
pub type Proxies = Networks;

/// The client's address: the peer's own, or, if the peer is a trusted proxy, the rightmost address
/// of the forwarded chain that is not one. IPv4 in IPv6 clothes is IPv4.
///
/// `X-Forwarded-For` goes before `Forwarded` (RFC 7239): a proxy that writes only the latter has to
/// remove the former. An entry that is no address ends the chain: whoever wrote it is the client.
/// A peer without an address (a test's, a local socket's) is `0.0.0.0`.
pub fn client_ip(peer: Option<SocketAddr>, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    let mut client = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |p| p.ip()).to_canonical();
    if !proxies.contain(client) {
        return client;
    }
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
    let plain = headers.contains_key(X_FORWARDED_FOR);
    let name = if plain { X_FORWARDED_FOR } else { FORWARDED };
    let lines: Vec<&str> = headers.get_all(name).map(|v| v.to_str().unwrap_or("")).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let node = if plain { Some(entry.trim()) } else { forwarded_for(entry) };
        let Some(address) = node.and_then(parse_node) else { break };
        client = address;
        if !proxies.contain(client) {
            break;
        }
    }
    client
}

/// The `for` parameter of one element of a `Forwarded` header.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// An address as proxies write it: bare, in brackets, with or without a port.
fn parse_node(node: &str) -> Option<IpAddr> {
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = node.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = node.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn seen(peer: &str, proxies: &str, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        client_ip(Some(peer), &map, &proxies.parse().unwrap()).to_string()
    }

    #[test]
    fn forwarded_headers_of_strangers_are_ignored() {
        let spoofed = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")];
        assert_eq!(seen("9.9.9.9", "", &spoofed), "9.9.9.9");
        assert_eq!(seen("9.9.9.9", "10.0.0.0/8, ::1", &spoofed), "9.9.9.9");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        for (headers, client) in [
            (&[("x-forwarded-for", "1.2.3.4")][..], "1.2.3.4"),
            (&[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.2")], "1.2.3.4"),
            (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4,10.0.0.2")], "1.2.3.4"),
            (&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            (&[("x-forwarded-for", "1.2.3.4:555")], "1.2.3.4"),
            (&[("x-forwarded-for", "2001:db8::7")], "2001:db8::7"),
            (&[("x-forwarded-for", "[2001:db8::7]:555")], "2001:db8::7"),
            (&[("x-forwarded-for", "::ffff:1.2.3.4")], "1.2.3.4"),
            (&[("x-forwarded-for", "6.6.6.6, unknown, 10.0.0.2")], "10.0.0.2"),
            (&[("x-forwarded-for", "6.6.6.6, , 10.0.0.2")], "10.0.0.2"),
            (&[("x-forwarded-for", "")], "10.0.0.1"),
            (&[("forwarded", "for=6.6.6.6, For=\"[2001:db8::7]:1\";proto=https")], "2001:db8::7"),
            (&[("forwarded", "proto=https;for=1.2.3.4;by=10.0.0.1")], "1.2.3.4"),
            (&[("forwarded", "for=_hidden")], "10.0.0.1"),
            (&[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(seen("10.0.0.1", "10.0.0.0/8", headers), client, "{headers:?}");
            assert_eq!(seen("::ffff:10.0.0.1", "10.0.0.0/8", headers), client, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics_and_never_outruns_the_chain_of_trust(
            noise in "[ -~]{0,80}", name in prop_oneof![Just("x-forwarded-for"), Just("forwarded")],
        ) {
            prop_assert_eq!(seen("9.9.9.9", "10.0.0.0/8", &[(name, &noise)]), "9.9.9.9");
            let _ = seen("10.0.0.1", "10.0.0.0/8", &[(name, &noise)]);
            let _ = noise.parse::<Proxies>();
        }
    }
}
