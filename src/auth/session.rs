//! Signing in and out: sessions are random tokens in a cookie that no script reads.
//!
//! Attempts are counted before anything is looked at, and a refusal says the same in the same time
//! whether there is such a user or not. A session ends when it is not used, when it is old, when its
//! user signs out, is disabled, or gets another password. What a session may do is in
//! [`super::principal`].

use std::time::Duration;

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time},
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{
    Auth,
    password::Password,
    principal::User,
    token::{Token, TokenHash},
};
use crate::{
    attempts::network,
    clock::wall_ms,
    id::{AccountId, AuditId, UserId},
    problem::{Code, Problem},
    store::{Conn, StoreError, audit, sessions, users},
    user::{Email, PasswordHash},
};

/// The name of the session's cookie.
pub const COOKIE: &str = "upvoot_session";

/// How exactly it is written down when a session was used last.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// Somebody who has just signed in.
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// To be set by the answer.
    pub cookie: Cookie<'static>,
}

/// Signs in with e-mail address and password. A session that the request came with ends.
///
/// # Errors
/// 403 `cross_origin`, 429 `too_many_attempts`, 401 `wrong_credentials` (also for a user who is
/// disabled), 503 when it cannot be decided.
pub async fn sign_in(
    auth: &Auth,
    request: &HttpRequest,
    email: &str,
    password: SecretString,
) -> Result<SignedIn, Problem> {
    auth.same_origin(request)?;
    let name = name(email);
    count(auth, request, Some(name))?;
    let email = Email::looked_up(email);
    let found = auth.store.read(move |conn| users::by_email(conn, &email)).await?;
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    let right = auth.hasher.matches(password, hash).await?;
    let (Some((user, hash)), true) = (found, right) else {
        return Err(Code::WrongCredentials.into());
    };
    auth.by_email.forgive(&name);
    // The password may have been changed while it was compared.
    begin(auth, request, user.id, move |conn| {
        let now = users::password(conn, user.id)?;
        Ok(now.is_some_and(|now| now.as_str() == hash.as_str()))
    })
    .await
}

/// Begins a session for a user who has proved who they are, if `still` says so in the transaction.
pub(super) async fn begin(
    auth: &Auth,
    request: &HttpRequest,
    user: UserId,
    still: impl FnOnce(&mut Conn) -> Result<bool, StoreError> + Send + 'static,
) -> Result<SignedIn, Problem> {
    let token = Token::generate()?;
    let (hash, before) = (token.hash(), presented(request));
    let from = auth.client(request).to_string();
    let (idle, absolute) = (millis(auth.settings.idle), millis(auth.settings.absolute));
    let user = auth
        .store
        .write(move |conn| {
            let found = users::get(conn, user)?.filter(|user| user.is_active);
            let user = match found {
                Some(user) if still(conn)? => user,
                _ => return Err(Problem::from(Code::WrongCredentials)),
            };
            let now = wall_ms();
            if let Some(before) = before {
                sessions::delete(conn, &before)?;
            }
            sessions::delete_expired(conn, user.id, now - absolute, now - idle)?;
            open(conn, &hash, &user, &from, now)?;
            Ok(user)
        })
        .await?;
    Ok(SignedIn { user: User::of(user, hash), cookie: cookie(auth, &token) })
}

/// Writes a session and its audit row.
pub(super) fn open(
    conn: &mut Conn,
    hash: &TokenHash,
    user: &users::User,
    from: &str,
    now: i64,
) -> Result<(), StoreError> {
    users::signed_in(conn, user.id, now)?;
    sessions::insert(conn, hash, user.id, now)?;
    let actor = user.email.to_string();
    audit::insert(
        conn,
        &row(Some(user.id), actor, "user.sign_in", user.id, user.account_id, from, now),
    )
}

/// Signs out. The cookie to set removes the browser's; without a session there is nothing to do.
///
/// # Errors
/// 403 `cross_origin`, 503 when the session could not be ended.
pub async fn sign_out(auth: &Auth, request: &HttpRequest) -> Result<Cookie<'static>, Problem> {
    auth.same_origin(request)?;
    if let Some(hash) = presented(request) {
        let from = auth.client(request).to_string();
        let user = auth
            .store
            .write(move |conn| {
                let session = sessions::find(conn, &hash)?;
                let user = session.as_ref().map(|session| session.user.id);
                if let Some(session) = session {
                    let (user, now) = (session.user, wall_ms());
                    let actor = user.email.to_string();
                    let account = user.account_id;
                    let row =
                        row(Some(user.id), actor, "user.sign_out", user.id, account, &from, now);
                    audit::insert(conn, &row)?;
                }
                sessions::delete(conn, &hash)?;
                Ok::<_, StoreError>(user)
            })
            .await?;
        if let Some(user) = user {
            auth.rights_changed(user);
        }
    }
    Ok(no_cookie(auth))
}

/// Ends all sessions of a user, this one too.
///
/// # Errors
/// 403 `cross_origin`, 503 when they could not be ended.
pub async fn sign_out_everywhere(
    auth: &Auth,
    request: &HttpRequest,
    user: &User,
) -> Result<Cookie<'static>, Problem> {
    auth.same_origin(request)?;
    let from = auth.client(request).to_string();
    let (user, changed) = (user.clone(), user.user_id);
    auth.store
        .write(move |conn| {
            sessions::delete_of_user(conn, user.user_id, None)?;
            let (id, account, actor) = (user.user_id, user.account_id, user.email.to_string());
            let action = "user.sign_out_everywhere";
            let row = row(Some(id), actor, action, id, account, &from, wall_ms());
            audit::insert(conn, &row)
        })
        .await?;
    auth.rights_changed(changed);
    Ok(no_cookie(auth))
}

