//! A refused request's body is not waited for: the connection closes, as its answer says.
//!
//! actix-http closes a connection whose request was not read to its end, with one exception: a
//! chunked body that nobody holds any more is read and thrown away until the client ends it, however
//! long that takes. Holding it until the answer is written makes the exception the rule. Whether an
//! answer is a refusal, and what it says, is no business of this file.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage,
    body::{BodySize, BoxBody, EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
};
use bytes::Bytes;
use futures_util::{Stream, stream};

/// The middleware: wrap the whole app in it, with `actix_web::middleware::from_fn`.
///
/// # Errors
/// Those of the wrapped app.
pub async fn close_unread<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if !request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let held = Rc::new(RefCell::new(request.take_payload()));
    let read = Rc::clone(&held);
    let read = stream::poll_fn(move |cx| Pin::new(&mut *read.borrow_mut()).poll_next(cx));
    request.set_payload(Payload::Stream { payload: Box::pin(read) });
    let answer = next.call(request).await?;
    Ok(answer.map_body(|_, body| {
        EitherBody::right(BoxBody::new(Holding { body: body.boxed(), _request: held }))
    }))
}

/// The body of an answer that holds on to the body of its request.
struct Holding {
    body: BoxBody,
    _request: Rc<RefCell<Payload>>,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
