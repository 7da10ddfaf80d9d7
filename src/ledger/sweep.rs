//! The calls of dead nodes: settled up to the last second that is recorded, by whoever is alive.
//!
//! Any number of nodes may sweep at once. Each call is settled in a transaction that first locks the
//! node's row and finds its lease still over, so a node that comes back keeps what is not settled yet.
//! A node that died before its first beat has no row, and its calls cost nothing.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::{
    lease::{Lease, millis},
    settle::{self, Settlement, Talk},
    standing::{Reading, Standing},
};
use crate::{
    call::event::EndReason,
    clock,
    id::{AccountId, CallId, NodeId},
    store::{Conn, StoreError, calls, nodes},
};

/// Calls settled at once: they share commits.
const AT_ONCE: usize = 64;

/// Sweeps from time to time, for ever.
pub(super) async fn sweep_forever(lease: Lease, standing: Arc<Standing>) {
    loop {
        if standing.may_judge(std::time::Instant::now())
            && let Err(error) = sweep(&lease, &standing).await
        {
            tracing::warn!(%error, "could not look for lost nodes");
        }
        tokio::time::sleep(lease.timings.sweep).await;
    }
}

async fn sweep(lease: &Lease, standing: &Arc<Standing>) -> Result<(), StoreError> {
    // A node beats before it admits calls; one that is not written down gets as long as any other.
    let unheard_since = clock::wall_ms() - millis(lease.timings.lease);
    let judge = Arc::clone(standing);
    let mut dead = lease
        .store
        .read(move |conn| {
            let Some((over, latest)) = judge.bounds(Reading::of(conn)?) else {
                return Ok(Vec::new());
            };
            let mut dead = nodes::dead(conn, over, latest)?;
            dead.extend(nodes::unknown(conn, unheard_since)?);
            Ok::<_, StoreError>(dead)
        })
        .await?;
    dead.retain(|node| *node != lease.node);
    for node in dead {
        bury(lease, standing, node).await?;
    }
    Ok(())
}

async fn bury(lease: &Lease, standing: &Arc<Standing>, node: NodeId) -> Result<(), StoreError> {
    let store = &lease.store;
    let calls = store.read(move |conn| calls::live_of_node(conn, node)).await?;
    let settled = stream::iter(calls)
        .map(|(call, account)| async move {
            let (judge, store) = (Arc::clone(standing), store.of_call(account));
            match store.write(move |conn| settle_lost(conn, &judge, node, call, account)).await {
                Ok(charged) => charged.is_some(),
                Err(error) => {
                    tracing::warn!(%error, call.id = %call, "a lost call could not be settled");
                    false
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter(|settled| std::future::ready(*settled))
        .count()
        .await;
    if settled > 0 {
        tracing::warn!(node.id = %node, calls = settled, "settled the calls of a lost node");
    }
    let judge = Arc::clone(standing);
    store
        .write(move |conn| {
            if may_bury(conn, &judge, node)?.is_some()
                && calls::live_of_node(conn, node)?.is_empty()
            {
                nodes::remove(conn, node)?;
            }
            Ok(())
        })
        .await
}

fn settle_lost(
    conn: &mut Conn,
    standing: &Standing,
    node: NodeId,
    call_id: CallId,
    account_id: AccountId,
) -> Result<Option<crate::points::Seconds>, StoreError> {
    let Some(recorded_at) = may_bury(conn, standing, node)? else { return Ok(None) };
    let settlement = Settlement {
        call_id,
        account_id,
        reason: EndReason::NodeLost,
        cause: None,
        talk: Talk::RecordedUntil(recorded_at),
        // The record is of the node's clock, which began as its wall clock: as near as can be known.
        ended_at: recorded_at,
        recognition: None,
        lines: (0, Vec::new()),
        stretches: (0, Vec::new()),
    };
    settle::settle(conn, &settlement)
}

/// Locks the node and returns its record, unless it is alive (again). One that is not written down
/// has recorded nothing.
fn may_bury(conn: &mut Conn, standing: &Standing, node: NodeId) -> Result<Option<i64>, StoreError> {
    let node = nodes::lock(conn, node)?;
    let now = Reading::of(conn)?;
    Ok(match node {
        Some(node) => standing.is_over(node.lease_until, now).then_some(node.recorded_at),
        None => standing.may_judge(now.at).then_some(0),
    })
}
