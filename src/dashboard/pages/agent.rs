//! `/agents/{id}`: one agent, its keys and its settings.
//!
//! The keys come first, since they are what people come for; how they look is in [`super::keys`].

use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::{Context, keys};
use crate::{
    agent::profile::Agent,
    clock::wall_ms,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part::{self, Field, Kind},
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
    seen.must_see(agent.account_id)?;
    let listed = may_keys.then_some(listed);
    let content =
        page(&agent, listed.as_deref(), &context.voice_url(), seen.may_change(), wall_ms());
    let scripts = ["keys.js", "live.js"];
    Ok(ok(layout::frame(&seen.frame, Section::Agents, &agent.name, &scripts, &content)))
}

/// `listed` is `None` for those who may not see keys.
fn page(
    agent: &Agent,
    listed: Option<&[key_rows::KeyView]>,
    voice: &str,
    may_change: bool,
    now: i64,
) -> Markup {
    let actions = html! { a.button.main href={ "/agents/" (agent.id) "/try" } { "Try it" } };
    html! {
        (part::top(Some(("/agents", "Agents")), &agent.name, &actions))
        @if let Some(listed) = listed {
            (keys::section(agent.id, listed, now))
            (keys::new_dialog(&agent.id.to_string(), None, voice))
            (keys::revoke_dialog())
        } @else {
            section.card { h2 { "Keys" } p.muted { "Only an owner of the account sees its keys." } }
        }
        section.card aria-labelledby="settings-title" {
            h2 #settings-title { "Settings" }
            (settings(agent, may_change))
        }
        @if may_change { (delete(agent)) }
    }
}

fn settings(agent: &Agent, may_change: bool) -> Markup {
    let number = |number: Option<i32>| number.map(|n| n.to_string()).unwrap_or_default();
    let (turns, cap) = (number(agent.max_turns), number(agent.max_concurrent_calls));
    let duration = agent.max_duration_seconds.to_string();
    let silence = agent.silence_timeout_seconds.to_string();
    let text = |id, name, label, hint, value, lines| Field {
        id,
        name,
        label,
        hint,
        value,
        lines,
        required: true,
        ..Field::default()
    };
    let numbers = |id, name, label, hint, value, kind| Field {
        id,
        name,
        label,
        hint,
        value,
        kind,
        required: kind == Kind::Number,
        ..Field::default()
    };
    let spoken = "Said before the server ends a call.";
    let fields = html! {
        (text("name", "name", "Name", "", &agent.name, 1).render())
        (text("greeting", "greeting", "Greeting", "Said first on every call.", &agent.greeting, 3).render())
        (text("closing", "closing_phrase", "Closing phrase", spoken, &agent.closing_phrase, 2).render())
        div.columns {
            (text("language", "language", "Language", "A tag such as en or en-GB.", &agent.language, 1).render())
            (Field { id: "voice", name: "voice", label: "Voice", hint: "Empty: the language's own.",
                value: agent.voice.as_deref().unwrap_or_default(), kind: Kind::Nullable, ..Field::default() }.render())
            (numbers("duration", "max_duration_seconds", "Longest call", "In seconds.", &duration, Kind::Number).render())
            (numbers("silence", "silence_timeout_seconds", "Silence", "Seconds without speech that end a call.", &silence, Kind::Number).render())
            (numbers("turns", "max_turns", "Turns at most", "Empty: no limit.", &turns, Kind::NullableNumber).render())
            (numbers("cap", "max_concurrent_calls", "Calls at once", "Empty: no limit.", &cap, Kind::NullableNumber).render())
        }
        div.check {
            input #active type="checkbox" name="is_active" checked[agent.is_active];
            label for="active" { "Takes new calls" }
        }
    };
    html! {
        form data-method="PATCH" data-api={ "/api/agents/" (agent.id) } data-said="Saved. It holds for calls that start from now on." {
            fieldset disabled[!may_change] { legend.visually-hidden { "Settings" } (fields) }
            (part::form_wrong())
            @if may_change {
                div.actions {
                    button.main type="submit" { "Save" }
                    p.muted data-form-right role="status" {}
                }
            }
        }
    }
}

fn delete(agent: &Agent) -> Markup {
    html! {
        section.card aria-labelledby="delete-title" {
            div.top {
                div {
                    h2 #delete-title { "Delete this agent" }
                    p.muted { "Its calls stay listed, and its revoked keys go on being refused." }
                }
                button.danger type="button" data-opens="delete-agent" { "Delete" }
            }
        }
        (part::dialog("delete-agent", "Delete this agent?", &html! {
            form data-method="DELETE" data-api={ "/api/agents/" (agent.id) } data-bodyless data-then="/agents" {
                p { "“" (agent.name) "” takes no more calls. This cannot be undone here." }
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

    #[test]
    fn names_and_greetings_are_text() {
        let html = page(&agent(), Some(&[]), "wss://x/voice/", true, 0).into_string();
        assert!(!html.contains("<script>") && !html.contains("<b>"));
        assert!(html.contains("data-kind=\"nullable-number\""));
    }

    #[test]
    fn who_may_not_sees_no_keys_and_changes_nothing() {
        let html = page(&agent(), None, "wss://x/voice/", false, 0).into_string();
        assert!(!html.contains("New key") && !html.contains("Revoke") && !html.contains(">Save<"));
        assert!(html.contains("<fieldset disabled>"));
    }
}
