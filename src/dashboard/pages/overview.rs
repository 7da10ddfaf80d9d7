//! `/`: live calls, recent use, and how long the points last.
//!
//! As long as nothing was ever called, the page leads through the first steps instead of showing empty
//! plots. What a call looks like in a list is in [`super::calls`].

use actix_web::web::Data;
use maud::{Markup, html};

use super::{Context, agents, calls};
use crate::{
    clock::wall_ms,
    dashboard::{
        answer::{Answer, Trouble, ok},
        balance::{self, Recent},
        layout::{self, Frame, Section},
        part,
        plot::{self, Day},
        seen::Seen,
        words,
    },
    id::AccountId,
    points::Seconds,
    store::{
        Conn, Page, StoreError, agents as agent_rows,
        calls::{self as call_rows, CallFilter, DayUse},
        keys::{self, KeyFilter},
    },
};

const DAY_MS: i64 = 86_400_000;
/// Days that the plots show.
const PLOTTED: i64 = 14;
/// Live calls that are listed here; the list of calls has them all.
const LISTED: i64 = 20;

/// What the page shows.
pub struct View {
    live: Vec<calls::CallRow>,
    /// How many there are, also beyond those listed.
    live_count: i64,
    free: Seconds,
    held: Seconds,
    recent: Recent,
    days: Vec<(i64, DayUse)>,
    steps: Option<Steps>,
    /// Whose a new agent will be; `None` when the reader may not make one.
    new_agent: Option<String>,
}

/// How far a newcomer has come.
struct Steps {
    needs_points: bool,
    may_top_up: bool,
    may_keys: bool,
    agent: Option<String>,
    has_key: bool,
}

/// The overview.
pub async fn show(context: Data<Context>, seen: Seen) -> Answer {
    let Some(account) = seen.account.clone() else { return Ok(ok(no_account(&seen.frame))) };
    let new_agent = seen.new_agent_account();
    let (may_keys, may_top_up) = (seen.may_keys(), seen.may_operate());
    let now = wall_ms();
    let today = now / DAY_MS;
    let view = context
        .store
        .read(move |conn| {
            let filter = CallFilter { live: Some(true), ..CallFilter::of(account.id) };
            let live = calls::rows(conn, filter, Page { after: None, limit: LISTED })?;
            let live_count = call_rows::count_live(conn, account.id, None)?;
            let uses = call_rows::per_day(conn, account.id, (today - PLOTTED + 1) * DAY_MS)?;
            let days = filled(&uses, today);
            let recent = Recent::of(&uses, account.created_at, now);
            let steps = steps(conn, account.id)?.map(|(agent, has_key)| Steps {
                needs_points: account.free().0 <= 0,
                may_top_up,
                may_keys,
                agent,
                has_key,
            });
            let (free, held) = (account.free(), account.held);
            Ok::<_, Trouble>(View { live, live_count, free, held, recent, days, steps, new_agent })
        })
        .await?;
    let content = page(&view);
    Ok(ok(layout::frame(&seen.frame, Section::Overview, "Overview", &["live.js"], &content)))
}

/// The newest agent and whether it has a key, if nothing was ever called.
fn steps(
    conn: &mut Conn,
    account: AccountId,
) -> Result<Option<(Option<String>, bool)>, StoreError> {
    if call_rows::newest(conn, Some(account))?.is_some() {
        return Ok(None);
    }
    let agents = agent_rows::list(conn, Some(account), Page { after: None, limit: 1 })?;
    let Some(agent) = agents.first() else { return Ok(Some((None, false))) };
    let filter = KeyFilter { agent_id: Some(agent.id), ..KeyFilter::default() };
    let keys = keys::list(conn, filter, Page { after: None, limit: 50 })?;
    Ok(Some((Some(agent.id.to_string()), keys.iter().any(|view| view.key.is_active))))
}

/// Every day of the plot, also those without a call.
fn filled(uses: &[DayUse], today: i64) -> Vec<(i64, DayUse)> {
    (today - PLOTTED + 1..=today)
        .map(|day| {
            let used = uses.iter().find(|used| used.day == day).copied();
            (day * DAY_MS, used.unwrap_or(DayUse { day, calls: 0, seconds: Seconds(0) }))
        })
        .collect()
}

