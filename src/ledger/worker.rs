//! The worker: hears what sessions tell, and sees to it that it is written.
//!
//! It has a thread and a runtime of its own, because actors, arbiters and sessions end before the last
//! call is charged. It starts settlements at once and many at a time, so that they share commits;
//! everything else is written with the beat. What it keeps meanwhile is in `pending`.

use std::{
    collections::HashSet,
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
    lease::{Beat, Lease, Standing},
    pending::{LiveCalls, Notes, RefusedUses, Settlements, Waiting},
    settle,
    sweep::sweep_forever,
};
use crate::{
    call::event::EndReason,
    id::CallId,
    store::{StoreError, calls, keys},
};

/// Settlements on their way at once: as many as share a commit.
const AT_ONCE: usize = 64;
/// Calls whose notes are written in one transaction: others wait for it.
const NOTES_AT_ONCE: usize = 100;

type OnEndRequested = Box<dyn Fn(CallId, EndReason) + Send>;

/// Beats once, then starts the thread.
pub(super) async fn start(
    lease: Lease,
    inbox: mpsc::UnboundedReceiver<Told>,
    refused: RefusedUses,
    on_end_requested: OnEndRequested,
) -> Result<(), StoreError> {
    lease.beat(lease.stamp()).await?;
    let standing = Arc::new(Standing::new(lease.timings.lease, Instant::now()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| StoreError::Unavailable(error.into()))?;
    let worker = Worker {
        settlements: Settlements::new(lease.timings.retry),
        lease,
        standing,
        inbox,
        refused,
        on_end_requested,
        live: LiveCalls::default(),
        on_their_way: JoinSet::new(),
        asked_to_end: HashSet::new(),
        closing: Vec::new(),
        away: false,
    };
    thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || runtime.block_on(worker.run()))
        .map_err(|error| StoreError::Unavailable(error.into()))?;
    Ok(())
}

struct Worker {
    lease: Lease,
    standing: Arc<Standing>,
    inbox: mpsc::UnboundedReceiver<Told>,
    refused: RefusedUses,
    on_end_requested: OnEndRequested,
    live: LiveCalls,
    settlements: Settlements,
    on_their_way: JoinSet<(Waiting, Result<(), StoreError>)>,
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
            tokio::select! {
                told = self.inbox.recv() => match told {
                    Some(told) => self.hear(told),
                    None => return,
                },
                Some(settled) = self.on_their_way.join_next() => self.settled(settled),
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
        while self.on_their_way.len() < AT_ONCE {
            let Some(waiting) = self.settlements.next() else { return };
            let store = self.lease.store.clone();
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
        let Err(error) = done else { return self.settlements.done(&waiting) };
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
            tokio::join!(lease.beat(recorded_at), self.write_notes())
        };
        match beat {
            Ok(beat) => {
                if std::mem::take(&mut self.away) {
                    tracing::info!("the database is back");
                }
                self.standing.beaten(Instant::now());
                self.beaten(beat);
            }
            Err(error) if self.away => tracing::debug!(%error, "still no beat"),
            Err(error) => {
                self.away = true;
                tracing::warn!(%error, "this node could not renew its lease");
            }
        }
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

    /// Writes recognitions, transcript lines and refused uses. Not in the beat's own transaction: a
    /// line that the database refuses must not cost the node its lease.
    async fn write_notes(&mut self) {
        let refused = self.refused.take();
        if !refused.is_empty() {
            let uses = refused.clone();
            let write = self.lease.store.write(move |conn| keys::note_refused_uses(conn, &uses));
            if let Err(error) = write.await {
                tracing::debug!(%error, "refused uses wait to be written");
                self.refused.put_back(refused);
            }
        }
        for chunk in self.live.unwritten().chunks(NOTES_AT_ONCE) {
            match self.write_chunk(chunk.to_vec()).await {
                Ok(()) => {}
                Err(StoreError::Unavailable(_)) => return,
                // One of them is bad: which one shows when each is written alone.
                Err(StoreError::Failed(_)) => {
                    for (call, notes) in chunk {
                        let one = vec![(*call, notes.clone())];
                        if let Err(StoreError::Failed(error)) = self.write_chunk(one).await {
                            tracing::error!(%error, call.id = %call, "notes of a call are given up");
                            self.live.written(*call, notes);
                        }
                    }
                }
            }
        }
    }

    async fn write_chunk(&mut self, chunk: Vec<(CallId, Notes)>) -> Result<(), StoreError> {
        let notes = chunk.clone();
        let lost = self
            .lease
            .store
            .write(move |conn| {
                let mut lost = Vec::new();
                for (call, notes) in &notes {
                    if let Some(seen) = &notes.recognition
                        && !calls::recognise(conn, *call, seen)?
                    {
                        lost.push(*call);
                    }
                    calls::append_transcript(conn, *call, notes.first, &notes.lines)?;
                    let first = notes.first_stretch;
                    calls::stretches::append(conn, *call, first, &notes.stretches)?;
                }
                Ok::<_, StoreError>(lost)
            })
            .await?;
        chunk.iter().for_each(|(call, notes)| self.live.written(*call, notes));
        lost.into_iter().for_each(|call| self.report_lost(call));
        Ok(())
    }

    async fn close(mut self, within: Duration) {
        let flushed = timeout(within, self.flush()).await.is_ok();
        let recorded_at = self.record();
        if let Err(error) = self.lease.give_back(recorded_at).await {
            tracing::warn!(%error, "the lease could not be given back; it runs out");
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
        loop {
            self.hear_all();
            self.start_settlements();
            if self.settlements.is_empty() {
                self.write_notes().await;
                self.hear_all();
                let written = self.refused.is_empty() && self.live.unwritten().is_empty();
                if written && self.settlements.is_empty() {
                    return;
                }
            }
            tokio::select! {
                Some(settled) = self.on_their_way.join_next() => self.settled(settled),
                _ = retry.tick() => self.settlements.wake(Instant::now()),
            }
        }
    }
}
