//! How a page leaves: as HTML that nobody keeps, under a policy that lets nothing foreign in.
//!
//! The policy forbids inline scripts and styles, frames and other hosts; a page that goes wrong is a
//! page too, in plain words. What stands on the pages is the business of [`super::pages`].

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use maud::{Markup, html};

use super::layout;
use crate::{
    problem::{Code, Problem},
    store::StoreError,
};

/// From ourselves only. The try page runs its audio worklet from a file of ours and speaks to our own
/// WebSocket.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; media-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Headers of every page.
const HEADERS: [(&str, &str); 7] = [
    ("cache-control", "no-store"),
    ("content-security-policy", POLICY),
    // Not `no-referrer`: with it browsers send plain forms with `Origin: null`, and other hosts learn
    // no more this way.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "microphone=(self), camera=(), geolocation=()"),
];

/// A page with this status.
pub fn page(status: StatusCode, content: Markup) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    for (name, value) in HEADERS {
        answer.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
    answer.content_type("text/html; charset=utf-8").body(content.into_string())
}

/// The page everything went well for.
pub fn ok(content: Markup) -> HttpResponse {
    page(StatusCode::OK, content)
}

/// "Look there instead": after a form, and for whoever has to sign in first. `to` is a path of ours, or the
/// single sign-on service.
pub fn see_other(to: &str) -> HttpResponse {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, to))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .finish()
}

/// Why a page cannot be shown.
#[derive(Debug)]
pub enum Trouble {
    /// There is no such page, or it is another account's.
    NotFound,
    /// The page is not for this role.
    Forbidden,
    /// There is no account to look at yet.
    NoAccount,
    /// It failed, or cannot be told at the moment.
    Failed(Code),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such page",
            Self::Forbidden => "not for this role",
            Self::NoAccount => "no account yet",
            Self::Failed(code) => code.as_str(),
        })
    }
}

impl ResponseError for Trouble {
    fn error_response(&self) -> HttpResponse {
        let (status, title, words) = match self {
            // The overview says what to do about it.
            Self::NoAccount => return see_other("/"),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is nothing here",
                "The page does not exist, or it belongs to another account.",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "This page is not for you",
                "Your role does not include it. Somebody who owns the account can change that.",
            ),
            Self::Failed(code) if code.status() == StatusCode::SERVICE_UNAVAILABLE => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not at the moment",
                "The database cannot be reached. Calls in progress go on. Try again in a moment.",
            ),
            Self::Failed(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something failed",
                "It failed on our side, and the log says why.",
            ),
        };
        let content = html! {
            h1 { (title) }
            p { (words) }
            p { a href="/" { "To the overview" } }
        };
        page(status, layout::gate(title, &content))
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) => Code::Unavailable,
            StoreError::Failed(_) => Code::Internal,
        };
        tracing::error!(error = %error, code = code.as_str(), "a page met a failing database");
        Self::Failed(code)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        match problem.code() {
            Code::NotFound => Self::NotFound,
            Code::Forbidden | Code::CrossOrigin => Self::Forbidden,
            code => Self::Failed(code),
        }
    }
}

/// What a page's handler gives.
pub type Answer = Result<HttpResponse, Trouble>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_kept_by_nobody_and_lets_nothing_foreign_in() {
        let answer = ok(html! { "x" });
        let header = |name| answer.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "same-origin");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    }

    #[test]
    fn trouble_is_a_page_in_plain_words() {
        for (trouble, status) in [
            (Trouble::NotFound, 404),
            (Trouble::Forbidden, 403),
            (Trouble::Failed(Code::Unavailable), 503),
            (Trouble::Failed(Code::Internal), 500),
        ] {
            let answer = trouble.error_response();
            assert_eq!(answer.status().as_u16(), status);
            assert!(answer.headers().contains_key("content-security-policy"));
        }
        assert_eq!(Trouble::NoAccount.error_response().status(), 303);
    }
}
