//! What calls cost: reservations, settlement exactly once, and the calls of dead nodes.
//!
//! A [`Ledger`] is a handle on a worker that outlives every session and every actor: it writes down
//! what sessions tell it, retries until it is written, keeps the node's lease and settles the calls of
//! nodes that lost theirs. It knows no socket and no actor. The sums are made in [`settle`], what waits
//! in memory is in `notes`, `pending` and `refusals`, who is alive is in `lease`.

mod lease;
mod notes;
mod pending;
mod pulse;
mod refusals;
pub mod settle;
mod standing;
mod sweep;
mod worker;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

pub use lease::Timings;
pub use pulse::Unwell;
pub use settle::Extension;

use crate::{
    call::{Cause, EndReason, TranscriptLine, event::Stretch},
    clock::{self, NodeClock},
    id::{AccountId, CallId, NodeId, OwnedKey},
    store::{Store, StoreError, nodes, refusals::Refused},
};

/// A call whose dialect is known: its talk time runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The call.
    pub call_id: CallId,
    /// Who pays.
    pub account_id: AccountId,
    /// When talk time began, in milliseconds on the node's clock.
    pub talk_started_ms: i64,
    /// The dialect.
    pub dialect: &'static str,
    /// The caller, as the provider tells.
    pub from: Option<String>,
    /// Who was called, as the provider tells.
    pub to: Option<String>,
    /// The provider's own id of the call.
    pub provider_call_id: Option<String>,
    /// What the customer attached to the call.
    pub custom_parameters: BTreeMap<String, String>,
}

/// A call that has ended, to be charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The call.
    pub call_id: CallId,
    /// Who pays.
    pub account_id: AccountId,
    /// Why it ended.
    pub reason: EndReason,
    /// Why it failed, if it did.
    pub cause: Option<Cause>,
    /// How long it lasted, from its recognition; zero if it never was recognised.
    pub talk: Duration,
    /// When it ended, in milliseconds on the node's clock.
    pub ended_stamp_ms: i64,
    /// When it ended, in milliseconds since 1970.
    pub ended_at: i64,
    /// The whole transcript, or nothing beyond what [`Ledger::note`] brought: lines that were noted
    /// are known by their position and not written twice.
    pub transcript: Vec<TranscriptLine>,
}

/// What sessions tell the worker.
enum Told {
    Recognised(Recognised),
    Note(CallId, TranscriptLine),
    Heard(CallId, Stretch),
    Finished(Finished),
    Close { within: Duration, done: oneshot::Sender<bool> },
}

/// A handle on the worker. Clones talk to the same one. When the last is dropped without
/// [`Ledger::close`], the worker stops as if the process had died.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    node: NodeId,
    clock: NodeClock,
    worker: mpsc::UnboundedSender<Told>,
    refused: refusals::Refusals,
    pulse: pulse::Pulse,
}

impl Ledger {
    /// Writes the node down and starts its worker, on a thread of its own.
    ///
    /// `on_end_requested` is called on that thread, once per call: when somebody asked, at any node,
    /// to end one of this node's calls; and with [`EndReason::NodeLost`] when this node was taken for
    /// dead and a call it still runs was settled by another.
    ///
    /// # Errors
    /// [`StoreError`] when the node cannot be written down.
    pub async fn start(
        store: Store,
        node: NodeId,
        clock: NodeClock,
        on_end_requested: impl Fn(CallId, EndReason) + Send + 'static,
    ) -> Result<Self, StoreError> {
        Self::start_with(store, node, clock, Timings::default(), on_end_requested).await
    }

    /// The same with other timings.
    ///
    /// # Errors
    /// As [`Ledger::start`].
    pub async fn start_with(
        store: Store,
        node: NodeId,
        clock: NodeClock,
        timings: Timings,
        on_end_requested: impl Fn(CallId, EndReason) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (worker, inbox) = mpsc::unbounded_channel();
        let refused = refusals::Refusals::default();
        let pulse = worker::start(
            lease::Lease { store: store.clone(), node, clock, timings },
            inbox,
            refused.clone(),
            Box::new(on_end_requested),
        )
        .await?;
        Ok(Self { store, node, clock, worker, refused, pulse })
    }

    /// Whether this node's last write of its lease went through, and ended calls are settled in time.
    ///
    /// # Errors
    /// [`Unwell`] says what is wrong.
    pub fn is_well(&self) -> Result<(), Unwell> {
        self.pulse.judge(Instant::now())
    }

    /// How many other nodes hold a lease on this database now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn neighbours(&self) -> Result<usize, StoreError> {
        let own = self.node;
        self.store.read(move |conn| nodes::alive_beside(conn, own)).await
    }

    /// Takes down that a call was recognised. Never blocks; usually written within two seconds, or
    /// with the call's settlement if that comes first.
    pub fn recognised(&self, recognised: Recognised) {
        self.tell(Told::Recognised(recognised));
    }

    /// Takes down the next line of a call's transcript. Never blocks; written as
    /// [`Ledger::recognised`], and left out, with a line that says so, where too much waits to be
    /// written.
    pub fn note(&self, call: CallId, line: TranscriptLine) {
        self.tell(Told::Note(call, line));
    }

    /// Takes down that somebody was heard in a call. Never blocks; written as [`Ledger::recognised`].
    pub fn heard(&self, call: CallId, stretch: Stretch) {
        self.tell(Told::Heard(call, stretch));
    }

    /// Reserves up to 60 further seconds for a call. Answers within five seconds.
    pub async fn extend(&self, call: CallId, account: AccountId) -> Extension {
        let store = self.store.of_call(account);
        store.write(move |conn| settle::extend(conn, call, account)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, call.id = %call, "a reservation could not be extended");
            Extension::Unavailable
        })
    }

    /// Takes down that a call ended, to be charged. Never blocks; kept and retried until written,
    /// and harmless the second time.
    pub fn settle(&self, finished: Finished) {
        self.tell(Told::Finished(finished));
    }

    /// Settles a call that was admitted and never became one, at no charge and without a trace but
    /// its key's count: what is to be done with an admission that nobody claimed. Never blocks.
    pub fn abandon(&self, call_id: CallId, account_id: AccountId) {
        self.settle(Finished {
            call_id,
            account_id,
            reason: EndReason::Hangup,
            cause: None,
            talk: Duration::ZERO,
            ended_stamp_ms: self.clock.stamp_ms(self.clock.now()),
            ended_at: clock::wall_ms(),
            transcript: Vec::new(),
        });
    }

    /// Counts a refused call of a key, by the code of the reason, from the address `last_from` at
    /// `last_at` (milliseconds since 1970). Never blocks; written and logged within two seconds, for a
    /// bounded number of keys and reasons, and of each account.
    pub fn refused(&self, key: OwnedKey, code: &'static str, last_from: String, last_at: i64) {
        let refused = Refused { key_id: key.key_id, code, count: 1, last_at, last_from };
        self.refused.add((key.account_id, refused));
    }

    /// Writes what is left, for `within` at most, gives the lease back and stops the worker. `true`
    /// if nothing is left unwritten; what is told from now on is lost.
    pub async fn close(&self, within: Duration) -> bool {
        let (done, closed) = oneshot::channel();
        self.tell(Told::Close { within, done });
        closed.await.unwrap_or(false)
    }

    fn tell(&self, told: Told) {
        if let Err(mpsc::error::SendError(told)) = self.worker.send(told)
            && let Told::Finished(finished) = told
        {
            // Its lease runs out or is given back: the call is settled as lost.
            tracing::error!(call.id = %finished.call_id, "a call ended after its ledger was closed");
        }
    }
}
