//! The way in through another service: away to the OpenID provider, and back.
//!
//! What has to be remembered in between is in a cookie of the browser that went away, encrypted, for ten
//! minutes; so whoever gets hold of the address somebody comes back to gets nowhere with it. The
//! provider says who it is; who gets in is decided here: a user who is there already, who may sign in,
//! and whose address the provider has verified. How the provider is asked is in [`crate::oidc`].

use actix_web::{
    HttpRequest,
    cookie::{Cookie, CookieJar, Key, SameSite, time},
    http::StatusCode,
    web::Query,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Auth, SignedIn, safe_next, session, session::Way};
use crate::{
    clock::wall_ms,
    id::UserId,
    oidc::{self, Attempt, Fault, Person, Provider},
    problem::{Code, Problem},
    store::users,
    user::Email,
};

/// What the names of the cookies of those who are away begin with; each goes on with its attempt.
const COOKIE: &str = "upvoot_single_sign_on_";
/// How long a browser may be away.
const AWAY: time::Duration = time::Duration::minutes(10);
/// How often at once a browser may be away: in so many tabs.
const MOST_AWAY: usize = 4;

/// Where browsers come back to, below the public URL.
pub const CALLBACK: &str = "/login/oidc/callback";

/// Single sign-on, as it is configured.
pub struct SingleSignOn {
    provider: Provider,
    /// For the cookies. It comes from the client's secret, which all nodes have, so that somebody may
    /// come back to another node, or to one that has started anew. Nothing can be gained with the key
    /// that the secret does not give already.
    key: Key,
}

/// Somebody who is to go to the provider.
pub struct Departure {
    /// The address.
    pub to: String,
    /// To be set by the answer.
    pub cookies: Vec<Cookie<'static>>,
}

/// Somebody who has come back and is signed in.
pub struct Arrival {
    /// Their session.
    pub signed_in: SignedIn,
    /// Where they wanted to go.
    pub next: String,
}

/// Why somebody is not signed in. The cause is in the log; this is what they may know.
#[derive(Debug)]
pub enum TurnedAway {
    /// It was not begun in this browser, or too long ago, or it is done already.
    NotBegun,
    /// The provider did not let them through, or they changed their mind.
    Declined,
    /// What the provider says proves nobody.
    Unproved,
    /// The provider has not verified an address of theirs.
    Unverified,
    /// Nobody of this address may sign in; unknown, disabled and bound to somebody else are on purpose
    /// not told apart.
    Nobody,
    /// The provider does not answer.
    Unreachable,
    /// For a reason that has nothing to do with single sign-on.
    Other(Problem),
}

impl TurnedAway {
    /// The status of the page that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotBegun => StatusCode::BAD_REQUEST,
            Self::Declined | Self::Unproved | Self::Unverified | Self::Nobody => {
                StatusCode::FORBIDDEN
            }
            Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Other(problem) => problem.code().status(),
        }
    }
}

impl From<Problem> for TurnedAway {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

/// What a browser comes back with.
#[derive(Default, Deserialize)]
struct Returned {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl Returned {
    fn of(request: &HttpRequest) -> Self {
        let returned = Query::<Self>::from_query(request.query_string());
        returned.map(Query::into_inner).unwrap_or_default()
    }
}

/// What is in the cookie.
#[derive(Serialize, Deserialize)]
struct Away {
    attempt: Attempt,
    next: String,
    /// Milliseconds since 1970.
    since: i64,
    /// Who was signed in when they went: they connect their own address.
    user: Option<UserId>,
}

impl Away {
    fn is_fresh(&self) -> bool {
        i128::from(wall_ms()) - i128::from(self.since) < AWAY.whole_milliseconds()
    }
}

impl SingleSignOn {
    /// With these settings. Nobody is asked anything yet.
    pub fn new(settings: oidc::Settings) -> Self {
        let mut master = Sha256::new();
        for part in ["upvoot single sign-on", &settings.client_id] {
            master.update(part);
            master.update([0]);
        }
        master.update(settings.client_secret.expose_secret());
        Self { key: Key::derive_from(&master.finalize()), provider: Provider::new(settings) }
    }

    /// Sends somebody to the provider; afterwards they go on to `next`.
    ///
    /// # Errors
    /// [`TurnedAway::Unreachable`].
    pub async fn depart(
        &self,
        auth: &Auth,
        request: &HttpRequest,
        next: &str,
    ) -> Result<Departure, TurnedAway> {
        let (to, attempt) = self.provider.depart().await.map_err(turned_away)?;
        let name = cookie_name(auth, &attempt.state);
        let user = session::find(auth, request).await?.map(|user| user.user_id);
        let away = Away { attempt, next: safe_next(next).to_owned(), since: wall_ms(), user };
        let mut cookie = no_cookie(auth, name.clone());
        cookie.set_max_age(AWAY);
        cookie.set_value(self.sealed(name, &away)?);
        let mut cookies = self.forget_the_oldest(auth, request);
        cookies.push(cookie);
        Ok(Departure { to, cookies })
    }

