//! The registry's actor: keeps the calls, passes orders on, and watches the clocks that end calls.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler, Message};

use super::{Control, LiveCall, Shared};
use crate::{call::event::EndReason, clock::NodeClock, id::CallId};

/// How often the clocks of all calls are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a call's own actor may take to do what it has to before the watchdog does it.
const GRACE: Duration = Duration::from_millis(750);
/// How long a call may go on beyond the end of the draining, to be over by itself. With the time
/// between two looks it is less than a second.
const DRAIN_GRACE: Duration = Duration::from_millis(500);
/// An actor that has not run for so long is blocked by a peer that does not read: a running one is
/// woken by its own ping every 20 s at the latest.
const BLOCKED_AFTER: Duration = Duration::from_secs(30);
/// How long an order for a call that is not known (yet) is kept.
const KEEP_ORDERS: Duration = Duration::from_secs(60);

/// The actor behind [`super::RegistryHandle`].
pub(super) struct Registry {
    clock: NodeClock,
    shared: Arc<Shared>,
    calls: HashMap<CallId, Entry>,
    /// Orders for calls that were admitted in the database and have not registered yet: the gap
    /// between the two is closed here.
    early: HashMap<CallId, (EndReason, Duration)>,
    drain_by: Option<Duration>,
}

struct Entry {
    call: LiveCall,
    /// What it has been ordered to end of, and when: an actor that cannot run is ended for it.
    ordered: Option<(EndReason, Duration)>,
}

impl Registry {
    pub(super) fn new(clock: NodeClock, shared: Arc<Shared>) -> Self {
        Self { clock, shared, calls: HashMap::new(), early: HashMap::new(), drain_by: None }
    }

    fn look(&mut self) {
        let now = self.clock.now();
        let drained = self.drain_by.is_some_and(|by| now > by.saturating_add(DRAIN_GRACE));
        for entry in self.calls.values() {
            let due = entry.overdue(now).or(drained.then_some(EndReason::Draining));
            if let Some(reason) = due {
                entry.call.watched.force(reason);
            }
        }
        self.early.retain(|_, (_, since)| now.saturating_sub(*since) < KEEP_ORDERS);
    }

    fn count(&self) {
        self.shared.live.send_replace(self.calls.len());
    }
}

impl Entry {
    fn order(&mut self, reason: EndReason, now: Duration) {
        if self.ordered.is_none() {
            self.ordered = Some((reason, now));
            self.call.control.do_send(Control::End(reason));
        }
    }

    /// What the call should have ended of by now, had its actor been able to run.
    fn overdue(&self, now: Duration) -> Option<EndReason> {
        if let Some((reason, since)) = self.ordered
            && now > since + GRACE
        {
            return Some(reason);
        }
        let (by, reason) = self.call.watched.must_end_by();
        if now > by.saturating_add(GRACE) {
            return Some(reason);
        }
        (now > self.call.watched.last_ran() + BLOCKED_AFTER).then_some(EndReason::Hangup)
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK_EVERY, |registry, _| registry.look());
    }
}

/// See [`super::RegistryHandle::register`].
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Register(pub LiveCall);

/// See [`super::RegistryHandle::unregister`].
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Unregister(pub CallId);

/// See [`super::RegistryHandle::end_calls`].
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EndCalls {
    pub calls: Vec<CallId>,
    pub reason: EndReason,
}

/// See [`super::RegistryHandle::drain`].
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain(pub Duration);

impl Handler<Register> for Registry {
    type Result = ();

    fn handle(&mut self, Register(call): Register, _: &mut Self::Context) {
        let id = call.call_id;
        self.calls.insert(id, Entry { call, ordered: None });
        // First of all: whoever hears of an order is counted.
        self.count();
        let early = self.early.remove(&id);
        let Some(entry) = self.calls.get_mut(&id) else { return };
        if let Some((reason, _)) = early {
            entry.order(reason, self.clock.now());
        } else if let Some(by) = self.drain_by {
            entry.call.control.do_send(Control::DrainBy(by));
        }
    }
}

impl Handler<Unregister> for Registry {
    type Result = ();

    fn handle(&mut self, Unregister(id): Unregister, _: &mut Self::Context) {
        self.calls.remove(&id);
        self.count();
    }
}

impl Handler<EndCalls> for Registry {
    type Result = ();

    fn handle(&mut self, EndCalls { calls, reason }: EndCalls, _: &mut Self::Context) {
        let now = self.clock.now();
        for id in calls {
            match self.calls.get_mut(&id) {
                Some(entry) => entry.order(reason, now),
                None => {
                    self.early.insert(id, (reason, now));
                }
            }
        }
    }
}

impl Handler<Drain> for Registry {
    type Result = ();

