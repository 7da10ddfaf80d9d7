//! What time does to a call: the steps it brings about, and when it will bring the next.
//!
//! Each question is answered from the state and the instruments as they are, so nothing here can go
//! stale. What a step means is written in `follow`, one file up.

use std::time::Duration;

use bytes::Bytes;

use super::{Machine, SAFETY, State, Step};
use crate::{
    audio::tone,
    call::{EndReason, Time, marks, speech::Phrase},
};

/// The greeting counts as said with this much of it left to play, so that the echo which follows
/// finds room and is not held up.
const GREETING_TAIL: Duration = Duration::from_millis(60);
/// A stretch of speech is over when there was nothing to send for this long.
const PAUSE: Duration = Duration::from_millis(400);
/// Closing begins this much earlier than its phrase is long: audio already under way plays first.
const CLOSING_MARGIN: Duration = Duration::from_millis(500);
/// What a watchdog grants a call beyond the moment it should have ended by itself.
const WATCHDOG_GRACE: Duration = Duration::from_secs(1);

impl Machine {
    /// The step that time alone brings about now.
    pub(super) fn due(&mut self, now: Time) -> Option<Step> {
        let (over_by, limit) = self.limit();
        if self.is_open() && now >= over_by.saturating_sub(self.needed_to_close()) {
            return Some(Step::WrapUp(limit));
        }
        let talks = matches!(self.state, State::Listening | State::Speaking);
        if talks && now < self.silence.ends_at() {
            self.go_on_speaking(now);
        }
        match &mut self.state {
            State::Closing { reason, .. } if now >= over_by.saturating_sub(SAFETY) => {
                Some(Step::Cut(*reason))
            }
            State::Greeting(Phrase::Awaited { until })
            | State::Closing { phrase: Phrase::Awaited { until }, .. } => {
                (now >= *until).then(|| Step::Speak(tone::chime_in(self.plan.format)))
            }
            State::Greeting(phrase) => {
                phrase.say(now, GREETING_TAIL, &mut self.out).then_some(Step::Said)
            }
            State::Closing { phrase, .. } => {
                // An agent's own last words are still in the playback.
                self.playback.release(now, &mut self.out);
                let tail = closing_tail(self.plan.marks);
                let all_sent = !self.playback.has_samples(&self.out);
                (all_sent && phrase.say(now, tail, &mut self.out)).then_some(Step::Said)
            }
            State::Leaving { until, .. } => (now >= *until).then_some(Step::Played),
            State::Listening | State::Speaking if now >= self.silence.ends_at() => {
                Some(Step::WrapUp(EndReason::Silence))
            }
            State::Speaking => {
                let dry = !self.playback.has_samples(&self.out)
                    && now >= self.out.last_audio_at() + PAUSE;
                match dry {
                    true if self.out_of_turns() => Some(Step::WrapUp(EndReason::MaxTurns)),
                    true => Some(Step::RanDry),
                    false => None,
                }
            }
            State::Listening | State::Ended => None,
        }
    }

    /// When [`Machine::due`] or the meter has something to do next.
    pub(super) fn next_wake(&self) -> Option<Time> {
        let (over_by, _) = self.limit();
        let marks = self.out.marks().next_due().unwrap_or(Time::MAX);
        let paused = self.mouth.paused_at().unwrap_or(Time::MAX);
        let state = match &self.state {
            State::Ended => return None,
            State::Greeting(phrase) => phrase.wake_at(GREETING_TAIL, &self.out),
            State::Listening => self.silence.ends_at().min(paused),
            State::Speaking if self.playback.has_samples(&self.out) => {
                self.out.refill_at().min(self.silence.ends_at())
            }
            State::Speaking => {
                (self.out.last_audio_at() + PAUSE).min(self.silence.ends_at()).min(paused)
            }
            State::Closing { phrase, .. } => {
                let said_at = match self.playback.has_samples(&self.out) {
                    true => self.out.refill_at(),
                    false => phrase.wake_at(closing_tail(self.plan.marks), &self.out),
                };
                return Some(said_at.min(over_by.saturating_sub(SAFETY)).min(marks));
            }
            State::Leaving { until, .. } => return Some(marks.min(*until)),
        };
        let limit = over_by.saturating_sub(self.needed_to_close());
        let meter = if self.may_need_more() { self.meter.wake_at() } else { Time::MAX };
        Some(state.min(limit).min(meter).min(marks))
    }

    /// When the call would be over, closing words included, if nobody did anything any more.
    pub(super) fn deadline(&self, now: Time) -> Option<(Time, EndReason)> {
        let limit = self.limit();
        match &self.state {
            State::Greeting(_) => Some(limit),
            State::Listening | State::Speaking => {
                let closed = self.silence.ends_at().saturating_add(self.needed_to_close());
                let silent = (closed.saturating_add(WATCHDOG_GRACE), EndReason::Silence);
                Some(earlier(limit, silent))
            }
            State::Closing { reason, phrase, .. } => {
                let own = self.playback.length(&self.out);
                let said =
                    phrase.over_at(now, &self.out) + own + marks::WAITED_FOR + WATCHDOG_GRACE;
                Some((said.min(limit.0), *reason))
            }
            State::Leaving { reason, until, .. } => {
                Some(((*until + WATCHDOG_GRACE).min(limit.0), *reason))
            }
            State::Ended => None,
        }
    }

    /// The nearest moment by which the call has to be over, whoever speaks, and why.
    pub(super) fn limit(&self) -> (Time, EndReason) {
        let points = (self.meter.ends_at(), EndReason::BalanceExhausted);
        earlier(self.limit_besides_points(), points)
    }

    fn limit_besides_points(&self) -> (Time, EndReason) {
        let longest = self.meter.started().saturating_add(self.plan.max_duration);
        let drained = self.drain_by.unwrap_or(Time::MAX);
        earlier((longest, EndReason::MaxDuration), (drained, EndReason::Draining))
    }

    /// Whether the call may outlive what is paid for, so that it makes sense to ask for more.
    pub(super) fn may_need_more(&self) -> bool {
        self.is_open() && self.meter.reserved_until() < self.limit_besides_points().0
    }

    /// The time it takes to end the call decently.
    pub(super) fn needed_to_close(&self) -> Duration {
        let phrase = self.closing.as_ref().map_or(0, Bytes::len);
        self.plan.format.length(phrase) + CLOSING_MARGIN
    }
}

/// How much of the last words may still be unplayed when they count as said: where the peer tells what
/// it has played there is no need to guess.
fn closing_tail(peer_tells: bool) -> Duration {
    if peer_tells { Duration::MAX } else { Duration::ZERO }
}

/// The earlier of two ends; the first if they fall together.
fn earlier(one: (Time, EndReason), other: (Time, EndReason)) -> (Time, EndReason) {
    if other.0 < one.0 { other } else { one }
}
