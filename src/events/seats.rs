//! How many pages may listen at once: each user some, the node a bounded number.
//!
//! A browser that goes to another page leaves its stream behind, and that shows only at the next
//! attempt to write to it. So a user who asks for one seat too many gets that of their oldest page.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::id::UserId;

/// Pages of one user.
const OF_ONE_USER: usize = 16;
/// Pages of all users.
const IN_ALL: usize = 1_000;

type Taken = HashMap<UserId, VecDeque<Arc<Notify>>>;

/// The seats of a node.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<Taken>>);

/// A taken seat; dropping it frees it.
pub struct Seat {
    seats: Seats,
    user: UserId,
    given_away: Arc<Notify>,
}

impl Seats {
    /// A seat for this user; `None` if all of the node's are taken.
    pub fn take(&self, user: UserId) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_all: usize = taken.values().map(VecDeque::len).sum();
        let own = taken.entry(user).or_default();
        if own.len() >= OF_ONE_USER
            && let Some(oldest) = own.pop_front()
        {
            oldest.notify_one();
        } else if in_all >= IN_ALL {
            if own.is_empty() {
                taken.remove(&user);
            }
            return None;
        }
        let given_away = Arc::new(Notify::new());
        own.push_back(Arc::clone(&given_away));
        Some(Seat { seats: self.clone(), user, given_away })
    }
}

impl Seat {
    /// Waits until the seat has been given to a newer page.
    pub async fn given_away(&self) {
        self.given_away.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.user) {
            own.retain(|seat| !Arc::ptr_eq(seat, &self.given_away));
            if own.is_empty() {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_given_away(seat: &Seat) -> bool {
        seat.given_away().now_or_never().is_some()
    }

    #[test]
    fn a_user_who_wants_too_many_gets_the_seat_of_their_own_oldest_page() {
        let seats = Seats::default();
        let (greedy, other) = (UserId::new(), UserId::new());
        let stays = seats.take(other);
        let mut taken: Vec<_> = (0..OF_ONE_USER).filter_map(|_| seats.take(greedy)).collect();
        assert!(!taken.iter().any(is_given_away));
        taken.extend(seats.take(greedy));
        assert_eq!(taken.len(), OF_ONE_USER + 1);
        assert!(is_given_away(&taken[0]) && !taken[1..].iter().any(is_given_away));
        assert!(!stays.iter().any(is_given_away));
        taken.remove(1);
        taken.extend(seats.take(greedy));
        assert!(!taken[1..].iter().any(is_given_away), "a freed seat is taken first");
    }

    #[test]
    fn all_users_together_are_bounded_and_nothing_is_kept_of_those_who_left() {
        let seats = Seats::default();
        let taken: Vec<_> = (0..IN_ALL).filter_map(|_| seats.take(UserId::new())).collect();
        assert_eq!(taken.len(), IN_ALL);
        assert!(seats.take(UserId::new()).is_none());
        drop(taken);
        assert!(seats.0.lock().is_ok_and(|kept| kept.is_empty()));
    }
}
