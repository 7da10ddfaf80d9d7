//! Keys as people see them: the list of an agent's keys, and the dialogs that make and revoke one.
//!
//! The server never sends a plain key into a page. The dialog has a template with places for it, which
//! the script fills from the one answer that holds the key and empties when the dialog closes.

use maud::{Markup, html};

use super::snippets::{SNIPPETS, Snippet};
use crate::{
    dashboard::{
        part::{self, Field, Kind, Row},
        words,
    },
    id::AgentId,
    store::{
        keys::{Key, KeyView},
        refusals::KEY_REVOKED,
    },
};

const DAY_MS: i64 = 86_400_000;
/// Days after which a key should be rotated.
const OLD: i64 = 90;

/// What people call a key.
pub fn title(key: &Key) -> String {
    key.name.clone().unwrap_or_else(|| "Unnamed key".to_owned())
}

/// An agent's keys.
pub fn section(agent: AgentId, keys: &[KeyView], now: i64) -> Markup {
    html! {
        section.card aria-labelledby="keys-title" {
            div.top {
                h2 #keys-title { "Keys" }
                button.main #open-new-key type="button" data-opens="new-key" { "New key" }
            }
            div #keys data-live {
                @if keys.is_empty() {
                    p.empty { "No keys yet. A provider needs a key to call this agent." }
                } @else { (list(agent, keys, now)) }
            }
        }
    }
}

fn list(agent: AgentId, keys: &[KeyView], now: i64) -> Markup {
    let rows: Vec<Row> = keys
        .iter()
        .map(|view| {
            let rotation = keys.iter().any(|other| other.key.replaces == Some(view.key.id));
            Row {
                id: view.key.id.to_string(),
                cells: vec![
                    name(&view.key),
                    age(&view.key, now),
                    words::when_or(view.last_used_at, "Never"),
                    live(view),
                    state(view),
                    actions(agent, view, rotation),
                ],
            }
        })
        .collect();
    part::table("Keys", &["Key", "Age", "Last used", "Live calls", "State", ""], &rows)
}

fn name(key: &Key) -> Markup {
    html! { div id={ "name-" (key.id) } { (part::clip(&title(key))) code.muted { "…" (key.suffix) } } }
}

/// How old a key is, with a warning while it can still be used.
fn age(key: &Key, now: i64) -> Markup {
    let days = now.saturating_sub(key.created_at).max(0) / DAY_MS;
    let text = if days == 0 { "Today".to_owned() } else { words::count(days, "day") };
    html! {
        (text)
        @if key.is_active && days >= OLD { br; (part::tag("careful", "Rotate soon")) }
    }
}

fn live(view: &KeyView) -> Markup {
    html! {
        @if view.live_calls > 0 { span.tag.good.live { (view.live_calls) } } @else { "0" }
    }
}

/// Active, or revoked and whether it is still used; and why calls of it were refused.
fn state(view: &KeyView) -> Markup {
    let key = &view.key;
    html! {
        @if key.is_active { (part::tag("good", "Active")) }
        @else {
            (part::tag("bad", "Revoked"))
            @if let Some(at) = key.revoked_at { div.small.muted { (words::when(at)) } }
            @if key.refused_uses > 0 {
                div.small {
                    (words::count(key.refused_uses, "refused use")) " since"
                    @if let Some(at) = key.last_refused_at { ", last " (words::when(at)) }
                    @if let Some(from) = &key.last_refused_from { " from " (from) }
                }
            }
        }
        @for refusal in view.refusals.iter().filter(|refusal| refusal.code != KEY_REVOKED) {
            div.small {
                (words::count(refusal.count, "call")) " refused: " code { (refusal.code) }
                ", last " (words::when(refusal.last_at)) " from " (refusal.last_from)
            }
        }
    }
}

fn actions(agent: AgentId, view: &KeyView, rotation: bool) -> Markup {
    let key = &view.key;
    html! {
        @if key.is_active {
            div.actions {
                a.button.slim href={ "/agents/" (agent) "/keys/" (key.id) "/rotate" } aria-describedby={ "name-" (key.id) } {
                    @if rotation { "Continue rotation" } @else { "Rotate" }
                }
                (revoke_button(key, "danger slim"))
            }
        }
    }
}

