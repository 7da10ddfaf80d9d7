//! The time that is paid for: how long the call may last on what is reserved, and when to ask for more.
//!
//! It counts seconds against a reservation and knows neither points nor prices nor the ledger; who
//! carries the question there and the answer back is the session's business. What happens when time
//! runs out is decided in `machine`.

use std::time::Duration;

use super::Time;
use crate::points::Seconds;

/// With this much of the reservation left, more is asked for.
pub const ASK_AHEAD: Duration = Duration::from_secs(20);
/// How long a granted or denied question rests before the next: a top-up may be made meanwhile.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long an unanswerable question rests before the next.
pub const ASK_AGAIN_UNAVAILABLE: Duration = Duration::from_secs(2);
/// A question without an answer for this long counts as unanswerable.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// How far past its reservation a call may go while the ledger cannot be asked.
pub const BRIDGE: Duration = Duration::from_secs(60);

/// The answer to a request for more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// Time was granted.
    Granted {
        /// What is reserved for the whole call now.
        total: Seconds,
    },
    /// The account has no free second.
    Denied,
    /// The ledger cannot be asked at present.
    Unavailable,
}

/// Talk time against the reservation.
#[derive(Debug)]
pub struct Meter {
    started: Time,
    reserved_until: Time,
    /// Set while the ledger cannot be asked: the call may go on until then, charged afterwards.
    bridged_until: Option<Time>,
    question: Question,
}

#[derive(Debug)]
enum Question {
    Due { at: Time },
    Asked { given_up_at: Time },
}

impl Meter {
    /// Talk time begins now.
    pub fn start(now: Time, reserved: Seconds) -> Self {
        let reserved_until = now.saturating_add(reserved.duration());
        let question = Question::Due { at: reserved_until.saturating_sub(ASK_AHEAD).max(now) };
        Self { started: now, reserved_until, bridged_until: None, question }
    }

    /// When talk time began.
    pub fn started(&self) -> Time {
        self.started
    }

    /// When what is paid for is used up, whatever bridges it.
    pub fn reserved_until(&self) -> Time {
        self.reserved_until
    }

    /// When the call has to be over, as far as points go.
    pub fn ends_at(&self) -> Time {
        self.bridged_until.unwrap_or_default().max(self.reserved_until)
    }

    /// Talk time up to now. Time after [`Meter::ends_at`] is our own lateness and nobody's to pay.
    pub fn talk(&self, now: Time) -> Duration {
        now.min(self.ends_at()).saturating_sub(self.started)
    }

    /// When [`Meter::tick`] has something to do.
    pub fn wake_at(&self) -> Time {
        match self.question {
            Question::Due { at } => at,
            Question::Asked { given_up_at } => given_up_at,
        }
    }

    /// True when more time is to be asked for now. Only one question is open at a time.
    pub fn tick(&mut self, now: Time) -> bool {
        match self.question {
            Question::Due { at } if at <= now => {
                self.question = Question::Asked { given_up_at: now + ANSWER_WITHIN };
                true
            }
            Question::Asked { given_up_at } if given_up_at <= now => {
                self.bridge(now);
                false
            }
            _ => false,
        }
    }

    /// Takes the answer to a question. `needed` is the time it takes to end a call decently. True
    /// when the call has to begin doing so now, because it lives on borrowed time that nobody grants.
    pub fn answer(&mut self, now: Time, needed: Duration, answer: Reserve) -> bool {
        if let Reserve::Granted { total } = answer {
            let until = self.started.saturating_add(total.duration());
            self.reserved_until = self.reserved_until.max(until);
        }
        // A bridge is left when there is firm ground again, not when the ground is a second wide.
        if answer != Reserve::Unavailable && self.reserved_until > now + needed {
            self.bridged_until = None;
        }
        match answer {
            Reserve::Granted { .. } => {
                let at = self.reserved_until.saturating_sub(ASK_AHEAD).max(now + ASK_AGAIN);
                self.question = Question::Due { at };
            }
            Reserve::Denied => self.question = Question::Due { at: now + ASK_AGAIN },
            Reserve::Unavailable => self.bridge(now),
        }
        answer == Reserve::Denied && self.bridged_until.is_some()
    }

