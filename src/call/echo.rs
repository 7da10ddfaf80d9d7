//! The echo engine's ear and memory: what is heard is returned, byte for byte, in order.
//!
//! As a rule a frame passes straight through, without a copy. What comes faster than it may be sent,
//! and the odd byte of a frame that splits a sample, is kept here until its turn; it knows nothing of
//! when a call echoes, which is for `machine` to say.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Time, outbox::Outbox};
use crate::audio::{self, FRAME_BYTES, whole_samples};

/// The most bytes kept for later: about 65 seconds. What a caller sends beyond that is dropped.
pub const KEPT_BYTES: usize = 2 << 20;

/// What was heard and could not be returned yet.
#[derive(Debug, Default)]
pub struct Echo {
    kept: VecDeque<u8>,
    dropped_bytes: u64,
}

impl Echo {
    /// Hears a frame and returns what may be sent now.
    pub fn hear(&mut self, now: Time, mut frame: Bytes, out: &mut Outbox) {
        if self.kept.is_empty() {
            let direct = frame.split_to(whole_samples(frame.len().min(out.room(now))));
            if !direct.is_empty() {
                out.audio(now, direct);
            }
        }
        if !frame.is_empty() {
            self.keep(&frame);
            self.release(now, out);
        }
    }

    /// Hears a frame that nobody echoes. Only the half of a sample that the next frame completes is
    /// remembered: forgetting it would turn all that follows into noise.
    pub fn ignore(&mut self, frame: &[u8]) {
        let Some(last) = frame.last() else { return };
        let splits = !(self.kept.len() + frame.len()).is_multiple_of(2);
        self.kept.clear();
        self.kept.extend(splits.then_some(*last));
    }

    /// Sends what was kept, as far as there is room.
    pub fn release(&mut self, now: Time, out: &mut Outbox) {
        while self.has_samples() {
            let size = whole_samples(self.kept.len()).min(FRAME_BYTES);
            if out.room(now) < size {
                return;
            }
            out.audio(now, self.take(size));
        }
        // A burst's memory is not held for the rest of the call.
        self.kept.shrink_to(4 * FRAME_BYTES);
    }

    /// Whether anything that was kept waits to be sent.
    pub fn has_samples(&self) -> bool {
        self.kept.len() >= 2
    }

    /// The bytes at the start of the next frame that complete a sample begun by the last one.
    pub fn split_bytes(&self) -> usize {
        self.kept.len() % 2
    }

    /// How long what is kept lasts.
    pub fn length(&self) -> std::time::Duration {
        audio::length(self.kept.len())
    }

    /// Forgets what was kept.
    pub fn clear(&mut self) {
        self.kept = VecDeque::new();
    }

    /// Bytes heard and never returned, because too many were kept already.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// Drops whole samples only, so that what is kept stays in step; a sample whose halves came in
    /// two frames may take its first half with it.
    fn keep(&mut self, frame: &[u8]) {
        let heard = self.kept.len() + frame.len();
        let dropped = whole_samples(heard.saturating_sub(KEPT_BYTES));
        let stays = heard - dropped;
        self.kept.truncate(stays);
        self.kept.extend(&frame[..stays - self.kept.len()]);
        self.dropped_bytes += dropped as u64;
    }

    fn take(&mut self, size: usize) -> Bytes {
        let (front, back) = self.kept.as_slices();
        let mut frame = Vec::with_capacity(size);
        frame.extend_from_slice(&front[..size.min(front.len())]);
        frame.extend_from_slice(&back[..size - frame.len()]);
        self.kept.drain(..size);
        frame.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation, reason = "tests")]
    use std::time::Duration;

    use super::{super::Output, *};

    fn sent(out: &mut Outbox) -> Vec<Bytes> {
        std::iter::from_fn(|| out.pop())
            .filter_map(|output| match output {
                Output::Audio(frame) => Some(frame),
                _ => None,
            })
            .collect()
    }

    fn counting(bytes: usize) -> Bytes {
        (0..bytes).map(|i| (i * 7 / 5) as u8).collect()
    }

    #[test]
    fn a_frame_passes_through_without_a_copy() {
        let (mut echo, mut out) = (Echo::default(), Outbox::default());
        let frame = counting(640);
        echo.hear(Time::ZERO, frame.clone(), &mut out);
        let sent = sent(&mut out);
        assert_eq!(sent, [&frame]);
        assert_eq!(sent[0].as_ptr(), frame.as_ptr());
        assert_eq!(echo.kept.capacity(), 0);
    }

    #[test]
    fn an_odd_byte_is_carried_into_the_next_frame() {
        let (mut echo, mut out) = (Echo::default(), Outbox::default());
        let stream = counting(641 + 1 + 638);
        let frames = [stream.slice(..641), stream.slice(641..642), stream.slice(642..)];
        let mut heard = Vec::new();
        for frame in frames {
            echo.hear(Time::ZERO, frame, &mut out);
            for frame in sent(&mut out) {
                assert_eq!(frame.len() % 2, 0);
                heard.extend_from_slice(&frame);
            }
        }
        assert_eq!(heard, stream);
    }

    #[test]
    fn a_burst_is_kept_and_released_in_time() {
        let (mut echo, mut out) = (Echo::default(), Outbox::default());
        let burst = counting(32_000);
        let mut now = Time::ZERO;
        echo.hear(now, burst.clone(), &mut out);
        while echo.has_samples() {
            now = out.refill_at();
            echo.release(now, &mut out);
        }
        assert_eq!(sent(&mut out).concat(), burst);
        assert_eq!(out.played_at(), Duration::from_secs(1));
        assert!(echo.kept.capacity() <= 4 * FRAME_BYTES);
    }

    #[test]
    fn beyond_the_bound_the_newest_whole_samples_are_dropped() {
        let (mut echo, mut out) = (Echo::default(), Outbox::default());
        let room = out.room(Time::ZERO);
        echo.hear(Time::ZERO, counting(room + KEPT_BYTES - 1), &mut out);
        assert_eq!((echo.kept.len(), echo.dropped_bytes()), (KEPT_BYTES - 1, 0));
        echo.hear(Time::ZERO, counting(4), &mut out);
        assert_eq!((echo.kept.len(), echo.dropped_bytes()), (KEPT_BYTES + 1, 2));
        for byte in 1..=100 {
            echo.hear(Time::ZERO, counting(1), &mut out);
            assert_eq!(echo.split_bytes(), usize::from(byte % 2 == 0), "still in step");
            assert!(echo.kept.len() <= KEPT_BYTES + 1);
        }
    }

    #[test]
    fn what_is_ignored_leaves_at_most_half_a_sample() {
        let mut echo = Echo::default();
        echo.ignore(&[1, 2, 3]);
        assert_eq!((echo.split_bytes(), echo.has_samples()), (1, false));
        echo.ignore(&[]);
        assert_eq!(echo.kept, [3]);
        echo.ignore(&[4, 5]);
        assert_eq!(echo.kept, [5]);
        echo.ignore(&[6]);
        assert_eq!(echo.split_bytes(), 0);
    }
}