    fn handle(&mut self, Drain(by): Drain, _: &mut Self::Context) {
        // Hurrying shortens it; nothing makes it longer.
        let by = self.drain_by.map_or(by, |before| before.min(by));
        self.drain_by = Some(by);
        for entry in self.calls.values() {
            entry.call.control.do_send(Control::DrainBy(by));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Mutex;

    use tokio::sync::mpsc;

    use super::*;
    use crate::registry::{RegistryHandle, Watched};

    /// A call's actor that reports what it is asked.
    struct Session(mpsc::UnboundedSender<Control>);

    impl Actor for Session {
        type Context = Context<Self>;
    }

    impl Handler<Control> for Session {
        type Result = ();
        fn handle(&mut self, control: Control, _: &mut Self::Context) {
            self.0.send(control).unwrap();
        }
    }

    struct Watch {
        must_end_by: (Duration, EndReason),
        forced: Mutex<Option<mpsc::UnboundedSender<EndReason>>>,
    }

    impl Watched for Watch {
        fn must_end_by(&self) -> (Duration, EndReason) {
            self.must_end_by
        }
        fn last_ran(&self) -> Duration {
            Duration::MAX / 2
        }
        fn force(&self, reason: EndReason) {
            if let Some(forced) = self.forced.lock().unwrap().take() {
                forced.send(reason).unwrap();
            }
        }
    }

    /// A registered call: what it is asked, and what it is forced to end of.
    struct Call {
        id: CallId,
        asked: mpsc::UnboundedReceiver<Control>,
        forced: mpsc::UnboundedReceiver<EndReason>,
    }

    fn register(registry: &RegistryHandle, id: CallId, must_end_by: (Duration, EndReason)) -> Call {
        let (ask, asked) = mpsc::unbounded_channel();
        let (force, forced) = mpsc::unbounded_channel();
        let watched = Watch { must_end_by, forced: Mutex::new(Some(force)) };
        registry.register(LiveCall {
            call_id: id,
            control: Session(ask).start().recipient(),
            watched: Arc::new(watched),
        });
        Call { id, asked, forced }
    }

    const NEVER: (Duration, EndReason) = (Duration::MAX, EndReason::MaxDuration);

    #[actix::test]
    async fn a_call_that_registers_after_the_order_to_end_it_is_ended_too() {
        let registry = RegistryHandle::start(NodeClock::start());
        let id = CallId::new();
        registry.end_calls(vec![id], EndReason::KeyRevoked);
        let mut call = register(&registry, id, NEVER);
        assert_eq!(call.asked.recv().await, Some(Control::End(EndReason::KeyRevoked)));
    }

    #[actix::test]
    async fn only_the_named_call_is_ended_and_only_once() {
        let registry = RegistryHandle::start(NodeClock::start());
        let mut ended = register(&registry, CallId::new(), NEVER);
        let mut other = register(&registry, CallId::new(), NEVER);
        registry.end_calls(vec![ended.id], EndReason::Operator);
        registry.end_calls(vec![ended.id], EndReason::KeyRevoked);
        assert_eq!(ended.asked.recv().await, Some(Control::End(EndReason::Operator)));
        // The call does not obey: the watchdog ends it, for the reason of the first order.
        assert_eq!(ended.forced.recv().await, Some(EndReason::Operator));
        assert!(ended.asked.try_recv().is_err());
        assert!(other.asked.try_recv().is_err());
        assert!(other.forced.try_recv().is_err());
    }

    #[actix::test]
    async fn a_call_past_its_end_is_forced_to_end() {
        let registry = RegistryHandle::start(NodeClock::start());
        let mut call =
            register(&registry, CallId::new(), (Duration::ZERO, EndReason::BalanceExhausted));
        assert_eq!(call.forced.recv().await, Some(EndReason::BalanceExhausted));
    }

    #[actix::test]
    async fn a_call_that_outlives_the_draining_is_forced_to_end_of_it() {
        let registry = RegistryHandle::start(NodeClock::start());
        let mut call = register(&registry, CallId::new(), NEVER);
        registry.drain(Duration::from_secs(3600));
        registry.drain(Duration::ZERO);
        // Asked for more patience, it has none left.
        registry.drain(Duration::from_secs(3600));
        let mut late = register(&registry, CallId::new(), NEVER);
        assert_eq!(call.forced.recv().await, Some(EndReason::Draining));
        assert_eq!(late.asked.recv().await, Some(Control::DrainBy(Duration::ZERO)));
        assert_eq!(late.forced.recv().await, Some(EndReason::Draining));
    }

    #[actix::test]
    async fn draining_reaches_every_call_and_waits_for_the_last() {
        let registry = RegistryHandle::start(NodeClock::start());
        let mut early = register(&registry, CallId::new(), NEVER);
        assert!(!registry.is_draining());
        registry.drain(Duration::from_secs(30));
        assert!(registry.is_draining());
        let mut late = register(&registry, CallId::new(), NEVER);
        let drain = Some(Control::DrainBy(Duration::from_secs(30)));
        assert_eq!(early.asked.recv().await, drain);
        assert_eq!(late.asked.recv().await, drain);
        assert_eq!(registry.live_calls(), 2);
        registry.unregister(early.id);
        registry.unregister(late.id);
        registry.drained().await;
        assert_eq!(registry.live_calls(), 0);
    }
}
