//! The sums: how much a call may hold, and what it is charged in the end.
//!
//! [`charge`] is the rule, pure; [`extend`] and [`settle`] are one transaction each and lock the account
//! before the call, as everybody does. They know neither when they are called nor by whom.

use std::time::Duration;

use crate::{
    call::{Cause, EndReason, TranscriptLine, event::Stretch},
    id::{AccountId, CallId},
    points::{HOLD, Seconds},
    store::{
        Conn, StoreError, accounts,
        calls::{self, LiveCall, Recognition},
        keys, ledger,
    },
};

/// The answer to a wish for further seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Granted.
    Granted {
        /// All that is reserved for the call now, not only what is new.
        reserved: Seconds,
    },
    /// The account has no free second, or the call is settled.
    Denied,
    /// The database cannot be asked: nobody knows. A call goes on for a while on credit.
    Unavailable,
}

/// How a call that is to be settled ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// It lasted this long.
    Lasted(Duration),
    /// Its node died; it is known to have lasted until this stamp of the node's clock.
    RecordedUntil(i64),
}

/// A call to be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The call.
    pub call_id: CallId,
    /// Who pays.
    pub account_id: AccountId,
    /// Why it ended.
    pub reason: EndReason,
    /// Why it failed, if it did.
    pub cause: Option<Cause>,
    /// How long it lasted.
    pub talk: Talk,
    /// When it ended, in milliseconds since 1970; no earlier than it started, whatever is said here.
    pub ended_at: i64,
    /// Its recognition, unless that is written.
    pub recognition: Option<Recognition>,
    /// Lines of its transcript that may not be written yet, and the position of the first of them.
    pub lines: (i32, Vec<TranscriptLine>),
    /// Who was heard, as far as it may not be written yet, and the position of the first.
    pub stretches: (i32, Vec<Stretch>),
}

impl Settlement {
    /// Whether no dialect was recognised, as far as this tells.
    fn came_to_nothing(&self) -> bool {
        self.talk == Talk::Lasted(Duration::ZERO)
            && self.recognition.is_none()
            && self.lines.1.is_empty()
    }
}

/// What a call costs: the time it lasted, a started second whole, but never more than what was
/// reserved for it and what is free on its account together. The latter is more than nothing to ask
/// for only after a call was bridged over a database that was away.
pub fn charge(lasted: Duration, reserved: Seconds, free: Seconds) -> Seconds {
    Seconds::started(lasted).min(Seconds(reserved.0.saturating_add(free.0.max(0))))
}

/// Reserves up to 60 further seconds for a call.
///
/// # Errors
/// [`StoreError`].
pub fn extend(
    conn: &mut Conn,
    call: CallId,
    account_id: AccountId,
) -> Result<Extension, StoreError> {
    let Some(account) = accounts::lock(conn, account_id)? else { return Ok(Extension::Denied) };
    let Some(live) = lock_live(conn, call, account_id)? else { return Ok(Extension::Denied) };
    let grant = account.free().min(HOLD);
    if grant < Seconds(1) {
        return Ok(Extension::Denied);
    }
    let reserved = Seconds(live.reserved.0 + grant.0);
    accounts::hold(conn, account_id, grant)?;
    calls::reserve(conn, call, reserved)?;
    Ok(Extension::Granted { reserved })
}

/// Settles a call: charges it, releases its reservation, ends its row; of a connection that never
/// became a call no row is left. `None` if it was settled before, or never was; else what it was
/// charged.
///
/// # Errors
/// [`StoreError`].
pub fn settle(conn: &mut Conn, settlement: &Settlement) -> Result<Option<Seconds>, StoreError> {
    let Settlement { call_id, account_id, reason, .. } = *settlement;
    let Some(account) = accounts::lock(conn, account_id)? else { return Ok(None) };
    let Some(live) = lock_live(conn, call_id, account_id)? else { return Ok(None) };
    if settlement.came_to_nothing() && live.talk_started_at.is_none() {
        // It never was a call: the hold is released, and nothing but its key's count remains.
        accounts::book(conn, account_id, Seconds(0), live.reserved)?;
        calls::discard(conn, call_id)?;
        if let Some(key) = live.key_id {
            keys::count_unrecognised(conn, key, live.started_at)?;
        }
        return Ok(Some(Seconds(0)));
    }
    if let Some(recognition) = &settlement.recognition {
        calls::recognise(conn, call_id, recognition)?;
    }
    let (first, lines) = &settlement.lines;
    calls::append_transcript(conn, call_id, *first, lines)?;
    let (first, stretches) = &settlement.stretches;
    calls::stretches::append(conn, call_id, *first, stretches)?;

    let lasted = match settlement.talk {
        Talk::Lasted(lasted) => lasted,
        Talk::RecordedUntil(stamp) => {
            let from = live.talk_started_at.unwrap_or(stamp);
            Duration::from_millis(u64::try_from(stamp.saturating_sub(from)).unwrap_or(0))
        }
    };
    let ended_at = settlement.ended_at.max(live.started_at);
    let charged = charge(lasted, live.reserved, account.free());
    if charged > Seconds(0) {
        ledger::charge(conn, account_id, call_id, charged)?;
    }
    accounts::book(conn, account_id, Seconds(-charged.0), live.reserved)?;
    calls::close(conn, call_id, ended_at, reason, charged)?;
    if let Some(cause) = &settlement.cause {
        calls::fail(conn, call_id, cause)?;
    }
    Ok(Some(charged))
}

/// The call, if it is live and this account's: nobody else may be charged for it.
fn lock_live(
    conn: &mut Conn,
    call: CallId,
    account: AccountId,
) -> Result<Option<LiveCall>, StoreError> {
    Ok(calls::lock_live(conn, call)?.filter(|live| live.account_id == account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_what_it_lasted_within_what_there_is() {
        let cost = |ms, reserved, free| {
            charge(Duration::from_millis(ms), Seconds(reserved), Seconds(free)).0
        };
        assert_eq!(cost(0, 60, 100), 0);
        assert_eq!(cost(1, 60, 100), 1);
        assert_eq!(cost(59_000, 60, 100), 59);
        assert_eq!(cost(59_001, 60, 0), 60);
        assert_eq!(cost(61_000, 60, 0), 60, "never more than there is");
        assert_eq!(cost(90_000, 60, 100), 90, "a bridged call is charged afterwards");
        assert_eq!(cost(90_000, 60, 10), 70, "as far as the balance goes");
    }
}
