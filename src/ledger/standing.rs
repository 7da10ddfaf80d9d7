//! Whether this node may take others for dead, and what time it is when it does.
//!
//! Leases are judged by the database's clock. It can step: a virtual machine is resumed, a standby with
//! another clock takes over. To a node that looks at it then, every lease is over at once. So each node
//! compares it with its own monotonic clock, which does not step: a difference of some seconds is taken
//! like an outage, and all nodes get one lease to be heard again by the new time. Pure: time comes in.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::lease::{Timings, millis};
use crate::store::{Conn, StoreError, nodes};

/// The part of a lease by which the database's clock may differ from where it is expected: what an
/// answer may take on its way, and a clock that is slewed.
const TOLERATED: u32 = 5;
/// And no less than this, however short a lease is.
const TOLERATED_AT_LEAST: Duration = Duration::from_secs(1);

/// A look at the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// What it showed, in milliseconds since 1970.
    pub(super) database_ms: i64,
    /// When that was.
    pub(super) at: Instant,
}

impl Reading {
    /// Looks now.
    pub(super) fn of(conn: &mut Conn) -> Result<Self, StoreError> {
        Ok(Self { database_ms: nodes::now(conn)?, at: Instant::now() })
    }

    /// What the clock shows at `at` if it goes on as it should.
    fn expected(&self, at: Instant) -> i64 {
        self.database_ms.saturating_add(millis(at.saturating_duration_since(self.at)))
    }
}

/// This node's right to judge others. While the database is away no node can beat, so a node that
/// could not for a while gives all others one lease to be heard again; so it does when the database's
/// clock has stepped.
#[derive(Debug)]
pub(super) struct Standing {
    lease: Duration,
    since: Mutex<Since>,
}

#[derive(Debug, Clone, Copy)]
struct Since {
    /// This node's last beat, and the clock that it was given its lease by.
    beaten: Reading,
    /// Until when the others have to be heard.
    patience: Option<Instant>,
}

