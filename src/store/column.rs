//! Domain types as columns: how ids, seconds and small vocabularies are read back.
//!
//! A value that is not what its type allows is an error of the row, found here and nowhere else.
//! Writing needs no counterpart: verbs bind `id.to_string()` or `seconds.0`.

use diesel::{
    deserialize::{self, FromSql, Queryable},
    sql_types::{BigInt, Binary, Text},
};

use super::conn::{MultiBackend, MultiRawValue};
use crate::{
    agent::{
        profile::{Engine, RelayUrl, SignatureProvider},
        secret::SecretName,
    },
    call::event::{EndReason, Role as Speaker, TranscriptLine},
    dialect,
    id::{AccountId, AgentId, AuditId, CallId, KeyId, LedgerId, NodeId, UserId},
    key::{KeyHash, KeySuffix},
    points::Seconds,
    user::{Email, PasswordHash, Role},
};

#[derive(Debug, thiserror::Error)]
#[error("a stored {0} is not one")]
struct NotOne(&'static str);

macro_rules! column {
    ($($type:ty: $sql:ty as $raw:ty, $parse:expr;)*) => {$(
        impl FromSql<$sql, MultiBackend> for $type {
            fn from_sql(value: MultiRawValue<'_>) -> deserialize::Result<Self> {
                let raw: $raw = value.from_sql::<$raw, $sql>()?;
                let parse: fn($raw) -> Option<Self> = $parse;
                parse(raw).ok_or_else(|| NotOne(stringify!($type)).into())
            }
        }

        impl Queryable<$sql, MultiBackend> for $type {
            type Row = Self;

            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    )*};
}

column! {
    AccountId: Text as String, |text| text.parse().ok();
    AgentId: Text as String, |text| text.parse().ok();
    AuditId: Text as String, |text| text.parse().ok();
    CallId: Text as String, |text| text.parse().ok();
    KeyId: Text as String, |text| text.parse().ok();
    LedgerId: Text as String, |text| text.parse().ok();
    NodeId: Text as String, |text| text.parse().ok();
    UserId: Text as String, |text| text.parse().ok();
    Email: Text as String, |text| Some(Email::from_stored(text));
    PasswordHash: Text as String, |text| Some(PasswordHash::from_stored(text));
    Role: Text as String, |text| Role::from_name(&text);
    KeySuffix: Text as String, |text| KeySuffix::from_stored(&text);
    KeyHash: Binary as Vec<u8>, |bytes| KeyHash::from_stored(&bytes);
    Engine: Text as String, |text| Engine::from_name(&text);
    SignatureProvider: Text as String, |text| SignatureProvider::from_name(&text);
    RelayUrl: Text as String, |text| text.parse().ok();
    SecretName: Text as String, |text| text.parse().ok();
    dialect::Name: Text as String, |text| dialect::Name::from_name(&text);
    EndReason: Text as String, |text| EndReason::from_stored(&text);
    TranscriptLine: Text as String, |text| serde_json::from_str(&text).ok();
    Speaker: Text as String, |text| super::calls::stretches::role_from_stored(&text);
    super::audit::Changes: Text as String, |text| serde_json::from_str(&text).ok();
    super::calls::Parameters: Text as String, |text| serde_json::from_str(&text).ok();
    super::ledger::EntryKind: Text as String, |text| super::ledger::EntryKind::from_stored(&text);
    Seconds: BigInt as i64, |seconds| Some(Seconds(seconds));
}
