//! Sessions, from signing in to signing out: random tokens in a cookie that no script reads.
//!
//! Who is let in is decided in [`super::sign_in`] and [`super::single_sign_on`]. A session ends when it is
//! not used, when it is old, when its user signs out, is disabled, or gets another password. What a session
//! may do is in [`super::principal`].

use std::time::Duration;

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time},
    http::header,
};
use secrecy::SecretString;
use serde_json::Value;

use super::{
    Auth, browser,
    password::{self, Password},
    principal::User,
    token::{Token, TokenHash},
};
use crate::{
    clock::wall_ms,
    id::{AccountId, AuditId, UserId},
    problem::{Code, Problem},
    store::{
        Conn, StoreError,
        audit::{self, Changes},
        browsers, sessions, share, users,
    },
    user::PasswordHash,
};

/// The name of the session's cookie; where people reach the server by https, `__Host-` stands before it.
pub const COOKIE: &str = "upvoot_session";

/// How exactly it is written down when a session was used last.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// Somebody who has just signed in.
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// To be set by the answer.
    pub cookie: Cookie<'static>,
    /// To be set too: this browser is known from now on. `None`: it was.
    pub browser: Option<Cookie<'static>>,
}

impl SignedIn {
    /// What the answer sets, the session first.
    pub fn cookies(&self) -> impl Iterator<Item = &Cookie<'static>> {
        std::iter::once(&self.cookie).chain(&self.browser)
    }
}

/// How somebody has proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Password,
    SetUpLink,
    SingleSignOn,
}

impl Way {
    /// Its name in the audit log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SetUpLink => "setup_link",
            Self::SingleSignOn => "single_sign_on",
        }
    }
}

/// Begins a session for a user who has proved who they are, if `still` says so in the transaction.
pub(super) async fn begin(
    auth: &Auth,
    request: &HttpRequest,
    user: UserId,
    way: Way,
    still: impl FnOnce(&mut Conn) -> Result<bool, StoreError> + Send + 'static,
) -> Result<SignedIn, Problem> {
    let token = Token::generate()?;
    let (hash, before) = (token.hash(), presented(auth, request));
    let from = auth.client(request).to_string();
    let (idle, absolute) = (millis(auth.settings.idle), millis(auth.settings.absolute));
    let there = browser::presented(auth, request);
    let (browser, browser_hash) = browser::new(auth)?;
    let (session, is_known) = auth
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
            let of = there.map(|there| browser::user(conn, &there)).transpose()?.flatten();
            let is_known = of == Some(user.id);
            if !is_known {
                browsers::insert(conn, &browser_hash, user.id, now)?;
            }
            open(conn, &hash, &user, way, &from, now)?;
            let session = sessions::find(conn, &hash)?.ok_or(Code::Internal)?;
            Ok((session, is_known))
        })
        .await?;
    Ok(SignedIn {
        user: User::of(session, hash),
        cookie: cookie(auth, &token),
        browser: (!is_known).then_some(browser),
    })
}

/// Writes a session and its audit row.
pub(super) fn open(
    conn: &mut Conn,
    hash: &TokenHash,
    user: &users::User,
    way: Way,
    from: &str,
    now: i64,
) -> Result<(), StoreError> {
    users::signed_in(conn, user.id, now)?;
    sessions::insert(conn, hash, user.id, now)?;
    let actor = user.email.to_string();
    let did = row(Some(user.id), actor, "user.sign_in", user.id, user.account_id, from, now);
    let changes = Changes::default().value("way", Value::Null, way.as_str().into());
    audit::insert(conn, &did.changing(changes))
}

/// Signs out. The cookie to set removes the browser's; without a session there is nothing to do.
///
/// # Errors
/// 403 `cross_origin`, 503 when the session could not be ended.
pub async fn sign_out(auth: &Auth, request: &HttpRequest) -> Result<Cookie<'static>, Problem> {
    auth.same_origin(request)?;
    if let Some(hash) = presented(auth, request) {
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
    Ok(no_session(auth))
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
    Ok(no_session(auth))
}

/// Lets somebody who is signed in go on only with their password: a session may be stolen. What is stored
/// of it is the answer. Attempts are counted by session, so that no stranger keeps a user from it.
///
/// # Errors
/// 403 `cross_origin`, 429 `too_many_attempts`, 401 `wrong_credentials`, 429 or 503 when it cannot be compared
/// now.
pub async fn prove_password(
    auth: &Auth,
    request: &HttpRequest,
    user: &User,
    given: SecretString,
) -> Result<Option<PasswordHash>, Problem> {
    auth.same_origin(request)?;
    auth.guesses.browser(user.session, auth.clock.now()).map_err(too_many)?;
    let id = user.user_id;
    let stored = auth.store.read(move |conn| users::password(conn, id)).await?;
    if !auth.hasher.matches(user.party(), given, stored.clone()).await? {
        return Err(Code::WrongCredentials.into());
    }
    auth.guesses.browser_was_right(&user.session);
    Ok(stored)
}

