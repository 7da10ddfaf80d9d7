//! What is to be played and could not be sent yet: sound, and the marks between it, in order.
//!
//! The echo engine puts in what it hears, a relay what its bot says. As a rule a frame passes straight
//! through, without a copy. What comes faster than it may be sent, and the odd byte of a frame that
//! splits a sample, is kept here until its turn; it knows nothing of when a call plays, which is for
//! `machine` to say.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Time, outbox::Outbox};

/// The longest sound kept for later, in seconds. What comes beyond that is dropped.
pub const KEPT_SECONDS: usize = 65;
/// The most marks kept for later. Further ones are dropped: nobody is told of them.
pub const KEPT_MARKS: usize = 64;

/// What was put in and could not be sent yet.
#[derive(Debug, Default)]
pub struct Playback {
    kept: VecDeque<u8>,
    /// Marks within what is kept, each with the bytes before it.
    marks: VecDeque<(u64, String)>,
    /// Bytes taken out of `kept` so far: marks are measured from the beginning.
    taken: u64,
    dropped_bytes: u64,
}

impl Playback {
    /// Takes a frame and sends what may be sent now.
    pub fn put(&mut self, now: Time, mut frame: Bytes, out: &mut Outbox) {
        if self.kept.is_empty() {
            let fits = out.format().whole_samples(frame.len().min(out.room(now)));
            if fits > 0 && fits == frame.len() {
                return out.audio(now, frame);
            }
            if fits > 0 {
                out.audio(now, frame.split_to(fits));
            }
        }
        if !frame.is_empty() {
            self.keep(&frame, out);
            self.release(now, out);
        }
    }

    /// Takes a frame and keeps it: its turn has not come.
    pub fn hold(&mut self, frame: &[u8], out: &Outbox) {
        self.keep(frame, out);
    }

    /// Takes a frame that nobody plays. Only the half of a sample that the next frame completes is
    /// remembered: forgetting it would turn all that follows into noise.
    pub fn ignore(&mut self, frame: &[u8], out: &Outbox) {
        let Some(last) = frame.last() else { return };
        let heard = self.kept.len() + frame.len();
        let splits = out.format().whole_samples(heard) != heard;
        self.kept.clear();
        self.kept.extend(splits.then_some(*last));
    }

    /// Asks to be told when all that was put in before has been played.
    pub fn mark(&mut self, name: String, out: &mut Outbox) {
        if !self.has_samples(out) {
            out.mark(name);
        } else if self.marks.len() < KEPT_MARKS {
            let before = self.taken + out.format().whole_samples(self.kept.len()) as u64;
            self.marks.push_back((before, name));
        }
    }

    /// Sends what was kept, as far as there is room.
    pub fn release(&mut self, now: Time, out: &mut Outbox) {
        let format = out.format();
        while self.has_samples(out) {
            let mut size = format.whole_samples(self.kept.len()).min(format.frame_bytes());
            if let Some((before, _)) = self.marks.front() {
                // Not past a mark: what follows it may be cleared although it was played.
                size = size.min(usize::try_from(before - self.taken).unwrap_or(size));
            }
            if out.room(now) < size {
                return;
            }
            out.audio(now, self.take(size));
            while self.marks.front().is_some_and(|(before, _)| *before <= self.taken) {
                if let Some((_, name)) = self.marks.pop_front() {
                    out.mark(name);
                }
            }
        }
        // A burst's memory is not held for the rest of the call.
        self.kept.shrink_to(4 * format.frame_bytes());
    }

    /// Whether anything that was kept waits to be sent.
    pub fn has_samples(&self, out: &Outbox) -> bool {
        self.kept.len() >= out.format().sample_bytes()
    }

    /// The bytes at the start of the next frame that complete a sample begun by the last one.
    pub fn split_bytes(&self, out: &Outbox) -> usize {
        self.kept.len() - out.format().whole_samples(self.kept.len())
    }

    /// How long what is kept lasts.
    pub fn length(&self, out: &Outbox) -> std::time::Duration {
        out.format().length(self.kept.len())
    }

    /// Forgets what was kept, marks too.
    pub fn clear(&mut self) {
        self.kept = VecDeque::new();
        self.marks.clear();
    }

    /// Everything that was kept, to be said by somebody else; marks are forgotten.
    pub fn drain(&mut self) -> Bytes {
        self.marks.clear();
        Vec::from(std::mem::take(&mut self.kept)).into()
    }

