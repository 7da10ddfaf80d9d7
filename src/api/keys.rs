//! Keys: made once, shown once, revoked for ever.
//!
//! [`CreatedKey`] is the only thing in the crate that serialises a plain key, and it borrows it for
//! one answer. A revocation is committed before it is answered, so no upgrade that starts later is let
//! in by any node; what the registry is told after that only saves the database a look-up. Who may
//! call with a key is decided in `admission`.

use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::{Body, OptionalBody},
    created, fields,
    fields::Name,
    ok,
    page::{List, Query},
    path::Id,
    rfc3339,
    who::Who,
};
use crate::{
    call::event::EndReason,
    clock::wall_ms,
    id::{AgentId, KeyId, OwnedKey},
    key::PlainKey,
    problem::{Code, Problem},
    store::{
        agents, audit, calls,
        keys::{self, KeyFilter},
        refusals,
    },
};

const DAY_MS: i64 = 86_400_000;

/// A key, with the last characters of its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct View {
    #[schema(example = "key_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    agent_id: String,
    account_id: String,
    name: Option<String>,
    /// The last eight characters of the secret.
    #[schema(example = "0b0f00a0")]
    suffix: String,
    is_active: bool,
    #[schema(format = DateTime)]
    created_at: String,
    /// Whole days since it was created.
    age_days: i64,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// When its newest call started.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// Its calls in progress.
    live_calls: i64,
    /// Failed calls: closed, or turned away, before their dialect was recognised.
    unrecognised_calls: i64,
    /// Uses after it was revoked.
    refused_uses: i64,
    #[schema(format = DateTime)]
    last_refused_at: Option<String>,
    /// The address of the last refused use.
    last_refused_from: Option<String>,
    /// Calls with this key that were refused, by reason, the latest first.
    refusals: Vec<Refusal>,
    /// The key that it replaces.
    replaces: Option<String>,
}

/// Refused calls of a key, for one reason.
#[derive(Serialize, ToSchema)]
pub struct Refusal {
    /// The code of the refusal; `too_many_unrecognised` where it was `too_many_calls` because too many
    /// of the key's calls had come to nothing.
    #[schema(example = "insufficient_points")]
    code: String,
    /// How many there were.
    count: i64,
    #[schema(format = DateTime)]
    last_at: String,
    /// The address of the last one.
    last_from: String,
}

impl From<refusals::Refusal> for Refusal {
    fn from(refusal: refusals::Refusal) -> Self {
        let refusals::Refusal { code, count, last_at, last_from } = refusal;
        Self { code, count, last_at: rfc3339(last_at), last_from }
    }
}

impl From<keys::KeyView> for View {
    fn from(view: keys::KeyView) -> Self {
        let keys::KeyView { key, last_used_at, live_calls, unrecognised_calls, refusals } = view;
        Self {
            id: key.id.to_string(),
            agent_id: key.agent_id.to_string(),
            account_id: key.account_id.to_string(),
            name: key.name,
            suffix: key.suffix.to_string(),
            is_active: key.is_active,
            created_at: rfc3339(key.created_at),
            age_days: wall_ms().saturating_sub(key.created_at).max(0) / DAY_MS,
            revoked_at: key.revoked_at.map(rfc3339),
            last_used_at: last_used_at.map(rfc3339),
            live_calls,
            unrecognised_calls,
            refused_uses: key.refused_uses,
            last_refused_at: key.last_refused_at.map(rfc3339),
            last_refused_from: key.last_refused_from,
            refusals: refusals.into_iter().map(Refusal::from).collect(),
            replaces: key.replaces.map(|id| id.to_string()),
        }
    }
}

/// A key at its creation, with its secret. A lost secret cannot be recovered: create another key.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey<'a> {
    id: String,
    agent_id: String,
    name: Option<&'a str>,
    /// The last eight characters of the secret.
    suffix: &'a str,
    is_active: bool,
    #[schema(format = DateTime)]
    created_at: String,
    /// The secret, in this answer and never again.
    #[schema(pattern = "^sk_live_[0-9a-f]{64}$")]
    key: &'a str,
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The one agent it opens calls to.
    #[schema(value_type = String)]
    agent_id: AgentId,
    #[serde(default)]
    name: Option<Name>,
    /// The active key of the same agent that it replaces.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    replaces: Option<KeyId>,
}

/// How to revoke.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Also end the key's calls in progress.
    #[serde(default)]
    end_calls: bool,
}

/// Create a key for an agent. No other answer ever holds the secret.
#[utoipa::path(post, path = "/api/keys", operation_id = "create_key", tag = "keys",
    request_body = NewKey, responses((status = 201, description = "The new key and its secret.", body = CreatedKey)))]
