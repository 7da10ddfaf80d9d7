//! The one table of URLs.

use actix_web::{
    Resource,
    guard::{GuardContext, fn_guard},
    http::header::{self, HeaderValue},
    middleware::DefaultHeaders,
    web::{self, ServiceConfig},
};

use crate::{
    api, dashboard,
    events::events,
    problem,
    session::{try_it::try_it, upgrade::voice},
};

/// The scopes whose paths no pattern matches, and what a log calls them: below `/voice/` the whole path
/// is a secret.
pub const SCOPES: [(&str, &str); 1] = [("/voice/", "/voice/{key}")];

/// Mounts every URL the server answers.
///
/// | URL | who uses it | where it goes |
/// |---|---|---|
/// | `/voice/<key>` | telephony providers | [`crate::session`] |
/// | `/try/<ticket>` | people who try an agent from its page | [`crate::session`] |
/// | `/events` | pages that are open | [`crate::events`] |
/// | `/api/...` | operators and users | [`crate::api`] |
/// | `/`, `/login`, `/agents`, ... | people in a browser | [`crate::dashboard::pages`] |
/// | `/healthz`, `/readyz` | load balancers | [`crate::api`] |
/// | anything else | nobody | 404, as a page if one is asked for |
pub fn configure(app: &mut ServiceConfig) {
    // Whatever is below it: what is judged is the raw path, see `session::upgrade`. A scope, since the
    // pattern of a route that takes any tail is a regular expression, asked for every request.
    let is_below = |request: &GuardContext<'_>| request.head().uri.path().starts_with(SCOPES[0].0);
    app.service(web::scope("/voice").guard(fn_guard(is_below)).default_service(web::to(voice)))
        .service(only_get("/try/{ticket}").route(web::get().to(try_it)))
        .service(only_get("/events").route(web::get().to(events)))
        .configure(api::configure)
        .configure(dashboard::pages::configure)
        .default_service(web::route().to(dashboard::pages::not_found));
}

/// A path for `GET` alone: what it answers with has no head without the rest.
fn only_get(path: &str) -> Resource {
    let refuse = problem::method_not_allowed(HeaderValue::from_static("GET"));
    web::resource(path).default_service(web::to(refuse))
}

/// Headers of every answer: what it is, is what it says; and with a public address that is `https`,
/// browsers come by TLS only from then on.
pub fn headers(public_url: &str) -> DefaultHeaders {
    let headers = DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if public_url.starts_with("https://") {
        return headers.add((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"));
    }
    headers
}
