//! Agents: what calls talk to. Changes hold for calls that start after them.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::{Body, Object, present},
    created, fields,
    fields::{
        Cap, DialectName, DurationSeconds, EngineName, Greeting, Language, MaxTurns, Name, Prompt,
        Spoken, Voice,
    },
    ok,
    page::{List, Query},
    path::Id,
    relay::{NewRelay, NewSignature, RelayView, SignatureView},
    rfc3339,
    who::Who,
};
use crate::{
    agent::profile::{Agent, DEFAULT_GREETING, Engine},
    auth::Action,
    clock::wall_ms,
    dialect,
    id::{AccountId, AgentId},
    problem::{Code, Problem},
    store::{
        accounts,
        agents::{self, Deleted},
        audit,
    },
};

/// An agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Agent)]
pub struct View {
    #[schema(example = "agt_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    /// The account that pays for its calls.
    account_id: String,
    name: String,
    /// `echo`: greets, then plays back what it hears. `relay`: your own bot over a WebSocket.
    engine: &'static str,
    /// The bot; present while the engine is `relay`.
    relay: Option<RelayView>,
    /// The wire format of its calls; null: recognised automatically.
    dialect: Option<&'static str>,
    /// The provider whose signature its calls must carry; null: the key is enough.
    signature: Option<SignatureView>,
    /// Said first on every call; empty only with a bot, which then greets itself.
    greeting: String,
    /// Said before the server ends a call, if there is time.
    closing_phrase: String,
    system_prompt: Option<String>,
    language: String,
    /// Null: the language's default.
    voice: Option<String>,
    /// Null: no limit.
    max_turns: Option<i32>,
    max_duration_seconds: i32,
    silence_timeout_seconds: i32,
    /// Max concurrent calls; null: no cap.
    max_concurrent_calls: Option<i32>,
    /// Whether it accepts new calls.
    is_active: bool,
    #[schema(format = DateTime)]
    created_at: String,
}

impl View {
    /// As it is seen by whom.
    fn seen(agent: Agent, who: &Who) -> Self {
        let may_change = who.principal.may(Action::Work);
        Self {
            id: agent.id.to_string(),
            account_id: agent.account_id.to_string(),
            name: agent.name,
            engine: agent.engine.as_str(),
            relay: agent.relay.map(|relay| RelayView::of(relay, may_change)),
            dialect: agent.dialect.map(dialect::Name::as_str),
            signature: agent.signature.map(SignatureView::from),
            greeting: agent.greeting,
            closing_phrase: agent.closing_phrase,
            system_prompt: agent.system_prompt,
            language: agent.language,
            voice: agent.voice,
            max_turns: agent.max_turns,
            max_duration_seconds: agent.max_duration_seconds,
            silence_timeout_seconds: agent.silence_timeout_seconds,
            max_concurrent_calls: agent.max_concurrent_calls,
            is_active: agent.is_active,
            created_at: rfc3339(agent.created_at),
        }
    }
}

