//! The rule of admission, pure: facts go in, seconds or a refusal come out.
//!
//! The order matters: it is the order of the public table of answers, and a provider that reads
//! `key_revoked` must not have been told of money before. What the facts are is found out by [`super`].

use crate::points::{HOLD, Seconds};

/// Why a key may not start a call now, in the order in which it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such key.
    InvalidKey,
    /// There is no such ticket, or it is used up, too old, or somebody else's.
    InvalidTicket,
    /// It was revoked.
    KeyRevoked,
    /// Its agent is switched off, or deleted.
    AgentDisabled,
    /// The agent's calls have to be signed by their provider, and this one is not.
    InvalidSignature,
    /// The account has no free second left.
    InsufficientPoints,
    /// The agent or its account has as many calls as it may.
    TooManyCalls,
}

/// What is known of a key that exists.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The key is not revoked.
    pub key_is_active: bool,
    /// Its agent is neither switched off nor deleted.
    pub agent_is_on: bool,
    /// The request is signed, or need not be.
    pub is_signed: bool,
    /// The account's balance, less what its live calls hold.
    pub free: Seconds,
    /// The agent may have one more call.
    pub agent_has_room: bool,
    /// The account may have one more call.
    pub account_has_room: bool,
}

/// Decides: the seconds to reserve, or why not.
///
/// # Errors
/// The first [`Refusal`] that applies.
pub fn decide(facts: &Facts) -> Result<Seconds, Refusal> {
    if !facts.key_is_active {
        return Err(Refusal::KeyRevoked);
    }
    if !facts.agent_is_on {
        return Err(Refusal::AgentDisabled);
    }
    if !facts.is_signed {
        return Err(Refusal::InvalidSignature);
    }
    if facts.free < Seconds(1) {
        return Err(Refusal::InsufficientPoints);
    }
    if !(facts.agent_has_room && facts.account_has_room) {
        return Err(Refusal::TooManyCalls);
    }
    Ok(facts.free.min(HOLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Facts = Facts {
        key_is_active: true,
        agent_is_on: true,
        is_signed: true,
        free: Seconds(1000),
        agent_has_room: true,
        account_has_room: true,
    };

    #[test]
    fn the_first_reason_wins() {
        let full = Facts { account_has_room: false, ..GOOD };
        let poor = Facts { free: Seconds(0), agent_has_room: false, ..full };
        let unsigned = Facts { is_signed: false, ..poor };
        let off = Facts { agent_is_on: false, ..unsigned };
        let revoked = Facts { key_is_active: false, ..off };
        let refusals = [revoked, off, unsigned, poor, full].map(|facts| decide(&facts).err());
        assert_eq!(
            refusals,
            [
                Some(Refusal::KeyRevoked),
                Some(Refusal::AgentDisabled),
                Some(Refusal::InvalidSignature),
                Some(Refusal::InsufficientPoints),
                Some(Refusal::TooManyCalls),
            ]
        );
        assert_eq!(decide(&Facts { agent_has_room: false, ..GOOD }), Err(Refusal::TooManyCalls));
    }

    #[test]
    fn a_minute_is_reserved_or_what_is_left_of_it() {
        for (free, reserved) in [(1, 1), (59, 59), (60, 60), (61, 60), (i64::MAX, 60)] {
            assert_eq!(decide(&Facts { free: Seconds(free), ..GOOD }), Ok(Seconds(reserved)));
        }
    }
}
