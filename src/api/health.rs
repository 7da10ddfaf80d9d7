//! For load balancers: is the process alive, and can it admit a call now.
//!
//! Ready means what an admission needs: the node is not draining, the database's file is in its place,
//! a transaction can be begun, the node's lease went through the last time it was written, and ended
//! calls are settled in time. However often it is asked, the database is asked once a second.

use std::{
    fmt,
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, http::header, web::Data};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::{Answer, Context};
use crate::{
    ledger::{Ledger, Unwell},
    problem::Code,
    store::{Page, Store, StoreError, accounts},
};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer holds.
const FRESH: Duration = Duration::from_secs(1);

/// A state of health.
#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Why a node cannot admit calls.
#[derive(Debug)]
enum Fault {
    Store(StoreError),
    Slow,
    Ledger(Unwell),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Slow => f.write_str("the database does not answer in time"),
            Self::Ledger(unwell) => unwell.fmt(f),
        }
    }
}

/// Whether this node can admit calls, and what was found last.
pub struct Readiness {
    store: Store,
    ledger: Ledger,
    /// Whoever asks while the database is being asked waits for that answer.
    found: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    /// Of a node with this database and this ledger.
    pub fn new(store: Store, ledger: Ledger) -> Self {
        Self { store, ledger, found: Mutex::new(None) }
    }

    /// Asks, unless it did within a second. A change is logged, and only a change.
    async fn is_ready(&self) -> bool {
        let mut found = self.found.lock().await;
        let before = match *found {
            Some((at, is_ready)) if at.elapsed() < FRESH => return is_ready,
            Some((_, is_ready)) => is_ready,
            None => true,
        };
        let fault = self.examine().await.err();
        match &fault {
            Some(why) if before => tracing::warn!(%why, "not ready for calls"),
            None if !before => tracing::info!("ready for calls again"),
            _ => {}
        }
        *found = Some((Instant::now(), fault.is_none()));
        fault.is_none()
    }

    async fn examine(&self) -> Result<(), Fault> {
        self.store.is_in_place().map_err(Fault::Store)?;
        self.ledger.is_well().map_err(Fault::Ledger)?;
        // As a transaction, because that is what an admission takes. It reads one row and changes none:
        // the lease, which is written all the time, has said whether changes are taken.
        let any = Page { after: None, limit: 1 };
        let answer = self.store.write(move |conn| accounts::list(conn, None, any));
        match actix_web::rt::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map(drop).map_err(Fault::Store),
            Err(_) => Err(Fault::Slow),
        }
    }
}

fn well() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Health { status: "ok" })
}

/// Liveness: the process runs. It does not check the database, since a restart would not help there.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "health",
    responses((status = 200, description = "Alive.", body = Health)), security(()))]
pub async fn alive() -> HttpResponse {
    well()
}

/// Readiness: this node can admit calls. It is not draining, and the database accepts writes. Checked at
/// most once a second.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "health",
    responses((status = 200, description = "Ready.", body = Health)), security(()))]
pub async fn ready(context: Data<Context>) -> Answer {
    if context.registry.is_draining() {
        return Err(Code::Draining.into());
    }
    match context.readiness.is_ready().await {
        true => Ok(well()),
        false => Err(Code::Unavailable.into()),
    }
}
