//! One line per request, with the route's pattern and never the path, for the path can be a key.
//!
//! Every answer gets an `X-Request-Id` of our own making (a client's is not taken over), and the
//! line has the same. The line is written when the head of the answer is: a call's line, with status
//! 101, comes when the call begins. What a request meant is logged by whoever served it.

use std::{
    fmt,
    future::{Ready, ready},
    net::IpAddr,
    time::Instant,
};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use futures_util::future::LocalBoxFuture;
use tracing::{Level, level_filters::LevelFilter};
use uuid::Uuid;

use crate::client_addr::{Proxies, client_ip};

/// The header with the request's id.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What orchestrators and load balancers ask, every few seconds.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// The id that a request is logged with, and that its answer carries.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(Uuid);

impl RequestId {
    /// The id of a request that has come through [`AccessLog`].
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().copied()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.as_simple(), f)
    }
}

/// What stands for the paths below a scope that has no patterns: the scope and a name for it.
pub type ScopeName = (&'static str, &'static str);

/// The middleware: wrap the whole app in it, outermost.
#[derive(Clone, Default)]
pub struct AccessLog {
    proxies: Proxies,
    scopes: &'static [ScopeName],
}

impl AccessLog {
    /// Logs addresses as these proxies forward them, and paths below these scopes by their names.
    pub fn new(proxies: Proxies, scopes: &'static [ScopeName]) -> Self {
        Self { proxies, scopes }
    }
}

impl<S, B> Transform<S, ServiceRequest> for AccessLog
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = AccessLogService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (proxies, scopes) = (self.proxies.clone(), self.scopes);
        ready(Ok(AccessLogService { service, proxies, scopes }))
    }
}

/// The middleware at work.
pub struct AccessLogService<S> {
    service: S,
    proxies: Proxies,
    scopes: &'static [ScopeName],
}

impl<S, B> Service<ServiceRequest> for AccessLogService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let client = client_ip(request.head().peer_addr, request.headers(), &self.proxies);
        let scopes = self.scopes;
        let id = RequestId(Uuid::now_v7());
        request.extensions_mut().insert(id);
        let answer = self.service.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            let mut text = [0; uuid::fmt::Simple::LENGTH];
            let text = &*id.0.as_simple().encode_lower(&mut text);
            let value = HeaderValue::from_str(text).expect("hex digits are a header value");
            answer.headers_mut().insert(X_REQUEST_ID, value);
            write_line(&answer, scopes, started, client, text);
            Ok(answer)
        })
    }
}

/// Separate, so that the macros below are expanded once and not for every type of body.
fn write_line<B>(
    answer: &ServiceResponse<B>,
    scopes: &[ScopeName],
    started: Instant,
    client: IpAddr,
    id: &str,
) {
    let status = answer.status();
    let level = level(answer.request().path(), status);
    if level > LevelFilter::current() {
        return;
    }
    let pattern = answer.request().match_pattern();
    let scope = || scopes.iter().find(|(below, _)| answer.request().path().starts_with(below));
    let route = pattern.as_deref().or_else(|| scope().map(|(_, name)| *name)).unwrap_or("(none)");
    let method = method_name(answer.request().method());
    // To a hundredth of a millisecond: more digits are noise.
    let hundredths = u32::try_from(started.elapsed().as_micros() / 10).unwrap_or(u32::MAX);
    let duration_ms = f64::from(hundredths) / 100.0;
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                method,
                route,
                status = status.as_u16(),
                duration_ms,
                client = %client,
                request.id = id,
                "request"
            )
        };
    }
    match level {
        Level::ERROR => line!(error),
        Level::WARN => line!(warn),
        Level::DEBUG => line!(debug),
        _ => line!(info),
    }
}

/// A probe comes every few seconds for ever, and what changes about it is logged by who answers it.
/// A 503 is a refusal that was meant, and any other 5xx a fault of ours.
fn level(path: &str, status: StatusCode) -> Level {
    match status {
        _ if PROBES.contains(&path) => Level::DEBUG,
        StatusCode::SERVICE_UNAVAILABLE => Level::WARN,
        status if status.is_server_error() => Level::ERROR,
        _ => Level::INFO,
    }
}

/// A method is any word a client likes to send; only the known ones are repeated.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [(&Method, &str); 9] = [
        (&Method::GET, "GET"),
        (&Method::HEAD, "HEAD"),
        (&Method::POST, "POST"),
        (&Method::PUT, "PUT"),
        (&Method::PATCH, "PATCH"),
        (&Method::DELETE, "DELETE"),
        (&Method::OPTIONS, "OPTIONS"),
        (&Method::CONNECT, "CONNECT"),
        (&Method::TRACE, "TRACE"),
    ];
    KNOWN.iter().find(|(known, _)| *known == method).map_or("(other)", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_loud_as_what_it_says() {
        let refused = StatusCode::SERVICE_UNAVAILABLE;
        for (path, status, expected) in [
            ("/healthz", StatusCode::OK, Level::DEBUG),
            ("/readyz", refused, Level::DEBUG),
            ("/voice/x", refused, Level::WARN),
            ("/api/keys", StatusCode::INTERNAL_SERVER_ERROR, Level::ERROR),
            ("/api/keys", StatusCode::UNAUTHORIZED, Level::INFO),
            ("/api/readyz", StatusCode::OK, Level::INFO),
        ] {
            assert_eq!(level(path, status), expected, "{path} {status}");
        }
    }
}
