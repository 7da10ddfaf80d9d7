//! How a page leaves: as HTML that nobody keeps, under a policy that lets nothing foreign in.
//!
//! The policy forbids inline scripts and styles, frames and other hosts; a page that goes wrong is a
//! page too, in plain words. Whatever came in with a request, nothing that is shaped like a key leaves in
//! a page or in a redirection. What stands on the pages is the business of [`super::pages`].

use std::{borrow::Cow, fmt};

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
    key::redact,
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

/// A page with this status. A refusal closes its connection, like every other one of this server.
pub fn page(status: StatusCode, content: Markup) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    for (name, value) in HEADERS {
        answer.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
    if status.is_client_error() || status.is_server_error() {
        answer.force_close();
    }
    let mut content = content.into_string();
    if let Cow::Owned(clean) = redact(&content) {
        content = clean;
    }
    answer.content_type("text/html; charset=utf-8").body(content)
}

/// The page everything went well for.
pub fn ok(content: Markup) -> HttpResponse {
    page(StatusCode::OK, content)
}

/// "Look there instead": after a form, and for whoever has to sign in first. `to` is a path of ours.
pub fn see_other(to: &str) -> HttpResponse {
    leave_for(if matches!(redact(to), Cow::Borrowed(_)) { to } else { "/" })
}

/// Leads to another service, such as single sign-on; `to` is an address of its own making.
pub fn leave_for(to: &str) -> HttpResponse {
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
    /// What was sent cannot be read; the status says why.
    Unreadable(StatusCode),
    /// The method is none of the page's, which these are.
    MethodNotAllowed(HeaderValue),
    /// It was refused, failed, or cannot be told at the moment.
    Failed(Code),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such page",
            Self::Forbidden => "not for this role",
            Self::NoAccount => "no account yet",
            Self::Unreadable(_) => "it cannot be read",
            Self::MethodNotAllowed(_) => "not by this method",
            Self::Failed(code) => code.as_str(),
        })
    }
}

impl ResponseError for Trouble {
    fn error_response(&self) -> HttpResponse {
        if matches!(self, Self::NoAccount) {
            // The overview says what to do about it.
            return see_other("/");
        }
        let (title, words) = self.words();
        let content = html! {
            h1 { (title) }
            p { (words) }
            p { a href="/" { "Overview" } }
        };
        let mut answer = page(self.status(), layout::gate(title, &content));
        let extra = match self {
            Self::MethodNotAllowed(allow) => Some((header::ALLOW, allow.clone())),
            Self::Failed(code) => {
                let wait = code.response().headers().get(header::RETRY_AFTER).cloned();
                wait.map(|wait| (header::RETRY_AFTER, wait))
            }
            _ => None,
        };
        if let Some((name, value)) = extra {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

impl Trouble {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoAccount => StatusCode::SEE_OTHER,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unreadable(status) => *status,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Failed(code) => code.status(),
        }
    }

    /// The page's title, and what it says.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::NoAccount => ("No account yet", ""),
            Self::NotFound => {
                ("Page not found", "The page does not exist, or it belongs to another account.")
            }
            Self::Forbidden => (
                "You do not have access",
                "Your role does not allow this page. An owner of the account can change your role.",
            ),
            Self::Unreadable(StatusCode::PAYLOAD_TOO_LARGE) => {
                ("Too long", "The form is larger than the limit. Go back and shorten it.")
            }
            Self::Unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE) => (
                "Not a form",
                "Forms must be application/x-www-form-urlencoded. Programs use the API.",
            ),
            Self::Unreadable(_) => {
                ("Not readable", "A field is missing, or was sent twice. Go back and try again.")
            }
            Self::MethodNotAllowed(_) => (
                "Method not allowed",
                "This address does not accept this method. Programs use the API.",
            ),
            Self::Failed(Code::Unavailable) => (
                "Temporarily unavailable",
                "The database is unavailable. Live calls continue. Try again.",
            ),
            Self::Failed(code) if code.status() == StatusCode::SERVICE_UNAVAILABLE => {
                ("Temporarily unavailable", code.detail())
            }
            Self::Failed(code) if code.status().is_server_error() => {
                ("Internal error", "The server's log has the cause.")
            }
            Self::Failed(code) => ("Refused", code.detail()),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) => Code::Unavailable,
            StoreError::Failed(_) => Code::Internal,
        };
        tracing::error!(error = %error, code = code.as_str(), "page failed: database error");
        Self::Failed(code)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        match problem.code() {
            Code::NotFound => Self::NotFound,
            Code::Forbidden => Self::Forbidden,
            code => Self::Failed(code),
        }
    }
}

/// What a page's handler gives.
pub type Answer = Result<HttpResponse, Trouble>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use actix_web::body::MessageBody;

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
    fn nothing_shaped_like_a_key_leaves() {
        let key = format!("sk_live_{}", "0f".repeat(32));
        let answer = ok(html! { (key) });
        let body = answer.into_body().try_into_bytes().unwrap();
        assert_eq!(&body[..], b"[redacted]");
        let leads = |to: &str| see_other(to).headers().get("location").cloned().unwrap();
        assert_eq!(leads(&format!("/calls/{key}")), "/");
        assert_eq!(leads(&format!("/calls/%73{}", &key[1..])), "/");
        assert_eq!(leads("/calls?live=true"), "/calls?live=true");
    }

    #[test]
    fn trouble_is_a_page_in_plain_words() {
        for (trouble, status) in [
            (Trouble::NotFound, 404),
            (Trouble::Forbidden, 403),
            (Trouble::Failed(Code::Unavailable), 503),
            (Trouble::Failed(Code::Internal), 500),
            (Trouble::Failed(Code::LastOperator), 409),
            (Trouble::Failed(Code::TooManyAttempts), 429),
            (Trouble::Unreadable(StatusCode::PAYLOAD_TOO_LARGE), 413),
            (Trouble::MethodNotAllowed(HeaderValue::from_static("GET, HEAD")), 405),
        ] {
            let answer = trouble.error_response();
            assert_eq!(answer.status().as_u16(), status);
            assert!(answer.headers().contains_key("content-security-policy"));
            assert_eq!(answer.headers().contains_key("allow"), status == 405);
            let waits = matches!(status, 429 | 503);
            assert_eq!(answer.headers().contains_key("retry-after"), waits, "{status}");
        }
        assert_eq!(Trouble::NoAccount.error_response().status(), 303);
    }
}