/// The button that opens [`revoke_dialog`] for a key.
pub fn revoke_button(key: &Key, class: &str) -> Markup {
    html! {
        button class=(class) id={ "revoke-" (key.id) } type="button" data-opens="revoke-key" data-key=(key.id)
            data-fill-name=(title(key)) data-fill-suffix=(key.suffix) aria-describedby={ "name-" (key.id) } {
            "Revoke"
        }
    }
}

/// What two keys of a rotation have been doing.
pub fn comparison(old: &KeyView, new: &KeyView, now: i64) -> Markup {
    let row = |role: &str, view: &KeyView| Row {
        id: view.key.id.to_string(),
        cells: vec![
            html! { (role) },
            name(&view.key),
            age(&view.key, now),
            words::when_or(view.last_used_at, "Never"),
            live(view),
            state(view),
        ],
    };
    let rows = [row("New", new), row("Old", old)];
    part::table("The two keys", &["", "Key", "Age", "Last used", "Live calls", "State"], &rows)
}

/// The dialog that makes a key and shows it once. `voice` is what stands before a key in its URL.
pub fn new_dialog(agent: &str, replaces: Option<&Key>, voice: &str) -> Markup {
    let proposed = replaces.map(title).unwrap_or_default();
    let field = Field {
        id: "new-key-name",
        name: "name",
        label: "Name",
        hint: "Optional. Where the key is used, for example the provider.",
        value: &proposed,
        kind: Kind::Optional,
        ..Field::default()
    };
    html! {
        dialog #new-key aria-label="New key" data-voice=(voice) {
            form {
                h2 { "New key" }
                input type="hidden" name="agent_id" value=(agent);
                @if let Some(old) = replaces { input type="hidden" name="replaces" value=(old.id); }
                (field.render())
                (part::form_wrong())
                (part::dialog_buttons("Create", "main"))
            }
            div.form data-key-panel {}
        }
        template #made-key { (made(voice, replaces.is_some())) }
    }
}

fn made(voice: &str, rotating: bool) -> Markup {
    let copy = |id: &str, what: &str, class: &str| {
        html! {
            button class=(class) type="button" data-copies=(id) {
                "Copy" @if !what.is_empty() { span.visually-hidden { " " (what) } }
            }
        }
    };
    let tls = voice.starts_with("wss://");
    html! {
        h2 tabindex="-1" { "Your new key" }
        p.note.careful { "The key is shown only once. Copy it now." }
        div.copy {
            code.secret #the-key data-key-part="key" {}
            (copy("the-key", "", "main"))
        }
        h3 { "Address for the provider" }
        div.copy {
            code.secret #the-url data-key-part="url" { "{url}" }
            (copy("the-url", "the address", "slim"))
        }
        @if !tls {
            p.note.careful {
                "This server is reached without TLS, but providers require an address that starts with wss://. "
                "Terminate TLS in front of it and set UPVOOT_PUBLIC_URL to that address, or set "
                "UPVOOT_TLS_CERT and UPVOOT_TLS_KEY. On this machine the address works as it is."
            }
        }
        h3 { "Ready to paste" }
        div {
            @for (i, snippet) in SNIPPETS.iter().enumerate() {
                @let Snippet { provider, page, place, .. } = snippet;
                @let id = format!("snippet-{i}");
                details name="snippet" {
                    summary { (provider) }
                    div.copy {
                        p.hint {
                            (place)
                            @if !page.is_empty() { " " a href={ "/help/" (page) } target="_blank" { "About " (provider.split([',', ':']).next().unwrap_or(provider)) } }
                        }
                        pre id=(id) tabindex="0" aria-label={ (provider) " snippet" } data-key-part="text" {
                            (snippet.filled(tls))
                        }
                        (copy(&id, &format!("the {provider} snippet"), "slim"))
                    }
                }
            }
        }
        div.foot {
            p.wrong data-key-warning role="alert" {}
            div.actions {
                @if !rotating { p.hint { "To call the agent from this browser, close this and choose “Try it”." } }
                button.main type="button" data-closes { "Close" }
            }
        }
    }
}

