//! Turns and latencies, derived from who was heard when. Pure: stretches in, turns out.
//!
//! A turn is what the caller said and what the agent said to it. The wait is from the end of the
//! caller's speech to the beginning of the agent's audio, both as this server heard and sent them: what
//! the telephone network adds is not known here. How it looks is in [`super::timeline`].

use crate::call::event::{Role, Stretch};

/// From when to when, in milliseconds into the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
}

/// One turn; at least one side spoke in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// When the caller spoke; `None`: the agent began by itself, as it does when it greets.
    pub caller: Option<Span>,
    /// When the agent spoke; `None`: it did not.
    pub agent: Option<Span>,
    /// When the caller spoke while the agent did, and the agent went on.
    pub over: Option<Span>,
    /// The caller spoke into it and the agent fell silent, this many milliseconds later.
    pub silenced_after: Option<u64>,
}

impl Turn {
    /// Milliseconds from the end of the caller's speech to the beginning of the agent's audio; less
    /// than nothing if the agent did not wait for the end.
    pub fn wait(&self) -> Option<i64> {
        let (caller, agent) = (self.caller?, self.agent?);
        let (from, to) = (i64::try_from(caller.end).ok()?, i64::try_from(agent.begin).ok()?);
        Some(to - from)
    }
}

/// The turns of a call, in the order in which they began.
///
/// Words of the caller that begin and end within the agent's audio are no question: the agent went on.
/// They belong to the turn that they were spoken into.
pub fn turns(stretches: &[Stretch]) -> Vec<Turn> {
    let mut sorted = stretches.to_vec();
    sorted.sort_by_key(|s| (s.begin_ms, s.role == Role::Assistant, s.end_ms));
    let mut turns = Vec::new();
    let mut turn = Turn::default();
    for Stretch { role, begin_ms: begin, end_ms: end } in sorted {
        let span = Span { begin, end: end.max(begin) };
        match (role, turn.agent) {
            (Role::Assistant, agent) => turn.agent = Some(joined(agent, span)),
            (Role::User, None) => turn.caller = Some(joined(turn.caller, span)),
            (Role::User, Some(agent)) if span.end < agent.end => {
                turn.over = Some(joined(turn.over, span));
            }
            (Role::User, Some(agent)) => {
                turn.silenced_after = agent.end.checked_sub(span.begin).filter(|ms| *ms > 0);
                turns.push(turn);
                turn = Turn { caller: Some(span), ..Turn::default() };
            }
        }
    }
    if turn != Turn::default() {
        turns.push(turn);
    }
    turns
}

/// What was said before in the same turn, and this.
fn joined(before: Option<Span>, span: Span) -> Span {
    before.map_or(span, |before| Span { begin: before.begin, end: before.end.max(span.end) })
}

/// The median and the longest of the waits for the agent; `None` where no wait was measured.
pub fn waits(turns: &[Turn]) -> Option<(u64, u64)> {
    let mut waits: Vec<u64> =
        turns.iter().filter_map(Turn::wait).filter_map(|ms| u64::try_from(ms).ok()).collect();
    waits.sort_unstable();
    Some((*waits.get(waits.len().checked_sub(1)? / 2)?, *waits.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(begin_ms: u64, end_ms: u64) -> Stretch {
        Stretch { role: Role::User, begin_ms, end_ms }
    }

    fn agent(begin_ms: u64, end_ms: u64) -> Stretch {
        Stretch { role: Role::Assistant, begin_ms, end_ms }
    }

    fn span(begin: u64, end: u64) -> Option<Span> {
        Some(Span { begin, end })
    }

    #[test]
    fn a_greeting_then_questions_and_answers() {
        let turns = turns(&[
            agent(0, 2_000),
            caller(3_000, 4_000),
            agent(4_640, 6_000),
            caller(7_000, 8_000),
            agent(9_200, 9_900),
        ]);
        assert_eq!(turns.len(), 3);
        assert_eq!(
            (turns[0].caller, turns[0].agent, turns[0].wait()),
            (None, span(0, 2_000), None)
        );
        assert_eq!(turns[1].wait(), Some(640));
        assert_eq!(turns[2].wait(), Some(1_200));
        assert_eq!(waits(&turns), Some((640, 1_200)));
    }

    #[test]
    fn pauses_within_a_turn_do_not_divide_it() {
        let told = [caller(0, 500), caller(900, 1_500), agent(2_000, 3_000), agent(3_100, 4_000)];
        let turns = turns(&told);
        assert_eq!(turns.len(), 1);
        assert_eq!((turns[0].caller, turns[0].agent), (span(0, 1_500), span(2_000, 4_000)));
        assert_eq!(turns[0].wait(), Some(500));
    }

    #[test]
    fn whoever_speaks_into_the_agents_words_and_silences_it_begins_a_turn() {
        let turns = turns(&[agent(0, 2_120), caller(2_000, 3_000), agent(3_500, 4_000)]);
        assert_eq!(turns.len(), 2);
        assert_eq!(turns[0].silenced_after, Some(120));
        assert_eq!((turns[1].caller, turns[1].wait()), (span(2_000, 3_000), Some(500)));
    }

    #[test]
    fn words_that_the_agent_speaks_past_are_no_question() {
        let turns = turns(&[agent(0, 9_000), caller(3_000, 3_400), caller(10_000, 11_000)]);
        assert_eq!(turns.len(), 2);
        assert_eq!((turns[0].silenced_after, turns[0].over), (None, span(3_000, 3_400)));
        assert_eq!((turns[1].caller, turns[1].agent), (span(10_000, 11_000), None));
        assert_eq!(waits(&turns), None);
    }

    #[test]
    fn an_agent_that_does_not_wait_for_the_end_is_told_of_as_such() {
        let turns = turns(&[caller(1_000, 3_000), agent(1_300, 3_300)]);
        assert_eq!(turns[0].wait(), Some(-1_700));
        assert_eq!(waits(&turns), None, "nobody waited");
    }

    #[test]
    fn neither_order_nor_nonsense_matters() {
        let told = [agent(4_640, 6_000), caller(3_000, 4_000), agent(0, 2_000)];
        assert_eq!(turns(&told).len(), 2);
        assert_eq!(turns(&[]), []);
        let turns = turns(&[caller(5, 1), agent(u64::MAX, 0)]);
        assert_eq!(turns[0].caller, span(5, 5));
        assert_eq!(turns[0].wait(), None, "what no clock tells is not told");
    }
}