/// Sets one's own password, and ends all other sessions; other browsers are known no more.
///
/// # Errors
/// 403 `cross_origin`, 422 for a `new_password` that is easily guessed, 429 `too_many_attempts`, 401
/// `wrong_credentials` when the current password is not right, 429 or 503 when it cannot be done now.
pub async fn change_password(
    auth: &Auth,
    request: &HttpRequest,
    user: &User,
    current: SecretString,
    new: Password,
) -> Result<(), Problem> {
    if !new.suits(&user.email) {
        return Err(Problem::field("new_password", password::RULE));
    }
    let (id, kept) = (user.user_id, user.session);
    let stored = prove_password(auth, request, user, current).await?;
    let hash = auth.hasher.hash(user.party(), new).await?;
    let from = auth.client(request).to_string();
    let (user, browser) = (user.clone(), browser::presented(auth, request));
    auth.store
        .write(move |conn| {
            let now = users::password(conn, id)?;
            let same = now.zip(stored).is_some_and(|(now, then)| now.as_str() == then.as_str());
            if !same {
                return Err(Problem::from(Code::WrongCredentials));
            }
            let owner = browser.map(|it| browser::user(conn, &it)).transpose()?.flatten();
            users::set_password(conn, id, &hash)?;
            if let Some(known) = browser.filter(|_| owner == Some(id)) {
                browsers::insert(conn, &known, id, wall_ms())?;
            }
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
    let Some(hash) = presented(auth, request) else { return Ok(None) };
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
            tracing::warn!(%error, "a session's last use was not recorded");
        }
    }
    let user = User::of(session, hash);
    share::is(user.share());
    Ok(Some(user))
}

/// The user of a session as they are now; `None` when it is over or they may sign in no more. For
/// streams, which outlive their request. It does not count as using the session.
///
/// # Errors
/// 503 when the database cannot be asked.
pub async fn still(auth: &Auth, user: &User) -> Result<Option<User>, Problem> {
    let hash = user.session;
    let store = auth.store.within(user.share());
    let session = store.read(move |conn| sessions::find(conn, &hash)).await?;
    let session = session.filter(|session| !is_over(auth, session, wall_ms()));
    Ok(session.map(|session| User::of(session, hash)))
}

fn is_over(auth: &Auth, session: &sessions::Session, now: i64) -> bool {
    now - session.created_at >= millis(auth.settings.absolute)
        || now - session.last_seen_at >= millis(auth.settings.idle)
}

/// Counts an attempt at something else than a user's password, by address.
pub(super) fn count(auth: &Auth, request: &HttpRequest) -> Result<(), Problem> {
    auth.guesses.stranger(auth.client(request), auth.clock.now()).map_err(too_many)
}

/// The refusal that says how long it lasts.
pub(super) fn too_many(wait: Duration) -> Problem {
    Problem::from(Code::TooManyAttempts).header(header::RETRY_AFTER, wait.as_secs().max(1).into())
}

/// The hash of the token that the request's cookie holds.
fn presented(auth: &Auth, request: &HttpRequest) -> Option<TokenHash> {
    let cookie = request.cookie(&cookie_name(auth, COOKIE))?;
    Token::parse(cookie.value()).map(|token| token.hash())
}

pub(super) fn cookie(auth: &Auth, token: &Token) -> Cookie<'static> {
    let mut cookie = no_session(auth);
    cookie.set_value(token.expose().to_owned());
    let seconds = i64::try_from(auth.settings.absolute.as_secs()).unwrap_or(i64::MAX);
    cookie.set_max_age(time::Duration::seconds(seconds));
    cookie
}

/// The cookie that makes a browser forget its session.
fn no_session(auth: &Auth) -> Cookie<'static> {
    no_cookie(auth, cookie_name(auth, COOKIE), SameSite::Strict)
}

/// A cookie's whole name. With `__Host-` no neighbouring host can set it, and no page over plain HTTP;
/// browsers take such a name over https only.
pub(super) fn cookie_name(auth: &Auth, name: &str) -> String {
    if auth.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

/// The cookie that makes a browser forget another of this name.
pub(super) fn no_cookie(auth: &Auth, name: String, same_site: SameSite) -> Cookie<'static> {
    Cookie::build(name, "")
        .path("/")
        .http_only(true)
        .same_site(same_site)
        .secure(auth.is_https())
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
