//! `/login/oidc`: away to another service that knows who somebody is, and back.
//!
//! Who gets in is decided in [`crate::auth`]; whoever does not lands on the sign-in page, which says why.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::{Data, Query},
};
use maud::html;

use super::login::{self, Wanted};
use crate::{
    auth::{Arrival, Auth, TurnedAway, forget_departure, safe_next},
    dashboard::{
        answer::{Answer, Trouble, leave_for, ok, page},
        layout,
    },
    problem::Code,
};

/// Sends the browser to the service.
pub async fn depart(request: HttpRequest, auth: Data<Auth>, wanted: Query<Wanted>) -> Answer {
    let single_sign_on = auth.single_sign_on().ok_or(Trouble::NotFound)?;
    let next = safe_next(wanted.next.as_deref().unwrap_or("/"));
    match single_sign_on.depart(&auth, &request, next).await {
        Ok(departure) => {
            let mut answer = leave_for(&departure.to);
            for cookie in &departure.cookies {
                answer.add_cookie(cookie).map_err(|_| Trouble::Failed(Code::Internal))?;
            }
            Ok(answer)
        }
        Err(why) => Ok(turned_away(&why, next)),
    }
}

/// The browser comes back.
pub async fn arrive(request: HttpRequest, auth: Data<Auth>) -> Answer {
    let single_sign_on = auth.single_sign_on().ok_or(Trouble::NotFound)?;
    let failed = |_| Trouble::Failed(Code::Internal);
    let mut answer = match single_sign_on.arrive(&auth, &request).await {
        Ok(arrival) => {
            let mut answer = landed(&arrival);
            for cookie in arrival.signed_in.cookies() {
                answer.add_cookie(cookie).map_err(failed)?;
            }
            answer
        }
        Err(why) => turned_away(&why, "/"),
    };
    if let Some(cookie) = forget_departure(&auth, &request) {
        answer.add_cookie(&cookie).map_err(failed)?;
    }
    Ok(answer)
}

/// A page of ours that goes on by itself. The browser was sent here by another host, and as long as it
/// only follows redirections it does not send the session's cookie, which is `SameSite=Strict`.
fn landed(arrival: &Arrival) -> HttpResponse {
    let next = &arrival.next;
    let content = html! {
        h1 { "You are signed in" }
        p { a href=(next) { "Continue" } }
    };
    let mut answer = ok(layout::gate("Signed in", &content));
    let refresh = HeaderValue::from_str(&format!("0; url={next}"));
    let headers = answer.headers_mut();
    headers.insert(header::REFRESH, refresh.unwrap_or(HeaderValue::from_static("0; url=/")));
    // The address of this page has the code in it. It is used up, and still nobody's business.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

fn turned_away(why: &TurnedAway, next: &str) -> HttpResponse {
    let wait = match why {
        TurnedAway::Other(problem) => {
            problem.response().headers().get(header::RETRY_AFTER).cloned()
        }
        TurnedAway::Unreachable => Some(HeaderValue::from_static("5")),
        _ => None,
    };
    let words: &str = match why {
        TurnedAway::NotBegun => {
            "This sign-in was started in another browser, has expired, or is already complete. Try again."
        }
        TurnedAway::Declined => "Your single sign-on service refused the sign-in. Try again.",
        TurnedAway::Unproved => {
            "The answer of your single sign-on service is not valid; the server's log has the cause."
        }
        TurnedAway::Unverified => {
            "Your single sign-on service has not verified your e-mail address."
        }
        TurnedAway::Nobody => {
            "No user here has your e-mail address. If you have a password here, sign in with it and connect single sign-on under “Your account”; otherwise ask the server's operator."
        }
        TurnedAway::Unreachable => {
            "Your single sign-on service does not respond. Try again, or use your password."
        }
        TurnedAway::Other(problem) => &login::words(problem.code(), wait.as_ref()),
    };
    let mut answer = page(why.status(), login::form("", next, Some(words), true));
    if let Some(wait) = wait {
        answer.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    answer
}
