//! The stream of one listener: this node's happenings at once, everything else from the store.
//!
//! Every two seconds the store is asked what is live, which also shows the calls of other nodes, those
//! that were settled, and whether the listener may still listen (see [`super::rights`]). What waits is
//! bounded by the hub; a listener that is too slow is told that it missed something. Its page then asks
//! for everything again.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{
    Context,
    glance::{Glance, Live},
    message,
    rights::Rights,
    seats::Seat,
};
use crate::{
    id::CallId,
    live::{Happening, Hub, Listener},
    store::{
        Share, Store, StoreError,
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

struct Stand {
    rights: Rights,
    store: Store,
    hub: Hub,
    glance: Arc<Glance>,
    /// The calls that pages show, whose transcripts are looked after too.
    shown: Vec<CallId>,
    listener: Listener,
    ticks: Interval,
    /// The live calls the page has been told of. `None` before the store has been asked.
    known: Option<HashMap<CallId, Ongoing>>,
    /// The newest call there was: a call can begin and end between two questions.
    newest: Option<CallId>,
    lines: Vec<i64>,
    said_at: Instant,
    greeted: bool,
    over: bool,
    until: Instant,
    seat: Seat,
}

/// What the store says at one moment.
struct Now {
    live: Arc<Live>,
    /// Of each call that is shown, in their order.
    lines: Vec<i64>,
}

/// The events, from now until the listener goes, may no longer listen, or the node stops.
pub fn events(
    context: &Context,
    rights: Rights,
    shown: Vec<CallId>,
    seat: Seat,
) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let share = rights.account().map_or(Share::Operator, Share::Account);
    let (store, hub) = (context.store.within(share), context.hub.clone());
    let listener = hub.listen(rights.account());
    // At once: what the page shows may be older than this stream.
    let mut ticks = interval_at(Instant::now(), ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let glance = context.glances.of(rights.account());
    let stand = Stand {
        rights,
        store,
        hub,
        glance,
        lines: vec![0; shown.len()],
        shown,
        listener,
        ticks,
        known: None,
        newest: None,
        said_at: Instant::now(),
        greeted: false,
        over: false,
        until: Instant::now() + LONGEST,
        seat,
    };
    stream::unfold(stand, |mut stand| async {
        let said = stand.next().await?;
        stand.said_at = Instant::now();
        Some((Ok(said), stand))
    })
}

fn told<T>(answer: Result<T, StoreError>) -> Option<T> {
    answer
        .inspect_err(|error| tracing::debug!(%error, "a page could not be told what is live"))
        .ok()
}

impl Stand {
    /// The next thing to say; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(message::hello(&self.listener.live));
        }
        loop {
            tokio::select! {
                // In this order: nothing is told to a user after an answer has said that they lost
                // the right to hear it.
                biased;
                () = self.hub.closed() => return None,
                () = self.rights.change() => {
                    if !self.rights.hold(false).await {
                        return None;
                    }
                }
                () = self.seat.given_away() => {
                    self.over = true;
                    return Some(message::crowded());
                }
                _ = self.ticks.tick() => {
                    if let Some(said) = self.tick().await? {
                        return Some(said);
                    }
                }
                heard = self.listener.happenings.recv() => match heard {
                    Ok(happening) if self.is_wanted(&happening) => {
                        return Some(message::happening(&happening));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(message::missed()),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// What there is to say after a question to the store, if anything; `None` at the end.
    async fn tick(&mut self) -> Option<Option<Bytes>> {
        if Instant::now() >= self.until || !self.rights.hold(true).await {
            return None;
        }
        let said = self.ask().await.map_or_else(Vec::new, |now| self.compare(now));
        if !said.is_empty() {
            return Some(Some(said.concat().into()));
        }
        Some((self.said_at.elapsed() >= HEARTBEAT).then(message::heartbeat))
    }

    fn is_wanted(&self, happening: &Happening) -> bool {
        self.rights.account().is_none_or(|account| happening.subject.account_id == account)
    }

    /// What the store says now; `None` when it cannot be asked.
    async fn ask(&self) -> Option<Now> {
        let account = self.rights.account();
        let ask = self.store.read(move |conn| {
            let calls = calls::ongoing(conn, account, MOST_CALLS)?;
            Ok::<_, StoreError>(Live { calls, newest: calls::newest(conn, account)? })
        });
        let live = self.glance.look(Instant::now(), async { told(ask.await) }).await?;
        if self.shown.is_empty() {
            return Some(Now { live, lines: Vec::new() });
        }
        let shown = self.shown.clone();
        let count = self.store.read(move |conn| {
            let lines = shown.iter().map(|call| calls::lines_written(conn, *call, account));
            lines.collect::<Result<_, StoreError>>()
        });
        Some(Now { live, lines: told(count.await)? })
    }

    /// What is different from the last time.
    fn compare(&mut self, now: Now) -> Vec<Bytes> {
        let live: HashMap<CallId, Ongoing> =
            now.live.calls.iter().map(|call| (call.id, *call)).collect();
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
                    .live
                    .newest
                    .is_some_and(|call| !live.contains_key(&call) && !known.contains_key(&call))
                    && now.live.newest != self.newest
                {
                    said.push(message::missed());
                }
                let lines = self.lines.iter().zip(&now.lines);
                let more = self.shown.iter().zip(lines).filter(|(_, (before, now))| before != now);
                said.extend(more.map(|(call, _)| message::written(*call)));
            }
        }
        (self.known, self.newest, self.lines) = (Some(live), now.live.newest, now.lines);
        said
    }
}
