//! The node's lease: the word that it is alive, and until when its calls are known to have lasted.
//!
//! Leases are judged by the database's clock, records by the node's own. A record never lies beyond the
//! end of a call that is not settled yet, so that whoever settles the calls of a dead node never bills
//! more than they lasted. When to beat is the worker's business; whether a node may judge others is in
//! `standing`; what is done about the dead, `sweep`'s.

use std::{collections::HashSet, time::Duration};

use super::standing::Reading;
use crate::{
    call::event::EndReason,
    clock::NodeClock,
    id::{CallId, NodeId},
    store::{
        Store, StoreError, calls,
        nodes::{self, Node},
    },
};

/// A call that ended a moment ago may still be on its way to the worker: the record stays this far
/// behind the clock.
const RECORD_LAG_MS: i64 = 250;

/// How often, and how long. The defaults are what is promised to the outside.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// Between two beats.
    pub beat: Duration,
    /// How long a beat keeps the node alive.
    pub lease: Duration,
    /// Between two looks for dead nodes.
    pub sweep: Duration,
    /// Between two attempts to write a settlement.
    pub retry: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(2),
            lease: Duration::from_secs(15),
            sweep: Duration::from_secs(3),
            retry: Duration::from_secs(1),
        }
    }
}

/// One node's lease.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) store: Store,
    pub(super) node: NodeId,
    pub(super) clock: NodeClock,
    pub(super) timings: Timings,
}

/// What a beat brings back.
pub(super) struct Beat {
    /// The database's clock, as the lease was renewed by it.
    pub(super) clock: Reading,
    /// This node's live calls that somebody asked to end.
    pub(super) ends_requested: Vec<(CallId, EndReason)>,
    /// Set when the node may have been taken for dead meanwhile: its calls that are still live.
    pub(super) survivors: Option<HashSet<CallId>>,
}

impl Lease {
    /// The stamp of a record made now, before it is known which calls have just ended.
    pub(super) fn stamp(&self) -> i64 {
        self.clock.stamp_ms(self.clock.now()) - RECORD_LAG_MS
    }

    /// Renews the lease, with the record `recorded_at`; writes the node down if it is not.
    pub(super) async fn beat(&self, recorded_at: i64) -> Result<Beat, StoreError> {
        let (node, lease) = (self.node, millis(self.timings.lease));
        self.store
            .write(move |conn| {
                let before = nodes::lock(conn, node)?;
                let clock = Reading::of(conn)?;
                let now = clock.database_ms;
                let beat = Node { id: node, lease_until: now.saturating_add(lease), recorded_at };
                match before {
                    Some(_) => nodes::update(conn, &beat)?,
                    None => nodes::insert(conn, &beat)?,
                }
                let held = before.is_some_and(|before| before.lease_until >= now);
                let survivors = match held {
                    true => None,
                    false => Some(calls::live_of_node(conn, node)?.into_iter().map(|(id, _)| id)),
                };
                Ok(Beat {
                    clock,
                    ends_requested: calls::ends_requested(conn, node)?,
                    survivors: survivors.map(Iterator::collect),
                })
            })
            .await
    }

    /// Gives the lease back: calls that are still live are anybody's from now on.
    pub(super) async fn give_back(&self, recorded_at: i64) -> Result<(), StoreError> {
        let node = self.node;
        self.store
            .write(move |conn| {
                if nodes::lock(conn, node)?.is_none() {
                    return Ok(());
                }
                if calls::live_of_node(conn, node)?.is_empty() {
                    return nodes::remove(conn, node);
                }
                nodes::update(conn, &Node { id: node, lease_until: 0, recorded_at })
            })
            .await
    }
}

pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
