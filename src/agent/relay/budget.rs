//! How much a bot may send: so much a second, and so much at once.
//!
//! Pure: the time is passed in. Whoever spends more than there is has to wait, and while it waits it
//! does not read, so that the bot's own connection holds the bot back.

use std::time::Duration;

/// An allowance that refills steadily.
#[derive(Debug)]
pub(super) struct Budget {
    /// How long it takes to refill what one unit costs.
    unit: Duration,
    /// How long it takes to refill all of it.
    burst: Duration,
    /// When all of it will be there again.
    full_at: Duration,
}

impl Budget {
    /// `per_second` units a second, and `at_once` units to begin with.
    pub(super) const fn new(per_second: u32, at_once: u32) -> Self {
        let unit = Duration::from_nanos(1_000_000_000 / per_second as u64);
        Self { unit, burst: unit.saturating_mul(at_once), full_at: Duration::ZERO }
    }

    /// Spends; gives how long to wait before anything more is spent.
    pub(super) fn spend(&mut self, now: Duration, units: usize) -> Duration {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let begin = self.full_at.max(now);
        self.full_at = begin.saturating_add(self.unit.saturating_mul(units));
        self.full_at.saturating_sub(now).saturating_sub(self.burst)
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
    fn the_greatest_amounts_do_not_panic() {
        let mut budget = Budget::new(1, 1);
        assert!(budget.spend(SECOND, usize::MAX) > SECOND);
        assert!(budget.spend(Duration::MAX, usize::MAX) < Duration::MAX);
    }
}
