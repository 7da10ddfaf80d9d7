//! The one table of URLs.

use actix_web::{
    guard::{GuardContext, fn_guard},
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
/// | anything else | nobody | 404 |
pub fn configure(app: &mut ServiceConfig) {
    // Whatever is below it: what is judged is the raw path, see `session::upgrade`. A scope, since the
    // pattern of a route that takes any tail is a regular expression, asked for every request.
    let is_below = |request: &GuardContext<'_>| request.head().uri.path().starts_with(SCOPES[0].0);
    app.service(web::scope("/voice").guard(fn_guard(is_below)).default_service(web::to(voice)))
        .route("/try/{ticket}", web::get().to(try_it))
        .route("/events", web::get().to(events))
        .configure(api::configure)
        .configure(dashboard::pages::configure)
        .default_service(web::route().to(problem::not_found));
}
