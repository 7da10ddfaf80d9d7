//! What the worker has been told and not yet written, in memory; no database here.
//!
//! Everything in here survives a database that is away, and nothing in here survives the process: what
//! that would lose is what recovery makes good. The worker moves things from here into the store.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Finished, Recognised,
    settle::{Settlement, Talk},
};
use crate::{
    call::event::TranscriptLine,
    id::{CallId, KeyId},
    store::{StoreError, calls::Recognition, keys},
};

/// Keys whose refused uses are remembered between two writes; further ones are not.
const REFUSED_KEYS: usize = 10_000;
/// The longest pause between two attempts to write what the database refuses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is known of a live call and not written yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    pub(super) recognition: Option<Recognition>,
    /// The position of the first of `lines` in the whole transcript.
    pub(super) first: i32,
    pub(super) lines: Vec<TranscriptLine>,
    /// Whether its session has been told that the call was settled by another node.
    pub(super) reported_lost: bool,
}

impl Notes {
    pub(super) fn is_unwritten(&self) -> bool {
        self.recognition.is_some() || !self.lines.is_empty()
    }
}

/// Live calls of this node, as far as their sessions have told of them.
#[derive(Debug, Default)]
pub(super) struct LiveCalls {
    calls: HashMap<CallId, Notes>,
}

impl LiveCalls {
    pub(super) fn recognised(&mut self, recognised: Recognised) {
        self.calls.entry(recognised.call_id).or_default().recognition = Some(Recognition {
            dialect: recognised.dialect.to_owned(),
            from: recognised.from,
            to: recognised.to,
            provider_call_id: recognised.provider_call_id,
            custom_parameters: recognised.custom_parameters,
            talk_started_at: recognised.talk_started_ms,
        });
    }

    pub(super) fn note(&mut self, call: CallId, line: TranscriptLine) {
        self.calls.entry(call).or_default().lines.push(line);
    }

    /// Notes that wait to be written, by rising call.
    pub(super) fn unwritten(&self) -> Vec<(CallId, Notes)> {
        let waiting = self.calls.iter().filter(|(_, notes)| notes.is_unwritten());
        let mut waiting: Vec<_> = waiting.map(|(id, notes)| (*id, notes.clone())).collect();
        waiting.sort_unstable_by_key(|(id, _)| *id);
        waiting
    }

    /// Forgets notes that are written, or never can be; what came later stays.
    pub(super) fn written(&mut self, call: CallId, notes: &Notes) {
        let Some(kept) = self.calls.get_mut(&call) else { return };
        if kept.recognition == notes.recognition {
            kept.recognition = None;
        }
        let count = notes.lines.len().min(kept.lines.len());
        kept.lines.drain(..count);
        kept.first = kept.first.saturating_add(i32::try_from(count).unwrap_or(i32::MAX));
    }

    /// Whether this is the first time that the call is found to be settled by another node.
    pub(super) fn is_news_that_lost(&mut self, call: CallId) -> bool {
        let notes = self.calls.get_mut(&call);
        notes.is_some_and(|notes| !std::mem::replace(&mut notes.reported_lost, true))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = CallId> {
        self.calls.keys().copied()
    }

    /// The call is over: what is left to write of it goes with its settlement.
    pub(super) fn finish(&mut self, finished: Finished) -> Settlement {
        let Notes { recognition, first, mut lines, .. } =
            self.calls.remove(&finished.call_id).unwrap_or_default();
        let noted = usize::try_from(first).unwrap_or(0) + lines.len();
        lines.extend(finished.transcript.into_iter().skip(noted));
        Settlement {
            call_id: finished.call_id,
            account_id: finished.account_id,
            reason: finished.reason,
            talk: Talk::Lasted(finished.talk),
            ended_at: finished.ended_at,
            recognition,
            lines: (first, lines),
        }
    }
}

/// A settlement on its way into the store.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) settlement: Settlement,
    /// When the call ended, on the node's clock.
    ended_stamp: i64,
    /// How long to wait after the next refusal.
    pause: Duration,
}

/// Settlements that are not written yet, in the order in which their calls ended.
#[derive(Debug)]
pub(super) struct Settlements {
    ready: VecDeque<Waiting>,
    later: Vec<(Instant, Waiting)>,
    /// Every call in `ready`, in `later`, or being written, and when it ended on the node's clock.
    open: HashMap<CallId, i64>,
    retry: Duration,
}

impl Settlements {
    pub(super) fn new(retry: Duration) -> Self {
        Self { ready: VecDeque::new(), later: Vec::new(), open: HashMap::new(), retry }
    }

    /// A second settlement of a call is dropped: the first says how long it lasted.
    pub(super) fn add(&mut self, ended_stamp: i64, settlement: Settlement) {
        if let Entry::Vacant(new) = self.open.entry(settlement.call_id) {
            new.insert(ended_stamp);
            self.ready.push_back(Waiting { settlement, ended_stamp, pause: self.retry });
        }
    }

    /// The next to be written.
    pub(super) fn next(&mut self) -> Option<Waiting> {
        self.ready.pop_front()
    }

    /// It is written.
    pub(super) fn done(&mut self, waiting: &Waiting) {
        self.open.remove(&waiting.settlement.call_id);
    }

    /// It could not be written: again after a pause, which grows if the database refused this one
    /// settlement, so that it holds up no other.
    pub(super) fn again(&mut self, mut waiting: Waiting, why: &StoreError, now: Instant) {
        let pause = match why {
            StoreError::Unavailable(_) => self.retry,
            StoreError::Failed(_) => waiting.pause,
        };
        waiting.pause = (waiting.pause * 2).min(LONGEST_PAUSE);
        self.later.push((now + pause, waiting));
    }

