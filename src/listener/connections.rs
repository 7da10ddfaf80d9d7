//! Who may hold a connection, and who has to go when there are too many.
//!
//! Descriptors are few, and everybody who connects takes one. So a new connection is always let in,
//! and the one that has waited longest for its client goes instead, first of all of the address that
//! holds the most: whoever hoards pays. Calls are never put out; there may be so many of them that
//! some descriptors are always left for pages, probes and providers that knock. [`Connections`] is the pure
//! rule; [`Shared`] is the one that a node's workers share.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::socket::PeerSocket;

/// Descriptors of a call: its own connection, and one to its bot.
const OF_A_CALL: usize = 2;
/// An address that holds no more than this is not told apart from one that holds less: a provider
/// may knock with some calls at once.
const FEW: usize = 8;

/// On whose behalf a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// Many clients: a trusted proxy, or this machine itself.
    Many,
    /// One network: an IPv4 address, or a /64 of IPv6.
    One(IpAddr),
}

/// How many descriptors there are for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For connections in all.
    pub most: usize,
    /// For calls at most; the rest of `most` is for everybody else.
    pub calls: usize,
    /// Connections of one network at most, calls not counted.
    pub of_one: usize,
    /// What the kernel may hand over beyond `most` while others are being put out.
    pub slack: usize,
}

impl Limits {
    /// What a process with so many descriptors and workers can afford.
    pub fn of(descriptors: u64, workers: usize) -> Self {
        let all = usize::try_from(descriptors).unwrap_or(usize::MAX).min(1 << 20);
        // For the database, the log, look-ups, speech, and what each worker needs to wait.
        let kept = (128 + 4 * workers).min(all / 2);
        let most = all - kept;
        let others = (most / 8).clamp(8, 256).min(most);
        Self { most, calls: most - others, of_one: (most / 4).max(8), slack: kept / 4 }
    }
}

/// No descriptor is left for another call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The rule. `T` is what stands for a connection; those that have to go are returned.
pub struct Connections<T> {
    limits: Limits,
    /// Ids rise, so the smallest is the oldest.
    next: u64,
    waiting: HashMap<u64, (Who, T)>,
    of: HashMap<Who, BTreeSet<u64>>,
    /// The networks by what they hold; the last is the next to lose one.
    ranks: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
    /// Calls, with the descriptors that each takes.
    calls: HashMap<u64, usize>,
    of_calls: usize,
}

impl<T> Connections<T> {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            waiting: HashMap::new(),
            of: HashMap::new(),
            ranks: BTreeSet::new(),
            calls: HashMap::new(),
            of_calls: 0,
        }
    }

    /// Lets a connection in: its id, and who has to go.
    pub fn enter(&mut self, who: Who, make: impl FnOnce(u64) -> T) -> (u64, Vec<T>) {
        let id = self.next;
        self.next += 1;
        self.waiting.insert(id, (who, make(id)));
        self.hold(who, |ids| {
            ids.insert(id);
        });
        let mut gone = Vec::new();
        if matches!(who, Who::One(_)) && self.of[&who].len() > self.limits.of_one {
            let oldest = self.of[&who].first().copied();
            gone.extend(oldest.and_then(|oldest| self.remove(oldest)));
        }
        self.make_room(&mut gone);
        (id, gone)
    }

    /// A connection becomes a call, unless there are too many: who has to go.
    ///
    /// # Errors
    /// [`Full`] when no descriptor is left for another call; the connection stays what it is.
    pub fn call(&mut self, id: u64) -> Result<Vec<T>, Full> {
        if self.calls.contains_key(&id) {
            return Ok(Vec::new());
        }
        if self.of_calls + OF_A_CALL > self.limits.calls {
            return Err(Full);
        }
        // One that has been put out in the meantime is no call any more, and will find that out.
        if self.remove(id).is_some() {
            self.calls.insert(id, OF_A_CALL);
            self.of_calls += OF_A_CALL;
        }
        let mut gone = Vec::new();
        self.make_room(&mut gone);
        Ok(gone)
    }

    /// A call needs no descriptor but its own.
    pub fn without_bot(&mut self, id: u64) {
        if let Some(takes) = self.calls.get_mut(&id) {
            self.of_calls -= *takes - 1;
            *takes = 1;
        }
    }

    /// A connection is gone; true if it was a call.
    pub fn leave(&mut self, id: u64) -> bool {
        if self.remove(id).is_some() {
            return false;
        }
        let takes = self.calls.remove(&id);
        self.of_calls -= takes.unwrap_or(0);
        takes.is_some()
    }

    /// The connections that are no calls.
    pub fn waiting(&self) -> impl Iterator<Item = &T> {
        self.waiting.values().map(|(_, value)| value)
    }

    fn make_room(&mut self, gone: &mut Vec<T>) {
        while self.waiting.len() + self.of_calls > self.limits.most {
            let greediest = self.ranks.last().map(|(_, Reverse(oldest), _)| *oldest);
            let oldest_of_many = || self.of.get(&Who::Many).and_then(BTreeSet::first).copied();
            let Some(next) = greediest.or_else(oldest_of_many) else { return };
            gone.extend(self.remove(next));
        }
    }

    fn remove(&mut self, id: u64) -> Option<T> {
        let (who, value) = self.waiting.remove(&id)?;
        self.hold(who, |ids| {
            ids.remove(&id);
        });
        Some(value)
    }

    /// Changes what one holds, and its rank with it.
    fn hold(&mut self, who: Who, change: impl FnOnce(&mut BTreeSet<u64>)) {
        let ids = self.of.entry(who).or_default();
        let rank = |ids: &BTreeSet<u64>| match (who, ids.first()) {
            (Who::One(address), Some(oldest)) => {
                Some((ids.len().max(FEW), Reverse(*oldest), address))
            }
            _ => None,
        };
        let before = rank(ids);
        change(ids);
        let after = rank(ids);
        if ids.is_empty() {
            self.of.remove(&who);
        }
        if let Some(before) = before {
            self.ranks.remove(&before);
        }
        self.ranks.extend(after);
    }
}

