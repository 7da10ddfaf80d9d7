//! Follows an answer to its last byte: what of it is in memory, and when the connection may close.
//!
//! An answer is handed to the HTTP library in pieces, since it copies each into its own buffer before
//! it looks whether the client reads: what a client can make one connection hold is then a few pieces,
//! however large the answer. What an answer says is no business of this file.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};
use bytes::Bytes;

use super::socket::PeerSocket;

/// Bytes that are handed over at once.
const PIECE: usize = 16 * 1024;

/// The middleware: wrap the whole app in it, outermost, with `actix_web::middleware::from_fn`.
///
/// # Errors
/// Those of the wrapped app.
pub async fn follow<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Answer>, Error> {
    let peer = request.conn_data::<Arc<PeerSocket>>().cloned();
    if let Some(peer) = &peer {
        peer.answering();
    }
    let mut end = End { peer, closes: false };
    let answer = next.call(request).await?;
    let head = answer.response().head();
    let upgrades = head.status == StatusCode::SWITCHING_PROTOCOLS;
    if let Some(peer) = end.peer.as_ref().filter(|_| upgrades) {
        peer.upgraded();
    }
    end.closes = upgrades || head.connection_type() == actix_http::ConnectionType::Close;
    Ok(answer.map_body(|_, body| Answer { body: body.boxed(), rest: Bytes::new(), _end: end }))
}

/// The body of an answer that is followed.
pub struct Answer {
    body: BoxBody,
    rest: Bytes,
    _end: End,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(bytes)) if bytes.len() > PIECE => self.rest = bytes,
                other => return Poll::Ready(other),
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(piece))))
    }
}

/// Dropped with the answer: when all of it has been handed over, or its connection is gone.
struct End {
    peer: Option<Arc<PeerSocket>>,
    closes: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        match &self.peer {
            Some(peer) if self.closes => peer.answered_for_good(),
            Some(peer) => peer.answered(),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[actix_web::test]
    async fn a_large_answer_is_handed_over_in_pieces_without_a_copy() {
        let bytes = Bytes::from_static(&[7; 3 * PIECE + 1]);
        let end = End { peer: None, closes: false };
        let body = BoxBody::new(bytes.clone());
        let mut answer = Answer { body, rest: Bytes::new(), _end: end };
        assert_eq!(answer.size(), BodySize::Sized(3 * PIECE as u64 + 1));
        let mut at = 0;
        while let Some(piece) = poll_fn(|cx| Pin::new(&mut answer).poll_next(cx)).await {
            let piece = piece.unwrap();
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            assert_eq!(piece.as_ptr(), bytes[at..].as_ptr());
            at += piece.len();
        }
        assert_eq!(at, bytes.len());
    }
}
