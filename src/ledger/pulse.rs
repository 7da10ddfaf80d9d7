//! Whether the ledger's worker is well: what decides, beside the database itself, if a node can admit
//! a call.
//!
//! A lease that is renewed is a write that was committed a moment ago, so a full disk, a database that
//! takes no writes and a worker that hangs all show here. The worker tells, whoever answers a probe
//! asks; no database here.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Why the worker is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwell {
    /// The last attempt to renew the lease failed.
    #[error("the node's lease could not be renewed")]
    Refused,
    /// Nothing was heard of the lease for half of its time.
    #[error("the node's lease has not been renewed in time")]
    Silent,
    /// Calls that ended wait to be settled, longer than they should.
    #[error("ended calls wait too long to be settled")]
    Behind,
}

#[derive(Debug)]
struct Last {
    /// When the lease was renewed.
    renewed: Instant,
    /// Whether the latest attempt to renew it failed.
    refused: bool,
    /// Whether settlements were late then.
    behind: bool,
}

/// Shared by the worker and the handles on it.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    last: Arc<Mutex<Last>>,
    /// A renewal older than this is none.
    silence: Duration,
}

impl Pulse {
    /// Of a worker that has just renewed a lease of this length.
    pub(super) fn new(lease: Duration, now: Instant) -> Self {
        let last = Last { renewed: now, refused: false, behind: false };
        Self { last: Arc::new(Mutex::new(last)), silence: lease / 2 }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn renewed(&self, now: Instant, behind: bool) {
        *self.last() = Last { renewed: now, refused: false, behind };
    }

    pub(super) fn refused(&self) {
        self.last().refused = true;
    }

    pub(super) fn judge(&self, now: Instant) -> Result<(), Unwell> {
        let last = self.last();
        match *last {
            Last { refused: true, .. } => Err(Unwell::Refused),
            Last { renewed, .. } if now.duration_since(renewed) > self.silence => {
                Err(Unwell::Silent)
            }
            Last { behind: true, .. } => Err(Unwell::Behind),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_well_while_its_last_renewal_went_through_and_nothing_waits() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let pulse = Pulse::new(15 * second, start);
        assert_eq!(pulse.judge(start + 7 * second), Ok(()));
        assert_eq!(pulse.judge(start + 8 * second), Err(Unwell::Silent), "it hangs");
        pulse.renewed(start + 9 * second, false);
        assert_eq!(pulse.judge(start + 9 * second), Ok(()));
        pulse.refused();
        assert_eq!(pulse.judge(start + 9 * second), Err(Unwell::Refused));
        pulse.renewed(start + 11 * second, true);
        assert_eq!(pulse.judge(start + 11 * second), Err(Unwell::Behind));
        pulse.renewed(start + 13 * second, false);
        assert_eq!(pulse.judge(start + 13 * second), Ok(()));
    }
}
