//! A bounded amount of something that many owners share, such as memory: none takes more than its
//! part, however much of the whole is left.
//!
//! Pure: what is counted, and what becomes of those for whom there is none left, is for its users.

use std::{collections::HashMap, hash::Hash};

/// What is taken, in all and by each owner.
#[derive(Debug)]
pub struct Pool<Owner> {
    whole: usize,
    part: usize,
    taken: usize,
    by_owner: HashMap<Owner, usize>,
}

impl<Owner: Hash + Eq> Pool<Owner> {
    /// So much in all, and so much for one owner.
    pub fn new(whole: usize, part: usize) -> Self {
        Self { whole, part, taken: 0, by_owner: HashMap::new() }
    }

    /// Takes `amount`; false, and nothing is taken, if that is more than there is for this owner.
    pub fn take(&mut self, owner: Owner, amount: usize) -> bool {
        let of_owner = self.by_owner.get(&owner).copied().unwrap_or(0);
        let fits = amount <= self.part.saturating_sub(of_owner)
            && amount <= self.whole.saturating_sub(self.taken);
        if fits && amount > 0 {
            self.taken += amount;
            self.by_owner.insert(owner, of_owner + amount);
        }
        fits
    }

    /// Gives back what was taken.
    pub fn give_back(&mut self, owner: &Owner, amount: usize) {
        self.taken = self.taken.saturating_sub(amount);
        if let Some(of_owner) = self.by_owner.get_mut(owner) {
            *of_owner = of_owner.saturating_sub(amount);
            if *of_owner == 0 {
                // Owners come and go; one that has nothing is not remembered.
                self.by_owner.remove(owner);
            }
        }
    }

    /// What is taken of it in all.
    pub fn taken(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_cannot_take_what_others_need() {
        let mut pool = Pool::new(100, 60);
        assert!(!pool.take("greedy", 61));
        assert!(pool.take("greedy", 50));
        assert!(!pool.take("greedy", 11));
        assert!(pool.take("greedy", 10));
        assert!(pool.take("modest", 40));
        assert!(!pool.take("third", 1), "there is nothing left");
        pool.give_back(&"greedy", 60);
        assert!(pool.take("third", 60));
        assert_eq!(pool.taken(), 100);
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let mut pool = Pool::new(100, 60);
        for owner in 0..1_000 {
            assert!(pool.take(owner, 60));
            pool.give_back(&owner, 60);
        }
        assert!(pool.by_owner.is_empty() && pool.taken() == 0);
    }
}
