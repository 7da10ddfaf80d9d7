//! The one-time link that makes the first operator and the first account.
//!
//! Whoever starts the server sees its output, so that is where the link is shown: once per start,
//! for an hour, as long as there is no operator. A new start makes the link before it worthless. What
//! the page behind it looks like is not known here.

use std::{fmt, time::Duration};

use actix_web::HttpRequest;
use secrecy::SecretString;

use super::{
    Auth, SignedIn, browser,
    password::{self, Password},
    principal::User,
    session::{self, Way},
    token::Token,
    turns::Party,
};
use crate::{
    clock::wall_ms,
    id::{AccountId, UserId},
    points::Seconds,
    problem::{Code, Problem},
    store::{
        Store,
        accounts::{self, Account},
        audit, browsers,
        ledger::{self, EntryKind, Posted, Posting},
        sessions, setup_links,
        users::{self, User as Row},
    },
    user::{Email, Role},
};

/// How long a link works.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// What the first account starts with, so that its first call needs nothing else: 100 points.
const FIRST_POINTS: Seconds = Seconds(6_000);
/// Who the audit log says it was.
const ACTOR: &str = "set-up link";

/// The link's secret part. `Display` shows the path, so that it is printed on purpose only.
#[derive(Debug)]
pub struct SetupLink(Token);

impl fmt::Display for SetupLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/setup/{}", self.0.expose())
    }
}

/// Makes a new link, unless there is an operator who can sign in; links made before work no more.
///
/// # Errors
/// 503 or 500 when the database could not be asked.
pub async fn offer_setup(store: &Store) -> Result<Option<SetupLink>, Problem> {
    let token = Token::generate()?;
    let hash = token.hash();
    let expires_at = wall_ms() + i64::try_from(GOOD_FOR.as_millis()).unwrap_or(i64::MAX);
    let offered = store
        .write(move |conn| {
            if users::has_operator(conn)? {
                return Ok::<_, Problem>(false);
            }
            setup_links::replace(conn, &hash, expires_at)?;
            Ok(true)
        })
        .await?;
    Ok(offered.then_some(SetupLink(token)))
}

/// Whether the page behind a link is to be shown.
///
/// # Errors
/// 429 `too_many_attempts`, 404 when the link does not work (any more), 503 when it cannot be said.
pub async fn setup_is_open(auth: &Auth, request: &HttpRequest, token: &str) -> Result<(), Problem> {
    let Some(hash) = Token::parse(token).map(|token| token.hash()) else {
        return Err(Code::NotFound.into());
    };
    let good = auth
        .store
        .read(move |conn| {
            Ok::<_, Problem>(
                setup_links::is_good(conn, &hash, wall_ms())? && !users::has_operator(conn)?,
            )
        })
        .await?;
    if good {
        return Ok(());
    }
    session::count(auth, request)?;
    Err(Code::NotFound.into())
}

/// Makes the first account and its owner, who is the operator too, and signs them in. The link is
/// used up by it; a refused form uses nothing up.
///
/// # Errors
/// 403 `cross_origin`, 404 when the link does not work (any more), 422 for `email`, `password` or
/// `account_name`, 503 when it cannot be done.
pub async fn set_up(
    auth: &Auth,
    request: &HttpRequest,
    token: &str,
    email: &str,
    password: SecretString,
    account_name: &str,
) -> Result<SignedIn, Problem> {
    auth.same_origin(request)?;
    setup_is_open(auth, request, token).await?;
    let link = Token::parse(token).ok_or(Code::NotFound)?.hash();
    let email = Email::parse(email).ok_or_else(|| Problem::field("email", super::EMAIL_RULE))?;
    let password = Password::new(password).filter(|password| password.suits(&email));
    let password = password.ok_or_else(|| Problem::field("password", password::RULE))?;
    let name = super::account_name(account_name)?;
    let party = Party::of(None, auth.client(request));
    let password = auth.hasher.hash(party, password).await?;
    let session = Token::generate()?;
    let hash = session.hash();
    let (browser, browser_hash) = browser::new(auth)?;
    let from = auth.client(request).to_string();
    let user = auth
        .store
        .write(move |conn| {
            let now = wall_ms();
            if !setup_links::take(conn, &link, now)? || users::has_operator(conn)? {
                return Err(Problem::from(Code::NotFound));
            }
            let account = Account {
                id: AccountId::new(),
                name,
                balance: Seconds(0),
                held: Seconds(0),
                max_concurrent_calls: None,
                retention_days: None,
                created_at: now,
            };
            let user = Row {
                id: UserId::new(),
                account_id: Some(account.id),
                email,
                role: Role::Owner,
                is_operator: true,
                is_active: true,
                created_at: now,
                last_signed_in_at: None,
                email_confirmed: true,
            };
            accounts::insert(conn, &account)?;
            let Posted::Made(topup) = ledger::post(conn, &first_points(account.id, link))? else {
                return Err(Code::Internal.into());
            };
            // An operator who was disabled keeps the address.
            users::insert(conn, &user, &password)?
                .map_err(|_taken| Problem::field("email", super::EMAIL_RULE))?;
            let mut did = |action, object: String| {
                let actor = ACTOR.to_owned();
                let row = session::row(None, actor, action, object, Some(account.id), &from, now);
                audit::insert(conn, &row)
            };
            did("account.create", account.id.to_string())?;
            did("account.topup", topup.id.to_string())?;
            did("user.create", user.id.to_string())?;
            browsers::insert(conn, &browser_hash, user.id, now)?;
            session::open(conn, &hash, &user, Way::SetUpLink, &from, now)?;
            Ok(sessions::find(conn, &hash)?.ok_or(Code::Internal)?)
        })
        .await?;
    let (user, cookie) = (User::of(user, hash), session::cookie(auth, &session));
    Ok(SignedIn { user, cookie, browser: Some(browser) })
}

/// The link works once, so its hash serves as the idempotency key.
fn first_points(account_id: AccountId, link: [u8; 32]) -> Posting {
    Posting {
        kind: EntryKind::TopUp,
        account_id,
        seconds: FIRST_POINTS,
        note: Some("Free points to begin with, from the set-up".to_owned()),
        idempotency_hash: link,
        body_hash: link,
    }
}
