//! `/agents/{id}/try`: a call from the browser to the agent, by microphone and speaker.
//!
//! The page holds no key: its script asks `/api` for a one-time ticket when the call is started. What
//! happens then stands in `try.js` and the two audio worklets.

use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::Context;
use crate::{
    agent::profile::Agent,
    auth::Action,
    dashboard::{
        answer::{Answer, Trouble, ok},
        assets::href,
        layout::{self, Section},
        part,
        seen::Seen,
    },
    id::AgentId,
    store::agents,
};

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, id: Path<String>) -> Answer {
    seen.must(Action::Work)?;
    let id: AgentId = id.parse().map_err(|_| Trouble::NotFound)?;
    let agent = context.store.read(move |conn| agents::get(conn, id)).await?;
    let agent = agent.ok_or(Trouble::NotFound)?;
    let seen = seen.at(&context.store, agent.account_id).await?;
    let title = format!("Try {}", agent.name);
    Ok(ok(layout::frame(&seen.frame, Section::Agents, &title, &["try.js"], &page(&agent))))
}

fn page(agent: &Agent) -> Markup {
    let back = format!("/agents/{}", agent.id);
    html! {
        (part::top(Some((&back, &agent.name)), &format!("Try {}", agent.name), &html! {}))
        div.pair.halves data-try=(agent.id) data-microphone=(href("microphone.js")) data-speaker=(href("speaker.js")) {
            section.card aria-labelledby="call-title" {
                h2 #call-title { "Call" }
                noscript { p.note.careful { "A browser test requires JavaScript." } }
                div.line-up {
                    p.figure role="status" data-part="state" { "Ready" }
                    p.muted aria-label="Duration" role="timer" data-part="time" { "0:00" }
                }
                p role="status" data-part="heard" {}
                p.wrong role="alert" data-part="wrong" {}
                div.actions {
                    button.main type="button" data-part="start" { "Start call" }
                    button.danger type="button" data-part="end" hidden { "End call" }
                    span data-part="after" {}
                }
                label.level { span { "You" } meter aria-label="You, how loud" min="0" max="1" value="0" data-part="own" {} }
                label.level { span { "Agent" } meter aria-label="Agent, how loud" min="0" max="1" value="0" data-part="agent" {} }
                label.check { input type="checkbox" data-part="tone"; span { "Use a test tone instead of the microphone" } }
                p.hint {
                    "Your browser asks for the microphone first. A browser test uses points like any other call. "
                    "Use headphones, or the agent hears itself."
                }
            }
            section.card aria-labelledby="talk-title" {
                h2 #talk-title { "Transcript" }
                div role="log" aria-labelledby="talk-title" {
                    ol.talk data-part="talk" {}
                    p.empty { "The transcript appears here during the call." }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::profile::Engine, id::AccountId};

    #[test]
    fn the_page_knows_its_agent_and_no_secret() {
        let agent = Agent::new(AccountId::new(), "<Desk>".to_owned(), Engine::Echo, 0);
        let html = page(&agent).into_string();
        assert!(html.contains(&format!("data-try=\"{}\"", agent.id)));
        assert!(html.contains("Try &lt;Desk&gt;") && !html.contains("<Desk>"));
        assert!(!html.contains("sk_live_") && !html.contains("/try/"));
    }
}
