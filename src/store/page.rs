//! Lists come in pages, newest first.

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
