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

/// A moment, to the second.
pub fn when(ms: i64) -> Markup {
    let at = timestamp(ms);
    html! {
        time datetime=(at) data-when { (at.strftime("%-d %b %Y, %H:%M:%S UTC")) }
    }
}

/// A moment of these days, of which the time of day says enough.
pub fn time(ms: i64) -> Markup {
    let at = timestamp(ms);
    html! {
        time datetime=(at) title=(at.strftime("%-d %b %Y, %H:%M:%S UTC")) data-when="time" {
            (at.strftime("%H:%M:%S UTC"))
        }
    }
}

/// How long something that goes on has lasted; the page's script counts.
pub fn since(ms: i64) -> Markup {
    html! { span.unbroken data-since=(ms) {} }
}

/// A moment, or a word for never.
pub fn when_or(ms: Option<i64>, never: &str) -> Markup {
    match ms {
        Some(ms) => when(ms),
        None => html! { span.muted { (never) } },
    }
}

/// A dash for what is not there; `why` is said to those who ask or listen, such as `not sent by the provider`.
pub fn none(why: &str) -> Markup {
    html! {
        span.muted title=(why) { span aria-hidden="true" { "–" } span.visually-hidden { (why) } }
    }
}

/// The day of a moment in UTC, such as `23 Nov`.
pub fn day(ms: i64) -> String {
    timestamp(ms).strftime("%-d %b").to_string()
}

/// Points as the API tells them, rounded to four decimals: `1,250`, `2.5`, `0.0667`.
pub fn points(seconds: Seconds) -> String {
    let all = all_points(seconds);
    all.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The same with all four decimals, for a column of them: `1,250.0000`.
pub fn all_points(seconds: Seconds) -> String {
    let parts = (i128::from(seconds.0).abs() * 10_000 + 30) / 60;
    let sign = if seconds.0 < 0 { "−" } else { "" };
    let whole = thousands((parts / 10_000).unsigned_abs());
    format!("{sign}{whole}.{:04}", parts % 10_000)
}

/// The same with its unit: `1 point`, `2.5 points`.
pub fn points_in_words(seconds: Seconds) -> String {
    let unit = if seconds.0 == crate::points::SECONDS_PER_POINT { "point" } else { "points" };
    format!("{} {unit}", points(seconds))
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

/// A length of time, to the second: `42 s`, `3 min 05 s`, `2 h 10 min 00 s`.
pub fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min {rest:02} s"),
        _ => format!("{hours} h {minutes:02} min {rest:02} s"),
    }
}

/// A length of time as lists have it, to the second: `0:42`, `3:05`, `2:10:00`.
pub fn timer(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

/// A short time, rounded to what is shown: `640 ms`, `1.2 s`, `2 min 30 s`.
pub fn short(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    match (ms, tenths) {
        (0..1_000, _) => format!("{ms} ms"),
        (_, 0..600) if tenths.is_multiple_of(10) => format!("{} s", tenths / 10),
        (_, 0..600) => format!("{}.{} s", tenths / 10, tenths % 10),
        _ => length(i64::try_from(ms.saturating_add(500) / 1_000).unwrap_or(i64::MAX)),
    }
}

/// Why a call ended.
pub fn reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::EndCall => "Caller ended",
        EndReason::AgentHangup => "Agent hung up",
        EndReason::BalanceExhausted => "No points left",
        EndReason::MaxTurns => "Max turns",
        EndReason::MaxDuration => "Max duration",
        EndReason::Silence => "Silence timeout",
        EndReason::Operator => "Ended by operator",
        EndReason::KeyRevoked => "Key revoked",
        EndReason::Draining => "Server stopped",
        EndReason::Error => "Error",
        EndReason::Hangup => "Caller hung up",
        EndReason::NodeLost => "Node lost",
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
    fn points_are_those_of_the_api_to_four_decimals() {
        for (seconds, short, all) in [
            (0, "0", "0.0000"),
            (60, "1", "1.0000"),
            (150, "2.5", "2.5000"),
            (4, "0.0667", "0.0667"),
            (-4, "−0.0667", "−0.0667"),
            (1, "0.0167", "0.0167"),
            (75_000, "1,250", "1,250.0000"),
            (-90, "−1.5", "−1.5000"),
            (6_000, "100", "100.0000"),
            (i64::MAX, "153,722,867,280,912,930.1167", "153,722,867,280,912,930.1167"),
        ] {
            assert_eq!(
                (points(Seconds(seconds)).as_str(), &*all_points(Seconds(seconds))),
                (short, all)
            );
            if seconds < 1_000_000 {
                let api = format!("{:.4}", Seconds(seconds).points()).replace('-', "−");
                assert_eq!(all.replace(',', ""), api);
            }
        }
        assert_eq!(points_in_words(Seconds(60)), "1 point");
        assert_eq!(points_in_words(Seconds(90)), "1.5 points");
    }

    #[test]
    fn lengths_and_counts_read_well() {
        assert_eq!(
            [0, 59, 60, 3_599, 7_830].map(length),
            ["0 s", "59 s", "1 min 00 s", "59 min 59 s", "2 h 10 min 30 s"]
        );
        assert_eq!([0, 59, 185, 7_805].map(timer), ["0:00", "0:59", "3:05", "2:10:05"]);
        assert_eq!(count(1, "call"), "1 call");
        assert_eq!(count(1_200, "call"), "1,200 calls");
        assert_eq!(into_call(64_250), "1:04.2");
        assert_eq!([0, 270, 3_900].map(clock), ["0:00", "4:30", "1 h 05"]);
        assert_eq!(
            [0, 640, 1_000, 1_290, 59_940, 59_999, 150_000].map(short),
            ["0 ms", "640 ms", "1 s", "1.3 s", "59.9 s", "1 min 00 s", "2 min 30 s"]
        );
    }

    #[test]
    fn a_moment_is_readable_by_people_and_by_programs() {
        assert_eq!(
            when(1_795_449_600_120).into_string(),
            "<time datetime=\"2026-11-23T16:00:00.12Z\" data-when>23 Nov 2026, 16:00:00 UTC</time>"
        );
        assert_eq!(day(1_795_449_600_120), "23 Nov");
    }
}
