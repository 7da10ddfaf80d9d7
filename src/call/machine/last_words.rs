//! How a call takes its leave: last words, as much of them as fits, and time for the peer to play them.
//!
//! When it does is for `timing` and the transitions one file up; what is said is the plan's.

use std::time::Duration;

use bytes::Bytes;

use super::{Machine, SAFETY, State, Step, Words};
use crate::call::{
    EndReason, Time, marks,
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
        self.playback.clear();
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

    /// The last words are sent: waits until the peer says that it has played them, within bounds.
    pub(super) fn leave(&mut self, reason: EndReason) -> State {
        let last = self.out.unnamed_mark();
        let over_by = self.limit().0.saturating_sub(SAFETY);
        let until = (self.out.played_at() + marks::WAITED_FOR).min(over_by);
        State::Leaving { reason, last, until }
    }

    /// As much of a last phrase as can be played before the call has to be over.
    pub(super) fn fit(&self, now: Time, phrase: Bytes) -> Bytes {
        let over_by = self.limit().0.saturating_sub(SAFETY);
        let time = over_by.saturating_sub(self.out.played_at().max(now));
        speech::cut(phrase, time, self.plan.format)
    }
}
