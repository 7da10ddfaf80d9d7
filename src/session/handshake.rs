//! Whether a request is a WebSocket handshake that we can accept (RFC 6455, section 4.2.1).
//!
//! Pure: headers in, a verdict out. It is asked before the upgrade and says nothing about the key;
//! `upgrade` puts the two answers in order.

use actix_web::http::{
    Method, Version,
    header::{self, HeaderMap, HeaderName},
};

/// What a request is, as a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// One that can be accepted.
    Good,
    /// Not a WebSocket upgrade at all.
    NoUpgrade,
    /// A WebSocket upgrade of another version than 13.
    WrongVersion,
    /// Meant as a WebSocket upgrade, but broken.
    Bad,
}

/// Judges a request.
///
/// What is good here must be good to the HTTP library too, which judges each header in its own way
/// and hands the connection over only if all of them please it: a protocol beside `websocket`,
/// `close` beside `upgrade`, or a body, and the connection is not a WebSocket's after the 101.
pub fn judge(method: &Method, version: Version, headers: &HeaderMap) -> Handshake {
    if !has_token(headers, &header::UPGRADE, "websocket") {
        return Handshake::NoUpgrade;
    }
    let sound = method == Method::GET
        && version == Version::HTTP_11
        && single(headers, &header::UPGRADE)
            .is_some_and(|only| only.eq_ignore_ascii_case("websocket"))
        && has_token(headers, &header::CONNECTION, "upgrade")
        && !has_token(headers, &header::CONNECTION, "close")
        && !announces_body(headers)
        && single(headers, &header::SEC_WEBSOCKET_KEY).is_some_and(is_nonce);
    if !sound {
        return Handshake::Bad;
    }
    if single(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Handshake::WrongVersion;
    }
    Handshake::Good
}

/// Whether a body is to follow, which would be taken for the first frames.
fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.contains_key(header::CONTENT_LENGTH)
            && single(headers, &header::CONTENT_LENGTH) != Some("0")
}

/// Whether one of a header's comma-separated values is this one, whatever its case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// The value of a header that stands there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

/// Whether a text has the form of 16 bytes in base64, which is what `Sec-WebSocket-Key` must be.
fn is_nonce(text: &str) -> bool {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    text.len() == 24 && text.ends_with("==") && text.bytes().take(22).all(base64)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];

    fn judged(headers: &[(&str, &str)]) -> Handshake {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        judge(&Method::GET, Version::HTTP_11, &map)
    }

    fn without(name: &str) -> Vec<(&'static str, &'static str)> {
        GOOD.into_iter().filter(|(n, _)| *n != name).collect()
    }

    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        without(name).into_iter().chain([(name, value)]).collect()
    }

    #[test]
    fn what_is_not_a_websocket_upgrade_is_told_apart_from_a_broken_one() {
        assert_eq!(judged(&[]), Handshake::NoUpgrade);
        assert_eq!(judged(&without("upgrade")), Handshake::NoUpgrade);
        assert_eq!(judged(&with("upgrade", "h2c")), Handshake::NoUpgrade);
        assert_eq!(judged(&without("connection")), Handshake::Bad);
        assert_eq!(judged(&without("sec-websocket-key")), Handshake::Bad);
        assert_eq!(judged(&with("sec-websocket-key", "short")), Handshake::Bad);
        let twice = [&GOOD[..], &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]].concat();
        assert_eq!(judged(&twice), Handshake::Bad);
        let post = judge(&Method::POST, Version::HTTP_11, &HeaderMap::new());
        assert_eq!(post, Handshake::NoUpgrade);
    }

    #[test]
    fn what_the_http_library_would_not_hand_over_is_broken() {
        for (name, value) in [
            ("upgrade", "websocket, foo"),
            ("upgrade", "foo, websocket"),
            ("upgrade", "websocket,"),
            ("connection", "close, Upgrade"),
            ("connection", "Upgrade, close"),
            ("connection", "upgrade,CLOSE"),
            ("connection", "keep-alive"),
        ] {
            assert_eq!(judged(&with(name, value)), Handshake::Bad, "{name}: {value}");
        }
        for (name, value) in [
            ("upgrade", "foo"),
            ("upgrade", "websocket"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "identity"),
            ("content-length", "5"),
            ("content-length", "00"),
            ("content-length", "x"),
        ] {
            let besides = [&GOOD[..], &[(name, value)]].concat();
            assert_eq!(judged(&besides), Handshake::Bad, "also {name}: {value}");
        }
        assert_eq!(judged(&[&GOOD[..], &[("content-length", "0")]].concat()), Handshake::Good);
    }

    #[test]
    fn only_version_13_is_spoken() {
        assert_eq!(judged(&without("sec-websocket-version")), Handshake::WrongVersion);
        assert_eq!(judged(&with("sec-websocket-version", "8")), Handshake::WrongVersion);
    }

    #[test]
    fn a_good_handshake_is_good_whatever_it_offers() {
        assert_eq!(judged(&GOOD), Handshake::Good);
        assert_eq!(judged(&with("sec-websocket-protocol", "other, upvoot.v1")), Handshake::Good);
    }
}
