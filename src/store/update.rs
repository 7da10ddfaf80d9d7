//! `UPDATE` as a statement that is prepared once per connection.
//!
//! diesel prepares every update anew, because its changesets may leave columns out; on the way of a call
//! that costs more than running it. The verbs on that way use this one, whose text is always the same;
//! the statement is found by its text, so a wrong use could only ever be slow.

use diesel::{
    QueryResult, QuerySource, RunQueryDsl,
    query_builder::{AsChangeset, AstPass, QueryFragment, QueryId},
};

use super::conn::{Conn, MultiBackend};

pub(super) struct Update<From, Changes, Which> {
    from: From,
    changes: Changes,
    which: Which,
}

/// Makes `changes` to the rows of `table` that are `which`.
pub(super) fn update<T, Changes, Which>(
    table: T,
    which: Which,
    changes: Changes,
) -> Update<T::FromClause, Changes::Changeset, Which>
where
    T: QuerySource,
    Changes: AsChangeset<Target = T>,
{
    Update { from: table.from_clause(), changes: changes.as_changeset(), which }
}

impl<From, Changes, Which> RunQueryDsl<Conn> for Update<From, Changes, Which> {}

impl<From, Changes, Which> QueryId for Update<From, Changes, Which> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<From, Changes, Which> QueryFragment<MultiBackend> for Update<From, Changes, Which>
where
    From: QueryFragment<MultiBackend>,
    Changes: QueryFragment<MultiBackend>,
    Which: QueryFragment<MultiBackend>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        self.from.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        self.changes.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE ");
        self.which.walk_ast(out)
    }
}
