//! The worker: hears what sessions tell, and sees to it that it is written.
//!
//! It has a thread and a runtime of its own, because actors, arbiters and sessions end before the last
//! call is charged. It starts settlements at once and many at a time, so that they share commits;
//! everything else is written after each beat, piece by piece, while it goes on listening. What it
//! keeps meanwhile is in `notes` and `pending`.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    Told,
    lease::{Beat, Lease},
    notes::{LiveCalls, Notes},
    pending::{Settlements, Waiting},
    pulse::Pulse,
    refusals::Refusals,
    settle,
    standing::Standing,
    sweep::sweep_forever,
};
use crate::{
    call::event::EndReason,
    id::CallId,
    store::{
        Conn, StoreError, calls,
        refusals::{self, Refused, Whose},
    },
};

/// Settlements on their way at once: as many as share a commit.
const AT_ONCE: usize = 64;
/// Transactions in which refused uses are written with one beat.
const REFUSED_IN_A_ROW: usize = 20;
/// Rows of transcripts that settlements on their way write at once: others wait for them.
const ROWS_AT_ONCE: usize = 48;

/// A call that ended longer ago should be settled, in milliseconds.
const LATE_MS: i64 = 10_000;

type OnEndRequested = Box<dyn Fn(CallId, EndReason) + Send>;

/// Beats once, then starts the thread. The worker tells by the pulse how it is.
pub(super) async fn start(
    lease: Lease,
    inbox: mpsc::UnboundedReceiver<Told>,
    refused: Refusals,
    on_end_requested: OnEndRequested,
) -> Result<Pulse, StoreError> {
    let first = lease.beat(lease.stamp()).await?;
    let standing = Arc::new(Standing::new(lease.timings, first.clock));
    let pulse = Pulse::new(lease.timings.lease, Instant::now());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| StoreError::Unavailable(error.into()))?;
    let worker = Worker {
        settlements: Settlements::new(lease.timings.retry),
        lease,
        standing,
        pulse: pulse.clone(),
        inbox,
        refused,
        on_end_requested,
        live: LiveCalls::default(),
        on_their_way: JoinSet::new(),
        rows_on_their_way: 0,
        writing: Writing::default(),
        asked_to_end: HashSet::new(),
        closing: Vec::new(),
        away: false,
    };
    thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || runtime.block_on(worker.run()))
        .map_err(|error| StoreError::Unavailable(error.into()))?;
    Ok(pulse)
}

type Piece = Vec<(CallId, Notes)>;

/// The notes that are being written: one piece at a time, so that others have their turn in between.
#[derive(Default)]
struct Writing {
    /// Whether the time has come to write.
    is_due: bool,
    on_its_way: JoinSet<(Piece, Result<Vec<CallId>, StoreError>)>,
    calls: HashSet<CallId>,
    /// Parts of a piece that the database refused, to find the bad one.
    apart: VecDeque<(CallId, Notes)>,
}

struct Worker {
    lease: Lease,
    standing: Arc<Standing>,
    pulse: Pulse,
    inbox: mpsc::UnboundedReceiver<Told>,
    refused: Refusals,
    on_end_requested: OnEndRequested,
    live: LiveCalls,
    settlements: Settlements,
    on_their_way: JoinSet<(Waiting, Result<(), StoreError>)>,
    rows_on_their_way: usize,
    writing: Writing,
    /// Calls whose sessions have been told to end, as long as the store still asks for it.
    asked_to_end: HashSet<CallId>,
    /// Who wants the worker closed, and how long each would wait; the first decides.
    closing: Vec<(Duration, oneshot::Sender<bool>)>,
    /// Whether the last beat failed: an outage is logged once.
    away: bool,
}

impl Worker {
    async fn run(mut self) {
        tokio::spawn(sweep_forever(self.lease.clone(), Arc::clone(&self.standing)));
        let mut beat = interval(self.lease.timings.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = interval(self.lease.timings.retry);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some((within, _)) = self.closing.first() {
                let within = *within;
                return self.close(within).await;
            }
            self.start_settlements();
            self.start_notes();
            tokio::select! {
                told = self.inbox.recv() => match told {
                    Some(told) => self.hear(told),
                    None => return,
                },
                Some(settled) = self.on_their_way.join_next() => self.settled(settled),
                Some(written) = self.writing.on_its_way.join_next() => self.notes_written(written),
                _ = beat.tick() => self.beat().await,
                _ = retry.tick() => self.settlements.wake(Instant::now()),
            }
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Recognised(recognised) => self.live.recognised(recognised),
            Told::Note(call, line) => self.live.note(call, line),
            Told::Heard(call, stretch) => self.live.heard(call, stretch),
            Told::Finished(finished) => {
                let ended = finished.ended_stamp_ms;
                self.settlements.add(ended, self.live.finish(finished));
            }
            Told::Close { within, done } => self.closing.push((within, done)),
        }
    }

