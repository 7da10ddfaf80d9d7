//! Whether the peer is still there: what is heard of it, and pings where nothing is.
//!
//! Pure: the time is passed in, and whoever asks sends the ping. Everything that is heard is a sign of
//! life, not only the answer to a ping. A peer that speaks and does not read is none of this file's:
//! its blocked output is found by [`super::watch`].

use std::time::Duration;

/// How often the peer is pinged. One that was not heard at all since the last time is gone.
const PING_EVERY: Duration = Duration::from_secs(20);

/// The peer's signs of life.
#[derive(Debug)]
pub struct Pulse {
    due: Duration,
    felt: bool,
}

/// What is to be done about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Nothing yet.
    Wait,
    /// Ping it.
    Ping,
    /// It is gone.
    Gone,
}

impl Pulse {
    /// A peer that has just connected.
    pub fn since(now: Duration) -> Self {
        Self { due: now + PING_EVERY, felt: true }
    }

    /// Something was heard.
    pub fn feel(&mut self) {
        self.felt = true;
    }

    /// When to ask for the [`Pulse::beat`].
    pub fn due(&self) -> Duration {
        self.due
    }

    /// What is to be done now.
    pub fn beat(&mut self, now: Duration) -> Beat {
        if now < self.due {
            return Beat::Wait;
        }
        self.due = now + PING_EVERY;
        if std::mem::take(&mut self.felt) { Beat::Ping } else { Beat::Gone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn a_peer_that_is_not_heard_for_two_pings_is_gone() {
        let mut pulse = Pulse::since(at(0));
        assert_eq!((pulse.due(), pulse.beat(at(19))), (at(20), Beat::Wait));
        assert_eq!(pulse.beat(at(20)), Beat::Ping);
        assert_eq!((pulse.due(), pulse.beat(at(21))), (at(40), Beat::Wait));
        assert_eq!(pulse.beat(at(40)), Beat::Gone);
    }

    #[test]
    fn whatever_is_heard_is_a_sign_of_life() {
        let mut pulse = Pulse::since(at(0));
        for ping in 1..100 {
            assert_eq!(pulse.beat(at(20 * ping)), Beat::Ping);
            pulse.feel();
        }
    }
}
