//! Whose turn it is where many want one thing: round and round by party, each party's own in the order
//! they came.
//!
//! Pure: parties, what waits for them, and bounds. Two lines take turns with each other, those who have
//! proved something and those who have not, so that no number of strangers can crowd out the others. It
//! does not know what the turns are for.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Whether a party has proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// By a session, the operator's token, or as a browser that has signed in before.
    Proved,
    /// Not at all.
    Stranger,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// This party waits for as much as it may.
    Party,
    /// All parties of this standing together do.
    Line,
}

/// Those who wait, by party.
pub struct Line<P, T> {
    per_party: usize,
    per_line: usize,
    proved: Ring<P, T>,
    strangers: Ring<P, T>,
    /// Whose turn it is next, where both lines wait.
    next: Standing,
}

/// One line: the parties in the order of their turns, each with what waits for it.
struct Ring<P, T> {
    turns: VecDeque<P>,
    waiting: HashMap<P, VecDeque<T>>,
    length: usize,
}

impl<P: Hash + Eq + Clone, T> Line<P, T> {
    /// With so many places for one party, and for all parties of one standing together.
    pub fn new(per_party: usize, per_line: usize) -> Self {
        Self {
            per_party,
            per_line,
            proved: Ring::new(),
            strangers: Ring::new(),
            next: Standing::Proved,
        }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Full`]; then `item` is dropped.
    pub fn join(&mut self, party: P, standing: Standing, item: T) -> Result<(), Full> {
        let (per_party, per_line) = (self.per_party, self.per_line);
        let ring = self.ring(standing);
        if ring.waiting.get(&party).is_some_and(|own| own.len() >= per_party) {
            return Err(Full::Party);
        }
        if ring.length >= per_line {
            return Err(Full::Line);
        }
        ring.push(party, item);
        Ok(())
    }

    /// Whose turn it is.
    pub fn next(&mut self) -> Option<T> {
        let (first, then) = match self.next {
            Standing::Proved => (Standing::Proved, Standing::Stranger),
            Standing::Stranger => (Standing::Stranger, Standing::Proved),
        };
        self.next = then;
        let item = self.ring(first).pop();
        item.or_else(|| self.ring(then).pop())
    }

    /// Takes everything out of the line that nobody waits for any more.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(&T) -> bool) {
        self.proved.retain(&mut is_wanted);
        self.strangers.retain(&mut is_wanted);
    }

    fn ring(&mut self, standing: Standing) -> &mut Ring<P, T> {
        match standing {
            Standing::Proved => &mut self.proved,
            Standing::Stranger => &mut self.strangers,
        }
    }
}

impl<P: Hash + Eq + Clone, T> Ring<P, T> {
    fn new() -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new(), length: 0 }
    }

    fn push(&mut self, party: P, item: T) {
        self.length += 1;
        if let Some(own) = self.waiting.get_mut(&party) {
            own.push_back(item);
            return;
        }
        self.turns.push_back(party.clone());
        self.waiting.insert(party, VecDeque::from([item]));
    }

    fn pop(&mut self) -> Option<T> {
        let party = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&party)?;
        let item = own.pop_front();
        if own.is_empty() {
            self.waiting.remove(&party);
        } else {
            self.turns.push_back(party);
        }
        self.length -= usize::from(item.is_some());
        item
    }

    fn retain(&mut self, is_wanted: &mut impl FnMut(&T) -> bool) {
        self.waiting.retain(|_, own| {
            own.retain(&mut *is_wanted);
            !own.is_empty()
        });
        self.turns.retain(|party| self.waiting.contains_key(party));
        self.length = self.waiting.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Proved, Stranger};

    fn line() -> Line<&'static str, u32> {
        Line::new(3, 5)
    }

    fn all(line: &mut Line<&'static str, u32>) -> Vec<u32> {
        std::iter::from_fn(|| line.next()).collect()
    }

    #[test]
    fn parties_take_turns_whatever_each_of_them_wants() {
        let mut line = line();
        for (party, item) in [("much", 1), ("much", 2), ("much", 3), ("little", 10), ("late", 20)] {
            line.join(party, Proved, item).unwrap();
        }
        assert_eq!(all(&mut line), [1, 10, 20, 2, 3]);
        assert_eq!(line.next(), None);
    }

    #[test]
    fn strangers_do_not_crowd_out_who_is_known() {
        let mut line = line();
        for (n, party) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            line.join(party, Stranger, u32::try_from(n).unwrap()).unwrap();
        }
        assert_eq!(line.join("f", Stranger, 5), Err(Full::Line));
        line.join("owner", Proved, 100).unwrap();
        line.join("owner", Proved, 101).unwrap();
        assert_eq!(all(&mut line), [100, 0, 101, 1, 2, 3, 4]);
    }

    #[test]
    fn a_party_has_its_places_and_no_more() {
        let mut line = line();
        for item in 0..3 {
            line.join("much", Proved, item).unwrap();
        }
        assert_eq!(line.join("much", Proved, 3), Err(Full::Party));
        line.join("other", Proved, 4).unwrap();
        line.join("other", Proved, 5).unwrap();
        assert_eq!(line.join("other", Proved, 6), Err(Full::Line));
        assert_eq!(line.next(), Some(0));
        line.join("much", Proved, 7).unwrap();
        assert_eq!(all(&mut line), [4, 1, 5, 2, 7]);
    }

    #[test]
    fn who_has_gone_leaves_the_place_to_others() {
        let mut line = line();
        for item in 0..3 {
            line.join("gone", Proved, item).unwrap();
        }
        line.join("here", Proved, 10).unwrap();
        line.retain(|item| *item >= 10);
        line.join("gone", Proved, 11).unwrap();
        assert_eq!(all(&mut line), [10, 11]);
        line.join("gone", Proved, 12).unwrap();
        assert_eq!(line.next(), Some(12), "nothing is left of what was taken out");
    }
}
