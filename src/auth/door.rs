//! The doors: before `/api`, which refuses, and before the pages, which lead to signing in.
//!
//! An unauthenticated caller learns nothing, not even which addresses exist, so [`door`] comes before
//! routing. A bearer token goes before a cookie and needs no origin, since no browser sends one by
//! itself. What a [`Principal`] may do is judged beside each route.

use std::borrow::Cow;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Auth, Principal, User, session};
use crate::{
    attempts::network,
    key::redact,
    problem::{Code, Problem},
    store::share::{self, Share},
};

/// The middleware around every request: until it is known whose it is, the store serves it in the turn of
/// the network it comes from.
///
/// # Errors
/// Those of the service behind it.
pub async fn as_stranger<B: MessageBody>(
    auth: Data<Auth>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let from = network(auth.client(request.request()));
    share::of_stranger(from, next.call(request)).await
}

/// The middleware around everything that only the operator and users may see or do.
///
/// # Errors
/// Those of the service behind it.
pub async fn door<B: MessageBody>(
    auth: Data<Auth>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match enter(&auth, request.request()).await {
        Ok(who) => {
            request.extensions_mut().insert(who);
        }
        Err(problem) => {
            let refusal = problem.response();
            return Ok(request.into_response(refusal).map_into_right_body());
        }
    }
    let mut answer = next.call(request).await?.map_into_left_body();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

async fn enter(auth: &Auth, request: &HttpRequest) -> Result<Principal, Problem> {
    let who = principal(auth, request).await?.ok_or_else(|| unproved(auth, request))?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if matches!(who, Principal::User(_)) && !reads {
        auth.same_origin(request)?;
    }
    Ok(who)
}

/// Why a request is refused that neither a token nor a session came with.
fn unproved(auth: &Auth, request: &HttpRequest) -> Code {
    let bearer = bearer(request.headers()).is_some_and(|token| !token.is_empty());
    if bearer && auth.settings.admin_token.is_none() {
        return Code::BearerDisabled;
    }
    Code::Unauthorized
}

/// Who sent this request; `None`: nobody that is known. Whoever gives a bearer token is judged by it
/// alone.
///
/// # Errors
/// 503 when the database cannot be asked.
pub async fn principal(auth: &Auth, request: &HttpRequest) -> Result<Option<Principal>, Problem> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        let right = is_operator(request.headers(), auth.settings.admin_token.as_ref());
        if right {
            share::is(Share::Operator);
        } else {
            tell_of_wrong_token(auth, request);
        }
        return Ok(right.then_some(Principal::Operator));
    }
    Ok(session::find(auth, request).await?.map(Principal::User))
}

/// One line for whoever watches the log, as long as an address does not write them by the dozen.
fn tell_of_wrong_token(auth: &Auth, request: &HttpRequest) {
    let client = auth.client(request);
    if auth.told.allow(network(client), auth.clock.now()) {
        tracing::warn!(%client, "a bearer token was refused");
    }
}

/// The user a page is for.
///
/// # Errors
/// The answer to give instead: a redirection to `/login?next=<this page>` for whoever is not signed
/// in, a refusal when the database cannot be asked.
pub async fn page_user(request: &HttpRequest) -> Result<User, HttpResponse> {
    let Some(auth) = request.app_data::<Data<Auth>>() else {
        return Err(Code::Internal.response());
    };
    match session::find(auth, request).await {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(to_sign_in(request)),
        Err(problem) => Err(problem.response()),
    }
}

fn to_sign_in(request: &HttpRequest) -> HttpResponse {
    let page = request.uri().path_and_query().map_or("/", |page| page.as_str());
    let login = match safe_next(page) {
        "/" => "/login".to_owned(),
        page => format!("/login?next={}", encoded(page)),
    };
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, login))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Where to go after signing in: `next` if it is a page of ours, else `/`. Nothing in it can lead to
/// another host, and what is shaped like a key, pasted into the wrong address, is not repeated.
pub fn safe_next(next: &str) -> &str {
    let local = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && next.len() <= 1_000
        && matches!(redact(next), Cow::Borrowed(_));
    if local { next } else { "/" }
}

/// A text as the value of a query parameter.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn is_operator(headers: &HeaderMap, expected: Option<&SecretString>) -> bool {
    let (Some(expected), Some(given)) = (expected, bearer(headers)) else { return false };
    let (expected, given) = (Sha256::digest(expected.expose_secret()), Sha256::digest(given));
    expected.as_slice().ct_eq(given.as_slice()).into()
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION);
    let (only, None) = (all.next()?.as_bytes(), all.next()) else { return None };
    let (scheme, token) = only.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_in_one_header_is_the_operator() {
        let token = SecretString::from("0123456789abcdef0123456789abcdef");
        let asks = |values: &[&str], expected: Option<&SecretString>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            is_operator(&headers, expected)
        };
        let right = "Bearer 0123456789abcdef0123456789abcdef";
        assert!(asks(&[right], Some(&token)));
        assert!(asks(&["bearer  0123456789abcdef0123456789abcdef "], Some(&token)));
        assert!(!asks(&[right], None));
        assert!(!asks(&[right, right], Some(&token)));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef",
            "Bearer 0123456789abcdef0123456789abcde",
            "Bearer 0123456789abcdef0123456789abcdef0",
            "Bearer 0123456789ABCDEF0123456789ABCDEF",
        ] {
            assert!(!asks(&[wrong], Some(&token)), "{wrong}");
        }
        assert!(!asks(&[], Some(&token)));
    }

    #[test]
    fn only_a_page_of_ours_comes_next() {
        for good in ["/", "/agents", "/calls?live=true&x=%2F%2Fy", "/agents/agt_1#keys"] {
            assert_eq!(safe_next(good), good);
        }
        let long = format!("/{}", "a".repeat(1_000));
        let key = format!("/calls/sk_live_{}", "0a".repeat(32));
        let escaped = key.replace("sk_", "%73%6B_");
        for wrong in [
            "",
            "agents",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a b",
            "/a\r\nb",
            "/ä",
            "javascript:alert(1)",
            &long,
            &key,
            &escaped,
        ] {
            assert_eq!(safe_next(wrong), "/", "{wrong}");
        }
        assert_eq!(encoded("/calls?live=true&a=%2F"), "/calls%3Flive%3Dtrue%26a%3D%252F");
    }
}
