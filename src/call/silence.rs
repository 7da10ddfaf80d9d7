//! Has nobody spoken for too long?
//!
//! Speech is the agent's own words, as long as they play, and whatever the caller says or dials. It
//! is told when somebody speaks and never listens by itself: `audio::level` does.

use std::time::Duration;

use super::Time;

/// The last speech, and how long silence is borne after it.
#[derive(Debug)]
pub struct Silence {
    timeout: Duration,
    last_speech: Time,
}

impl Silence {
    /// Silence counts from `now`.
    pub fn since(now: Time, timeout: Duration) -> Self {
        Self { timeout, last_speech: now }
    }

    /// Somebody speaks, until `end`.
    pub fn speech_until(&mut self, end: Time) {
        self.last_speech = self.last_speech.max(end);
    }

    /// When the silence has lasted too long, if nobody speaks until then.
    pub fn ends_at(&self) -> Time {
        self.last_speech.saturating_add(self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_puts_the_end_off_and_never_brings_it_nearer() {
        let seconds = Duration::from_secs;
        let mut silence = Silence::since(seconds(10), seconds(5));
        assert_eq!(silence.ends_at(), seconds(15));
        silence.speech_until(seconds(14));
        assert_eq!(silence.ends_at(), seconds(19));
        silence.speech_until(seconds(12));
        assert_eq!(silence.ends_at(), seconds(19));
    }
}
