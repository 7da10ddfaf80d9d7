//! `/login` and `/logout`: plain forms that work without script.
//!
//! Whether somebody may come in is decided in [`crate::auth`], which also counts the attempts; the page
//! says the same whatever was wrong.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
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
    problem::Problem,
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
            if answer.add_cookie(&signed_in.cookie).is_ok() {
                return answer;
            }
            Problem::from(crate::problem::Code::Internal)
        }
        Err(problem) => problem,
    };
    let form = form(&email, next, Some(refused.code().detail()), context.single_sign_on);
    let mut answer = page(refused.code().status(), form);
    if let Some(wait) = refused.response().headers().get("retry-after") {
        answer.headers_mut().insert(actix_web::http::header::RETRY_AFTER, wait.clone());
    }
    answer
}

/// Signs out of this session.
pub async fn sign_out(request: HttpRequest, auth: Data<Auth>) -> Answer {
    let cookie = auth::sign_out(&auth, &request).await?;
    let mut answer = see_other("/login");
    answer.add_cookie(&cookie).map_err(|_| Trouble::Failed(crate::problem::Code::Internal))?;
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
        let html = form("", "/calls?live=true&x=1", None, true).into_string();
        assert!(html.contains("href=\"/login/oidc?next=/calls%3Flive%3Dtrue%26x%3D1\""));
    }
}
