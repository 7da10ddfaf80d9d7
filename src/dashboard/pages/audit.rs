//! `/audit`: who did what to which object, when and from where.

use std::collections::{HashMap, HashSet};

use actix_web::web::{Data, Query};
use maud::{Markup, html};

use super::{Context, calls};
use crate::{
    auth::Action,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        paging::{Place, Ways},
        part::{self, Row},
        seen::Seen,
        words,
    },
    id::{AgentId, AuditId, UserId},
    store::{
        Conn, StoreError,
        agents::{self, Label},
        audit::{self, Changes, FromTo, Row as Entry},
        users,
    },
};

/// Entries on a page.
const LISTED: i64 = 50;

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, place: Query<Place>) -> Answer {
    let account = seen.account_id()?;
    let page_of = place.page::<AuditId>(LISTED);
    let users_too = seen.user.may(Action::Manage);
    let (mut entries, there) = context
        .store
        .read(move |conn| {
            let entries = audit::list(conn, Some(account), page_of)?;
            let there = There::of(conn, &entries, users_too)?;
            Ok::<_, Trouble>((entries, there))
        })
        .await?;
    let ways = place.ways(&mut entries, LISTED, ("/audit", ""), |entry| entry.id);
    let content = page(&entries, &there, &ways);
    Ok(ok(layout::frame(&seen.frame, Section::Audit, "Audit", &[], &content)))
}

/// What of a page's entries still has a page of its own, for whoever looks.
#[derive(Default)]
struct There {
    agents: HashMap<AgentId, Label>,
    users: HashSet<UserId>,
    /// Whether whoever looks may see the pages of users.
    users_too: bool,
}

impl There {
    fn of(conn: &mut Conn, entries: &[Entry], users_too: bool) -> Result<Self, StoreError> {
        let mut there = Self { users_too, ..Self::default() };
        for entry in entries {
            if let Ok(id) = entry.object.parse()
                && !there.agents.contains_key(&id)
            {
                there.agents.insert(id, agents::label(conn, id)?.unwrap_or_default());
            }
            let users = entry.object.parse().ok().into_iter().chain(entry.actor_id);
            for id in users.filter(|_| users_too) {
                if !there.users.contains(&id) && users::get(conn, id)?.is_some() {
                    there.users.insert(id);
                }
            }
        }
        Ok(there)
    }
}

fn page(entries: &[Entry], there: &There, ways: &Ways) -> Markup {
    let rows: Vec<Row> = entries
        .iter()
        .map(|entry| Row {
            id: entry.id.to_string(),
            cells: vec![
                words::when(entry.at),
                actor(entry, there),
                html! { (action(&entry.action)) (changes(entry.changes.as_ref())) },
                object(&entry.object, there),
                html! { @if let Some(from) = &entry.from { (part::unbroken(from)) } @else { (words::none("no client")) } },
            ],
        })
        .collect();
    html! {
        (part::top(None, "Audit", &html! {}))
        section.card aria-label="Audit" {
            @if rows.is_empty() { p.empty { "No entries yet." } }
            @else { (part::table("Audit", &["Time", "User", "Action", "Object", "Client address"], &rows)) }
            (ways.links())
        }
    }
}

/// `key.revoke` in words; programs get it as it is from the API. What has no words yet stays as it is.
fn action(action: &str) -> &str {
    match action {
        "account.create" => "Created account",
        "account.update" => "Changed account",
        "account.topup" => "Added points",
        "account.adjustment" => "Adjusted points",
        "agent.create" => "Created agent",
        "agent.update" => "Changed agent",
        "agent.delete" => "Deleted agent",
        "key.create" => "Created key",
        "key.revoke" => "Revoked key",
        "call.end" => "Ended call",
        "call.try" => "Browser test",
        "user.create" => "Created user",
        "user.update" => "Changed user",
        "user.delete" => "Deleted user",
        "user.password" => "Set password",
        "user.address_taken" => "Tried an e-mail address that is in use",
        "user.sign_in" => "Signed in",
        "user.sign_in_refused" => "Refused sign-ins",
        "user.sign_out" => "Signed out",
        "user.sign_out_everywhere" => "Signed out everywhere",
        other => other,
    }
}

