//! Who was heard when: what a call's timeline is drawn from.
//!
//! It is told of every voiced frame of both sides, and gives a stretch when it is over: silence that is
//! sent is not speech, or a bot that streams all the time would speak without a pause. What follows from
//! stretches, such as how long the caller waited for an answer, is for those who show them.

use std::time::Duration;

use super::{Role, Time, event::Stretch};

/// A side that is silent for longer has stopped; shorter pauses belong to what is said.
const PAUSE: Duration = Duration::from_millis(700);

/// The stretches that have begun.
#[derive(Debug)]
pub struct Stretches {
    origin: Time,
    caller: Option<(Time, Time)>,
    agent: Option<(Time, Time)>,
}

impl Stretches {
    /// Nobody has been heard; times are told since `origin`.
    pub fn since(origin: Time) -> Self {
        Self { origin, caller: None, agent: None }
    }

    /// The caller is heard now. Gives what was said before, if there was a pause in between.
    pub fn caller_speaks(&mut self, now: Time) -> Option<Stretch> {
        match &mut self.caller {
            Some((_, last)) if now <= *last + PAUSE => {
                *last = now;
                None
            }
            _ => {
                let before = self.caller_stops();
                self.caller = Some((now, now));
                before
            }
        }
    }

    /// The agent's audio is played from `begin` to `end`. Gives what was said before, if there was a pause
    /// in between.
    pub fn agent_plays(&mut self, begin: Time, end: Time, is_voiced: bool) -> Option<Stretch> {
        match &mut self.agent {
            Some((_, last)) if begin <= *last + PAUSE => {
                if is_voiced {
                    *last = end;
                }
                None
            }
            _ => {
                let before = self.agent_stops(begin);
                self.agent = is_voiced.then_some((begin, end));
                before
            }
        }
    }

    /// The agent is not heard any more at `end`, whatever was to be played then: gives what was said last.
    pub fn agent_stops(&mut self, end: Time) -> Option<Stretch> {
        let (begin, last) = self.agent.take().filter(|(begin, _)| *begin < end)?;
        Some(self.stretch(Role::Assistant, begin, last.min(end)))
    }

    /// The caller is not heard any more: gives what was said last.
    pub fn caller_stops(&mut self) -> Option<Stretch> {
        self.caller.take().map(|(begin, last)| self.stretch(Role::User, begin, last))
    }

    fn stretch(&self, role: Role, begin: Time, end: Time) -> Stretch {
        let ms = |at: Time| {
            u64::try_from(at.saturating_sub(self.origin).as_millis()).unwrap_or(u64::MAX)
        };
        Stretch { role, begin_ms: ms(begin), end_ms: ms(end.max(begin)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Duration::from_millis(10_000 + ms)
    }

    fn heard(role: Role, begin_ms: u64, end_ms: u64) -> Option<Stretch> {
        Some(Stretch { role, begin_ms, end_ms })
    }

    #[test]
    fn a_short_pause_belongs_to_what_is_said_and_a_long_one_ends_it() {
        let mut stretches = Stretches::since(at(0));
        assert_eq!(stretches.caller_stops(), None);
        for ms in [100, 120, 800, 1_500] {
            assert_eq!(stretches.caller_speaks(at(ms)), None);
        }
        assert_eq!(stretches.caller_speaks(at(2_201)), heard(Role::User, 100, 1_500));
        assert_eq!(stretches.caller_stops(), heard(Role::User, 2_201, 2_201));
        assert_eq!(stretches.caller_stops(), None);
    }

    #[test]
    fn the_agents_words_are_one_stretch_and_its_silence_is_none() {
        let mut stretches = Stretches::since(at(0));
        assert_eq!(stretches.agent_stops(at(5)), None);
        let mut plays = |ms, is_voiced| stretches.agent_plays(at(ms), at(ms + 20), is_voiced);
        assert_eq!(plays(0, false), None);
        assert_eq!(plays(20, true), None);
        for ms in [40, 400, 740] {
            assert_eq!(plays(ms, false), None);
        }
        assert_eq!(plays(740, true), None, "a short pause");
        assert_eq!(plays(1_461, false), heard(Role::Assistant, 20, 760), "a long one");
        assert_eq!(plays(1_481, false), None);
        assert_eq!(plays(2_000, true), None);
        assert_eq!(stretches.agent_stops(at(2_010)), heard(Role::Assistant, 2_000, 2_010));
        assert_eq!(stretches.agent_stops(at(2_020)), None);
    }

    #[test]
    fn what_was_to_be_played_later_was_not_heard() {
        let mut stretches = Stretches::since(at(0));
        assert_eq!(stretches.agent_plays(at(100), at(120), true), None);
        assert_eq!(stretches.agent_stops(at(100)), None);
        assert_eq!(stretches.agent_plays(at(300), at(320), true), None);
        assert_eq!(stretches.agent_stops(at(310)), heard(Role::Assistant, 300, 310));
    }
}
