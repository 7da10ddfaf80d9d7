//! `/calls`: every call, live or ended, and how a call looks in a list.
//!
//! One call is in [`super::call`].

use std::collections::HashMap;

use actix_web::web::{Data, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use crate::{
    call::event::EndReason,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        paging::{Place, Ways},
        part::{self, Row},
        seen::Seen,
        words,
    },
    id::{AgentId, CallId},
    points::Seconds,
    store::{
        Conn, Page, StoreError,
        agents::{self, Label},
        calls::{self, CallFilter},
    },
};

/// Calls on a page.
const LISTED: i64 = 50;
/// Agents that can be chosen from.
const CHOICES: i64 = 200;

/// A call in a list.
#[derive(Debug, Clone)]
pub struct CallRow {
    pub(super) id: CallId,
    pub(super) agent_id: AgentId,
    pub(super) agent: Label,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) started_at: i64,
    pub(super) ended_at: Option<i64>,
    pub(super) end_reason: Option<EndReason>,
    pub(super) billed: Option<Seconds>,
    /// Whether it was made from this dashboard, by ticket.
    pub(super) by_ticket: bool,
}

/// The calls, with the names of their agents.
///
/// # Errors
/// [`StoreError`].
pub fn rows(
    conn: &mut Conn,
    filter: CallFilter,
    page: Page<CallId>,
) -> Result<Vec<CallRow>, StoreError> {
    let calls = calls::list(conn, filter, page)?;
    let mut names: HashMap<AgentId, Label> = HashMap::new();
    let mut rows = Vec::with_capacity(calls.len());
    for call in calls {
        let agent = match names.get(&call.agent_id) {
            Some(name) => name.clone(),
            None => {
                let found = agents::label(conn, call.agent_id)?;
                let name = found.unwrap_or_default();
                names.insert(call.agent_id, name.clone());
                name
            }
        };
        rows.push(CallRow {
            id: call.id,
            agent_id: call.agent_id,
            agent,
            from: call.from,
            to: call.to,
            started_at: call.started_at,
            ended_at: call.ended_at,
            end_reason: call.end_reason,
            billed: call.billed_seconds,
            by_ticket: call.key_id.is_none(),
        });
    }
    Ok(rows)
}

/// What the list is narrowed to; what is none of its values narrows nothing.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    live: Option<String>,
    agent_id: Option<String>,
    #[serde(flatten)]
    place: Place,
}

impl Wanted {
    fn live(&self) -> Option<bool> {
        self.live.as_deref().and_then(|live| live.parse().ok())
    }

    fn agent(&self) -> Option<AgentId> {
        self.agent_id.as_deref().and_then(|id| id.parse().ok())
    }
}

/// The list.
pub async fn show(context: Data<Context>, seen: Seen, wanted: Query<Wanted>) -> Answer {
    let account = seen.account_id()?;
    let filter =
        CallFilter { live: wanted.live(), agent_id: wanted.agent(), ..CallFilter::of(account) };
    let page_of = wanted.place.page(LISTED);
    let (mut listed, agents) = context
        .store
        .read(move |conn| {
            let listed = rows(conn, filter, page_of)?;
            let agents = agents::list(conn, Some(account), Page { after: None, limit: CHOICES })?;
            Ok::<_, Trouble>((listed, agents))
        })
        .await?;
    let live = filter.live.map(|live| format!("live={live}"));
    let agent = filter.agent_id.map(|id| format!("agent_id={id}"));
    let query = live.into_iter().chain(agent).collect::<Vec<_>>().join("&");
    let ways = wanted.place.ways(&mut listed, LISTED, ("/calls", &query), |row| row.id);
    let choices: Vec<(String, String)> =
        agents.into_iter().map(|agent| (agent.id.to_string(), agent.name)).collect();
    let content = page(&listed, filter, &choices, &ways);
    Ok(ok(layout::frame(&seen.frame, Section::Calls, "Calls", &["live.js"], &content)))
}

fn page(rows: &[CallRow], filter: CallFilter, agents: &[(String, String)], ways: &Ways) -> Markup {
    let agent = filter.agent_id.map(|id| id.to_string());
    html! {
        (part::top(None, "Calls", &html! {}))
        form.inline method="get" action="/calls" aria-label="Filter" {
            div.field {
                label for="filter-live" { "State" }
                select #filter-live name="live" {
                    option value="" selected[filter.live.is_none()] { "All calls" }
                    option value="true" selected[filter.live == Some(true)] { "Live calls" }
                    option value="false" selected[filter.live == Some(false)] { "Ended calls" }
                }
            }
            div.field {
                label for="filter-agent" { "Agent" }
                select #filter-agent name="agent_id" {
                    option value="" { "All agents" }
                    @for (id, name) in agents {
                        option value=(id) selected[agent.as_ref() == Some(id)] { (name) }
                    }
                }
            }
            button type="submit" { "Filter" }
        }
        section.card aria-label="Calls" {
            div #calls data-live {
                @if rows.is_empty() && (filter.live.is_some() || agent.is_some()) {
                    p.empty { "No call matches the filter." }
                } @else if rows.is_empty() { p.empty { "No calls yet." } }
                @else { (all_table(rows)) }
                (ways.links())
            }
        }
    }
}

