//! `/users`: the users. An owner sees those of their account, an operator all.
//!
//! One user is in [`super::user`].

use std::collections::HashMap;

use actix_web::web::{Data, Query};
use maud::{Markup, html};

use super::Context;
use crate::{
    auth::Action,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, AccountName, Section},
        paging::{Place, Ways},
        part::{self, Choice, Field, Row},
        seen::Seen,
        words,
    },
    id::{AccountId, UserId},
    store::{
        accounts,
        users::{self, User},
    },
    user::Role,
};

/// Users on a page.
const LISTED: i64 = 50;

/// The list.
pub async fn show(context: Data<Context>, seen: Seen, place: Query<Place>) -> Answer {
    seen.must(Action::Manage)?;
    let scope = seen.user.account_scope();
    let page_of = place.page::<UserId>(LISTED);
    let (mut listed, names) = context
        .store
        .read(move |conn| {
            let listed = users::list(conn, scope, page_of)?;
            let mut names: HashMap<AccountId, String> = HashMap::new();
            for id in listed.iter().filter_map(|user| user.account_id) {
                if let Some(account) = accounts::get(conn, id)? {
                    names.insert(id, account.name);
                }
            }
            Ok::<_, Trouble>((listed, names))
        })
        .await?;
    let ways = place.ways(&mut listed, LISTED, ("/users", ""), |user| user.id);
    let content = page(&listed, &names, &ways, seen.frame.account.as_ref());
    Ok(ok(layout::frame(&seen.frame, Section::Users, "Users", &[], &content)))
}

/// What a user may do, in words.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Member => "Member",
        Role::Viewer => "Viewer",
    }
}

/// The choice of a role, with what each may do.
pub fn role_field(id: &str, chosen: Role) -> Markup {
    let what = |role: Role| match role {
        Role::Owner => "Owner: everything, also keys and users",
        Role::Member => "Member: agents and calls",
        Role::Viewer => "Viewer: read only",
    };
    let mut options = Role::ALL.map(|role| (role.as_str(), what(role)));
    options.reverse();
    let (name, label, chosen) = ("role", "Role", chosen.as_str());
    Choice { id, name, label, options: &options, chosen, ..Choice::default() }.render()
}

fn page(
    listed: &[User],
    names: &HashMap<AccountId, String>,
    ways: &Ways,
    account: Option<&AccountName>,
) -> Markup {
    let new = html! {
        @if account.is_some() { button.main type="button" data-opens="new-user" { "New user" } }
    };
    let rows: Vec<Row> = listed
        .iter()
        .map(|user| Row {
            id: user.id.to_string(),
            cells: vec![
                part::clip_link(&format!("/users/{}", user.id), user.email.as_str()),
                html! {
                    @if let Some(name) = user.account_id.and_then(|id| names.get(&id)) { (part::clip(name)) }
                    @else { (words::none("no account")) }
                },
                html! { (role(user.role)) @if user.is_operator { ", operator" } },
                words::when_or(user.last_signed_in_at, "Never"),
                if user.is_active {
                    part::tag("good", "Active")
                } else {
                    part::tag("bad", "Disabled")
                },
            ],
        })
        .collect();
    html! {
        (part::top(None, "Users", &new))
        section.card aria-label="Users" {
            div #users data-live {
                (part::table("Users", &["E-mail", "Account", "Role", "Last signed in", "State"], &rows))
                (ways.links())
            }
        }
        @if let Some(account) = account { (new_dialog(account)) }
    }
}

fn new_dialog(account: &AccountName) -> Markup {
    let email = Field {
        id: "new-user-email",
        name: "email",
        label: "E-mail",
        input: "email",
        required: true,
        ..Field::default()
    };
    let password = Field {
        id: "new-user-password",
        name: "password",
        label: "Password",
        hint: "12 characters or more. The user can change it after signing in.",
        input: "password",
        required: true,
        autocomplete: "new-password",
        ..Field::default()
    };
    part::dialog(
        "new-user",
        "New user",
        &html! {
            form data-method="POST" data-api="/api/users" data-said="User created." {
                p.muted { "Account: " (account.name) }
                input type="hidden" name="account_id" value=(account.id);
                (email.render())
                (password.render())
                (role_field("new-user-role", Role::Member))
                (part::form_wrong())
                (part::dialog_buttons("Create", "main"))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_role_is_chosen_and_every_role_is_there() {
        let html = role_field("r", Role::Member).into_string();
        assert!(html.contains("<option value=\"member\" selected>"));
        assert_eq!(html.matches("<option").count(), Role::ALL.len());
    }
}
