//! Refusals: every 4xx and 5xx of the server, in the one form of RFC 9457.
//!
//! A [`Code`] is a refusal with all that is constant about it; its body is made at compile time,
//! since refusing must cost little. Nothing here sees a path or a value, so nothing here can repeat
//! one; only a 422 names a field. Which code is due is decided by `session` and `api`.

mod slow;
mod unread;

use std::{borrow::Cow, fmt, future::Future};

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use serde::Serialize;

use crate::store::StoreError;

pub use slow::refuse_slow;
pub use unread::close_unread;

/// The media type of every refusal.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What a [`Code`] always says. `type` is `about:blank`: the status says what kind of problem it
/// is, and `code` says which one.
struct Constant {
    status: u16,
    title: &'static str,
    code: &'static str,
    detail: &'static str,
    body: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $title:literal $code:literal $detail:literal;)*) => {
        /// A refusal: its status, its code and its words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn constant(self) -> &'static Constant {
                match self {
                    $(Self::$name => &Constant {
                        status: $status,
                        title: $title,
                        code: $code,
                        detail: $detail,
                        body: concat!(
                            "{\"type\":\"about:blank\",\"title\":\"", $title, "\",\"status\":", $status,
                            ",\"detail\":\"", $detail, "\",\"code\":\"", $code, "\"}",
                        ),
                    },)*
                }
            }
        }
    };
}

codes! {
    /// The body is not one JSON object.
    BadJson = 400 "Bad Request" "bad_json" "The body is not one JSON object in UTF-8.";
    /// A fault in a WebSocket handshake that is neither a missing upgrade nor a wrong version.
    BadHandshake = 400 "Bad Request" "bad_handshake" "This is not a valid WebSocket handshake (RFC 6455).";
    /// The admin endpoints want the operator's token or a session.
    Unauthorized = 401 "Unauthorized" "unauthorized" "Missing or wrong credentials: send the operator's token (Authorization: Bearer TOKEN), or sign in.";
    /// A bearer token for a server that has none.
    BearerDisabled = 401 "Unauthorized" "bearer_disabled" "Bearer access is disabled: this server was started without UPVOOT_ADMIN_TOKEN.";
    /// Signing in: unknown, disabled and mistyped are on purpose not told apart.
    WrongCredentials = 401 "Unauthorized" "wrong_credentials" "Wrong e-mail address or password.";
    /// The voice endpoint: malformed or unknown, on purpose not told apart.
    InvalidKey = 401 "Unauthorized" "invalid_key" "This key is not valid.";
    /// The voice endpoint: the agent's calls have to be signed by the provider, and this one is not.
    InvalidSignature = 401 "Unauthorized" "invalid_signature" "The provider's signature is missing or not valid.";
    /// The browser's ticket is unknown, used up, too old, or somebody else's: on purpose not told apart.
    InvalidTicket = 401 "Unauthorized" "invalid_ticket" "This ticket is invalid, used or expired: request another one.";
    /// No free second left.
    InsufficientPoints = 402 "Payment Required" "insufficient_points" "The account has no points left for a call.";
    /// The key was revoked.
    KeyRevoked = 403 "Forbidden" "key_revoked" "This key has been revoked.";
    /// The agent takes no calls.
    AgentDisabled = 403 "Forbidden" "agent_disabled" "The agent is disabled.";
    /// A change that goes along with a session, but does not come from a page of ours.
    CrossOrigin = 403 "Forbidden" "cross_origin" "This change did not come from a page of this server.";
    /// The object is seen, but the role does not allow this.
    Forbidden = 403 "Forbidden" "forbidden" "Your role does not allow this.";
    /// No such page, or no such object.
    NotFound = 404 "Not Found" "not_found" "There is no such page or object.";
    /// The path is right, the method is not.
    MethodNotAllowed = 405 "Method Not Allowed" "method_not_allowed" "This method is not allowed here; the Allow header lists those that are.";
    /// A body that was announced did not come in time.
    BodyTooSlow = 408 "Request Timeout" "body_too_slow" "The body did not arrive in time.";
    /// An agent cannot be deleted yet.
    AgentInUse = 409 "Conflict" "agent_in_use" "The agent has live calls or active keys; end and revoke them first.";
    /// Nobody would be left to operate the server.
    LastOperator = 409 "Conflict" "last_operator" "This is the last operator who can sign in.";
    /// Nobody would be left to manage the account.
    LastOwner = 409 "Conflict" "last_owner" "This is the last owner of the account who can sign in; make another owner first, or ask the server's operator.";
    /// An adjustment would take what live calls hold.
    PointsNotFree = 409 "Conflict" "points_not_free" "The account has fewer free points than that; live calls may hold some.";
    /// The account has as many users, agents or keys as it may have.
    LimitReached = 409 "Conflict" "limit_reached" "The account's limit is reached: delete some, or ask the server's operator.";
    /// An `Idempotency-Key` came again with another body.
    IdempotencyConflict = 409 "Conflict" "idempotency_conflict" "This Idempotency-Key was used with another body.";
    /// More than a body may hold.
    TooLarge = 413 "Content Too Large" "too_large" "The body is over 1 MiB.";
    /// Not JSON, by its header.
    UnsupportedMediaType = 415 "Unsupported Media Type" "unsupported_media_type" "The body must be application/json in UTF-8.";
    /// A value, a parameter or a header breaks its rule; the field is named.
    InvalidField = 422 "Unprocessable Content" "invalid_field" "A field is not valid.";
    /// A valid key, but no WebSocket upgrade.
    UpgradeRequired = 426 "Upgrade Required" "upgrade_required" "This address requires a WebSocket upgrade (version 13).";
    /// A concurrency cap is reached.
    TooManyCalls = 429 "Too Many Requests" "too_many_calls" "Too many concurrent calls of the agent or the account, or too many failed calls of this key.";
    /// Too many wrong keys from one address.
    TooManyAttempts = 429 "Too Many Requests" "too_many_attempts" "Too many refused attempts from this address.";
    /// An account's owners tried too many addresses that somebody of another account has.
    TooManyAddresses = 429 "Too Many Requests" "too_many_addresses" "Too many e-mail addresses that are in use were tried within a day; the server's operator has no such limit.";
    /// More passwords of one account or address wait to be hashed than may.
    TooManyPasswords = 429 "Too Many Requests" "too_many_passwords" "Too many passwords of this account or address are being checked or set at once.";
    /// More pages listen than may.
    TooManyListeners = 429 "Too Many Requests" "too_many_listeners" "Too many open pages receive events.";
    /// Our own fault; the log has the cause.
    Internal = 500 "Internal Server Error" "internal" "Internal error; the server's log has the cause, with this answer's X-Request-Id.";
    /// The node is stopping.
    Draining = 503 "Service Unavailable" "draining" "This server is stopping and takes no new calls.";
    /// The database cannot be asked; nothing is let in unproved.
    Unavailable = 503 "Service Unavailable" "unavailable" "Temporarily unavailable: this cannot be checked now.";
}

