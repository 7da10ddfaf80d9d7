//! `/users/{id}`: one user, for the owner of their account and for operators.

use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::{Context, users};
use crate::{
    auth::Action,
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part::{self, Field, Kind},
        seen::Seen,
        words,
    },
    id::UserId,
    store::users::{self as user_rows, User},
};

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, id: Path<String>) -> Answer {
    seen.must(Action::Manage)?;
    let id: UserId = id.parse().map_err(|_| Trouble::NotFound)?;
    let user = context.store.read(move |conn| user_rows::get(conn, id)).await?;
    let user = user.ok_or(Trouble::NotFound)?;
    let scope = seen.user.account_scope();
    if scope.is_some() && user.account_id != scope {
        return Err(Trouble::NotFound);
    }
    let content = page(&user, seen.user.user_id == id, seen.may_operate());
    Ok(ok(layout::frame(&seen.frame, Section::Users, user.email.as_str(), &[], &content)))
}

fn page(user: &User, oneself: bool, may_operate: bool) -> Markup {
    let api = format!("/api/users/{}", user.id);
    let email = Field {
        id: "email",
        name: "email",
        label: "E-mail",
        value: user.email.as_str(),
        input: "email",
        required: true,
        ..Field::default()
    };
    let current = Field {
        id: "current",
        name: "current_password",
        label: "Your password",
        hint: "Required only to change your own e-mail address.",
        kind: Kind::Optional,
        input: "password",
        autocomplete: "current-password",
        ..Field::default()
    };
    let check = |id: &str, name: &str, label: &str, checked: bool| {
        html! {
            div.check {
                input id=(id) type="checkbox" name=(name) checked[checked];
                label for=(id) { (label) }
            }
        }
    };
    html! {
        (part::top(Some(("/users", "Users")), user.email.as_str(), &html! {}))
        section.card aria-labelledby="user-title" {
            h2 #user-title { "Access" }
            @if user.is_operator && !may_operate {
                p { "This user is an operator: only operators can change operators." }
            } @else {
                form data-method="PATCH" data-api=(api) data-said="Saved." {
                    (email.render())
                    @if oneself { (current.render()) }
                    @else if !user.email_confirmed { (unconfirmed(may_operate)) }
                    (users::role_field("role", user.role))
                    @if may_operate { (check("operator", "is_operator", "Operator: everything in all accounts", user.is_operator)) }
                    (check("active", "is_active", "Active", user.is_active))
                    (part::form_wrong())
                    div.actions {
                        button.main type="submit" { "Save" }
                        p.muted data-form-right role="status" {}
                    }
                }
            }
            p.muted.small { "Created " (words::when(user.created_at)) ". Last signed in: " (words::when_or(user.last_signed_in_at, "never")) "." }
        }
        @if oneself {
            p { a href="/account" { "Change your own password" } }
        } @else if !user.is_operator || may_operate {
            (password(&api))
            (delete(user, &api))
        }
    }
}

fn unconfirmed(may_operate: bool) -> Markup {
    html! {
        p.muted.small {
            "This address is not confirmed for single sign-on yet: the user signs in with the password once "
            "and connects it under “Your account”."
            @if may_operate { " If you know that the address is theirs, saving confirms it." }
        }
    }
}

fn password(api: &str) -> Markup {
    let field = Field {
        id: "password",
        name: "password",
        label: "New password",
        hint: "12 characters or more. All sessions of the user end.",
        input: "password",
        required: true,
        autocomplete: "new-password",
        ..Field::default()
    };
    html! {
        section.card aria-labelledby="password-title" {
            h2 #password-title { "Password" }
            form data-method="PATCH" data-api=(api) data-reset data-said="Password set." {
                (field.render())
                (part::form_wrong())
                div.actions {
                    button type="submit" { "Set password" }
                    p.muted data-form-right role="status" {}
                }
            }
        }
    }
}

fn delete(user: &User, api: &str) -> Markup {
    html! {
        section.card aria-labelledby="delete-title" {
            div.top {
                div {
                    h2 #delete-title { "Delete this user" }
                    p.muted { "All sessions of the user end at once. The audit log keeps the entries." }
                }
                button.danger type="button" data-opens="delete-user" { "Delete" }
            }
        }
        (part::dialog("delete-user", "Delete this user?", &html! {
            form data-method="DELETE" data-api=(api) data-bodyless data-then="/users" {
                p { (user.email) " can no longer sign in. This cannot be undone." }
                (part::form_wrong())
                (part::dialog_buttons("Delete", "danger"))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::{Email, Role};

    fn user(is_operator: bool) -> User {
        User {
            id: UserId::new(),
            account_id: None,
            email: Email::parse("ann@example.com").unwrap(),
            role: Role::Owner,
            is_operator,
            is_active: true,
            created_at: 0,
            last_signed_in_at: None,
            email_confirmed: false,
        }
    }

    #[test]
    fn only_operators_change_operators_and_nobody_deletes_themselves() {
        let html = |operator, oneself, may| page(&user(operator), oneself, may).into_string();
        assert!(!html(true, false, false).contains("<form"));
        assert!(html(true, false, true).contains("name=\"is_operator\""));
        assert!(!html(false, false, false).contains("name=\"is_operator\""));
        assert!(html(false, false, false).contains("Delete this user"));
        assert!(!html(false, true, false).contains("Delete this user"));
        assert!(html(false, true, false).contains("name=\"current_password\""));
        assert!(!html(false, false, false).contains("name=\"current_password\""));
    }
}
