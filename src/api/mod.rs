//! The admin endpoints: what an operator sees and does, as JSON under `/api`.
//!
//! A request passes [`auth`], has its path, query and body turned into types that can hold good values
//! only ([`fields`], [`body`], [`page`]), and reaches the one file of its resource, which does its work
//! and writes its audit row in one transaction of the store. Nothing here knows a socket or a call in
//! progress beyond what `registry` offers; [`openapi`] describes it all from the same types.

mod accounts;
mod agents;
mod audit;
pub mod auth;
pub mod body;
mod calls;
mod docs;
pub mod fields;
mod health;
mod keys;
pub mod openapi;
pub mod page;
mod path;
pub mod route;
mod topups;

use actix_web::{HttpResponse, middleware::from_fn, web};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use self::route::at;
use crate::{
    client_addr::Proxies,
    problem::{self, Code, Problem},
    registry::RegistryHandle,
    store::{Store, StoreError},
};

/// What the endpoints work with; the app hands it over as `web::Data`.
pub struct Context {
    /// The database.
    pub store: Store,
    /// The calls of this node.
    pub registry: RegistryHandle,
    /// The operator's token; `None`: every request is 401.
    pub admin_token: Option<SecretString>,
    /// Whose forwarded addresses are written into the audit log.
    pub proxies: Proxies,
}

/// Mounts everything under `/api`, and `/healthz` and `/readyz`. The description and its page hold
/// no data and are there for everybody.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(at("/healthz").get(health::alive))
        .service(at("/readyz").get(health::ready))
        .service(at("/api/openapi.json").get(openapi::document))
        .service(at("/api/docs").get(docs::page))
        .service(at("/api/docs/{file}").get(docs::file))
        .service(
            web::scope("/api")
                .wrap(from_fn(auth::operator_only))
                .service(at("/accounts").get(accounts::list).post(accounts::create))
                .service(at("/accounts/{id}").get(accounts::get).patch(accounts::update))
                .service(at("/accounts/{id}/topups").post(topups::create))
                .service(at("/accounts/{id}/ledger").get(topups::ledger))
                .service(at("/agents").get(agents::list).post(agents::create))
                .service(
                    at("/agents/{id}")
                        .get(agents::get)
                        .patch(agents::update)
                        .delete(agents::delete),
                )
                .service(at("/keys").get(keys::list).post(keys::create))
                .service(at("/keys/{id}").get(keys::get))
                .service(at("/keys/{id}/revoke").post(keys::revoke))
                .service(at("/calls").get(calls::list))
                .service(at("/calls/{id}").get(calls::get))
                .service(at("/calls/{id}/end").post(calls::end))
                .service(at("/audit").get(audit::list))
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

/// The client learns whether to try again; the cause is logged here, once.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) => Code::Unavailable,
            StoreError::Failed(_) => Code::Internal,
        };
        tracing::error!(error = %error, code = code.as_str(), "a request met a failing database");
        code.into()
    }
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
