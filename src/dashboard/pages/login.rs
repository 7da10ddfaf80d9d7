//! `/login` and `/logout`: plain forms that work without script.
//!
//! Whether somebody may come in is decided in [`crate::auth`], which also counts the attempts; the page
//! says the same whatever was wrong.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web::{Data, Form, Query},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use crate::{
    auth::{self, Auth, encoded, safe_next},
    dashboard::{
        answer::{Answer, Trouble, page, see_other},
        layout,
    },
    problem::{Code, Problem},
    store::users,
};

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    pub(super) next: Option<String>,
}

/// What the form holds.
#[derive(Deserialize)]
pub struct Given {
    email: String,
    password: String,
    next: Option<String>,
}

/// The form; whoever is signed in already goes on.
pub async fn show(request: HttpRequest, context: Data<Context>, wanted: Query<Wanted>) -> Answer {
    let next = safe_next(wanted.next.as_deref().unwrap_or("/"));
    if auth::page_user(&request).await.is_ok() {
        return Ok(see_other(next));
    }
    if !context.store.read(users::exist).await? {
        return Ok(page(StatusCode::OK, not_set_up()));
    }
    Ok(page(StatusCode::OK, form("", next, None, context.single_sign_on)))
}

/// Signs in.
pub async fn sign_in(
    request: HttpRequest,
    auth: Data<Auth>,
    context: Data<Context>,
    given: Form<Given>,
) -> HttpResponse {
    let Given { email, password, next } = given.into_inner();
    let next = safe_next(next.as_deref().unwrap_or("/"));
    let refused = match auth::sign_in(&auth, &request, &email, password.into()).await {
        Ok(signed_in) => {
            let mut answer = see_other(next);
            if signed_in.cookies().all(|cookie| answer.add_cookie(cookie).is_ok()) {
                return answer;
            }
            Problem::from(Code::Internal)
        }
        Err(problem) => problem,
    };
    let response = refused.response();
    let wait = response.headers().get(header::RETRY_AFTER);
    let words = words(refused.code(), wait);
    let form = form(&email, next, Some(&words), context.single_sign_on);
    let mut answer = page(refused.code().status(), form);
    if let Some(wait) = wait {
        answer.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    answer
}

/// Why a sign-in was refused, and for how long.
pub(super) fn words(code: Code, wait: Option<&HeaderValue>) -> String {
    let seconds = wait.and_then(|wait| wait.to_str().ok()?.parse::<u32>().ok());
    match (code, seconds) {
        (Code::TooManyAttempts, Some(1)) => "Too many attempts. Try again in a second.".to_owned(),
        (Code::TooManyAttempts, Some(seconds)) => {
            format!("Too many attempts. Try again in {seconds} seconds.")
        }
        (code, _) => code.detail().to_owned(),
    }
}

/// The page as long as there is no user.
fn not_set_up() -> Markup {
    let content = html! {
        h1 { "Not set up yet" }
        p { "There is no user yet. The server printed a link when it started: open it to create the first user." }
        p.muted { "The link is valid for one hour, once. Restart the server to get a new link." }
    };
    layout::gate("Not set up yet", &content)
}

/// Signs out of this session.
pub async fn sign_out(request: HttpRequest, auth: Data<Auth>) -> Answer {
    let cookie = auth::sign_out(&auth, &request).await?;
    let mut answer = see_other("/login");
    answer.add_cookie(&cookie).map_err(|_| Trouble::Failed(Code::Internal))?;
    Ok(answer)
}

/// The page; what was wrong before is said above the form.
pub(super) fn form(email: &str, next: &str, wrong: Option<&str>, single_sign_on: bool) -> Markup {
    let content = html! {
        h1 { "Sign in" }
        @if let Some(wrong) = wrong { p.note.bad role="alert" { (wrong) } }
        form method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            div.field {
                label for="email" { "E-mail" }
                input #email name="email" type="email" value=(email) required autocomplete="username" autofocus[email.is_empty()];
            }
            div.field {
                label for="password" { "Password" }
                input #password name="password" type="password" required autocomplete="current-password" autofocus[!email.is_empty()];
            }
            button.main type="submit" { "Sign in" }
        }
        @if single_sign_on { p { a.button href={ "/login/oidc?next=" (encoded(next)) } { "Sign in with single sign-on" } } }
    };
    layout::gate("Sign in", &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_back_as_text_and_the_password_does_not() {
        let html = form("\"><script>", "/calls?live=true", Some("No."), false).into_string();
        assert!(!html.contains("<script>\""));
        assert!(html.contains("role=\"alert\">No."));
        assert!(html.contains("name=\"password\" type=\"password\" required"));
        assert!(!html.contains("oidc"));
        let wait = HeaderValue::from_static("42");
        assert!(words(Code::TooManyAttempts, Some(&wait)).ends_with("in 42 seconds."));
        assert_eq!(words(Code::WrongCredentials, None), Code::WrongCredentials.detail());
        let html = form("", "/calls?live=true&x=1", None, true).into_string();
        assert!(html.contains("href=\"/login/oidc?next=/calls%3Flive%3Dtrue%26x%3D1\""));
    }
}
