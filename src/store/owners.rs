//! Whose a key is: remembered, for a key never changes hands.
//!
//! It decides nothing: whether a key may start a call is asked of the database each time. It says in
//! whose turn that question is asked.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use crate::{id::AccountId, key::KeyHash};

/// Keys in one generation; two are kept, so that what is used stays when there are more.
const GENERATION: usize = 32_768;

/// The accounts of keys that were asked for lately.
#[derive(Default)]
pub(super) struct Owners(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<KeyHash, AccountId>,
    old: HashMap<KeyHash, AccountId>,
}

impl Owners {
    pub(super) fn get(&self, hash: &KeyHash) -> Option<AccountId> {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = both.young.get(hash) {
            return Some(*account);
        }
        let account = both.old.get(hash).copied()?;
        both.insert(*hash, account);
        Some(account)
    }

    pub(super) fn remember(&self, hash: KeyHash, account: AccountId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, account);
    }
}

impl Generations {
    fn insert(&mut self, hash: KeyHash, account: AccountId) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(hash, account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> KeyHash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        KeyHash::from_stored(&bytes).expect("32 bytes")
    }

    #[test]
    fn what_is_used_is_remembered_and_the_memory_is_bounded() {
        let (owners, account) = (Owners::default(), AccountId::new());
        owners.remember(hash(0), account);
        for number in 1..3 * GENERATION {
            owners.remember(hash(number), account);
            if number % 1_000 == 0 {
                assert_eq!(owners.get(&hash(0)), Some(account), "{number}");
            }
        }
        assert_eq!(owners.get(&hash(1)), None);
        let both = owners.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(both.young.len() <= GENERATION && both.old.len() <= GENERATION);
    }
}
