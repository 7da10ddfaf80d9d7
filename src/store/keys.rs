//! Keys: their hash, their suffix, and whether they still open calls.
//!
//! The raw key never comes here; the hash leaves only for the registry's memory of revoked keys. When a
//! key was last used is read from its calls and costs no write. Whether a key may start a call now is
//! decided in `admission`, from a [`Standing`].

use diesel::prelude::*;

use super::{
    Conn, Page, StoreError,
    accounts::Account,
    agents,
    lock::{KeyThenAccount, Rows, locked},
    page::listed_call,
    refusals::{self, Refusal},
    schema::{accounts, agents as agents_table, calls, keys, unrecognised_calls},
    update::update,
};
use crate::{
    agent::profile::Agent,
    id::{AccountId, AgentId, KeyId},
    key::{KeyHash, KeySuffix},
};

/// A key, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = keys)]
pub struct Key {
    /// Its id, which is public.
    pub id: KeyId,
    /// The one agent it opens calls to.
    pub agent_id: AgentId,
    /// The agent's account.
    #[diesel(select_expression = agents_table::account_id)]
    pub account_id: AccountId,
    /// What people call it.
    pub name: Option<String>,
    /// The last eight characters of the secret.
    pub suffix: KeySuffix,
    /// Whether it opens calls; once false, for ever false.
    pub is_active: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// How often it was used after it was revoked.
    pub refused_uses: i64,
    /// When it was last used after it was revoked.
    pub last_refused_at: Option<i64>,
    /// From which address that was.
    pub last_refused_from: Option<String>,
    /// The key it takes over from, when it was made to rotate that one.
    pub replaces: Option<KeyId>,
}

/// A key, and what its calls say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// The key.
    pub key: Key,
    /// When its newest call started.
    pub last_used_at: Option<i64>,
    /// Its calls that have not ended.
    pub live_calls: i64,
    /// Its calls of which no row is left: connections that were gone, or turned away, before their
    /// dialect was recognised.
    pub unrecognised_calls: i64,
    /// Its calls that were refused, by reason, the latest first.
    pub refusals: Vec<Refusal>,
}

/// A key that has just been revoked, or was before.
#[derive(Debug)]
pub struct Revoked {
    /// The key, revoked.
    pub view: KeyView,
    /// For the registry's memory.
    pub hash: KeyHash,
    /// Whether it was active until now.
    pub newly: bool,
}

/// Everything that decides whether a key may start a call.
#[derive(Debug)]
pub struct Standing {
    /// The key.
    pub key_id: KeyId,
    /// Its hash, to be compared in constant time with the one looked up.
    pub hash: KeyHash,
    /// Its suffix.
    pub suffix: KeySuffix,
    /// Whether it is not revoked.
    pub key_is_active: bool,
    /// Its agent.
    pub agent: Agent,
    /// Whether that agent is deleted.
    pub agent_is_deleted: bool,
    /// Who pays.
    pub account: Account,
}

/// Adds an active key; `key.account_id` follows from the agent. `false` if there is no such agent, or
/// it is deleted.
///
/// # Errors
/// [`StoreError`].
pub fn insert(conn: &mut Conn, key: &Key, hash: &KeyHash) -> Result<bool, StoreError> {
    if agents::lock(conn, key.agent_id)?.is_none() {
        return Ok(false);
    }
    diesel::insert_into(keys::table)
        .values((
            keys::id.eq(key.id.to_string()),
            keys::agent_id.eq(key.agent_id.to_string()),
            keys::name.eq(key.name.as_deref()),
            keys::hash.eq(hash.as_bytes().as_slice()),
            keys::suffix.eq(key.suffix.as_str()),
            keys::is_active.eq(true),
            keys::created_at.eq(key.created_at),
            keys::refused_uses.eq(0),
            keys::replaces.eq(key.replaces.map(|id| id.to_string())),
        ))
        .execute(conn)?;
    Ok(true)
}

/// The key, if there is one.
///
/// # Errors
/// [`StoreError`].
pub fn get(conn: &mut Conn, id: KeyId) -> Result<Option<KeyView>, StoreError> {
    let key: Option<Key> = keys::table
        .inner_join(agents_table::table)
        .filter(keys::id.eq(id.to_string()))
        .select(Key::as_select())
        .get_result(conn)
        .optional()?;
    key.map(|key| view(conn, key)).transpose()
}

