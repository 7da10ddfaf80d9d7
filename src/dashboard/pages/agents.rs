//! `/agents`: what answers calls. One agent, with its keys, is in [`super::agent`].

use actix_web::web::{Data, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Context, agent_form};
use crate::{
    agent::profile::{Agent, DEFAULT_GREETING, Engine},
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part::{self, Field, Row},
        seen::Seen,
        words,
    },
    id::CallId,
    store::{
        Page, agents,
        calls::{self, EndDetail},
    },
};

/// Agents on a page.
const LISTED: i64 = 50;

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    after: Option<String>,
}

/// An agent as it is listed.
struct Listed {
    agent: Agent,
    live: i64,
    /// Its last call, if that failed, and why.
    failure: Option<(CallId, EndDetail)>,
}

/// The list.
pub async fn show(context: Data<Context>, seen: Seen, wanted: Query<Wanted>) -> Answer {
    let account = seen.account_id()?;
    let after = wanted.after.as_deref().and_then(|id| id.parse().ok());
    let mut listed = context
        .store
        .read(move |conn| {
            let agents = agents::list(conn, Some(account), Page { after, limit: LISTED + 1 })?;
            let mut listed = Vec::with_capacity(agents.len());
            for agent in agents {
                let live = calls::count_live(conn, account, Some(agent.id))?;
                let failure = calls::last_failure(conn, agent.id)?;
                listed.push(Listed { agent, live, failure });
            }
            Ok::<_, Trouble>(listed)
        })
        .await?;
    let more = listed.len() > usize::try_from(LISTED).unwrap_or(usize::MAX);
    listed.truncate(usize::try_from(LISTED).unwrap_or(usize::MAX));
    let next =
        listed.last().filter(|_| more).map(|last| format!("/agents?after={}", last.agent.id));
    let content = page(&listed, next.as_deref(), &seen.new_agent_account());
    Ok(ok(layout::frame(&seen.frame, Section::Agents, "Agents", &["live.js"], &content)))
}

/// `account` is whose a new agent will be; `None` when the reader may not make one.
fn page(listed: &[Listed], next: Option<&str>, account: &Option<String>) -> Markup {
    let rows: Vec<Row> = listed
        .iter()
        .map(|Listed { agent, live, failure }| Row {
            id: agent.id.to_string(),
            cells: vec![
                html! { a id={ "name-" (agent.id) } href={ "/agents/" (agent.id) } { (agent.name) } },
                html! { @if agent.greeting.is_empty() { span.muted { "Its bot greets" } } @else { (agent.greeting) } },
                html! {
                    @if agent.is_active { (part::tag("good", "Takes calls")) } @else { (part::tag("", "Switched off")) }
                    @if let Some((call, why)) = failure {
                        " " a.tag.bad href={ "/calls/" (call) } title=(why.message) { "Last call failed" }
                    }
                },
                html! { @if *live > 0 { span.tag.good.live { (words::count(*live, "live call")) } } @else { "None" } },
                html! {
                    @if account.is_some() {
                        a.button.slim href={ "/agents/" (agent.id) "/try" } aria-describedby={ "name-" (agent.id) } { "Try it" }
                    }
                },
            ],
        })
        .collect();
    let new_agent = html! {
        @if account.is_some() { button.main type="button" data-opens="new-agent" { "New agent" } }
    };
    html! {
        (part::top(None, "Agents", &new_agent))
        section.card aria-label="Agents" {
            div #agents data-live {
                @if rows.is_empty() {
                    p.empty { "There is no agent yet. An agent answers the calls that come in on its keys." }
                } @else {
                    (part::table("Agents", &["Name", "Greeting", "State", "Live calls", ""], &rows))
                }
                (part::older(next))
            }
        }
        @if let Some(account) = account { (new_dialog(account)) }
    }
}

/// The dialog that makes an agent, for the account of this id, and goes on to its page.
pub fn new_dialog(account: &str) -> Markup {
    let name = Field {
        id: "new-agent-name",
        name: "name",
        label: "Name",
        hint: "Only you see it.",
        required: true,
        ..Field::default()
    };
    let greeting = Field {
        id: "new-agent-greeting",
        name: "greeting",
        label: "Greeting",
        hint: "Said first on every call.",
        value: DEFAULT_GREETING,
        required: true,
        lines: 3,
        ..Field::default()
    };
    part::dialog(
        "new-agent",
        "New agent",
        &html! {
            form data-method="POST" data-api="/api/agents" data-then="/agents/{id}" {
                input type="hidden" name="account_id" value=(account);
                (name.render())
                (agent_form::engine_choice("new-agent-engine", Engine::Echo))
                fieldset data-when="engine=echo" {
                    (greeting.render())
                    p.hint { "An echo proves the line from end to end." }
                }
                fieldset data-when="engine=relay" disabled {
                    (agent_form::bot_url("new-agent-url", ""))
                    (agent_form::bot_secret("new-agent-secret", ""))
                }
                (part::form_wrong())
                (part::dialog_buttons("Create", "main"))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_make_an_agent_is_not_asked_to() {
        let html =
            |account: Option<&str>| page(&[], None, &account.map(str::to_owned)).into_string();
        assert!(html(Some("acc_1")).contains("value=\"acc_1\""));
        assert!(html(Some("acc_1")).contains(">Greeting</label>"));
        assert!(!html(None).contains("New agent"));
    }
}
