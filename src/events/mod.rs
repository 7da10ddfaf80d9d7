//! `GET /events`: a page that is open is told what happens to its account's calls, as it happens.
//!
//! These are server-sent events for whoever is signed in. What they say is a hint to look again, and
//! the little that only this node knows: who speaks now. It knows no page; `live.js` and the pages know
//! what to do with it. Look next at `stream`.

pub mod message;
pub mod seats;
mod stream;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
    web::Data,
};

use crate::{
    auth::{Auth, Principal, principal},
    id::CallId,
    live::Hub,
    problem::{Code, Problem},
    store::Store,
};

/// A proxy is to pass each event on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What the endpoint works with; the app hands it over as `web::Data`.
pub struct Context {
    /// Asked what is live.
    pub store: Store,
    /// Tells what happens on this node.
    pub hub: Hub,
    /// Who listens.
    pub seats: seats::Seats,
}

/// Answers with the stream of whoever is signed in; `?call=<id>` looks after one call's transcript too.
///
/// # Errors
/// 401 without a session, 503 when the node stops or nobody can be asked who it is, 429 when the node
/// has no seat left.
pub async fn events(
    request: HttpRequest,
    auth: Data<Auth>,
    context: Data<Context>,
) -> Result<HttpResponse, Problem> {
    let Some(Principal::User(user)) = principal(&auth, &request).await? else {
        return Err(Code::Unauthorized.into());
    };
    if context.hub.is_closed() {
        return Err(Code::Draining.into());
    }
    let seat = context.seats.take(user.user_id).ok_or(Code::TooManyListeners)?;
    let call = shown_call(request.query_string());
    let events = stream::events(&context, auth, user, call, seat);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, HeaderValue::from_static("no")))
        .streaming(events))
}

/// The call a page shows. Whose it is, is judged where its lines are counted.
fn shown_call(query: &str) -> Option<CallId> {
    query.split('&').find_map(|pair| pair.strip_prefix("call=")?.parse().ok())
}