/// What makes an agent what it is, and can be given at its creation and changed later.
///
/// serde cannot refuse unknown fields of a struct inside a struct, so a macro writes these fields
/// into both bodies.
macro_rules! agent_bodies {
    ($($(#[$attribute:meta])* $field:ident: $type:ty,)*) => {
        /// A new agent.
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct NewAgent {
            /// The account that pays for its calls.
            #[schema(value_type = String)]
            account_id: AccountId,
            name: Name,
            engine: EngineName,
            $($(#[$attribute])* #[serde(default, deserialize_with = "present")] $field: Option<$type>,)*
        }

        /// Changes to an agent; absent fields stay as they are.
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct AgentChange {
            #[schema(nullable = false)]
            #[serde(default, deserialize_with = "present")]
            name: Option<Name>,
            #[schema(nullable = false)]
            #[serde(default, deserialize_with = "present")]
            engine: Option<EngineName>,
            $($(#[$attribute])* #[serde(default, deserialize_with = "present")] $field: Option<$type>,)*
        }

        impl NewAgent {
            /// An agent of default settings, and the rest as changes to it.
            fn split(self) -> (Agent, AgentChange) {
                let EngineName(engine) = self.engine;
                let agent = Agent::new(self.account_id, self.name.into(), engine, wall_ms());
                (agent, AgentChange { name: None, engine: None, $($field: self.$field,)* })
            }
        }
    };
}

agent_bodies! {
    /// The whole bot: fields that the object leaves out get their default. Required while the engine
    /// is `relay`; null: none.
    #[schema(value_type = Option<NewRelay>)]
    relay: Option<Object<NewRelay>>,
    /// The wire format of its calls; null: recognised automatically.
    #[schema(value_type = Option<DialectName>)]
    dialect: Option<DialectName>,
    /// The provider whose signature its calls must carry; null: the key is enough.
    #[schema(value_type = Option<NewSignature>)]
    signature: Option<Object<NewSignature>>,
    /// Said first on every call. With the engine `relay` it may be empty or null: the bot greets.
    #[schema(value_type = Option<Greeting>)]
    greeting: Option<Greeting>,
    /// Said before the server ends a call, if there is time.
    #[schema(nullable = false)]
    closing_phrase: Spoken,
    /// Instructions for a language model.
    #[schema(value_type = Option<Prompt>)]
    system_prompt: Option<Prompt>,
    /// The language that is spoken.
    #[schema(nullable = false)]
    language: Language,
    /// The synthesiser's voice; null: the language's default.
    #[schema(value_type = Option<Voice>)]
    voice: Option<Voice>,
    /// Turns after which a call ends; null: no limit.
    #[schema(value_type = Option<MaxTurns>)]
    max_turns: Option<MaxTurns>,
    /// Seconds after which a call ends.
    #[schema(nullable = false)]
    max_duration_seconds: DurationSeconds,
    /// Seconds without speech after which a call ends.
    #[schema(nullable = false)]
    silence_timeout_seconds: DurationSeconds,
    /// Max concurrent calls; null: no cap.
    #[schema(value_type = Option<Cap>)]
    max_concurrent_calls: Option<Cap>,
    /// Whether it accepts new calls.
    #[schema(nullable = false)]
    is_active: bool,
}

impl AgentChange {
    /// Makes the change to an agent, if that leaves one that can take calls.
    fn apply(self, agent: &mut Agent, by_operator: bool) -> Result<(), Problem> {
        fn set<T, U: From<T>>(field: &mut U, value: Option<T>) {
            if let Some(value) = value {
                *field = value.into();
            }
        }
        fn set_nullable<T, U: From<T>>(field: &mut Option<U>, value: Option<Option<T>>) {
            if let Some(value) = value {
                *field = value.map(U::from);
            }
        }
        set(&mut agent.name, self.name);
        set(&mut agent.engine, self.engine.map(|EngineName(engine)| engine));
        if let Some(relay) = self.relay {
            let before = agent.relay.as_ref();
            agent.relay = relay.map(|Object(it)| it.replacing(before, by_operator)).transpose()?;
        }
        if let Some(dialect) = self.dialect {
            agent.dialect = dialect.map(|DialectName(dialect)| dialect);
        }
        if let Some(signature) = self.signature {
            let before = agent.signature.as_ref();
            agent.signature =
                signature.map(|Object(it)| it.replacing(before, by_operator)).transpose()?;
        }
        let says_greeting = self.greeting.is_some();
        set(&mut agent.greeting, self.greeting.map(|it| it.map(String::from).unwrap_or_default()));
        set(&mut agent.closing_phrase, self.closing_phrase);
        set_nullable(&mut agent.system_prompt, self.system_prompt);
        set(&mut agent.language, self.language);
        set_nullable(&mut agent.voice, self.voice);
        set_nullable(&mut agent.max_turns, self.max_turns);
        set(&mut agent.max_duration_seconds, self.max_duration_seconds);
        set(&mut agent.silence_timeout_seconds, self.silence_timeout_seconds);
        set_nullable(&mut agent.max_concurrent_calls, self.max_concurrent_calls);
        set(&mut agent.is_active, self.is_active);
        match agent.engine {
            Engine::Relay if agent.relay.is_none() => return Err(fields::fault("relay")),
            Engine::Echo if agent.greeting.is_empty() && says_greeting => {
                return Err(fields::fault("greeting"));
            }
            // It was a relay, whose bot greeted.
            Engine::Echo if agent.greeting.is_empty() => {
                agent.greeting = DEFAULT_GREETING.to_owned();
            }
            Engine::Relay | Engine::Echo => {}
        }
        Ok(())
    }
}

/// What an update changed. Texts and addresses may be long or hold what not everybody is to read, so of
/// most fields only the name is logged.
fn changes(before: &Agent, after: &Agent) -> audit::Changes {
    audit::Changes::default()
        .field("name", &before.name, &after.name)
        .value("engine", before.engine.as_str(), after.engine.as_str())
        .field("relay", &before.relay, &after.relay)
        .value(
            "dialect",
            before.dialect.map(dialect::Name::as_str),
            after.dialect.map(dialect::Name::as_str),
        )
        .field("signature", &before.signature, &after.signature)
        .field("greeting", &before.greeting, &after.greeting)
        .field("closing_phrase", &before.closing_phrase, &after.closing_phrase)
        .field("system_prompt", &before.system_prompt, &after.system_prompt)
        .value("language", before.language.as_str(), after.language.as_str())
        .value("voice", before.voice.clone(), after.voice.clone())
        .value("max_turns", before.max_turns, after.max_turns)
        .value("max_duration_seconds", before.max_duration_seconds, after.max_duration_seconds)
        .value(
            "silence_timeout_seconds",
            before.silence_timeout_seconds,
            after.silence_timeout_seconds,
        )
        .value("max_concurrent_calls", before.max_concurrent_calls, after.max_concurrent_calls)
        .value("is_active", before.is_active, after.is_active)
}

/// Create an agent. Absent fields get a default, which the answer shows.
#[utoipa::path(post, path = "/api/agents", operation_id = "create_agent", tag = "agents",
    request_body = NewAgent, responses((status = 201, description = "The new agent.", body = View)))]
pub async fn create(context: Data<Context>, who: Who, Body(new): Body<NewAgent>) -> Answer {
    let (mut agent, settings) = new.split();
    settings.apply(&mut agent, who.principal.may(Action::Operate))?;
    let (account_id, limits) = (agent.account_id, context.limits);
    let asker = who.clone();
    let agent = context
        .store
        .write(move |conn| {
            let account = accounts::get(conn, account_id)?;
            account
                .filter(|_| who.sees(account_id).is_ok())
                .ok_or_else(|| fields::fault("account_id"))?;
            limits.agent(conn, &who, account_id)?;
            agents::insert(conn, &agent)?;
            audit::insert(conn, &who.did("agent.create", agent.id, Some(account_id)))?;
            Ok::<_, Problem>(agent)
        })
        .await?;
    context.speaker.prepare(&agent);
    Ok(created(&View::seen(agent, &asker)))
}

/// List agents, newest first.
#[utoipa::path(get, path = "/api/agents", operation_id = "list_agents", tag = "agents",
    params(("account_id" = Option<String>, Query, description = "Only those of this account.")),
    responses((status = 200, description = "A page of agents.", body = List<View>)))]
pub async fn list(context: Data<Context>, who: Who, query: Query) -> Answer {
    let (page, account) = (query.page()?, who.lists(query.get("account_id")?));
    let rows = page.rows();
    let rows = context.store.read(move |conn| agents::list(conn, account, rows)).await?;
    Ok(ok(&page.list(rows, |agent| agent.id, |agent| View::seen(agent, &who))))
}

/// Get an agent.
#[utoipa::path(get, path = "/api/agents/{id}", operation_id = "get_agent", tag = "agents",
    responses((status = 200, description = "The agent.", body = View)))]