pub async fn create(context: Data<Context>, who: Who, Body(new): Body<NewKey>) -> Answer {
    let secret = PlainKey::generate().map_err(|error| {
        tracing::error!(%error, "no randomness from the operating system for a key");
        Code::Internal
    })?;
    let (hash, suffix) = (secret.hash(), secret.suffix());
    let limits = context.limits;
    let key = context
        .store
        .write(move |conn| {
            let agent = agents::lock(conn, new.agent_id)?;
            let agent = agent.filter(|agent| who.sees(agent.account_id).is_ok());
            let agent = agent.ok_or_else(|| fields::fault("agent_id"))?;
            limits.key(conn, &who, agent.account_id)?;
            if let Some(old) = new.replaces {
                let old = keys::get(conn, old)?.map(|view| view.key);
                old.filter(|old| old.is_active && old.agent_id == agent.id)
                    .ok_or_else(|| fields::fault("replaces"))?;
            }
            let key = keys::Key {
                id: KeyId::new(),
                agent_id: agent.id,
                account_id: agent.account_id,
                name: new.name.map(String::from),
                suffix,
                is_active: true,
                created_at: wall_ms(),
                revoked_at: None,
                refused_uses: 0,
                last_refused_at: None,
                last_refused_from: None,
                replaces: new.replaces,
            };
            if !keys::insert(conn, &key, &hash)? {
                return Err(fields::fault("agent_id"));
            }
            audit::insert(conn, &who.did("key.create", key.id, Some(key.account_id)))?;
            Ok::<_, Problem>(key)
        })
        .await?;
    Ok(created(&CreatedKey {
        id: key.id.to_string(),
        agent_id: key.agent_id.to_string(),
        name: key.name.as_deref(),
        suffix: key.suffix.as_str(),
        is_active: key.is_active,
        created_at: rfc3339(key.created_at),
        key: secret.expose(),
    }))
}

/// List keys, newest first, including revoked ones; a user sees those of their account.
#[utoipa::path(get, path = "/api/keys", operation_id = "list_keys", tag = "keys",
    params(("agent_id" = Option<String>, Query, description = "Only those of this agent.")),
    responses((status = 200, description = "A page of keys.", body = List<View>)))]
pub async fn list(context: Data<Context>, who: Who, query: Query) -> Answer {
    let (page, agent_id) = (query.page()?, query.get("agent_id")?);
    let (rows, filter) = (page.rows(), KeyFilter { agent_id, account_id: who.lists(None) });
    let rows = context.store.read(move |conn| keys::list(conn, filter, rows)).await?;
    Ok(ok(&page.list(rows, |view| view.key.id, View::from)))
}

/// Get a key.
#[utoipa::path(get, path = "/api/keys/{id}", operation_id = "get_key", tag = "keys",
    responses((status = 200, description = "The key.", body = View)))]
pub async fn get(context: Data<Context>, who: Who, Id(id): Id<KeyId>) -> Answer {
    let key = context.store.read(move |conn| keys::get(conn, id)).await?;
    let key = key.ok_or(Code::NotFound)?;
    who.sees(key.key.account_id)?;
    Ok(ok(&View::from(key)))
}

/// Revoke a key, for good and at once. Calls in progress continue unless `end_calls` is true. A revoked key
/// is left as it is, but its calls can still be ended this way.
#[utoipa::path(post, path = "/api/keys/{id}/revoke", operation_id = "revoke_key", tag = "keys",
    request_body(content = Revocation, description = "May be left out."),
    responses((status = 200, description = "The key, revoked.", body = View)))]
pub async fn revoke(
    context: Data<Context>,
    who: Who,
    Id(id): Id<KeyId>,
    OptionalBody(how): OptionalBody<Revocation>,
) -> Answer {
    let (revoked, ending) = context
        .store
        .write(move |conn| {
            let revoked = keys::revoke(conn, id, wall_ms())?.ok_or(Code::NotFound)?;
            // Refusing undoes the revocation: it is one transaction.
            who.sees(revoked.view.key.account_id)?;
            let account_id = Some(revoked.view.key.account_id);
            if revoked.newly {
                audit::insert(conn, &who.did("key.revoke", id, account_id))?;
            }
            let live = if how.end_calls { calls::live_of_key(conn, id)? } else { Vec::new() };
            for call in &live {
                if calls::request_end(conn, &[*call], EndReason::KeyRevoked)? > 0 {
                    audit::insert(conn, &who.did("call.end", call, account_id))?;
                }
            }
            Ok::<_, Problem>((revoked, live))
        })
        .await?;
    if revoked.newly {
        // The one record of it that outlives a database restored from an older backup.
        tracing::info!(key.id = %id, suffix = %revoked.view.key.suffix, "a key is revoked");
    }
    let account_id = revoked.view.key.account_id;
    context.registry.remember_revoked(revoked.hash, OwnedKey { key_id: id, account_id });
    if !ending.is_empty() {
        context.registry.end_calls(ending, EndReason::KeyRevoked);
    }
    Ok(ok(&View::from(revoked.view)))
}
