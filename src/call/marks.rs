//! Marks: how an agent learns that what it said was really heard.
//!
//! A mark stands behind a piece of sound. It is reached when the peer says so; where no peer says
//! anything, or not in time, when the sound has had time to be played. A clear begins a new
//! generation: marks that come back because of it prove nothing. What a mark looks like on a wire is
//! for `dialect`.

use std::{collections::VecDeque, time::Duration};

use super::Time;

/// What a mark under way takes besides its name.
const MARK_BYTES: usize = 64;
/// How long after its sound should have been played a mark is waited for.
pub const WAITED_FOR: Duration = Duration::from_secs(1);

/// One mark of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Counts the clears of the call.
    pub generation: u32,
    /// Counts the marks of the call.
    pub number: u32,
}

/// The marks of a call that have been sent and not been reached.
#[derive(Debug)]
pub struct Marks {
    next: Tag,
    under_way: VecDeque<UnderWay>,
    /// Bytes that those under way take.
    bytes: usize,
    waited_for: Duration,
}

#[derive(Debug)]
struct UnderWay {
    tag: Tag,
    name: String,
    played_at: Time,
}

impl Marks {
    /// No mark yet. `told`: the peer tells when one is reached.
    pub fn new(told: bool) -> Self {
        let waited_for = if told { WAITED_FOR } else { Duration::ZERO };
        let next = Tag { generation: 0, number: 0 };
        Self { next, under_way: VecDeque::new(), bytes: 0, waited_for }
    }

    /// A mark that only its sender waits for.
    pub fn unnamed(&mut self) -> Tag {
        let tag = self.next;
        self.next.number = self.next.number.wrapping_add(1);
        tag
    }

    /// A mark behind sound that is played at `played_at`.
    pub fn named(&mut self, name: String, played_at: Time) -> Tag {
        let tag = self.unnamed();
        self.bytes += MARK_BYTES + name.len();
        self.under_way.push_back(UnderWay { tag, name, played_at });
        tag
    }

    /// Bytes that the marks under way take. Whoever may send any number of them looks at it before.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The name of the next mark that is reached now that the peer has told of `tag`: those before it
    /// are, too.
    pub fn reached(&mut self, tag: Tag) -> Option<String> {
        let front = self.under_way.front()?;
        let is_reached = tag.generation == front.tag.generation && front.tag <= tag;
        is_reached.then(|| self.pop())?
    }

    /// The name of the next mark that has been waited for long enough.
    pub fn overdue(&mut self, now: Time) -> Option<String> {
        let is_due = self.next_due().is_some_and(|due| due <= now);
        is_due.then(|| self.pop())?
    }

    fn pop(&mut self) -> Option<String> {
        let UnderWay { name, .. } = self.under_way.pop_front()?;
        self.bytes -= MARK_BYTES + name.len();
        Some(name)
    }

    /// When [`Marks::overdue`] has something to give.
    pub fn next_due(&self) -> Option<Time> {
        self.under_way.front().map(|mark| mark.played_at + self.waited_for)
    }

    /// What was under way is not played any more: those marks are never reached.
    pub fn clear(&mut self) {
        self.under_way.clear();
        self.bytes = 0;
        self.next.generation = self.next.generation.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_peer_that_tells_is_believed_and_one_mark_covers_those_before_it() {
        let mut marks = Marks::new(true);
        marks.named("one".to_owned(), ms(100));
        let second = marks.named("two".to_owned(), ms(200));
        marks.named("three".to_owned(), ms(300));
        assert_eq!(marks.reached(second).as_deref(), Some("one"));
        assert_eq!(marks.reached(second).as_deref(), Some("two"));
        assert_eq!(marks.reached(second), None);
        assert_eq!(marks.next_due(), Some(ms(1_300)));
    }

    #[test]
    fn nobody_is_waited_for_in_vain() {
        let mut marks = Marks::new(true);
        marks.named("one".to_owned(), ms(100));
        assert_eq!(marks.overdue(ms(1_099)), None);
        assert_eq!(marks.overdue(ms(1_100)).as_deref(), Some("one"));
        let mut untold = Marks::new(false);
        untold.named("one".to_owned(), ms(100));
        assert_eq!(untold.overdue(ms(100)).as_deref(), Some("one"));
        assert_eq!(untold.overdue(ms(100)), None);
    }

    #[test]
    fn what_comes_back_because_of_a_clear_proves_nothing() {
        let mut marks = Marks::new(true);
        let old = marks.named("old".to_owned(), ms(100));
        marks.clear();
        let new = marks.named("new".to_owned(), ms(200));
        assert_eq!(marks.reached(old), None);
        assert_eq!(marks.reached(new).as_deref(), Some("new"));
    }

    #[test]
    fn however_many_there_are_each_comes_once_and_in_order() {
        let mut marks = Marks::new(true);
        let names: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
        let tags: Vec<_> = names.iter().map(|name| marks.named(name.clone(), ms(100))).collect();
        assert_eq!(marks.bytes(), 1_000 * 64 + names.concat().len());
        let mut told: Vec<_> = std::iter::from_fn(|| marks.reached(tags[499])).collect();
        told.extend(std::iter::from_fn(|| marks.overdue(ms(5_000))));
        assert_eq!((told, marks.bytes()), (names, 0));
    }
}
