//! The one table of URLs.

use actix_web::web::{self, ServiceConfig};

use crate::{
    api, dashboard,
    events::events,
    problem,
    session::{try_it::try_it, upgrade::voice},
};

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
    // The tail is only there to match: what is judged is the raw path, see `session::upgrade`.
    app.route("/voice/{key:.*}", web::route().to(voice))
        .route("/try/{ticket}", web::get().to(try_it))
        .route("/events", web::get().to(events))
        .configure(api::configure)
        .configure(dashboard::pages::configure)
        .default_service(web::route().to(problem::not_found));
}
