//! What can go wrong with a database, sorted by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error as Diesel};

/// What lies behind a [`StoreError`]; for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A database that did not do what it was asked. For the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, a lock or a statement that took too long, a database that is stopping or full:
    /// the same again later makes sense.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The database refused, or holds what it must not: the same again will fail again.
    #[error("the database failed: {0}")]
    Failed(#[source] Cause),
}

impl StoreError {
    /// What lies behind it.
    pub(super) fn cause(&self) -> &Cause {
        match self {
            Self::Unavailable(cause) | Self::Failed(cause) => cause,
        }
    }

    pub(super) fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    pub(super) fn failed(cause: impl Into<Cause>) -> Self {
        Self::Failed(cause.into())
    }
}

impl From<Diesel> for StoreError {
    fn from(error: Diesel) -> Self {
        match &error {
            // diesel has no kind of its own for a lock timeout, a deadlock, a full disk or a server
            // that is shutting down, and messages are in the server's language: all of them arrive
            // as `Unknown`. What our own statements can violate has a kind, and fails.
            Diesel::DatabaseError(
                DatabaseErrorKind::Unknown
                | DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | Diesel::BrokenTransactionManager
            | Diesel::RollbackErrorOnCommit { .. } => Self::Unavailable(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}
