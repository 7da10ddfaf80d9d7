//! `/accounts/{id}`: one account, for operators: what it is called, how many calls it may have at
//! once and how long they are kept.
//!
//! Its points are on `/points`, once it is the account that is looked at; oneself is in [`super::own`].

use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::{Context, accounts};
use crate::{
    auth::Action,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part::{self, Field, Kind},
        seen::Seen,
        words,
    },
    id::AccountId,
    store::accounts::{self as account_rows, Account},
};

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, id: Path<String>) -> Answer {
    seen.must(Action::Operate)?;
    let id: AccountId = id.parse().map_err(|_| Trouble::NotFound)?;
    let account = context.store.read(move |conn| account_rows::get(conn, id)).await?;
    let account = account.ok_or(Trouble::NotFound)?;
    let content = page(&account, seen.looked_at());
    Ok(ok(layout::frame(&seen.frame, Section::Accounts, &account.name, &[], &content)))
}

fn page(account: &Account, now: Option<AccountId>) -> Markup {
    html! {
        (part::top(Some(("/accounts", "Accounts")), &account.name, &accounts::look_at(account, now, "")))
        section.card aria-label="The account" {
            dl.facts #account-facts data-live {
                div { dt { "Points" } dd { (words::points(account.free())) } }
                div { dt { "Held by live calls" } dd { (words::points(account.held)) } }
                div { dt { "Account ID" } dd { (part::id(&account.id.to_string())) } }
                div { dt { "Created" } dd { (words::when(account.created_at)) } }
            }
        }
        section.card aria-labelledby="settings-title" {
            h2 #settings-title { "Settings" }
            (settings(account))
        }
    }
}

fn settings(account: &Account) -> Markup {
    let cap = account.max_concurrent_calls.map(|cap| cap.to_string()).unwrap_or_default();
    let name = Field {
        id: "name",
        name: "name",
        label: "Name",
        value: &account.name,
        required: true,
        ..Field::default()
    };
    let cap = Field {
        id: "cap",
        name: "max_concurrent_calls",
        label: "Max concurrent calls",
        hint: "For all its agents together. Empty: no limit.",
        value: &cap,
        kind: Kind::NullableNumber,
        ..Field::default()
    };
    let days = account.retention_days.map(|days| days.to_string()).unwrap_or_default();
    let days = Field {
        id: "retention",
        name: "retention_days",
        label: "Call retention (days)",
        hint: "Older calls and their transcripts are deleted; the ledger stays. Empty: the server's default.",
        value: &days,
        kind: Kind::NullableNumber,
        ..Field::default()
    };
    html! {
        form data-method="PATCH" data-api={ "/api/accounts/" (account.id) }
            data-said="Saved. Live calls continue." {
            (name.render())
            (cap.render())
            (days.render())
            (part::form_wrong())
            div.actions {
                button.main type="submit" { "Save" }
                p.muted data-form-right role="status" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Seconds;

    #[test]
    fn the_form_holds_what_the_account_is() {
        let html = |cap| {
            let account = Account {
                id: AccountId::new(),
                name: "\"><script>".to_owned(),
                balance: Seconds(120),
                held: Seconds(60),
                max_concurrent_calls: cap,
                retention_days: cap,
                created_at: 0,
            };
            page(&account, None).into_string()
        };
        let name = |name: &str| format!("name=\"{name}\" type=\"number\" value=\"12\"");
        assert!(html(Some(12)).contains(&name("max_concurrent_calls")));
        assert!(html(Some(12)).contains(&name("retention_days")));
        assert!(html(None).contains("name=\"max_concurrent_calls\" type=\"number\" value=\"\""));
        assert!(!html(None).contains("<script>"));
    }
}