/// The state of a call; the script puts what a live one is doing into it.
pub fn standing(id: CallId, end_reason: Option<EndReason>, ended: bool) -> Markup {
    match end_reason {
        Some(reason @ (EndReason::Error | EndReason::NodeLost)) => {
            part::tag("bad", words::reason(reason))
        }
        Some(reason @ EndReason::BalanceExhausted) => part::tag("careful", words::reason(reason)),
        Some(reason) => part::tag("", words::reason(reason)),
        None if ended => part::tag("", "Ended"),
        None => html! { span.tag.good.live data-call-state=(id) { "Live" } },
    }
}

/// Who called.
pub fn caller(from: Option<&str>, by_ticket: bool) -> Markup {
    match from {
        None if by_ticket => html! { "Browser test" },
        from => number(from),
    }
}

/// A telephone number, or whatever else the provider calls by.
pub fn number(number: Option<&str>) -> Markup {
    number.map_or_else(|| words::none("not sent by the provider"), part::unbroken)
}

/// How long a call lasted, or has lasted so far.
pub fn duration(started_at: i64, ended_at: Option<i64>) -> Markup {
    match ended_at {
        Some(ended) => {
            let ms = u64::try_from(ended.saturating_sub(started_at)).unwrap_or(0);
            html! { (words::short(ms)) }
        }
        None => words::since(started_at),
    }
}

/// The agent of a call, and the way to its page while it has one.
pub fn agent(id: AgentId, agent: &Label) -> Markup {
    html! {
        @if agent.is_deleted { (part::clip(&format!("{} (deleted)", agent.name))) }
        @else { (part::clip_link(&format!("/agents/{id}"), &agent.name)) }
    }
}

/// `began` is when it did, for those who look.
fn cells(row: &CallRow, began: &Markup) -> [Markup; 4] {
    [
        html! { a href={ "/calls/" (row.id) } { (began) } },
        agent(row.agent_id, &row.agent),
        caller(row.from.as_deref(), row.by_ticket),
        standing(row.id, row.end_reason, row.ended_at.is_some()),
    ]
}

/// Live calls only.
pub fn live_table(rows: &[CallRow]) -> Markup {
    let rows: Vec<Row> = rows
        .iter()
        .map(|row| {
            let [began, agent, from, state] = cells(row, &words::time(row.started_at));
            let duration = words::since(row.started_at);
            Row { id: row.id.to_string(), cells: vec![began, agent, from, duration, state] }
        })
        .collect();
    part::narrow_table("Live calls", &["Started", "Agent", "From", "Duration", "State"], &rows)
}

fn all_table(rows: &[CallRow]) -> Markup {
    let rows: Vec<Row> = rows
        .iter()
        .map(|row| {
            let [began, agent, from, state] = cells(row, &words::when(row.started_at));
            let to = number(row.to.as_deref());
            let duration = match row.ended_at {
                Some(ended) => {
                    html! { (words::timer(ended.saturating_sub(row.started_at) / 1_000)) }
                }
                None => words::since(row.started_at),
            };
            let billed = match row.billed {
                Some(billed) => html! { (words::timer(billed.0)) },
                None => words::none("not billed yet"),
            };
            Row {
                id: row.id.to_string(),
                cells: vec![began, agent, from, to, state, duration, billed],
            }
        })
        .collect();
    let columns = ["Started", "Agent", "From", "To", "State", "Duration", "Billed"];
    part::table("Calls", &columns, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(end_reason: Option<EndReason>) -> CallRow {
        CallRow {
            id: CallId::new(),
            agent_id: AgentId::new(),
            agent: Label { name: "Front <desk>".to_owned(), is_deleted: false },
            from: None,
            to: Some("+4420".to_owned()),
            started_at: 0,
            ended_at: end_reason.map(|_| 61_000),
            end_reason,
            billed: end_reason.map(|_| Seconds(61)),
            by_ticket: false,
        }
    }

    #[test]
    fn a_live_call_has_a_place_for_its_state_and_an_ended_one_its_reason() {
        let rows = [row(None), row(Some(EndReason::Hangup))];
        let html = page(&rows, CallFilter::default(), &[], &Ways::default()).into_string();
        assert!(html.contains(&format!("data-call-state=\"{}\">Live", rows[0].id)));
        assert!(html.contains("Caller hung up") && html.contains(">1:01<"));
        assert!(html.contains("Front &lt;desk&gt;"));
        assert!(html.contains(&format!("href=\"/agents/{}\"", rows[0].agent_id)));
        let deleted = Label { is_deleted: true, ..rows[0].agent.clone() };
        let html = agent(rows[0].agent_id, &deleted).into_string();
        assert!(html.contains("Front &lt;desk&gt;") && html.contains("deleted"));
        assert!(!html.contains("href"), "its page is gone: {html}");
    }

    #[test]
    fn a_filter_that_is_none_narrows_nothing() {
        let text = |live: &str, agent: &str| Wanted {
            live: Some(live.to_owned()),
            agent_id: Some(agent.to_owned()),
            place: Place::default(),
        };
        assert_eq!(text("", "").live(), None);
        assert_eq!(text("true", "agt_x").live(), Some(true));
        assert_eq!(text("true", "agt_x").agent(), None);
    }
}
