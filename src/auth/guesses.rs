//! How often a password may be guessed, by whom, at whose user.
//!
//! A browser that has signed in before has a count of its own, so that its user gets in whatever strangers
//! do. A stranger is counted by address, and by address and user together; what strangers from many addresses
//! try at one user is slowed down as a whole and never shut out. The time is passed in; what a password is
//! compared with is not known here.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};

use crate::attempts::{Attempts, network};

/// What an e-mail address is counted by: a hash, so that its length costs no memory.
pub(super) type NameHash = [u8; 32];

/// The longest delay of a stranger's attempt.
const LONGEST_DELAY: Duration = Duration::from_secs(16);
/// Strangers' attempts at one user that may be delayed at once, from as many networks.
const PER_NAME: usize = 16;
/// Attempts that may be delayed at once in all.
const IN_ALL: usize = 1_024;

/// The counts of one node.
pub(super) struct Guesses {
    by_address: Attempts<IpAddr>,
    by_address_and_name: Attempts<[u8; 32]>,
    by_name: Attempts<NameHash>,
    /// By the hash of its cookie: a browser that has signed in before, or a session.
    by_browser: Attempts<[u8; 32]>,
    /// Attempts at one user after which strangers' attempts are slowed down.
    free: u32,
    delayed: Arc<Mutex<Delayed>>,
}

/// Who has to wait before the password is compared: the networks, by user.
#[derive(Default)]
struct Delayed {
    by_name: HashMap<NameHash, Vec<IpAddr>>,
    count: usize,
}

/// An attempt that may be made.
#[derive(Debug)]
pub(super) struct Allowed {
    /// After so long.
    pub(super) after: Duration,
    _place: Option<Place>,
}

