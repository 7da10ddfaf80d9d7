//! Row locks, the one clause that the two databases do not share.
//!
//! PostgreSQL gets `FOR NO KEY UPDATE`: a share lock would let a busy key starve its own revocation,
//! and a full update lock would wait for every insert that refers to the row. SQLite gets nothing:
//! a transaction of `Store::write` holds its one write lock already.

use diesel::{
    QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sqlite::Sqlite,
};

use super::conn::{Conn, MultiBackend};

/// Locks all rows of the query.
#[derive(QueryId)]
pub(super) struct Rows;

/// Locks the rows of `keys`, then those of `accounts`, and not the agent's between them.
#[derive(QueryId)]
pub(super) struct KeyThenAccount;

/// A query that locks what it reads until the transaction ends.
#[derive(QueryId)]
pub(super) struct Locked<Q, What> {
    query: Q,
    what: What,
}

pub(super) fn locked<Q, What>(query: Q, what: What) -> Locked<Q, What> {
    Locked { query, what }
}

impl<Q: Query, What> Query for Locked<Q, What> {
    type SqlType = Q::SqlType;
}

impl<Q, What> RunQueryDsl<Conn> for Locked<Q, What> {}

impl<Q, What> QueryFragment<MultiBackend> for Locked<Q, What>
where
    Q: QueryFragment<MultiBackend>,
    What: QueryFragment<Sqlite> + QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        MultiBackend::walk_variant_ast(&self.what, out)
    }
}

impl QueryFragment<Pg> for Rows {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" FOR NO KEY UPDATE");
        Ok(())
    }
}

impl QueryFragment<Pg> for KeyThenAccount {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" FOR NO KEY UPDATE OF \"keys\", \"accounts\"");
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Rows {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        Ok(())
    }
}

impl QueryFragment<Sqlite> for KeyThenAccount {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        Ok(())
    }
}
