//! Marks: how an agent learns that what it said was really heard.
//!
//! A mark stands behind a piece of sound. It is reached when the peer says so; where no peer says
//! anything, or not in time, when the sound has had time to be played. A clear begins a new
//! generation: marks that come back because of it prove nothing. What a mark looks like on a wire is
//! for `dialect`.

use std::{collections::VecDeque, time::Duration};

use super::Time;

/// Marks under way at once; further ones are sent, but nobody is told of them.
pub const UNDER_WAY: usize = 64;
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
        Self { next: Tag { generation: 0, number: 0 }, under_way: VecDeque::new(), waited_for }
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
        if self.under_way.len() < UNDER_WAY {
            self.under_way.push_back(UnderWay { tag, name, played_at });
        }
        tag
    }

    /// The name of the next mark that is reached now that the peer has told of `tag`: those before it
    /// are, too.
    pub fn reached(&mut self, tag: Tag) -> Option<String> {
        let front = self.under_way.front()?;
        let is_reached = tag.generation == front.tag.generation && front.tag <= tag;
        is_reached.then(|| self.under_way.pop_front())?.map(|mark| mark.name)
    }

    /// The name of the next mark that has been waited for long enough.
    pub fn overdue(&mut self, now: Time) -> Option<String> {
        let is_due = self.next_due().is_some_and(|due| due <= now);
        is_due.then(|| self.under_way.pop_front())?.map(|mark| mark.name)
    }

    /// When [`Marks::overdue`] has something to give.
    pub fn next_due(&self) -> Option<Time> {
        self.under_way.front().map(|mark| mark.played_at + self.waited_for)
    }

    /// What was under way is not played any more: those marks are never reached.
    pub fn clear(&mut self) {
        self.under_way.clear();
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
    fn a_flood_of_marks_is_bounded() {
        let mut marks = Marks::new(true);
        for n in 0..1_000 {
            marks.named(n.to_string(), ms(100));
        }
        let told = std::iter::from_fn(|| marks.overdue(ms(5_000))).count();
        assert_eq!(told, UNDER_WAY);
    }
}
