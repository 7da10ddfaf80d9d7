//! How much one side of a call may send: so much a second, and so much at once.
//!
//! Pure: the time is passed in. What becomes of a side that spends more is for those who count: a bot
//! waits while it is not read, a caller's call ends, a text is left out of a transcript. Callers and
//! bots are counted by the same measure, so it stands here.

use std::time::Duration;

/// Messages that are taken of one peer, 2,000 a second and two minutes of 20 ms frames at once.
pub const MESSAGES: Budget = Budget::new(2_000, 6_000);
/// Bytes that are read of one peer: 1 MiB a second, and two minutes of our own format at once.
pub const BYTES: Budget = Budget::new(1024 * 1024, 4 * 1024 * 1024);

/// An allowance that refills steadily.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// How long it takes to refill what one unit costs.
    unit: Duration,
    /// How long it takes to refill all of it.
    burst: Duration,
    /// When all of it will be there again.
    full_at: Duration,
}

impl Budget {
    /// `per_second` units a second, and `at_once` units to begin with.
    pub const fn new(per_second: u32, at_once: u32) -> Self {
        let unit = Duration::from_nanos(1_000_000_000 / per_second as u64);
        Self { unit, burst: unit.saturating_mul(at_once), full_at: Duration::ZERO }
    }

    /// Spends; gives how long to wait before anything more is spent.
    pub fn spend(&mut self, now: Duration, units: usize) -> Duration {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let begin = self.full_at.max(now);
        self.full_at = begin.saturating_add(self.unit.saturating_mul(units));
        self.full_at.saturating_sub(now).saturating_sub(self.burst)
    }

    /// Spends if there is enough; says whether there was.
    pub fn try_spend(&mut self, now: Duration, units: usize) -> bool {
        let before = *self;
        let is_enough = self.spend(now, units).is_zero();
        if !is_enough {
            *self = before;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_free_and_then_the_rate_counts() {
        let mut budget = Budget::new(1000, 4000);
        assert_eq!(budget.spend(SECOND, 4000), Duration::ZERO);
        assert_eq!(budget.spend(SECOND, 500), SECOND / 2);
        assert_eq!(budget.spend(SECOND + SECOND / 2, 1), Duration::from_millis(1));
    }

    #[test]
    fn what_was_spent_comes_back_and_no_more_than_that() {
        let mut budget = Budget::new(1000, 4000);
        assert_eq!(budget.spend(SECOND, 4000), Duration::ZERO);
        assert_eq!(budget.spend(2 * SECOND, 1000), Duration::ZERO);
        assert_eq!(budget.spend(100 * SECOND, 4000), Duration::ZERO);
        assert_eq!(budget.spend(100 * SECOND, 1000), SECOND);
    }

    #[test]
    fn what_cannot_be_afforded_costs_nothing() {
        let mut budget = Budget::new(1000, 4000);
        assert!(!budget.try_spend(SECOND, 4001));
        assert!(budget.try_spend(SECOND, 4000));
        assert!(!budget.try_spend(SECOND, 1));
        assert!(budget.try_spend(2 * SECOND, 1000));
    }

    #[test]
    fn the_greatest_amounts_do_not_panic() {
        let mut budget = Budget::new(1, 1);
        assert!(budget.spend(SECOND, usize::MAX) > SECOND);
        assert!(budget.spend(Duration::MAX, usize::MAX) < Duration::MAX);
    }
}
