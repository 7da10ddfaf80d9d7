//! A queue that is fair by whose the work is: pure, no thread and no clock.
//!
//! Everybody who has work waiting is served in turn, one piece each, however much one of them has; and
//! nobody has more than so many pieces under way at once. So whoever does their worst waits for
//! themselves, and another's next piece waits for one of theirs at most. Of one's own pieces those of
//! calls in progress come first, and new calls last.

use std::collections::{HashMap, VecDeque};

use super::share::Share;

/// How one's own work is put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A call in progress, or one that has ended: money. Never refused, for those who bring it wait for
    /// one answer before they ask again.
    Books,
    /// What people and programs ask for.
    Usual,
    /// A call that would begin.
    Admission,
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Pieces of one share that wait, of each urgency.
    pub(super) waiting_of_one: usize,
    /// Pieces that wait in all; beyond that nobody may add a second one.
    pub(super) waiting: usize,
    /// Pieces of one share that are under way at once. The node's own are not counted.
    pub(super) at_once_of_one: usize,
}

/// Too much waits already. The piece comes back.
#[derive(Debug)]
pub(super) struct Full<T>(pub(super) T);

/// The queue.
pub(super) struct FairQueue<T> {
    bounds: Bounds,
    /// Those who have work waiting or under way.
    lines: HashMap<Share, Line<T>>,
    /// Those whose turn will come: they have work waiting and may have more under way. Each is in here
    /// once.
    turns: VecDeque<Share>,
    waiting: usize,
}

struct Line<T> {
    by_urgency: [VecDeque<T>; 3],
    under_way: usize,
    in_turns: bool,
}

impl<T> Line<T> {
    fn new() -> Self {
        Self { by_urgency: Default::default(), under_way: 0, in_turns: false }
    }

    fn waiting(&self) -> usize {
        self.by_urgency.iter().map(VecDeque::len).sum()
    }

    fn pop(&mut self) -> Option<T> {
        self.by_urgency.iter_mut().find_map(VecDeque::pop_front)
    }
}

