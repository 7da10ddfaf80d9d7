//! The migrations, compiled in and run when a store is opened.
//!
//! All pending ones run in one transaction, and one process at a time: nodes that start together wait
//! for the first. The rules for writing one are in `migrations/README.md`.

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Cause, Conn, StoreError};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Any number will do, as long as nobody else uses it in the same database.
const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock(7305804402557186)";

enum Fault {
    Query(diesel::result::Error),
    Migration(Cause),
}

impl From<diesel::result::Error> for Fault {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error)
    }
}

pub(super) fn run(conn: &mut Conn) -> Result<(), StoreError> {
    let done = match conn {
        Conn::Sqlite(conn) => conn.immediate_transaction(|conn: &mut SqliteConnection| {
            conn.run_pending_migrations(SQLITE).map(drop).map_err(Fault::Migration)
        }),
        Conn::Postgres(conn) => conn.transaction(|conn: &mut PgConnection| {
            diesel::sql_query(ADVISORY_LOCK).execute(conn)?;
            conn.run_pending_migrations(POSTGRES).map(drop).map_err(Fault::Migration)
        }),
    };
    done.map_err(|fault| match fault {
        Fault::Query(error) => error.into(),
        Fault::Migration(cause) => StoreError::Failed(cause),
    })
}
