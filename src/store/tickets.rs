//! Tickets: made for one user and one agent, taken once, gone when they are taken or too old.
//!
//! What a ticket lets its holder do is decided in `admission`. Old ones are cleared away by whoever
//! makes a new one, so that the table holds a minute's worth.

use diesel::prelude::*;

use super::{Conn, StoreError, schema::tickets};
use crate::id::{AgentId, UserId};

/// A ticket.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// The SHA-256 of its token.
    pub hash: [u8; 32],
    /// The one agent it opens a call to.
    pub agent_id: AgentId,
    /// Who may use it.
    pub user_id: UserId,
    /// Until when, in milliseconds since 1970.
    pub expires_at: i64,
}

/// Adds a ticket, and clears away those that are too old at `now`.
///
/// # Errors
/// [`StoreError`].
pub fn insert(conn: &mut Conn, ticket: &Ticket, now: i64) -> Result<(), StoreError> {
    diesel::delete(tickets::table.filter(tickets::expires_at.le(now))).execute(conn)?;
    diesel::insert_into(tickets::table)
        .values((
            tickets::hash.eq(ticket.hash.as_slice()),
            tickets::agent_id.eq(ticket.agent_id.to_string()),
            tickets::user_id.eq(ticket.user_id.to_string()),
            tickets::expires_at.eq(ticket.expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Uses a ticket up, and gives its agent: once, in time, and to its own user.
///
/// # Errors
/// [`StoreError`].
pub fn take(
    conn: &mut Conn,
    hash: &[u8; 32],
    user: UserId,
    now: i64,
) -> Result<Option<AgentId>, StoreError> {
    let bytes = hash.as_slice();
    let agent: Option<AgentId> = tickets::table
        .find(bytes)
        .filter(tickets::user_id.eq(user.to_string()))
        .filter(tickets::expires_at.gt(now))
        .select(tickets::agent_id)
        .first(conn)
        .optional()?;
    let Some(agent) = agent else { return Ok(None) };
    // Two requests may have read the row; one of them deletes it.
    let taken = diesel::delete(tickets::table.find(bytes)).execute(conn)?;
    Ok((taken == 1).then_some(agent))
}
