//! Refused calls of known keys since the last write, in memory; no database here.
//!
//! Counted without a message, so that a flood of them costs no memory, and bounded in all and by
//! account: who has thousands of keys does not use up what others are told of theirs.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    id::{AccountId, KeyId},
    pool::Pool,
    store::refusals::Refused,
};

/// Keys and reasons that are remembered between two writes; further ones are not.
const MOST: usize = 10_000;
/// Of those, an account's.
const OF_ACCOUNT: usize = 1_000;
/// Of those, what is written in one transaction: others wait for it.
const AT_ONCE: usize = 100;

/// What is counted, shared by all handles.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<Counted>>);

#[derive(Debug)]
struct Counted {
    by_reason: HashMap<(KeyId, &'static str), OfAccount>,
    room: Pool<AccountId>,
}

/// Refusals, and whose key it is.
pub(super) type OfAccount = (AccountId, Refused);

impl Default for Counted {
    fn default() -> Self {
        Self { by_reason: HashMap::new(), room: Pool::new(MOST, OF_ACCOUNT) }
    }
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts these, if there is room.
    pub(super) fn add(&self, (account, refused): OfAccount) {
        let Counted { by_reason, room } = &mut *self.lock();
        match by_reason.entry((refused.key_id, refused.code)) {
            Entry::Occupied(mut known) => {
                let (_, known) = known.get_mut();
                known.count = known.count.saturating_add(refused.count);
                if refused.last_at >= known.last_at {
                    known.last_at = refused.last_at;
                    known.last_from = refused.last_from;
                }
            }
            Entry::Vacant(free) if room.take(account, 1) => {
                free.insert((account, refused));
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Some of them, to be written in one transaction.
    pub(super) fn take(&self) -> Vec<OfAccount> {
        let Counted { by_reason, room } = &mut *self.lock();
        let some: Vec<_> = by_reason.keys().copied().take(AT_ONCE).collect();
        let taken: Vec<_> = some.iter().filter_map(|of| by_reason.remove(of)).collect();
        taken.iter().for_each(|(account, _)| room.give_back(account, 1));
        taken
    }

    /// They could not be written.
    pub(super) fn put_back(&self, refused: Vec<OfAccount>) {
        refused.into_iter().for_each(|refused| self.add(refused));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().by_reason.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(key_id: KeyId, code: &'static str, from: &str, last_at: i64) -> Refused {
        Refused { key_id, code, count: 1, last_at, last_from: from.to_owned() }
    }

    #[test]
    fn refusals_are_summed_by_key_and_reason_and_the_last_is_kept() {
        let refusals = Refusals::default();
        let (account, key) = (AccountId::new(), KeyId::new());
        for (code, from, at) in
            [("draining", "b", 2), ("draining", "a", 1), ("insufficient_points", "c", 3)]
        {
            refusals.add((account, refused(key, code, from, at)));
        }
        let mut taken = refusals.take();
        taken.sort_by_key(|(_, refused)| refused.code);
        let taken: Vec<_> =
            taken.iter().map(|(_, it)| (it.code, it.count, it.last_at, &*it.last_from)).collect();
        assert_eq!(taken, [("draining", 2, 2, "b"), ("insufficient_points", 1, 3, "c")]);
        assert!(refusals.is_empty());
    }

    #[test]
    fn an_account_does_not_use_up_what_others_need_and_there_is_an_end_for_all() {
        let refusals = Refusals::default();
        let fill = |account, keys| {
            for _ in 0..keys {
                refusals.add((account, refused(KeyId::new(), "draining", "", 0)));
            }
        };
        let greedy = AccountId::new();
        fill(greedy, OF_ACCOUNT + 5);
        let modest = AccountId::new();
        let key = KeyId::new();
        refusals.add((modest, refused(key, "draining", "x", 7)));
        (0..20).for_each(|_| fill(AccountId::new(), OF_ACCOUNT));
        let (mut all, mut of_modest) = (0, Vec::new());
        while !refusals.is_empty() {
            let some = refusals.take();
            assert!((1..=AT_ONCE).contains(&some.len()));
            all += some.len();
            of_modest.extend(some.into_iter().filter(|(account, _)| *account == modest));
        }
        assert_eq!(all, MOST);
        assert_eq!(of_modest, [(modest, refused(key, "draining", "x", 7))]);
        // What was written makes room.
        fill(greedy, 1);
        assert_eq!(refusals.take().len(), 1);
    }

    #[test]
    fn what_could_not_be_written_is_added_to_what_came_since() {
        let refusals = Refusals::default();
        let (account, key) = (AccountId::new(), KeyId::new());
        refusals.add((account, refused(key, "draining", "a", 1)));
        let taken = refusals.take();
        refusals.add((account, refused(key, "draining", "b", 2)));
        refusals.put_back(taken);
        let [(_, both)] = &refusals.take()[..] else { panic!("one reason") };
        assert_eq!((both.count, both.last_at, &*both.last_from), (2, 2, "b"));
    }
}
