//! Calls: one row each, from admission to settlement, and for ever after.
//!
//! A row without `ended_at` is a live call; its `reserved` seconds are part of what its account holds.
//! Who may open one and what it costs in the end are decided in `admission` and `ledger`. What is said
//! in a call is kept line by line, so that a long one can be written as it goes.

mod list;
mod live;
pub mod stretches;

use std::collections::BTreeMap;

use diesel::{dsl::sql, prelude::*, sql_types::BigInt};

pub use list::{CallFilter, Ongoing, list, newest, ongoing};
pub use live::{
    LiveCall, Opening, Recognition, append_transcript, close, discard, ends_requested, fail,
    live_of_node, lock_live, open, recognise, reserve,
};

use super::{
    Conn, StoreError,
    page::listed_call,
    schema::{agents, calls, keys, transcript_lines},
    update::update,
};
use crate::{
    call::event::{EndReason, TranscriptLine},
    id::{AccountId, AgentId, CallId, KeyId, NodeId},
    points::Seconds,
};

/// A call, as it is kept. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
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
    /// Its dialect; `None` until it is recognised.
    pub dialect: Option<String>,
    /// The caller, as the provider tells.
    pub from: Option<String>,
    /// Who was called, as the provider tells.
    pub to: Option<String>,
    /// The provider's own id of the call, for looking it up there.
    pub provider_call_id: Option<String>,
    /// What the customer attached to the call; empty: nothing.
    pub custom_parameters: BTreeMap<String, String>,
    /// When it was admitted.
    pub started_at: i64,
    /// When it ended; `None` while it is live.
    pub ended_at: Option<i64>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Why it failed, if it did.
    pub end_detail: Option<EndDetail>,
    /// What it was charged.
    pub billed_seconds: Option<Seconds>,
    /// What was reserved for it last.
    pub reserved_seconds: Seconds,
}

/// Why a call failed, as it is kept. The code may be one of a newer release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndDetail {
    /// For programs.
    pub code: String,
    /// One sentence for people.
    pub message: String,
}

/// What is attached to a call, as it stands in its column.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Parameters(BTreeMap<String, String>);

#[derive(Queryable, Selectable)]
#[diesel(table_name = calls)]
struct Row {
    id: CallId,
    account_id: AccountId,
    agent_id: AgentId,
    key_id: Option<KeyId>,
    node_id: NodeId,
    dialect: Option<String>,
    from_number: Option<String>,
    to_number: Option<String>,
    provider_call_id: Option<String>,
    custom_parameters: Option<Parameters>,
    started_at: i64,
    ended_at: Option<i64>,
    end_reason: Option<EndReason>,
    end_code: Option<String>,
    end_message: Option<String>,
    billed_seconds: Option<Seconds>,
    reserved_seconds: Seconds,
}

impl From<Row> for Call {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            agent_id: row.agent_id,
            key_id: row.key_id,
            node_id: row.node_id,
            dialect: row.dialect,
            from: row.from_number,
            to: row.to_number,
            provider_call_id: row.provider_call_id,
            custom_parameters: row.custom_parameters.unwrap_or_default().0,
            started_at: row.started_at,
            ended_at: row.ended_at,
            end_reason: row.end_reason,
            end_detail: EndDetail::of(row.end_code, row.end_message),
            billed_seconds: row.billed_seconds,
            reserved_seconds: row.reserved_seconds,
        }
    }
}

impl EndDetail {
    fn of(code: Option<String>, message: Option<String>) -> Option<Self> {
        Some(Self { code: code?, message: message? })
    }
}

/// What an account used on one day of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct DayUse {
    /// Days since 1970.
    pub day: i64,
    /// Calls that began on it, live ones too.
    pub calls: i64,
    /// What those that have ended were billed.
    pub seconds: Seconds,
}

/// The call, if there is one.
///
/// # Errors
/// [`StoreError`].
pub fn get(conn: &mut Conn, id: CallId) -> Result<Option<Call>, StoreError> {
    let row: Option<Row> =
        calls::table.find(id.to_string()).select(Row::as_select()).get_result(conn).optional()?;
    Ok(row.map(Call::from))
}

