//! Pieces of audio that were overtaken on their way, put back in order by their numbers.
//!
//! What comes in order passes at once. A piece that is missing is waited for until [`WINDOW`] later
//! ones are there; then it is given up. No clock is needed: pieces come as time passes.

use bytes::Bytes;

/// The most pieces that wait for one that is missing: 100 ms of sound.
const WINDOW: usize = 5;
/// A piece that is late by more than this many is no latecomer: the count has begun anew.
const ANEW: u64 = 50;

/// Pieces on their way.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    /// The number that comes next; not known before the first piece.
    next: Option<u64>,
    /// Pieces that came too early, by number.
    waiting: Vec<(u64, Bytes)>,
}

impl Reorder {
    /// Takes a piece. One that comes again, or after it was given up, is dropped.
    pub fn push(&mut self, number: u64, piece: Bytes) {
        // Providers count from 1. Who comes in later, or counts from 0, is taken as it comes.
        let first = if number <= WINDOW as u64 { number.min(1) } else { number };
        let next = self.next.get_or_insert(first);
        if number.saturating_add(ANEW) < *next {
            *next = number;
            self.waiting.clear();
        }
        if number >= *next
            && let Err(at) = self.waiting.binary_search_by_key(&number, |(number, _)| *number)
        {
            self.waiting.insert(at, (number, piece));
        }
    }

    /// The next piece, if it is there or there is no hope for those before it.
    pub fn pop(&mut self) -> Option<Bytes> {
        let (number, _) = self.waiting.first()?;
        if self.next != Some(*number) && self.waiting.len() < WINDOW {
            return None;
        }
        let (number, piece) = self.waiting.remove(0);
        self.next = Some(number.saturating_add(1));
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out after each of these pieces.
    fn passed(numbers: &[u64]) -> Vec<Vec<u64>> {
        let mut reorder = Reorder::default();
        let pieces = numbers.iter().map(|number| {
            reorder.push(*number, Bytes::copy_from_slice(&number.to_le_bytes()));
            let out = std::iter::from_fn(|| reorder.pop());
            out.map(|piece| u64::from_le_bytes(piece[..].try_into().unwrap())).collect()
        });
        pieces.collect()
    }

    fn in_all(numbers: &[u64]) -> Vec<u64> {
        passed(numbers).concat()
    }

    #[test]
    fn what_is_in_order_passes_at_once() {
        assert_eq!(passed(&[1, 2, 3]), [[1], [2], [3]]);
        assert_eq!(passed(&[0, 1, 2]), [[0], [1], [2]], "counted from 0");
        assert_eq!(passed(&[70, 71]), [[70], [71]], "counted from anywhere");
    }

    #[test]
    fn what_was_overtaken_is_put_back() {
        assert_eq!(passed(&[1, 3, 2]), [vec![1], vec![], vec![2, 3]]);
        assert_eq!(in_all(&[2, 1, 3]), [1, 2, 3], "also at the very beginning");
        assert_eq!(in_all(&[1, 5, 4, 3, 2, 6]), [1, 2, 3, 4, 5, 6]);
        assert_eq!(in_all(&[1, 1, 3, 3, 2, 2, 4]), [1, 2, 3, 4], "what comes twice is heard once");
    }

    #[test]
    fn what_is_lost_is_given_up_when_five_wait() {
        let lost = passed(&[1, 3, 4, 5, 6, 7, 2, 8]);
        assert!(lost[1..5].iter().all(Vec::is_empty));
        assert_eq!(lost[5], [3, 4, 5, 6, 7]);
        assert_eq!(lost[6..], [vec![], vec![8]], "too late is dropped");
    }

    #[test]
    fn a_count_that_begins_anew_is_followed() {
        let mut numbers: Vec<u64> = (1..=60).collect();
        numbers.extend(1..=3);
        assert_eq!(passed(&numbers)[60..], [[1], [2], [3]]);
        assert_eq!(
            in_all(&[u64::MAX - 1, u64::MAX, u64::MAX, 7]),
            [u64::MAX - 1, u64::MAX, u64::MAX, 7]
        );
    }

    proptest! {
        #[test]
        fn any_numbers_are_survived_and_few_wait(numbers: Vec<u64>) {
            let mut reorder = Reorder::default();
            for number in numbers {
                reorder.push(number, Bytes::new());
                while reorder.pop().is_some() {}
                prop_assert!(reorder.waiting.len() < WINDOW);
            }
        }

        #[test]
        fn a_little_disorder_is_undone(moves in prop::collection::vec(0usize..4, 50)) {
            let mut numbers: Vec<u64> = (1..=50).collect();
            for (at, by) in moves.into_iter().enumerate().step_by(4) {
                let to = (at + by).min(49);
                let number = numbers.remove(at);
                numbers.insert(to, number);
            }
            prop_assert_eq!(in_all(&numbers), (1..=50).collect::<Vec<_>>());
        }
    }
}
