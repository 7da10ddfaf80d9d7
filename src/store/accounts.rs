//! Accounts: whose points pay.
//!
//! `balance` is the sum of the account's ledger and `held` the sum of its live calls' reservations;
//! the verbs that move either say so. The rules of how much may be held or charged are the ledger's.

use diesel::prelude::*;

use super::{
    Conn, Page, StoreError,
    lock::{Rows, locked},
    schema::accounts,
    update,
};
use crate::{id::AccountId, points::Seconds};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// The sum of its ledger; never below zero.
    pub balance: Seconds,
    /// What live calls have reserved; never above `balance`.
    pub held: Seconds,
    /// Calls at once; `None`: no cap.
    pub max_concurrent_calls: Option<i32>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Days that its ended calls are kept; `None`: as long as the server keeps calls.
    pub retention_days: Option<i32>,
}

impl Account {
    /// What is left for further calls: `balance - held`.
    pub fn free(&self) -> Seconds {
        Seconds(self.balance.0 - self.held.0)
    }
}

/// Adds an account, with an empty ledger: `balance` and `held` are taken as zero.
///
/// # Errors
/// [`StoreError`], also when the id is taken.
pub fn insert(conn: &mut Conn, account: &Account) -> Result<(), StoreError> {
    diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(account.id.to_string()),
            accounts::name.eq(&account.name),
            accounts::balance_seconds.eq(0),
            accounts::held_seconds.eq(0),
            accounts::max_concurrent_calls.eq(account.max_concurrent_calls),
            accounts::created_at.eq(account.created_at),
            accounts::retention_days.eq(account.retention_days),
        ))
        .execute(conn)?;
    Ok(())
}

/// The account, if there is one.
///
/// # Errors
/// [`StoreError`].
pub fn get(conn: &mut Conn, id: AccountId) -> Result<Option<Account>, StoreError> {
    Ok(accounts::table.find(id.to_string()).get_result(conn).optional()?)
}

/// The account, locked until the transaction ends.
///
/// # Errors
/// [`StoreError`].
pub fn lock(conn: &mut Conn, id: AccountId) -> Result<Option<Account>, StoreError> {
    let query = accounts::table.find(id.to_string());
    Ok(locked(query, Rows).get_result(conn).optional()?)
}

/// Accounts, newest first; only this one if asked.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut Conn,
    only: Option<AccountId>,
    page: Page<AccountId>,
) -> Result<Vec<Account>, StoreError> {
    let mut query = accounts::table
        .filter(accounts::id.lt(page.before()))
        .order(accounts::id.desc())
        .limit(page.limit)
        .into_boxed();
    if let Some(only) = only {
        query = query.filter(accounts::id.eq(only.to_string()));
    }
    Ok(query.load(conn)?)
}

/// Sets name and cap; `false` if there is no such account.
///
/// # Errors
/// [`StoreError`].
pub fn update(
    conn: &mut Conn,
    id: AccountId,
    name: &str,
    max_concurrent_calls: Option<i32>,
) -> Result<bool, StoreError> {
    let changed = diesel::update(accounts::table.find(id.to_string()))
        .set((accounts::name.eq(name), accounts::max_concurrent_calls.eq(max_concurrent_calls)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Sets how many days the account's ended calls are kept; `None`: as long as the server keeps calls.
///
/// # Errors
/// [`StoreError`].
pub fn set_retention(conn: &mut Conn, id: AccountId, days: Option<i32>) -> Result<(), StoreError> {
    diesel::update(accounts::table.find(id.to_string()))
        .set(accounts::retention_days.eq(days))
        .execute(conn)?;
    Ok(())
}

/// Holds `seconds` more for a live call; the caller has locked the account and found them free.
///
/// # Errors
/// [`StoreError`], also when they were not free: the database checks it too.
pub fn hold(conn: &mut Conn, id: AccountId, seconds: Seconds) -> Result<(), StoreError> {
    update::update(
        accounts::table,
        accounts::id.eq(id.to_string()),
        accounts::held_seconds.eq(accounts::held_seconds + seconds.0),
    )
    .execute(conn)?;
    Ok(())
}

/// Adds `credit` (negative for a charge) to the balance and releases `released` of what is held. The
/// caller has locked the account and writes the ledger's row in the same transaction.
///
/// # Errors
/// [`StoreError`], also when it would leave less than is held: the database checks it too.
pub fn book(
    conn: &mut Conn,
    id: AccountId,
    credit: Seconds,
    released: Seconds,
) -> Result<(), StoreError> {
    update::update(
        accounts::table,
        accounts::id.eq(id.to_string()),
        (
            accounts::balance_seconds.eq(accounts::balance_seconds + credit.0),
            accounts::held_seconds.eq(accounts::held_seconds - released.0),
        ),
    )
    .execute(conn)?;
    Ok(())
}
