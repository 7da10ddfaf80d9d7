//! What has ended and is not charged yet, in memory; no database here. What is told of live calls is in
//! `notes`.
//!
//! Everything in here survives a database that is away, and nothing in here survives the process: what
//! that would lose is what recovery makes good. The worker moves things from here into the store.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use super::{notes::Held, settle::Settlement};
use crate::{id::CallId, store::StoreError};

/// The longest pause between two attempts to write what the database refuses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A settlement on its way into the store.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) settlement: Settlement,
    /// The memory it takes.
    pub(super) held: Held,
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

impl Waiting {
    /// Rows that it writes, besides its own few.
    pub(super) fn rows(&self) -> usize {
        self.settlement.lines.1.len() + self.settlement.stretches.1.len()
    }
}

impl Settlements {
    pub(super) fn new(retry: Duration) -> Self {
        Self { ready: VecDeque::new(), later: Vec::new(), open: HashMap::new(), retry }
    }

    /// A second settlement of a call is dropped: the first says how long it lasted, and has all that
    /// was told of the call.
    pub(super) fn add(&mut self, ended_stamp: i64, (settlement, held): (Settlement, Held)) {
        if let Entry::Vacant(new) = self.open.entry(settlement.call_id) {
            new.insert(ended_stamp);
            self.ready.push_back(Waiting { settlement, held, ended_stamp, pause: self.retry });
        }
    }

    /// The next to be written, but for calls of which a piece is on its way: the two would write the
    /// same lines at the same time.
    pub(super) fn next(&mut self, on_their_way: &HashSet<CallId>) -> Option<Waiting> {
        let is_free = |waiting: &Waiting| !on_their_way.contains(&waiting.settlement.call_id);
        self.ready.iter().position(is_free).and_then(|at| self.ready.remove(at))
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

    /// Whether a call that ended before this stamp still waits for its turn. One that the database
    /// refuses again and again waits for no turn.
    pub(super) fn is_behind(&self, before: i64) -> bool {
        self.ready.iter().any(|waiting| waiting.ended_stamp < before)
    }

    /// When the call that ended first of them did, on the node's clock.
    pub(super) fn oldest_end(&self) -> Option<i64> {
        self.open.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::event::EndReason,
        id::AccountId,
        ledger::{Finished, notes::LiveCalls},
    };

    fn finished(call_id: CallId) -> Finished {
        Finished {
            call_id,
            account_id: AccountId::new(),
            reason: EndReason::EndCall,
            cause: None,
            talk: Duration::from_secs(1),
            ended_stamp_ms: 0,
            ended_at: 0,
            transcript: Vec::new(),
        }
    }

    /// Nothing is on its way.
    fn none() -> HashSet<CallId> {
        HashSet::new()
    }

    #[test]
    fn a_settlement_waits_for_the_piece_of_its_own_call_and_for_no_other() {
        let mut settlements = Settlements::new(Duration::from_secs(1));
        let (busy, free) = (CallId::new(), CallId::new());
        let mut live = LiveCalls::default();
        settlements.add(1, live.finish(finished(busy)));
        settlements.add(2, live.finish(finished(free)));
        let on_their_way = HashSet::from([busy]);
        let next = settlements.next(&on_their_way).map(|waiting| waiting.settlement.call_id);
        assert_eq!(next, Some(free));
        assert!(settlements.next(&on_their_way).is_none());
        assert_eq!(settlements.oldest_end(), Some(1), "and it is not forgotten");
        assert_eq!(settlements.next(&none()).map(|w| w.settlement.call_id), Some(busy));
    }

    #[test]
    fn a_refused_settlement_holds_up_no_other() {
        let mut settlements = Settlements::new(Duration::from_secs(1));
        let (bad, good) = (CallId::new(), CallId::new());
        let mut live = LiveCalls::default();
        settlements.add(1, live.finish(finished(bad)));
        settlements.add(2, live.finish(finished(good)));
        let start = Instant::now();
        let first = settlements.next(&none()).unwrap();
        settlements.again(first, &StoreError::Failed("no".into()), start);
        assert_eq!(settlements.next(&none()).map(|w| w.settlement.call_id), Some(good));
        assert_eq!(settlements.oldest_end(), Some(1));
        assert!(!settlements.is_behind(10), "a refused one keeps no node from admitting calls");
        settlements.wake(start);
        assert!(settlements.next(&none()).is_none(), "its pause is not over");
        settlements.wake(start + Duration::from_secs(1));
        assert!(settlements.is_behind(2) && !settlements.is_behind(1));
        let again = settlements.next(&none()).unwrap();
        assert_eq!(again.settlement.call_id, bad);
        settlements.again(again, &StoreError::Failed("no".into()), start);
        settlements.wake(start + Duration::from_secs(1));
        assert!(settlements.next(&none()).is_none(), "the pause has grown");
    }

    #[test]
    fn after_an_outage_calls_are_settled_in_the_order_in_which_they_ended() {
        let mut settlements = Settlements::new(Duration::from_secs(1));
        let mut live = LiveCalls::default();
        let ids: Vec<CallId> = (0..5).map(|_| CallId::new()).collect();
        for (ended, id) in (0..).zip(&ids) {
            settlements.add(ended, live.finish(finished(*id)));
        }
        let start = Instant::now();
        while let Some(waiting) = settlements.next(&none()) {
            settlements.again(waiting, &StoreError::Unavailable("away".into()), start);
        }
        settlements.wake(start + Duration::from_secs(1));
        let mut order = Vec::new();
        while let Some(waiting) = settlements.next(&none()) {
            settlements.done(&waiting);
            order.push(waiting.settlement.call_id);
        }
        assert_eq!(order, ids);
        assert!(settlements.is_empty());
    }
}
