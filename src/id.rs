//! Ids that cannot be mixed up: a prefix that says what it names, and a UUIDv7 that sorts by time.
//!
//! An id is parsed where it enters (a path, a body, a database row) and trusted from there on.
//! This module knows nothing of what the ids name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct BadId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id; later ones sort after earlier ones of the same process.
            #[allow(clippy::new_without_default, reason = "two defaults would differ: a new id is an act")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// A text that sorts above every id made before this time, and not above later ones, in
            /// milliseconds since 1970.
            pub fn first_of(ms: i64) -> String {
                format!(concat!($prefix, "{:012x}"), ms.max(0))
            }

            /// A new id that sorts after `other`, even if another process with a faster clock made it.
            pub fn after(other: Self) -> Self {
                let new = Uuid::now_v7();
                // Counted on within the random bits: the id stays a UUIDv7 unless all of them are set.
                Self(new.max(Uuid::from_u128(other.0.as_u128().saturating_add(1))))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            /// Accepts the one canonical form only: prefix and 32 lowercase hex characters.
            fn from_str(text: &str) -> Result<Self, BadId> {
                let digits = text.strip_prefix($prefix).ok_or(BadId)?;
                if digits.len() != 32 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err(BadId);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| BadId)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }
    )*};
}

ids! {
    /// An account: whose points a call uses.
    AccountId = "acc_";
    /// An agent: what a call talks to.
    AgentId = "agt_";
    /// A key, not to be confused with its secret: this id is public.
    KeyId = "key_";
    /// A call, from admission to settlement.
    CallId = "call_";
    /// A row of the ledger.
    LedgerId = "led_";
    /// A row of the audit log.
    AuditId = "aud_";
    /// Somebody who signs in.
    UserId = "usr_";
    /// A process that serves calls, from its start to its end.
    NodeId = "node_";
}

/// A key, and the account whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnedKey {
    /// The key.
    pub key_id: KeyId,
    /// Its agent's account.
    pub account_id: AccountId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_and_refuses_any_other() {
        let id = CallId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in
            ["", "call_", "call_1", "key_0190", &id.to_string().to_uppercase(), &format!("{id}0")]
        {
            assert_eq!(wrong.parse::<CallId>(), Err(BadId), "{wrong:?}");
        }
        assert_eq!(id.to_string().parse::<KeyId>(), Err(BadId));
    }

    #[test]
    fn ids_begin_with_their_time() {
        let id = "call_019350a1b2c37d4e8f90a1b2c3d4e5f6";
        assert!(id.parse::<CallId>().is_ok());
        let ms = 0x0193_50a1_b2c3;
        assert!(*CallId::first_of(ms) <= *id && *id < *CallId::first_of(ms + 1));
        assert!(CallId::first_of(-1) < CallId::first_of(1));
    }

    #[test]
    fn an_id_can_be_made_to_sort_after_one_of_a_faster_clock() {
        let ahead: CallId = "call_0fffffffffff7fffbfffffffffffff0f".parse().unwrap();
        let next = CallId::after(ahead);
        assert!(next > ahead && next.to_string() > ahead.to_string(), "{next}");
        let newer = CallId::after(CallId::new());
        assert!(newer < ahead, "{newer}: the clock counts where it can");
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let ids: Vec<String> = (0..1000).map(|_| CallId::new().to_string()).collect();
        assert!(ids.is_sorted());
    }
}
