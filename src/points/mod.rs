//! Points, and the seconds behind them: pure arithmetic of what a call costs.
//!
//! 1 point is 60 seconds of call. Everything is counted and stored in whole seconds; a point is
//! only ever shown. This module knows no account and no call; `ledger` moves the seconds.

use std::{fmt, time::Duration};

/// Seconds that one point pays for.
pub const SECONDS_PER_POINT: i64 = 60;
/// Seconds that an admission, or one extension, holds at most.
pub const HOLD: Seconds = Seconds(60);

/// Whole seconds of call: a balance, a hold, a charge. May be negative in a ledger row only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seconds(pub i64);

impl Seconds {
    /// What a call of this length costs: a started second counts whole.
    pub fn started(talk: Duration) -> Self {
        let whole = i64::try_from(talk.as_secs()).unwrap_or(i64::MAX);
        Self(whole.saturating_add(i64::from(talk.subsec_nanos() > 0)))
    }

    /// The points people see, exact to four decimals and more: seconds divided by 60.
    pub fn points(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "for display; money is counted in seconds")]
        let seconds = self.0 as f64;
        seconds / 60.0
    }

    /// Points as entered by a person, if they are a whole, positive number of seconds in range.
    pub fn from_points(points: f64) -> Option<Self> {
        let seconds = points * 60.0;
        // Decimal input such as 0.05 or 1.0166666666666666 is a whole number of seconds only up to
        // the last bits of a double, so the nearest whole second counts if it is within a millionth.
        let whole = seconds.round();
        let exact = (seconds - whole).abs() <= 1e-6 * whole.abs().clamp(1.0, 1e3);
        // 2^53: beyond it a double no longer tells neighbouring seconds apart.
        if !exact || !(1.0..=9_007_199_254_740_992.0).contains(&whole) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        Some(Self(whole as i64))
    }

    /// The same as a length of time; negative seconds are none.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::try_from(self.0).unwrap_or(0))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_second_counts_whole() {
        assert_eq!(Seconds::started(Duration::ZERO), Seconds(0));
        assert_eq!(Seconds::started(Duration::from_millis(1)), Seconds(1));
        assert_eq!(Seconds::started(Duration::from_secs(60)), Seconds(60));
        assert_eq!(Seconds::started(Duration::from_millis(60_001)), Seconds(61));
    }

    #[test]
    fn points_are_a_whole_positive_number_of_seconds_or_nothing() {
        assert_eq!(Seconds::from_points(1.0), Some(Seconds(60)));
        assert_eq!(Seconds::from_points(0.05), Some(Seconds(3)));
        assert_eq!(Seconds::from_points(Seconds(61).points()), Some(Seconds(61)));
        for wrong in [0.0, -1.0, 0.001, 1.001, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(Seconds::from_points(wrong), None, "{wrong}");
        }
        for seconds in [1, 7, 59, 3599, 86_399, 123_456_789] {
            assert_eq!(Seconds::from_points(Seconds(seconds).points()), Some(Seconds(seconds)));
        }
    }
}
