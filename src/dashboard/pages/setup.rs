//! `/setup/{token}`: the first page of all, which makes the operator and the first account.
//!
//! The link is shown by the server when it starts; whether it still works is decided in [`crate::auth`].

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Form, Path},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    auth::{self, Auth},
    dashboard::{
        answer::{page, see_other},
        layout,
    },
    problem::{Code, Problem},
};

/// What the form holds.
#[derive(Deserialize)]
pub struct Given {
    email: String,
    password: String,
    account_name: String,
}

/// The form, if the link works.
pub async fn show(request: HttpRequest, auth: Data<Auth>, token: Path<String>) -> HttpResponse {
    match auth::setup_is_open(&auth, &request, &token).await {
        Ok(()) => page(StatusCode::OK, form(&Typed::default(), None)),
        Err(problem) => closed(&problem),
    }
}

/// Makes user and account, signs in, and goes on to the overview.
pub async fn set_up(
    request: HttpRequest,
    auth: Data<Auth>,
    token: Path<String>,
    given: Form<Given>,
) -> HttpResponse {
    let Given { email, password, account_name } = given.into_inner();
    match auth::set_up(&auth, &request, &token, &email, password.into(), &account_name).await {
        Ok(signed_in) => {
            let mut answer = see_other("/");
            if !signed_in.cookies().all(|cookie| answer.add_cookie(cookie).is_ok()) {
                return closed(&Code::Internal.into());
            }
            answer
        }
        Err(problem) if problem.named_field().is_some() => {
            let typed = Typed { email, account_name };
            page(problem.code().status(), form(&typed, problem.named_field()))
        }
        Err(problem) => closed(&problem),
    }
}

#[derive(Default)]
struct Typed {
    email: String,
    account_name: String,
}

/// The rules as the form says them, which is what a refusal is about.
const EMAIL: &str = "For signing in.";
const PASSWORD: &str = "12 characters or more, and no common password. A passphrase of several unrelated words works well.";
const ACCOUNT: &str =
    "Agents, calls and points belong to an account. Usually the name of your organisation.";

fn form(typed: &Typed, wrong: Option<&str>) -> Markup {
    let field = |name: &str, label: &str, hint: &str, kind: &str, complete: &str, value: &str| {
        let bad = wrong == Some(name);
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(name) type=(kind) value=(value) required autocomplete=(complete)
                    minlength=[(kind == "password").then_some("12")] maxlength=[(kind == "password").then_some("1024")]
                    aria-describedby={ (name) "-hint" } aria-invalid=[bad.then_some("true")] autofocus[bad || (wrong.is_none() && name == "email")];
                p id={ (name) "-hint" } class=(if bad { "wrong" } else { "hint" }) {
                    @if bad { "Not valid. " }
                    (hint)
                }
            }
        }
    };
    let content = html! {
        h1 { "Welcome" }
        p.muted { "Create the first user: this server's operator." }
        @if wrong.is_some() { p.note.bad role="alert" { "A field is not valid; see below." } }
        form method="post" {
            (field("email", "E-mail", EMAIL, "email", "username", &typed.email))
            (field("password", "Password", PASSWORD, "password", "new-password", ""))
            (field("account_name", "Account name", ACCOUNT, "text", "organization", &typed.account_name))
            button.main type="submit" { "Set up" }
        }
    };
    layout::gate("Set up", &content)
}

fn closed(problem: &Problem) -> HttpResponse {
    let words = match problem.code() {
        Code::NotFound => {
            "The link was used, has expired (one hour), or was replaced by a newer one. Until the first user exists, the server prints a new link each time it starts."
        }
        code => code.detail(),
    };
    let content = html! {
        h1 { "This link does not work" }
        p { (words) }
        p { a href="/login" { "Sign in" } }
    };
    page(problem.code().status(), layout::gate("Set up", &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_field_is_marked_and_the_rest_is_kept() {
        let typed = Typed { email: "ann@example.com".to_owned(), account_name: "A & B".to_owned() };
        let html = form(&typed, Some("password")).into_string();
        assert!(html.contains("value=\"ann@example.com\"") && html.contains("A &amp; B"));
        assert_eq!(html.matches("aria-invalid").count(), 1);
    }
}