fn page(view: &View) -> Markup {
    let new_agent = html! {
        @if view.new_agent.is_some() && view.steps.is_none() {
            button.main type="button" data-opens="new-agent" { "New agent" }
        }
    };
    html! {
        (part::top(None, "Overview", &new_agent))
        @if let Some(steps) = &view.steps { (first_steps(steps, view.new_agent.is_some())) }
        div.pair {
            (points(view))
            (live(view))
        }
        @if view.steps.is_none() { (plots(&view.days)) }
        @if let Some(account) = &view.new_agent { (agents::new_dialog(account)) }
    }
}

fn points(view: &View) -> Markup {
    html! {
        figure.card #points-figure data-live aria-labelledby="points-title" {
            figcaption { h2 #points-title { "Points" } }
            (part::figure(&words::points(view.free)))
            (balance::warning(view.free, view.recent))
            p.muted {
                @if let Some(forecast) = balance::forecast(view.free, view.recent) { (forecast) " " }
                @else { "1 point is 60 seconds of call. " }
                @if view.held.0 > 0 { "Live calls hold " (words::points_in_words(view.held)) "." }
            }
            p { a href="/points" { "Ledger" } }
        }
    }
}

fn live(view: &View) -> Markup {
    html! {
        section.card aria-labelledby="live-title" {
            h2 #live-title { "Live calls" }
            div #live-calls data-live {
                @if view.live.is_empty() {
                    p.empty { "No live calls. New calls appear here as they start." }
                } @else {
                    (calls::live_table(&view.live))
                    @if view.live_count > LISTED {
                        p { a href="/calls?live=true" { "All " (words::count(view.live_count, "live call")) } }
                    }
                }
            }
        }
    }
}

fn plots(days: &[(i64, DayUse)]) -> Markup {
    let counts: Vec<Day> = days
        .iter()
        .map(|(at, used)| Day {
            label: words::day(*at),
            value: used.calls,
            words: words::count(used.calls, "call"),
        })
        .collect();
    let times: Vec<Day> = days
        .iter()
        .map(|(at, used)| Day {
            label: words::day(*at),
            value: used.seconds.0,
            words: words::length(used.seconds.0),
        })
        .collect();
    let (calls, seconds) = days
        .iter()
        .fold((0, 0), |(calls, seconds), (_, used)| (calls + used.calls, seconds + used.seconds.0));
    let calls_summary =
        format!("Calls per day: {} in {PLOTTED} days.", words::count(calls, "call"));
    let times_summary = format!("Talk time per day: {} in {PLOTTED} days.", words::length(seconds));
    let rows: Vec<part::Row> = days
        .iter()
        .rev()
        .map(|(at, used)| part::Row {
            id: format!("day-{}", used.day),
            cells: vec![
                html! { (words::day(*at)) },
                html! { (words::thousands(used.calls.unsigned_abs().into())) },
                html! { (words::length(used.seconds.0)) },
            ],
        })
        .collect();
    html! {
        section.card aria-labelledby="lately-title" {
            div.top {
                h2 #lately-title { "Last " (PLOTTED) " days" }
                p.muted.small { (words::count(calls, "call")) ", " (words::length(seconds)) ", UTC days" }
            }
            div #plots data-live {
                div.pair.halves {
                    figure { figcaption.muted { "Calls per day" } (plot::bars(&calls_summary, &counts, &plot::NUMBERS)) }
                    figure { figcaption.muted { "Talk time per day" } (plot::bars(&times_summary, &times, &plot::TIMES)) }
                }
            }
            details {
                summary { "Show as table" }
                (part::table("Calls and talk time per day", &["Day", "Calls", "Talk time"], &rows))
            }
        }
    }
}

