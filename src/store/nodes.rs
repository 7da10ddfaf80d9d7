//! Nodes: which processes serve calls, and until when each is taken to be alive.
//!
//! A lease is given and judged by the database's own clock, the only one that all nodes share;
//! `recorded_at` is the node's own monotonic clock and compared with its own calls' stamps only. When
//! to beat and what to do about the dead is decided in `ledger`.

use diesel::{prelude::*, sql_types::BigInt};

use super::{
    Conn, StoreError,
    lock::{Rows, locked},
    schema::{calls, nodes},
    update,
};
use crate::{clock, id::NodeId};

/// A node, as it last wrote itself down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Alive until then, in milliseconds on the database's clock.
    pub lease_until: i64,
    /// Its calls are known to have lasted until then, in milliseconds on the node's clock.
    pub recorded_at: i64,
}

/// Milliseconds since 1970 on the clock that leases are judged by: the server's, or on SQLite, where
/// all nodes share a machine, the machine's.
///
/// # Errors
/// [`StoreError`].
pub fn now(conn: &mut Conn) -> Result<i64, StoreError> {
    match conn {
        Conn::Sqlite(_) => Ok(clock::wall_ms()),
        Conn::Postgres(conn) => Ok(diesel::select(diesel::dsl::sql::<BigInt>(
            "(extract(epoch from clock_timestamp()) * 1000)::bigint",
        ))
        .get_result(conn)?),
    }
}

/// The node, locked until the transaction ends.
///
/// # Errors
/// [`StoreError`].
pub fn lock(conn: &mut Conn, id: NodeId) -> Result<Option<Node>, StoreError> {
    Ok(locked(nodes::table.find(id.to_string()), Rows).get_result(conn).optional()?)
}

/// Writes a node down for the first time.
///
/// # Errors
/// [`StoreError`].
pub fn insert(conn: &mut Conn, node: &Node) -> Result<(), StoreError> {
    diesel::insert_into(nodes::table)
        .values((
            nodes::id.eq(node.id.to_string()),
            nodes::lease_until.eq(node.lease_until),
            nodes::recorded_at.eq(node.recorded_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Renews, or gives back, a node's lease; the caller has locked it.
///
/// # Errors
/// [`StoreError`].
pub fn update(conn: &mut Conn, node: &Node) -> Result<(), StoreError> {
    update::update(
        nodes::table,
        nodes::id.eq(node.id.to_string()),
        (nodes::lease_until.eq(node.lease_until), nodes::recorded_at.eq(node.recorded_at)),
    )
    .execute(conn)?;
    Ok(())
}

/// Forgets a node; the caller has locked it and found it without live calls.
///
/// # Errors
/// [`StoreError`].
pub fn remove(conn: &mut Conn, id: NodeId) -> Result<(), StoreError> {
    diesel::delete(nodes::table.find(id.to_string())).execute(conn)?;
    Ok(())
}

/// Nodes whose lease is over at `now`, or lasts beyond `latest`, on the database's clock.
///
/// # Errors
/// [`StoreError`].
pub fn dead(conn: &mut Conn, now: i64, latest: i64) -> Result<Vec<NodeId>, StoreError> {
    Ok(nodes::table
        .filter(nodes::lease_until.lt(now).or(nodes::lease_until.gt(latest)))
        .order(nodes::id.asc())
        .select(nodes::id)
        .load(conn)?)
}

/// How many nodes but `own` hold a lease now.
///
/// # Errors
/// [`StoreError`].
pub fn alive_beside(conn: &mut Conn, own: NodeId) -> Result<usize, StoreError> {
    let now = now(conn)?;
    let others = nodes::table
        .filter(nodes::id.ne(own.to_string()))
        .filter(nodes::lease_until.ge(now))
        .select(nodes::id)
        .load::<NodeId>(conn)?;
    Ok(others.len())
}

/// Nodes that have live calls admitted before `started_before` and are not written down at all.
///
/// # Errors
/// [`StoreError`].
pub fn unknown(conn: &mut Conn, started_before: i64) -> Result<Vec<NodeId>, StoreError> {
    Ok(calls::table
        .filter(calls::ended_at.is_null())
        .filter(calls::started_at.lt(started_before))
        .filter(calls::node_id.ne_all(nodes::table.select(nodes::id)))
        .select(calls::node_id)
        .distinct()
        .load(conn)?)
}