    /// Those whose pause is over become ready, in the order in which their calls ended.
    pub(super) fn wake(&mut self, now: Instant) {
        let mut due: Vec<_> = self.later.extract_if(.., |(at, _)| *at <= now).collect();
        due.sort_by_key(|(_, waiting)| std::cmp::Reverse(waiting.ended_stamp));
        for (_, waiting) in due {
            self.ready.push_front(waiting);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// When the call that ended first of them did, on the node's clock.
    pub(super) fn oldest_end(&self) -> Option<i64> {
        self.open.values().min().copied()
    }
}

/// Uses of revoked keys since the last write, shared by all handles: counted without a message, so
/// that a flood of them costs no memory.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusedUses(Arc<Mutex<HashMap<KeyId, keys::RefusedUses>>>);

impl RefusedUses {
    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, keys::RefusedUses>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, key_id: KeyId, from: String, at: i64) {
        self.add(keys::RefusedUses { key_id, count: 1, last_at: at, last_from: from });
    }

    fn add(&self, uses: keys::RefusedUses) {
        let mut counted = self.lock();
        let full = counted.len() >= REFUSED_KEYS;
        match counted.entry(uses.key_id) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.count = known.count.saturating_add(uses.count);
                if uses.last_at >= known.last_at {
                    known.last_at = uses.last_at;
                    known.last_from = uses.last_from;
                }
            }
            Entry::Vacant(free) if !full => {
                free.insert(uses);
            }
            Entry::Vacant(_) => {}
        }
    }

    pub(super) fn take(&self) -> Vec<keys::RefusedUses> {
        std::mem::take(&mut *self.lock()).into_values().collect()
    }

    /// They could not be written.
    pub(super) fn put_back(&self, uses: Vec<keys::RefusedUses>) {
        uses.into_iter().for_each(|uses| self.add(uses));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::event::EndReason, id::AccountId};

    fn line(digit: char) -> TranscriptLine {
        TranscriptLine::Dtmf { digit, at_ms: 0 }
    }

    fn finished(call_id: CallId, transcript: Vec<TranscriptLine>) -> Finished {
        Finished {
            call_id,
            account_id: AccountId::new(),
            reason: EndReason::EndCall,
            talk: Duration::from_secs(1),
            ended_stamp_ms: 0,
            ended_at: 0,
            transcript,
        }
    }

    #[test]
    fn noted_lines_are_known_by_their_position() {
        let (mut live, call) = (LiveCalls::default(), CallId::new());
        live.note(call, line('1'));
        live.note(call, line('2'));
        let (_, notes) = live.unwritten().remove(0);
        live.note(call, line('3'));
        live.written(call, &notes);
        let whole = ['1', '2', '3', '4'].map(line).to_vec();
        let settlement = live.finish(finished(call, whole));
        assert_eq!(settlement.lines, (2, vec![line('3'), line('4')]));
        assert!(live.unwritten().is_empty());
    }

    #[test]
    fn notes_alone_make_a_transcript_too() {
        let (mut live, call) = (LiveCalls::default(), CallId::new());
        live.note(call, line('1'));
        assert_eq!(live.finish(finished(call, Vec::new())).lines, (0, vec![line('1')]));
    }

    #[test]
    fn a_refused_settlement_holds_up_no_other() {
        let mut settlements = Settlements::new(Duration::from_secs(1));
        let (bad, good) = (CallId::new(), CallId::new());
        let mut live = LiveCalls::default();
        settlements.add(1, live.finish(finished(bad, Vec::new())));
        settlements.add(2, live.finish(finished(good, Vec::new())));
        let start = Instant::now();
        let first = settlements.next().unwrap();
        settlements.again(first, &StoreError::Failed("no".into()), start);
        assert_eq!(settlements.next().map(|w| w.settlement.call_id), Some(good));
        assert_eq!(settlements.oldest_end(), Some(1));
        settlements.wake(start);
        assert!(settlements.next().is_none(), "its pause is not over");
        settlements.wake(start + Duration::from_secs(1));
        let again = settlements.next().unwrap();
        assert_eq!(again.settlement.call_id, bad);
        settlements.again(again, &StoreError::Failed("no".into()), start);
        settlements.wake(start + Duration::from_secs(1));
        assert!(settlements.next().is_none(), "the pause has grown");
    }

    #[test]
    fn after_an_outage_calls_are_settled_in_the_order_in_which_they_ended() {
        let mut settlements = Settlements::new(Duration::from_secs(1));
        let mut live = LiveCalls::default();
        let ids: Vec<CallId> = (0..5).map(|_| CallId::new()).collect();
        for (ended, id) in (0..).zip(&ids) {
            settlements.add(ended, live.finish(finished(*id, Vec::new())));
        }
        let start = Instant::now();
        while let Some(waiting) = settlements.next() {
            settlements.again(waiting, &StoreError::Unavailable("away".into()), start);
        }
        settlements.wake(start + Duration::from_secs(1));
        let mut order = Vec::new();
        while let Some(waiting) = settlements.next() {
            settlements.done(&waiting);
            order.push(waiting.settlement.call_id);
        }
        assert_eq!(order, ids);
        assert!(settlements.is_empty());
    }

    #[test]
    fn refused_uses_are_summed_by_key_and_bounded() {
        let refused = RefusedUses::default();
        let key = KeyId::new();
        refused.count(key, "a".to_owned(), 1);
        refused.count(key, "b".to_owned(), 2);
        let taken = refused.take();
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].count, taken[0].last_at, &*taken[0].last_from), (2, 2, "b"));
        for _ in 0..REFUSED_KEYS + 5 {
            refused.count(KeyId::new(), String::new(), 0);
        }
        refused.put_back(taken);
        assert_eq!(refused.take().len(), REFUSED_KEYS);
    }
}