impl<T> FairQueue<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, lines: HashMap::new(), turns: VecDeque::new(), waiting: 0 }
    }

    /// Adds a piece of work.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn put(&mut self, share: Share, urgency: Urgency, piece: T) -> Result<(), Full<T>> {
        let crowded = self.waiting >= self.bounds.waiting;
        let line = self.lines.entry(share).or_insert_with(Line::new);
        if urgency != Urgency::Books && share != Share::Node {
            let of_one = line.by_urgency[urgency as usize].len();
            if of_one >= self.bounds.waiting_of_one || (crowded && line.waiting() > 0) {
                return Err(Full(piece));
            }
        }
        line.by_urgency[urgency as usize].push_back(piece);
        self.waiting += 1;
        self.queue_up(share);
        Ok(())
    }

    /// The next piece, and whose it is. It is under way until [`FairQueue::done`].
    pub(super) fn take(&mut self) -> Option<(Share, T)> {
        let share = self.turns.pop_front()?;
        let line = self.lines.get_mut(&share)?;
        line.in_turns = false;
        let piece = line.pop()?;
        line.under_way += 1;
        self.waiting -= 1;
        self.queue_up(share);
        Some((share, piece))
    }

    /// Whether there is a piece to take.
    pub(super) fn is_ready(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whether nothing waits, be it to be taken now or later.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// A piece of this share is no longer under way.
    pub(super) fn done(&mut self, share: Share) {
        if let Some(line) = self.lines.get_mut(&share) {
            line.under_way = line.under_way.saturating_sub(1);
            if line.under_way == 0 && line.waiting() == 0 {
                self.lines.remove(&share);
                return;
            }
        }
        self.queue_up(share);
    }

    /// At the end of the round, if there is something to do for it.
    fn queue_up(&mut self, share: Share) {
        let Some(line) = self.lines.get_mut(&share) else { return };
        let free = share == Share::Node || line.under_way < self.bounds.at_once_of_one;
        if free && !line.in_turns && line.waiting() > 0 {
            line.in_turns = true;
            self.turns.push_back(share);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::id::AccountId;

    const BOUNDS: Bounds = Bounds { waiting_of_one: 4, waiting: 6, at_once_of_one: 2 };

    fn account() -> Share {
        Share::Account(AccountId::new())
    }

    #[test]
    fn whoever_does_their_worst_waits_for_themselves() {
        let (loud, quiet) = (account(), account());
        let mut queue = FairQueue::new(Bounds { waiting_of_one: 9_999, waiting: 9_999, ..BOUNDS });
        for number in 0..1_000 {
            queue.put(loud, Urgency::Admission, number).unwrap();
        }
        assert_eq!(queue.take(), Some((loud, 0)));
        queue.put(quiet, Urgency::Admission, -1).unwrap();
        // One piece of the loud one's at most is before the quiet one's, which came a thousand later.
        assert_eq!(queue.take(), Some((loud, 1)));
        assert_eq!(queue.take(), Some((quiet, -1)));
        // Two are under way: the loud one's share, whatever waits.
        assert_eq!(queue.take(), None);
        assert!(!queue.is_ready() && !queue.is_empty());
        queue.put(quiet, Urgency::Admission, -2).unwrap();
        assert_eq!(queue.take(), Some((quiet, -2)), "a stuck share stops nobody else");
        queue.done(loud);
        assert_eq!(queue.take(), Some((loud, 2)));
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn the_node_is_never_refused_and_never_held_back() {
        let mut queue = FairQueue::new(BOUNDS);
        for number in 0..20 {
            queue.put(Share::Node, Urgency::Usual, number).unwrap();
        }
        let taken = std::iter::from_fn(|| queue.take()).count();
        assert_eq!(taken, 20);
    }

    #[test]
    fn what_waits_is_bounded_for_each_and_in_all_and_a_first_piece_is_always_taken() {
        let (loud, second) = (account(), account());
        let mut queue = FairQueue::new(BOUNDS);
        for number in 0..4 {
            queue.put(loud, Urgency::Admission, number).unwrap();
        }
        assert!(queue.put(loud, Urgency::Admission, 4).is_err(), "no more calls of one account");
        queue.put(loud, Urgency::Usual, 5).unwrap();
        queue.put(second, Urgency::Admission, 6).unwrap();
        assert!(queue.put(second, Urgency::Admission, 7).is_err(), "it is full");
        queue.put(account(), Urgency::Admission, 8).unwrap();
        queue.put(loud, Urgency::Books, 9).unwrap();
        // Money first, new calls last.
        assert_eq!(queue.take(), Some((loud, 9)));
    }

    #[test]
    fn of_ones_own_work_money_comes_first_and_new_calls_last() {
        let own = account();
        let mut queue = FairQueue::new(Bounds { at_once_of_one: 9, ..BOUNDS });
        for (urgency, name) in [
            (Urgency::Admission, "call"),
            (Urgency::Usual, "revocation"),
            (Urgency::Books, "settlement"),
        ] {
            queue.put(own, urgency, name).unwrap();
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.take()).map(|(_, name)| name).collect();
        assert_eq!(order, ["settlement", "revocation", "call"]);
    }

    proptest! {
        /// Whatever is put, taken and done in whatever order: all that was put comes out once, nothing
        /// is kept of those who are done, and no share has more under way than it may.
        #[test]
        fn nothing_is_lost_and_nothing_is_left(steps in prop::collection::vec((0_usize..4, 0_u8..3), 0..200)) {
            let shares: Vec<Share> = (0..4).map(|_| account()).collect();
            let mut queue = FairQueue::new(BOUNDS);
            let mut under_way: Vec<Share> = Vec::new();
            let (mut put, mut taken) = (0, 0);
            for (who, what) in steps {
                match what {
                    0 => put += usize::from(queue.put(shares[who], Urgency::Usual, ()).is_ok()),
                    1 => if let Some((share, ())) = queue.take() {
                        taken += 1;
                        under_way.push(share);
                        let of_one = under_way.iter().filter(|it| **it == share).count();
                        prop_assert!(of_one <= BOUNDS.at_once_of_one);
                    },
                    _ => if let Some(share) = under_way.pop() {
                        queue.done(share);
                    },
                }
            }
            while !(queue.is_empty() && under_way.is_empty()) {
                if let Some(share) = under_way.pop() {
                    queue.done(share);
                }
                if let Some((share, ())) = queue.take() {
                    taken += 1;
                    under_way.push(share);
                }
            }
            prop_assert_eq!(put, taken);
            prop_assert!(queue.lines.is_empty() && queue.turns.is_empty());
        }
    }
}
