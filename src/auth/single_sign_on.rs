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

use super::{Auth, SignedIn, safe_next, session};
use crate::{
    clock::wall_ms,
    oidc::{self, Attempt, Fault, Person, Provider},
    problem::{Code, Problem},
    store::users,
    user::Email,
};

/// The name of the cookie of those who are away.
const COOKIE: &str = "upvoot_single_sign_on";
/// The only addresses that get it.
const PATH: &str = "/login/oidc";
/// How long somebody may be away.
const AWAY: time::Duration = time::Duration::minutes(10);

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
    pub cookie: Cookie<'static>,
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
}

/// What is in the cookie.
#[derive(Serialize, Deserialize)]
struct Away {
    attempt: Attempt,
    next: String,
    /// Milliseconds since 1970.
    since: i64,
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
    pub async fn depart(&self, auth: &Auth, next: &str) -> Result<Departure, TurnedAway> {
        let (to, attempt) = self.provider.depart().await.map_err(turned_away)?;
        let away = Away { attempt, next: safe_next(next).to_owned(), since: wall_ms() };
        let mut cookie = forget_departure(auth);
        cookie.set_max_age(AWAY);
        cookie.set_value(self.sealed(&away)?);
        Ok(Departure { to, cookie })
    }

    /// Signs in whoever has come back. Attempts are counted like those with a password, since each one
    /// has the provider asked.
    ///
    /// # Errors
    /// [`TurnedAway`]; the cause is in the log.
    pub async fn arrive(&self, auth: &Auth, request: &HttpRequest) -> Result<Arrival, TurnedAway> {
        session::count(auth, request, None)?;
        let returned = Query::<Returned>::from_query(request.query_string());
        let Returned { state, code, error } = returned.map(Query::into_inner).unwrap_or_default();
        let away = self.away(request).filter(|away| {
            let state = state.unwrap_or_default();
            away.attempt.state.as_bytes().ct_eq(state.as_bytes()).into()
        });
        let Some(Away { attempt, next, .. }) = away else {
            return Err(refused(TurnedAway::NotBegun, "it was not begun in this browser just now"));
        };
        let code = match (error.as_deref(), code) {
            (None, Some(code)) => code,
            (Some("access_denied"), _) => {
                return Err(refused(TurnedAway::Declined, "the provider says access_denied"));
            }
            // What else it says may be anything.
            _ => return Err(refused(TurnedAway::Declined, "the provider gives no code")),
        };
        let person = self.provider.person(code, attempt).await.map_err(turned_away)?;
        Ok(Arrival { signed_in: admit(auth, request, person).await?, next })
    }

    /// What a browser is to remember, for nobody to read.
    fn sealed(&self, away: &Away) -> Result<String, Problem> {
        let away = serde_json::to_string(away).map_err(|error| {
            tracing::error!(%error, "a cookie cannot be written");
            Code::Internal
        })?;
        let mut jar = CookieJar::new();
        jar.private_mut(&self.key).add(Cookie::new(COOKIE, away));
        Ok(jar.get(COOKIE).map(|cookie| cookie.value().to_owned()).ok_or(Code::Internal)?)
    }

    /// What this browser remembers, if it went away not long ago.
    fn away(&self, request: &HttpRequest) -> Option<Away> {
        let mut jar = CookieJar::new();
        jar.add_original(request.cookie(COOKIE)?);
        let away = jar.private(&self.key).get(COOKIE)?;
        let away: Away = serde_json::from_str(away.value()).ok()?;
        let for_ms = i128::from(wall_ms()) - i128::from(away.since);
        (for_ms < AWAY.whole_milliseconds()).then_some(away)
    }
}

/// The cookie that makes a browser forget that it was away.
pub fn forget_departure(auth: &Auth) -> Cookie<'static> {
    Cookie::build(COOKIE, "")
        .path(PATH)
        .http_only(true)
        // Not `Strict`: it has to come along when the provider sends the browser back.
        .same_site(SameSite::Lax)
        .secure(auth.settings.public_url.starts_with("https://"))
        .max_age(time::Duration::ZERO)
        .finish()
}

/// Begins the session of the user that this person is.
async fn admit(auth: &Auth, request: &HttpRequest, person: Person) -> Result<SignedIn, TurnedAway> {
    let Person { issuer, subject, email, email_is_verified } = person;
    let Some(email) = email.filter(|_| email_is_verified) else {
        return Err(refused(TurnedAway::Unverified, "no verified e-mail address"));
    };
    let user = match address(&email) {
        Some(email) => auth.store.read(move |conn| users::by_email(conn, &email)).await,
        None => Ok(None),
    };
    let Some((user, _)) = user.map_err(Problem::from)?.filter(|(user, _)| user.is_active) else {
        return Err(refused(TurnedAway::Nobody, "no user of this address who may sign in"));
    };
    // Whoever has the address later has another subject there, and does not inherit the user.
    let bound = session::begin(auth, request, user.id, move |conn| {
        users::bind(conn, user.id, &user.email, &issuer, &subject)
    });
    bound.await.map_err(|problem| match problem.code() {
        Code::WrongCredentials => {
            refused(TurnedAway::Nobody, "the user is bound to somebody else there, or was changed")
        }
        _ => problem.into(),
    })
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
    tracing::warn!(cause, "nobody was signed in by single sign-on");
    why
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn configured(client_id: &str, secret: &str) -> SingleSignOn {
        SingleSignOn::new(oidc::Settings {
            issuer: oidc::Issuer::parse("https://id.example.com").unwrap(),
            client_id: client_id.to_owned(),
            client_secret: secret.into(),
            redirect_uri: format!("https://voice.example.com{CALLBACK}"),
        })
    }

    #[test]
    fn whoever_is_away_for_too_long_is_forgotten() {
        let ours = configured("upvoot", "a good enough secret");
        let attempt = r#"{"state":"s","nonce":"n","verifier":"v"}"#;
        let seen = |reader: &SingleSignOn, since: i64| {
            let attempt = serde_json::from_str(attempt).unwrap();
            let away = Away { attempt, next: "/calls".to_owned(), since };
            let cookie = Cookie::new(COOKIE, ours.sealed(&away).unwrap());
            assert!(!cookie.value().contains("calls"));
            reader.away(&TestRequest::default().cookie(cookie).to_http_request())
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