    /// What makes a browser forget all but the newest of its departures, so that there is room for one.
    fn forget_the_oldest(&self, auth: &Auth, request: &HttpRequest) -> Vec<Cookie<'static>> {
        let prefix = session::cookie_name(auth, COOKIE);
        let there = request.cookies().map(|cookies| cookies.clone()).unwrap_or_default();
        let mut there: Vec<_> = there
            .into_iter()
            .filter(|cookie| cookie.name().starts_with(&prefix))
            // What we cannot read is older than anything.
            .map(|cookie| {
                let since = self.opened(cookie.clone()).map_or(i64::MIN, |away| away.since);
                (since, cookie.name().to_owned())
            })
            .collect();
        there.sort();
        let too_many = (there.len() + 1).saturating_sub(MOST_AWAY);
        there.into_iter().take(too_many).map(|(_, name)| no_cookie(auth, name)).collect()
    }

    /// Signs in whoever has come back. Attempts are counted like those with a password, since each one
    /// has the provider asked.
    ///
    /// # Errors
    /// [`TurnedAway`]; the cause is in the log.
    pub async fn arrive(&self, auth: &Auth, request: &HttpRequest) -> Result<Arrival, TurnedAway> {
        session::count(auth, request)?;
        let Returned { state, code, error, iss } = Returned::of(request);
        let away = state.and_then(|state| self.away(auth, request, &state));
        let Some(Away { attempt, next, user, .. }) = away else {
            return Err(refused(TurnedAway::NotBegun, "it was not begun in this browser just now"));
        };
        self.provider.came_from_here(iss.as_deref()).await.map_err(turned_away)?;
        let code = match (error.as_deref(), code) {
            (None, Some(code)) => code,
            (Some("access_denied"), _) => {
                return Err(refused(TurnedAway::Declined, "the provider says access_denied"));
            }
            // What else it says may be anything.
            _ => return Err(refused(TurnedAway::Declined, "the provider gives no code")),
        };
        let person = self.provider.person(code, attempt).await.map_err(turned_away)?;
        Ok(Arrival { signed_in: admit(auth, request, person, user).await?, next })
    }

    /// What a browser is to remember, for no one to read.
    fn sealed(&self, name: String, away: &Away) -> Result<String, Problem> {
        let away = serde_json::to_string(away).map_err(|error| {
            tracing::error!(%error, "a cookie cannot be written");
            Code::Internal
        })?;
        let mut jar = CookieJar::new();
        jar.private_mut(&self.key).add(Cookie::new(name.clone(), away));
        Ok(jar.get(&name).map(|cookie| cookie.value().to_owned()).ok_or(Code::Internal)?)
    }

    /// What this browser remembers of this attempt, if it went away not long ago.
    fn away(&self, auth: &Auth, request: &HttpRequest, state: &str) -> Option<Away> {
        let away = self.opened(request.cookie(&cookie_name(auth, state))?)?;
        let same: bool = away.attempt.state.as_bytes().ct_eq(state.as_bytes()).into();
        (same && away.is_fresh()).then_some(away)
    }

    fn opened(&self, cookie: Cookie<'static>) -> Option<Away> {
        let (mut jar, name) = (CookieJar::new(), cookie.name().to_owned());
        jar.add_original(cookie);
        serde_json::from_str(jar.private(&self.key).get(&name)?.value()).ok()
    }
}

/// The name of the cookie of one attempt, so that each tab has its own.
fn cookie_name(auth: &Auth, state: &str) -> String {
    let attempt = hex::encode(&Sha256::digest(state)[..8]);
    session::cookie_name(auth, &format!("{COOKIE}{attempt}"))
}

/// The cookie that makes a browser forget that it was away, if it was: with the attempt that this request
/// comes back from.
pub fn forget_departure(auth: &Auth, request: &HttpRequest) -> Option<Cookie<'static>> {
    let name = cookie_name(auth, &Returned::of(request).state?);
    request.cookie(&name)?;
    Some(no_cookie(auth, name))
}

fn no_cookie(auth: &Auth, name: String) -> Cookie<'static> {
    // Not `Strict`: it has to come along when the provider sends the browser back.
    session::no_cookie(auth, name, SameSite::Lax)
}