    fn bridge(&mut self, now: Time) {
        self.bridged_until.get_or_insert(self.reserved_until + BRIDGE);
        self.question = Question::Due { at: now + ASK_AGAIN_UNAVAILABLE };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: Duration = Duration::from_secs(3);

    fn s(seconds: u64) -> Time {
        Duration::from_secs(seconds)
    }

    fn granted(total: i64) -> Reserve {
        Reserve::Granted { total: Seconds(total) }
    }

    #[test]
    fn it_asks_once_when_twenty_seconds_remain() {
        let mut meter = Meter::start(s(100), Seconds(60));
        assert_eq!(meter.wake_at(), s(140));
        assert!(!meter.tick(s(139)));
        assert!(meter.tick(s(140)));
        assert!(!meter.tick(s(141)), "one question at a time");
        assert!(!meter.answer(s(142), NEEDED, granted(120)));
        assert_eq!((meter.ends_at(), meter.wake_at()), (s(220), s(200)));
    }

    #[test]
    fn a_short_reservation_asks_at_once_and_a_small_grant_asks_again_in_a_second() {
        let mut meter = Meter::start(s(0), Seconds(7));
        assert!(meter.tick(s(0)));
        meter.answer(s(0), NEEDED, granted(9));
        assert_eq!((meter.ends_at(), meter.wake_at()), (s(9), s(1)));
    }

    #[test]
    fn denied_it_asks_every_second_and_nothing_is_bridged() {
        let mut meter = Meter::start(s(0), Seconds(60));
        for at in 40..50 {
            assert!(meter.tick(s(at)));
            assert!(!meter.answer(s(at), NEEDED, Reserve::Denied));
            assert_eq!((meter.ends_at(), meter.wake_at()), (s(60), s(at + 1)));
        }
    }

    #[test]
    fn an_outage_is_bridged_for_a_minute_and_no_longer() {
        let mut meter = Meter::start(s(0), Seconds(60));
        for at in (40..100).step_by(2) {
            assert!(meter.tick(s(at)));
            assert!(!meter.answer(s(at), NEEDED, Reserve::Unavailable));
            assert_eq!((meter.ends_at(), meter.wake_at()), (s(120), s(at + 2)));
        }
    }

    #[test]
    fn no_answer_within_six_seconds_is_an_outage() {
        let mut meter = Meter::start(s(0), Seconds(60));
        assert!(meter.tick(s(40)));
        assert_eq!(meter.wake_at(), s(46));
        assert!(!meter.tick(s(46)));
        assert_eq!((meter.ends_at(), meter.wake_at()), (s(120), s(48)));
    }

    #[test]
    fn after_a_bridge_a_grant_is_firm_ground_and_a_refusal_ends_the_call() {
        let bridged = || {
            let mut meter = Meter::start(s(0), Seconds(60));
            meter.answer(s(45), NEEDED, Reserve::Unavailable);
            meter
        };
        let mut meter = bridged();
        assert!(!meter.answer(s(80), NEEDED, granted(120)));
        assert_eq!(meter.ends_at(), s(120));
        assert!(!meter.answer(s(101), NEEDED, Reserve::Denied), "what was granted is used first");

        let mut meter = bridged();
        assert!(meter.answer(s(80), NEEDED, Reserve::Denied));
        assert_eq!(meter.ends_at(), s(120), "the closing words are bridged too");

        let mut meter = bridged();
        assert!(!meter.answer(s(50), NEEDED, Reserve::Denied), "ten paid seconds are left");
        assert_eq!(meter.ends_at(), s(60));

        let mut meter = bridged();
        assert!(!meter.answer(s(80), NEEDED, granted(81)));
        assert_eq!(meter.ends_at(), s(120), "a second is not enough to end decently");
        assert!(meter.answer(s(81), NEEDED, Reserve::Denied));
    }

    #[test]
    fn talk_never_exceeds_what_may_be_used() {
        let meter = Meter::start(s(10), Seconds(5));
        assert_eq!(meter.talk(s(12)), s(2));
        assert_eq!(meter.talk(s(16)), s(5));
    }
}
