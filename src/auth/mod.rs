//! Who asks: the operator by bearer token, a user by session, or nobody.
//!
//! [`door`] stands before `/api` and [`page_user`] before the pages; behind them a [`Principal`] says
//! what may be done ([`Action`]) and whose objects exist. [`sign_in`], [`SingleSignOn`], [`sign_out`] and
//! [`set_up`] are the ways in and out. It knows no resource and no page; what a right is needed for stands beside each
//! route. Passwords are [`password`]'s, how often one may be guessed is decided in `guesses`, where a change
//! comes from in `origin`.

mod browser;
mod door;
mod guesses;
mod line;
mod origin;
pub mod password;
mod principal;
mod refusals;
mod session;
mod setup;
mod sign_in;
mod single_sign_on;
pub mod token;
mod turns;

use std::{net::IpAddr, time::Duration};

use actix_web::HttpRequest;
use secrecy::SecretString;
use tokio::sync::broadcast;

pub use door::{as_stranger, door, encoded, page_user, principal, safe_next};
pub use principal::{Action, Principal, User};
pub use session::{
    COOKIE, SignedIn, change_password, prove_password, sign_out, sign_out_everywhere, still,
};
pub use setup::{SetupLink, offer_setup, set_up, setup_is_open};
pub use sign_in::sign_in;
pub use single_sign_on::{
    Arrival, CALLBACK, Departure, SingleSignOn, TurnedAway, forget_departure,
};

use crate::{
    attempts::Attempts,
    client_addr::{Proxies, client_ip},
    clock::NodeClock,
    id::UserId,
    key::looks_like_key,
    problem::{Code, Problem},
    store::Store,
    text,
    user::PasswordHash,
};

use guesses::Guesses;
use password::{Hasher, Password};
use refusals::Recorder;

/// Lines about wrong bearer tokens from one address within a minute.
const TOLD_PER_MINUTE: u32 = 10;

/// How people and programs prove who they are.
pub struct Settings {
    /// What people reach this server at; with `https` cookies are `Secure`.
    pub public_url: String,
    /// The operator's token; `None`: nobody has it.
    pub admin_token: Option<SecretString>,
    /// Another service that says who people are, if there is one.
    pub single_sign_on: Option<SingleSignOn>,
    /// Whose forwarded addresses are believed.
    pub proxies: Proxies,
    /// A session that is not used for so long is over.
    pub idle: Duration,
    /// A session is over after so long, used or not.
    pub absolute: Duration,
    /// Attempts to sign in that one address has within a minute.
    pub attempts_per_address: u32,
    /// Attempts to sign in as one user that one address, or one browser that is known, has within a minute;
    /// after so many of strangers from anywhere, further ones of theirs take some seconds.
    pub attempts_per_email: u32,
}

impl Settings {
    /// The usual limits: 12 hours idle, 7 days in all; 30 attempts within a minute from one address,
    /// 10 for one user; no single sign-on.
    pub fn new(public_url: String, admin_token: Option<SecretString>, proxies: Proxies) -> Self {
        Self {
            public_url,
            admin_token,
            single_sign_on: None,
            proxies,
            idle: Duration::from_secs(12 * 3600),
            absolute: Duration::from_secs(7 * 24 * 3600),
            attempts_per_address: 30,
            attempts_per_email: 10,
        }
    }
}

/// What the doors work with; one for the whole node, handed over as `web::Data`.
pub struct Auth {
    store: Store,
    settings: Settings,
    hasher: Hasher,
    clock: NodeClock,
    guesses: Guesses,
    refusals: Recorder,
    /// Wrong bearer tokens that the log tells of, by address.
    told: Attempts<IpAddr>,
    /// The users whose rights or sessions this node has just changed.
    changes: broadcast::Sender<UserId>,
}

/// Changes that one who follows them may fall behind before they learn only that there were some.
const CHANGES_KEPT: usize = 256;

impl Auth {
    /// With these settings, on this database.
    pub fn new(store: Store, settings: Settings) -> Self {
        Self {
            guesses: Guesses::new(settings.attempts_per_address, settings.attempts_per_email),
            refusals: Recorder::new(store.clone()),
            told: Attempts::new(TOLD_PER_MINUTE),
            store,
            settings,
            hasher: Hasher::new(),
            clock: NodeClock::start(),
            changes: broadcast::Sender::new(CHANGES_KEPT),
        }
    }

    /// To be called when a change of what a user may do, or of their sessions, is committed and before
    /// it is answered: what outlives a request, such as a stream, asks again what they may.
    pub fn rights_changed(&self, user: UserId) {
        // It fails when nothing follows the changes, which is as well.
        let _ = self.changes.send(user);
    }

    /// The users whose rights this node changes from now on; see [`still`] for what they are now.
    pub fn rights_changes(&self) -> broadcast::Receiver<UserId> {
        self.changes.subscribe()
    }

    /// What people reach this server at.
    pub fn public_url(&self) -> &str {
        &self.settings.public_url
    }

    /// Whether people reach this server by https.
    fn is_https(&self) -> bool {
        self.settings.public_url.starts_with("https://")
    }

    /// Single sign-on, if it is configured.
    pub fn single_sign_on(&self) -> Option<&SingleSignOn> {
        self.settings.single_sign_on.as_ref()
    }

    /// The client's address.
    pub fn client(&self, request: &HttpRequest) -> IpAddr {
        client_ip(request.peer_addr(), request.headers(), &self.settings.proxies)
    }

    /// What to store of a password that somebody sets for another. It takes its turn among those of
    /// others, fair by account, so it comes last: after everything that costs less.
    ///
    /// # Errors
    /// 429 when this account has too many hashed at once, 503 when all together have, 500 when it fails.
    pub async fn hash(&self, who: &Principal, password: Password) -> Result<PasswordHash, Problem> {
        self.hasher.hash(who.party(), password).await
    }

    /// Whether a page of ours sent this request; where it is not, a change with a session, or a
    /// socket that a session opens, is refused.
    ///
    /// # Errors
    /// 403 `cross_origin`.
    pub fn same_origin(&self, request: &HttpRequest) -> Result<(), Problem> {
        let ours = origin::is_ours(request, &self.settings.public_url);
        ours.then_some(()).ok_or(Code::CrossOrigin.into())
    }
}

/// The rule for an e-mail address, in words.
pub const EMAIL_RULE: &str =
    "Must be an e-mail address that no other user has, without characters that cannot be seen.";

/// The rule for what people call something, in words.
pub const NAME_RULE: &str = "Must be 1 to 200 characters that can be seen, no control characters, none that turn the direction of writing, not shaped like a key.";

/// What people call an account; the same rule as in the API.
fn account_name(raw: &str) -> Result<String, Problem> {
    let name = text::name(raw, 200).filter(|name| !looks_like_key(name));
    name.ok_or_else(|| Problem::field("account_name", NAME_RULE))
}