    fn hear_all(&mut self) {
        while let Ok(told) = self.inbox.try_recv() {
            self.hear(told);
        }
    }

    fn start_settlements(&mut self) {
        // One that has much to write goes alone, for they may share a commit.
        while self.on_their_way.len() < AT_ONCE && self.rows_on_their_way < ROWS_AT_ONCE {
            let Some(waiting) = self.settlements.next(&self.writing.calls) else { return };
            self.rows_on_their_way += waiting.rows();
            let store = self.lease.store.of_call(waiting.settlement.account_id);
            self.on_their_way.spawn(async move {
                let settlement = waiting.settlement.clone();
                let done = store.write(move |conn| settle::settle(conn, &settlement)).await;
                if let Ok(charged) = &done {
                    let seconds = charged.map(|seconds| seconds.0);
                    tracing::debug!(call.id = %waiting.settlement.call_id, seconds, "settled");
                }
                (waiting, done.map(drop))
            });
        }
    }

    fn settled(
        &mut self,
        settled: Result<(Waiting, Result<(), StoreError>), tokio::task::JoinError>,
    ) {
        let (waiting, done) = settled.expect("a settlement neither panics nor is cancelled");
        self.rows_on_their_way -= waiting.rows();
        let Err(error) = done else {
            self.live.settled(waiting.held);
            return self.settlements.done(&waiting);
        };
        let call = waiting.settlement.call_id;
        match &error {
            StoreError::Unavailable(_) => {
                tracing::debug!(%error, call.id = %call, "a call waits to be settled");
            }
            StoreError::Failed(_) => {
                tracing::error!(%error, call.id = %call, "a call could not be settled");
            }
        }
        self.settlements.again(waiting, &error, Instant::now());
    }

    /// The record that may be made now: the clock is read before the inbox, so that every call that
    /// had ended by then is either settled or known here to be unsettled.
    fn record(&mut self) -> i64 {
        let stamp = self.lease.stamp();
        self.hear_all();
        self.settlements.oldest_end().map_or(stamp, |ended| stamp.min(ended))
    }

    async fn beat(&mut self) {
        let recorded_at = self.record();
        let (beat, ()) = {
            let lease = self.lease.clone();
            tokio::join!(lease.beat(recorded_at), self.write_refused())
        };
        self.writing.is_due = true;
        match beat {
            Ok(beat) => {
                if std::mem::take(&mut self.away) {
                    tracing::info!("the database is back");
                }
                if let Some(step_ms) = self.standing.beaten(beat.clock) {
                    tracing::warn!(
                        step_ms,
                        "the database's clock has stepped: no node counts as lost for one lease"
                    );
                }
                let late = self.lease.stamp() - LATE_MS;
                self.pulse.renewed(Instant::now(), self.settlements.is_behind(late));
                self.beaten(beat);
                return;
            }
            Err(error) if self.away => tracing::debug!(%error, "still no beat"),
            Err(error) => {
                self.away = true;
                tracing::warn!(%error, "could not renew this node's lease");
            }
        }
        self.pulse.refused();
    }

    fn beaten(&mut self, beat: Beat) {
        let requested: HashSet<CallId> = beat.ends_requested.iter().map(|(id, _)| *id).collect();
        for (call, reason) in beat.ends_requested {
            if !self.asked_to_end.contains(&call) {
                (self.on_end_requested)(call, reason);
            }
        }
        self.asked_to_end = requested;
        if let Some(survivors) = beat.survivors {
            let lost: Vec<_> = self.live.ids().filter(|id| !survivors.contains(id)).collect();
            lost.into_iter().for_each(|call| self.report_lost(call));
        }
    }

    fn report_lost(&mut self, call: CallId) {
        if self.live.is_news_that_lost(call) {
            tracing::warn!(call.id = %call, "a running call was settled by another node");
            (self.on_end_requested)(call, EndReason::NodeLost);
        }
    }

    /// Writes which keys were refused, so many at a time that nobody waits long for it, and says so in
    /// the log, one line for each key and reason; what is left waits for the next beat.
    async fn write_refused(&mut self) {
        for _ in 0..REFUSED_IN_A_ROW {
            let refused = self.refused.take();
            if refused.is_empty() {
                return;
            }
            let notes: Vec<_> = refused.iter().map(|(_, refused)| refused.clone()).collect();
            match self.lease.store.write(move |conn| refusals::note(conn, &notes)).await {
                Ok(noted) => noted.iter().for_each(log_refused),
                Err(error) => {
                    tracing::debug!(%error, "refusals wait to be written");
                    return self.refused.put_back(refused);
                }
            }
        }
    }

