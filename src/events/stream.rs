//! The stream of one listener: this node's happenings at once, everything else from the store.
//!
//! Every two seconds the store is asked what is live, which also shows the calls of other nodes, those
//! that were settled, and whether the listener may still listen. What waits is bounded by the hub; a
//! listener that is too slow is told that it missed something. Its page then asks for everything again.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use actix_web::web::Data;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{Context, message, seats::Seat};
use crate::{
    auth::{Auth, User, is_signed_in},
    id::{AccountId, CallId},
    live::{Happening, Hub, Listener},
    store::{
        Store, StoreError,
        calls::{self, Ongoing},
    },
};

/// How often the store is asked.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long a stream may be silent. Only writing shows that a listener has gone.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// How long a stream lasts; the browser comes back and is judged afresh.
const LONGEST: Duration = Duration::from_secs(600);
/// Live calls that are told apart; a page lists far fewer.
const MOST_CALLS: i64 = 500;

/// What is listened to.
#[derive(Clone, Copy)]
struct Wanted {
    /// The calls of this account; `None`: of all.
    account: Option<AccountId>,
    /// The call the page shows, whose transcript is looked after too.
    call: Option<CallId>,
}

struct Stand {
    auth: Data<Auth>,
    user: User,
    store: Store,
    hub: Hub,
    wanted: Wanted,
    listener: Listener,
    ticks: Interval,
    /// The live calls the page has been told of. `None` before the store has been asked.
    known: Option<HashMap<CallId, Ongoing>>,
    /// The newest call there was: a call can begin and end between two questions.
    newest: Option<CallId>,
    lines: Option<i64>,
    said_at: Instant,
    greeted: bool,
    until: Instant,
    seat: Seat,
}

/// What the store says at one moment.
struct Now {
    live: Vec<Ongoing>,
    newest: Option<CallId>,
    lines: Option<i64>,
}

/// The events, from now until the listener goes, may no longer listen, or the node stops.
pub fn events(
    context: &Context,
    auth: Data<Auth>,
    user: User,
    call: Option<CallId>,
    seat: Seat,
) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let (store, hub) = (context.store.clone(), context.hub.clone());
    let wanted = Wanted { account: user.account_scope(), call };
    let listener = hub.listen(wanted.account);
    // At once: what the page shows may be older than this stream.
    let mut ticks = interval_at(Instant::now(), ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stand = Stand {
        store,
        hub,
        wanted,
        auth,
        user,
        listener,
        ticks,
        known: None,
        newest: None,
        lines: None,
        said_at: Instant::now(),
        greeted: false,
        until: Instant::now() + LONGEST,
        seat,
    };
    stream::unfold(stand, |mut stand| async {
        let said = stand.next().await?;
        stand.said_at = Instant::now();
        Some((Ok(said), stand))
    })
}

impl Stand {
    /// The next thing to say; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(message::hello(&self.listener.live));
        }
        loop {
            tokio::select! {
                () = self.hub.closed() => return None,
                () = self.seat.given_away() => return None,
                heard = self.listener.happenings.recv() => match heard {
                    Ok(happening) if self.is_wanted(&happening) => {
                        return Some(message::happening(&happening));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(message::missed()),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.ticks.tick() => {
                    if Instant::now() >= self.until || !self.may_listen().await {
                        return None;
                    }
                    let said = match self.ask().await {
                        Ok(now) => self.compare(now),
                        Err(error) => {
                            tracing::debug!(%error, "a page could not be told what is live");
                            Vec::new()
                        }
                    };
                    if !said.is_empty() {
                        return Some(said.concat().into());
                    }
                    if self.said_at.elapsed() >= HEARTBEAT {
                        return Some(message::heartbeat());
                    }
                }
            }
        }
    }

    fn is_wanted(&self, happening: &Happening) -> bool {
        self.wanted.account.is_none_or(|account| happening.subject.account_id == account)
    }

    /// Whether the session still is; when that cannot be asked, nothing else can be told either.
    async fn may_listen(&self) -> bool {
        is_signed_in(&self.auth, &self.user).await.unwrap_or(true)
    }

    async fn ask(&self) -> Result<Now, StoreError> {
        let wanted = self.wanted;
        self.store
            .read(move |conn| {
                let live = calls::ongoing(conn, wanted.account, MOST_CALLS)?;
                let newest = calls::newest(conn, wanted.account)?;
                let lines = |call| calls::lines_written(conn, call, wanted.account);
                Ok(Now { live, newest, lines: wanted.call.map(lines).transpose()? })
            })
            .await
    }

    /// What is different from the last time.
    fn compare(&mut self, now: Now) -> Vec<Bytes> {
        let live: HashMap<CallId, Ongoing> =
            now.live.into_iter().map(|call| (call.id, call)).collect();
        let mut said = Vec::new();
        match &self.known {
            // The page may be older than the stream, and nobody knows by how much.
            None => said.push(message::missed()),
            Some(known) => {
                let new = live.values().filter(|call| !known.contains_key(&call.id));
                let gone = known.values().filter(|call| !live.contains_key(&call.id));
                said.extend(new.map(|call| message::stored("started", call)));
                said.extend(gone.map(|call| message::stored("settled", call)));
                // The page may have seen it while it lasted: it came and went between two questions.
                if now
                    .newest
                    .is_some_and(|call| !live.contains_key(&call) && !known.contains_key(&call))
                    && now.newest != self.newest
                {
                    said.push(message::missed());
                }
                if self.lines != now.lines {
                    said.push(message::written());
                }
            }
        }
        (self.known, self.newest, self.lines) = (Some(live), now.newest, now.lines);
        said
    }
}
