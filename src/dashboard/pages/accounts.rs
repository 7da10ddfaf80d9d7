//! `/accounts`: for operators, the accounts of this server.

use actix_web::web::{Data, Query};
use maud::{Markup, html};

use super::Context;
use crate::{
    auth::Action,
    dashboard::{
        answer::{Answer, ok},
        layout::{self, Section},
        paging::{Place, Ways},
        part::{self, Field, Kind, Row},
        seen::Seen,
        words,
    },
    id::AccountId,
    store::accounts::{self, Account},
};

/// Accounts on a page.
const LISTED: i64 = 50;

/// The list.
pub async fn show(context: Data<Context>, seen: Seen, place: Query<Place>) -> Answer {
    seen.must(Action::Operate)?;
    let page_of = place.page::<AccountId>(LISTED);
    let mut listed = context.store.read(move |conn| accounts::list(conn, None, page_of)).await?;
    let ways = place.ways(&mut listed, LISTED, ("/accounts", ""), |account| account.id);
    let content = page(&listed, seen.looked_at(), &ways);
    Ok(ok(layout::frame(&seen.frame, Section::Accounts, "Accounts", &[], &content)))
}

fn page(listed: &[Account], now: Option<AccountId>, ways: &Ways) -> Markup {
    let new = html! { button.main type="button" data-opens="new-account" { "New account" } };
    let rows: Vec<Row> = listed
        .iter()
        .map(|account| Row {
            id: account.id.to_string(),
            cells: vec![
                html! {
                    (part::clip_link(&format!("/accounts/{}", account.id), &account.name))
                    (part::id(&account.id.to_string()))
                },
                html! { (words::points(account.free())) },
                html! { (words::points(account.held)) },
                html! { @if let Some(cap) = account.max_concurrent_calls { (words::thousands(cap.unsigned_abs().into())) } @else { "No limit" } },
                words::when(account.created_at),
                html! {
                    (look_at(account, now, "slim"))
                },
            ],
        })
        .collect();
    html! {
        (part::top(None, "Accounts", &new))
        section.card aria-label="Accounts" {
            div #accounts data-live {
                @if rows.is_empty() { p.empty { "No accounts yet." } }
                @else {
                    (part::table("Accounts", &["Name", "Points", "Held", "Max concurrent calls", "Created", ""], &rows))
                }
                (ways.links())
            }
        }
        (part::dialog("new-account", "New account", &html! {
            form data-method="POST" data-api="/api/accounts" data-said="Account created." {
                (Field { id: "new-account-name", name: "name", label: "Name", required: true, ..Field::default() }.render())
                (Field { id: "new-account-cap", name: "max_concurrent_calls", label: "Max concurrent calls",
                    hint: "Empty: no limit.", kind: Kind::NullableNumber, ..Field::default() }.render())
                (part::form_wrong())
                (part::dialog_buttons("Create", "main"))
            }
        }))
    }
}

/// The button that shows an account's agents, calls and points from now on; `now` is the account they
/// are shown of.
pub fn look_at(account: &Account, now: Option<AccountId>, class: &str) -> Markup {
    html! {
        @if now == Some(account.id) { (part::tag("", "Current")) }
        @else {
            form.inline method="post" action="/look" {
                input type="hidden" name="account" value=(account.id);
                button class=(class) type="submit" { "Switch" span.visually-hidden { " to " (account.name) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Seconds;

    #[test]
    fn an_account_can_be_looked_at_unless_it_is() {
        let account = Account {
            id: AccountId::new(),
            name: "<One>".to_owned(),
            balance: Seconds(60),
            held: Seconds(0),
            max_concurrent_calls: None,
            retention_days: None,
            created_at: 0,
        };
        let html = page(std::slice::from_ref(&account), None, &Ways::default()).into_string();
        assert!(html.contains("&lt;One&gt;") && html.contains("No limit"));
        assert!(html.contains(&format!("name=\"account\" value=\"{}\"", account.id)));
        assert!(html.contains(&format!("href=\"/accounts/{}\"", account.id)));
        let html = look_at(&account, Some(account.id), "").into_string();
        assert!(html.contains("Current") && !html.contains("<form"));
    }
}