    /// Bytes put in and never sent, because too many were kept already.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// Drops whole samples only, so that what is kept stays in step; a sample whose halves came in
    /// two frames may take its first half with it.
    fn keep(&mut self, frame: &[u8], out: &Outbox) {
        let format = out.format();
        let most = KEPT_SECONDS * format.bytes_per_second();
        let heard = self.kept.len() + frame.len();
        let dropped = format.whole_samples(heard.saturating_sub(most));
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
        self.taken += size as u64;
        frame.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation, reason = "tests")]
    use std::time::Duration;

    use super::{super::Output, *};
    use crate::audio::format::Format;

    const KEPT_BYTES: usize = KEPT_SECONDS * 32_000;

    fn outbox() -> Outbox {
        Outbox::new(Format::NATIVE, Duration::from_millis(180), false)
    }

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
        let (mut playback, mut out) = (Playback::default(), outbox());
        let frame = counting(640);
        playback.put(Time::ZERO, frame.clone(), &mut out);
        let sent = sent(&mut out);
        assert_eq!(sent, [&frame]);
        assert_eq!(sent[0].as_ptr(), frame.as_ptr());
        assert_eq!(playback.kept.capacity(), 0);
    }

    #[test]
    fn an_odd_byte_is_carried_into_the_next_frame() {
        let (mut playback, mut out) = (Playback::default(), outbox());
        let stream = counting(641 + 1 + 638);
        let frames = [stream.slice(..641), stream.slice(641..642), stream.slice(642..)];
        let mut heard = Vec::new();
        for frame in frames {
            playback.put(Time::ZERO, frame, &mut out);
            for frame in sent(&mut out) {
                assert_eq!(frame.len() % 2, 0);
                heard.extend_from_slice(&frame);
            }
        }
        assert_eq!(heard, stream);
    }

    #[test]
    fn one_byte_is_a_sample_where_it_is_one() {
        let mut playback = Playback::default();
        let mut out = Outbox::new(Format::PCMU, Duration::from_millis(180), false);
        playback.put(Time::ZERO, counting(161), &mut out);
        assert_eq!(sent(&mut out), [counting(161)]);
        assert_eq!(playback.split_bytes(&out), 0);
    }

    #[test]
    fn a_burst_is_kept_and_released_in_time() {
        let (mut playback, mut out) = (Playback::default(), outbox());
        let burst = counting(32_000);
        let mut now = Time::ZERO;
        playback.put(now, burst.clone(), &mut out);
        while playback.has_samples(&out) {
            now = out.refill_at();
            playback.release(now, &mut out);
        }
        assert_eq!(sent(&mut out).concat(), burst);
        assert_eq!(out.played_at(), Duration::from_secs(1));
        assert!(playback.kept.capacity() <= 4 * 640);
    }

    #[test]
    fn a_mark_is_sent_right_behind_what_was_put_in_before_it() {
        let (mut playback, mut out) = (Playback::default(), outbox());
        playback.mark("at once".to_owned(), &mut out);
        playback.put(Time::ZERO, counting(9_000), &mut out);
        playback.mark("middle".to_owned(), &mut out);
        playback.put(Time::ZERO, counting(1_000), &mut out);
        let mut now = Time::ZERO;
        while playback.has_samples(&out) {
            now = out.refill_at();
            playback.release(now, &mut out);
        }
        let (mut bytes, mut marked_at) = (0, Vec::new());
        while let Some(output) = out.pop() {
            match output {
                Output::Audio(frame) => bytes += frame.len(),
                Output::Mark(_) => marked_at.push(bytes),
                _ => {}
            }
        }
        assert_eq!((marked_at, bytes), (vec![0, 9_000], 10_000));
        let late = now + Duration::from_secs(1);
        let names: Vec<_> = std::iter::from_fn(|| out.marks_mut().overdue(late)).collect();
        assert_eq!(names, ["at once", "middle"]);
    }

    #[test]
    fn beyond_the_bound_the_newest_whole_samples_are_dropped() {
        let (mut playback, mut out) = (Playback::default(), outbox());
        let room = out.room(Time::ZERO);
        playback.put(Time::ZERO, counting(room + KEPT_BYTES - 1), &mut out);
        assert_eq!((playback.kept.len(), playback.dropped_bytes()), (KEPT_BYTES - 1, 0));
        playback.put(Time::ZERO, counting(4), &mut out);
        assert_eq!((playback.kept.len(), playback.dropped_bytes()), (KEPT_BYTES + 1, 2));
        for byte in 1..=100 {
            playback.put(Time::ZERO, counting(1), &mut out);
            let in_step = usize::from(byte % 2 == 0);
            assert_eq!(playback.split_bytes(&out), in_step, "still in step");
            assert!(playback.kept.len() <= KEPT_BYTES + 1);
        }
    }

    #[test]
    fn what_is_ignored_leaves_at_most_half_a_sample() {
        let (mut playback, out) = (Playback::default(), outbox());
        playback.ignore(&[1, 2, 3], &out);
        assert_eq!((playback.split_bytes(&out), playback.has_samples(&out)), (1, false));
        playback.ignore(&[], &out);
        assert_eq!(playback.kept, [3]);
        playback.ignore(&[4, 5], &out);
        assert_eq!(playback.kept, [5]);
        playback.ignore(&[6], &out);
        assert_eq!(playback.split_bytes(&out), 0);
    }
}