/// The connections that all workers of a node share.
pub struct Shared {
    all: Mutex<Connections<Weak<PeerSocket>>>,
    limits: Limits,
    /// A call was turned away since one last ended: one line says so, not one for each.
    told: AtomicBool,
}

impl Shared {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self { all: Mutex::new(Connections::new(limits)), limits, told: AtomicBool::new(false) }
    }

    /// What one of so many workers may hold at once, so that the process never runs out.
    pub fn per_worker(&self, workers: usize) -> usize {
        (self.limits.most + self.limits.slack).div_ceil(workers.max(1))
    }

    /// Lets a connection in; `make` gets its id.
    pub(super) fn enter(&self, who: Who, make: impl FnOnce(u64) -> PeerSocket) -> Arc<PeerSocket> {
        let mut entered = None;
        let (_, gone) = self.all().enter(who, |id| {
            let peer = Arc::new(make(id));
            let weak = Arc::downgrade(&peer);
            entered = Some(peer);
            weak
        });
        end(gone);
        entered.expect("a connection is made when it enters")
    }

    pub(super) fn call(&self, id: u64) -> Result<(), Full> {
        let called = self.all().call(id);
        match called {
            Ok(gone) => {
                end(gone);
                Ok(())
            }
            Err(full) => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    let calls = self.limits.calls;
                    tracing::warn!(
                        calls,
                        "no file descriptors are left for another call: raise the limit of open files"
                    );
                }
                Err(full)
            }
        }
    }

    pub(super) fn without_bot(&self, id: u64) {
        self.all().without_bot(id);
    }

    pub(super) fn leave(&self, id: u64) {
        if self.all().leave(id) {
            self.told.store(false, Ordering::Relaxed);
        }
    }

    /// Ends the connections whose clients take too long.
    pub(super) fn end_overdue(&self, now: Duration) {
        let overdue: Vec<_> = {
            let all = self.all();
            let peers = all.waiting().filter_map(Weak::upgrade);
            peers.filter(|peer| peer.is_overdue(now)).collect()
        };
        for peer in overdue {
            peer.shut_down();
        }
    }

    fn all(&self) -> MutexGuard<'_, Connections<Weak<PeerSocket>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Outside the lock: a connection that ends comes back to leave.
