//! The admin endpoints: what an operator sees and does, as JSON under `/api`.
//!
//! A request passes [`auth::door`] and the right that its route needs, has its path, query and body turned into types that can hold good values
//! only ([`fields`], [`body`], [`page`]), and reaches the one file of its resource, which does its work
//! and writes its audit row in one transaction of the store. Nothing here knows a socket or a call in
//! progress beyond what `registry` offers; [`openapi`] describes it all from the same types.

mod accounts;
mod agents;
mod audit;
pub mod body;
mod calls;
mod docs;
pub mod fields;
mod health;
mod keys;
mod limits;
mod me;
pub mod openapi;
pub mod page;
mod path;
mod relay;
pub mod route;
mod tickets;
mod topups;
mod user_change;
mod users;
mod who;

use actix_web::{HttpResponse, middleware::from_fn, web};
use jiff::Timestamp;
use serde::Serialize;

pub use self::{health::Readiness, limits::Limits};

use self::route::at;
use crate::{
    agent::speech::Speaker,
    auth::{
        self,
        Action::{Keys, Look, Manage, Operate, Own, Work},
    },
    problem::{self, Problem},
    registry::RegistryHandle,
    store::Store,
};

/// What the endpoints work with; the app hands it over as `web::Data`, beside that of [`auth`].
pub struct Context {
    /// The database.
    pub store: Store,
    /// The calls of this node.
    pub registry: RegistryHandle,
    /// What an account's own people may make.
    pub limits: Limits,
    /// Whether it can admit calls.
    pub readiness: Readiness,
    /// Renders what agents say when they are made or changed.
    pub speaker: Speaker,
}

/// Mounts everything under `/api`, and `/healthz` and `/readyz`. The description and its page hold
/// no data and are there for everybody; beside every other method stands the right it needs.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(at("/healthz").open(health::alive))
        .service(at("/readyz").open(health::ready))
        .service(at("/api/openapi.json").open(openapi::document))
        .service(at("/api/docs").open(docs::page))
        .service(at("/api/docs/{file}").open(docs::file))
        .service(
            web::scope("/api")
                .wrap(from_fn(auth::door))
                .service(at("/accounts").get(Look, accounts::list).post(Operate, accounts::create))
                .service(
                    at("/accounts/{id}").get(Look, accounts::get).patch(Manage, accounts::update),
                )
                .service(at("/accounts/{id}/topups").post(Operate, topups::create))
                .service(at("/accounts/{id}/adjustments").post(Operate, topups::adjust))
                .service(at("/accounts/{id}/ledger").get(Look, topups::ledger))
                .service(at("/users").get(Manage, users::list).post(Manage, users::create))
                .service(
                    at("/users/{id}")
                        .get(Manage, users::get)
                        .patch(Manage, user_change::update)
                        .delete(Manage, user_change::delete),
                )
                .service(at("/me").get(Own, me::get))
                .service(at("/me/password").post(Own, me::change_password))
                .service(at("/me/sign-out-everywhere").post(Own, me::sign_out_everywhere))
                .service(at("/agents").get(Look, agents::list).post(Work, agents::create))
                .service(
                    at("/agents/{id}")
                        .get(Look, agents::get)
                        .patch(Work, agents::update)
                        .delete(Work, agents::delete),
                )
                .service(at("/agents/{id}/tickets").post(Work, tickets::create))
                .service(at("/keys").get(Keys, keys::list).post(Keys, keys::create))
                .service(at("/keys/{id}").get(Keys, keys::get))
                .service(at("/keys/{id}/revoke").post(Keys, keys::revoke))
                .service(at("/calls").get(Look, calls::list))
                .service(at("/calls/{id}").get(Look, calls::get))
                .service(at("/calls/{id}/end").post(Work, calls::end))
                .service(at("/audit").get(Look, audit::list))
                .default_service(web::to(problem::not_found)),
        );
}

/// What a handler gives.
type Answer = Result<HttpResponse, Problem>;

fn ok(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(body)
}

fn created(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Created().json(body)
}

/// A time in RFC 3339, in UTC, to the millisecond.
fn rfc3339(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc_to_the_millisecond() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_449_600_120), "2026-11-23T16:00:00.120Z");
    }
}
