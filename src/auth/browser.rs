//! Browsers that have signed in before: a random token in a cookie that no script reads, bound to the user.
//!
//! It opens nothing. Its attempts to sign in are counted apart from those of strangers, so that strangers
//! who guess at a user do not keep the user out. A new password makes a user's browsers unknown.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time},
};

use super::{
    Auth, session,
    token::{Token, TokenHash},
};
use crate::{
    clock::wall_ms,
    id::UserId,
    problem::Problem,
    store::{Conn, StoreError, browsers},
};

/// The name of its cookie.
const COOKIE: &str = "upvoot_browser";
/// How long a browser is known.
const KNOWN_FOR: time::Duration = time::Duration::days(180);

/// The browser that a request says it comes from, by its cookie's hash. Whose it is is in the database.
pub(super) fn presented(auth: &Auth, request: &HttpRequest) -> Option<TokenHash> {
    let cookie = request.cookie(&session::cookie_name(auth, COOKIE))?;
    Token::parse(cookie.value()).map(|token| token.hash())
}

/// Whose browser this is.
pub(super) fn user(conn: &mut Conn, browser: &TokenHash) -> Result<Option<UserId>, StoreError> {
    let since = i128::from(wall_ms()) - KNOWN_FOR.whole_milliseconds();
    browsers::user(conn, browser, i64::try_from(since).unwrap_or(0))
}

/// A new one: its cookie, and what is stored of it.
pub(super) fn new(auth: &Auth) -> Result<(Cookie<'static>, TokenHash), Problem> {
    let token = Token::generate()?;
    let name = session::cookie_name(auth, COOKIE);
    // `Lax`: whoever comes back from single sign-on is in the browser they left with.
    let mut cookie = session::no_cookie(auth, name, SameSite::Lax);
    cookie.set_value(token.expose().to_owned());
    cookie.set_max_age(KNOWN_FOR);
    Ok((cookie, token.hash()))
}
