//! Where a change comes from: a session's cookie goes along with whatever a browser sends, so a
//! change is only believed if our own page sent it.
//!
//! `Sec-Fetch-Site` is the browser's own word and decides where it is sent; over plain HTTP to another
//! machine it is not, and then `Origin` has to be ours. A page that posts a plain form must not be
//! served with `Referrer-Policy: no-referrer`, which makes browsers send `Origin: null`; `same-origin`
//! tells other hosts as little.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap, HeaderName},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page of ours sent this request.
pub(super) fn is_ours(request: &HttpRequest, public_url: &str) -> bool {
    let scheme = if request.app_config().secure() { "https" } else { "http" };
    judge(request.headers(), scheme, public_url)
}

fn judge(headers: &HeaderMap, scheme: &str, public_url: &str) -> bool {
    if headers.contains_key(SEC_FETCH_SITE) {
        return only(headers, &SEC_FETCH_SITE) == Some("same-origin");
    }
    let Some(origin) = only(headers, &header::ORIGIN).and_then(origin_of) else { return false };
    let asked = only(headers, &header::HOST).map(|host| format!("{scheme}://{host}"));
    let asked = asked.as_deref().and_then(origin_of);
    asked.as_ref() == Some(&origin) || origin_of(public_url) == Some(origin)
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name);
    let (only, None) = (all.next()?, all.next()) else { return None };
    only.to_str().ok()
}

/// Scheme, host and port of a URL, in the form that browsers send.
pub(super) fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let usual = match &*scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    Some(format!("{scheme}://{}", host.strip_suffix(usual).unwrap_or(&host)))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PUBLIC: &str = "https://Voice.example.com:443/upvoot";

    fn ours(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        judge(&map, "http", PUBLIC)
    }

    #[test]
    fn the_browsers_own_word_decides() {
        let site = |value| ours(&[("sec-fetch-site", value), ("origin", "null")]);
        assert!(site("same-origin"));
        for other in ["same-site", "cross-site", "none", "", "Same-Origin, same-origin"] {
            assert!(!site(other), "{other}");
        }
        assert!(!ours(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://h:1"),
            ("host", "h:1")
        ]));
        assert!(!ours(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn without_it_the_origin_has_to_be_this_host_or_the_public_one() {
        for good in ["http://10.0.0.1:8080", "https://voice.example.com"] {
            assert!(ours(&[("origin", good), ("host", "10.0.0.1:8080")]), "{good}");
        }
        assert!(ours(&[("origin", "http://h"), ("host", "h:80")]));
        for wrong in [
            "null",
            "",
            "http://voice.example.com",
            "https://voice.example.com.evil.example",
            "https://evil.example",
            "https://10.0.0.1:8080",
            "http://10.0.0.1",
            "http://10.0.0.1:8081",
            "10.0.0.1:8080",
        ] {
            assert!(!ours(&[("origin", wrong), ("host", "10.0.0.1:8080")]), "{wrong}");
        }
        assert!(!ours(&[("host", "h")]), "neither header");
        let two = [("origin", "http://h"), ("origin", "http://h"), ("host", "h")];
        assert!(!ours(&two));
    }
}
