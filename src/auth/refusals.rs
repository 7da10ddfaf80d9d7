//! Sign-ins that were refused, gathered: a stranger who fails a thousand times makes a few rows.
//!
//! [`Refusals`] is pure: what was refused and the time go in, what is to be written comes out. A user's
//! count is written after a few seconds; the audit log gets a row of a user at once and then one an hour
//! at most. It knows no request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::session;
use crate::{
    clock::wall_ms,
    id::{AccountId, UserId},
    store::{
        Store, StoreError,
        audit::{self, Changes},
        users,
    },
};

/// How long refusals are gathered before they are written.
const GATHERED_FOR: Duration = Duration::from_secs(2);
/// How long the audit log has no second row about the same user, in milliseconds.
const ROW_EVERY_MS: i64 = 3_600_000;
/// Users that are kept in mind at most; what is refused of others is in the log only.
const MOST_USERS: usize = 10_000;
/// Who the audit log says it was.
const ACTOR: &str = "not signed in";

/// What was refused and is not written yet, and which rows were written lately.
#[derive(Default)]
struct Refusals {
    by_user: HashMap<UserId, OfUser>,
}

struct OfUser {
    account: Option<AccountId>,
    /// Since the user's count was written last.
    uncounted: i64,
    /// Since the audit log got a row last.
    untold: i64,
    last_at: i64,
    last_from: String,
    /// When the audit log got its last row.
    row_at: Option<i64>,
}

/// What is to be written of one user.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    user: UserId,
    account: Option<AccountId>,
    count: i64,
    last_at: i64,
    last_from: String,
    /// How many the audit log is to tell of; `None`: it gets no row now.
    row: Option<i64>,
}

impl Refusals {
    fn note(&mut self, user: UserId, account: Option<AccountId>, at: i64, from: String) {
        if self.by_user.len() >= MOST_USERS && !self.by_user.contains_key(&user) {
            return;
        }
        let of_user = self.by_user.entry(user).or_insert(OfUser {
            account,
            uncounted: 0,
            untold: 0,
            last_at: at,
            last_from: String::new(),
            row_at: None,
        });
        of_user.uncounted += 1;
        of_user.untold += 1;
        (of_user.last_at, of_user.last_from) = (at, from);
    }

    /// What is to be written now, by rising id: the order of locks.
    fn due(&mut self, now: i64) -> Vec<Due> {
        let mut due = Vec::new();
        for (user, it) in &mut self.by_user {
            let tells = it.untold > 0 && it.row_at.is_none_or(|at| now - at >= ROW_EVERY_MS);
            if it.uncounted == 0 && !tells {
                continue;
            }
            due.push(Due {
                user: *user,
                account: it.account,
                count: std::mem::take(&mut it.uncounted),
                last_at: it.last_at,
                last_from: it.last_from.clone(),
                row: tells.then(|| std::mem::take(&mut it.untold)),
            });
            if tells {
                it.row_at = Some(now);
            }
        }
        self.by_user
            .retain(|_, it| it.untold > 0 || it.row_at.is_some_and(|at| now - at < ROW_EVERY_MS));
        due.sort_by_key(|due| due.user.to_string());
        due
    }
}

/// The refusals of one node, and who writes them down.
#[derive(Clone)]
pub(super) struct Recorder {
    store: Store,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    refusals: Refusals,
    /// Whether a task is there that writes.
    writes: bool,
}

impl Recorder {
    pub(super) fn new(store: Store) -> Self {
        Self { store, shared: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a refused sign-in as this user. It is written soon, by a task of its own.
    pub(super) fn note(&self, user: &users::User, from: String) {
        let mut shared = self.lock();
        shared.refusals.note(user.id, user.account_id, wall_ms(), from);
        if !std::mem::replace(&mut shared.writes, true) {
            actix_web::rt::spawn(self.clone().write_while_there_is_something());
        }
    }

    async fn write_while_there_is_something(self) {
        loop {
            tokio::time::sleep(GATHERED_FOR).await;
            self.write().await;
            let mut shared = self.lock();
            if shared.refusals.by_user.is_empty() {
                shared.writes = false;
                return;
            }
        }
    }

    /// Writes what is due. What cannot be written is in the log.
    pub(super) async fn write(&self) {
        let due = self.lock().refusals.due(wall_ms());
        if due.is_empty() {
            return;
        }
        let written = self.store.write(move |conn| {
            for Due { user, account, count, last_at, last_from, row } in due {
                users::refused_sign_ins(conn, user, count, last_at, &last_from)?;
                if let Some(count) = row {
                    let (actor, action) = (ACTOR.to_owned(), "user.sign_in_refused");
                    let row = session::row(None, actor, action, user, account, &last_from, last_at);
                    let changes = Changes::default().value("count", Value::Null, count.into());
                    audit::insert(conn, &row.changing(changes))?;
                }
            }
            Ok::<_, StoreError>(())
        });
        if let Err(error) = written.await {
            tracing::error!(%error, "refused sign-ins were not recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_refusals_are_one_row_an_hour() {
        let (mut refusals, ada) = (Refusals::default(), UserId::new());
        let mut rows = Vec::new();
        let mut counted = 0;
        for second in 0..7_300 {
            let now = second * 1_000;
            refusals.note(ada, None, now, "192.0.2.1".to_owned());
            for due in refusals.due(now) {
                counted += due.count;
                rows.extend(due.row);
            }
        }
        assert_eq!((counted, rows), (7_300, vec![1, 3_600, 3_600]));
    }

    #[test]
    fn what_was_not_told_is_told_when_the_hour_is_over_and_then_forgotten() {
        let (mut refusals, ada) = (Refusals::default(), UserId::new());
        refusals.note(ada, None, 0, "192.0.2.1".to_owned());
        assert_eq!(refusals.due(0)[0].row, Some(1));
        refusals.note(ada, None, 10, "192.0.2.2".to_owned());
        let due = refusals.due(20);
        assert_eq!((due[0].row, due[0].count, &*due[0].last_from), (None, 1, "192.0.2.2"));
        assert_eq!(refusals.due(ROW_EVERY_MS - 1), []);
        let due = refusals.due(ROW_EVERY_MS);
        assert_eq!((due[0].row, due[0].count), (Some(1), 0));
        assert_eq!(refusals.due(2 * ROW_EVERY_MS), []);
        assert!(refusals.by_user.is_empty());
    }

    #[test]
    fn no_stranger_fills_the_memory() {
        let mut refusals = Refusals::default();
        for _ in 0..MOST_USERS + 10 {
            refusals.note(UserId::new(), None, 0, String::new());
        }
        assert_eq!(refusals.due(0).len(), MOST_USERS);
    }
}
