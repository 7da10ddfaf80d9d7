//! Memory for long messages that are not whole yet: bounded for the node, and fair by account.
//!
//! A frame of telephony is far shorter than [`SMALL`]; what is longer holds its place here until it is
//! whole. It knows no frame: [`super::frames`] says how long a message is announced to be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{id::AccountId, pool::Pool};

/// Bytes of a message that any call may have under way: less than what a call takes anyway.
pub const SMALL: usize = 16 * 1024;
/// Bytes of longer messages under way, in all calls of the node.
const MOST: usize = 64 << 20;
/// Bytes of those that may be one account's.
const OF_ACCOUNT: usize = 16 << 20;

/// The room of one node.
#[derive(Debug)]
pub struct Room(Mutex<Pool<AccountId>>);

impl Default for Room {
    fn default() -> Self {
        Self(Mutex::new(Pool::new(MOST, OF_ACCOUNT)))
    }
}

impl Room {
    fn pool(&self) -> MutexGuard<'_, Pool<AccountId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one call holds of the room; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<Room>,
    account: AccountId,
    held: usize,
}

impl Place {
    /// A call of this account, which holds nothing yet.
    pub fn new(room: Arc<Room>, account: AccountId) -> Self {
        Self { room, account, held: 0 }
    }

    /// Holds room for a message of `bytes`, instead of what was held; false if there is none.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let wanted = if bytes > SMALL { bytes } else { 0 };
        if wanted == self.held {
            return true; // the usual frame: neither waits for anybody
        }
        let mut pool = self.room.pool();
        pool.give_back(&self.account, self.held);
        let fits = pool.take(self.account, wanted);
        self.held = if fits { wanted } else { 0 };
        fits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unfinished_messages_of_one_account_leave_room_for_another() {
        let room = Arc::<Room>::default();
        let (greedy, modest) = (AccountId::new(), AccountId::new());
        let mut calls: Vec<_> = (0..40).map(|_| Place::new(Arc::clone(&room), greedy)).collect();
        let held = calls.iter_mut().filter_map(|call| call.hold(1 << 20).then_some(())).count();
        assert_eq!(held, OF_ACCOUNT >> 20);
        let mut other = Place::new(Arc::clone(&room), modest);
        assert!(other.hold(1 << 20));
        assert!(other.hold(SMALL), "what is short needs no room");
        assert_eq!(room.pool().taken(), OF_ACCOUNT);
        calls.clear();
        assert_eq!(room.pool().taken(), 0);
    }
}
