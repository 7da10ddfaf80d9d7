//! A body has a deadline and a least rate: who announces one and does not send it is answered 408.
//!
//! The time counts while somebody waits for the body, and for nothing else: how long an answer takes
//! is not the client's fault. [`Pace`] is the pure rule. What a body means, and which kinds are taken
//! at all, is no business of this file.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::header::{self, HeaderMap},
    middleware::Next,
};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Code;
use crate::listener::socket::PeerSocket;

/// How long a JSON body may take.
const JSON: Duration = Duration::from_secs(30);
/// How long a form, or any other body, may take.
const FORM: Duration = Duration::from_secs(10);
/// A body may be this late before its rate counts.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes a second that a body must bring beyond that.
const LEAST_RATE: u64 = 1024;

/// The middleware: wrap the whole app in it, with `actix_web::middleware::from_fn`, within
/// [`super::close_unread`].
///
/// # Errors
/// Those of the wrapped app.
pub async fn refuse_slow<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if !announces_body(request.headers()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let late = Rc::new(Cell::new(false));
    let pace = Pace::new(allowed(request.headers()));
    let peer = request.conn_data::<Arc<PeerSocket>>().cloned();
    if let Some(peer) = &peer {
        peer.wants_body();
    }
    let body = request.take_payload();
    let body = Timed { body, pace, clock: None, late: Rc::clone(&late), peer };
    request.set_payload(Payload::Stream { payload: Box::pin(body) });
    let answer = next.call(request).await?;
    if late.get() {
        return Ok(answer.into_response(Code::BodyTooSlow.response()).map_into_right_body());
    }
    Ok(answer.map_into_left_body())
}

fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

fn allowed(headers: &HeaderMap) -> Duration {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") { JSON } else { FORM }
}

/// How much time a body has left, by what it has brought.
#[derive(Debug, Clone, Copy)]
struct Pace {
    allowed: Duration,
    bytes: u64,
}

impl Pace {
    fn new(allowed: Duration) -> Self {
        Self { allowed, bytes: 0 }
    }

    fn brought(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// When it is too late, counted from the first wait: never later than what is allowed in all.
    fn due(&self) -> Duration {
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / LEAST_RATE);
        GRACE.saturating_add(earned).min(self.allowed)
    }
}

/// A body that fails when it is too slow.
struct Timed {
    body: Payload,
    pace: Pace,
    /// Since when it is waited for, and what wakes us when it is too late.
    clock: Option<(Instant, Pin<Box<Sleep>>)>,
    late: Rc<Cell<bool>>,
    /// Reads on when more is wanted, and not before.
    peer: Option<Arc<PeerSocket>>,
}

impl Stream for Timed {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let began = match &this.clock {
            Some((began, _)) => *began,
            None => Instant::now(),
        };
        let due = began + this.pace.due();
        // Asked first: a body that trickles in is late however fast its last bytes come.
        if this.late.get() || Instant::now() >= due {
            this.late.set(true);
            return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
        }
        if let Poll::Ready(item) = Pin::new(&mut this.body).poll_next(cx) {
            match (&item, &this.peer) {
                (Some(Ok(bytes)), _) => this.pace.brought(bytes.len()),
                (None, Some(peer)) => peer.has_body(),
                _ => {}
            }
            return Poll::Ready(item);
        }
        if let Some(peer) = &this.peer {
            peer.wants_body();
        }
        let (_, alarm) = this.clock.get_or_insert_with(|| (began, Box::pin(sleep_until(due))));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        ready!(alarm.as_mut().poll(cx));
        this.late.set(true);
        Poll::Ready(Some(Err(PayloadError::Incomplete(None))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_body_earns_its_time_and_never_more_than_is_allowed() {
        let mut pace = Pace::new(FORM);
        assert_eq!(pace.due(), seconds(5));
        pace.brought(2048);
        assert_eq!(pace.due(), seconds(7));
        pace.brought(1 << 20);
        assert_eq!(pace.due(), FORM);
        pace.brought(usize::MAX);
        assert_eq!(pace.due(), FORM);
    }

    #[test]
    fn json_may_take_longer_than_a_form() {
        let of = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            allowed(&headers)
        };
        assert_eq!(of("application/json; charset=utf-8"), JSON);
        assert_eq!(of("application/x-www-form-urlencoded"), FORM);
        assert_eq!(allowed(&HeaderMap::new()), FORM);
    }

    #[test]
    fn a_request_without_a_body_is_left_alone() {
        let with = |name, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            announces_body(&headers)
        };
        assert!(!announces_body(&HeaderMap::new()) && !with(header::CONTENT_LENGTH, "0"));
        assert!(with(header::CONTENT_LENGTH, "1") && with(header::TRANSFER_ENCODING, "chunked"));
    }
}
