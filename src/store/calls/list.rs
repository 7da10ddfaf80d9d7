//! Lists of calls, newest first: without what was said in them, and without a look at anything older
//! than the page.
//!
//! Each list is one walk down one index that ends with the id: the narrowest thing that is asked for
//! names it, and the rest follows from that thing's own row. No planner has a choice then, and no list
//! is slower for what others called, or for what its account ever did.

use diesel::prelude::*;

use super::{Call, Row};
use crate::{
    id::{AccountId, AgentId, CallId, KeyId},
    store::{
        Conn, Page, StoreError,
        page::listed_call,
        schema::{agents, calls, keys},
    },
};

/// Which calls a list shows; the default shows all.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallFilter {
    /// Live ones, or ended ones.
    pub live: Option<bool>,
    /// Those of one agent.
    pub agent_id: Option<AgentId>,
    /// Those of one key.
    pub key_id: Option<KeyId>,
    /// Those of one account.
    pub account_id: Option<AccountId>,
}

impl CallFilter {
    /// All calls of an account.
    pub fn of(account: AccountId) -> Self {
        Self { account_id: Some(account), ..Self::default() }
    }
}

/// Whose calls a list shows, with all that follows from it.
enum Of {
    All,
    Account(String),
    Agent { account: String, agent: String },
    Key { account: String, agent: String, key: String },
}

impl CallFilter {
    /// The narrowest of what is asked for; `None` when nothing can be all of it.
    fn of_whom(&self, conn: &mut Conn) -> Result<Option<Of>, StoreError> {
        let narrowest = match (self.key_id, self.agent_id) {
            (Some(key), _) => keys::table
                .inner_join(agents::table)
                .filter(keys::id.eq(key.to_string()))
                .select((agents::account_id, agents::id))
                .first(conn)
                .optional()?
                .map(|(account, agent)| Of::Key { account, agent, key: key.to_string() }),
            (None, Some(agent)) => agents::table
                .find(agent.to_string())
                .select(agents::account_id)
                .first(conn)
                .optional()?
                .map(|account| Of::Agent { account, agent: agent.to_string() }),
            (None, None) => Some(self.account_id.map_or(Of::All, |id| Of::Account(id.to_string()))),
        };
        Ok(narrowest.filter(|of| of.fits(self)))
    }
}

impl Of {
    fn fits(&self, filter: &CallFilter) -> bool {
        let (account, agent) = match self {
            Self::All => return true,
            Self::Account(account) => (account, None),
            Self::Agent { account, agent } | Self::Key { account, agent, .. } => {
                (account, Some(agent))
            }
        };
        filter.account_id.is_none_or(|asked| asked.to_string() == *account)
            && filter.agent_id.is_none_or(|asked| agent.is_some_and(|it| asked.to_string() == *it))
    }
}

/// Calls, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut Conn,
    filter: CallFilter,
    page: Page<CallId>,
) -> Result<Vec<Call>, StoreError> {
    let Some(of) = filter.of_whom(conn)? else { return Ok(Vec::new()) };
    let all = calls::table.limit(page.limit).select(Row::as_select()).into_boxed();
    let mut query = match of {
        Of::All => all.filter(calls::id.lt(page.before())).order(calls::id.desc()),
        _ => all.filter(listed_call().lt(page.before())).order(listed_call().desc()),
    };
    query = match filter.live {
        Some(true) => query.filter(calls::ended_at.is_null()),
        Some(false) => query.filter(calls::ended_at.is_not_null()),
        None => query,
    };
    // What is live is walked through by account; a column that is joined to nothing is no index's.
    let live = filter.live == Some(true);
    query = match of {
        Of::All => query,
        Of::Account(account) => query.filter(calls::account_id.eq(account)),
        Of::Agent { account, agent } if live => {
            query.filter(calls::account_id.eq(account)).filter(calls::agent_id.concat("").eq(agent))
        }
        Of::Agent { agent, .. } => query.filter(calls::agent_id.eq(agent)),
        Of::Key { account, key, .. } if live => {
            query.filter(calls::account_id.eq(account)).filter(calls::key_id.concat("").eq(key))
        }
        Of::Key { key, .. } => query.filter(calls::key_id.eq(key)),
    };
    let rows: Vec<Row> = query.load(conn)?;
    Ok(rows.into_iter().map(Call::from).collect())
}

/// A live call, as a list of what is live needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Ongoing {
    /// Its id.
    pub id: CallId,
    /// Who answers.
    pub agent_id: AgentId,
    /// What opened it; `None`: a ticket.
    pub key_id: Option<KeyId>,
}

/// The newest calls that have not ended, of one account or of all.
///
/// # Errors
/// [`StoreError`].
pub fn ongoing(
    conn: &mut Conn,
    account: Option<AccountId>,
    limit: i64,
) -> Result<Vec<Ongoing>, StoreError> {
    let mut query = calls::table
        .filter(calls::ended_at.is_null())
        .order(calls::id.desc())
        .limit(limit)
        .select((calls::id, calls::agent_id, calls::key_id))
        .into_boxed();
    if let Some(account) = account {
        query = query.filter(calls::account_id.eq(account.to_string()));
    }
    Ok(query.load(conn)?)
}

/// The newest call of an account, or of all with `None`, whether it is over or not.
///
/// # Errors
/// [`StoreError`].
pub fn newest(conn: &mut Conn, account: Option<AccountId>) -> Result<Option<CallId>, StoreError> {
    let all =
        calls::table.limit(1).select((calls::id, calls::agent_id, calls::key_id)).into_boxed();
    let query = match account {
        Some(account) => {
            all.filter(calls::account_id.eq(account.to_string())).order(listed_call().desc())
        }
        None => all.order(calls::id.desc()),
    };
    let found: Vec<Ongoing> = query.load(conn)?;
    Ok(found.first().map(|call| call.id))
}
