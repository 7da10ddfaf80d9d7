//! Admission without a key: a signed-in user tries an agent with a one-time ticket.
//!
//! The same rule, the same transaction and the same row as with a key; only what proves the right to
//! ask differs. A ticket is used up by being shown, whatever the answer is.

use super::{Admitted, NewCall, OfKey, Refusal, Verdict, facts, open, rule};
use crate::{
    agent::profile::Agent,
    id::{AccountId, AgentId, CallId, UserId},
    points::Seconds,
    store::{Conn, Store, StoreError, accounts, agents, audit, tickets},
};

/// Uses the ticket of this hash up and, if its agent may be called now, starts the call. `told` makes the
/// audit row that says who made it: it uses the account's points, and has no key to be known by.
///
/// # Errors
/// [`StoreError`] when the database could not be asked within five seconds: nobody is admitted then.
pub async fn ask_by_ticket(
    store: &Store,
    ticket: [u8; 32],
    user: UserId,
    call: NewCall,
    told: impl FnOnce(CallId, AccountId) -> audit::Row + Send + 'static,
) -> Result<Verdict, StoreError> {
    store
        .write(move |conn| {
            let Some(agent) = tickets::take(conn, &ticket, user, call.now_ms)? else {
                return Ok(Verdict::Refused(Refusal::InvalidTicket, None));
            };
            Ok(match decide(conn, agent)? {
                Ok((agent, reserved)) => {
                    let admitted: Admitted = open(conn, call, None, agent, reserved)?;
                    audit::insert(conn, &told(admitted.call_id, admitted.account_id))?;
                    Verdict::Admitted(admitted)
                }
                Err(refusal) => Verdict::Refused(refusal, None),
            })
        })
        .await
}

/// Why the agent cannot be called now, if it cannot: told when a ticket is asked for, since a browser
/// does not show a page why its WebSocket was refused.
///
/// # Errors
/// [`StoreError`].
pub fn refusal(conn: &mut Conn, agent: AgentId) -> Result<Option<Refusal>, StoreError> {
    Ok(decide(conn, agent)?.err())
}

/// A ticket is good once, its agent is there, and no provider signs for a browser.
const OF_TICKET: OfKey = OfKey { is_active: true, agent_exists: true, is_signed: true };

/// Locks agent and account, in this order, and decides.
fn decide(
    conn: &mut Conn,
    agent: AgentId,
) -> Result<Result<(Agent, Seconds), Refusal>, StoreError> {
    let Some(agent) = agents::lock(conn, agent)? else { return Ok(Err(Refusal::AgentDisabled)) };
    let Some(account) = accounts::lock(conn, agent.account_id)? else {
        return Ok(Err(Refusal::AgentDisabled));
    };
    let facts = facts(conn, OF_TICKET, &agent, &account)?;
    Ok(rule::decide(&facts).map(|reserved| (agent, reserved)))
}
