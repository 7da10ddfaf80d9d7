//! How many attempts an address, or anything else that can be told apart, has made within the last
//! minute.
//!
//! Whoever guesses keys or passwords is slowed down; whoever has a valid key never meets this. Pure
//! but for the lock: the time is passed in. An IPv6 client owns a whole /64, so that is what is
//! counted; see [`network`].

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The window, in slots of one second.
const WINDOW: usize = 60;
/// Names remembered at most, about 16 MiB; when it is full, those with a quiet minute go.
const MOST_NAMES: usize = 100_000;

/// Attempts by who made them: an address, or a hash of some other name.
pub struct Attempts<Name = IpAddr> {
    allowed: u32,
    by_name: Mutex<HashMap<Name, Made>>,
}

/// The attempts of one name: a ring of one-second slots.
struct Made {
    slots: [u16; WINDOW],
    /// The second that the newest slot stands for.
    newest: u64,
}

impl<Name: Hash + Eq> Attempts<Name> {
    /// Allows so many attempts within a minute.
    pub fn new(allowed: u32) -> Self {
        Self { allowed, by_name: Mutex::default() }
    }

    /// Counts an attempt. False: this name has had its share of the minute.
    pub fn allow(&self, name: Name, now: Duration) -> bool {
        self.attempt(name, now).is_ok()
    }

    /// Counts an attempt, and says which of the last minute it is, from 1.
    ///
    /// # Errors
    /// How long until this name may try again: it has had its share of the minute.
    pub fn attempt(&self, name: Name, now: Duration) -> Result<u32, Duration> {
        let second = now.as_secs();
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if by_name.len() >= MOST_NAMES {
            by_name.retain(|_, made| made.newest + WINDOW as u64 > second);
            // Still full: a distributed attack. Forgetting all of it keeps memory bounded, and
            // costs no valid key anything.
            if by_name.len() >= MOST_NAMES {
                by_name.clear();
            }
        }
        let made = by_name.entry(name).or_insert(Made { slots: [0; WINDOW], newest: second });
        made.advance(second);
        let count = made.count();
        if count >= self.allowed {
            return Err(made.until_fewer(second));
        }
        made.add();
        Ok(count.saturating_add(1))
    }

    /// Takes back one attempt, the newest: it was a right one.
    pub fn take_back(&self, name: &Name) {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = by_name.get_mut(name) {
            made.remove_newest();
        }
    }

    /// Whether this name has had its share of the minute; counts nothing.
    pub fn is_used_up(&self, name: &Name, now: Duration) -> bool {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(made) = by_name.get_mut(name) else { return false };
        made.advance(now.as_secs());
        made.count() >= self.allowed
    }

    /// Forgets what a name has done: it has proved itself.
    pub fn forgive(&self, name: &Name) {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

impl Made {
    /// Empties the slots between the newest second and this one.
    fn advance(&mut self, second: u64) {
        let gone = second.saturating_sub(self.newest).min(WINDOW as u64);
        for back in 0..gone {
            self.slots[Self::slot(second - back)] = 0;
        }
        self.newest = self.newest.max(second);
    }

    fn add(&mut self) {
        let slot = &mut self.slots[Self::slot(self.newest)];
        *slot = slot.saturating_add(1);
    }

    fn remove_newest(&mut self) {
        let back = (0..WINDOW as u64).map(|back| self.newest.saturating_sub(back));
        if let Some(slot) = back.map(Self::slot).find(|slot| self.slots[*slot] > 0) {
            self.slots[slot] -= 1;
        }
    }

    /// How long until the oldest attempt is a minute old; a second at least.
    fn until_fewer(&self, second: u64) -> Duration {
        let ages = (0..WINDOW as u64).rev();
        let oldest = ages
            .filter_map(|age| self.newest.checked_sub(age))
            .find(|at| self.slots[Self::slot(*at)] > 0);
        let free_at = oldest.unwrap_or(self.newest) + WINDOW as u64;
        Duration::from_secs(free_at.saturating_sub(second).max(1))
    }

    fn count(&self) -> u32 {
        self.slots.iter().copied().map(u32::from).sum()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 60")]
    fn slot(second: u64) -> usize {
        (second % WINDOW as u64) as usize
    }
}

/// What is counted of an address: itself, or the network that one IPv6 client owns.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn net(address: &str) -> IpAddr {
        network(address.parse().unwrap())
    }

    #[test]
    fn the_share_of_a_minute_is_given_out_once() {
        let attempts = Attempts::new(3);
        let guesser: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(attempts.allow(guesser, at(0)));
        assert!(attempts.allow(guesser, at(1)));
        assert!(attempts.allow(guesser, at(2)));
        assert!(!attempts.allow(guesser, at(3)));
        assert!(!attempts.allow(guesser, at(59)));
        // The first one is a minute old: one more is allowed, and one only.
        assert!(attempts.allow(guesser, at(60)));
        assert!(!attempts.allow(guesser, at(60)));
        assert!(attempts.allow(guesser, at(1000)));
        assert!(attempts.allow(guesser, at(1000)));
        assert!(attempts.allow(guesser, at(1000)));
        assert!(!attempts.allow(guesser, at(1000)));
        attempts.forgive(&guesser);
        assert!(attempts.allow(guesser, at(1000)));
    }

    #[test]
    fn a_refusal_says_how_long_it_lasts() {
        let attempts = Attempts::new(2);
        assert_eq!(attempts.attempt('a', at(10)), Ok(1));
        assert_eq!(attempts.attempt('a', at(30)), Ok(2));
        assert_eq!(attempts.attempt('a', at(30)), Err(at(40)));
        assert_eq!(attempts.attempt('a', at(69)), Err(at(1)));
        assert_eq!(attempts.attempt('a', at(70)), Ok(2));
        assert_eq!(attempts.attempt('a', at(70)), Err(at(20)));
        attempts.take_back(&'a');
        assert_eq!(attempts.attempt('a', at(71)), Ok(2));
        assert_eq!(attempts.attempt('a', at(71)), Err(at(19)), "the older one still counts");
    }

    #[test]
    fn one_address_does_not_use_up_anothers_share() {
        let attempts = Attempts::new(1);
        assert!(attempts.allow(net("192.0.2.1"), at(0)));
        assert!(attempts.allow(net("192.0.2.2"), at(0)));
        assert!(!attempts.allow(net("192.0.2.1"), at(0)));
        assert!(!attempts.allow(net("::ffff:192.0.2.2"), at(0)));
    }

    #[test]
    fn a_whole_ipv6_network_is_one_client() {
        let attempts = Attempts::new(1);
        assert!(attempts.allow(net("2001:db8:0:1::1"), at(0)));
        assert!(!attempts.allow(net("2001:db8:0:1:ffff::2"), at(0)));
        assert!(attempts.allow(net("2001:db8:0:2::1"), at(0)));
    }

    #[test]
    fn many_addresses_stay_bounded() {
        let attempts = Attempts::new(1);
        for n in 0..u32::try_from(MOST_NAMES).unwrap() + 10 {
            attempts.allow(IpAddr::V4(n.into()), at(0));
        }
        assert!(attempts.by_name.lock().unwrap().len() <= MOST_NAMES);
    }
}
