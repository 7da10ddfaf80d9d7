//! How often a key's calls came to nothing: connections that were gone, or turned away, before their
//! dialect was recognised.
//!
//! Such a call costs no points and leaves no row, so without a bound one key could have this node
//! admit and forget thousands a second. Beyond so many within a minute the key is refused for a while;
//! calls that are recognised are not counted, however many there are.

use std::{sync::Arc, time::Duration};

use crate::{attempts::Attempts, clock::NodeClock, key::KeyHash};

/// What came to nothing within the last minute, by key.
#[derive(Clone)]
pub struct Knocks {
    counted: Arc<Attempts<KeyHash>>,
    clock: NodeClock,
}

impl Knocks {
    /// Lets a key have so many within a minute.
    pub fn new(per_minute: u32, clock: NodeClock) -> Self {
        Self { counted: Arc::new(Attempts::new(per_minute)), clock }
    }

    /// Whether a key has had its share of the minute.
    pub fn are_too_many(&self, key: &KeyHash) -> bool {
        self.counted.is_used_up(key, self.now())
    }

    /// A call of this key begins, and counts unless it is [`Knock::answered`].
    pub fn knock(&self, key: KeyHash) -> Knock {
        Knock { counts: Some((self.clone(), key)) }
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

/// A call that may come to nothing. Dropping it counts it.
#[must_use]
pub struct Knock {
    counts: Option<(Knocks, KeyHash)>,
}

impl Knock {
    /// A call that is not counted whatever becomes of it: no key opened it.
    pub fn uncounted() -> Self {
        Self { counts: None }
    }

    /// It is recognised, or refused: nothing is left to count.
    pub fn answered(&mut self) {
        self.counts = None;
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        if let Some((knocks, key)) = self.counts.take() {
            knocks.counted.allow(key, knocks.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PlainKey;

    #[test]
    fn what_comes_to_nothing_is_counted_by_key_and_nothing_else_is() {
        let knocks = Knocks::new(2, NodeClock::start());
        let (one, other) =
            (PlainKey::generate().unwrap().hash(), PlainKey::generate().unwrap().hash());
        for _ in 0..5 {
            knocks.knock(one).answered();
        }
        drop(knocks.knock(one));
        assert!(!knocks.are_too_many(&one));
        drop(knocks.knock(one));
        assert!(knocks.are_too_many(&one) && !knocks.are_too_many(&other));
        drop(Knock::uncounted());
    }
}
