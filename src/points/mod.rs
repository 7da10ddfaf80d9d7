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

    /// Points as a person writes them, a decimal number such as `2.5` or `1e2`, if they are a whole
    /// number of seconds, more than none, in range. The text is what counts, not its nearest double.
    ///
    /// A number that [`Seconds::points`] has shown, such as `1.0166666666666666` for 61 seconds, is
    /// taken back as what it was.
    pub fn from_points(text: &str) -> Option<Self> {
        Self::from_signed_points(text).filter(|seconds| seconds.0 > 0)
    }

    /// The same of either sign, such as `-2.5`, for a correction; none is not one.
    pub fn from_signed_points(text: &str) -> Option<Self> {
        let seconds = exact_seconds(text).or_else(|| shown_seconds(text));
        seconds.filter(|seconds| *seconds != 0).map(Self)
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

/// The seconds of a decimal number of points, if they are whole.
fn exact_seconds(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = digits.len() - significant.len();
    let shift = i64::from(exponent.parse::<i32>().ok()?)
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(dropped).ok()?)?;
    let seconds = significant.parse::<i128>().ok()?.checked_mul(SECONDS_PER_POINT.into())?;
    let scale = 10i128.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    let seconds = if shift >= 0 {
        seconds.checked_mul(scale)?
    } else {
        (seconds % scale == 0).then_some(seconds / scale)?
    };
    i64::try_from(seconds).ok()
}

/// The seconds that are shown as exactly this number.
fn shown_seconds(text: &str) -> Option<i64> {
    let points: f64 = text.parse().ok()?;
    let seconds = (points * 60.0).round();
    // 2^50: far beyond it a double of points no longer tells neighbouring seconds apart.
    if seconds.abs() > 1_125_899_906_842_624.0 || !seconds.is_finite() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^50 either way")]
    let seconds = seconds as i64;
    #[expect(clippy::float_cmp, reason = "the very double that was shown")]
    let same = Seconds(seconds).points() == points;
    same.then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_second_counts_whole() {
        assert_eq!(Seconds::started(Duration::ZERO), Seconds(0));
        assert_eq!(Seconds::started(Duration::from_millis(1)), Seconds(1));
        assert_eq!(Seconds::started(Duration::from_millis(60_000)), Seconds(60));
        assert_eq!(Seconds::started(Duration::from_millis(60_001)), Seconds(61));
    }

    #[test]
    fn points_are_a_whole_positive_number_of_seconds_or_nothing() {
        for (text, seconds) in [
            ("1", 60),
            ("1.0", 60),
            ("1.000000000000000000000000000000000000000000000", 60),
            ("0.05", 3),
            ("2.5", 150),
            ("1e2", 6000),
            ("1.5E+1", 900),
            ("500e-2", 300),
            ("153722867280912930", 9_223_372_036_854_775_800),
        ] {
            assert_eq!(Seconds::from_points(text), Some(Seconds(seconds)), "{text}");
        }
        for wrong in [
            "0",
            "0.0",
            "0e9",
            "-0",
            "-1",
            "0.001",
            "1.001",
            "0.01",
            "1.0000000001",
            "1e300",
            "153722867280912931",
            "1e17e1",
            "153722867280912930.5",
            "1e-400",
            "1e400",
            "1e99999999999",
            "",
            ".",
            "e",
            "abc",
            "NaN",
            "inf",
            "infinity",
            "\"1\"",
            "null",
            "1 ",
            "٣",
        ] {
            assert_eq!(Seconds::from_points(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_correction_has_either_sign_and_is_not_none() {
        for (text, seconds) in [("-1", -60), ("-0.05", -3), ("-1e2", -6_000), ("2.5", 150)] {
            assert_eq!(Seconds::from_signed_points(text), Some(Seconds(seconds)), "{text}");
        }
        for seconds in [-1, -61, -3_599, i64::from(i32::MIN)] {
            let shown = Seconds(seconds).points().to_string();
            assert_eq!(Seconds::from_signed_points(&shown), Some(Seconds(seconds)), "{shown}");
        }
        for wrong in
            ["0", "-0", "-0.0", "-0.001", "-1.001", "-153722867280912931", "-", "--1", "-inf"]
        {
            assert_eq!(Seconds::from_signed_points(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_shown_is_taken_back() {
        for seconds in [1, 7, 59, 61, 3599, 86_399, 123_456_789, 1_125_899_906_842_623] {
            let shown = Seconds(seconds).points().to_string();
            assert_eq!(Seconds::from_points(&shown), Some(Seconds(seconds)), "{shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn noise_never_panics(noise in "[-+0-9.eE]{0,60}") {
            let _ = Seconds::from_points(&noise);
        }

        #[test]
        fn exact_decimals_are_exact(hundredths in 1i64..1_000_000_000_000) {
            let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            let whole = (hundredths * 60 % 100 == 0).then_some(Seconds(hundredths * 60 / 100));
            proptest::prop_assert_eq!(Seconds::from_points(&text), whole);
        }
    }
}