/// Begins the session of the user that this person is: the one whom the provider's subject is bound to
/// already, whatever the address is by now; else the one of the verified address, who is bound then.
///
/// An address is the word of whoever gave it to the user. An owner may have given a user of theirs the
/// address of somebody else, with a password that they know; so an address counts only if the operator
/// gave it, or if it is the user themself who comes back: `away` was signed in when they went.
async fn admit(
    auth: &Auth,
    request: &HttpRequest,
    person: Person,
    away: Option<UserId>,
) -> Result<SignedIn, TurnedAway> {
    let Person { issuer, subject, email, email_is_verified } = person;
    let of = issuer.clone();
    let bound = auth.store.read(move |conn| users::by_subject(conn, &of, &subject)).await;
    let user = match (bound.map_err(Problem::from)?, email.filter(|_| email_is_verified)) {
        (Some(user), _) => Some(user),
        (None, None) => {
            return Err(refused(TurnedAway::Unverified, "no verified e-mail address"));
        }
        (None, Some(email)) => by_address(auth, &email).await?,
    };
    let Some(user) = user.filter(|user| user.is_active) else {
        return Err(refused(TurnedAway::Nobody, "no user of this address who may sign in"));
    };
    // Whoever has the address later has another subject there, and does not inherit the user.
    let bound = session::begin(auth, request, user.id, Way::SingleSignOn, move |conn| {
        users::bind(conn, user.id, &user.email, away, &issuer, &subject)
    });
    bound.await.map_err(|problem| match problem.code() {
        Code::WrongCredentials => {
            refused(TurnedAway::Nobody, "the user is linked to another person there, was changed, or has an address that is not confirmed")
        }
        _ => problem.into(),
    })
}

async fn by_address(auth: &Auth, told: &str) -> Result<Option<users::User>, Problem> {
    let Some(email) = address(told) else { return Ok(None) };
    let found = auth.store.read(move |conn| users::by_email(conn, &email)).await?;
    Ok(found.map(|(user, _)| user))
}

/// The address that a provider tells. Other than in a form, nothing but ASCII letters may change: what
/// looks the same in lower case may be somebody else's.
fn address(told: &str) -> Option<Email> {
    Email::parse(told).filter(|email| email.as_str() == told.to_ascii_lowercase())
}

fn turned_away(fault: Fault) -> TurnedAway {
    let why = match &fault {
        Fault::Unreachable(_) => TurnedAway::Unreachable,
        Fault::Unproved(_) => TurnedAway::Unproved,
    };
    refused(why, &fault.to_string())
}

/// Says once, in the log, why somebody is not signed in.
fn refused(why: TurnedAway, cause: &str) -> TurnedAway {
    tracing::warn!(cause, "single sign-on failed");
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(client_id: &str, secret: &str) -> SingleSignOn {
        SingleSignOn::new(oidc::Settings {
            issuer: oidc::Issuer::parse("https://id.example.com").unwrap(),
            client_id: client_id.to_owned(),
            client_secret: secret.into(),
            redirect_uri: format!("https://voice.example.com{CALLBACK}"),
            trust_unverified_email: false,
        })
    }

    #[test]
    fn whoever_is_away_for_too_long_is_forgotten() {
        let ours = configured("upvoot", "a good enough secret");
        let attempt = r#"{"state":"s","nonce":"n","verifier":"v"}"#;
        let seen = |reader: &SingleSignOn, since: i64| {
            let attempt = serde_json::from_str(attempt).unwrap();
            let away = Away { attempt, next: "/calls".to_owned(), since, user: None };
            let name = "upvoot_single_sign_on_1";
            let sealed = ours.sealed(name.to_owned(), &away).unwrap();
            assert!(!sealed.contains("calls"));
            // An attempt's cookie under the name of another is none.
            assert!(
                reader.opened(Cookie::new("upvoot_single_sign_on_2", sealed.clone())).is_none()
            );
            reader.opened(Cookie::new(name, sealed)).filter(Away::is_fresh)
        };
        let (now, minute) = (wall_ms(), 60_000);
        assert_eq!(seen(&ours, now - 9 * minute).unwrap().next, "/calls");
        assert!(seen(&ours, now - 10 * minute).is_none());
        assert!(seen(&ours, i64::MIN).is_none());
        // Another node has the same settings; whoever has others reads nothing.
        assert!(seen(&configured("upvoot", "a good enough secret"), now).is_some());
        assert!(seen(&configured("upvoot", "another good secret"), now).is_none());
        assert!(seen(&configured("another", "a good enough secret"), now).is_none());
    }

    #[test]
    fn an_address_that_only_looks_the_same_is_another() {
        assert_eq!(address("Ada@Example.com").unwrap().as_str(), "ada@example.com");
        assert!(address("ädä@example.com").is_some());
        // The Kelvin sign is a k in lower case.
        for other in ["\u{212a}ate@example.com", "ÄDA@example.com", " ada@example.com", "ada", ""]
        {
            assert!(address(other).is_none(), "{other}");
        }
    }
}