/// Why the newest of an agent's calls that have ended failed; `None` if it did not, or there is none.
///
/// # Errors
/// [`StoreError`].
pub fn last_failure(
    conn: &mut Conn,
    agent: AgentId,
) -> Result<Option<(CallId, EndDetail)>, StoreError> {
    let newest: Option<(CallId, Option<String>, Option<String>)> = calls::table
        .filter(calls::agent_id.eq(agent.to_string()))
        .filter(calls::ended_at.is_not_null())
        .order(listed_call().desc())
        .select((calls::id, calls::end_code, calls::end_message))
        .first(conn)
        .optional()?;
    Ok(newest.and_then(|(id, code, message)| Some((id, EndDetail::of(code, message)?))))
}

/// What an account used, by the days its calls began on, from `since` (milliseconds since 1970) on;
/// days without a call are left out.
///
/// # Errors
/// [`StoreError`].
pub fn per_day(conn: &mut Conn, account: AccountId, since: i64) -> Result<Vec<DayUse>, StoreError> {
    // In SQL of our own, for the query builder cannot group by an expression on both databases.
    let day = sql::<BigInt>("started_at / 86400000");
    let seconds = sql::<BigInt>("CAST(COALESCE(SUM(billed_seconds), 0) AS BIGINT)");
    Ok(calls::table
        .filter(calls::account_id.eq(account.to_string()))
        .filter(calls::started_at.ge(since))
        .group_by(sql::<BigInt>("1"))
        .select((day, sql::<BigInt>("COUNT(*)"), seconds))
        .load(conn)?)
}

/// What was said in a call, as far as it is written. Never asked for more than one call at a time: one
/// can be long.
///
/// # Errors
/// [`StoreError`].
pub fn transcript(conn: &mut Conn, call: CallId) -> Result<Vec<TranscriptLine>, StoreError> {
    Ok(transcript_lines::table
        .filter(transcript_lines::call_id.eq(call.to_string()))
        .order(transcript_lines::seq.asc())
        .select(transcript_lines::line)
        .load(conn)?)
}

/// The key's calls that have not ended.
///
/// # Errors
/// [`StoreError`].
pub fn live_of_key(conn: &mut Conn, key: KeyId) -> Result<Vec<CallId>, StoreError> {
    // The index of live calls begins with the account and the agent.
    let owner: Option<(String, String)> = keys::table
        .inner_join(agents::table)
        .filter(keys::id.eq(key.to_string()))
        .select((agents::account_id, agents::id))
        .get_result(conn)
        .optional()?;
    let Some((account, agent)) = owner else { return Ok(Vec::new()) };
    Ok(calls::table
        .filter(calls::account_id.eq(account))
        .filter(calls::agent_id.eq(agent))
        .filter(calls::key_id.eq(key.to_string()))
        .filter(calls::ended_at.is_null())
        .order(calls::id.asc())
        .select(calls::id)
        .load(conn)?)
}

/// How many lines of a call's transcript are written, if the call is the account's; of any with
/// `None`.
///
/// # Errors
/// [`StoreError`].
pub fn lines_written(
    conn: &mut Conn,
    call: CallId,
    account: Option<AccountId>,
) -> Result<i64, StoreError> {
    let lines = transcript_lines::table.inner_join(calls::table);
    let of_call = lines.filter(transcript_lines::call_id.eq(call.to_string())).into_boxed();
    let query = match account {
        Some(account) => of_call.filter(calls::account_id.eq(account.to_string())),
        None => of_call,
    };
    Ok(query.count().get_result(conn)?)
}

/// How many calls of an agent, or of its whole account, have not ended.
///
/// # Errors
/// [`StoreError`].
pub fn count_live(
    conn: &mut Conn,
    account: AccountId,
    agent: Option<AgentId>,
) -> Result<i64, StoreError> {
    let live = calls::table
        .filter(calls::account_id.eq(account.to_string()))
        .filter(calls::ended_at.is_null());
    Ok(match agent {
        Some(agent) => {
            live.filter(calls::agent_id.eq(agent.to_string())).count().get_result(conn)?
        }
        None => live.count().get_result(conn)?,
    })
}

/// Asks the nodes that run these calls to end them, for the first reason asked; those that have
/// ended are left alone. Returns how many were asked.
///
/// # Errors
/// [`StoreError`].
pub fn request_end(
    conn: &mut Conn,
    ids: &[CallId],
    reason: EndReason,
) -> Result<usize, StoreError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut asked = 0;
    for id in ids {
        asked += update(
            calls::table,
            calls::id
                .eq(id.to_string())
                .and(calls::ended_at.is_null())
                .and(calls::end_requested.is_null()),
            calls::end_requested.eq(reason.as_str()),
        )
        .execute(conn)?;
    }
    Ok(asked)
}
