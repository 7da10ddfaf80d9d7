//! Refused calls of known keys: how often, for which reason, and the last of each.
//!
//! They are counted in memory and written here in batches, so that a provider that keeps dialling costs
//! one row for each reason and no write for each refusal. A key that nobody made is never written of.

use diesel::prelude::*;

use super::{
    Conn, StoreError,
    schema::{keys, refusals},
    update::update,
};
use crate::{
    id::{AgentId, KeyId},
    key::KeySuffix,
};

/// The reason under which uses of a revoked key are counted: at the key too.
pub const KEY_REVOKED: &str = "key_revoked";

/// Refusals of one key for one reason, counted since the last time they were noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The key.
    pub key_id: KeyId,
    /// The reason, as a stable code.
    pub code: &'static str,
    /// How many.
    pub count: i64,
    /// When the last one was, in milliseconds since 1970.
    pub last_at: i64,
    /// From which address the last one was.
    pub last_from: String,
}

/// Refusals of one key for one reason, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Refusal {
    /// The reason, as a stable code.
    pub code: String,
    /// How many there were.
    pub count: i64,
    /// When the last one was, in milliseconds since 1970.
    pub last_at: i64,
    /// From which address the last one was.
    pub last_from: String,
}

/// Whose key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Whose {
    /// What people see of the key.
    pub suffix: KeySuffix,
    /// Its agent.
    pub agent_id: AgentId,
}

/// Adds to what is kept; keys that do not exist are passed over. For each of the others, whose it is.
///
/// # Errors
/// [`StoreError`], also when another node wrote the first refusal of the same key and reason meanwhile.
pub fn note(conn: &mut Conn, refused: &[Refused]) -> Result<Vec<(Refused, Whose)>, StoreError> {
    let mut noted = Vec::with_capacity(refused.len());
    for refused in in_order(refused) {
        let whose: Option<Whose> = keys::table
            .filter(keys::id.eq(refused.key_id.to_string()))
            .select((keys::suffix, keys::agent_id))
            .get_result(conn)
            .optional()?;
        let Some(whose) = whose else { continue };
        if refused.code == KEY_REVOKED {
            note_at_key(conn, refused)?;
        }
        add(conn, refused)?;
        noted.push((refused.clone(), whose));
    }
    Ok(noted)
}

/// Uses of a revoked key are told at the key itself.
fn note_at_key(conn: &mut Conn, refused: &Refused) -> Result<(), StoreError> {
    update(
        keys::table,
        keys::id.eq(refused.key_id.to_string()),
        (
            keys::refused_uses.eq(keys::refused_uses + refused.count),
            keys::last_refused_at.eq(refused.last_at),
            keys::last_refused_from.eq(&refused.last_from),
        ),
    )
    .execute(conn)?;
    Ok(())
}

fn add(conn: &mut Conn, refused: &Refused) -> Result<(), StoreError> {
    let of_key = refusals::key_id.eq(refused.key_id.to_string());
    let known = update(
        refusals::table,
        of_key.and(refusals::code.eq(refused.code)),
        (
            refusals::times.eq(refusals::times + refused.count),
            refusals::last_at.eq(refused.last_at),
            refusals::last_from.eq(&refused.last_from),
        ),
    )
    .execute(conn)?;
    if known == 0 {
        diesel::insert_into(refusals::table)
            .values((
                refusals::key_id.eq(refused.key_id.to_string()),
                refusals::code.eq(refused.code),
                refusals::times.eq(refused.count),
                refusals::last_at.eq(refused.last_at),
                refusals::last_from.eq(&refused.last_from),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Two nodes that note the same keys must lock them in the same order.
fn in_order(refused: &[Refused]) -> Vec<&Refused> {
    let mut refused: Vec<_> = refused.iter().collect();
    refused.sort_by_key(|refused| (refused.key_id, refused.code));
    refused
}

/// What is kept of a key's refusals, the latest first.
///
/// # Errors
/// [`StoreError`].
pub fn of_key(conn: &mut Conn, key: KeyId) -> Result<Vec<Refusal>, StoreError> {
    Ok(refusals::table
        .filter(refusals::key_id.eq(key.to_string()))
        .order((refusals::last_at.desc(), refusals::code.asc()))
        .select((refusals::code, refusals::times, refusals::last_at, refusals::last_from))
        .load(conn)?)
}
