//! `/agents`: what answers calls. One agent, with its keys, is in [`super::agent`].

use actix_web::web::{Data, Query};
use maud::{Markup, html};

use super::{Context, agent_form};
use crate::{
    agent::profile::{Agent, DEFAULT_GREETING, Engine},
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        paging::{Place, Ways},
        part::{self, Field, Row},
        seen::Seen,
        words,
    },
    id::CallId,
    store::{
        agents,
        calls::{self, EndDetail},
    },
};

/// Agents on a page.
const LISTED: i64 = 50;

/// An agent as it is listed.
struct Listed {
    agent: Agent,
    live: i64,
    /// Its last call, if that failed, and why.
    failure: Option<(CallId, EndDetail)>,
}

/// The list.
pub async fn show(context: Data<Context>, seen: Seen, place: Query<Place>) -> Answer {
    let account = seen.account_id()?;
    let page_of = place.page(LISTED);
    let mut listed = context
        .store
        .read(move |conn| {
            let agents = agents::list(conn, Some(account), page_of)?;
            let mut listed = Vec::with_capacity(agents.len());
            for agent in agents {
                let live = calls::count_live(conn, account, Some(agent.id))?;
                let failure = calls::last_failure(conn, agent.id)?;
                listed.push(Listed { agent, live, failure });
            }
            Ok::<_, Trouble>(listed)
        })
        .await?;
    let ways = place.ways(&mut listed, LISTED, ("/agents", ""), |listed| listed.agent.id);
    let content = page(&listed, &ways, &seen.new_agent_account());
    Ok(ok(layout::frame(&seen.frame, Section::Agents, "Agents", &["live.js"], &content)))
}

/// `account` is whose a new agent will be; `None` when the reader may not make one.
fn page(listed: &[Listed], ways: &Ways, account: &Option<String>) -> Markup {
    let rows: Vec<Row> = listed
        .iter()
        .map(|Listed { agent, live, failure }| Row {
            id: agent.id.to_string(),
            cells: vec![
                html! { div id={ "name-" (agent.id) } { (part::clip_link(&format!("/agents/{}", agent.id), &agent.name)) } },
                html! { @if agent.greeting.is_empty() { (words::none("the bot greets")) } @else { (part::clip(&agent.greeting)) } },
                html! {
                    @if agent.is_active { (part::tag("good", "Active")) } @else { (part::tag("", "Disabled")) }
                    @if let Some((call, why)) = failure {
                        " " a.tag.bad href={ "/calls/" (call) } title=(why.message) { "Last call failed" }
                    }
                },
                html! { @if *live > 0 { span.tag.good.live { (words::count(*live, "live call")) } } @else { "0" } },
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
                    p.empty { "No agents yet. An agent answers the calls that come in on its keys." }
                } @else {
                    (part::table("Agents", &["Name", "Greeting", "State", "Live calls", ""], &rows))
                }
                (ways.links())
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
        hint: "Internal name; callers never hear it.",
        required: true,
        ..Field::default()
    };
    let greeting = Field {
        id: "new-agent-greeting",
        name: "greeting",
        label: "Greeting",
        hint: "Spoken first on every call.",
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
                    p.hint { "Use it to test the line end to end." }
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
        let html = |account: Option<&str>| {
            page(&[], &Ways::default(), &account.map(str::to_owned)).into_string()
        };
        assert!(html(Some("acc_1")).contains("value=\"acc_1\""));
        assert!(html(Some("acc_1")).contains(">Greeting</label>"));
        assert!(!html(None).contains("New agent"));
    }
}
