//! The way out: what the peer is sent, in order, and how much of it is still to be played.
//!
//! All audio passes through here, so two promises are kept in this one file: audio only ever stands
//! between `audio_start` and `audio_end`, and never more of it is under way than a listener should
//! have to wait out. What is worth saying is decided in `machine`.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    Event, Output, Time,
    event::Stretch,
    marks::{Marks, Tag},
    stretches::Stretches,
};
use crate::audio::{format::Format, level};

/// With this much left to play it is time to send more: late enough that speaking takes one wake-up
/// for five frames, early enough that a late wake-up is not heard.
const REFILL: Duration = Duration::from_millis(80);

/// Outputs not yet collected, and a virtual listener who plays what was sent.
#[derive(Debug)]
pub struct Outbox {
    format: Format,
    ahead: Duration,
    queue: VecDeque<Output>,
    in_stretch: bool,
    played_at: Time,
    last_audio_at: Time,
    marks: Marks,
    stretches: Stretches,
}

impl Outbox {
    /// The way out to a peer who plays this format and is sent at most `ahead` of its playing.
    /// `told`: the peer tells when a mark is reached.
    pub fn new(format: Format, ahead: Duration, told: bool) -> Self {
        Self {
            format,
            ahead,
            queue: VecDeque::new(),
            in_stretch: false,
            played_at: Time::ZERO,
            last_audio_at: Time::ZERO,
            marks: Marks::new(told),
            stretches: Stretches::since(Time::ZERO),
        }
    }

    /// The same for a call that begins now: who was heard is told in time since then.
    pub fn since(mut self, now: Time) -> Self {
        self.stretches = Stretches::since(now);
        self
    }

    /// How audio is written here.
    pub fn format(&self) -> Format {
        self.format
    }

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
        let begin = self.played_at.max(now);
        self.played_at = begin + self.format.length(frame.len());
        self.last_audio_at = now;
        self.plays(begin, &frame);
        self.queue.push_back(Output::Audio(frame));
    }

    /// Tells what of a frame is heard, 20 ms at a time.
    fn plays(&mut self, mut begin: Time, frame: &[u8]) {
        let format = self.format;
        for window in frame.chunks(format.frame_bytes()) {
            let end = begin + format.length(window.len());
            let is_voiced = level::is_voiced(format, window);
            self.heard(|stretches, _| stretches.agent_plays(begin, end, is_voiced));
            begin = end;
        }
    }

    /// Closes the stretch of audio, if one is open.
    pub fn end_stretch(&mut self) {
        if std::mem::take(&mut self.in_stretch) {
            self.queue.push_back(Output::Event(Event::AudioEnd));
            self.heard(|stretches, played_at| stretches.agent_stops(played_at));
        }
    }

    /// The caller is heard.
    pub fn caller_speaks(&mut self, now: Time) {
        self.heard(|stretches, _| stretches.caller_speaks(now));
    }

    /// Nobody will be heard any more.
    pub fn end_stretches(&mut self, now: Time) {
        self.heard(|stretches, played_at| stretches.agent_stops(played_at.min(now)));
        self.heard(|stretches, _| stretches.caller_stops());
    }

    fn heard(&mut self, by: impl FnOnce(&mut Stretches, Time) -> Option<Stretch>) {
        if let Some(stretch) = by(&mut self.stretches, self.played_at) {
            self.queue.push_back(Output::Heard(stretch));
        }
    }

    /// Whether a stretch of audio is open.
    pub fn in_stretch(&self) -> bool {
        self.in_stretch
    }

    /// Sends a mark that the agent is told of when it is reached.
    pub fn mark(&mut self, name: String) {
        let tag = self.marks.named(name, self.played_at);
        self.queue.push_back(Output::Mark(tag));
    }

    /// Sends a mark that only the machine waits for.
    pub fn unnamed_mark(&mut self) -> Tag {
        let tag = self.marks.unnamed();
        self.queue.push_back(Output::Mark(tag));
        tag
    }

    /// The marks under way.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The marks under way, to take out what is reached.
    pub fn marks_mut(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// Has the peer drop what was sent and not been played, and closes the stretch.
    pub fn clear(&mut self, now: Time) {
        self.queue.push_back(Output::Clear);
        self.played_at = self.played_at.min(now);
        self.end_stretch();
        self.marks.clear();
    }

    /// How many bytes may be sent now, in whole samples.
    pub fn room(&self, now: Time) -> usize {
        self.format.bytes_within(self.ahead.saturating_sub(self.in_flight(now)))
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
    use crate::audio;

    const AHEAD: Duration = Duration::from_millis(180);

    fn outbox() -> Outbox {
        Outbox::new(Format::NATIVE, AHEAD, false)
    }

    const NOW: Time = Time::from_secs(7);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn audio_opens_one_stretch_and_closing_twice_says_it_once() {
        let mut out = outbox();
        out.end_stretch();
        out.audio(NOW, Bytes::from_static(&[1, 2]));
        out.audio(NOW, Bytes::from_static(&[3, 4]));
        out.end_stretch();
        out.end_stretch();
        let heard = |output: &Output| matches!(output, Output::Heard(_));
        let sent: Vec<_> = std::iter::from_fn(|| out.pop()).filter(|o| !heard(o)).collect();
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
        let mut out = outbox();
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
        let mut out = outbox();
        out.audio(NOW, Bytes::from(vec![0; audio::FRAME_BYTES]));
        out.audio(NOW + ms(5_000), Bytes::from(vec![0; audio::FRAME_BYTES]));
        assert_eq!(out.played_at(), NOW + ms(5_020));
    }

    #[test]
    fn a_clear_makes_room_and_ends_the_stretch() {
        let mut out = outbox();
        out.audio(NOW, Bytes::from(vec![0; 9 * audio::FRAME_BYTES]));
        while out.pop().is_some() {}
        out.clear(NOW + ms(20));
        assert_eq!(out.pop(), Some(Output::Clear));
        assert_eq!(out.pop(), Some(Output::Event(Event::AudioEnd)));
        assert_eq!(out.in_flight(NOW + ms(20)), Duration::ZERO);
        assert_eq!(out.room(NOW + ms(20)), 9 * audio::FRAME_BYTES);
    }
}
