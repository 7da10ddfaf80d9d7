//! Permits to read, handed out in fair turns: as many as there are connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{
    StoreError, Turn,
    fair::{Bounds, FairQueue},
    share::Share,
};

/// Reads of one share that may wait; more are refused at once.
const WAITING_OF_ONE: usize = 512;
/// Reads that may wait in all.
const WAITING: usize = 8_192;

/// The permits.
pub(super) struct Permits(Arc<Mutex<State>>);

struct State {
    waiting: FairQueue<oneshot::Sender<Permit>>,
    free: usize,
    closed: bool,
}

/// One of them; given back when it is dropped.
pub(super) struct Permit {
    state: Arc<Mutex<State>>,
    share: Share,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> StoreError {
    StoreError::unavailable("the store is closed")
}

impl Permits {
    /// So many, of which one share has half at most.
    pub(super) fn new(count: usize) -> Self {
        let at_once_of_one = count.div_ceil(2);
        let bounds = Bounds { waiting_of_one: WAITING_OF_ONE, waiting: WAITING, at_once_of_one };
        let waiting = FairQueue::new(bounds);
        Self(Arc::new(Mutex::new(State { waiting, free: count, closed: false })))
    }

    /// Nobody gets one any more.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        state.closed = true;
        // Whoever waits hears of it by the drop of what they wait for; those who may not have more under
        // way yet, when the work that is under way ends.
        while let Some((share, _waiter)) = state.waiting.take() {
            state.waiting.done(share);
        }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when too many wait already, or the store is closed.
    pub(super) async fn acquire(&self, turn: Turn) -> Result<Permit, StoreError> {
        let (waiter, permit) = oneshot::channel();
        {
            let mut state = lock(&self.0);
            if state.closed {
                return Err(closed());
            }
            let put = state.waiting.put(turn.share, turn.urgency, waiter);
            put.map_err(|_full| StoreError::unavailable("too many reads wait already"))?;
        }
        hand_out(&self.0);
        permit.await.map_err(|_| closed())
    }
}

/// Hands out what is free to those whose turn it is.
fn hand_out(state: &Arc<Mutex<State>>) {
    loop {
        let next = lock(state).next();
        let Some((share, waiter)) = next else { return };
        // One that nobody waits for any more comes back by its drop.
        let _ = waiter.send(Permit { state: Arc::clone(state), share });
    }
}

impl State {
    fn next(&mut self) -> Option<(Share, oneshot::Sender<Permit>)> {
        while self.free > 0 {
            let (share, waiter) = self.waiting.take()?;
            if waiter.is_closed() || self.closed {
                self.waiting.done(share);
                continue;
            }
            self.free -= 1;
            return Some((share, waiter));
        }
        None
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.state);
            state.free += 1;
            state.waiting.done(self.share);
        }
        hand_out(&self.state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use futures_util::poll;

    use super::*;
    use crate::{id::AccountId, store::fair::Urgency};

    fn turn() -> Turn {
        Turn { share: Share::Account(AccountId::new()), urgency: Urgency::Usual }
    }

    #[tokio::test]
    async fn one_share_has_half_and_another_is_served_at_once() {
        let (permits, loud, quiet) = (Permits::new(4), turn(), turn());
        let first = permits.acquire(loud).await.unwrap();
        let _second = permits.acquire(loud).await.unwrap();
        let mut third = Box::pin(permits.acquire(loud));
        assert!(poll!(third.as_mut()).is_pending());
        let _other = permits.acquire(quiet).await.unwrap();
        drop(first);
        third.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_stops_waiting_costs_no_permit() {
        let (permits, one) = (Permits::new(1), turn());
        let held = permits.acquire(one).await.unwrap();
        for _ in 0..10 {
            let mut gone = Box::pin(permits.acquire(one));
            assert!(poll!(gone.as_mut()).is_pending());
        }
        let mut given = Box::pin(permits.acquire(one));
        assert!(poll!(given.as_mut()).is_pending());
        drop(held);
        drop(given);
        permits.acquire(one).await.unwrap();
    }

    #[tokio::test]
    async fn too_many_are_refused_at_once_and_everybody_is_when_it_is_closed() {
        let (permits, one) = (Permits::new(1), turn());
        let held = permits.acquire(one).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..WAITING_OF_ONE {
            let mut next = Box::pin(permits.acquire(one));
            assert!(poll!(next.as_mut()).is_pending());
            waiting.push(next);
        }
        assert!(permits.acquire(one).await.is_err());
        permits.close();
        drop(held);
        for next in waiting {
            assert!(next.await.is_err());
        }
        assert!(permits.acquire(turn()).await.is_err());
    }
}
