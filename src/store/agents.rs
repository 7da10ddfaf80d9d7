//! Agents, as operators configure them.
//!
//! A deleted agent is only hidden: its row stays for its calls and its revoked keys, which go on being
//! refused as revoked. What an agent says and does is no business of this file.

use diesel::prelude::*;

use super::{
    Conn, Page, StoreError,
    lock::{Rows, locked},
    schema::{agents, calls, keys},
};
use crate::{
    agent::profile::{Agent, Engine},
    id::{AccountId, AgentId},
};

/// What became of a wish to delete an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is hidden from now on.
    Done,
    /// It has live calls or active keys, and stays.
    Busy,
    /// There is none, or it was deleted before.
    NotFound,
}

/// The columns of an [`Agent`], and whether it is deleted.
#[derive(Queryable)]
pub(super) struct Row {
    id: AgentId,
    account_id: AccountId,
    name: String,
    engine: Engine,
    greeting: String,
    closing_phrase: String,
    system_prompt: Option<String>,
    language: String,
    voice: Option<String>,
    max_turns: Option<i32>,
    max_duration_seconds: i32,
    silence_timeout_seconds: i32,
    max_concurrent_calls: Option<i32>,
    is_active: bool,
    created_at: i64,
    pub(super) deleted_at: Option<i64>,
}

impl From<Row> for Agent {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            name: row.name,
            engine: row.engine,
            greeting: row.greeting,
            closing_phrase: row.closing_phrase,
            system_prompt: row.system_prompt,
            language: row.language,
            voice: row.voice,
            max_turns: row.max_turns,
            max_duration_seconds: row.max_duration_seconds,
            silence_timeout_seconds: row.silence_timeout_seconds,
            max_concurrent_calls: row.max_concurrent_calls,
            is_active: row.is_active,
            created_at: row.created_at,
        }
    }
}

/// Adds an agent.
///
/// # Errors
/// [`StoreError`], also when its account does not exist.
pub fn insert(conn: &mut Conn, agent: &Agent) -> Result<(), StoreError> {
    diesel::insert_into(agents::table)
        .values((
            agents::id.eq(agent.id.to_string()),
            agents::account_id.eq(agent.account_id.to_string()),
            agents::name.eq(&agent.name),
            agents::engine.eq(agent.engine.as_str()),
            agents::greeting.eq(&agent.greeting),
            agents::closing_phrase.eq(&agent.closing_phrase),
            agents::system_prompt.eq(agent.system_prompt.as_deref()),
            agents::language.eq(&agent.language),
            agents::voice.eq(agent.voice.as_deref()),
            agents::max_turns.eq(agent.max_turns),
            agents::max_duration_seconds.eq(agent.max_duration_seconds),
            agents::silence_timeout_seconds.eq(agent.silence_timeout_seconds),
            agents::max_concurrent_calls.eq(agent.max_concurrent_calls),
            agents::is_active.eq(agent.is_active),
            agents::created_at.eq(agent.created_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// The agent, unless there is none or it is deleted.
///
/// # Errors
/// [`StoreError`].
pub fn get(conn: &mut Conn, id: AgentId) -> Result<Option<Agent>, StoreError> {
    let row: Option<Row> = agents::table
        .find(id.to_string())
        .filter(agents::deleted_at.is_null())
        .get_result(conn)
        .optional()?;
    Ok(row.map(Agent::from))
}

/// What an agent is called, also if it is deleted: its calls are still listed.
///
/// # Errors
/// [`StoreError`].
pub fn name(conn: &mut Conn, id: AgentId) -> Result<Option<String>, StoreError> {
    Ok(agents::table.find(id.to_string()).select(agents::name).first(conn).optional()?)
}

/// The agent as [`get`] finds it, locked until the transaction ends.
///
/// # Errors
/// [`StoreError`].
pub fn lock(conn: &mut Conn, id: AgentId) -> Result<Option<Agent>, StoreError> {
    let query = agents::table.find(id.to_string()).filter(agents::deleted_at.is_null());
    let row: Option<Row> = locked(query, Rows).get_result(conn).optional()?;
    Ok(row.map(Agent::from))
}

/// Agents that are not deleted, newest first; of one account if asked.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut Conn,
    account: Option<AccountId>,
    page: Page<AgentId>,
) -> Result<Vec<Agent>, StoreError> {
    let mut query = agents::table
        .filter(agents::deleted_at.is_null())
        .filter(agents::id.lt(page.before()))
        .order(agents::id.desc())
        .limit(page.limit)
        .into_boxed();
    if let Some(account) = account {
        query = query.filter(agents::account_id.eq(account.to_string()));
    }
    let rows: Vec<Row> = query.load(conn)?;
    Ok(rows.into_iter().map(Agent::from).collect())
}

/// Sets everything of an agent but its id, its account and when it was made; `false` if there is no
/// such agent.
///
/// # Errors
/// [`StoreError`].
pub fn update(conn: &mut Conn, agent: &Agent) -> Result<bool, StoreError> {
    let live = agents::table.find(agent.id.to_string()).filter(agents::deleted_at.is_null());
    let changed = diesel::update(live)
        .set((
            agents::name.eq(&agent.name),
            agents::engine.eq(agent.engine.as_str()),
            agents::greeting.eq(&agent.greeting),
            agents::closing_phrase.eq(&agent.closing_phrase),
            agents::system_prompt.eq(agent.system_prompt.as_deref()),
            agents::language.eq(&agent.language),
            agents::voice.eq(agent.voice.as_deref()),
            agents::max_turns.eq(agent.max_turns),
            agents::max_duration_seconds.eq(agent.max_duration_seconds),
            agents::silence_timeout_seconds.eq(agent.silence_timeout_seconds),
            agents::max_concurrent_calls.eq(agent.max_concurrent_calls),
            agents::is_active.eq(agent.is_active),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Hides an agent that has neither live calls nor active keys. A key cannot be made meanwhile: that
/// locks the agent too. A call cannot either: that takes an active key, or a ticket and the agent's lock.
///
/// # Errors
/// [`StoreError`].
pub fn delete(conn: &mut Conn, id: AgentId, now: i64) -> Result<Deleted, StoreError> {
    let Some(agent) = lock(conn, id)? else { return Ok(Deleted::NotFound) };
    let active_keys: i64 = keys::table
        .filter(keys::agent_id.eq(id.to_string()))
        .filter(keys::is_active)
        .count()
        .get_result(conn)?;
    let live_calls: i64 = calls::table
        .filter(calls::account_id.eq(agent.account_id.to_string()))
        .filter(calls::agent_id.eq(id.to_string()))
        .filter(calls::ended_at.is_null())
        .count()
        .get_result(conn)?;
    if active_keys + live_calls > 0 {
        return Ok(Deleted::Busy);
    }
    diesel::update(agents::table.find(id.to_string()))
        .set(agents::deleted_at.eq(now))
        .execute(conn)?;
    Ok(Deleted::Done)
}
