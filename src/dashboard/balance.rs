//! What an account's points are good for: a warning when the next call is cut or refused, and how long
//! the points last where that can be said at all.
//!
//! Pure: points and recent use in, words out. Who may add points is the pages' business.

use maud::{Markup, html};

use super::words;
use crate::{
    points::{HOLD, Seconds},
    store::calls::DayUse,
};

const DAY_MS: i64 = 86_400_000;
/// Days that the recent use is taken from.
pub const RECENT: i64 = 7;
/// Days with calls from which a rate may be told: one busy day is no habit.
const DAYS_THAT_MEAN_SOMETHING: usize = 3;
/// The longest forecast, in days.
const FORESEEABLE: i128 = 365;

/// What an account used lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    calls: i64,
    seconds: i64,
    days: usize,
    within_ms: i64,
}

impl Recent {
    /// From when on, in milliseconds since 1970, use counts as recent at this time.
    pub fn since(now: i64) -> i64 {
        (now / DAY_MS - RECENT + 1) * DAY_MS
    }

    /// Out of days of which some may be older, for an account of this age.
    pub fn of(uses: &[DayUse], created_at: i64, now: i64) -> Self {
        let since = Self::since(now);
        let within_ms = now.saturating_sub(created_at.max(since));
        let recent = uses.iter().filter(|used| used.day >= since / DAY_MS && used.seconds.0 > 0);
        recent.fold(Self { within_ms, ..Self::default() }, |recent, used| Self {
            calls: recent.calls + used.calls,
            seconds: recent.seconds + used.seconds.0,
            days: recent.days + 1,
            ..recent
        })
    }

    /// How long a call lasted on average.
    fn usual_call(&self) -> i64 {
        self.seconds / self.calls.max(1)
    }
}

/// Says that the next call is refused, or cut before calls like the recent ones are over.
pub fn warning(free: Seconds, recent: Recent) -> Markup {
    html! {
        @if free.0 <= 0 {
            p.note.bad { "No points left: new calls are refused." }
        } @else if free.0 < recent.usual_call().max(HOLD.0) {
            p.note.careful {
                "Low balance: the next call ends after " (words::length(free.0)) ", when the points run out."
            }
        }
    }
}

/// How long the points last, such as `About 17 days left at last week's usage.`; `None` where the use so
/// far, or the answer, means nothing.
pub fn forecast(free: Seconds, recent: Recent) -> Option<String> {
    let is_cut = free.0 < recent.usual_call().max(HOLD.0);
    if is_cut || recent.days < DAYS_THAT_MEAN_SOMETHING || recent.within_ms <= 0 {
        return None;
    }
    let ms = i128::from(free.0) * i128::from(recent.within_ms) / i128::from(recent.seconds.max(1));
    let left = match ms / i128::from(DAY_MS) {
        0 => "Less than a day".to_owned(),
        days @ 1..=FORESEEABLE => {
            format!("About {}", words::count(i64::try_from(days).unwrap_or(0), "day"))
        }
        _ => return None,
    };
    Some(format!("{left} left at last week's usage."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 20 * DAY_MS;

    /// So many calls of this length on each of so many days.
    fn recent(days: i64, calls: i64, length: i64) -> Recent {
        let uses: Vec<DayUse> = (0..days)
            .map(|back| DayUse { day: 20 - back, calls, seconds: Seconds(calls * length) })
            .collect();
        Recent::of(&uses, 0, NOW)
    }

    #[test]
    fn what_is_older_than_a_week_or_the_account_does_not_count() {
        let old = [DayUse { day: 13, calls: 9, seconds: Seconds(900) }];
        assert_eq!(Recent::of(&old, 0, NOW), Recent { within_ms: 6 * DAY_MS, ..Recent::default() });
        let young = Recent::of(&[], NOW - 5, NOW);
        assert_eq!(young.within_ms, 5);
    }

    #[test]
    fn a_call_that_will_be_cut_or_refused_is_warned_of() {
        let says = |free, recent| warning(Seconds(free), recent).into_string();
        assert!(says(0, recent(0, 0, 0)).contains("new calls are refused"));
        assert!(says(30, recent(0, 0, 0)).contains("the next call ends after 30 s"));
        assert_eq!(says(60, recent(0, 0, 0)), "");
        // Calls like the recent ones do not fit any more.
        assert!(says(299, recent(1, 2, 300)).contains("ends after 4 min 59 s"));
        assert_eq!(says(300, recent(1, 2, 300)), "");
    }

    #[test]
    fn a_forecast_is_told_where_it_means_something() {
        let says = |free, recent| forecast(Seconds(free), recent);
        // Six days and no hours since the first of the recent ones began; 300 s on each of seven days.
        assert_eq!(
            says(7_000, recent(7, 3, 100)).as_deref(),
            Some("About 20 days left at last week's usage.")
        );
        assert_eq!(
            says(300, recent(7, 3, 100)).as_deref(),
            Some("Less than a day left at last week's usage.")
        );
        assert_eq!(says(30, recent(7, 3, 100)), None, "the warning says it better");
        assert_eq!(says(7_000, recent(2, 3, 100)), None, "two days are no habit");
        assert_eq!(says(7_000, recent(0, 0, 0)), None);
        assert_eq!(says(i64::MAX, recent(7, 3, 100)), None, "that far ahead nothing is known");
    }
}
