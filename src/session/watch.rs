//! What stands outside a call's actor: the clocks that end it, and the one settlement.
//!
//! The actor writes here when it ran and when the call has to be over; the registry's watchdog reads
//! it. Whoever ends the call first, actor or watchdog, settles it; the other finds it over.

use std::{
    sync::{
        OnceLock, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::Span;

use crate::{
    call::{Cause, EndReason},
    clock::{NodeClock, wall_ms},
    id::{AccountId, CallId},
    ledger::{Finished, Ledger},
    listener::socket::PeerSocket,
    live::Line,
    metrics,
    registry::Watched,
};

/// A talk time that has not begun.
const NOT_YET: u64 = u64::MAX;

/// One call, as seen from outside its actor. Shared by the actor and the registry.
pub struct Watch {
    /// The call.
    pub call_id: CallId,
    account_id: AccountId,
    clock: NodeClock,
    ledger: Ledger,
    socket: Weak<PeerSocket>,
    /// What every line about the call is logged with.
    pub span: Span,
    /// What is told to whoever watches on a page.
    pub line: Line,
    // Milliseconds of the node's clock; only ever read for a rough comparison, hence relaxed.
    talk_began: AtomicU64,
    must_end_by: AtomicU64,
    must_end_of: AtomicU8,
    last_ran: AtomicU64,
    over: AtomicBool,
    /// Why the call failed: the first cause, if there is one.
    cause: OnceLock<Cause>,
}

impl Watch {
    /// Watches a call that has been admitted and is not recognised yet.
    pub fn new(
        call_id: CallId,
        account_id: AccountId,
        clock: NodeClock,
        ledger: Ledger,
        socket: Weak<PeerSocket>,
        span: Span,
        line: Line,
    ) -> Self {
        Self {
            call_id,
            account_id,
            clock,
            ledger,
            socket,
            span,
            line,
            talk_began: AtomicU64::new(NOT_YET),
            must_end_by: AtomicU64::new(NOT_YET),
            must_end_of: AtomicU8::new(EndReason::Hangup as u8),
            last_ran: AtomicU64::new(millis(clock.now())),
            over: AtomicBool::new(false),
            cause: OnceLock::new(),
        }
    }

    /// The call fails, of this; however it ends, that is why.
    pub fn failed(&self, cause: &Cause) {
        if self.cause.set(cause.clone()).is_err() {
            return;
        }
        let (code, detail) = (cause.code.as_str(), cause.message());
        self.span.in_scope(|| match cause.code.is_ours_to_mend() {
            true => tracing::warn!(cause = code, detail, "call failed"),
            false => tracing::info!(cause = code, detail, "call failed"),
        });
    }

    /// Why the call failed, if it did.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.get()
    }

    /// The actor runs now.
    pub fn ran(&self, now: Duration) {
        self.last_ran.store(millis(now), Ordering::Relaxed);
    }

    /// The dialect is recognised: what is charged begins here.
    pub fn talk_begins(&self, now: Duration) {
        self.talk_began.store(millis(now), Ordering::Relaxed);
    }

    /// The call has to be over by then, and will have ended of this.
    pub fn must_end(&self, by: Duration, reason: EndReason) {
        self.must_end_by.store(millis(by), Ordering::Relaxed);
        self.must_end_of.store(reason as u8, Ordering::Relaxed);
    }

    /// The connection is gone: settles the call if that has not been done.
    pub fn lost(&self, now: Duration) {
        self.finish(EndReason::Hangup, self.talk(now), now);
    }

    fn talk(&self, until: Duration) -> Duration {
        until.saturating_sub(Duration::from_millis(self.talk_began.load(Ordering::Relaxed)))
    }

    /// Settles the call, once: true for the caller that did. The one place that logs the end of a call,
    /// whichever way it came about.
    pub fn finish(&self, reason: EndReason, talk: Duration, now: Duration) -> bool {
        if self.over.swap(true, Ordering::AcqRel) {
            return false;
        }
        let cause = self.cause();
        let code = cause.map(|cause| cause.code.as_str());
        metrics::ended(reason.as_str(), code, talk);
        self.line.ended(reason, cause);
        let (reason_code, duration_ms) = (reason.as_str(), millis(talk));
        self.span.in_scope(|| {
            tracing::info!(reason = reason_code, cause = code, duration_ms, "call ended");
        });
        self.ledger.settle(Finished {
            call_id: self.call_id,
            account_id: self.account_id,
            reason,
            cause: cause.cloned(),
            talk,
            ended_stamp_ms: self.clock.stamp_ms(now),
            ended_at: wall_ms(),
            transcript: Vec::new(),
        });
        true
    }
}

impl Watched for Watch {
    fn must_end_by(&self) -> (Duration, EndReason) {
        let by = Duration::from_millis(self.must_end_by.load(Ordering::Relaxed));
        (by, EndReason::ALL[usize::from(self.must_end_of.load(Ordering::Relaxed))])
    }

    fn last_ran(&self) -> Duration {
        Duration::from_millis(self.last_ran.load(Ordering::Relaxed))
    }

    fn force(&self, reason: EndReason) {
        let now = self.clock.now();
        // A clock that ended the call ended it when it was due, not when the watchdog came by.
        let ended = now.min(self.must_end_by().0);
        if self.finish(reason, self.talk(ended), ended) {
            self.span.in_scope(|| tracing::info!("the peer does not read: call ended"));
        }
        if let Some(socket) = self.socket.upgrade() {
            socket.shut_down();
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