fn first_steps(steps: &Steps, may_change: bool) -> Markup {
    let has_agent = steps.agent.is_some();
    let state = |done: bool, now: bool| match (done, now) {
        (true, _) => "done",
        (false, true) => "now",
        (false, false) => "",
    };
    html! {
        section.card aria-labelledby="first-title" {
            h2 #first-title { "Your first call" }
            ol.steps #first-steps data-live {
                @if steps.needs_points {
                    li.now {
                        h3 { "Add points" }
                        div {
                            p.muted { "1 point is 60 seconds of call. Without points calls are refused." }
                            @if steps.may_top_up { p { a.button.main href="/points" { "Add points" } } }
                            @else { p { "Ask the server's operator to add some." } }
                        }
                    }
                }
                li class=(state(has_agent, !steps.needs_points)) {
                    h3 { "Create an agent" }
                    div {
                        p.muted { "An agent answers calls. Choose its name and its greeting." }
                        @if !has_agent && may_change {
                            p { button.main type="button" data-opens="new-agent" { "New agent" } }
                        }
                    }
                }
                li class=(state(steps.has_key, has_agent)) {
                    h3 { "Create a key" }
                    div {
                        p.muted { "Your telephony provider calls the agent with it. It is shown only once." }
                        @if let (Some(agent), false, true) = (&steps.agent, steps.has_key, steps.may_keys) {
                            p { a.button.main href={ "/agents/" (agent) } { "Create key" } }
                        }
                    }
                }
                li class=(state(false, has_agent)) {
                    h3 { "Try it" }
                    div {
                        p.muted { "Talk to the agent from this browser, with microphone and speaker." }
                        @if let (Some(agent), true) = (&steps.agent, may_change) {
                            p { a.button.main[steps.has_key] href={ "/agents/" (agent) "/try" } { "Try it" } }
                        }
                    }
                }
            }
        }
    }
}

/// What an operator sees while there is no account at all.
fn no_account(frame: &Frame) -> Markup {
    let content = html! {
        (part::top(None, "Overview", &html! {}))
        section.card {
            h2 { "No account yet" }
            p { "Agents, calls and points belong to an account." }
            p { a.button.main href="/accounts" { "Create account" } }
        }
    };
    layout::frame(frame, Section::Overview, "Overview", &[], &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(steps: Option<Steps>) -> View {
        let uses = [10, 11, 12].map(|day| DayUse { day, calls: 1, seconds: Seconds(200) });
        View {
            live: Vec::new(),
            live_count: 0,
            free: Seconds(6_000),
            held: Seconds(60),
            recent: Recent::of(&uses, 0, 12 * DAY_MS),
            days: filled(&[DayUse { day: 10, calls: 3, seconds: Seconds(200) }], 12),
            steps,
            new_agent: Some("acc_1".to_owned()),
        }
    }

    #[test]
    fn every_day_is_there_and_today_is_last() {
        let days = filled(&[DayUse { day: 12, calls: 3, seconds: Seconds(200) }], 12);
        assert_eq!(days.len(), 14);
        assert_eq!(days.last().unwrap().1.calls, 3);
        assert_eq!(days[0].1.calls, 0);
    }

    #[test]
    fn points_tell_how_long_they_last_and_calls_have_a_region_with_a_name() {
        let html = page(&view(None)).into_string();
        assert!(html.contains("About 60 days left at last week's usage."), "{html}");
        assert!(html.contains("<section class=\"card\" aria-labelledby=\"live-title\">"));
        assert!(html.contains("Live calls hold 1 point."), "{html}");
        assert!(html.contains("3 calls in 14 days"));
        assert!(html.contains("<td role=\"cell\" data-label=\"Calls\"><div>3</div></td>"));
    }

    #[test]
    fn a_newcomer_is_led_to_the_next_step() {
        let steps = |agent: Option<&str>, has_key, needs_points| {
            let agent = agent.map(str::to_owned);
            let steps = Steps { needs_points, may_top_up: true, may_keys: true, agent, has_key };
            page(&view(Some(steps))).into_string()
        };
        assert!(steps(None, false, true).contains("<a class=\"button main\" href=\"/points\">"));
        assert!(steps(None, false, false).contains("data-opens=\"new-agent\">New agent"));
        assert!(steps(Some("agt_1"), false, false).contains("Create key"));
        assert!(steps(Some("agt_1"), true, false).contains("href=\"/agents/agt_1/try\""));
    }
}
