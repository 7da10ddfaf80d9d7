//! Lists come in pages, newest first.

use diesel::{dsl::sql, expression::SqlLiteral, sql_types::Text};

/// A page of a list: the newest `limit` rows older than `after`.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// The last id of the page before; `None` starts with the newest.
    pub after: Option<Id>,
    /// Rows at most.
    pub limit: i64,
}

impl<Id: std::fmt::Display> Page<Id> {
    /// What every id of the page is smaller than. `~` sorts after every letter and digit, so it
    /// stands for "no limit" and keeps the query, and its prepared statement, the same.
    pub(super) fn before(&self) -> String {
        self.after.as_ref().map_or_else(|| "~".to_owned(), ToString::to_string)
    }
}

/// The id of a row of `calls`, as the indices of long lists hold it beside whose the row is. To a planner
/// it is not the primary key, whose index it would walk down in the hope to meet one's rows soon: for an
/// account that called long ago, past all that others did since.
pub(super) fn listed_call() -> SqlLiteral<Text> {
    sql("(calls.id || '')")
}

/// The same of `ledger`.
pub(super) fn listed_entry() -> SqlLiteral<Text> {
    sql("(ledger.id || '')")
}

/// The same of `audit`.
pub(super) fn listed_audit() -> SqlLiteral<Text> {
    sql("(audit.id || '')")
}