impl Code {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.constant().status).expect("the table holds valid statuses")
    }

    /// The stable name clients can rely on: `code` in the body.
    pub const fn as_str(self) -> &'static str {
        self.constant().code
    }

    /// One sentence for people: `detail` in the body.
    pub const fn detail(self) -> &'static str {
        self.constant().detail
    }

    /// Seconds after which it makes sense to ask again, where it makes sense at all.
    const fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::TooManyCalls | Self::TooManyListeners | Self::Draining | Self::Unavailable => {
                Some("5")
            }
            Self::TooManyPasswords => Some("1"),
            Self::TooManyAttempts => Some("60"),
            Self::TooManyAddresses => Some("3600"),
            _ => None,
        }
    }

    /// The whole answer.
    pub fn response(self) -> HttpResponse {
        self.with_body(Bytes::from_static(self.constant().body.as_bytes()))
    }

    fn with_body(self, body: Bytes) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        response
            .force_close()
            .insert_header((header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)))
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from_static(seconds)));
        }
        match self {
            Self::Unauthorized | Self::BearerDisabled => {
                let challenge = HeaderValue::from_static("Bearer realm=\"upvoot\"");
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            Self::UpgradeRequired => {
                response.insert_header((header::UPGRADE, HeaderValue::from_static("websocket")));
            }
            _ => {}
        }
        response.body(body)
    }
}

/// A refusal on its way out of a handler: a [`Code`] and the little that may vary.
pub struct Problem {
    code: Code,
    field: Option<Box<FieldFault>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

struct FieldFault {
    field: Cow<'static, str>,
    detail: Cow<'static, str>,
}

#[derive(Serialize)]
struct FieldBody<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    field: &'a str,
}

