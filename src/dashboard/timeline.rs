//! Who spoke when in a call, as an SVG the server draws, and its turns as a table.
//!
//! The drawing is for the eye; a screen reader gets the sentence that sums it up, and the table. What
//! a turn is, and how long the agent took, is worked out in [`super::turns`].

use maud::{Markup, html};

use super::{
    part::{self, Row},
    turns::{self, Span, Turn},
    words,
};
use crate::call::event::{Role, Stretch};

// As narrow as the plots, so that its letters can still be read on a phone.
const WIDTH: f64 = 360.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 8.0;
const LANE: f64 = 9.0;
const LINE: f64 = 30.0;
const BOTTOM: f64 = 20.0;
/// A long call goes on in the next line, as text does; there are at most so many.
const LINES: u64 = 12;
/// Seconds that a line may stand for; the last holds the longest call in [`LINES`].
const SECONDS: [u64; 10] = [10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200];

/// The drawing and the table; nothing is to be told of a call without stretches.
pub fn timeline(stretches: &[Stretch]) -> Markup {
    let turns = turns::turns(stretches);
    let summary = summary(&turns);
    html! {
        @if !turns.is_empty() {
            figure.heard {
                (drawing(&summary, stretches, &turns))
                figcaption.small.muted {
                    span.swatch.caller { "The caller" }
                    span.swatch.agent { "The agent" }
                    span.swatch.wait { "Waiting for the agent" }
                }
            }
            p.small { (summary) }
            details #turns {
                summary { "The same as a table" }
                (table(&turns))
                p.hint { "As this server heard and sent it. What the telephone network adds is not in it." }
            }
        }
    }
}

fn summary(turns: &[Turn]) -> String {
    let count = words::count(i64::try_from(turns.len()).unwrap_or(i64::MAX), "turn");
    match turns::waits(turns) {
        Some((middle, longest)) => format!(
            "{count}. The agent answered after {} at the median and {} at most.",
            words::short(middle),
            words::short(longest)
        ),
        None => format!("{count}, and nobody waited for an answer."),
    }
}

fn drawing(summary: &str, stretches: &[Stretch], turns: &[Turn]) -> Markup {
    let total = stretches.iter().map(|s| s.end_ms.max(s.begin_ms)).max().unwrap_or(0);
    let most = SECONDS[SECONDS.len() - 1];
    let seconds = SECONDS.into_iter().find(|s| total <= s * 1_000 * LINES).unwrap_or(most);
    let per_line = seconds * 1_000;
    // What is beyond the longest call cannot be; it is not drawn.
    let lines = total.div_ceil(per_line).clamp(1, LINES);
    let waits = turns.iter().filter_map(|turn| {
        let (caller, agent) = (turn.caller?, turn.agent?);
        (agent.begin > caller.end).then_some(Span { begin: caller.end, end: agent.begin })
    });
    let bottom = top(lines);
    html! {
        svg.timeline viewBox={ "0 0 " (WIDTH) " " (px(bottom + BOTTOM)) } role="img"
            aria-label={ "Who spoke when. " (summary) } {
            @for quarter in 0..=4 {
                @let at = LEFT + (WIDTH - LEFT - RIGHT) * number(quarter) / 4.0;
                line.grid x1=(px(at)) x2=(px(at)) y1="0" y2=(px(bottom)) {}
                @if quarter % 2 == 0 {
                    text x=(px(at)) y=(px(bottom + 14.0)) text-anchor=(if quarter == 4 { "end" } else { "middle" }) {
                        "+" (words::length(i64::try_from(seconds * quarter / 4).unwrap_or(0)))
                    }
                }
            }
            @for line in 0..lines {
                text x=(LEFT - 6.0) y=(px(top(line) + 17.0)) text-anchor="end" {
                    (words::clock(line * seconds))
                }
            }
            @for span in waits {
                (bars("wait", span, per_line, lines, LANE + 1.0 + LANE / 2.0 - 1.0, 2.0))
            }
            @for stretch in stretches {
                @let span = Span { begin: stretch.begin_ms, end: stretch.end_ms };
                @match stretch.role {
                    Role::User => (bars("caller", span, per_line, lines, 0.0, LANE)),
                    Role::Assistant => (bars("agent", span, per_line, lines, LANE + 1.0, LANE)),
                }
            }
        }
    }
}

