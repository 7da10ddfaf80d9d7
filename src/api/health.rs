//! For load balancers: is the process alive, and can it admit a call now.

use std::time::Duration;

use actix_web::{HttpResponse, http::header, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, Context};
use crate::{
    problem::Code,
    store::{Page, accounts},
};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// A state of health.
#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

fn well() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Health { status: "ok" })
}

/// The process is alive. It says nothing of the database: restarting us would not mend that.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "health",
    responses((status = 200, description = "Alive.", body = Health)), security(()))]
pub async fn alive() -> HttpResponse {
    well()
}

/// This node can admit calls: it is not draining, and the database takes a transaction.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "health",
    responses((status = 200, description = "Ready.", body = Health)), security(()))]
pub async fn ready(context: Data<Context>) -> Answer {
    if context.registry.is_draining() {
        return Err(Code::Draining.into());
    }
    // As a transaction, because that is what an admission takes; it reads one row and changes none.
    let any = Page { after: None, limit: 1 };
    let answer = context.store.write(move |conn| accounts::list(conn, None, any));
    match actix_web::rt::time::timeout(PATIENCE, answer).await {
        Ok(Ok(_)) => Ok(well()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the database takes no transaction");
            Err(Code::Unavailable.into())
        }
        Err(_) => {
            tracing::warn!("not ready: the database does not answer in time");
            Err(Code::Unavailable.into())
        }
    }
}
