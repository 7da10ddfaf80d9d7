//! The registry: which calls this node runs, which keys it knows to be revoked, whether it is
//! draining.
//!
//! It is one actor, on a thread of its own, so that its clock keeps running whatever the sessions
//! do: it is the watchdog that ends a call whose actor can no longer run (see [`Watched`]). It knows
//! no socket, no database and no wire format; a call is an id, an address to send [`Control`] to and
//! something to watch. What every request must ask at once (draining, revoked) is readable from the
//! [`RegistryHandle`] without a message.

mod actor;
mod revoked;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, Arbiter, Recipient};
use tokio::sync::watch;

use self::{
    actor::{Drain, EndCalls, Register, Registry, Unregister},
    revoked::RevokedKeys,
};
use crate::{
    call::event::EndReason,
    clock::NodeClock,
    id::{CallId, OwnedKey},
    key::KeyHash,
};

/// What the registry asks of a running call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, actix::Message)]
#[rtype(result = "()")]
pub enum Control {
    /// End now, for this reason, with no closing words.
    End(EndReason),
    /// End with closing words, so that it is over by this time of the node's clock.
    DrainBy(Duration),
}

/// What the watchdog sees of a call, from outside its actor.
///
/// An actor whose output is blocked is not polled, and neither are its timers (actix-web issue
/// 2441). So the call leaves here when it has to be over, and the registry ends it if it is not.
pub trait Watched: Send + Sync {
    /// When the call has to be over on the node's clock, and what it then ended of.
    fn must_end_by(&self) -> (Duration, EndReason);
    /// When the call's actor last ran.
    fn last_ran(&self) -> Duration;
    /// Ends the call without its actor: settles it and shuts its socket down. Harmless when the
    /// call is over already.
    fn force(&self, reason: EndReason);
}

/// A call as the registry keeps it.
pub struct LiveCall {
    /// The call.
    pub call_id: CallId,
    /// Where its actor takes orders.
    pub control: Recipient<Control>,
    /// What the watchdog looks at.
    pub watched: Arc<dyn Watched>,
}

/// What the handle and the actor share; written by the actor, read by everybody.
struct Shared {
    draining: AtomicBool,
    revoked: RevokedKeys,
    live: watch::Sender<usize>,
}

/// The way to the registry. Cheap to clone.
#[derive(Clone)]
pub struct RegistryHandle {
    addr: Addr<Registry>,
    shared: Arc<Shared>,
}

impl RegistryHandle {
    /// Starts the registry on a thread of its own, within a running actix system.
    pub fn start(clock: NodeClock) -> Self {
        let shared = Arc::new(Shared {
            draining: AtomicBool::new(false),
            revoked: RevokedKeys::default(),
            live: watch::Sender::default(),
        });
        let of_actor = Arc::clone(&shared);
        let addr = Registry::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            Registry::new(clock, of_actor)
        });
        Self { addr, shared }
    }

    /// Whether this node has stopped taking calls.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// The key, if this node knows it to be revoked. `None` proves nothing.
    pub fn is_revoked(&self, hash: &KeyHash) -> Option<OwnedKey> {
        self.shared.revoked.get(hash)
    }

    /// Remembers a revoked key, for ever: revocation is never taken back.
    pub fn remember_revoked(&self, hash: KeyHash, key: OwnedKey) {
        self.shared.revoked.insert(hash, key);
    }

    /// Calls in progress on this node.
    pub fn live_calls(&self) -> usize {
        *self.shared.live.borrow()
    }

    /// Makes a call known. From now on it is watched, and can be ended by its id.
    pub fn register(&self, call: LiveCall) {
        self.addr.do_send(Register(call));
    }

    /// A call is over.
    pub fn unregister(&self, call_id: CallId) {
        self.addr.do_send(Unregister(call_id));
    }

    /// Asks these calls to end, those too that have been admitted but register only a moment later.
    /// Calls of other nodes are none of this registry's business and are forgotten after a minute.
    pub fn end_calls(&self, calls: Vec<CallId>, reason: EndReason) {
        self.addr.do_send(EndCalls { calls, reason });
    }

    /// Stops taking calls and asks those in progress to be over by this time of the node's clock;
    /// those that are not are ended from outside, within a second. Asked again, the earlier time
    /// counts.
    pub fn drain(&self, by: Duration) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.addr.do_send(Drain(by));
    }

    /// Waits until no call is left.
    pub async fn drained(&self) {
        let mut live = self.shared.live.subscribe();
        // The sender lives as long as this handle, so waiting cannot fail.
        let _ = live.wait_for(|calls| *calls == 0).await;
    }
}
