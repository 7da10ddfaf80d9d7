//! The way out: what the peer is sent, in order, and how much of it is still to be played.
//!
//! All audio passes through here, so two promises are kept in this one file: audio only ever stands
//! between `audio_start` and `audio_end`, and never more of it is under way than a listener should
//! have to wait out. What is worth saying is decided in `machine`.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{Event, Output, Time};
use crate::audio;

/// The most audio that may be sent ahead of its playing. The promise made to peers is 200 ms; one
/// frame less leaves room for a peer whose clock reads a little differently.
pub const AHEAD: Duration = Duration::from_millis(180);

/// With this much left to play it is time to send more: late enough that speaking takes one wake-up
/// for five frames, early enough that a late wake-up is not heard.
const REFILL: Duration = Duration::from_millis(80);

/// Outputs not yet collected, and a virtual listener who plays what was sent at 16 kHz.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Output>,
    in_stretch: bool,
    played_at: Time,
    last_audio_at: Time,
}

impl Outbox {
    /// The next output, oldest first.
    pub fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// Sends anything but audio.
    pub fn push(&mut self, output: Output) {
        debug_assert!(!matches!(output, Output::Audio(_)), "audio is sent by `audio`");
        self.queue.push_back(output);
    }

    /// Sends audio that fits into [`Outbox::room`], opening a stretch if none is open.
    pub fn audio(&mut self, now: Time, frame: Bytes) {
        if !self.in_stretch {
            self.in_stretch = true;
            self.queue.push_back(Output::Event(Event::AudioStart));
        }
        self.played_at = self.played_at.max(now) + audio::length(frame.len());
        self.last_audio_at = now;
        self.queue.push_back(Output::Audio(frame));
    }

    /// Closes the stretch of audio, if one is open.
    pub fn end_stretch(&mut self) {
        if std::mem::take(&mut self.in_stretch) {
            self.queue.push_back(Output::Event(Event::AudioEnd));
        }
    }

    /// Whether a stretch of audio is open.
    pub fn in_stretch(&self) -> bool {
        self.in_stretch
    }

    /// How many bytes may be sent now, in whole samples.
    pub fn room(&self, now: Time) -> usize {
        audio::bytes_within(AHEAD.saturating_sub(self.in_flight(now)))
    }

    /// How much of what was sent is still to be played.
    pub fn in_flight(&self, now: Time) -> Duration {
        self.played_at.saturating_sub(now)
    }

    /// When all that was sent has been played; in the past if nothing is under way.
    pub fn played_at(&self) -> Time {
        self.played_at
    }

    /// When to come back with audio that did not fit.
    pub fn refill_at(&self) -> Time {
        self.played_at.saturating_sub(REFILL)
    }

    /// When audio was last sent.
    pub fn last_audio_at(&self) -> Time {
        self.last_audio_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(7);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn audio_opens_one_stretch_and_closing_twice_says_it_once() {
        let mut out = Outbox::default();
        out.end_stretch();
        out.audio(NOW, Bytes::from_static(&[1, 2]));
        out.audio(NOW, Bytes::from_static(&[3, 4]));
        out.end_stretch();
        out.end_stretch();
        let sent: Vec<_> = std::iter::from_fn(|| out.pop()).collect();
        assert_eq!(
            sent,
            [
                Output::Event(Event::AudioStart),
                Output::Audio(Bytes::from_static(&[1, 2])),
                Output::Audio(Bytes::from_static(&[3, 4])),
                Output::Event(Event::AudioEnd),
            ]
        );
    }

    #[test]
    fn room_shrinks_with_what_is_sent_and_grows_with_time() {
        let mut out = Outbox::default();
        assert_eq!(out.room(NOW), 9 * audio::FRAME_BYTES);
        out.audio(NOW, Bytes::from(vec![0; 9 * audio::FRAME_BYTES]));
        assert_eq!(out.room(NOW), 0);
        assert_eq!(out.in_flight(NOW), AHEAD);
        assert_eq!(out.room(NOW + ms(20)), audio::FRAME_BYTES);
        assert_eq!(out.refill_at(), NOW + ms(100));
        assert_eq!(out.room(out.refill_at()), 5 * audio::FRAME_BYTES);
        assert_eq!(out.in_flight(NOW + ms(181)), Duration::ZERO);
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let mut out = Outbox::default();
        out.audio(NOW, Bytes::from(vec![0; audio::FRAME_BYTES]));
        out.audio(NOW + ms(5_000), Bytes::from(vec![0; audio::FRAME_BYTES]));
        assert_eq!(out.played_at(), NOW + ms(5_020));
    }
}
