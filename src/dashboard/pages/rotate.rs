//! `/agents/{id}/keys/{key}/rotate`: from one key to the next, without a call lost.
//!
//! Where a rotation stands is read from the database each time: whether a key was made to take over,
//! what both have been doing, whether the old one is revoked. So the page can be closed and come back
//! to, by anybody who may see keys.

use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::{Context, keys};
use crate::{
    clock::wall_ms,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part,
        seen::Seen,
        words,
    },
    id::{AgentId, KeyId},
    store::{
        agents,
        keys::{self as key_rows, KeyView},
    },
};

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Create the new key.
    Make,
    /// Give the new key to the provider: no call has come on it.
    Move,
    /// Calls come on the new key, and the old one still has some.
    Watch,
    /// Nothing is on the old key any more: revoke it.
    Revoke,
    /// The old key is revoked.
    Done,
}

fn step(old: &KeyView, new: Option<&KeyView>) -> Step {
    match new {
        _ if !old.key.is_active => Step::Done,
        None => Step::Make,
        Some(new) if new.last_used_at.is_none() => Step::Move,
        Some(new) if old.live_calls > 0 || old.last_used_at > new.last_used_at => Step::Watch,
        Some(_) => Step::Revoke,
    }
}

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, ids: Path<(String, String)>) -> Answer {
    let agent_id: AgentId = ids.0.parse().map_err(|_| Trouble::NotFound)?;
    let key_id: KeyId = ids.1.parse().map_err(|_| Trouble::NotFound)?;
    let (agent, old, new) = context
        .store
        .read(move |conn| {
            let old = key_rows::get(conn, key_id)?.ok_or(Trouble::NotFound)?;
            let agent = agents::label(conn, agent_id)?;
            let agent = agent.filter(|it| !it.is_deleted && old.key.agent_id == agent_id);
            // A new key that is revoked already takes over from nobody.
            let new = key_rows::successor(conn, key_id)?;
            let new = new.filter(|new| new.key.is_active || !old.key.is_active);
            Ok::<_, Trouble>((agent.ok_or(Trouble::NotFound)?.name, old, new))
        })
        .await?;
    let seen = seen.at(&context.store, old.key.account_id).await?;
    if !seen.may_keys() {
        return Err(Trouble::Forbidden);
    }
    let content = page(agent_id, &agent, &old, new.as_ref(), &context.voice_url(), wall_ms());
    let scripts = ["keys.js", "live.js"];
    let title = title(&old);
    Ok(ok(layout::frame(&seen.frame, Section::Agents, &title, &scripts, &content)))
}

/// Which key it is about.
fn title(old: &KeyView) -> String {
    format!("Rotate {} (…{})", keys::title(&old.key), old.key.suffix)
}

fn page(
    agent_id: AgentId,
    agent: &str,
    old: &KeyView,
    new: Option<&KeyView>,
    voice: &str,
    now: i64,
) -> Markup {
    let back = format!("/agents/{agent_id}");
    let step = step(old, new);
    html! {
        (part::top(Some((&back, agent)), &title(old), &html! {}))
        p.muted {
            "Create a new key, move the provider to it, wait until the old key is unused, then revoke the old key. You can leave this page and continue at any time."
        }
        section.card aria-labelledby="steps-title" {
            h2.visually-hidden #steps-title { "Steps" }
            ol.steps #rotation data-live { (steps(&step, old, new)) }
        }
        @if let Some(new) = new {
            section.card aria-labelledby="both-title" {
                h2 #both-title { "Both keys" }
                div #both data-live { (keys::comparison(old, new, now)) }
            }
        }
        (keys::new_dialog(&agent_id.to_string(), Some(&old.key), voice))
        (keys::revoke_dialog())
    }
}

