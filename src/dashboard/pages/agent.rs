//! `/agents/{id}`: one agent, its keys and its settings.
//!
//! The keys come first, since they are what people come for; how they look is in [`super::keys`], and
//! how the settings do in [`super::agent_form`].

use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::{Context, agent_form, keys};
use crate::{
    agent::profile::Agent,
    clock::wall_ms,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part,
        seen::Seen,
    },
    id::AgentId,
    store::{
        Page, agents,
        keys::{self as key_rows, KeyFilter},
    },
};

/// Keys that are shown; somebody with more has a program that makes them.
const KEYS: i64 = 200;

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, id: Path<String>) -> Answer {
    let id: AgentId = id.parse().map_err(|_| Trouble::NotFound)?;
    let may_keys = seen.may_keys();
    let (agent, listed) = context
        .store
        .read(move |conn| {
            let agent = agents::get(conn, id)?.ok_or(Trouble::NotFound)?;
            let page = Page { after: None, limit: KEYS };
            let filter = KeyFilter { agent_id: Some(id), ..KeyFilter::default() };
            let keys = if may_keys { key_rows::list(conn, filter, page)? } else { Vec::new() };
            Ok::<_, Trouble>((agent, keys))
        })
        .await?;
    let seen = seen.at(&context.store, agent.account_id).await?;
    let listed = may_keys.then_some(listed);
    let settings = agent_form::settings(&agent, seen.may_change(), seen.may_operate());
    let (voice, may_change) = (context.voice_url(), seen.may_change());
    let content = page(&agent, listed.as_deref(), &settings, &voice, may_change, wall_ms());
    let scripts = ["keys.js", "live.js"];
    Ok(ok(layout::frame(&seen.frame, Section::Agents, &agent.name, &scripts, &content)))
}

/// `listed` is `None` for those who may not see keys.
fn page(
    agent: &Agent,
    listed: Option<&[key_rows::KeyView]>,
    settings: &Markup,
    voice: &str,
    may_change: bool,
    now: i64,
) -> Markup {
    let actions = html! {
        @if may_change { a.button.main href={ "/agents/" (agent.id) "/try" } { "Try it" } }
    };
    html! {
        (part::top(Some(("/agents", "Agents")), &agent.name, &actions))
        @if let Some(listed) = listed {
            (keys::section(agent.id, listed, now))
            (keys::new_dialog(&agent.id.to_string(), None, voice))
            (keys::revoke_dialog())
        } @else {
            section.card { h2 { "Keys" } p.muted { "Only owners of the account see keys." } }
        }
        section.card aria-labelledby="settings-title" {
            div.top { h2 #settings-title { "Settings" } p.muted.small { "Agent ID " (part::id(&agent.id.to_string())) } }
            (settings)
        }
        @if may_change { (delete(agent)) }
    }
}

fn delete(agent: &Agent) -> Markup {
    html! {
        section.card aria-labelledby="delete-title" {
            div.top {
                div {
                    h2 #delete-title { "Delete this agent" }
                    p.muted { "Its calls stay listed, and its revoked keys stay revoked." }
                }
                button.danger type="button" data-opens="delete-agent" { "Delete" }
            }
        }
        (part::dialog("delete-agent", "Delete this agent?", &html! {
            form data-method="DELETE" data-api={ "/api/agents/" (agent.id) } data-bodyless data-then="/agents" {
                p { "“" (agent.name) "” accepts no more calls. This cannot be undone." }
                (part::form_wrong())
                (part::dialog_buttons("Delete", "danger"))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::profile::Engine, id::AccountId};

    fn agent() -> Agent {
        Agent {
            greeting: "</textarea><b>".to_owned(),
            max_concurrent_calls: Some(3),
            ..Agent::new(AccountId::new(), "\"><script>".to_owned(), Engine::Echo, 0)
        }
    }

    fn html(listed: Option<&[key_rows::KeyView]>, may_change: bool) -> String {
        let agent = agent();
        let settings = agent_form::settings(&agent, may_change, false);
        page(&agent, listed, &settings, "wss://x/voice/", may_change, 0).into_string()
    }

    #[test]
    fn names_and_greetings_are_text() {
        let html = html(Some(&[]), true);
        assert!(!html.contains("<script>") && !html.contains("<b>"));
        assert!(html.contains("data-kind=\"nullable-number\""));
    }

    #[test]
    fn who_may_not_sees_no_keys_and_changes_nothing() {
        let html = html(None, false);
        assert!(!html.contains("New key") && !html.contains("Revoke") && !html.contains(">Save<"));
        assert!(html.contains("<fieldset disabled>") && !html.contains("Try it"));
    }
}