impl Problem {
    /// A 422 that names the field and the rule it breaks. Neither may hold a value that came in.
    pub fn field(
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let fault = FieldFault { field: field.into(), detail: detail.into() };
        Self { field: Some(Box::new(fault)), ..Self::from(Code::InvalidField) }
    }

    /// A 405 with the methods that are allowed, such as `GET, HEAD`.
    pub fn method_not_allowed(allow: HeaderValue) -> Self {
        Self::from(Code::MethodNotAllowed).header(header::ALLOW, allow)
    }

    /// One more header on the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What kind of refusal it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The field a 422 names.
    pub fn named_field(&self) -> Option<&str> {
        self.field.as_ref().map(|fault| &*fault.field)
    }

    /// The whole answer.
    pub fn response(&self) -> HttpResponse {
        let mut response = match &self.field {
            None => self.code.response(),
            Some(fault) => {
                let constant = self.code.constant();
                let body = FieldBody {
                    r#type: "about:blank",
                    title: constant.title,
                    status: constant.status,
                    detail: &fault.detail,
                    code: constant.code,
                    field: &fault.field,
                };
                let body = serde_json::to_vec(&body).expect("texts and a number are always JSON");
                self.code.with_body(body.into())
            }
        };
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self { code, field: None, headers: Vec::new() }
    }
}

/// The client learns whether to try again; the cause is logged here, once.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) => Code::Unavailable,
            StoreError::Failed(_) => Code::Internal,
        };
        tracing::error!(error = %error, code = code.as_str(), "request failed: database error");
        code.into()
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// For logs: status and code, never the field, which may be a client's own text.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.constant().status, self.code.as_str())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        self.response()
    }
}

/// The handler for whatever no route knows.
pub async fn not_found() -> HttpResponse {
    Code::NotFound.response()
}

/// A handler for the methods a known path does not take; `allow` lists those it does.
pub fn method_not_allowed(
    allow: HeaderValue,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = HttpResponse>>> + Clone + 'static {
    move || {
        let problem = Problem::method_not_allowed(allow.clone());
        Box::pin(async move { problem.response() })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::{self, MessageBody};
    use serde_json::{Value, json};

    use super::*;

    fn json_of(response: HttpResponse) -> Value {
        let bytes = response.into_body().try_into_bytes().ok().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn every_code_says_the_same_in_its_body_and_its_status_line() {
        let mut seen = std::collections::HashSet::new();
        for &code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code:?} has a name of its own");
            let response = code.response();
            assert_eq!(response.status(), code.status());
            assert!(response.head().connection_type() == actix_http::ConnectionType::Close);
            let header =
                |name| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
            assert_eq!(header(header::CONTENT_TYPE).as_deref(), Some(MEDIA_TYPE));
            assert_eq!(header(header::CACHE_CONTROL).as_deref(), Some("no-store"));
            assert_eq!(
                header(header::RETRY_AFTER).is_some(),
                matches!(code.status().as_u16(), 429 | 503)
            );
            assert!(matches!(response.body().size(), body::BodySize::Sized(_)));
            assert_eq!(
                json_of(code.response()),
                json!({
                    "type": "about:blank",
                    "title": code.constant().title,
                    "status": code.status().as_u16(),
                    "detail": code.detail(),
                    "code": code.as_str(),
                })
            );
        }
    }

    #[test]
    fn a_field_fault_names_field_and_rule() {
        let problem = Problem::field("name", "1 to 200 characters");
        assert_eq!(problem.response().status(), 422);
        let body = json_of(problem.response());
        assert_eq!(body["field"], "name");
        assert_eq!(body["detail"], "1 to 200 characters");
        assert_eq!(body["code"], "invalid_field");
    }

    #[test]
    fn headers_that_go_with_a_code_are_there() {
        let header = |response: HttpResponse, name| response.headers().get(name).cloned();
        assert!(header(Code::Unauthorized.response(), header::WWW_AUTHENTICATE).is_some());
        assert!(header(Code::InvalidKey.response(), header::WWW_AUTHENTICATE).is_none());
        assert_eq!(header(Code::UpgradeRequired.response(), header::UPGRADE).unwrap(), "websocket");
        let problem = Problem::method_not_allowed(HeaderValue::from_static("GET, HEAD"));
        assert_eq!(header(problem.response(), header::ALLOW).unwrap(), "GET, HEAD");
    }
}
