//! `/points`: what an account has, what is held, and every second that came and went.

use actix_web::web::{Data, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use crate::{
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part::{self, Field, Kind, Row},
        seen::Seen,
        words,
    },
    id::LedgerId,
    store::{
        Page,
        accounts::Account,
        ledger::{self, Entry, EntryKind},
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
    let account = seen.account.clone().ok_or(Trouble::NoAccount)?;
    let (id, after) = (account.id, wanted.after.as_deref().and_then(|id| id.parse().ok()));
    let page_of = Page::<LedgerId> { after, limit: LISTED + 1 };
    let mut entries = context.store.read(move |conn| ledger::list(conn, id, page_of)).await?;
    let more = entries.len() > usize::try_from(LISTED).unwrap_or(usize::MAX);
    entries.truncate(usize::try_from(LISTED).unwrap_or(usize::MAX));
    let next = entries.last().filter(|_| more).map(|last| format!("/points?after={}", last.id));
    let content = page(&account, &entries, next.as_deref(), seen.may_operate());
    Ok(ok(layout::frame(&seen.frame, Section::Points, "Points", &["live.js"], &content)))
}

fn page(account: &Account, entries: &[Entry], next: Option<&str>, may_add: bool) -> Markup {
    let add = html! {
        @if may_add {
            button type="button" data-opens="adjust-points" { "Adjust" }
            button.main type="button" data-opens="add-points" { "Add points" }
        }
    };
    html! {
        (part::top(None, "Points", &add))
        figure.card #balance data-live aria-labelledby="balance-title" {
            figcaption { h2 #balance-title { "Points" } }
            p.figure { (words::points(account.free())) }
            dl.facts {
                div { dt { "Free" } dd { (words::length(account.free().0)) " of call" } }
                div { dt { "Held by live calls" } dd { (words::points(account.held)) } }
                div { dt { "Balance" } dd { (words::points(account.balance)) } }
            }
        }
        section.card aria-labelledby="ledger-title" {
            div.top {
                h2 #ledger-title { "Ledger" }
                p.muted.small { "Every entry, newest first. The balance is their sum." }
            }
            div #ledger data-live {
                @if entries.is_empty() { p.empty { "Nothing came or went yet." } }
                @else { (table(entries)) }
                (part::older(next))
            }
        }
        @if may_add { (add_dialog(account)) (adjust_dialog(account)) }
    }
}

fn table(entries: &[Entry]) -> Markup {
    let rows: Vec<Row> = entries
        .iter()
        .map(|entry| Row {
            id: entry.id.to_string(),
            cells: vec![
                words::when(entry.created_at),
                html! {
                    @match (entry.kind, entry.call_id) {
                        (EntryKind::Call, Some(call)) => a href={ "/calls/" (call) } { "A call" },
                        (EntryKind::Call, None) => "A call",
                        (EntryKind::TopUp, _) => "Points added",
                        (EntryKind::Adjustment, _) => "A correction",
                    }
                },
                html! { @if let Some(note) = &entry.note { (note) } @else { span.muted { "None" } } },
                html! { @if entry.seconds.0 > 0 { "+" } (words::points(entry.seconds)) },
                html! {
                    @if entry.seconds.0 < 0 { "−" }
                    (words::length(entry.seconds.0.saturating_abs()))
                },
            ],
        })
        .collect();
    part::table("Ledger", &["When", "What", "Note", "Points", "Time"], &rows)
}

fn add_dialog(account: &Account) -> Markup {
    let points = Field {
        id: "add-points-points",
        name: "points",
        label: "Points",
        hint: "1 point is one minute of call.",
        kind: Kind::Number,
        required: true,
        ..Field::default()
    };
    let note = Field {
        id: "add-points-note",
        name: "note",
        label: "Note",
        hint: "Such as an invoice's number. May stay empty.",
        kind: Kind::Nullable,
        ..Field::default()
    };
    let api = format!("/api/accounts/{}/topups", account.id);
    part::dialog(
        "add-points",
        "Add points",
        &html! {
            form data-method="POST" data-api=(api) data-idempotent data-said="Points added." {
                p.muted { "For " (account.name) "." }
                (points.render())
                (note.render())
                (part::form_wrong())
                (part::dialog_buttons("Add", "main"))
            }
        },
    )
}

fn adjust_dialog(account: &Account) -> Markup {
    let points = Field {
        id: "adjust-points-points",
        name: "points",
        label: "Points",
        hint: "What is taken back is negative, such as −5. What live calls hold stays.",
        kind: Kind::Number,
        required: true,
        ..Field::default()
    };
    let note = Field {
        id: "adjust-points-note",
        name: "note",
        label: "Note",
        hint: "Why. It stands in the ledger, which the account's people see.",
        required: true,
        ..Field::default()
    };
    let api = format!("/api/accounts/{}/adjustments", account.id);
    part::dialog(
        "adjust-points",
        "Adjust points",
        &html! {
            form data-method="POST" data-api=(api) data-idempotent data-said="The points are adjusted." {
                p.muted { "For " (account.name) ". A correction or a refund; the ledger keeps both entries." }
                (points.render())
                (note.render())
                (part::form_wrong())
                (part::dialog_buttons("Adjust", "main"))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{AccountId, CallId},
        points::Seconds,
    };

    #[test]
    fn a_charge_leads_to_its_call_and_only_operators_add_points() {
        let account = Account {
            id: AccountId::new(),
            name: "A".to_owned(),
            balance: Seconds(6_000),
            held: Seconds(60),
            max_concurrent_calls: None,
            retention_days: None,
            created_at: 0,
        };
        let call = CallId::new();
        let entry = Entry {
            id: LedgerId::new(),
            account_id: account.id,
            kind: EntryKind::Call,
            seconds: Seconds(-90),
            call_id: Some(call),
            note: None,
            created_at: 0,
        };
        let html = page(&account, &[entry], None, true).into_string();
        assert!(html.contains(&format!("href=\"/calls/{call}\"")));
        assert!(html.contains("−1.5") && html.contains("−1 min 30 s") && html.contains(">99<"));
        assert!(html.contains("data-idempotent"));
        assert!(html.contains(&format!("data-api=\"/api/accounts/{}/adjustments\"", account.id)));
        let of_others = page(&account, &[], None, false).into_string();
        assert!(!of_others.contains("Add points") && !of_others.contains("Adjust"));
    }
}
