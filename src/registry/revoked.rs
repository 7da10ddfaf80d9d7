//! The monotone memory of revoked keys: once in, for ever in, until the process ends.
//!
//! It spares the database the refusals of a provider that keeps dialling a revoked key. Only
//! *revoked* is remembered, never *valid*: a positive answer always comes from the database.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use crate::{id::KeyId, key::KeyHash};

/// Keys remembered at most: about 8 MiB. Beyond it a revoked key costs a look-up, nothing more.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct RevokedKeys(RwLock<HashMap<KeyHash, KeyId>>);

impl RevokedKeys {
    pub(super) fn get(&self, hash: &KeyHash) -> Option<KeyId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(hash).copied()
    }

    pub(super) fn insert(&self, hash: KeyHash, key_id: KeyId) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() < MOST {
            keys.insert(hash, key_id);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::key::PlainKey;

    #[test]
    fn a_revoked_key_is_remembered_and_no_other() {
        let (revoked, other) = (PlainKey::generate().unwrap(), PlainKey::generate().unwrap());
        let keys = RevokedKeys::default();
        let id = KeyId::new();
        keys.insert(revoked.hash(), id);
        assert_eq!(keys.get(&revoked.hash()), Some(id));
        assert_eq!(keys.get(&other.hash()), None);
    }
}
