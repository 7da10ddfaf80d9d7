//! Signing in with e-mail address and password.
//!
//! Attempts are counted before a user is looked for, and a refusal says the same in the same time whether
//! there is such a user or not. How often one may try is decided in [`super::guesses`], what begins then is
//! [`super::session`]'s.

use actix_web::HttpRequest;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{
    Auth, browser,
    guesses::NameHash,
    session::{SignedIn, Way, begin, too_many},
    token::TokenHash,
    turns::Party,
};
use crate::{
    problem::{Code, Problem},
    store::{StoreError, users},
    user::Email,
};

/// Signs in with e-mail address and password. A session that the request came with ends. Where strangers
/// guess at this user, a stranger's attempt takes some seconds.
///
/// # Errors
/// 403 `cross_origin`, 429 `too_many_attempts` with the time to wait, 401 `wrong_credentials` (also for a
/// user who is disabled), 429 or 503 when it cannot be decided now.
pub async fn sign_in(
    auth: &Auth,
    request: &HttpRequest,
    given: &str,
    password: SecretString,
) -> Result<SignedIn, Problem> {
    auth.same_origin(request)?;
    let (name, client) = (name(given), auth.client(request));
    let email = Email::looked_up(given);
    let known = known_browser(auth, request, email.clone()).await?;
    let (now, party) = (auth.clock.now(), Party::of(known, client));
    let place = match known {
        Some(browser) => {
            auth.guesses.browser(browser, now).map_err(too_many)?;
            None
        }
        None => Some(auth.guesses.at_user(client, name, now).map_err(too_many)?),
    };
    if let Some(place) = &place {
        tokio::time::sleep(place.after).await;
    }
    drop(place);
    let looked_up = email.clone();
    let found = auth.store.read(move |conn| users::by_email(conn, &looked_up)).await?;
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    let right = auth.hasher.matches(party, password, hash).await?;
    let (Some((user, hash)), true) = (found.as_ref(), right) else {
        refused(auth, request, found.as_ref().map(|(user, _)| user), &email);
        return Err(Code::WrongCredentials.into());
    };
    match known {
        Some(browser) => auth.guesses.browser_was_right(&browser),
        None => auth.guesses.was_right(client, &name),
    }
    // What was refused a moment ago is for this session to tell.
    auth.refusals.write().await;
    // The password may have been changed while it was compared.
    let (id, hash) = (user.id, hash.clone());
    let begun = begin(auth, request, id, Way::Password, move |conn| {
        let now = users::password(conn, id)?;
        Ok(now.is_some_and(|now| now.as_str() == hash.as_str()))
    });
    begun.await.inspect_err(|problem| {
        if problem.code() == Code::WrongCredentials {
            refused(auth, request, Some(user), &email);
        }
    })
}

/// The browser that the request comes from, if the user of this address has signed in with it before.
async fn known_browser(
    auth: &Auth,
    request: &HttpRequest,
    email: Email,
) -> Result<Option<TokenHash>, Problem> {
    let Some(browser) = browser::presented(auth, request) else { return Ok(None) };
    let known = auth.store.read(move |conn| {
        let Some(owner) = browser::user(conn, &browser)? else { return Ok(false) };
        Ok::<_, StoreError>(users::get(conn, owner)?.is_some_and(|user| user.email == email))
    });
    Ok(known.await?.then_some(browser))
}

/// Tells of a refused sign-in: one line in the log, and the user is told at the next sign-in.
fn refused(auth: &Auth, request: &HttpRequest, user: Option<&users::User>, tried: &Email) {
    let client = auth.client(request);
    // People type their password into the wrong field. What is a user's address is none, and what has
    // the look of an address hardly.
    let email = match (user, tried) {
        (Some(user), _) => user.email.as_str(),
        (None, email) if email.looks_public() => email.as_str(),
        _ => "not an address",
    };
    tracing::warn!(%client, email, "a sign-in was refused");
    if let Some(user) = user {
        auth.refusals.note(user, client.to_string());
    }
}

/// What an e-mail address is counted by, be it one or not.
fn name(email: &str) -> NameHash {
    Sha256::digest(Email::looked_up(email).as_str()).into()
}