/// A span as a bar in each line that it is in.
fn bars(class: &str, span: Span, per_line: u64, lines: u64, down: f64, height: f64) -> Markup {
    let first = span.begin / per_line;
    // The end itself is not in the span, but one that began is.
    let last = ((span.end.max(span.begin.saturating_add(1)) - 1) / per_line).min(lines - 1);
    html! {
        @for line in first..=last {
            @let begin = span.begin.max(line * per_line) - line * per_line;
            @let end = span.end.min((line + 1) * per_line) - line * per_line;
            rect class=(class) x=(px(across(begin, per_line))) y=(px(top(line) + 5.0 + down)) height=(px(height))
                width=(px((across(end, per_line) - across(begin, per_line)).max(1.0))) {}
        }
    }
}

fn top(line: u64) -> f64 {
    number(line) * LINE
}

fn across(ms: u64, per_line: u64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * number(ms) / number(per_line)
}

#[expect(clippy::cast_precision_loss, reason = "for pixels")]
fn number(n: u64) -> f64 {
    n as f64
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

fn table(turns: &[Turn]) -> Markup {
    let spoke = |span: Option<Span>| match span {
        Some(Span { begin, end }) => {
            html! { (words::into_call(begin)) " to " (words::into_call(end)) }
        }
        None => html! { span.muted { "Not at all" } },
    };
    let rows: Vec<Row> = turns
        .iter()
        .enumerate()
        .map(|(i, turn)| Row {
            id: format!("turn-{}", i + 1),
            cells: vec![
                html! { (i + 1) },
                spoke(turn.caller),
                wait(turn),
                html! {
                    (spoke(turn.agent))
                    @if let Some(ms) = turn.silenced_after {
                        div.small.muted { "Interrupted; silent after " (words::short(ms)) }
                    }
                },
            ],
        })
        .collect();
    part::table("Turns", &["Turn", "Caller spoke", "Wait", "Agent spoke"], &rows)
}

fn wait(turn: &Turn) -> Markup {
    html! {
        @match turn.wait() {
            Some(ms) if ms < 0 => { "None: " (words::short(ms.unsigned_abs())) " before the caller had finished" }
            Some(ms) => (words::short(ms.unsigned_abs())),
            None => span.muted { "None" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(role: Role, begin_ms: u64, end_ms: u64) -> Stretch {
        Stretch { role, begin_ms, end_ms }
    }

    #[test]
    fn a_turn_is_drawn_and_told() {
        let html = timeline(&[
            stretch(Role::Assistant, 0, 2_000),
            stretch(Role::User, 3_000, 4_000),
            stretch(Role::Assistant, 4_640, 6_120),
            stretch(Role::User, 6_000, 7_000),
        ])
        .into_string();
        assert!(html.contains("3 turns. The agent answered after 640 ms at the median"), "{html}");
        assert_eq!(html.matches("<rect class=\"caller\"").count(), 2);
        assert_eq!(html.matches("<rect class=\"agent\"").count(), 2);
        assert_eq!(html.matches("<rect class=\"wait\"").count(), 1);
        assert!(html.contains("Interrupted; silent after 120 ms"));
        assert!(html.contains("0:03.0 to 0:04.0"));
        assert!(!html.contains("style="));
    }

    #[test]
    fn a_long_call_goes_on_in_the_next_line() {
        // Five minutes: ten lines of 30 s.
        let html = timeline(&[
            stretch(Role::Assistant, 29_000, 31_000),
            stretch(Role::User, 299_000, 300_000),
        ])
        .into_string();
        assert_eq!(html.matches("<rect class=\"agent\"").count(), 2, "{html}");
        assert!(html.contains(">4:30</text>") && !html.contains(">5:00</text>"), "{html}");
        assert!(html.contains("x=\"341.8\" y=\"15.0\""), "at the end of the first line: {html}");
        assert!(html.contains("x=\"46.0\" y=\"45.0\""), "at the beginning of the second: {html}");
    }

    #[test]
    fn no_stretch_is_nothing_and_no_number_is_too_large() {
        assert_eq!(timeline(&[]).into_string(), "");
        let html =
            timeline(&[stretch(Role::User, 0, u64::MAX), stretch(Role::Assistant, u64::MAX, 0)])
                .into_string();
        assert!(!html.contains("NaN") && !html.contains("inf"));
        assert_eq!(html.matches("<rect class=\"caller\"").count(), 12);
    }
}
