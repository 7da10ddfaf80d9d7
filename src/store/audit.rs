//! Who did what to which object, when, from where.
//!
//! A row is written in the same transaction as the change it tells of, by whoever makes the change;
//! what is worth a row is decided there.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Conn, Page, StoreError, page::listed_audit, schema::audit};
use crate::id::{AccountId, AuditId, UserId};

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Row {
    /// Its id.
    pub id: AuditId,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Who, such as `operator`.
    pub actor: String,
    /// What was done, such as `key.revoke`.
    pub action: String,
    /// To what: an id.
    pub object: String,
    /// Whose object it is; `None` when it is nobody's.
    pub account_id: Option<AccountId>,
    /// The client's address; `None` when it was not a client.
    pub from: Option<String>,
    /// Which user; `None`: the bearer token, or no user at all. An address may be another user's
    /// tomorrow, an id never is.
    pub actor_id: Option<UserId>,
    /// What an update changed, if it says so.
    pub changes: Option<Changes>,
}

/// What an update changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The fields, as the API calls them.
    pub changed: Vec<String>,
    /// From what to what, for those fields whose values anybody may read who reads the log.
    pub values: BTreeMap<String, FromTo>,
}

/// A value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromTo {
    /// Before.
    pub from: Value,
    /// After.
    pub to: Value,
}

impl Changes {
    /// Adds a field if it changed, without its values.
    #[must_use]
    pub fn field<T: PartialEq>(mut self, name: &str, before: &T, after: &T) -> Self {
        if before != after {
            self.changed.push(name.to_owned());
        }
        self
    }

    /// Adds a field if it changed, with its values.
    #[must_use]
    pub fn value<T: Into<Value> + PartialEq>(mut self, name: &str, before: T, after: T) -> Self {
        if before != after {
            self.changed.push(name.to_owned());
            let values = FromTo { from: before.into(), to: after.into() };
            self.values.insert(name.to_owned(), values);
        }
        self
    }
}

impl Row {
    /// The same row, with what was changed.
    #[must_use]
    pub fn changing(mut self, changes: Changes) -> Self {
        self.changes = Some(changes);
        self
    }
}

/// Adds a row.
///
/// # Errors
/// [`StoreError`].
pub fn insert(conn: &mut Conn, row: &Row) -> Result<(), StoreError> {
    let changes = row.changes.as_ref().map(serde_json::to_string).transpose();
    diesel::insert_into(audit::table)
        .values((
            audit::id.eq(row.id.to_string()),
            audit::at.eq(row.at),
            audit::actor.eq(&row.actor),
            audit::action.eq(&row.action),
            audit::object.eq(&row.object),
            audit::account_id.eq(row.account_id.map(|id| id.to_string())),
            audit::from_address.eq(row.from.as_deref()),
            audit::actor_id.eq(row.actor_id.map(|id| id.to_string())),
            audit::changes.eq(changes.map_err(StoreError::failed)?),
        ))
        .execute(conn)?;
    Ok(())
}

/// Rows, newest first; of one account if asked.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut Conn,
    account: Option<AccountId>,
    page: Page<AuditId>,
) -> Result<Vec<Row>, StoreError> {
    let all = audit::table.limit(page.limit).into_boxed();
    let query = match account {
        Some(account) => all
            .filter(audit::account_id.eq(account.to_string()))
            .filter(listed_audit().lt(page.before()))
            .order(listed_audit().desc()),
        None => all.filter(audit::id.lt(page.before())).order(audit::id.desc()),
    };
    Ok(query.load(conn)?)
}

/// How often this was done in an account since `since`, in milliseconds since 1970.
///
/// # Errors
/// [`StoreError`].
pub fn count_since(
    conn: &mut Conn,
    account: AccountId,
    action: &str,
    since: i64,
) -> Result<i64, StoreError> {
    // Ids begin with their time, so the account's older rows are not read.
    Ok(audit::table
        .filter(audit::account_id.eq(account.to_string()))
        .filter(listed_audit().ge(format!("aud_{:012x}", since.max(0))))
        .filter(audit::action.eq(action))
        .count()
        .get_result(conn)?)
}
