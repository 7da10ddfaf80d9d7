//! Who did what to which object, when, from where.
//!
//! A row is written in the same transaction as the change it tells of, by whoever makes the change;
//! what is worth a row is decided there.

use diesel::prelude::*;

use super::{Conn, Page, StoreError, schema::audit};
use crate::id::{AccountId, AuditId};

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
}

/// Adds a row.
///
/// # Errors
/// [`StoreError`].
pub fn insert(conn: &mut Conn, row: &Row) -> Result<(), StoreError> {
    diesel::insert_into(audit::table)
        .values((
            audit::id.eq(row.id.to_string()),
            audit::at.eq(row.at),
            audit::actor.eq(&row.actor),
            audit::action.eq(&row.action),
            audit::object.eq(&row.object),
            audit::account_id.eq(row.account_id.map(|id| id.to_string())),
            audit::from_address.eq(row.from.as_deref()),
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
    let mut query = audit::table
        .filter(audit::id.lt(page.before()))
        .order(audit::id.desc())
        .limit(page.limit)
        .into_boxed();
    if let Some(account) = account {
        query = query.filter(audit::account_id.eq(account.to_string()));
    }
    Ok(query.load(conn)?)
}
