//! What is to be played and could not be sent yet: sound, and the cues between it, in order.
//!
//! The echo engine puts in what it hears, a relay what its bot says. As a rule a frame passes straight
//! through, without a copy. What comes faster than it may be sent, and the odd byte of a frame that
//! splits a sample, is kept here until its turn; it knows nothing of when a call plays, which is for
//! `machine` to say. Nothing is lost of one who stops when there is no [`Playback::has_room`].

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Output, Time, outbox::Outbox};

/// Bytes of sound in the line's format from which on there is no room for more: two minutes at 16 kHz
/// and nine of mu-law; all that a bot's first burst may be ([`crate::budget::BYTES`]).
const ROOM: usize = 4 * 1024 * 1024;
/// The same for cues: more than stand between the pieces of 20 ms of a minute.
const ROOM_FOR_CUES: usize = 512 * 1024;
/// How much more room there is for one who is interrupted: for all that was kept, and for all that the
/// systems between us have taken of what was not read.
const INTERRUPTED: usize = 3;
/// The most bytes of sound that are kept: all that room, and the piece that filled it. What comes beyond
/// that is dropped.
const MOST: usize = INTERRUPTED * ROOM + 128 * 1024;
/// What a cue takes besides its name.
const CUE_BYTES: usize = 64;

/// What was put in and could not be sent yet.
#[derive(Debug, Default)]
pub struct Playback {
    kept: VecDeque<u8>,
    /// Cues within what is kept, each with the bytes before it.
    cues: VecDeque<(u64, Cue)>,
    /// Bytes that the cues take.
    cue_bytes: usize,
    /// Bytes taken out of `kept` so far: cues are measured from the beginning.
    taken: u64,
    dropped_bytes: u64,
}

/// What happens when the sound before it has been sent.
#[derive(Debug, PartialEq, Eq)]
enum Cue {
    /// A mark of this name is sent behind it.
    Mark(String),
    /// The peer is to play this key tone.
    Tone(char),
}

impl Cue {
    fn bytes(&self) -> usize {
        CUE_BYTES + if let Self::Mark(name) = self { name.len() } else { 0 }
    }

    fn send(self, out: &mut Outbox) {
        match self {
            Self::Mark(name) => out.mark(name),
            Self::Tone(key) => out.push(Output::Tone(key)),
        }
    }
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
        self.cue(Cue::Mark(name), out);
    }

    /// Has the peer play a key tone once all that was put in before has been sent.
    pub fn tone(&mut self, key: char, out: &mut Outbox) {
        self.cue(Cue::Tone(key), out);
    }

    fn cue(&mut self, cue: Cue, out: &mut Outbox) {
        if self.has_samples(out) {
            let before = self.taken + out.format().whole_samples(self.kept.len()) as u64;
            self.cue_bytes += cue.bytes();
            self.cues.push_back((before, cue));
        } else {
            cue.send(out);
        }
    }

    /// Sends what was kept, as far as there is room.
    pub fn release(&mut self, now: Time, out: &mut Outbox) {
        let format = out.format();
        while self.has_samples(out) {
            let mut size = format.whole_samples(self.kept.len()).min(format.frame_bytes());
            if let Some((before, _)) = self.cues.front() {
                // Not past a mark: what follows it may be cleared although it was played.
                size = size.min(usize::try_from(before - self.taken).unwrap_or(size));
            }
            if out.room(now) < size {
                return;
            }
            out.audio(now, self.take(size));
            while self.cues.front().is_some_and(|(before, _)| *before <= self.taken) {
                if let Some((_, cue)) = self.cues.pop_front() {
                    self.cue_bytes -= cue.bytes();
                    cue.send(out);
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

    /// Whether it takes more: one who stops then loses nothing. For one who is `interrupted` there is
    /// more room, so that word of it gets through although what was said before stands in its way.
    pub fn has_room(&self, interrupted: bool, out: &Outbox) -> bool {
        let times = if interrupted { INTERRUPTED } else { 1 };
        let cues = self.cue_bytes + out.marks().bytes();
        self.kept.len() < times * ROOM && cues < times * ROOM_FOR_CUES
    }

    /// The bytes at the start of the next frame that complete a sample begun by the last one.
    pub fn split_bytes(&self, out: &Outbox) -> usize {
        self.kept.len() - out.format().whole_samples(self.kept.len())
    }

    /// How long what is kept lasts.
    pub fn length(&self, out: &Outbox) -> std::time::Duration {
        out.format().length(self.kept.len())
    }

    /// Forgets what was kept, cues too.
    pub fn clear(&mut self) {
        self.kept = VecDeque::new();
        self.cues = VecDeque::new();
        self.cue_bytes = 0;
    }

    /// Forgets what was kept beyond so many bytes, and the cues in it.
    pub fn cut(&mut self, bytes: usize) {
        if bytes >= self.kept.len() {
            return;
        }
        self.kept.truncate(bytes);
        let end = self.taken + bytes as u64;
        self.cues.retain(|(before, _)| *before <= end);
        self.cue_bytes = self.cues.iter().map(|(_, cue)| cue.bytes()).sum();
    }

    /// Bytes put in and never sent, because too many were kept already.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// Drops whole samples only, so that what is kept stays in step; a sample whose halves came in
    /// two frames may take its first half with it.
    fn keep(&mut self, frame: &[u8], out: &Outbox) {
        let format = out.format();
        let heard = self.kept.len() + frame.len();
        let dropped = format.whole_samples(heard.saturating_sub(MOST));
        let stays = heard - dropped;
        self.kept.truncate(stays);
        if stays > self.kept.capacity() {
            // Twice as much each time, as usual, but never beyond what there can be.
            let capacity = stays.max(MOST.min(2 * self.kept.capacity()));
            self.kept.reserve_exact(capacity - self.kept.len());
        }
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
mod tests;
