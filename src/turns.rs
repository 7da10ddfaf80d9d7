//! A few places, and more who want one: handed out in turn among keys, not among requests.
//!
//! A key is usually an account: one that asks a thousand times waits behind itself, and another's first
//! request comes next. Each key holds at most so many places at once, so that some are left for others
//! whatever one does. This module does not know what a place is for.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// How many places there are, and who may have them.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Places in all.
    pub places: usize,
    /// Places that one key holds at once.
    pub of_one: usize,
    /// Requests of one key that wait; more are refused.
    pub waiting_of_one: usize,
}

/// The places. Clones share them.
pub struct Turns<K: Key>(Arc<Mutex<Book<K>>>);

/// What places are shared among.
pub trait Key: Copy + Eq + Hash + Send + 'static {}

impl<K: Copy + Eq + Hash + Send + 'static> Key for K {}

/// A place; dropping it gives it to the next.
pub struct Turn<K: Key> {
    key: K,
    turns: Turns<K>,
}

/// Too many of this key wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests of one account are waiting")]
pub struct Crowded;

struct Book<K: Key> {
    rule: Rule,
    free: usize,
    guests: HashMap<K, Guest<K>>,
    /// The keys that have requests waiting, the one whose turn is next first.
    ring: VecDeque<K>,
}

struct Guest<K: Key> {
    held: usize,
    waiting: VecDeque<oneshot::Sender<Turn<K>>>,
}

impl<K: Key> Turns<K> {
    /// All places are free.
    pub fn new(rule: Rule) -> Self {
        let (guests, ring) = (HashMap::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(Book { rule, free: rule.places, guests, ring })))
    }

    /// Waits for a place. A request that is dropped meanwhile gives up its claim.
    ///
    /// # Errors
    /// [`Crowded`], at once.
    pub async fn take(&self, key: K) -> Result<Turn<K>, Crowded> {
        let (sender, turn) = oneshot::channel();
        self.book().wait(key, sender)?;
        self.hand_out();
        turn.await.map_err(|_| Crowded)
    }

    /// Gives free places away until nobody may have one.
    fn hand_out(&self) {
        loop {
            let next = self.book().next();
            let Some((key, sender)) = next else { return };
            // Not under the lock: a turn that nobody takes any more is dropped here, and is free again.
            let _ = sender.send(Turn { key, turns: Self(Arc::clone(&self.0)) });
        }
    }

    fn book(&self) -> MutexGuard<'_, Book<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key> Book<K> {
    fn wait(&mut self, key: K, sender: oneshot::Sender<Turn<K>>) -> Result<(), Crowded> {
        let empty = || Guest { held: 0, waiting: VecDeque::new() };
        let guest = self.guests.entry(key).or_insert_with(empty);
        if guest.waiting.len() >= self.rule.waiting_of_one {
            guest.waiting.retain(|sender| !sender.is_closed());
        }
        if guest.waiting.len() >= self.rule.waiting_of_one {
            return Err(Crowded);
        }
        guest.waiting.push_back(sender);
        if !self.ring.contains(&key) {
            self.ring.push_back(key);
        }
        Ok(())
    }

    /// Takes a place for whose turn it is, if there is a place and somebody who may have it.
    fn next(&mut self) -> Option<(K, oneshot::Sender<Turn<K>>)> {
        if self.free == 0 {
            return None;
        }
        let may = |key: &K| self.guests.get(key).is_some_and(|it| it.held < self.rule.of_one);
        let at = self.ring.iter().position(may)?;
        let key = self.ring.remove(at)?;
        let guest = self.guests.get_mut(&key)?;
        let sender = guest.waiting.pop_front()?;
        if !guest.waiting.is_empty() {
            self.ring.push_back(key);
        }
        guest.held += 1;
        self.free -= 1;
        Some((key, sender))
    }

    fn give_back(&mut self, key: K) {
        self.free += 1;
        if let Some(guest) = self.guests.get_mut(&key) {
            guest.held -= 1;
            if guest.held == 0 && guest.waiting.is_empty() {
                self.guests.remove(&key);
            }
        }
    }
}

impl<K: Key> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Key> Drop for Turn<K> {
    fn drop(&mut self) {
        self.turns.book().give_back(self.key);
        self.turns.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture};

    use super::*;

    fn turns(places: usize, of_one: usize) -> Turns<char> {
        Turns::new(Rule { places, of_one, waiting_of_one: 3 })
    }

    /// What is there without waiting.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        future.now_or_never()
    }

    #[test]
    fn one_key_never_holds_all_places() {
        let turns = turns(3, 2);
        let held = ['a', 'a'].map(|key| now(turns.take(key)).unwrap().unwrap());
        assert!(now(turns.take('a')).is_none(), "a third of one key waits");
        assert!(now(turns.take('b')).unwrap().is_ok(), "and takes nobody's place");
        drop(held);
        assert!(now(turns.take('a')).unwrap().is_ok());
    }

    #[test]
    fn the_next_turn_is_another_keys_however_many_wait() {
        let turns = turns(1, 1);
        let held = now(turns.take('a')).unwrap().unwrap();
        let mut waiting: Vec<(usize, BoxFuture<'_, _>)> = ['a', 'a', 'b', 'a', 'c']
            .map(|key| turns.take(key).boxed())
            .into_iter()
            .enumerate()
            .collect();
        let mut served = || {
            let answers = waiting.iter_mut().map(|(_, request)| now(request));
            let (at, turn) =
                answers.enumerate().find_map(|(at, answer)| Some((at, answer?.unwrap())))?;
            Some((waiting.remove(at).0, turn))
        };
        assert!(served().is_none());
        drop(held);
        let mut order = Vec::new();
        while let Some((request, turn)) = served() {
            order.push(request);
            drop(turn);
        }
        assert_eq!(order, [0, 2, 4, 1, 3], "each key in turn");
    }

    #[test]
    fn more_than_may_wait_are_refused_and_those_who_left_do_not_count() {
        let turns = turns(1, 1);
        let held = now(turns.take('a')).unwrap().unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| turns.take('a').boxed()).collect();
        assert!(waiting.iter_mut().all(|request| now(request).is_none()));
        assert_eq!(now(turns.take('a')).unwrap().err(), Some(Crowded));
        waiting.truncate(1);
        assert!(now(turns.take('a')).is_none(), "there is room again");
        drop(held);
        assert!(now(&mut waiting[0]).unwrap().is_ok());
    }

    #[test]
    fn a_place_goes_past_those_who_left_and_none_is_lost() {
        let turns = turns(1, 1);
        let held = now(turns.take('a')).unwrap().unwrap();
        for key in ['a', 'b', 'c'] {
            assert!(now(turns.take(key)).is_none(), "and leaves");
        }
        drop(held);
        assert!(now(turns.take('d')).unwrap().is_ok());
        let book = turns.book();
        assert_eq!((book.free, book.guests.len(), book.ring.len()), (1, 0, 0));
    }
}