pub async fn get(context: Data<Context>, who: Who, Id(id): Id<AgentId>) -> Answer {
    let agent = context.store.read(move |conn| agents::get(conn, id)).await?;
    let agent = agent.ok_or(Code::NotFound)?;
    who.sees(agent.account_id)?;
    Ok(ok(&View::seen(agent, &who)))
}

/// Update an agent, for calls that start from now on. Absent fields stay as they are; `relay` and
/// `signature` are replaced as a whole.
#[utoipa::path(patch, path = "/api/agents/{id}", operation_id = "update_agent", tag = "agents",
    request_body = AgentChange, responses((status = 200, description = "The agent.", body = View)))]
pub async fn update(
    context: Data<Context>,
    who: Who,
    Id(id): Id<AgentId>,
    Body(change): Body<AgentChange>,
) -> Answer {
    let asker = who.clone();
    let agent = context
        .store
        .write(move |conn| {
            let before = agents::lock(conn, id)?.ok_or(Code::NotFound)?;
            who.sees(before.account_id)?;
            let mut after = before.clone();
            change.apply(&mut after, who.principal.may(Action::Operate))?;
            if after != before {
                agents::update(conn, &after)?;
                let row = who.did("agent.update", id, Some(after.account_id));
                audit::insert(conn, &row.changing(changes(&before, &after)))?;
            }
            Ok::<_, Problem>(after)
        })
        .await?;
    context.speaker.prepare(&agent);
    Ok(ok(&View::seen(agent, &asker)))
}

/// Delete (hide) an agent that has neither live calls nor active keys. Its revoked keys are still refused
/// as revoked, and its calls are still listed.
#[utoipa::path(delete, path = "/api/agents/{id}", operation_id = "delete_agent", tag = "agents",
    responses(
        (status = 204, description = "Deleted."),
        (status = 409, description = "`agent_in_use`: it has live calls or active keys."),
    ))]
pub async fn delete(context: Data<Context>, who: Who, Id(id): Id<AgentId>) -> Answer {
    context
        .store
        .write(move |conn| {
            let agent = agents::lock(conn, id)?.ok_or(Code::NotFound)?;
            who.sees(agent.account_id)?;
            match agents::delete(conn, id, wall_ms())? {
                Deleted::Done => {
                    audit::insert(conn, &who.did("agent.delete", id, Some(agent.account_id)))?;
                    Ok(())
                }
                Deleted::Busy => Err(Problem::from(Code::AgentInUse)),
                Deleted::NotFound => Err(Code::NotFound.into()),
            }
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