/// Who it was: the address of then leads to the user of now, if there is one.
fn actor(entry: &Entry, there: &There) -> Markup {
    html! {
        @match entry.actor_id {
            Some(id) if there.users.contains(&id) => (part::clip_link(&format!("/users/{id}"), &entry.actor)),
            Some(_) if there.users_too => (part::clip(&format!("{} (deleted)", entry.actor))),
            _ => (part::clip(&entry.actor)),
        }
    }
}

/// An object's id, or its name, and its page if it has one.
fn object(id: &str, there: &There) -> Markup {
    if let Ok(agent) = id.parse::<AgentId>() {
        return match there.agents.get(&agent) {
            Some(label) => calls::agent(agent, label),
            None => part::id(id),
        };
    }
    if let Ok(user) = id.parse::<UserId>() {
        return html! {
            @if there.users.contains(&user) { (linked(&format!("/users/{id}"), id)) }
            @else {
                (part::id(id))
                @if there.users_too { " " span.muted { "(deleted)" } }
            }
        };
    }
    html! {
        @if id.starts_with("call_") { (linked(&format!("/calls/{id}"), id)) }
        @else { (part::id(id)) }
    }
}

/// An id that leads to its page.
fn linked(href: &str, id: &str) -> Markup {
    html! { span.id { a href=(href) title=(id) { code { (part::short_id(id)) } } (part::copy_id(id)) } }
}

/// What an update changed, such as `role: viewer → owner, email`.
fn changes(changes: Option<&Changes>) -> Markup {
    let told = |field: &String, changes: &Changes| match changes.values.get(field) {
        Some(FromTo { from, to }) => format!("{field}: {} → {}", plain(from), plain(to)),
        None => field.clone(),
    };
    let told = changes.map(|changes| changes.changed.iter().map(|field| told(field, changes)));
    let told = told.map(|told| told.collect::<Vec<_>>().join(", "));
    html! {
        @if let Some(told) = told { div.muted.small { (told) } }
    }
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_well_and_objects_lead_to_their_pages() {
        assert_eq!(action("key.revoke"), "Revoked key");
        assert_eq!(action("key.polish"), "key.polish");
        let (kept, gone, user) = (AgentId::new(), AgentId::new(), UserId::new());
        let label = |name: &str, is_deleted| Label { name: name.to_owned(), is_deleted };
        let there = There {
            agents: [(kept, label("Front desk", false)), (gone, label("Old", true))].into(),
            users: [user].into(),
            users_too: true,
        };
        let html = |id: &str| object(id, &there).into_string();
        assert!(
            html(&kept.to_string())
                .contains(&format!("href=\"/agents/{kept}\" title=\"Front desk\""))
        );
        let deleted = html(&gone.to_string());
        assert!(deleted.contains("Old") && deleted.contains("(deleted)"));
        assert!(!deleted.contains("href"), "its page is gone: {deleted}");
        assert!(html(&user.to_string()).contains(&format!("href=\"/users/{user}\"")));
        let stranger = html(&UserId::new().to_string());
        assert!(stranger.contains("(deleted)") && !stranger.contains("href"));
        assert!(html("call_1").contains("href=\"/calls/call_1\""));
        assert!(!html("key_1").contains("href"));
    }

    #[test]
    fn a_row_leads_to_its_user_and_says_what_changed() {
        let (user, gone) = (UserId::new(), UserId::new());
        let there = There { users: [user].into(), users_too: true, ..There::default() };
        let entry = |actor_id| Entry {
            id: AuditId::new(),
            at: 0,
            actor: "ceo@x.example".to_owned(),
            action: "user.update".to_owned(),
            object: user.to_string(),
            account_id: None,
            from: None,
            actor_id,
            changes: Some(
                Changes::default()
                    .value("role", "viewer", "owner")
                    .value("is_active", false, false)
                    .field("email", &1, &2),
            ),
        };
        let html = page(&[entry(Some(user))], &there, &Ways::default()).into_string();
        assert!(
            html.contains(&format!("href=\"/users/{user}\" title=\"ceo@x.example\"")),
            "{html}"
        );
        assert!(html.contains("role: viewer → owner, email") && !html.contains("is_active"));
        let html = actor(&entry(Some(gone)), &there).into_string();
        assert!(html.contains("(deleted)") && !html.contains("href"), "{html}");
        let html = actor(&entry(None), &there).into_string();
        assert!(html.contains(">ceo@x.example<") && !html.contains("href"), "{html}");
    }
}
