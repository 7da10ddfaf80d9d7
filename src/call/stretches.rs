//! Who was heard when: what a call's timeline is drawn from.
//!
//! It is told of every voiced frame and of the agent's stretches of audio, and gives a stretch when it
//! is over. What follows from them, such as how long somebody waited for an answer, is for those who
//! show them.

use std::time::Duration;

use super::{Role, Time, event::Stretch};

/// A caller who is silent for longer has stopped; shorter pauses belong to what is said.
const PAUSE: Duration = Duration::from_millis(700);

/// The stretches that have begun.
#[derive(Debug)]
pub struct Stretches {
    origin: Time,
    caller: Option<(Time, Time)>,
    agent: Option<Time>,
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

    /// The agent's audio begins.
    pub fn agent_begins(&mut self, now: Time) {
        self.agent.get_or_insert(now);
    }

    /// The agent's audio ends at `end`.
    pub fn agent_ends(&mut self, end: Time) -> Option<Stretch> {
        self.agent.take().map(|begin| self.stretch(Role::Assistant, begin, end))
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
    fn the_agents_audio_is_one_stretch_from_its_beginning_to_its_end() {
        let mut stretches = Stretches::since(at(0));
        assert_eq!(stretches.agent_ends(at(5)), None);
        stretches.agent_begins(at(10));
        stretches.agent_begins(at(20));
        assert_eq!(stretches.agent_ends(at(510)), heard(Role::Assistant, 10, 510));
        assert_eq!(stretches.agent_ends(at(520)), None);
    }
}
