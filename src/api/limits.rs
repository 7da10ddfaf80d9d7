//! How much an account's own people may make: no tenant grows a table without bound.
//!
//! The numbers are far above what an account needs. They bind users who are signed in; the operator, who
//! has the server, may go on. Revoked keys and deleted agents stay for ever, so there is a second number
//! for all that ever were. Points and calls have limits of their own.

use super::who::Who;
use crate::{
    auth::Action,
    clock::wall_ms,
    id::AccountId,
    problem::{Code, Problem},
    store::{Conn, agents, audit, keys, users},
};

/// What the audit log calls a try to use an address that is in use.
pub(super) const ADDRESS_TAKEN: &str = "user.address_taken";

const DAY_MS: i64 = 86_400_000;

/// What an account's own people may make.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Users of an account.
    pub users: i64,
    /// Agents of an account that are not deleted.
    pub agents: i64,
    /// Agents of an account, deleted ones too.
    pub agents_ever: i64,
    /// Active keys of an account.
    pub keys: i64,
    /// Keys of an account, revoked ones too.
    pub keys_ever: i64,
    /// Addresses that are in use, tried by an account within a day.
    pub addresses_taken: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            users: 1_000,
            agents: 1_000,
            agents_ever: 20_000,
            keys: 1_000,
            keys_ever: 20_000,
            addresses_taken: 10,
        }
    }
}

fn below(count: i64, limit: i64) -> Result<(), Problem> {
    if count < limit { Ok(()) } else { Err(Code::LimitReached.into()) }
}

impl Limits {
    /// Lets one more user be made.
    ///
    /// # Errors
    /// 409 `limit_reached`.
    pub(super) fn user(
        &self,
        conn: &mut Conn,
        who: &Who,
        account: AccountId,
    ) -> Result<(), Problem> {
        if who.principal.may(Action::Operate) {
            return Ok(());
        }
        below(users::count(conn, account)?, self.users)
    }

    /// Lets one more agent be made.
    ///
    /// # Errors
    /// 409 `limit_reached`.
    pub(super) fn agent(
        &self,
        conn: &mut Conn,
        who: &Who,
        account: AccountId,
    ) -> Result<(), Problem> {
        if who.principal.may(Action::Operate) {
            return Ok(());
        }
        let (there, ever) = agents::count(conn, account)?;
        below(there, self.agents)?;
        below(ever, self.agents_ever)
    }

    /// Lets one more key be made.
    ///
    /// # Errors
    /// 409 `limit_reached`.
    pub(super) fn key(
        &self,
        conn: &mut Conn,
        who: &Who,
        account: AccountId,
    ) -> Result<(), Problem> {
        if who.principal.may(Action::Operate) {
            return Ok(());
        }
        let (active, ever) = keys::count(conn, account)?;
        below(active, self.keys)?;
        below(ever, self.keys_ever)
    }

    /// Lets a user of an account be given an address; an account that asks too often for addresses
    /// of others learns nothing more.
    ///
    /// # Errors
    /// 429 `too_many_addresses`.
    pub(super) fn address(
        &self,
        conn: &mut Conn,
        who: &Who,
        account: AccountId,
    ) -> Result<(), Problem> {
        if who.principal.may(Action::Operate) {
            return Ok(());
        }
        let tried = audit::count_since(conn, account, ADDRESS_TAKEN, wall_ms() - DAY_MS)?;
        if tried < self.addresses_taken { Ok(()) } else { Err(Code::TooManyAddresses.into()) }
    }
}
