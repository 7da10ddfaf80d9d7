//! `/account`: oneself. Plain forms: the password, and signing out everywhere.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Form},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    auth::{self, Auth, password::Password},
    dashboard::{
        answer::{Answer, Trouble, page, see_other},
        layout::{self, Section},
        part,
        seen::Seen,
        words,
    },
    problem::Code,
    store::sessions::Refused,
};

/// What the form holds.
#[derive(Deserialize)]
pub struct Given {
    current: String,
    new: String,
}

/// Why a new password is not taken.
const GUESSABLE: &str = "The new password must have 12 to 1,024 characters and be hard to guess: no common password, no simple pattern, not your e-mail address.";

/// What became of a change.
enum Outcome {
    Done,
    Refused(&'static str),
}

/// The page.
pub async fn show(auth: Data<Auth>, seen: Seen) -> HttpResponse {
    render(&seen, &auth, StatusCode::OK, None)
}

/// Changes the password; every other session of this user ends.
pub async fn change_password(
    request: HttpRequest,
    auth: Data<Auth>,
    seen: Seen,
    given: Form<Given>,
) -> HttpResponse {
    let Given { current, new } = given.into_inner();
    let Some(new) = Password::new(new.into()) else {
        return render(
            &seen,
            &auth,
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(Outcome::Refused(GUESSABLE)),
        );
    };
    match auth::change_password(&auth, &request, &seen.user, current.into(), new).await {
        Ok(()) => render(&seen, &auth, StatusCode::OK, Some(Outcome::Done)),
        Err(problem) => {
            let words = match problem.code() {
                Code::WrongCredentials => "The current password is wrong.",
                Code::InvalidField => GUESSABLE,
                code => code.detail(),
            };
            render(&seen, &auth, problem.code().status(), Some(Outcome::Refused(words)))
        }
    }
}

/// Ends every session of this user, this one too.
pub async fn sign_out_everywhere(request: HttpRequest, auth: Data<Auth>, seen: Seen) -> Answer {
    let cookie = auth::sign_out_everywhere(&auth, &request, &seen.user).await?;
    let mut answer = see_other("/login");
    answer.add_cookie(&cookie).map_err(|_| Trouble::Failed(Code::Internal))?;
    Ok(answer)
}

fn render(seen: &Seen, auth: &Auth, status: StatusCode, outcome: Option<Outcome>) -> HttpResponse {
    let user = &seen.user;
    let role = if user.is_operator { "operator" } else { user.role.as_str() };
    let single_sign_on = auth.single_sign_on().is_some();
    let (email, refused) = (user.email.as_str(), user.refused.as_ref());
    let content = content(email, role, refused, outcome.as_ref(), single_sign_on);
    page(status, layout::frame(&seen.frame, Section::Own, "Your account", &[], &content))
}

/// What was refused before this session, in words.
fn before(Refused { count, last_at, last_from }: &Refused) -> Markup {
    html! {
        @if *count == 1 { "One sign-in as you was refused" } @else { (count) " sign-ins as you were refused" }
        " between your last session and this one; the last one " (words::when(*last_at)) " from " (last_from)
        ". If it was not you, your password may be under attack: use a long one that you use nowhere else."
    }
}

fn content(
    email: &str,
    role: &str,
    refused: Option<&Refused>,
    outcome: Option<&Outcome>,
    single_sign_on: bool,
) -> Markup {
    html! {
        (part::top(None, "Your account", &html! {}))
        section.card aria-label="Your account" {
            dl.facts {
                div { dt { "E-mail" } dd { (part::clip(email)) } }
                div { dt { "Role" } dd { (role) } }
            }
            @if let Some(refused) = refused { p.note.bad { (before(refused)) } }
        }
        section.card aria-labelledby="password-title" {
            h2 #password-title { "Password" }
            @match outcome {
                Some(Outcome::Done) => p.note role="status" { "Changed. All your other sessions have ended." },
                Some(Outcome::Refused(words)) => p.note.bad role="alert" { (words) },
                None => {}
            }
            form method="post" action="/account/password" {
                // Password managers look for the user's name beside it.
                input hidden readonly type="email" name="username" value=(email) autocomplete="username";
                div.columns {
                    div.field {
                        label for="current" { "Current password" }
                        input #current name="current" type="password" required autocomplete="current-password";
                    }
                    div.field {
                        label for="new" { "New password" }
                        input #new name="new" type="password" required minlength="12" maxlength="1024" autocomplete="new-password" aria-describedby="new-hint";
                        p.hint #new-hint { "12 characters or more." }
                    }
                }
                div.actions { button.main type="submit" { "Change password" } }
            }
        }
        @if single_sign_on {
            section.card aria-labelledby="connect-title" {
                div.top {
                    div {
                        h2 #connect-title { "Single sign-on" }
                        p.muted { "Connects your user with your single sign-on identity. Required once." }
                    }
                    a.button href="/login/oidc?next=/account" { "Connect" }
                }
            }
        }
        section.card aria-labelledby="everywhere-title" {
            div.top {
                div {
                    h2 #everywhere-title { "Sign out everywhere" }
                    p.muted { "Ends all your sessions on all devices, this one too." }
                }
                form method="post" action="/account/sign-out-everywhere" {
                    button.danger type="submit" { "Sign out everywhere" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_change_is_said() {
        let html =
            |outcome| content("ann@example.com", "owner", None, outcome, false).into_string();
        assert!(html(Some(&Outcome::Done)).contains("role=\"status\""));
        assert!(html(Some(&Outcome::Refused("No."))).contains("role=\"alert\">No."));
        assert!(!html(None).contains("role=\"alert\"") && !html(None).contains("/login/oidc"));
        let connects = content("ann@example.com", "owner", None, None, true).into_string();
        assert!(connects.contains("href=\"/login/oidc?next=/account\""));
    }

    #[test]
    fn who_was_guessed_at_reads_how_often_and_from_where() {
        let refused = |count| Refused { count, last_at: 0, last_from: "192.0.2.7".to_owned() };
        let html =
            |count| content("a@b", "owner", Some(&refused(count)), None, false).into_string();
        assert!(html(1).contains("One sign-in as you was refused"));
        assert!(
            html(12).contains("12 sign-ins as you were refused") && html(12).contains("192.0.2.7")
        );
    }
}