/// The dialog that asks before a key is revoked; the script fills it for the key it was opened for.
pub fn revoke_dialog() -> Markup {
    part::dialog(
        "revoke-key",
        "Revoke this key?",
        &html! {
            form {
                p { strong data-slot="name" {} " " code.muted { "…" span data-slot="suffix" {} } }
                p { "New calls with this key are refused. This cannot be undone." }
                p data-live-calls role="status" {}
                div.check data-ending hidden {
                    input #end-calls type="checkbox" name="end_calls";
                    label for="end-calls" { "End its live calls too" }
                }
                (part::form_wrong())
                (part::dialog_buttons("Revoke", "danger"))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{AccountId, KeyId},
        key::PlainKey,
        store::refusals::Refusal,
    };

    fn view(days: i64, is_active: bool) -> KeyView {
        let suffix = PlainKey::generate().unwrap().suffix();
        let key = Key {
            id: KeyId::new(),
            agent_id: AgentId::new(),
            account_id: AccountId::new(),
            name: None,
            suffix,
            is_active,
            created_at: -days * DAY_MS,
            revoked_at: (!is_active).then_some(0),
            refused_uses: if is_active { 0 } else { 2 },
            last_refused_at: None,
            last_refused_from: (!is_active).then(|| "192.0.2.1".to_owned()),
            replaces: None,
        };
        KeyView {
            key,
            last_used_at: None,
            live_calls: 0,
            unrecognised_calls: 0,
            refusals: Vec::new(),
        }
    }

    fn row(view: KeyView) -> String {
        list(AgentId::new(), &[view], 0).into_string()
    }

    #[test]
    fn an_old_key_is_warned_of_from_its_ninetieth_day() {
        assert!(!row(view(89, true)).contains("Rotate soon"));
        assert!(row(view(90, true)).contains("Rotate soon"));
        assert!(!row(view(90, false)).contains("Rotate soon"));
    }

    #[test]
    fn a_revoked_key_says_so_and_who_still_tries_it() {
        let html = row(view(1, false));
        assert!(html.contains(">Revoked<") && html.contains("2 refused uses since"));
        assert!(html.contains("192.0.2.1"));
        assert!(!html.contains("data-opens=\"revoke-key\""));
        assert!(row(view(1, true)).contains("data-opens=\"revoke-key\""));
    }

    #[test]
    fn a_key_says_why_its_calls_were_refused() {
        let mut view = view(1, true);
        let refusal = |code: &str, count| Refusal {
            code: code.to_owned(),
            count,
            last_at: 0,
            last_from: "192.0.2.7".to_owned(),
        };
        view.refusals = vec![refusal("insufficient_points", 12), refusal(KEY_REVOKED, 2)];
        let html = row(view);
        assert!(html.contains("12 calls refused: <code>insufficient_points</code>"), "{html}");
        assert!(html.contains("from 192.0.2.7") && !html.contains(KEY_REVOKED), "{html}");
    }

    #[test]
    fn a_rotation_under_way_is_gone_on_with() {
        let old = view(100, true);
        let mut new = view(0, true);
        new.key.replaces = Some(old.key.id);
        let html = list(AgentId::new(), &[new, old], 0).into_string();
        assert_eq!(html.matches("Continue rotation").count(), 1);
    }

    #[test]
    fn the_page_holds_places_for_a_key_and_no_key() {
        let html = new_dialog("agt_1", None, "ws://h/voice/").into_string();
        assert!(!html.contains("sk_live_"));
        assert!(html.contains("UPVOOT_PUBLIC_URL"));
        assert!(!new_dialog("agt_1", None, "wss://h/voice/").into_string().contains("PUBLIC_URL"));
        assert!(html.contains("tls_enabled = no") && html.contains("href=\"/help/twilio\""));
        assert!(
            new_dialog("agt_1", None, "wss://h/voice/").into_string().contains("tls_enabled = yes")
        );
    }
}
