//! What happens to a live call's row: opened, recognised, extended, written to, closed.
//!
//! These are the verbs of admission and of the ledger, which hold the locks and make the sums. What
//! people look at is in [`super`].

use std::collections::BTreeMap;

use diesel::{dsl::max, prelude::*};

use crate::{
    call::{Cause, EndReason, TranscriptLine},
    dialect::Caller,
    id::{AccountId, AgentId, CallId, KeyId, NodeId},
    key::{redact, redact_bytes},
    points::Seconds,
    store::{
        Conn, StoreError,
        lock::{Rows, locked},
        schema::{calls, stretches, transcript_lines},
        update::update,
    },
};

/// A call at its admission.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// Its id.
    pub id: CallId,
    /// Who pays.
    pub account_id: AccountId,
    /// Who answers.
    pub agent_id: AgentId,
    /// What opened it; `None`: a call from the dashboard, which needs no key.
    pub key_id: Option<KeyId>,
    /// The process that runs it.
    pub node_id: NodeId,
    /// Now, in milliseconds since 1970.
    pub started_at: i64,
    /// What is reserved for it; the caller holds as much on the account, in the same transaction.
    pub reserved: Seconds,
}

/// Opens the row of a call.
///
/// # Errors
/// [`StoreError`], also when the id is taken.
pub fn open(conn: &mut Conn, call: &Opening) -> Result<(), StoreError> {
    diesel::insert_into(calls::table)
        .values((
            calls::id.eq(call.id.to_string()),
            calls::account_id.eq(call.account_id.to_string()),
            calls::agent_id.eq(call.agent_id.to_string()),
            calls::key_id.eq(call.key_id.map(|id| id.to_string())),
            calls::node_id.eq(call.node_id.to_string()),
            calls::started_at.eq(call.started_at),
            calls::reserved_seconds.eq(call.reserved.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// A live call, as its settlement needs it.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = calls)]
pub struct LiveCall {
    /// Who pays.
    pub account_id: AccountId,
    /// What opened it; `None`: a ticket.
    pub key_id: Option<KeyId>,
    /// The process that runs it.
    pub node_id: NodeId,
    /// When it was admitted, in milliseconds since 1970.
    pub started_at: i64,
    /// When its talk time began, on its node's clock; `None`: not recognised, as far as is written.
    pub talk_started_at: Option<i64>,
    /// What is reserved for it.
    #[diesel(column_name = reserved_seconds)]
    pub reserved: Seconds,
}

/// The call if it is live, locked until the transaction ends; lock its account before.
///
/// # Errors
/// [`StoreError`].
pub fn lock_live(conn: &mut Conn, id: CallId) -> Result<Option<LiveCall>, StoreError> {
    let query = calls::table
        .filter(calls::id.eq(id.to_string()))
        .filter(calls::ended_at.is_null())
        .select(LiveCall::as_select());
    Ok(locked(query, Rows).get_result(conn).optional()?)
}

/// Sets what is reserved for a call; the caller has locked it and holds the difference.
///
/// # Errors
/// [`StoreError`].
pub fn reserve(conn: &mut Conn, id: CallId, reserved: Seconds) -> Result<(), StoreError> {
    update(calls::table, calls::id.eq(id.to_string()), calls::reserved_seconds.eq(reserved.0))
        .execute(conn)?;
    Ok(())
}

/// What is known of a call once its dialect is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recognition {
    /// The dialect.
    pub dialect: String,
    /// The caller, as the provider tells.
    pub from: Option<String>,
    /// Who was called, as the provider tells.
    pub to: Option<String>,
    /// The provider's own id of the call.
    pub provider_call_id: Option<String>,
    /// What the customer attached to the call.
    pub custom_parameters: BTreeMap<String, String>,
    /// When talk time began, in milliseconds on the node's clock.
    pub talk_started_at: i64,
}

/// A text of somebody else's as it is kept: without anything shaped like a key, and without the
/// control characters that a provider has no use for and PostgreSQL does not take.
fn kept(text: &str) -> String {
    redact(text).chars().filter(|c| !c.is_control()).collect()
}

/// Writes that a call was recognised; `false` if it is not live (any more). What the provider tells is
/// written without anything shaped like a key, and no more parameters than [`Caller::PARAMS`].
///
/// # Errors
/// [`StoreError`].
pub fn recognise(conn: &mut Conn, id: CallId, seen: &Recognition) -> Result<bool, StoreError> {
    let parameters = seen.custom_parameters.iter().take(Caller::PARAMS);
    let parameters: BTreeMap<_, _> =
        parameters.map(|(name, value)| (kept(name), kept(value))).collect();
    let parameters = (!parameters.is_empty()).then(|| serde_json::to_string(&parameters));
    let changed = update(
        calls::table,
        calls::id.eq(id.to_string()).and(calls::ended_at.is_null()),
        (
            calls::dialect.eq(&seen.dialect),
            calls::from_number.eq(seen.from.as_deref().map(kept)),
            calls::to_number.eq(seen.to.as_deref().map(kept)),
            calls::provider_call_id.eq(seen.provider_call_id.as_deref().map(kept)),
            calls::custom_parameters.eq(parameters.transpose().map_err(StoreError::failed)?),
            calls::talk_started_at.eq(seen.talk_started_at),
        ),
    )
    .execute(conn)?;
    Ok(changed == 1)
}

/// Appends to a call's transcript. `lines` begin at position `first` of the whole transcript; those
/// already written are passed over, so that the same lines may come again. They are written without
/// anything shaped like a key, for they hold what others say.
///
/// # Errors
/// [`StoreError`], also when there is no such call.
pub fn append_transcript(
    conn: &mut Conn,
    id: CallId,
    first: i32,
    lines: &[TranscriptLine],
) -> Result<(), StoreError> {
    if lines.is_empty() {
        return Ok(());
    }
    let last: Option<i32> = transcript_lines::table
        .filter(transcript_lines::call_id.eq(id.to_string()))
        .select(max(transcript_lines::seq))
        .get_result(conn)?;
    for (seq, line) in (first..).zip(lines).filter(|(seq, _)| Some(*seq) > last) {
        let line = serde_json::to_string(line).map_err(StoreError::failed)?;
        let line = String::from_utf8_lossy(&redact_bytes(line.as_bytes(), true)).into_owned();
        diesel::insert_into(transcript_lines::table)
            .values((
                transcript_lines::call_id.eq(id.to_string()),
                transcript_lines::seq.eq(seq),
                transcript_lines::line.eq(line),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Ends a live call's row. The caller has locked account and call, and books the charge and the
/// release in the same transaction.
///
/// # Errors
/// [`StoreError`].
pub fn close(
    conn: &mut Conn,
    id: CallId,
    ended_at: i64,
    reason: EndReason,
    billed: Seconds,
) -> Result<(), StoreError> {
    update(
        calls::table,
        calls::id.eq(id.to_string()),
        (
            calls::ended_at.eq(ended_at),
            calls::end_reason.eq(reason.as_str()),
            calls::billed_seconds.eq(billed.0),
        ),
    )
    .execute(conn)?;
    Ok(())
}

/// Writes why a call failed. Its row is closed in the same transaction.
///
/// # Errors
/// [`StoreError`].
pub fn fail(conn: &mut Conn, id: CallId, cause: &Cause) -> Result<(), StoreError> {
    update(
        calls::table,
        calls::id.eq(id.to_string()),
        (calls::end_code.eq(cause.code.as_str()), calls::end_message.eq(kept(cause.message()))),
    )
    .execute(conn)?;
    Ok(())
}

/// Removes the row of a live call that never became one, with whatever hangs on it. The caller has
/// locked account and call, and books the release in the same transaction.
///
/// # Errors
/// [`StoreError`], also when the call was charged.
pub fn discard(conn: &mut Conn, id: CallId) -> Result<(), StoreError> {
    let id = id.to_string();
    diesel::delete(transcript_lines::table.filter(transcript_lines::call_id.eq(&id)))
        .execute(conn)?;
    diesel::delete(stretches::table.filter(stretches::call_id.eq(&id))).execute(conn)?;
    diesel::delete(calls::table.find(&id)).execute(conn)?;
    Ok(())
}

/// The node's live calls that somebody asked to end, and the reason asked for.
///
/// # Errors
/// [`StoreError`].
pub fn ends_requested(
    conn: &mut Conn,
    node: NodeId,
) -> Result<Vec<(CallId, EndReason)>, StoreError> {
    Ok(calls::table
        .filter(calls::node_id.eq(node.to_string()))
        .filter(calls::ended_at.is_null())
        .filter(calls::end_requested.is_not_null())
        .select((calls::id, calls::end_requested.assume_not_null()))
        .load(conn)?)
}

/// The node's calls that have not ended.
///
/// # Errors
/// [`StoreError`].
pub fn live_of_node(conn: &mut Conn, node: NodeId) -> Result<Vec<(CallId, AccountId)>, StoreError> {
    Ok(calls::table
        .filter(calls::node_id.eq(node.to_string()))
        .filter(calls::ended_at.is_null())
        .order(calls::id.asc())
        .select((calls::id, calls::account_id))
        .load(conn)?)
}