fn end(gone: Vec<Weak<PeerSocket>>) {
    for peer in gone.iter().filter_map(Weak::upgrade) {
        peer.shut_down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { most: 20, calls: 16, of_one: 12, slack: 4 };

    fn one(last: u8) -> Who {
        Who::One(IpAddr::from([192, 0, 2, last]))
    }

    /// Connections that are their own ids.
    fn connections(limits: Limits) -> Connections<u64> {
        Connections::new(limits)
    }

    #[test]
    fn the_oldest_of_the_greediest_goes_and_nobody_else() {
        let mut all = connections(LIMITS);
        let (quiet, _) = all.enter(one(1), |id| id);
        let greedy: Vec<u64> = (0..12).map(|_| all.enter(one(2), |id| id).0).collect();
        let (proxied, _) = all.enter(Who::Many, |id| id);
        for (at, last) in (10..16).enumerate() {
            assert!(all.enter(one(last), |id| id).1.is_empty(), "{at}");
        }
        for gone in &greedy[..4] {
            assert_eq!(all.enter(one(1), |id| id).1, [*gone]);
        }
        all.leave(quiet);
        assert!(all.enter(Who::Many, |id| id).1.is_empty());
        assert!(all.waiting().any(|id| *id == proxied));
    }

    #[test]
    fn one_network_has_its_bound_however_much_room_there_is() {
        let mut all = connections(Limits { most: 1000, calls: 800, of_one: 3, slack: 0 });
        let ids: Vec<u64> = (0..3).map(|_| all.enter(one(1), |id| id).0).collect();
        assert_eq!(all.enter(one(1), |id| id).1, [ids[0]]);
        assert!(all.enter(one(2), |id| id).1.is_empty());
        for _ in 0..10 {
            assert!(all.enter(Who::Many, |id| id).1.is_empty());
        }
    }

    #[test]
    fn among_those_who_hold_little_the_oldest_goes_first() {
        let mut all = connections(LIMITS);
        let stranger = all.enter(one(1), |id| id).0;
        let provider: Vec<u64> = (0..3).map(|_| all.enter(one(2), |id| id).0).collect();
        for last in 3..19 {
            all.enter(one(last), |id| id);
        }
        assert_eq!(all.enter(one(30), |id| id).1, [stranger]);
        assert_eq!(all.enter(one(31), |id| id).1, [provider[0]]);
    }

    #[test]
    fn a_call_is_never_put_out_and_some_descriptors_are_never_for_calls() {
        let mut all = connections(LIMITS);
        let mut calls = Vec::new();
        loop {
            let (id, gone) = all.enter(one(1), |id| id);
            assert!(gone.is_empty());
            match all.call(id) {
                Ok(gone) => assert!(gone.is_empty()),
                Err(Full) => break,
            }
            calls.push(id);
        }
        assert_eq!(calls.len(), LIMITS.calls / OF_A_CALL);
        // Four are left for everybody else, and only they make room for each other.
        for at in 0..100 {
            let (_, gone) = all.enter(Who::Many, |id| id);
            assert_eq!(gone.len(), usize::from(at >= 3), "{at}");
            assert!(gone.iter().all(|gone| !calls.contains(gone)));
        }
        // A call that needs no bot gives a descriptor back.
        all.without_bot(calls[0]);
        all.without_bot(calls[1]);
        let (id, _) = all.enter(one(1), |id| id);
        all.call(id).unwrap();
        all.leave(id);
        all.leave(id);
        let (id, _) = all.enter(one(1), |id| id);
        all.call(id).unwrap();
        let (id, _) = all.enter(one(1), |id| id);
        assert_eq!(all.call(id), Err(Full));
    }

    #[test]
    fn a_call_makes_those_who_wait_go() {
        let mut all = connections(LIMITS);
        let waiting: Vec<u64> = (0..20).map(|_| all.enter(Who::Many, |id| id).0).collect();
        assert_eq!(all.call(waiting[19]).unwrap(), [waiting[0]]);
        // It was put out before it could become one.
        assert_eq!(all.call(waiting[0]).unwrap(), [] as [u64; 0]);
        assert_eq!(all.of_calls, OF_A_CALL);
    }

    #[test]
    fn what_is_left_of_few_descriptors_is_still_enough_for_each() {
        for descriptors in [32, 64, 256, 1024, 20_000, u64::MAX] {
            let limits = Limits::of(descriptors, 2);
            assert!(limits.most as u64 <= descriptors / 2 || limits.most > 100, "{limits:?}");
            assert!(limits.calls < limits.most && limits.of_one <= limits.most, "{limits:?}");
            assert!((limits.most + limits.slack) as u64 <= descriptors, "{limits:?}");
        }
    }
}
