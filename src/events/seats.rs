//! How many pages may listen at once: each user some, the node a bounded number, shared fairly.
//!
//! A browser that goes to another page leaves its stream behind, and that shows only at the next
//! attempt to write to it. So a user who asks for one seat too many gets that of their oldest page.
//! When the node is full, a seat is taken from the account that has most, and within it from the user
//! who has most: one account alone may have them all, and keeps none from another that comes later.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::id::{AccountId, UserId};

/// Pages of one user.
const OF_ONE_USER: usize = 16;
/// Pages of all users.
const IN_ALL: usize = 1_000;

/// Who listens. Operators, who see every account, share as if they were one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The account that is all they see; `None`: every account.
    pub account: Option<AccountId>,
    /// The user.
    pub user: UserId,
}

/// The seats of a node.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<Vec<Taken>>>);

/// The oldest are first.
struct Taken {
    holder: Holder,
    given_away: Arc<Notify>,
}

/// A taken seat; dropping it frees it.
pub struct Seat {
    seats: Seats,
    given_away: Arc<Notify>,
}

impl Seats {
    /// A seat; `None` if all of the node's are taken by others who have no more than their share.
    pub fn take(&self, holder: Holder) -> Option<Seat> {
        let mut taken = self.taken();
        let of_user = taken.iter().filter(|seat| seat.holder.user == holder.user).count();
        if of_user >= OF_ONE_USER {
            give_away_oldest(&mut taken, holder.user);
        } else if taken.len() >= IN_ALL {
            let from = who_has_too_many(&taken, holder)?;
            give_away_oldest(&mut taken, from);
        }
        let given_away = Arc::new(Notify::new());
        taken.push(Taken { holder, given_away: Arc::clone(&given_away) });
        Some(Seat { seats: self.clone(), given_away })
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn give_away_oldest(taken: &mut Vec<Taken>, user: UserId) {
    if let Some(oldest) = taken.iter().position(|seat| seat.holder.user == user) {
        taken.remove(oldest).given_away.notify_one();
    }
}

/// The user from whom a seat is taken for this one. It is only taken where, afterwards, the loser still
/// has no less than the one who comes, so that no two take the same seat from each other in turns.
fn who_has_too_many(taken: &[Taken], comes: Holder) -> Option<UserId> {
    let accounts = counted(taken.iter().map(|seat| seat.holder.account));
    let own = accounts.get(&comes.account).copied().unwrap_or(0);
    let (account, _) =
        most(&accounts).filter(|(_, seats)| *seats > own + 1).unwrap_or((comes.account, own));
    let in_it = taken.iter().filter(|seat| seat.holder.account == account);
    let users = counted(in_it.map(|seat| seat.holder.user));
    let least =
        if account == comes.account { users.get(&comes.user).copied().unwrap_or(0) + 2 } else { 1 };
    most(&users).filter(|(_, seats)| *seats >= least).map(|(user, _)| user)
}

fn counted<T: Eq + Hash>(of: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for one in of {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

fn most<T: Copy>(counts: &HashMap<T, usize>) -> Option<(T, usize)> {
    counts.iter().max_by_key(|(_, seats)| **seats).map(|(one, seats)| (*one, *seats))
}

impl Seat {
    /// Waits until the seat has been given to another page.
    pub async fn given_away(&self) {
        self.given_away.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().retain(|seat| !Arc::ptr_eq(&seat.given_away, &self.given_away));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt;

    use super::*;

    fn is_given_away(seat: &Seat) -> bool {
        seat.given_away().now_or_never().is_some()
    }

    fn user_of(account: AccountId) -> Holder {
        Holder { account: Some(account), user: UserId::new() }
    }

    /// As many seats as they get, each user as many as one may have.
    fn fill(seats: &Seats, account: AccountId, wanted: usize) -> Vec<Seat> {
        let mut taken = Vec::new();
        while taken.len() < wanted {
            let user = user_of(account);
            for _ in 0..OF_ONE_USER.min(wanted - taken.len()) {
                taken.push(seats.take(user).unwrap());
            }
        }
        taken
    }

    #[test]
    fn a_user_who_wants_too_many_gets_the_seat_of_their_own_oldest_page() {
        let seats = Seats::default();
        let account = AccountId::new();
        let (greedy, other) = (user_of(account), user_of(account));
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
    fn an_account_that_has_all_seats_keeps_none_from_another_or_from_the_operators() {
        let seats = Seats::default();
        let (greedy, modest) = (AccountId::new(), AccountId::new());
        let taken = fill(&seats, greedy, IN_ALL);
        let first = seats.take(user_of(modest)).unwrap();
        let operator = seats.take(Holder { account: None, user: UserId::new() }).unwrap();
        assert_eq!(taken.iter().filter(|seat| is_given_away(seat)).count(), 2);
        // What the greedy account takes from now on, it takes from itself.
        let again: Vec<_> = (0..100).filter_map(|_| seats.take(user_of(greedy))).collect();
        assert_eq!(again.len(), 100);
        assert!(!is_given_away(&first) && !is_given_away(&operator));
        assert_eq!(taken.iter().filter(|seat| is_given_away(seat)).count(), 100);
    }

    #[test]
    fn all_together_are_bounded_and_no_seat_goes_to_and_fro() {
        let seats = Seats::default();
        let taken: Vec<_> =
            (0..IN_ALL).filter_map(|_| seats.take(user_of(AccountId::new()))).collect();
        assert_eq!(taken.len(), IN_ALL);
        assert!(seats.take(user_of(AccountId::new())).is_none(), "all have the same share");
        assert!(!taken.iter().any(is_given_away));
        drop(taken);
        assert!(seats.taken().is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn within_an_account_the_user_who_has_most_gives() {
        let seats = Seats::default();
        let account = AccountId::new();
        let taken = fill(&seats, account, IN_ALL);
        let comes = user_of(account);
        let got: Vec<_> = (0..8).filter_map(|_| seats.take(comes)).collect();
        assert_eq!((got.len(), got.iter().filter(|seat| is_given_away(seat)).count()), (8, 0));
        assert_eq!(taken.iter().filter(|seat| is_given_away(seat)).count(), 8);
    }
}