impl Standing {
    /// Of a node that has just beaten for the first time. It cannot know whether the clock has stepped
    /// a moment ago, so the others get the time of two beats to be heard.
    pub(super) fn new(timings: Timings, first: Reading) -> Self {
        let patience = Some(first.at + (2 * timings.beat).min(timings.lease));
        let since = Since { beaten: first, patience };
        Self { lease: timings.lease, since: Mutex::new(since) }
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tolerated(&self) -> i64 {
        millis((self.lease / TOLERATED).max(TOLERATED_AT_LEAST))
    }

    /// Takes down a beat. Returns by how many milliseconds the database's clock has stepped since the
    /// one before, if it has.
    pub(super) fn beaten(&self, now: Reading) -> Option<i64> {
        let mut since = self.since();
        let before = since.beaten;
        let step = now.database_ms.saturating_sub(before.expected(now.at));
        let has_stepped = step.saturating_abs() > self.tolerated();
        let was_away = now.at.saturating_duration_since(before.at) > self.lease / 2;
        since.beaten = now;
        if was_away || has_stepped {
            since.patience = Some(now.at + self.lease);
        }
        has_stepped.then_some(step)
    }

    /// Whether this node is heard itself, and everybody had the time to be.
    pub(super) fn may_judge(&self, now: Instant) -> bool {
        self.since().may_judge(now, self.lease)
    }

    /// Whether a lease that ends at `lease_until` is over; never while this node may not judge.
    pub(super) fn is_over(&self, lease_until: i64, now: Reading) -> bool {
        let over = |(over, latest): (i64, i64)| lease_until < over || lease_until > latest;
        self.bounds(now).is_some_and(over)
    }

    /// Leases that end before the first or after the second are over; `None` while this node may not
    /// judge. A clock that shows later than it can be is believed only as far as it can. No lease can be
    /// given now that ends after the second: it was given before the clock was set back, and was not
    /// renewed since.
    pub(super) fn bounds(&self, now: Reading) -> Option<(i64, i64)> {
        // The right to judge and the clock to judge by are of one moment: a beat that has found a step
        // brings the new time and takes the right away.
        let since = *self.since();
        if !since.may_judge(now.at, self.lease) {
            return None;
        }
        let believed = since.beaten.expected(now.at).saturating_add(self.tolerated());
        let latest = now.database_ms.max(believed).saturating_add(millis(2 * self.lease));
        Some((now.database_ms.min(believed), latest))
    }
}

impl Since {
    fn may_judge(&self, now: Instant, lease: Duration) -> bool {
        now.saturating_duration_since(self.beaten.at) <= lease / 2
            && self.patience.is_none_or(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    /// A million seconds after 1970.
    const EPOCH: i64 = 1_000_000_000;

    /// A node that has beaten for the first time, at second 0.
    struct Node {
        standing: Standing,
        start: Instant,
    }

    impl Node {
        fn new() -> Self {
            let start = Instant::now();
            let first = Reading { database_ms: EPOCH, at: start };
            Self { standing: Standing::new(Timings::default(), first), start }
        }

        fn at(&self, second: u32) -> Instant {
            self.start + second * SECOND
        }

        /// The database's clock at this second, ahead by so many.
        fn reading(&self, second: u32, ahead: i64) -> Reading {
            let database_ms = EPOCH + 1_000 * (i64::from(second) + ahead);
            Reading { database_ms, at: self.at(second) }
        }

        fn beaten(&self, second: u32, ahead: i64) -> Option<i64> {
            self.standing.beaten(self.reading(second, ahead))
        }

        fn may_judge(&self, second: u32) -> bool {
            self.standing.may_judge(self.at(second))
        }

        /// Whether a lease of 15 s that was given at this second is over at that one.
        fn is_over(&self, given: u32, second: u32, ahead: i64) -> bool {
            let until = self.reading(given, 0).database_ms + 15_000;
            self.standing.is_over(until, self.reading(second, ahead))
        }
    }

    #[test]
    fn after_an_outage_the_others_get_one_lease_to_be_heard_again() {
        let node = Node::new();
        assert!(!node.may_judge(3), "two beats after its start the others have been heard");
        assert!(node.may_judge(4));
        node.beaten(2, 0);
        assert!(!node.may_judge(10), "unheard itself");
        node.beaten(12, 0);
        assert!(!node.may_judge(13));
        node.beaten(14, 0);
        node.beaten(20, 0);
        node.beaten(26, 0);
        assert!(!node.may_judge(26), "less than a lease has passed");
        assert!(node.may_judge(27));
    }

    #[test]
    fn a_step_of_the_databases_clock_is_an_outage() {
        for ahead in [20, -20, 3_600, -86_400] {
            let node = Node::new();
            assert_eq!(node.beaten(2, 0), None);
            assert_eq!(node.beaten(4, 0), None);
            assert!(node.may_judge(5));
            assert_eq!(node.beaten(6, ahead), Some(1_000 * ahead));
            assert!(!node.may_judge(6));
            for second in [8, 10, 12, 14, 16, 18, 20] {
                assert_eq!(node.beaten(second, ahead), None, "one step is one step");
            }
            assert!(!node.may_judge(20), "the others may be heard by the new time");
            assert!(node.may_judge(21));
        }
    }

    #[test]
    fn a_clock_that_is_slewed_or_an_answer_that_is_late_is_no_step() {
        let node = Node::new();
        for (second, ahead) in [(2, 1), (4, -1), (6, 2), (8, 0)] {
            assert_eq!(node.beaten(second, ahead), None);
        }
        assert!(node.may_judge(9));
    }

    #[test]
    fn a_lease_is_not_over_because_the_clock_has_stepped() {
        let node = Node::new();
        node.beaten(2, 0);
        node.beaten(4, 0);
        for ahead in [0, 20, -3_600] {
            assert!(!node.is_over(2, 5, ahead), "given 3 s ago");
        }
        for second in [8, 12, 16] {
            node.beaten(second, 0);
        }
        assert!(!node.is_over(2, 17, 0) && node.is_over(2, 18, 0), "given 15 s ago, and 16");
        assert!(!node.is_over(16, 18, 20), "this node has not beaten by the new time");
        node.beaten(18, 20);
        assert!(!node.is_over(16, 18, 20), "it has, and the others have not");
    }

    #[test]
    fn a_lease_from_before_the_clock_was_set_back_does_not_last_for_ever() {
        let node = Node::new();
        node.beaten(2, 0);
        for second in [4, 8, 12, 16, 18] {
            node.beaten(second, -3_600);
        }
        assert!(!node.is_over(2, 18, -3_600), "its node may be heard by the new time");
        assert!(node.is_over(2, 19, -3_600));
    }
}
