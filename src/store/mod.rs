//! The database's one home: SQLite or PostgreSQL behind the same verbs.
//!
//! Each table has a file with domain verbs that take and give domain types; nobody above sees diesel,
//! and nobody here knows a request, a socket or a rule of admission. [`Store::write`] runs verbs in one
//! durable transaction, [`Store::read`] without one; both run them on threads that may block, inside
//! the caller's log span. Look next at [`keys`] and [`calls`], which admission and the ledger use.
//!
//! **The order of locks.** Whoever locks more than one row locks in this order: node, key, agent,
//! operators and owners by rising id, user, account, calls by rising id. Work handed to [`Store::write`] runs once and is not repeated after a
//! deadlock, so the order is what keeps PostgreSQL free of them.

pub mod accounts;
pub mod agents;
pub mod audit;
pub mod browsers;
pub mod calls;
mod backup;
mod column;
mod conn;
mod error;
mod fair;
mod file;
pub mod keys;
pub mod ledger;
mod lock;
mod migrate;
pub mod nodes;
mod open;
mod owners;
mod page;
mod peek;
mod permits;
mod read;
pub mod refusals;
pub mod retention;
mod schema;
mod server;
pub mod sessions;
pub mod setup_links;
pub mod share;
pub mod tickets;
mod update;
pub mod users;
mod write;

use std::{sync::Arc, time::Duration};

pub use backup::{BackupError, back_up};
pub use conn::{Backend, Conn};
pub use error::{Cause, StoreError};
pub use page::Page;
pub use share::Share;

use crate::{id::AccountId, key::KeyHash};
use fair::Urgency;
use open::Connector;

/// How long [`Store::read`] and [`Store::write`] wait for an answer before they give up.
const PATIENCE: Duration = Duration::from_millis(4_500);

/// A handle on the database; clones share its connections.
///
/// What waits for a connection waits in fair turns, by whose it is: the request's it is done for, or an
/// account's that [`Store::of`] and its like name.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    /// Whose work it is, where that is not the request's.
    share: Option<Share>,
    urgency: Urgency,
}

/// Whose turn something waits for.
#[derive(Debug, Clone, Copy)]
struct Turn {
    share: Share,
    urgency: Urgency,
}

struct Inner {
    connector: Connector,
    readers: read::Readers,
    peek: peek::Peek,
    owners: owners::Owners,
    writers: write::Writers,
}

impl Store {
    /// Connects and runs the pending migrations. Blocks; call it before the server runs.
    ///
    /// `url` is `sqlite://PATH` (the file is made, readable by its owner only) or `postgres://…`.
    ///
    /// # Errors
    /// When the url is neither, the database cannot be reached, or a migration fails. No message
    /// holds the url's password.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, None)
    }

    /// The same, with this many connections to a PostgreSQL server, two at least; `None`: 16. A server
    /// that gives fewer is used with those.
    ///
    /// # Errors
    /// As [`Store::open`]; and when the server gives fewer than two.
    pub fn open_with(url: &str, connections: Option<u32>) -> Result<Self, StoreError> {
        let mut connector = Connector::parse(url)?;
        let mut first = connector.first(connections)?;
        migrate::run(&mut first)?;
        let readers = read::Readers::new(connector.clone())?;
        let peek = peek::Peek::new(connector.clone());
        let writers = write::Writers::start(connector.clone(), first)?;
        let owners = owners::Owners::default();
        let inner = Arc::new(Inner { connector, readers, peek, owners, writers });
        Ok(Self { inner, share: None, urgency: Urgency::Usual })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        self.inner.connector.backend()
    }

    /// Whether the database is where it was when it was opened. An embedded one whose file was moved
    /// or replaced takes no transaction any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with what happened to the file.
    pub fn is_in_place(&self) -> Result<(), StoreError> {
        self.inner.connector.is_in_place()
    }

    /// Finishes what is being written and closes all connections: an embedded database is one whole
    /// file afterwards, unless another process uses it. Whatever is asked of the store from now on is
    /// [`StoreError::Unavailable`]. Gives up waiting after five seconds.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let closing = tokio::task::spawn_blocking(move || {
            inner.readers.close();
            inner.peek.close();
            inner.writers.close();
        });
        if !matches!(tokio::time::timeout(PATIENCE, closing).await, Ok(Ok(()))) {
            tracing::warn!("the database's connections could not be closed in time");
        }
    }

    /// Whether it is certain, at once and without waiting, that no key has this hash. `false` says
    /// nothing: ask in a transaction.
    pub fn knows_no_key(&self, hash: &KeyHash) -> bool {
        let owners = &self.inner.owners;
        if owners.get(hash).is_some() {
            return false;
        }
        let owner = self.inner.peek.owner(hash);
        if let Some(Some(account)) = owner {
            owners.remember(*hash, account);
        }
        owner == Some(None)
    }

    /// Whose the key of this hash is, if there is one. It says nothing of whether the key is good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be asked.
    pub async fn owner_of_key(&self, hash: &KeyHash) -> Result<Option<AccountId>, StoreError> {
        if let Some(account) = self.inner.owners.get(hash) {
            return Ok(Some(account));
        }
        let asked = *hash;
        let owner = self.read(move |conn| keys::owner(conn, &asked)).await?;
        if let Some(account) = owner {
            self.inner.owners.remember(*hash, account);
        }
        Ok(owner)
    }

    /// The same database, for work that is this one's, whoever's request it is done in.
    pub fn within(&self, share: Share) -> Self {
        Self { share: Some(share), ..self.clone() }
    }

    /// The same database, for an account's work.
    pub fn of(&self, account: AccountId) -> Self {
        self.within(Share::Account(account))
    }

    /// The same database, for what a call of the account is charged or may still use: it comes before
    /// all else of the account, and is never refused because too much waits. Bring one such piece per
    /// call at a time, for nothing else bounds them.
    pub fn of_call(&self, account: AccountId) -> Self {
        Self { urgency: Urgency::Books, ..self.of(account) }
    }

    /// The same database, for a call that would begin: it comes after all else of the account.
    pub fn of_new_call(&self, account: AccountId) -> Self {
        Self { urgency: Urgency::Admission, ..self.of(account) }
    }

    fn turn(&self) -> Turn {
        let share = self.share.unwrap_or_else(share::current);
        Turn { share, urgency: self.urgency }
    }

    /// Runs `work` on a connection that refuses to write, outside any transaction: each statement
    /// sees what was committed before it began.
    ///
    /// # Errors
    /// What `work` returns; [`StoreError::Unavailable`] when no connection is to be had, no answer
    /// came within five seconds, or, at once, when too much of the same share waits already; [`StoreError::Failed`] when `work` panicked.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        in_time(self.inner.readers.run(self.turn(), work)).await
    }

    /// Runs `work` in one transaction, which is durable before the answer comes. An error or a panic
    /// of `work` undoes what it did, and nothing else. If the future is dropped, work that has not
    /// begun never does; work that has may still be committed, so whoever must not lose the answer
    /// puts what undoes it into the answer's `Drop`.
    ///
    /// # Errors
    /// What `work` returns; [`StoreError::Unavailable`] when the transaction could not be begun or
    /// committed, no answer came within five seconds (then it may or may not have happened), or, at once,
    /// when too much of the same share waits already;
    /// [`StoreError::Failed`] when `work` panicked.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        in_time(self.inner.writers.run(self.turn(), work)).await
    }
}

async fn in_time<T, E: From<StoreError>>(
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::unavailable("no answer in time").into()),
    }
}
