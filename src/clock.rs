//! Two clocks: the wall for what people read, and one that never steps for what is charged.
//!
//! A call is charged by [`NodeClock`], which is anchored to the wall once, when the process starts,
//! and then follows the monotonic clock: a corrected wall clock costs nobody a point.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 on the wall clock: for `created_at` and everything else people read.
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The node's own clock: monotonic, shared by all parts of one process.
#[derive(Debug, Clone, Copy)]
pub struct NodeClock {
    started: Instant,
    anchor_ms: i64,
}

impl NodeClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started: Instant::now(), anchor_ms: wall_ms() }
    }

    /// Time since the clock started: what the call machine counts in.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// A time of [`NodeClock::now`] as milliseconds, comparable between calls of one process and
    /// with the node's own record in the store, with no other clock.
    pub fn stamp_ms(&self, at: Duration) -> i64 {
        self.anchor_ms.saturating_add(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
    }
}
