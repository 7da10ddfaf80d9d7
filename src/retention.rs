//! How long things are kept, and their slow deletion in the background.
//!
//! Calls with their transcripts and stretches go after the server's days or their account's, whichever
//! are fewer; rows of the audit log after the server's alone, since whoever runs an account must not be
//! able to forget what was done in it. Ledger rows stay for ever, live calls are never touched. Any number
//! of nodes may do this at once. What is deleted never comes back, so time is believed only as far as all
//! clocks agree on it.

use std::time::Duration;

use crate::{
    clock::{NodeClock, wall_ms},
    id::AccountId,
    store::{Page, Store, StoreError, nodes, retention},
};

/// Between two looks for what is old.
const EVERY: Duration = Duration::from_secs(3600);
/// After the start, which has other things to do.
const FIRST: Duration = Duration::from_secs(30);
/// Between two transactions: whoever waits for the writer meanwhile comes first.
const PAUSE: Duration = Duration::from_millis(200);

/// Calls looked for at once.
const CALLS: i64 = 50;
/// Rows that one transaction deletes at most.
const ROWS: i64 = 200;
/// Accounts looked at at once.
const ACCOUNTS: i64 = 200;

/// A day, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Days that calls and the audit log are kept; `None`: for ever.
    pub days: Option<u32>,
    /// How long a session lasts that is not used.
    pub session_idle: Duration,
    /// How long a session lasts in all.
    pub session_in_all: Duration,
}

impl Rules {
    /// Calls that ended before this time are old, at `now`, in an account that keeps them for these
    /// days. Times are milliseconds since 1970.
    fn calls_before(&self, account: Option<i32>, now: i64) -> Option<i64> {
        let account = account.map(i64::from);
        let server = self.days.map(i64::from);
        let days = server.into_iter().chain(account).min()?;
        Some(now - days.saturating_mul(DAY_MS))
    }

    /// Rows of the audit log from before this time are old.
    fn audit_before(&self, now: i64) -> Option<i64> {
        self.days.map(|days| now - i64::from(days).saturating_mul(DAY_MS))
    }
}

/// Deletes what is old, from time to time, for ever.
pub async fn keep_for_ever(store: Store, clock: NodeClock, rules: Rules) {
    tokio::time::sleep(FIRST).await;
    loop {
        let done = match now(&store, clock).await {
            Ok(now) => delete_old(&store, rules, now, PAUSE).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old calls and audit rows were deleted"),
            Err(error) => tracing::warn!(%error, "old calls and audit rows could not be deleted"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The earliest of all clocks: the wall's, the database's, and the node's own, which does not step.
async fn now(store: &Store, clock: NodeClock) -> Result<i64, StoreError> {
    let database = store.read(nodes::now).await?;
    Ok(database.min(wall_ms()).min(clock.stamp_ms(clock.now())))
}

/// Deletes what is old at `now` (milliseconds since 1970), with a pause after each transaction. Returns
/// how many rows of calls and of the audit log went.
///
/// # Errors
/// [`StoreError`]: what is left is for the next time.
pub async fn delete_old(
    store: &Store,
    rules: Rules,
    now: i64,
    pause: Duration,
) -> Result<i64, StoreError> {
    let mut rows = 0;
    let mut after = None;
    loop {
        let page = Page { after, limit: ACCOUNTS };
        let accounts = store.read(move |conn| retention::accounts(conn, page)).await?;
        let Some((last, _)) = accounts.last() else { break };
        after = Some(*last);
        for (account, days) in accounts {
            if let Some(before) = rules.calls_before(days, now) {
                rows += delete_calls(store, account, before, pause).await?;
            }
        }
    }
    if let Some(before) = rules.audit_before(now) {
        rows += delete_audit(store, before, pause).await?;
    }
    delete_sessions(store, rules, now, pause).await?;
    if store.read(move |conn| retention::has_expired(conn, now)).await? {
        store.write(move |conn| retention::delete_expired(conn, now)).await?;
    }
    Ok(rows)
}

async fn delete_calls(
    store: &Store,
    account: AccountId,
    before: i64,
    pause: Duration,
) -> Result<i64, StoreError> {
    let mut rows = 0;
    loop {
        let find = move |conn: &mut _| retention::old_calls(conn, account, before, CALLS);
        let old = store.read(find).await?;
        if old.is_empty() {
            return Ok(rows);
        }
        rows += store.write(move |conn| retention::delete_calls(conn, &old, before, ROWS)).await?;
        tokio::time::sleep(pause).await;
    }
}

async fn delete_audit(store: &Store, before: i64, pause: Duration) -> Result<i64, StoreError> {
    let mut rows = 0;
    loop {
        let old = store.read(move |conn| retention::old_audit(conn, before, ROWS)).await?;
        if old.is_empty() {
            return Ok(rows);
        }
        rows += i64::try_from(old.len()).unwrap_or(ROWS);
        store.write(move |conn| retention::delete_audit(conn, &old)).await?;
        tokio::time::sleep(pause).await;
    }
}

async fn delete_sessions(
    store: &Store,
    rules: Rules,
    now: i64,
    pause: Duration,
) -> Result<(), StoreError> {
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let (began, seen) = (now - ms(rules.session_in_all), now - ms(rules.session_idle));
    loop {
        let old = store.read(move |conn| retention::old_sessions(conn, began, seen, ROWS)).await?;
        if old.is_empty() {
            return Ok(());
        }
        let delete = move |conn: &mut _| retention::delete_sessions(conn, &old, began, seen);
        store.write(delete).await?;
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_may_have_fewer_days_than_the_server_and_not_more() {
        let before = |server, account| {
            let hour = Duration::from_secs(3600);
            let rules = Rules { days: server, session_idle: hour, session_in_all: hour };
            let day = |ms: i64| ms / DAY_MS;
            let calls = rules.calls_before(account, 100 * DAY_MS).map(day);
            (calls, rules.audit_before(100 * DAY_MS).map(day))
        };
        assert_eq!(before(None, None), (None, None), "for ever");
        assert_eq!(before(Some(30), None), (Some(70), Some(70)));
        assert_eq!(before(Some(30), Some(7)), (Some(93), Some(70)));
        assert_eq!(before(Some(30), Some(90)), (Some(70), Some(70)));
        assert_eq!(
            before(None, Some(7)),
            (Some(93), None),
            "its calls, and not what was done in it"
        );
    }
}