fn steps(step: &Step, old: &KeyView, new: Option<&KeyView>) -> Markup {
    let class = |done: bool, now: bool| {
        if done {
            "done"
        } else if now {
            "now"
        } else {
            ""
        }
    };
    let made = new.is_some();
    let moved = matches!(step, Step::Watch | Step::Revoke | Step::Done);
    let quiet = matches!(step, Step::Revoke | Step::Done);
    html! {
        li class=(class(made, *step == Step::Make)) {
            h3 { "Create the new key" }
            div {
                p.muted { "It belongs to the same agent and is shown only once." }
                @if *step == Step::Make {
                    p { button.main #open-new-key type="button" data-opens="new-key" { "New key" } }
                }
            }
        }
        li class=(class(moved, *step == Step::Move)) {
            h3 { "Move the provider" }
            div {
                p.muted { "Replace the old address by the new one. Both keys work." }
                @if *step == Step::Move { p { strong { "No call with the new key yet." } } }
            }
        }
        li class=(class(quiet, *step == Step::Watch)) {
            h3 { "Wait until the old key is unused" }
            div {
                p.muted { "Live calls on the old key continue." }
                @if *step == Step::Watch {
                    p { strong {
                        @if old.live_calls > 0 { (words::count(old.live_calls, "live call")) " on the old key." }
                        @else { "The old key was used after the new one: it is still in use somewhere." }
                    } }
                }
            }
        }
        li class=(class(*step == Step::Done, *step == Step::Revoke)) {
            h3 { "Revoke the old key" }
            div {
                @if *step == Step::Done {
                    p { strong { "Revoked. " } "The rotation is complete." }
                } @else {
                    p.muted {
                        @if *step == Step::Revoke { "The new key is in use, and the old key has no live calls." }
                        @else { "Do this after the steps above, or at once if the key has leaked." }
                    }
                    p { (keys::revoke_button(&old.key, if *step == Step::Revoke { "danger" } else { "danger slim" })) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::AccountId, key::PlainKey, store::keys::Key};

    fn view(is_active: bool, last_used_at: Option<i64>, live_calls: i64) -> KeyView {
        let key = Key {
            id: KeyId::new(),
            agent_id: AgentId::new(),
            account_id: AccountId::new(),
            name: None,
            suffix: PlainKey::generate().unwrap().suffix(),
            is_active,
            created_at: 0,
            revoked_at: (!is_active).then_some(0),
            refused_uses: 0,
            last_refused_at: None,
            last_refused_from: None,
            replaces: None,
        };
        KeyView { key, last_used_at, live_calls, unrecognised_calls: 0, refusals: Vec::new() }
    }

    #[test]
    fn what_is_next_follows_from_what_both_keys_do() {
        let step = |old: KeyView, new: Option<KeyView>| step(&old, new.as_ref());
        assert_eq!(step(view(true, Some(5), 1), None), Step::Make);
        assert_eq!(step(view(true, Some(5), 1), Some(view(true, None, 0))), Step::Move);
        assert_eq!(step(view(true, Some(5), 1), Some(view(true, Some(9), 1))), Step::Watch);
        assert_eq!(step(view(true, Some(10), 0), Some(view(true, Some(9), 0))), Step::Watch);
        assert_eq!(step(view(true, Some(5), 0), Some(view(true, Some(9), 0))), Step::Revoke);
        assert_eq!(step(view(true, None, 0), Some(view(true, Some(9), 0))), Step::Revoke);
        assert_eq!(step(view(false, Some(5), 1), Some(view(true, Some(9), 0))), Step::Done);
    }

    #[test]
    fn a_new_key_made_here_says_which_one_it_replaces() {
        let old = view(true, None, 0);
        let html = page(AgentId::new(), "A", &old, None, "wss://h/voice/", 0).into_string();
        assert!(html.contains(&format!("name=\"replaces\" value=\"{}\"", old.key.id)));
        let heading = format!(">Rotate Unnamed key (…{})</h1>", old.key.suffix);
        assert!(html.contains(&heading), "{html}");
    }
}