/// A place among the delayed, given back when it is dropped.
struct Place {
    delayed: Arc<Mutex<Delayed>>,
    name: NameHash,
    network: IpAddr,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

fn locked(delayed: &Mutex<Delayed>) -> MutexGuard<'_, Delayed> {
    delayed.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guesses {
    /// With so many attempts a minute from one address, and at one user from one address.
    pub(super) fn new(per_address: u32, per_name: u32) -> Self {
        Self {
            by_address: Attempts::new(per_address),
            by_address_and_name: Attempts::new(per_name),
            by_name: Attempts::new(u32::MAX),
            by_browser: Attempts::new(per_name),
            free: per_name,
            delayed: Arc::default(),
        }
    }

    /// Counts what a stranger tries that names no user.
    ///
    /// # Errors
    /// How long until this address may try again.
    pub(super) fn stranger(&self, from: IpAddr, now: Duration) -> Result<(), Duration> {
        self.by_address.attempt(network(from), now).map(drop)
    }

    /// Counts a stranger's attempt at a user.
    ///
    /// # Errors
    /// How long until this address may try again.
    pub(super) fn at_user(
        &self,
        from: IpAddr,
        name: NameHash,
        now: Duration,
    ) -> Result<Allowed, Duration> {
        let from = network(from);
        self.by_address.attempt(from, now)?;
        self.by_address_and_name.attempt(pair(from, &name), now)?;
        let after = delay(self.by_name.attempt(name, now)?, self.free);
        if after.is_zero() {
            return Ok(Allowed { after, _place: None });
        }
        let place = self.place(name, from).ok_or(after)?;
        Ok(Allowed { after, _place: Some(place) })
    }

    /// Counts an attempt of a known browser, or of a session.
    ///
    /// # Errors
    /// How long until it may try again.
    pub(super) fn browser(&self, token_hash: [u8; 32], now: Duration) -> Result<(), Duration> {
        self.by_browser.attempt(token_hash, now).map(drop)
    }

    /// The stranger's attempt was right: it counts against no user.
    pub(super) fn was_right(&self, from: IpAddr, name: &NameHash) {
        self.by_address_and_name.forgive(&pair(network(from), name));
        self.by_name.take_back(name);
    }

    /// The known browser's, or the session's, attempt was right.
    pub(super) fn browser_was_right(&self, token_hash: &[u8; 32]) {
        self.by_browser.forgive(token_hash);
    }

    /// A place among the delayed: one per network and user, so that no network takes them all.
    fn place(&self, name: NameHash, network: IpAddr) -> Option<Place> {
        let mut delayed = locked(&self.delayed);
        let there = delayed.by_name.get(&name).map_or(&[][..], Vec::as_slice);
        if there.contains(&network) || there.len() >= PER_NAME || delayed.count >= IN_ALL {
            return None;
        }
        delayed.by_name.entry(name).or_default().push(network);
        delayed.count += 1;
        Some(Place { delayed: Arc::clone(&self.delayed), name, network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut delayed = locked(&self.delayed);
        delayed.count = delayed.count.saturating_sub(1);
        if let Some(there) = delayed.by_name.get_mut(&self.name) {
            there.retain(|network| *network != self.network);
            if there.is_empty() {
                delayed.by_name.remove(&self.name);
            }
        }
    }
}

/// How long a stranger's attempt is delayed that is this one of the last minute, whoever made the others:
/// not at all as long as there are few, then a second, and twice as long after every ten more.
fn delay(attempt: u32, free: u32) -> Duration {
    let Some(over) = attempt.checked_sub(free.saturating_add(1)) else { return Duration::ZERO };
    let doubled = 1_u64.checked_shl(over / 10).unwrap_or(u64::MAX);
    Duration::from_secs(doubled).min(LONGEST_DELAY)
}

fn pair(network: IpAddr, name: &NameHash) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(name);
    match network {
        IpAddr::V4(v4) => hash.update(v4.octets()),
        IpAddr::V6(v6) => hash.update(v6.octets()),
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: NameHash = [1; 32];
    const BOB: NameHash = [2; 32];

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn from(n: u32) -> IpAddr {
        IpAddr::V4((0xc000_0200 + n).into())
    }

    #[test]
    fn who_guesses_at_a_user_locks_out_nobody_elsewhere() {
        let guesses = Guesses::new(30, 10);
        for _ in 0..10 {
            assert!(guesses.at_user(from(1), ADA, at(0)).unwrap().after.is_zero());
        }
        assert_eq!(guesses.at_user(from(1), ADA, at(20)).unwrap_err(), at(40));
        assert!(guesses.at_user(from(1), BOB, at(20)).unwrap().after.is_zero());
        let elsewhere = guesses.at_user(from(2), ADA, at(20)).unwrap();
        assert_eq!(elsewhere.after, at(1), "slower, and not refused");
        // A browser that has signed in before waits for nobody, and has its own share.
        for _ in 0..10 {
            guesses.browser([7; 32], at(20)).unwrap();
        }
        assert_eq!(guesses.browser([7; 32], at(21)).unwrap_err(), at(59));
        guesses.browser([8; 32], at(21)).unwrap();
    }

    #[test]
    fn guessing_from_many_addresses_gets_slower_and_slower() {
        let delays = [1, 10, 11, 20, 21, 31, 41, 51, 1_000, u32::MAX];
        let seconds = delays.map(|attempt| delay(attempt, 10).as_secs());
        assert_eq!(seconds, [0, 0, 1, 1, 2, 4, 8, 16, 16, 16]);

        let guesses = Guesses::new(30, 10);
        let mut waiting = Vec::new();
        let mut refused = 0;
        for n in 0..1_000 {
            match guesses.at_user(from(n), ADA, at(0)) {
                Ok(allowed) if allowed.after.is_zero() => {}
                Ok(allowed) => waiting.push(allowed),
                Err(_) => refused += 1,
            }
        }
        assert_eq!((waiting.len(), refused), (PER_NAME, 1_000 - 10 - PER_NAME));
        assert!(guesses.at_user(from(2_000), BOB, at(0)).unwrap().after.is_zero());
        drop(waiting);
        assert!(locked(&guesses.delayed).by_name.is_empty());
        let one = guesses.at_user(from(2_000), ADA, at(1)).unwrap();
        assert!(one.after >= at(8));
        assert!(guesses.at_user(from(2_000), ADA, at(1)).is_err(), "one place per network");
    }

    #[test]
    fn who_is_right_is_not_counted_for_it() {
        let guesses = Guesses::new(1_000, 10);
        for _ in 0..100 {
            assert!(guesses.at_user(from(1), ADA, at(0)).unwrap().after.is_zero());
            guesses.was_right(from(1), &ADA);
            guesses.browser([7; 32], at(0)).unwrap();
            guesses.browser_was_right(&[7; 32]);
        }
    }
}
