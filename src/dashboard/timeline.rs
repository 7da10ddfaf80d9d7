//! Who spoke when in a call, as an SVG the server draws, and its turns as a table.
//!
//! The drawing is for the eye; a screen reader gets the sentence that sums it up, and the table. What
//! a turn is, and how long the agent took, is worked out in [`super::turns`].

use maud::{Markup, html};

use super::{
    part::{self, Row},
    plot::margin,
    turns::{self, Span, Turn},
    words,
};
use crate::call::event::{Role, Stretch};

// As narrow as the plots, so that its letters can still be read on a phone.
const WIDTH: f64 = 360.0;
const RIGHT: f64 = 8.0;
const LANE: f64 = 9.0;
const LINE: f64 = 30.0;
const BOTTOM: f64 = 20.0;
/// A long call goes on in the next line, as text does; there are at most so many.
const LINES: u64 = 12;
/// Seconds that a line may stand for; the last holds the longest call in [`LINES`].
const SECONDS: [u64; 10] = [10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200];

/// The drawing and the table; a call without stretches has neither.
pub fn timeline(stretches: &[Stretch]) -> Markup {
    let turns = turns::turns(stretches);
    let summary = summary(&turns);
    html! {
        @if !turns.is_empty() {
            figure.heard {
                (drawing(&summary, stretches, &turns))
                figcaption.small.muted {
                    span.swatch.caller { "Caller" }
                    span.swatch.agent { "Agent" }
                    span.swatch.wait { "Response time" }
                }
            }
            p.small { (summary) }
            details #turns {
                summary { "Show as table" }
                (table(&turns))
                p.hint { "Measured at this server, without the delay of the telephone network." }
            }
        }
    }
}

fn summary(turns: &[Turn]) -> String {
    let count = words::count(i64::try_from(turns.len()).unwrap_or(i64::MAX), "turn");
    match turns::waits(turns) {
        Some((middle, longest)) => format!(
            "{count}. Response time: median {}, max {}.",
            words::short(middle),
            words::short(longest)
        ),
        None => format!("{count}, no response time measured."),
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
    let starts: Vec<String> = (0..lines).map(|line| words::clock(line * seconds)).collect();
    let plane = Plane { left: margin(&starts), per_line, lines };
    html! {
        svg.timeline viewBox={ "0 0 " (WIDTH) " " (px(bottom + BOTTOM)) } role="img"
            aria-label={ "Who spoke when. " (summary) } {
            @for quarter in 0..=4 {
                @let at = plane.left + plane.width() * number(quarter) / 4.0;
                line.grid x1=(px(at)) x2=(px(at)) y1="0" y2=(px(bottom)) {}
                @if quarter % 2 == 0 {
                    text x=(px(at)) y=(px(bottom + 14.0)) text-anchor=(if quarter == 4 { "end" } else { "middle" }) {
                        "+" (into_line(seconds * quarter / 4, seconds))
                    }
                }
            }
            @for (line, start) in (0..).zip(&starts) {
                text x=(px(plane.left - 6.0)) y=(px(top(line) + 17.0)) text-anchor="end" { (start) }
            }
            @for span in waits {
                (plane.bars("wait", span, LANE + 1.0 + LANE / 2.0 - 1.0, 2.0))
            }
            @for stretch in stretches {
                @let span = Span { begin: stretch.begin_ms, end: stretch.end_ms };
                @match stretch.role {
                    Role::User => (plane.bars("caller", span, 0.0, LANE)),
                    Role::Assistant => (plane.bars("agent", span, LANE + 1.0, LANE)),
                }
            }
        }
    }
}

/// Where the bars are drawn.
struct Plane {
    left: f64,
    /// Milliseconds.
    per_line: u64,
    lines: u64,
}

impl Plane {
    fn width(&self) -> f64 {
        WIDTH - self.left - RIGHT
    }

    fn across(&self, ms: u64) -> f64 {
        self.left + self.width() * number(ms) / number(self.per_line)
    }

    /// A span as a bar in each line that it is in.
    fn bars(&self, class: &str, span: Span, down: f64, height: f64) -> Markup {
        let per_line = self.per_line;
        let first = span.begin / per_line;
        // The end itself is not in the span, but one that began is.
        let last =
            ((span.end.max(span.begin.saturating_add(1)) - 1) / per_line).min(self.lines - 1);
        html! {
            @for line in first..=last {
                @let begin = span.begin.max(line * per_line) - line * per_line;
                @let end = span.end.min((line + 1) * per_line) - line * per_line;
                rect class=(class) x=(px(self.across(begin))) y=(px(top(line) + 5.0 + down)) height=(px(height))
                    width=(px((self.across(end) - self.across(begin)).max(1.0))) {}
            }
        }
    }
}

/// Seconds into a line of so many, in few letters: two such labels stand side by side on a phone.
fn into_line(at: u64, of: u64) -> String {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    if of < 60 { words::length(at) } else { words::timer(at) }
}

fn top(line: u64) -> f64 {
    number(line) * LINE
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
        None => html! { (words::none("no speech")) },
    };
    let caller = |turn: &Turn| {
        html! {
            @if turn.caller.is_some() || turn.over.is_none() { (spoke(turn.caller)) }
            @if let Some(Span { begin, end }) = turn.over {
                div.small.muted {
                    (words::into_call(begin)) " to " (words::into_call(end)) ", while the agent spoke"
                }
            }
        }
    };
    let rows: Vec<Row> = turns
        .iter()
        .enumerate()
        .map(|(i, turn)| Row {
            id: format!("turn-{}", i + 1),
            cells: vec![
                html! { (i + 1) },
                caller(turn),
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
    part::table("Turns", &["Turn", "Caller spoke", "Response time", "Agent spoke"], &rows)
}

fn wait(turn: &Turn) -> Markup {
    html! {
        @match turn.wait() {
            Some(ms) if ms < 0 => { "−" (words::short(ms.unsigned_abs())) ", before the caller had finished" }
            Some(ms) => (words::short(ms.unsigned_abs())),
            None => (words::none("not measured")),
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
        assert!(html.contains("3 turns. Response time: median 640 ms, max 640 ms."), "{html}");
        assert_eq!(html.matches("<rect class=\"caller\"").count(), 2);
        assert_eq!(html.matches("<rect class=\"agent\"").count(), 2);
        assert_eq!(html.matches("<rect class=\"wait\"").count(), 1);
        assert!(html.contains("Interrupted; silent after 120 ms"));
        assert!(html.contains("0:03.0 to 0:04.0"));
        assert!(!html.contains("style="));
    }

    #[test]
    fn words_that_the_agent_spoke_past_are_in_the_table_as_they_are_in_the_drawing() {
        let spoken = [stretch(Role::Assistant, 0, 9_000), stretch(Role::User, 3_000, 6_000)];
        let html = timeline(&spoken).into_string();
        assert_eq!(html.matches("<rect class=\"caller\"").count(), 1);
        assert!(html.contains("0:03.0 to 0:06.0, while the agent spoke"), "{html}");
        assert!(!html.contains("no speech"), "{html}");
    }

    #[test]
    fn the_margin_holds_the_longest_label() {
        let hour = [stretch(Role::User, 0, 5_000_000)];
        let html = timeline(&hour).into_string();
        assert!(html.contains("1 h 10") && html.contains(">+10:00<"), "{html}");
        assert!(margin(&["1 h 10".to_owned()]) > margin(&["0:00".to_owned()]));
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
