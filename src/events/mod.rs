//! `GET /events`: a page that is open is told what happens to its account's calls, as it happens.
//!
//! These are server-sent events for whoever is signed in. What they say is a hint to look again, and
//! the little that only this node knows: who speaks now. It knows no page; `live.js` and the pages know
//! what to do with it. Look next at `stream`.

mod glance;
pub mod message;
mod rights;
pub mod seats;
mod stream;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
    web::Data,
};

pub use glance::Glances;

use crate::{
    auth::{Auth, Principal, principal},
    events::seats::Holder,
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
    /// What is live, once for all who look at one account.
    pub glances: Glances,
}

/// Calls whose transcripts one stream looks after.
const MOST_SHOWN: usize = 16;

/// Answers with the stream of the user who is signed in; each `call=<id>` of the query looks after one
/// call's transcript too, of the first sixteen.
///
/// # Errors
/// 401 without a session, 503 when the node stops or nobody can be asked who it is, 429 when the node
/// has no seat left.
pub async fn events(
    request: HttpRequest,
    auth: Data<Auth>,
    context: Data<Context>,
) -> Result<HttpResponse, Problem> {
    // Before it is asked what they may: no change falls in between.
    let changes = auth.rights_changes();
    let Some(Principal::User(user)) = principal(&auth, &request).await? else {
        return Err(Code::Unauthorized.into());
    };
    if context.hub.is_closed() {
        return Err(Code::Draining.into());
    }
    let holder = Holder { account: user.account_scope(), user: user.user_id };
    let seat = context.seats.take(holder).ok_or(Code::TooManyListeners)?;
    let shown = shown_calls(request.query_string());
    let rights = rights::Rights::new(auth, user, changes);
    let events = stream::events(&context, rights, shown, seat);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, HeaderValue::from_static("no")))
        .streaming(events))
}

/// The calls that pages show. Whose they are, is judged where their lines are counted.
fn shown_calls(query: &str) -> Vec<CallId> {
    let calls = query.split('&').filter_map(|pair| pair.strip_prefix("call=")?.parse().ok());
    calls.take(MOST_SHOWN).collect()
}
