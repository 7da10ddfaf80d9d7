//! `/audit`: who did what to which object, when and from where.

use actix_web::web::{Data, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use crate::{
    dashboard::{
        answer::{Answer, ok},
        layout::{self, Section},
        part::{self, Row},
        seen::Seen,
        words,
    },
    id::AuditId,
    store::{
        Page,
        audit::{self, Row as Entry},
    },
};

/// Entries on a page.
const LISTED: i64 = 50;

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    after: Option<String>,
}

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, wanted: Query<Wanted>) -> Answer {
    let account = seen.account_id()?;
    let after = wanted.after.as_deref().and_then(|id| id.parse().ok());
    let page_of = Page::<AuditId> { after, limit: LISTED + 1 };
    let mut entries =
        context.store.read(move |conn| audit::list(conn, Some(account), page_of)).await?;
    let more = entries.len() > usize::try_from(LISTED).unwrap_or(usize::MAX);
    entries.truncate(usize::try_from(LISTED).unwrap_or(usize::MAX));
    let next = entries.last().filter(|_| more).map(|last| format!("/audit?after={}", last.id));
    let content = page(&entries, next.as_deref());
    Ok(ok(layout::frame(&seen.frame, Section::Audit, "Audit", &[], &content)))
}

fn page(entries: &[Entry], next: Option<&str>) -> Markup {
    let rows: Vec<Row> = entries
        .iter()
        .map(|entry| Row {
            id: entry.id.to_string(),
            cells: vec![
                words::when(entry.at),
                html! { (entry.actor) },
                html! { (action(&entry.action)) },
                object(&entry.object),
                html! { @if let Some(from) = &entry.from { (from) } @else { span.muted { "Not a client" } } },
            ],
        })
        .collect();
    html! {
        (part::top(None, "Audit", &html! {}))
        section.card aria-label="Audit" {
            @if rows.is_empty() { p.empty { "Nothing has been changed yet." } }
            @else { (part::table("Audit", &["When", "Who", "What", "Object", "From"], &rows)) }
            (part::older(next))
        }
    }
}

/// `key.revoke` in words; programs get it as it is from the API. What has no words yet stays as it is.
fn action(action: &str) -> &str {
    match action {
        "account.create" => "Made an account",
        "account.update" => "Changed an account",
        "account.topup" => "Added points",
        "agent.create" => "Made an agent",
        "agent.update" => "Changed an agent",
        "agent.delete" => "Deleted an agent",
        "key.create" => "Made a key",
        "key.revoke" => "Revoked a key",
        "call.end" => "Ended a call",
        "user.create" => "Made a user",
        "user.update" => "Changed a user",
        "user.delete" => "Deleted a user",
        "user.password" => "Set a password",
        "user.sign_in" => "Signed in",
        "user.sign_out" => "Signed out",
        "user.sign_out_everywhere" => "Signed out everywhere",
        other => other,
    }
}

/// An object's id, and its page if it has one.
fn object(id: &str) -> Markup {
    let page = [("agt_", "/agents/"), ("call_", "/calls/"), ("usr_", "/users/")];
    let page = page.into_iter().find(|(prefix, _)| id.starts_with(prefix));
    html! {
        @if let Some((_, path)) = page { a href={ (path) (id) } { code { (id) } } }
        @else { code { (id) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_well_and_objects_lead_to_their_pages() {
        assert_eq!(action("key.revoke"), "Revoked a key");
        assert_eq!(action("key.polish"), "key.polish");
        assert!(object("agt_1").into_string().contains("href=\"/agents/agt_1\""));
        assert!(!object("key_1").into_string().contains("href"));
    }
}
