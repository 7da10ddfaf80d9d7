//! A plot of days, as an SVG the server draws, and the same as a table.
//!
//! A screen reader gets the sentence that sums it up and the table; the drawing is for the eye. It
//! plots whatever numbers it is given and knows nothing of calls.

use maud::{Markup, html};

/// One day.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// Such as `23 Nov`.
    pub label: String,
    /// What is drawn; not negative.
    pub value: i64,
    /// The value in words, such as `12 min 05 s`.
    pub words: String,
}

/// What the grid lines count in: how much one is, and what is written after the number.
pub type Unit = (i64, &'static str);

/// Plain numbers.
pub const NUMBERS: [Unit; 1] = [(1, "")];
/// Lengths of time, of values in seconds.
pub const TIMES: [Unit; 3] = [(1, " s"), (60, " min"), (3_600, " h")];

// Narrow, so that its letters can still be read on a phone.
const WIDTH: f64 = 360.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const HEIGHT: f64 = 120.0;
const BOTTOM: f64 = 26.0;

/// The drawing. Its scale follows the largest value, in the largest of the rising `units` that this
/// value fills twice: two seconds are as high a bar as two hours would be.
pub fn bars(summary: &str, days: &[Day], units: &[Unit]) -> Markup {
    let largest = days.iter().map(|day| day.value).max().unwrap_or(0);
    let filled = units.iter().rev().find(|(unit, _)| largest / unit >= 2);
    let (unit, name) = *filled.or(units.first()).unwrap_or(&NUMBERS[0]);
    let top = ceiling(largest / unit + i64::from(largest % unit > 0));
    let lines = [0, top / 2, top].map(|line| (line, format!("{line}{name}")));
    let left = margin(&lines.each_ref().map(|(_, label)| label.clone()));
    let slot = (WIDTH - left - RIGHT) / len(days).max(1.0);
    let bar = slot * 0.62;
    let every = (days.len() / 3).max(1);
    let y = |value: i64| TOP + HEIGHT * (1.0 - ratio(value, top));
    let full = top.saturating_mul(unit);
    let total = TOP + HEIGHT + BOTTOM;
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (total) } role="img" aria-label=(summary) {
            @for (line, label) in &lines {
                line.grid x1=(px(left)) x2=(WIDTH - RIGHT) y1=(px(y(*line))) y2=(px(y(*line))) {}
                text x=(px(left - 6.0)) y=(px(y(*line) + 4.0)) text-anchor="end" { (label) }
            }
            @for (i, day) in days.iter().enumerate() {
                @let x = left + slot * number(i) + (slot - bar) / 2.0;
                @let height = (HEIGHT * ratio(day.value, full)).max(2.0);
                rect.bar.none[day.value == 0] x=(px(x)) width=(px(bar)) rx="2.5"
                    y=(px(TOP + HEIGHT - height)) height=(px(height)) {
                    title { (day.label) ": " (day.words) }
                }
                @if (days.len() - 1 - i).is_multiple_of(every) {
                    @if i + 1 == days.len() {
                        text.now x=(WIDTH - 2.0) y=(total - 8.0) text-anchor="end" { (day.label) }
                    } @else {
                        text x=(px(x + bar / 2.0)) y=(total - 8.0) text-anchor="middle" { (day.label) }
                    }
                }
            }
        }
    }
}

/// How much room these labels need at the left, with what is between them and the drawing. A phone's
/// letters are 15 of the drawing's units high, and no digit or letter of ours is wider than 9.5.
pub(super) fn margin(labels: &[String]) -> f64 {
    let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    (number(longest) * 9.5 + 8.0).min(WIDTH / 2.0)
}

/// A round number not below the largest value, even, so that half of it is whole.
fn ceiling(largest: i64) -> i64 {
    let mut step = 2;
    loop {
        for factor in [1, 2, 5] {
            let top = i64::saturating_mul(step, factor);
            if top >= largest || top == i64::MAX {
                return top;
            }
        }
        step = step.saturating_mul(10);
    }
}

#[expect(clippy::cast_precision_loss, reason = "for pixels")]
fn ratio(value: i64, top: i64) -> f64 {
    value.max(0) as f64 / top.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "for pixels")]
fn number(n: usize) -> f64 {
    n as f64
}

fn len(days: &[Day]) -> f64 {
    number(days.len())
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(value: i64) -> Day {
        Day { label: format!("d{value}"), value, words: format!("{value} calls") }
    }

    #[test]
    fn the_scale_ends_at_a_round_number_that_holds_everything() {
        for (largest, top) in
            [(0, 2), (2, 2), (3, 4), (4, 4), (9, 10), (11, 20), (101, 200), (i64::MAX, i64::MAX)]
        {
            assert_eq!(ceiling(largest), top);
        }
    }

    #[test]
    fn every_day_is_a_bar_as_high_as_its_value() {
        let days = [day(0), day(5), day(10)];
        let plot = bars("three days", &days, &NUMBERS).into_string();
        assert!(plot.contains("role=\"img\" aria-label=\"three days\""));
        assert_eq!(plot.matches("<rect").count(), 3);
        assert!(plot.contains("y=\"12.0\" height=\"120.0\""), "{plot}");
        assert!(plot.contains("height=\"60.0\""), "{plot}");
        assert!(plot.contains("d5: 5 calls"));
        assert!(!plot.contains("style="));
    }

    #[test]
    fn the_scale_is_small_for_small_values() {
        for (seconds, top, height) in [
            (0, "2 s", "2.0"),
            (1, "2 s", "60.0"),
            (2, "2 s", "120.0"),
            (70, "100 s", "84.0"),
            (150, "4 min", "75.0"),
            (7_200, "2 h", "120.0"),
        ] {
            let plot = bars("", &[day(seconds)], &TIMES).into_string();
            assert!(plot.contains(&format!(">{top}</text>")), "{seconds}: {plot}");
            assert!(plot.contains(&format!("height=\"{height}\"")), "{seconds}: {plot}");
        }
    }

    #[test]
    fn labels_have_the_room_they_need() {
        let at = |seconds| {
            let plot = bars("", &[day(seconds)], &TIMES).into_string();
            let (before, _) = plot.split_once("text-anchor=\"end\">0").unwrap();
            let x = before.rsplit_once("<text x=\"").unwrap().1;
            x.split_once('"').unwrap().0.parse::<f64>().unwrap()
        };
        assert!(at(7_100) >= 7.0 * 9.0, "200 min");
        assert!(at(500) < at(7_100));
    }

    #[test]
    fn no_days_and_huge_values_are_drawn_too() {
        let none = bars("", &[], &TIMES).into_string();
        assert!(!none.contains("NaN") && !none.contains("inf"));
        let huge = bars("", &[day(i64::MAX), day(-1)], &TIMES).into_string();
        assert!(!huge.contains("NaN") && !huge.contains("inf"));
    }
}
