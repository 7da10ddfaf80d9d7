//! How a call takes its leave: last words, as much of them as fits, and time for the peer to play them.
//!
//! When it does is for `timing` and the transitions one file up; what is said is the plan's.

use std::time::Duration;

use bytes::Bytes;

use super::{Machine, SAFETY, State, Step, Words};
use crate::call::{
    EndReason, Time, ToAgent, marks,
    speech::{self, Phrase},
};

/// The most of last words that is said.
const AT_MOST: Duration = Duration::from_secs(10);

impl Machine {
    /// The sound of last words is there.
    pub(super) fn last_words(&mut self, now: Time, of: Words, phrase: Bytes) {
        let phrase = speech::cut(phrase, AT_MOST, self.plan.format);
        match (&self.state, of) {
            (State::Closing { words, .. }, _) if *words == of => {
                self.follow(now, Step::Speak(phrase));
            }
            (_, Words::Closing) => self.closing = Some(phrase),
            (_, _) => self.apology = Some(phrase),
        }
    }

    pub(super) fn begin_last_words(&mut self, now: Time, reason: EndReason, words: Words) -> State {
        if words == Words::Closing && self.playback.has_samples(&self.out) {
            // Nothing more is heard of the agent, and it must not wait for what will not come.
            self.tell_agent(ToAgent::Cleared);
            self.out.marks_mut().clear();
        }
        self.playback.clear();
        self.mouth.forget();
        self.out.end_stretch();
        let (text, sound) = match words {
            Words::Apology => (self.plan.apology.clone(), self.apology.take()),
            Words::Closing | Words::Own => (self.plan.closing.clone(), self.closing.take()),
        };
        self.say_words(now, text);
        let phrase = match sound {
            Some(sound) => Phrase::saying(self.fit(now, sound), self.plan.format),
            None => Phrase::awaited(now),
        };
        State::Closing { reason, words, phrase }
    }

    /// An agent outside hangs up: its last words are those that it has said and that were not sent yet,
    /// up to its last sample, with the marks and key tones between them.
    pub(super) fn begin_own_words(&mut self, now: Time) -> State {
        let rest = self.mouth.rest();
        self.playback.hold(&rest, &self.out);
        self.playback.cut(self.plan.format.bytes_within(self.time_to_speak(now)));
        let phrase = Phrase::Saying(Bytes::new());
        State::Closing { reason: EndReason::AgentHangup, words: Words::Own, phrase }
    }

    /// The last words are sent: waits until the peer says that it has played them, within bounds.
    pub(super) fn leave(&mut self, reason: EndReason) -> State {
        let last = self.out.unnamed_mark();
        let over_by = self.limit().0.saturating_sub(SAFETY);
        let until = (self.out.played_at() + marks::WAITED_FOR).min(over_by);
        State::Leaving { reason, last, until }
    }

    /// As much of a last phrase as can be played before the call has to be over.
    pub(super) fn fit(&self, now: Time, phrase: Bytes) -> Bytes {
        speech::cut(phrase, self.time_to_speak(now), self.plan.format)
    }

    /// How much more than what is under way can be played before the call has to be over.
    fn time_to_speak(&self, now: Time) -> Duration {
        let over_by = self.limit().0.saturating_sub(SAFETY);
        over_by.saturating_sub(self.out.played_at().max(now))
    }
}