    /// Starts to write the next piece, if the time has come and none is on its way. Not in the beat's
    /// own transaction: a line that the database refuses must not cost the node its lease.
    fn start_notes(&mut self) {
        if !self.writing.is_due || !self.writing.on_its_way.is_empty() {
            return;
        }
        let piece = match self.writing.apart.pop_front() {
            Some(one) => vec![one],
            None => self.live.next_piece(),
        };
        if piece.is_empty() {
            self.writing.is_due = false;
            return;
        }
        self.writing.calls = piece.iter().map(|(call, _)| *call).collect();
        let store = self.lease.store.clone();
        self.writing.on_its_way.spawn(async move {
            let notes = piece.clone();
            let lost = store.write(move |conn| write_piece(conn, &notes)).await;
            (piece, lost)
        });
    }

    fn notes_written(
        &mut self,
        written: Result<(Piece, Result<Vec<CallId>, StoreError>), tokio::task::JoinError>,
    ) {
        let (piece, result) = written.expect("writing notes neither panics nor is cancelled");
        self.writing.calls.clear();
        match result {
            Ok(lost) => {
                piece.iter().for_each(|(call, notes)| self.live.written(*call, notes));
                lost.into_iter().for_each(|call| self.report_lost(call));
            }
            Err(StoreError::Unavailable(_)) => {
                piece.iter().for_each(|(call, _)| self.live.not_written(*call));
                self.writing.is_due = false;
            }
            Err(StoreError::Failed(error)) => match &piece[..] {
                [(call, notes)] => {
                    tracing::error!(%error, call.id = %call, "dropping call notes");
                    self.live.written(*call, notes);
                }
                // One of them is bad: which one shows when each is written alone.
                _ => self.writing.apart.extend(piece),
            },
        }
        // What has been settled meanwhile is written with its settlement.
        self.writing.apart.retain(|(call, _)| self.live.is_live(*call));
    }

    async fn close(mut self, within: Duration) {
        let flushed = timeout(within, self.flush()).await.is_ok();
        let recorded_at = self.record();
        if let Err(error) = self.lease.give_back(recorded_at).await {
            tracing::warn!(%error, "could not release this node's lease: it expires by itself");
        }
        if !flushed {
            let calls = self.settlements.len();
            tracing::error!(calls, "stopped with calls unsettled; another node will settle them");
        }
        for (_, done) in self.closing.drain(..) {
            // Nobody waits any more: no harm done.
            let _ = done.send(flushed);
        }
    }

    /// Ends when everything that was told is written.
    async fn flush(&mut self) {
        let mut retry = interval(self.lease.timings.retry);
        let mut may_write = true;
        loop {
            self.hear_all();
            self.start_settlements();
            if self.settlements.is_empty() && self.writing.on_its_way.is_empty() {
                self.write_refused().await;
                self.hear_all();
                let written = self.refused.is_empty() && !self.live.is_unwritten();
                if written && self.settlements.is_empty() {
                    return;
                }
            }
            self.writing.is_due |= may_write;
            may_write = false;
            self.start_notes();
            tokio::select! {
                Some(settled) = self.on_their_way.join_next() => self.settled(settled),
                Some(written) = self.writing.on_its_way.join_next() => self.notes_written(written),
                _ = retry.tick() => {
                    self.settlements.wake(Instant::now());
                    may_write = true;
                }
            }
        }
    }
}

/// Says which key was refused, why, and how often since that was said last.
fn log_refused((refused, whose): &(Refused, Whose)) {
    tracing::info!(
        key.suffix = %whose.suffix,
        key.id = %refused.key_id,
        agent.id = %whose.agent_id,
        code = refused.code,
        count = refused.count,
        last_from = refused.last_from,
        "calls refused"
    );
}

/// Writes what was told of some calls; gives those that are not live any more.
fn write_piece(conn: &mut Conn, piece: &[(CallId, Notes)]) -> Result<Vec<CallId>, StoreError> {
    let mut lost = Vec::new();
    for (call, notes) in piece {
        if let Some(seen) = &notes.recognition
            && !calls::recognise(conn, *call, seen)?
        {
            lost.push(*call);
        }
        calls::append_transcript(conn, *call, notes.first, &notes.lines)?;
        calls::stretches::append(conn, *call, notes.first_stretch, &notes.stretches)?;
    }
    Ok(lost)
}
