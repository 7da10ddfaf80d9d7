//! How many refusals an address has had within the last minute.
//!
//! Whoever guesses keys is slowed down; whoever has a valid key never meets this. Pure but for the
//! lock: the time is passed in. An IPv6 client owns a whole /64, so that is what is counted.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The window, in slots of one second.
const WINDOW: usize = 60;
/// Addresses remembered at most, about 16 MiB; when it is full, addresses with a quiet minute go.
const MOST_ADDRESSES: usize = 100_000;

/// Refusals by address.
pub struct Attempts {
    allowed: u32,
    by_address: Mutex<HashMap<IpAddr, Refusals>>,
}

/// The refusals of one address: a ring of one-second slots.
struct Refusals {
    slots: [u16; WINDOW],
    /// The second that the newest slot stands for.
    newest: u64,
}

impl Attempts {
    /// Allows so many refusals within a minute.
    pub fn new(allowed: u32) -> Self {
        Self { allowed, by_address: Mutex::default() }
    }

    /// Counts a refusal that is about to be answered. False: this address has had its share, and
    /// is to be told so instead.
    pub fn allow(&self, address: IpAddr, now: Duration) -> bool {
        let second = now.as_secs();
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if by_address.len() >= MOST_ADDRESSES {
            by_address.retain(|_, refusals| refusals.newest + WINDOW as u64 > second);
            // Still full: a distributed attack. Forgetting all of it keeps memory bounded, and
            // costs no valid key anything.
            if by_address.len() >= MOST_ADDRESSES {
                by_address.clear();
            }
        }
        let refusals = by_address
            .entry(counted(address))
            .or_insert(Refusals { slots: [0; WINDOW], newest: second });
        refusals.advance(second);
        if refusals.count() >= self.allowed {
            return false;
        }
        refusals.add();
        true
    }
}

impl Refusals {
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

    fn count(&self) -> u32 {
        self.slots.iter().copied().map(u32::from).sum()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 60")]
    fn slot(second: u64) -> usize {
        (second % WINDOW as u64) as usize
    }
}

/// The address or network that is counted.
fn counted(address: IpAddr) -> IpAddr {
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
    }

    #[test]
    fn one_address_does_not_use_up_anothers_share() {
        let attempts = Attempts::new(1);
        assert!(attempts.allow("192.0.2.1".parse().unwrap(), at(0)));
        assert!(attempts.allow("192.0.2.2".parse().unwrap(), at(0)));
        assert!(!attempts.allow("192.0.2.1".parse().unwrap(), at(0)));
        assert!(!attempts.allow("::ffff:192.0.2.2".parse().unwrap(), at(0)));
    }

    #[test]
    fn a_whole_ipv6_network_is_one_client() {
        let attempts = Attempts::new(1);
        assert!(attempts.allow("2001:db8:0:1::1".parse().unwrap(), at(0)));
        assert!(!attempts.allow("2001:db8:0:1:ffff::2".parse().unwrap(), at(0)));
        assert!(attempts.allow("2001:db8:0:2::1".parse().unwrap(), at(0)));
    }

    #[test]
    fn many_addresses_stay_bounded() {
        let attempts = Attempts::new(1);
        for n in 0..u32::try_from(MOST_ADDRESSES).unwrap() + 10 {
            attempts.allow(IpAddr::V4(n.into()), at(0));
        }
        assert!(attempts.by_address.lock().unwrap().len() <= MOST_ADDRESSES);
    }
}
