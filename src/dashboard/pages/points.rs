//! `/points`: what an account has, what is held, and every second that came and went.

use actix_web::web::{Data, Query};
use maud::{Markup, html};

use super::Context;
use crate::{
    clock::wall_ms,
    dashboard::{
        answer::{Answer, Trouble, ok},
        balance::{self, Recent},
        layout::{self, Section},
        paging::{Place, Ways},
        part::{self, Field, Kind, Row},
        seen::Seen,
        words,
    },
    id::LedgerId,
    store::{
        accounts::Account,
        calls,
        ledger::{self, Entry, EntryKind},
    },
};

/// Entries on a page.
const LISTED: i64 = 50;

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, place: Query<Place>) -> Answer {
    let account = seen.account.clone().ok_or(Trouble::NoAccount)?;
    let (id, now, page_of) = (account.id, wall_ms(), place.page::<LedgerId>(LISTED));
    let (mut entries, uses) = context
        .store
        .read(move |conn| {
            let entries = ledger::list(conn, id, page_of)?;
            Ok::<_, Trouble>((entries, calls::per_day(conn, id, Recent::since(now))?))
        })
        .await?;
    let recent = Recent::of(&uses, account.created_at, now);
    let ways = place.ways(&mut entries, LISTED, ("/points", ""), |entry| entry.id);
    let content = page(&account, recent, &entries, &ways, seen.may_operate());
    Ok(ok(layout::frame(&seen.frame, Section::Points, "Points", &["live.js"], &content)))
}

fn page(
    account: &Account,
    recent: Recent,
    entries: &[Entry],
    ways: &Ways,
    may_add: bool,
) -> Markup {
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
            (part::figure(&words::points(account.free())))
            (balance::warning(account.free(), recent))
            @if let Some(forecast) = balance::forecast(account.free(), recent) { p.muted { (forecast) } }
            dl.facts {
                div { dt { "Available talk time" } dd { (words::length(account.free().0)) } }
                div { dt { "Held by live calls" } dd { (words::all_points(account.held)) } }
                div { dt { "Balance" } dd {
                    (words::all_points(account.balance)) " (" (words::length(account.balance.0)) ")"
                } }
            }
        }
        section.card aria-labelledby="ledger-title" {
            div.top {
                h2 #ledger-title { "Ledger" }
                p.muted.small { "Newest first. 1 point is 60 s; the balance is the sum of all entries." }
            }
            div #ledger data-live {
                @if entries.is_empty() { p.empty { "No entries yet." } }
                @else { (table(entries)) }
                (ways.links())
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
                        (EntryKind::Call, Some(call)) => a href={ "/calls/" (call) } { "Call" },
                        (EntryKind::Call, None) => "Call",
                        (EntryKind::TopUp, _) => "Top-up",
                        (EntryKind::Adjustment, _) => "Adjustment",
                    }
                },
                html! { @if let Some(note) = &entry.note { (part::clip(note)) } @else { (words::none("no note")) } },
                html! { @if entry.seconds.0 > 0 { "+" } (words::all_points(entry.seconds)) },
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
        hint: "1 point is 60 seconds of call.",
        kind: Kind::Number,
        required: true,
        ..Field::default()
    };
    let note = Field {
        id: "add-points-note",
        name: "note",
        label: "Note",
        hint: "Optional, for example an invoice number.",
        kind: Kind::Nullable,
        ..Field::default()
    };
    let api = format!("/api/accounts/{}/topups", account.id);
    part::dialog(
        "add-points",
        "Add points",
        &html! {
            form data-method="POST" data-api=(api) data-idempotent data-said="Points added." {
                p.muted { "Account: " (account.name) }
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
        hint: "Negative to take points back, for example −5. Points held by live calls stay.",
        kind: Kind::Number,
        required: true,
        ..Field::default()
    };
    let note = Field {
        id: "adjust-points-note",
        name: "note",
        label: "Note",
        hint: "The reason. The account's users see it in the ledger.",
        required: true,
        ..Field::default()
    };
    let api = format!("/api/accounts/{}/adjustments", account.id);
    part::dialog(
        "adjust-points",
        "Adjust points",
        &html! {
            form data-method="POST" data-api=(api) data-idempotent data-said="Points adjusted." {
                p.muted { "Account: " (account.name) ". A correction or a refund; the ledger keeps both entries." }
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
        let (recent, ways) = (Recent::default(), Ways::default());
        let html = page(&account, recent, &[entry], &ways, true).into_string();
        assert!(html.contains(&format!("href=\"/calls/{call}\"")));
        assert!(
            html.contains(">−1.5000<") && html.contains("−1 min 30 s") && html.contains(">99<")
        );
        assert!(html.contains("data-idempotent"));
        assert!(html.contains(&format!("data-api=\"/api/accounts/{}/adjustments\"", account.id)));
        let of_others = page(&account, recent, &[], &ways, false).into_string();
        assert!(!of_others.contains("Add points") && !of_others.contains("Adjust"));
    }
}
