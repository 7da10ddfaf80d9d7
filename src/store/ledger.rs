//! The ledger: every second an account ever got or spent, in rows that are never changed.
//!
//! There is no verb to change a row, and the database refuses it too. `accounts.balance` is kept equal
//! to the sum here by writing both in one transaction. How much a call is charged is decided in the
//! module `ledger` above; the name is the same because it is the same book.

use diesel::prelude::*;

use super::{
    Conn, Page, StoreError, accounts,
    page::listed_entry,
    schema::{ledger, topups},
};
use crate::{
    clock::wall_ms,
    id::{AccountId, CallId, LedgerId},
    points::Seconds,
};

/// What a row of the ledger is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Seconds bought: positive.
    TopUp,
    /// A call's charge: negative.
    Call,
    /// A correction, of either sign.
    Adjustment,
}

impl EntryKind {
    /// The kind's name in the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "topup",
            Self::Call => "call",
            Self::Adjustment => "adjustment",
        }
    }

    pub(super) fn from_stored(text: &str) -> Option<Self> {
        [Self::TopUp, Self::Call, Self::Adjustment].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Entry {
    /// Its id.
    pub id: LedgerId,
    /// Whose it is.
    pub account_id: AccountId,
    /// What it is for.
    pub kind: EntryKind,
    /// How much; negative for a charge.
    pub seconds: Seconds,
    /// The call that was charged.
    pub call_id: Option<CallId>,
    /// What the operator wrote beside it.
    pub note: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// What an operator wishes to write into the ledger: a top-up or an adjustment.
#[derive(Debug, Clone)]
pub struct Posting {
    /// [`EntryKind::TopUp`] or [`EntryKind::Adjustment`]; a call is charged by [`charge`].
    pub kind: EntryKind,
    /// Whose account.
    pub account_id: AccountId,
    /// How much; more than zero for a top-up, not zero for an adjustment.
    pub seconds: Seconds,
    /// What to write beside it.
    pub note: Option<String>,
    /// Hash of the idempotency key: the same again, per account, makes no second row.
    pub idempotency_hash: [u8; 32],
    /// Hash of what was asked, to tell "the same again" from "something else under the same key".
    pub body_hash: [u8; 32],
}

/// What became of a [`Posting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// This row was made.
    Made(Entry),
    /// The same was asked before, and this row made then.
    Same(Entry),
    /// Something else was asked before under the same idempotency key.
    Conflict,
    /// There is no such account.
    NoAccount,
    /// The balance would not fit into 64 bits.
    OutOfRange,
    /// The balance would be less than what live calls hold.
    NotFree,
}

/// An account's rows, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut Conn,
    account: AccountId,
    page: Page<LedgerId>,
) -> Result<Vec<Entry>, StoreError> {
    Ok(ledger::table
        .filter(ledger::account_id.eq(account.to_string()))
        .filter(listed_entry().lt(page.before()))
        .order(listed_entry().desc())
        .limit(page.limit)
        .load(conn)?)
}

/// Writes a top-up or an adjustment, once per idempotency key of the account.
///
/// # Errors
/// [`StoreError`].
pub fn post(conn: &mut Conn, wish: &Posting) -> Result<Posted, StoreError> {
    // The account's lock also orders two requests with the same idempotency key.
    let Some(account) = accounts::lock(conn, wish.account_id)? else {
        return Ok(Posted::NoAccount);
    };
    let before: Option<(Vec<u8>, String)> = topups::table
        .find((wish.account_id.to_string(), wish.idempotency_hash.as_slice()))
        .select((topups::body_hash, topups::ledger_id))
        .get_result(conn)
        .optional()?;
    if let Some((body_hash, entry_id)) = before {
        if body_hash != wish.body_hash {
            return Ok(Posted::Conflict);
        }
        return Ok(Posted::Same(ledger::table.find(entry_id).get_result(conn)?));
    }
    let Some(balance) = account.balance.0.checked_add(wish.seconds.0) else {
        return Ok(Posted::OutOfRange);
    };
    if balance < account.held.0 {
        return Ok(Posted::NotFree);
    }
    let (seconds, note) = (wish.seconds, wish.note.clone());
    let entry = append(conn, wish.account_id, wish.kind, seconds, None, note)?;
    diesel::insert_into(topups::table)
        .values((
            topups::account_id.eq(wish.account_id.to_string()),
            topups::idempotency_hash.eq(wish.idempotency_hash.as_slice()),
            topups::body_hash.eq(wish.body_hash.as_slice()),
            topups::ledger_id.eq(entry.id.to_string()),
        ))
        .execute(conn)?;
    accounts::book(conn, wish.account_id, wish.seconds, Seconds(0))?;
    Ok(Posted::Made(entry))
}

/// Writes the charge of a call: `seconds`, more than zero, as a negative row. The caller has locked the
/// account, and books it there in the same transaction.
///
/// # Errors
/// [`StoreError`], also when the call was charged before.
pub fn charge(
    conn: &mut Conn,
    account: AccountId,
    call: CallId,
    seconds: Seconds,
) -> Result<(), StoreError> {
    append(conn, account, EntryKind::Call, Seconds(-seconds.0), Some(call), None).map(drop)
}

/// Appends a row to the book of an account, which the caller has locked: only then are its id and its
/// time made, and neither is before the newest row's, whatever this node's clock says. Whoever has read
/// the book down from its newest row misses nothing that is written later.
fn append(
    conn: &mut Conn,
    account_id: AccountId,
    kind: EntryKind,
    seconds: Seconds,
    call_id: Option<CallId>,
    note: Option<String>,
) -> Result<Entry, StoreError> {
    let newest: Option<(LedgerId, i64)> = ledger::table
        .filter(ledger::account_id.eq(account_id.to_string()))
        .order(listed_entry().desc())
        .select((ledger::id, ledger::created_at))
        .first(conn)
        .optional()?;
    let (id, created_at) = match newest {
        Some((id, at)) => (LedgerId::after(id), wall_ms().max(at)),
        None => (LedgerId::new(), wall_ms()),
    };
    let entry = Entry { id, account_id, kind, seconds, call_id, note, created_at };
    diesel::insert_into(ledger::table)
        .values((
            ledger::id.eq(entry.id.to_string()),
            ledger::account_id.eq(entry.account_id.to_string()),
            ledger::kind.eq(entry.kind.as_str()),
            ledger::seconds.eq(entry.seconds.0),
            ledger::call_id.eq(entry.call_id.map(|id| id.to_string())),
            ledger::note.eq(entry.note.as_deref()),
            ledger::created_at.eq(entry.created_at),
        ))
        .execute(conn)?;
    Ok(entry)
}