/// The newest key that was made to take over from this one.
///
/// # Errors
/// [`StoreError`].
pub fn successor(conn: &mut Conn, id: KeyId) -> Result<Option<KeyView>, StoreError> {
    let key: Option<Key> = keys::table
        .inner_join(agents_table::table)
        .filter(keys::replaces.eq(id.to_string()))
        .order(keys::id.desc())
        .select(Key::as_select())
        .first(conn)
        .optional()?;
    key.map(|key| view(conn, key)).transpose()
}

/// How many active keys an account has, and how many with those that are revoked.
///
/// # Errors
/// [`StoreError`].
pub fn count(conn: &mut Conn, account: AccountId) -> Result<(i64, i64), StoreError> {
    let all = || {
        keys::table
            .inner_join(agents_table::table)
            .filter(agents_table::account_id.eq(account.to_string()))
    };
    let active = all().filter(keys::is_active.eq(true)).count().get_result(conn)?;
    Ok((active, all().count().get_result(conn)?))
}

/// Which keys a list shows; the default shows all.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyFilter {
    /// Those of one agent.
    pub agent_id: Option<AgentId>,
    /// Those of one account's agents.
    pub account_id: Option<AccountId>,
}

/// Keys, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut Conn,
    filter: KeyFilter,
    page: Page<KeyId>,
) -> Result<Vec<KeyView>, StoreError> {
    let mut query = keys::table
        .inner_join(agents_table::table)
        .filter(keys::id.lt(page.before()))
        .order(keys::id.desc())
        .limit(page.limit)
        .select(Key::as_select())
        .into_boxed();
    if let Some(agent) = filter.agent_id {
        query = query.filter(keys::agent_id.eq(agent.to_string()));
    }
    if let Some(account) = filter.account_id {
        query = query.filter(agents_table::account_id.eq(account.to_string()));
    }
    let keys: Vec<Key> = query.load(conn)?;
    keys.into_iter().map(|key| view(conn, key)).collect()
}

/// The calls' side of a key, by short index scans: a page is small, and this is no hot path.
fn view(conn: &mut Conn, key: Key) -> Result<KeyView, StoreError> {
    let last_call: Option<i64> = calls::table
        .filter(calls::key_id.eq(key.id.to_string()))
        .order(listed_call().desc())
        .select(calls::started_at)
        .first(conn)
        .optional()?;
    let unrecognised: Option<(i64, i64)> = unrecognised_calls::table
        .find(key.id.to_string())
        .select((unrecognised_calls::calls, unrecognised_calls::last_at))
        .get_result(conn)
        .optional()?;
    let (unrecognised_calls, last_unrecognised_at) = unrecognised.unzip();
    // Calls are deleted when they are old; what they told is at the key.
    let last_used_at = match last_call {
        Some(at) => Some(at),
        None => keys::table.find(key.id.to_string()).select(keys::last_used_before).first(conn)?,
    };
    let live_calls = calls::table
        .filter(calls::account_id.eq(key.account_id.to_string()))
        .filter(calls::agent_id.eq(key.agent_id.to_string()))
        .filter(calls::key_id.eq(key.id.to_string()))
        .filter(calls::ended_at.is_null())
        .count()
        .get_result(conn)?;
    let refusals = refusals::of_key(conn, key.id)?;
    Ok(KeyView {
        key,
        last_used_at: last_used_at.max(last_unrecognised_at),
        live_calls,
        unrecognised_calls: unrecognised_calls.unwrap_or(0),
        refusals,
    })
}

/// Everything that decides whether the key of this hash may start a call.
///
/// # Errors
/// [`StoreError`].
pub fn find_by_hash(conn: &mut Conn, hash: &KeyHash) -> Result<Option<Standing>, StoreError> {
    Ok(standing(hash).get_result::<StandingRow>(conn).optional()?.map(Standing::from))
}

