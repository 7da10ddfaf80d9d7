//! The monotone memory of revoked keys: once in, for ever in, until the process ends.
//!
//! It spares the database the refusals of a provider that keeps dialling a revoked key. Only
//! *revoked* is remembered, never *valid*: a positive answer always comes from the database.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use crate::{id::OwnedKey, key::KeyHash};

/// Keys remembered at most: about 10 MiB. Beyond it a revoked key costs a look-up, nothing more.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct RevokedKeys(RwLock<HashMap<KeyHash, OwnedKey>>);

impl RevokedKeys {
    pub(super) fn get(&self, hash: &KeyHash) -> Option<OwnedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(hash).copied()
    }

    pub(super) fn insert(&self, hash: KeyHash, key: OwnedKey) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() < MOST {
            keys.insert(hash, key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{
        id::{AccountId, KeyId},
        key::PlainKey,
    };

    #[test]
    fn a_revoked_key_is_remembered_and_no_other() {
        let (revoked, other) = (PlainKey::generate().unwrap(), PlainKey::generate().unwrap());
        let keys = RevokedKeys::default();
        let key = OwnedKey { key_id: KeyId::new(), account_id: AccountId::new() };
        keys.insert(revoked.hash(), key);
        assert_eq!(keys.get(&revoked.hash()), Some(key));
        assert_eq!(keys.get(&other.hash()), None);
    }
}
