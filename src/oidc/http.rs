//! How the provider is asked: a few seconds, a bounded answer, no redirections.
//!
//! Single sign-on is rare, so that no connection is kept; a client is made for each request.

use std::time::Duration;

use awc::{Client, Connector, http::Method};
use futures_util::future::LocalBoxFuture;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http, url::Url};

use super::issuer::is_safe;
use crate::trust::client_tls;

/// How long one answer may take, from the connection to its last byte.
const ALLOWED: Duration = Duration::from_secs(5);
/// How long an answer may be: a provider's keys take a few KiB.
const LONGEST: usize = 256 << 10;

/// The way to the provider.
pub struct Http;

/// Why there is no answer. It tells nothing of what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Whoever listens on the way could read it.
    #[error("it wants to be asked without TLS")]
    Insecure,
    /// Nobody there, or nobody who is who they say they are.
    #[error("no connection: {0}")]
    NoConnection(String),
    /// Too slow.
    #[error("no answer within {} s", ALLOWED.as_secs())]
    TooSlow,
    /// Too long, or broken off.
    #[error("the answer is too long or incomplete")]
    Broken,
    /// It says itself that it fails.
    #[error("it answers {0}")]
    Failing(u16),
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = NoAnswer;
    type Future = LocalBoxFuture<'c, Result<HttpResponse, NoAnswer>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = tokio::time::timeout(ALLOWED, ask(request)).await;
            answer.unwrap_or(Err(NoAnswer::TooSlow))
        })
    }
}

/// The library and our client have different versions of the same vocabulary.
async fn ask(request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
    let (head, body) = request.into_parts();
    let url = head.uri.to_string();
    if !Url::parse(&url).is_ok_and(|url| is_safe(&url)) {
        return Err(NoAnswer::Insecure);
    }
    let method = Method::from_bytes(head.method.as_str().as_bytes()).unwrap_or_default();
    let http = Client::builder()
        .connector(Connector::new().rustls_0_23(client_tls()))
        .disable_redirects()
        // The whole of it is bounded above.
        .disable_timeout()
        .finish();
    let mut asking = http.request(method, url);
    for (name, value) in &head.headers {
        asking = asking.insert_header((name.as_str(), value.as_bytes()));
    }
    let sent = asking.send_body(body).await;
    let mut answer = sent.map_err(|error| NoAnswer::NoConnection(error.to_string()))?;
    let status = answer.status().as_u16();
    if status >= 500 {
        return Err(NoAnswer::Failing(status));
    }
    let body = answer.body().limit(LONGEST).await.map_err(|_| NoAnswer::Broken)?;
    let mut heard = http::Response::builder().status(status);
    for (name, value) in answer.headers() {
        heard = heard.header(name.as_str(), value.as_bytes());
    }
    heard.body(body.to_vec()).map_err(|_| NoAnswer::Broken)
}