/// The same, with the key and its account locked until the transaction ends: the key cannot be
/// revoked, nor the account's seconds be held by another call, before this one is decided.
///
/// # Errors
/// [`StoreError`].
pub fn lock_by_hash(conn: &mut Conn, hash: &KeyHash) -> Result<Option<Standing>, StoreError> {
    let row = locked(standing(hash), KeyThenAccount).get_result::<StandingRow>(conn).optional()?;
    Ok(row.map(Standing::from))
}

/// Whose the key of this hash is, if there is one. It decides nothing.
///
/// # Errors
/// [`StoreError`].
pub fn owner(conn: &mut Conn, hash: &KeyHash) -> Result<Option<AccountId>, StoreError> {
    Ok(owner_of(hash).get_result(conn).optional()?)
}

/// The same on a thread that must not wait.
///
/// # Errors
/// [`StoreError`], also when the database is busy.
pub(super) fn owner_at_once(
    conn: &mut SqliteConnection,
    hash: &KeyHash,
) -> Result<Option<AccountId>, StoreError> {
    let found: Option<String> = owner_of(hash).get_result(conn).optional()?;
    found.map(|id| id.parse().map_err(StoreError::failed)).transpose()
}

/// A hash is unique, so there is no `LIMIT`: SQLite plans a statement anew each time its limit is bound.
#[diesel::dsl::auto_type]
fn owner_of<'a>(hash: &'a KeyHash) -> _ {
    let bytes: &'a [u8] = hash.as_bytes();
    keys::table
        .inner_join(agents_table::table)
        .filter(keys::hash.eq(bytes))
        .select(agents_table::account_id)
}

type StandingRow = ((KeyId, KeyHash, KeySuffix, bool), agents::Row, Account);

#[diesel::dsl::auto_type]
fn standing<'a>(hash: &'a KeyHash) -> _ {
    let bytes: &'a [u8] = hash.as_bytes();
    let agent: <agents_table::table as Table>::AllColumns = agents_table::all_columns;
    let account: <accounts::table as Table>::AllColumns = accounts::all_columns;
    keys::table
        .inner_join(agents_table::table.inner_join(accounts::table))
        .filter(keys::hash.eq(bytes))
        .select(((keys::id, keys::hash, keys::suffix, keys::is_active), agent, account))
}

impl From<StandingRow> for Standing {
    fn from(((key_id, hash, suffix, key_is_active), agent, account): StandingRow) -> Self {
        let agent_is_deleted = agent.deleted_at.is_some();
        Self { key_id, hash, suffix, key_is_active, agent: agent.into(), agent_is_deleted, account }
    }
}

/// Revokes a key, for ever; a revoked one is left as it is. `None` if there is no such key.
///
/// # Errors
/// [`StoreError`].
pub fn revoke(conn: &mut Conn, id: KeyId, now: i64) -> Result<Option<Revoked>, StoreError> {
    let query = keys::table.find(id.to_string()).select((keys::hash, keys::is_active));
    let row: Option<(KeyHash, bool)> = locked(query, Rows).get_result(conn).optional()?;
    let Some((hash, newly)) = row else { return Ok(None) };
    if newly {
        diesel::update(keys::table.find(id.to_string()))
            .set((keys::is_active.eq(false), keys::revoked_at.eq(now)))
            .execute(conn)?;
    }
    Ok(get(conn, id)?.map(|view| Revoked { view, hash, newly }))
}

/// Counts a call of this key that came to nothing and was admitted at `at` (milliseconds since 1970).
/// The caller has locked the key's account, which orders two such counts.
///
/// # Errors
/// [`StoreError`].
pub fn count_unrecognised(conn: &mut Conn, key: KeyId, at: i64) -> Result<(), StoreError> {
    let counted = update(
        unrecognised_calls::table,
        unrecognised_calls::key_id.eq(key.to_string()),
        (
            unrecognised_calls::calls.eq(unrecognised_calls::calls + 1),
            unrecognised_calls::last_at.eq(at),
        ),
    )
    .execute(conn)?;
    if counted == 0 {
        diesel::insert_into(unrecognised_calls::table)
            .values((
                unrecognised_calls::key_id.eq(key.to_string()),
                unrecognised_calls::calls.eq(1),
                unrecognised_calls::last_at.eq(at),
            ))
            .execute(conn)?;
    }
    Ok(())
}
