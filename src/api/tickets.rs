//! Tickets: how the page that tries an agent gets its call, without a key.
//!
//! A ticket is for the user who asks and for one agent, works once, and for a minute. If the agent
//! cannot be called now, that is said here, since a browser does not tell a page why a WebSocket was
//! refused. What a ticket opens is decided in `admission`.

use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, Context, created, path::Id, rfc3339, who::Who};
use crate::{
    admission::{self, Refusal},
    auth::token::Token,
    clock::wall_ms,
    id::AgentId,
    problem::{Code, Problem},
    store::{agents, tickets},
};

/// How long a ticket works.
const GOOD_FOR_MS: i64 = 60_000;

/// A ticket for one call.
#[derive(Serialize, ToSchema)]
pub struct Ticket<'a> {
    /// The agent it opens a call to.
    agent_id: String,
    /// Where to open the WebSocket, on this host, with the subprotocol `upvoot.v1`.
    #[schema(example = "/try/…")]
    path: &'a str,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Create a one-time ticket for a call to this agent from the signed-in user's browser.
#[utoipa::path(post, path = "/api/agents/{id}/tickets", operation_id = "create_ticket", tag = "agents",
    responses((status = 201, description = "The ticket; it works once, within a minute.", body = Ticket)))]
pub async fn create(context: Data<Context>, who: Who, Id(id): Id<AgentId>) -> Answer {
    if context.registry.is_draining() {
        return Err(Code::Draining.into());
    }
    let user = who.principal.user().ok_or(Code::Forbidden)?.user_id;
    let ticket = Token::generate()?;
    let (hash, now) = (ticket.hash(), wall_ms());
    let expires_at = now + GOOD_FOR_MS;
    context
        .store
        .write(move |conn| {
            let agent = agents::get(conn, id)?.ok_or(Code::NotFound)?;
            who.sees(agent.account_id)?;
            if let Some(refusal) = admission::refusal(conn, id)? {
                return Err(Problem::from(code(refusal)));
            }
            let ticket = tickets::Ticket { hash, agent_id: id, user_id: user, expires_at };
            Ok(tickets::insert(conn, &ticket, now)?)
        })
        .await?;
    let path = format!("/try/{}", ticket.expose());
    let ticket = Ticket { agent_id: id.to_string(), path: &path, expires_at: rfc3339(expires_at) };
    Ok(created(&ticket))
}

fn code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::AgentDisabled => Code::AgentDisabled,
        Refusal::InvalidSignature => Code::InvalidSignature,
        Refusal::InsufficientPoints => Code::InsufficientPoints,
        Refusal::TooManyCalls => Code::TooManyCalls,
        // These are of keys and of tickets that are shown.
        Refusal::InvalidKey | Refusal::KeyRevoked | Refusal::InvalidTicket => Code::Internal,
    }
}
