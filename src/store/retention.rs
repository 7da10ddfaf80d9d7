//! What is old, and its deletion: calls with what was said in them, rows of the audit log, and what
//! lets people in for a while.
//!
//! Everything is found by reading and deleted by its key in transactions of a bounded number of rows,
//! so that a writer is never held up. Ledger rows are not deleted by anything here. What is old, and how
//! slowly it goes, is decided in [`crate::retention`].

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::{
    Conn, Page, StoreError,
    schema::{
        accounts, audit, calls, keys, sessions, setup_links, stretches, tickets, transcript_lines,
    },
    update::update,
};
use crate::id::{AccountId, AuditId, CallId, KeyId};

/// Accounts after `after`, by rising id, each with the days that it keeps its calls.
///
/// # Errors
/// [`StoreError`].
pub fn accounts(
    conn: &mut Conn,
    page: Page<AccountId>,
) -> Result<Vec<(AccountId, Option<i32>)>, StoreError> {
    Ok(accounts::table
        .filter(accounts::id.lt(page.before()))
        .order(accounts::id.desc())
        .limit(page.limit)
        .select((accounts::id, accounts::retention_days))
        .load(conn)?)
}

/// Calls of an account that ended before `before` (milliseconds since 1970), up to `most`, the oldest
/// first.
///
/// # Errors
/// [`StoreError`].
pub fn old_calls(
    conn: &mut Conn,
    account: AccountId,
    before: i64,
    most: i64,
) -> Result<Vec<CallId>, StoreError> {
    Ok(calls::table
        .filter(calls::account_id.eq(account.to_string()))
        .filter(calls::started_at.lt(before))
        .filter(calls::ended_at.lt(before))
        .order(calls::started_at.asc())
        .limit(most)
        .select(calls::id)
        .load(conn)?)
}

/// Deletes these calls if they ended before `before`, with their transcripts and stretches, up to `rows`
/// rows in all: what is left of them is for the next time. What a call tells of its key's use is kept at
/// the key. Returns how many rows went.
///
/// # Errors
/// [`StoreError`].
pub fn delete_calls(
    conn: &mut Conn,
    ids: &[CallId],
    before: i64,
    rows: i64,
) -> Result<i64, StoreError> {
    let mut old = Vec::new();
    let mut uses = BTreeMap::new();
    for id in ids {
        let call = calls::table.filter(calls::id.eq(id.to_string()));
        let call = call.filter(calls::ended_at.lt(before));
        let found: Option<(Option<KeyId>, i64)> =
            call.select((calls::key_id, calls::started_at)).first(conn).optional()?;
        let Some((key, started_at)) = found else { continue };
        old.push(*id);
        if let Some(key) = key {
            let last = uses.entry(key).or_insert(started_at);
            *last = started_at.max(*last);
        }
    }
    // Keys before calls, and each by rising id: other nodes may be at the same ones.
    for (key, used_at) in uses {
        let is_news = keys::last_used_before.is_null().or(keys::last_used_before.lt(used_at));
        let which = keys::id.eq(key.to_string()).and(is_news);
        update(keys::table, which, keys::last_used_before.eq(used_at)).execute(conn)?;
    }
    old.sort_unstable();
    let mut left = rows;
    for id in old {
        left -= delete_lines(conn, id, left)?;
        left -= delete_stretches(conn, id, left)?;
        if left <= 0 {
            break;
        }
        let call = calls::table.filter(calls::id.eq(id.to_string()));
        left -= count(diesel::delete(call).execute(conn)?);
    }
    Ok(rows - left)
}

fn delete_lines(conn: &mut Conn, call: CallId, most: i64) -> Result<i64, StoreError> {
    let of_call = || transcript_lines::table.filter(transcript_lines::call_id.eq(call.to_string()));
    let first: Vec<i32> = of_call()
        .order(transcript_lines::seq.asc())
        .limit(most)
        .select(transcript_lines::seq)
        .load(conn)?;
    let Some(last) = first.last() else { return Ok(0) };
    let old = of_call().filter(transcript_lines::seq.le(*last));
    Ok(count(diesel::delete(old).execute(conn)?))
}

fn delete_stretches(conn: &mut Conn, call: CallId, most: i64) -> Result<i64, StoreError> {
    let of_call = || stretches::table.filter(stretches::call_id.eq(call.to_string()));
    let first: Vec<i32> =
        of_call().order(stretches::seq.asc()).limit(most).select(stretches::seq).load(conn)?;
    let Some(last) = first.last() else { return Ok(0) };
    let old = of_call().filter(stretches::seq.le(*last));
    Ok(count(diesel::delete(old).execute(conn)?))
}

/// Rows of the audit log from before `before`, up to `most`, the oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn old_audit(conn: &mut Conn, before: i64, most: i64) -> Result<Vec<AuditId>, StoreError> {
    // Ids begin with their time: the first are the oldest, and the look ends where newer ones begin.
    Ok(audit::table
        .filter(audit::id.lt(AuditId::first_of(before)))
        .filter(audit::at.lt(before))
        .order(audit::id.asc())
        .limit(most)
        .select(audit::id)
        .load(conn)?)
}

/// Deletes these rows of the audit log.
///
/// # Errors
/// [`StoreError`].
pub fn delete_audit(conn: &mut Conn, ids: &[AuditId]) -> Result<(), StoreError> {
    for id in ids {
        diesel::delete(audit::table.filter(audit::id.eq(id.to_string()))).execute(conn)?;
    }
    Ok(())
}

/// Sessions that began before `began` or were last seen before `seen`, by their hashes, up to `most`.
///
/// # Errors
/// [`StoreError`].
pub fn old_sessions(
    conn: &mut Conn,
    began: i64,
    seen: i64,
    most: i64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    Ok(sessions::table
        .filter(sessions::created_at.lt(began).or(sessions::last_seen_at.lt(seen)))
        .limit(most)
        .select(sessions::token_hash)
        .load(conn)?)
}

/// Deletes these sessions, unless they were seen since `seen`.
///
/// # Errors
/// [`StoreError`].
pub fn delete_sessions(
    conn: &mut Conn,
    hashes: &[Vec<u8>],
    began: i64,
    seen: i64,
) -> Result<(), StoreError> {
    for hash in hashes {
        let old = sessions::created_at.lt(began).or(sessions::last_seen_at.lt(seen));
        diesel::delete(sessions::table.find(hash.as_slice()).filter(old)).execute(conn)?;
    }
    Ok(())
}

/// Whether there are tickets or set-up links that nobody can use any more.
///
/// # Errors
/// [`StoreError`].
pub fn has_expired(conn: &mut Conn, now: i64) -> Result<bool, StoreError> {
    let ticket = tickets::table.filter(tickets::expires_at.le(now)).select(tickets::expires_at);
    let link = setup_links::table.filter(setup_links::expires_at.le(now));
    let ticket: Option<i64> = ticket.first(conn).optional()?;
    let link: Option<i64> = link.select(setup_links::expires_at).first(conn).optional()?;
    Ok(ticket.is_some() || link.is_some())
}

/// Deletes tickets and set-up links that nobody can use any more: a minute's worth, and one.
///
/// # Errors
/// [`StoreError`].
pub fn delete_expired(conn: &mut Conn, now: i64) -> Result<(), StoreError> {
    diesel::delete(tickets::table.filter(tickets::expires_at.le(now))).execute(conn)?;
    diesel::delete(setup_links::table.filter(setup_links::expires_at.le(now))).execute(conn)?;
    Ok(())
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
