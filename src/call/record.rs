//! How much of what is said is kept: so many bytes a call, and so many a minute of what others say.
//!
//! A transcript is read by people and written by one database for everybody, so neither a bot that
//! never stops talking nor a caller who leans on a key may fill it. What is left out leaves one line in
//! its place, which says that more was said. It knows no line; `machine` asks it about each.

use super::Time;
use crate::budget::Budget;

/// Bytes that a line takes besides its words.
const LINE: usize = 64;
/// Bytes of lines within a minute, and at once: a minute of speech has about one thousand.
const A_MINUTE: u32 = 32 * 1024;

/// What is still kept of a call.
#[derive(Debug)]
pub struct Record {
    left: usize,
    rate: Budget,
    /// The last thing said was left out, and a line says so.
    omits: bool,
    /// Nothing more is kept.
    is_full: bool,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    Line,
    /// It is left out, and that is kept in its place.
    Omission,
    /// It is left out, as the one before it was.
    Nothing,
}

impl Record {
    /// A record of at most `bytes`.
    pub fn of(bytes: usize) -> Self {
        let rate = Budget::new(A_MINUTE / 60, A_MINUTE);
        // The line that says that more was said is kept free.
        Self { left: bytes.saturating_sub(LINE), rate, omits: false, is_full: false }
    }

    /// Whether others have said no more than they may, these `words` bytes included.
    pub fn is_slow(&mut self, now: Time, words: usize) -> bool {
        self.rate.try_spend(now, LINE + words)
    }

    /// What becomes of a line of `words` bytes, which was said slowly enough or not.
    pub fn keep(&mut self, words: usize, is_slow: bool) -> Kept {
        let size = LINE + words;
        if self.is_full {
            return Kept::Nothing;
        }
        if is_slow && size <= self.left {
            self.left -= size;
            self.omits = false;
            return Kept::Line;
        }
        // What does not fit ends the record, though shorter lines would: it has one end.
        self.is_full = size > self.left;
        if std::mem::replace(&mut self.omits, true) {
            return Kept::Nothing;
        }
        if !self.is_full {
            self.left -= LINE;
        }
        Kept::Omission
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Time = Duration::from_secs(1_000);

    #[test]
    fn a_record_has_one_end_and_says_so_once() {
        let mut record = Record::of(10_000);
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            kept.push(record.keep(36, true));
        }
        let lines = kept.iter().filter(|kept| **kept == Kept::Line).count();
        assert_eq!((lines, kept[lines]), (99, Kept::Omission), "9,900 bytes and 64");
        assert!(kept[lines + 1..].iter().all(|kept| *kept == Kept::Nothing));
        assert_eq!(record.keep(0, true), Kept::Nothing, "also what would fit");
    }

    #[test]
    fn what_is_said_too_fast_is_left_out_and_what_follows_is_kept() {
        let mut record = Record::of(1 << 20);
        let mut said = |now, words| {
            let is_slow = record.is_slow(now, words);
            record.keep(words, is_slow)
        };
        assert_eq!(said(NOW, 32_000), Kept::Line);
        assert_eq!(said(NOW, 1_000), Kept::Omission);
        assert_eq!(said(NOW, 1_000), Kept::Nothing);
        assert_eq!(said(NOW + Duration::from_secs(10), 1_000), Kept::Line);
        assert_eq!(said(NOW + Duration::from_secs(10), 100_000), Kept::Omission);
        assert_eq!(said(NOW + Duration::from_secs(60), 1_000), Kept::Line);
    }

    #[test]
    fn many_omissions_fill_a_record_too() {
        let mut record = Record::of(1_000);
        let mut kept = 0;
        for _ in 0..100 {
            kept += usize::from(record.keep(0, true) != Kept::Nothing);
            kept += usize::from(record.keep(0, false) != Kept::Nothing);
        }
        assert!(kept * LINE <= 1_000, "{kept} lines");
    }

    #[test]
    fn the_smallest_record_and_the_longest_line_do_not_panic() {
        let mut record = Record::of(0);
        assert!(!record.is_slow(NOW, usize::MAX / 2));
        assert_eq!(record.keep(usize::MAX / 2, false), Kept::Omission);
        assert_eq!(record.keep(0, true), Kept::Nothing);
    }
}
