//! Looking into an embedded database at once, on the thread that asks.
//!
//! A look-up of one row costs a few microseconds, handing it to another thread and back several times
//! as much. Whoever guesses keys is refused at the cheaper price: [`super::Store::knows_no_key`] says
//! no for certain or says nothing, and whoever hears nothing asks in the usual way. Whose a key is shows
//! on the way. It never waits: a database that is busy, broken or on another machine is not looked into.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use diesel::SqliteConnection;
use thread_local::ThreadLocal;

use super::{Backend, StoreError, keys, open::Connector};
use crate::{id::AccountId, key::KeyHash};

/// A connection for each thread that has looked.
pub(super) struct Peek {
    connector: Connector,
    /// Each is its thread's own; the lock is for [`Peek::close`], and nobody waits for it.
    connections: ThreadLocal<Mutex<Option<SqliteConnection>>>,
    closed: AtomicBool,
}

impl Peek {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, connections: ThreadLocal::new(), closed: AtomicBool::new(false) }
    }

    /// Closes all connections; from now on nothing is certain.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for kept in self.connections.iter() {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Whose the key of this hash is, `Some(None)` if it is certain that there is none; `None` when
    /// nothing is certain.
    pub(super) fn owner(&self, hash: &KeyHash) -> Option<Option<AccountId>> {
        if self.connector.backend() != Backend::Sqlite {
            return None;
        }
        let kept = self.connections.get_or_default();
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            return None;
        }
        let owner = self.connected(&mut kept).and_then(|conn| keys::owner_at_once(conn, hash));
        if owner.is_err() {
            // Whatever it is, the usual way finds it out and says so.
            *kept = None;
        }
        owner.ok()
    }

    fn connected<'a>(
        &self,
        kept: &'a mut Option<SqliteConnection>,
    ) -> Result<&'a mut SqliteConnection, StoreError> {
        Ok(match kept {
            Some(conn) => conn,
            None => kept.insert(self.connector.peeker()?),
        })
    }
}
