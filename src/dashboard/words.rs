//! Values as people read them: times, lengths, points, reasons.
//!
//! Times are written in UTC and put into the reader's own zone by the page's script. Nothing here knows
//! where a value came from.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::{call::event::EndReason, points::Seconds};

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A moment, to the minute.
pub fn when(ms: i64) -> Markup {
    let at = timestamp(ms);
    html! {
        time datetime=(at) data-when { (at.strftime("%-d %b %Y, %H:%M UTC")) }
    }
}

/// A moment, or a word for never.
pub fn when_or(ms: Option<i64>, never: &str) -> Markup {
    match ms {
        Some(ms) => when(ms),
        None => html! { span.muted { (never) } },
    }
}

/// The day of a moment in UTC, such as `23 Nov`.
pub fn day(ms: i64) -> String {
    timestamp(ms).strftime("%-d %b").to_string()
}

/// Points, with as many decimals as it takes up to two: `1,250`, `2.5`, `0.02`.
pub fn points(seconds: Seconds) -> String {
    let hundredths = i128::from(seconds.0) * 100 / 60;
    let sign = if hundredths < 0 { "−" } else { "" };
    let (whole, rest) = (hundredths.abs() / 100, hundredths.abs() % 100);
    let whole = thousands(whole.unsigned_abs());
    match rest {
        0 => format!("{sign}{whole}"),
        rest if rest % 10 == 0 => format!("{sign}{whole}.{}", rest / 10),
        rest => format!("{sign}{whole}.{rest:02}"),
    }
}

/// A number with its thousands apart.
pub fn thousands(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many of something: `1 call`, `3 calls`.
pub fn count(number: i64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(u128::from(number.unsigned_abs())))
}

/// A length of time: `42 s`, `3 min 05 s`, `2 h 10 min`.
pub fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A short time: `640 ms`, `1.2 s`, `2 min 30 s`.
pub fn short(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 if !ms.is_multiple_of(1_000) => {
            format!("{}.{} s", ms / 1_000, ms / 100 % 10)
        }
        _ => length(i64::try_from(ms / 1_000).unwrap_or(i64::MAX)),
    }
}

/// How long `left` lasts when `spent` went within `within_ms`; `None` when nothing was spent.
pub fn lasting(left: Seconds, spent: Seconds, within_ms: i64) -> Option<String> {
    if spent.0 <= 0 || within_ms <= 0 {
        return None;
    }
    let ms = i128::from(left.0.max(0)) * i128::from(within_ms) / i128::from(spent.0);
    let hours = ms / 3_600_000;
    Some(match hours {
        0 => "less than an hour".to_owned(),
        1..48 => format!("about {}", count(i64::try_from(hours).unwrap_or(0), "hour")),
        48..17_520 => format!("about {}", count(i64::try_from(hours / 24).unwrap_or(0), "day")),
        _ => "more than two years".to_owned(),
    })
}

/// Why a call ended.
pub fn reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::EndCall => "Ended by the caller",
        EndReason::AgentHangup => "The agent hung up",
        EndReason::BalanceExhausted => "No points left",
        EndReason::MaxTurns => "As many turns as it may have",
        EndReason::MaxDuration => "As long as it may last",
        EndReason::Silence => "Nobody spoke",
        EndReason::Operator => "Ended from here",
        EndReason::KeyRevoked => "Its key was revoked",
        EndReason::Draining => "The server stopped",
        EndReason::Error => "An error",
        EndReason::Hangup => "Hung up",
        EndReason::NodeLost => "The server was lost",
    }
}

/// Seconds into a call: `4:30`, and from an hour on `1 h 05`.
pub fn clock(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{} h {:02}", seconds / 3_600, seconds / 60 % 60),
    }
}

/// Milliseconds into a call: `0:04.2`.
pub fn into_call(ms: u64) -> String {
    format!("{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms / 100 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_no_more_decimals_than_they_need_and_never_show_more_than_there_is() {
        for (seconds, text) in [
            (0, "0"),
            (60, "1"),
            (150, "2.5"),
            (1, "0.01"),
            (59, "0.98"),
            (75_000, "1,250"),
            (-90, "−1.5"),
            (i64::MAX, "153,722,867,280,912,930.11"),
        ] {
            assert_eq!(points(Seconds(seconds)), text);
        }
    }

    #[test]
    fn lengths_and_counts_read_well() {
        assert_eq!(
            [0, 59, 60, 3_599, 7_830].map(length),
            ["0 s", "59 s", "1 min 00 s", "59 min 59 s", "2 h 10 min"]
        );
        assert_eq!(count(1, "call"), "1 call");
        assert_eq!(count(1_200, "call"), "1,200 calls");
        assert_eq!(into_call(64_250), "1:04.2");
        assert_eq!([0, 270, 3_900].map(clock), ["0:00", "4:30", "1 h 05"]);
        assert_eq!(
            [0, 640, 1_000, 1_290, 59_999, 150_000].map(short),
            ["0 ms", "640 ms", "1 s", "1.2 s", "59.9 s", "2 min 30 s"]
        );
    }

    #[test]
    fn how_long_points_last_follows_the_recent_rate() {
        let within = |ms| move |left, spent| lasting(Seconds(left), Seconds(spent), ms);
        let lasting = within(7 * 86_400_000);
        assert_eq!(lasting(6_000, 0), None);
        assert_eq!(lasting(0, 700).as_deref(), Some("less than an hour"));
        assert_eq!(lasting(100, 700).as_deref(), Some("about 24 hours"));
        assert_eq!(lasting(1_000, 700).as_deref(), Some("about 10 days"));
        assert_eq!(lasting(i64::MAX, 1).as_deref(), Some("more than two years"));
        // Half of it went within two minutes: the rest does not last a week.
        assert_eq!(within(120_000)(300, 300).as_deref(), Some("less than an hour"));
    }

    #[test]
    fn a_moment_is_readable_by_people_and_by_programs() {
        assert_eq!(
            when(1_795_449_600_120).into_string(),
            "<time datetime=\"2026-11-23T16:00:00.12Z\" data-when>23 Nov 2026, 16:00 UTC</time>"
        );
        assert_eq!(day(1_795_449_600_120), "23 Nov");
    }
}
