//! A phrase of the agent's own, on its way to the peer: greeting or closing words.
//!
//! It is rendered elsewhere and may arrive after the moment it was wanted, so it is either awaited or
//! being said. It knows nothing of why it is said; `machine` does.

use std::time::Duration;

use bytes::Bytes;

use super::{Time, outbox::Outbox};
use crate::audio::format::Format;

/// How long a phrase is waited for. After that the chime stands for it: a caller always hears something.
pub const AWAITED: Duration = Duration::from_secs(3);

/// A phrase, before and while it is said.
#[derive(Debug)]
pub enum Phrase {
    /// Not rendered yet; given up at `until`.
    Awaited {
        /// When waiting ends.
        until: Time,
    },
    /// What is left to send.
    Saying(Bytes),
}

impl Phrase {
    /// A phrase that has not been rendered yet.
    pub fn awaited(now: Time) -> Self {
        Self::Awaited { until: now + AWAITED }
    }

    /// A phrase to be said from now on; half a sample at its end is not.
    pub fn saying(mut phrase: Bytes, format: Format) -> Self {
        phrase.truncate(format.whole_samples(phrase.len()));
        Self::Saying(phrase)
    }

    /// Sends what may be sent now. True once all of it is sent and no more than `tail` of it is left
    /// to play.
    pub fn say(&mut self, now: Time, tail: Duration, out: &mut Outbox) -> bool {
        let Self::Saying(rest) = self else { return false };
        while !rest.is_empty() {
            let size = rest.len().min(out.format().frame_bytes());
            if out.room(now) < size {
                return false;
            }
            out.audio(now, rest.split_to(size));
        }
        out.in_flight(now) <= tail
    }

    /// When [`Phrase::say`] has something to do again, or waiting ends.
    pub fn wake_at(&self, tail: Duration, out: &Outbox) -> Time {
        match self {
            Self::Awaited { until } => *until,
            Self::Saying(rest) if rest.is_empty() => out.played_at().saturating_sub(tail),
            Self::Saying(_) => out.refill_at(),
        }
    }

    /// When the phrase will have been played, or given up.
    pub fn over_at(&self, now: Time, out: &Outbox) -> Time {
        match self {
            Self::Awaited { until } => *until,
            Self::Saying(rest) => out.played_at().max(now) + out.format().length(rest.len()),
        }
    }
}

/// As much of a phrase as fits into `time`.
pub fn cut(mut phrase: Bytes, time: Duration, format: Format) -> Bytes {
    phrase.truncate(format.bytes_within(time));
    phrase
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIVE: Format = Format::NATIVE;

    fn outbox() -> Outbox {
        Outbox::new(NATIVE, ms(180), false)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_phrase_takes_one_wake_up_for_five_frames() {
        let mut out = outbox();
        let mut phrase = Phrase::Saying(Bytes::from(vec![1; 32_000]));
        let (mut now, mut wake_ups) = (ms(500), 0);
        while !phrase.say(now, ms(60), &mut out) {
            assert!(phrase.wake_at(ms(60), &out) > now);
            now = phrase.wake_at(ms(60), &out);
            wake_ups += 1;
        }
        assert_eq!(now, ms(500 + 1_000 - 60), "said in real time, and done with 60 ms to play");
        assert!(wake_ups <= 10, "{wake_ups}");
    }

    #[test]
    fn a_phrase_is_cut_between_samples() {
        let odd = Phrase::saying(Bytes::from(vec![0; 1_001]), NATIVE);
        assert!(matches!(odd, Phrase::Saying(phrase) if phrase.len() == 1_000));
        assert_eq!(cut(Bytes::from(vec![0; 1_000]), ms(20), NATIVE).len(), 640);
        assert!(cut(Bytes::from(vec![0; 1_000]), Duration::ZERO, NATIVE).is_empty());
    }

    #[test]
    fn what_is_awaited_says_nothing() {
        let mut out = outbox();
        let mut phrase = Phrase::awaited(ms(100));
        assert!(!phrase.say(ms(100), ms(60), &mut out));
        assert_eq!(phrase.wake_at(ms(60), &out), ms(3_100));
    }
}