/// Lets somebody who is signed in go on only with their password: a session may be stolen. What is stored
/// of it is the answer.
///
/// # Errors
/// 403 `cross_origin`, 429 `too_many_attempts`, 401 `wrong_credentials`, 503 when it cannot be compared.
pub async fn prove_password(
    auth: &Auth,
    request: &HttpRequest,
    user: &User,
    given: SecretString,
) -> Result<Option<PasswordHash>, Problem> {
    auth.same_origin(request)?;
    let name = name(user.email.as_str());
    count(auth, request, Some(name))?;
    let id = user.user_id;
    let stored = auth.store.read(move |conn| users::password(conn, id)).await?;
    if !auth.hasher.matches(given, stored.clone()).await? {
        return Err(Code::WrongCredentials.into());
    }
    auth.by_email.forgive(&name);
    Ok(stored)
}

/// Sets one's own password, and ends all other sessions.
///
/// # Errors
/// 403 `cross_origin`, 429 `too_many_attempts`, 401 `wrong_credentials` when the current password is
/// not right, 503 when it cannot be done.
pub async fn change_password(
    auth: &Auth,
    request: &HttpRequest,
    user: &User,
    current: SecretString,
    new: Password,
) -> Result<(), Problem> {
    let (id, kept) = (user.user_id, user.session);
    let stored = prove_password(auth, request, user, current).await?;
    let hash = auth.hasher.hash(new).await?;
    let from = auth.client(request).to_string();
    let user = user.clone();
    auth.store
        .write(move |conn| {
            let now = users::password(conn, id)?;
            let same = now.zip(stored).is_some_and(|(now, then)| now.as_str() == then.as_str());
            if !same {
                return Err(Problem::from(Code::WrongCredentials));
            }
            users::set_password(conn, id, &hash)?;
            sessions::delete_of_user(conn, id, Some(&kept))?;
            let actor = user.email.to_string();
            let account = user.account_id;
            let row = row(Some(id), actor, "user.password", id, account, &from, wall_ms());
            Ok(audit::insert(conn, &row)?)
        })
        .await?;
    auth.rights_changed(id);
    Ok(())
}

/// The user of the request's session, if it has one that is not over.
///
/// # Errors
/// 503 when the database cannot be asked.
pub(super) async fn find(auth: &Auth, request: &HttpRequest) -> Result<Option<User>, Problem> {
    let Some(hash) = presented(request) else { return Ok(None) };
    let Some(session) = auth.store.read(move |conn| sessions::find(conn, &hash)).await? else {
        return Ok(None);
    };
    let now = wall_ms();
    if is_over(auth, &session, now) {
        return Ok(None);
    }
    if now - session.last_seen_at >= millis(SEEN_EVERY) {
        let seen = move |conn: &mut _| sessions::seen(conn, &hash, now);
        // Whoever is signed in is not turned away because the database takes no writes now.
        if let Err(error) = auth.store.write::<_, StoreError>(seen).await {
            tracing::warn!(%error, "a session's use was not written down");
        }
    }
    Ok(Some(User::of(session.user, hash)))
}

/// The user of a session as they are now; `None` when it is over or they may sign in no more. For
/// streams, which outlive their request. It does not count as using the session.
///
/// # Errors
/// 503 when the database cannot be asked.
pub async fn still(auth: &Auth, user: &User) -> Result<Option<User>, Problem> {
    let hash = user.session;
    let session = auth.store.read(move |conn| sessions::find(conn, &hash)).await?;
    let session = session.filter(|session| !is_over(auth, session, wall_ms()));
    Ok(session.map(|session| User::of(session.user, hash)))
}

fn is_over(auth: &Auth, session: &sessions::Session, now: i64) -> bool {
    now - session.created_at >= millis(auth.settings.absolute)
        || now - session.last_seen_at >= millis(auth.settings.idle)
}

/// Counts an attempt, by address and by the name that was given.
pub(super) fn count(
    auth: &Auth,
    request: &HttpRequest,
    name: Option<[u8; 32]>,
) -> Result<(), Problem> {
    let now = auth.clock.now();
    let address = auth.by_address.allow(network(auth.client(request)), now);
    let named = name.is_none_or(|name| auth.by_email.allow(name, now));
    if address && named { Ok(()) } else { Err(Code::TooManyAttempts.into()) }
}

/// What an e-mail address is counted by, be it one or not.
fn name(email: &str) -> [u8; 32] {
    Sha256::digest(Email::looked_up(email).as_str()).into()
}

/// The hash of the token that the request's cookie holds.
fn presented(request: &HttpRequest) -> Option<TokenHash> {
    let cookie = request.cookie(COOKIE)?;
    Token::parse(cookie.value()).map(|token| token.hash())
}

pub(super) fn cookie(auth: &Auth, token: &Token) -> Cookie<'static> {
    let mut cookie = no_cookie(auth);
    cookie.set_value(token.expose().to_owned());
    let seconds = i64::try_from(auth.settings.absolute.as_secs()).unwrap_or(i64::MAX);
    cookie.set_max_age(time::Duration::seconds(seconds));
    cookie
}

/// The cookie that makes a browser forget.
fn no_cookie(auth: &Auth) -> Cookie<'static> {
    Cookie::build(COOKIE, "")
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(auth.settings.public_url.starts_with("https://"))
        .max_age(time::Duration::ZERO)
        .finish()
}

pub(super) fn row(
    actor_id: Option<UserId>,
    actor: String,
    action: &str,
    object: impl ToString,
    account_id: Option<AccountId>,
    from: &str,
    at: i64,
) -> audit::Row {
    audit::Row {
        id: AuditId::new(),
        at,
        actor,
        action: action.to_owned(),
        object: object.to_string(),
        account_id,
        from: Some(from.to_owned()),
        actor_id,
        changes: None,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
