//! What a listener may hear, for as long as they listen.
//!
//! A stream outlives the request that was judged. So it ends as soon as the session would give other
//! rights now than it gave then: at once after a change that this node made, at the next question to
//! the store after another node's. It knows no call; what is said is [`super::stream`]'s business.

use std::time::Duration;

use actix_web::web::Data;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};

use crate::{
    auth::{Auth, User, still},
    id::{AccountId, UserId},
};

/// How long rights count that cannot be proved again because the database does not answer.
const PROVED_FOR: Duration = Duration::from_secs(10);

/// The rights that a stream was opened with.
pub(super) struct Rights {
    auth: Data<Auth>,
    user: User,
    changes: Receiver<UserId>,
    proved_at: Instant,
}

impl Rights {
    /// Those of a user who was proved just now; `changes` was begun before that.
    pub(super) fn new(auth: Data<Auth>, user: User, changes: Receiver<UserId>) -> Self {
        Self { auth, user, changes, proved_at: Instant::now() }
    }

    /// The account whose calls may be heard; `None`: all.
    pub(super) fn account(&self) -> Option<AccountId> {
        self.user.account_scope()
    }

    /// Waits until this node has changed what the user may do.
    pub(super) async fn change(&mut self) {
        loop {
            match self.changes.recv().await {
                Ok(user) if user != self.user.user_id => {}
                // What was missed may have been about this user.
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                // The sender lives as long as `auth` does.
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    /// Whether the session gives now what it gave when the stream was opened. `patient`: nothing says
    /// that it does not, so that a database which is away for a moment need not end the stream.
    pub(super) async fn hold(&mut self, patient: bool) -> bool {
        match still(&self.auth, &self.user).await {
            Ok(now) => {
                self.proved_at = Instant::now();
                now.is_some_and(|now| now.has_rights_of(&self.user))
            }
            Err(_) => patient && self.proved_at.elapsed() < PROVED_FOR,
        }
    }
}
