//! `/accounts`: for operators, who pays on this server.

use actix_web::web::{Data, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use crate::{
    auth::Action,
    dashboard::{
        answer::{Answer, ok},
        layout::{self, Section},
        part::{self, Field, Kind, Row},
        seen::Seen,
        words,
    },
    id::AccountId,
    store::{
        Page,
        accounts::{self, Account},
    },
};

/// Accounts on a page.
const LISTED: i64 = 50;

/// Where the list goes on.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    after: Option<String>,
}

/// The list.
pub async fn show(context: Data<Context>, seen: Seen, wanted: Query<Wanted>) -> Answer {
    seen.must(Action::Operate)?;
    let after = wanted.after.as_deref().and_then(|id| id.parse().ok());
    let page_of = Page::<AccountId> { after, limit: LISTED + 1 };
    let mut listed = context.store.read(move |conn| accounts::list(conn, None, page_of)).await?;
    let more = listed.len() > usize::try_from(LISTED).unwrap_or(usize::MAX);
    listed.truncate(usize::try_from(LISTED).unwrap_or(usize::MAX));
    let next = listed.last().filter(|_| more).map(|last| format!("/accounts?after={}", last.id));
    let content = page(&listed, seen.looked_at(), next.as_deref());
    Ok(ok(layout::frame(&seen.frame, Section::Accounts, "Accounts", &[], &content)))
}

fn page(listed: &[Account], now: Option<AccountId>, next: Option<&str>) -> Markup {
    let new = html! { button.main type="button" data-opens="new-account" { "New account" } };
    let rows: Vec<Row> = listed
        .iter()
        .map(|account| Row {
            id: account.id.to_string(),
            cells: vec![
                html! { a href={ "/accounts/" (account.id) } { (account.name) } },
                html! { (words::points(account.free())) },
                html! { (words::points(account.held)) },
                html! { @if let Some(cap) = account.max_concurrent_calls { (cap) } @else { "No limit" } },
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
                @if rows.is_empty() { p.empty { "There is no account yet." } }
                @else {
                    (part::table("Accounts", &["Name", "Points", "Held", "Calls at once", "Made", ""], &rows))
                }
                (part::older(next))
            }
        }
        (part::dialog("new-account", "New account", &html! {
            form data-method="POST" data-api="/api/accounts" data-said="The account is made." {
                (Field { id: "new-account-name", name: "name", label: "Name", required: true, ..Field::default() }.render())
                (Field { id: "new-account-cap", name: "max_concurrent_calls", label: "Calls at once",
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
        @if now == Some(account.id) { (part::tag("", "Shown now")) }
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
        let html = page(std::slice::from_ref(&account), None, None).into_string();
        assert!(html.contains("&lt;One&gt;") && html.contains("No limit"));
        assert!(html.contains(&format!("name=\"account\" value=\"{}\"", account.id)));
        assert!(html.contains(&format!("href=\"/accounts/{}\"", account.id)));
        let html = look_at(&account, Some(account.id), "").into_string();
        assert!(html.contains("Shown now") && !html.contains("<form"));
    }
}
