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
    agent::{
        profile::{Agent, Engine, Relay, RelayUrl, Signature, SignatureProvider},
        secret::SecretName,
    },
    dialect,
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
    dialect: Option<dialect::Name>,
    relay_url: Option<RelayUrl>,
    relay_secret: Option<SecretName>,
    relay_connect_timeout_ms: Option<i32>,
    relay_first_byte_timeout_ms: Option<i32>,
    relay_unreachable_phrase: Option<String>,
    relay_trusted: bool,
    signature_provider: Option<SignatureProvider>,
    signature_secret: Option<SecretName>,
}

impl Row {
    /// The database sees to it that a relay is there as a whole or not at all.
    fn relay(&mut self) -> Option<Relay> {
        Some(Relay {
            url: self.relay_url.take()?,
            secret: self.relay_secret.take(),
            connect_timeout_ms: self.relay_connect_timeout_ms?,
            first_byte_timeout_ms: self.relay_first_byte_timeout_ms?,
            unreachable_phrase: self.relay_unreachable_phrase.take()?,
            trusted: self.relay_trusted,
        })
    }

    fn signature(&mut self) -> Option<Signature> {
        Some(Signature {
            provider: self.signature_provider?,
            secret: self.signature_secret.take()?,
        })
    }
}

impl From<Row> for Agent {
    fn from(mut row: Row) -> Self {
        Self {
            relay: row.relay(),
            signature: row.signature(),
            dialect: row.dialect,
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

/// What of an agent can be changed, as columns.
#[derive(AsChangeset, Insertable)]
#[diesel(table_name = agents, treat_none_as_null = true)]
struct Settings<'a> {
    name: &'a str,
    engine: &'static str,
    greeting: &'a str,
    closing_phrase: &'a str,
    system_prompt: Option<&'a str>,
    language: &'a str,
    voice: Option<&'a str>,
    max_turns: Option<i32>,
    max_duration_seconds: i32,
    silence_timeout_seconds: i32,
    max_concurrent_calls: Option<i32>,
    is_active: bool,
    dialect: Option<&'static str>,
    relay_url: Option<&'a str>,
    relay_secret: Option<&'a str>,
    relay_connect_timeout_ms: Option<i32>,
    relay_first_byte_timeout_ms: Option<i32>,
    relay_unreachable_phrase: Option<&'a str>,
    relay_trusted: bool,
    signature_provider: Option<&'static str>,
    signature_secret: Option<&'a str>,
}

impl<'a> From<&'a Agent> for Settings<'a> {
    fn from(agent: &'a Agent) -> Self {
        let relay = agent.relay.as_ref();
        let signature = agent.signature.as_ref();
        Self {
            name: &agent.name,
            engine: agent.engine.as_str(),
            greeting: &agent.greeting,
            closing_phrase: &agent.closing_phrase,
            system_prompt: agent.system_prompt.as_deref(),
            language: &agent.language,
            voice: agent.voice.as_deref(),
            max_turns: agent.max_turns,
            max_duration_seconds: agent.max_duration_seconds,
            silence_timeout_seconds: agent.silence_timeout_seconds,
            max_concurrent_calls: agent.max_concurrent_calls,
            is_active: agent.is_active,
            dialect: agent.dialect.map(dialect::Name::as_str),
            relay_url: relay.map(|relay| relay.url.as_str()),
            relay_secret: relay.and_then(|relay| relay.secret.as_ref()).map(SecretName::as_str),
            relay_connect_timeout_ms: relay.map(|relay| relay.connect_timeout_ms),
            relay_first_byte_timeout_ms: relay.map(|relay| relay.first_byte_timeout_ms),
            relay_unreachable_phrase: relay.map(|relay| relay.unreachable_phrase.as_str()),
            relay_trusted: relay.is_some_and(|relay| relay.trusted),
            signature_provider: signature.map(|signature| signature.provider.as_str()),
            signature_secret: signature.map(|signature| signature.secret.as_str()),
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
            agents::created_at.eq(agent.created_at),
            Settings::from(agent),
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

/// What is still told of an agent when it is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// What it is called, or was.
    pub name: String,
    /// Whether it is deleted: nothing leads to it any more.
    pub is_deleted: bool,
}

/// What an agent is called, also if it is deleted: its calls are still listed.
///
/// # Errors
/// [`StoreError`].
pub fn label(conn: &mut Conn, id: AgentId) -> Result<Option<Label>, StoreError> {
    let found: Option<(String, bool)> = agents::table
        .find(id.to_string())
        .select((agents::name, agents::deleted_at.is_not_null()))
        .first(conn)
        .optional()?;
    Ok(found.map(|(name, is_deleted)| Label { name, is_deleted }))
}

/// How many agents an account has, and how many with those that are deleted.
///
/// # Errors
/// [`StoreError`].
pub fn count(conn: &mut Conn, account: AccountId) -> Result<(i64, i64), StoreError> {
    let all = || agents::table.filter(agents::account_id.eq(account.to_string()));
    let there = all().filter(agents::deleted_at.is_null()).count().get_result(conn)?;
    Ok((there, all().count().get_result(conn)?))
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
    let changed = diesel::update(live).set(Settings::from(agent)).execute(conn)?;
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
