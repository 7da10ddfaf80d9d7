//! The provider's playback buffer: what it was sent is played at real time, a mark is reached when
//! all before it has been played, and a clear drops the rest.
//!
//! It also judges the pace: sound that comes so late that the caller hears a hole, and sound that
//! comes so early that a barge-in is heard late. Where one stretch of sound ends and the next begins is
//! told by a mark at most; so only what is audible right before and after it is a hole. Pure: it is
//! given the time.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{Complaint, ear::audible};
use crate::audio::format::Format;

/// The longest hole in a segment of sound that is no complaint.
const HOLE: Duration = Duration::from_millis(40);
/// A silence that is longer than this stands between two stretches and is no hole.
const PAUSE: Duration = Duration::from_secs(1);
/// How much more than allowed may be under way: our own clock begins when the first byte arrives,
/// and that of the sender before.
const GRACE: Duration = Duration::from_millis(100);

/// What a provider asks of those who send it sound.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The most sound that may be under way.
    pub ahead: Duration,
    /// How much sound it waits for before it plays any: at first, and later. `None`: it plays at
    /// once.
    pub holds: Option<(Duration, Duration)>,
}

/// What has happened in the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Played {
    /// This sound was played.
    Sound(Bytes),
    /// This mark was reached.
    Mark(String),
}

enum Item {
    Sound(Bytes),
    Mark(String),
}

pub struct Playback {
    format: Format,
    rules: Rules,
    /// What is being played, in order.
    queue: VecDeque<Item>,
    /// What is held until there is enough of it.
    held: VecDeque<Item>,
    held_bytes: usize,
    begun: bool,
    /// Marks that stand before whatever comes next, where the provider holds sound.
    waiting: VecDeque<String>,
    /// The stretch of sound that is being played: when it began, its bytes, and those played.
    began: Duration,
    bytes: usize,
    played: usize,
    /// How late we were ourselves, in all: a sender cannot know that we play that much later.
    late: Duration,
    /// When the last stretch ran dry in the midst of something audible, if no mark said that it was
    /// over.
    dry: Option<Duration>,
}

impl Playback {
    pub fn new(format: Format, rules: Rules) -> Self {
        Self {
            format,
            rules,
            queue: VecDeque::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            begun: false,
            waiting: VecDeque::new(),
            began: Duration::ZERO,
            bytes: 0,
            played: 0,
            late: Duration::ZERO,
            dry: None,
        }
    }

    /// Sound arrives. `ours`: how late this machine was of late, which is not the server's fault.
    pub fn sound(&mut self, now: Duration, sound: Bytes, ours: Duration) -> Vec<Complaint> {
        let Some((first, later)) = self.rules.holds else {
            return self.play(now, [Item::Sound(sound)].into(), ours);
        };
        self.held.extend(self.waiting.drain(..).map(Item::Mark));
        self.held_bytes += sound.len();
        self.held.push_back(Item::Sound(sound));
        let enough = if self.begun { later } else { first };
        if self.format.length(self.held_bytes) < enough {
            return Vec::new();
        }
        self.begun = true;
        self.held_bytes = 0;
        let items = std::mem::take(&mut self.held);
        self.play(now, items, ours)
    }

    fn play(&mut self, now: Duration, items: VecDeque<Item>, ours: Duration) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.is_dry() {
            let audible_dry = self.dry.take().filter(|_| match items.front() {
                Some(Item::Sound(sound)) => self.is_audible(&sound[..self.edge(sound)]),
                _ => false,
            });
            let hole = audible_dry.map_or(Duration::ZERO, |dry| now.saturating_sub(dry));
            if (HOLE + ours..PAUSE).contains(&hole) {
                complaints.push(Complaint::Hole(hole));
            }
            (self.began, self.bytes, self.played) = (now, 0, 0);
        }
        for item in items {
            if let Item::Sound(sound) = &item {
                self.bytes += sound.len();
            }
            self.queue.push_back(item);
        }
        let lead = self.ends().saturating_sub(now);
        if lead > self.rules.ahead + GRACE + self.late {
            complaints.push(Complaint::Ahead(lead));
        }
        complaints
    }

    /// A mark arrives.
    pub fn mark(&mut self, name: String) {
        if self.rules.holds.is_some() {
            self.waiting.push_back(name);
        } else {
            self.queue.push_back(Item::Mark(name));
        }
    }

    /// Drops everything: the marks that were not reached, in order.
    pub fn clear(&mut self) -> Vec<String> {
        self.dry = None;
        self.held_bytes = 0;
        let dropped = self.queue.drain(..).chain(self.held.drain(..));
        let marks = dropped.filter_map(|item| match item {
            Item::Mark(name) => Some(name),
            Item::Sound(_) => None,
        });
        let marks: Vec<String> = marks.chain(self.waiting.drain(..)).collect();
        self.bytes = self.played;
        marks
    }

    /// We were late ourselves.
    pub fn late(&mut self, by: Duration) {
        self.late += by;
    }

    /// How many marks have not been reached.
    pub fn marks(&self) -> usize {
        let items = self.queue.iter().chain(&self.held);
        items.filter(|item| matches!(item, Item::Mark(_))).count() + self.waiting.len()
    }

    /// What has been played by now, and was not told yet.
    pub fn until(&mut self, now: Duration) -> Vec<Played> {
        let mut told = Vec::new();
        let elapsed = now.saturating_sub(self.began);
        let mut due = self.format.bytes_within(elapsed).min(self.bytes) - self.played;
        while let Some(item) = self.queue.pop_front() {
            match item {
                Item::Mark(name) => told.push(Played::Mark(name)),
                Item::Sound(_) if due == 0 => {
                    self.queue.push_front(item);
                    break;
                }
                Item::Sound(mut sound) => {
                    let part = sound.split_to(due.min(sound.len()));
                    due -= part.len();
                    self.played += part.len();
                    told.push(Played::Sound(part));
                    if !sound.is_empty() {
                        self.queue.push_front(Item::Sound(sound));
                    }
                }
            }
        }
        if self.queue.is_empty() {
            match told.last() {
                Some(Played::Sound(sound)) => {
                    let tail = &sound[sound.len() - self.edge(sound)..];
                    self.dry = self.is_audible(tail).then(|| self.ends());
                }
                Some(Played::Mark(_)) => self.dry = None,
                None => {
                    let reached = self.waiting.pop_front().map(Played::Mark);
                    self.dry = self.dry.filter(|_| reached.is_none());
                    told.extend(reached);
                }
            }
        }
        told
    }

    /// How much of a sound's beginning or end stands next to a hole: 20 ms.
    fn edge(&self, sound: &Bytes) -> usize {
        sound.len().min(self.format.frame_bytes())
    }

    fn is_audible(&self, sound: &[u8]) -> bool {
        audible(self.format.encoding(), sound)
    }

    fn is_dry(&self) -> bool {
        self.played == self.bytes
    }

    /// When the last byte of the stretch has been played.
    fn ends(&self) -> Duration {
        self.began + self.format.length(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 160;
    const OURS: Duration = Duration::ZERO;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn buffer() -> Playback {
        Playback::new(Format::PCMU, Rules { ahead: ms(400), holds: None })
    }

    fn sound(frames: usize) -> Bytes {
        vec![7; frames * FRAME].into()
    }

    /// Bytes and marks, as they were played.
    fn story(played: Vec<Played>) -> Vec<String> {
        let mut story: Vec<String> = Vec::new();
        for one in played {
            story.push(match one {
                Played::Sound(sound) => sound.len().to_string(),
                Played::Mark(name) => name,
            });
        }
        story
    }

    #[test]
    fn a_mark_is_reached_when_all_before_it_was_played() {
        let mut buffer = buffer();
        buffer.mark("empty".to_owned());
        assert_eq!(story(buffer.until(ms(0))), ["empty"], "on an empty buffer at once");
        assert!(buffer.sound(ms(1_000), sound(2), OURS).is_empty());
        buffer.mark("one".to_owned());
        assert!(buffer.sound(ms(1_010), sound(1), OURS).is_empty());
        buffer.mark("two".to_owned());
        assert_eq!(story(buffer.until(ms(1_030))), ["240"]);
        assert_eq!(story(buffer.until(ms(1_039))), ["72"]);
        assert_eq!(story(buffer.until(ms(1_045))), ["8", "one", "40"]);
        assert_eq!(buffer.marks(), 1);
        assert_eq!(story(buffer.until(ms(1_060))), ["120", "two"]);
        assert_eq!(story(buffer.until(ms(2_000))), [""; 0]);
    }

    #[test]
    fn a_clear_drops_the_rest_and_gives_the_marks() {
        let mut buffer = buffer();
        assert!(buffer.sound(ms(0), sound(10), OURS).is_empty());
        buffer.mark("one".to_owned());
        assert_eq!(story(buffer.until(ms(50))), ["400"]);
        assert_eq!(buffer.clear(), ["one"]);
        assert_eq!(story(buffer.until(ms(1_000))), [""; 0]);
        assert!(buffer.sound(ms(1_100), sound(1), OURS).is_empty(), "a new stretch");
        assert_eq!(story(buffer.until(ms(1_120))), ["160"]);
    }

    #[test]
    fn a_hole_in_a_stretch_is_complained_of_and_a_pause_is_not() {
        let mut buffer = buffer();
        let at = |buffer: &mut Playback, now| {
            buffer.until(ms(now));
            buffer.sound(ms(now), sound(1), OURS)
        };
        assert!(at(&mut buffer, 0).is_empty());
        assert!(at(&mut buffer, 59).is_empty(), "39 ms of nothing");
        assert_eq!(at(&mut buffer, 120), [Complaint::Hole(ms(41))]);
        assert!(at(&mut buffer, 1_500).is_empty(), "a pause");
        buffer.mark("end".to_owned());
        assert!(at(&mut buffer, 1_700).is_empty(), "a mark ends a stretch");
        buffer.until(ms(1_720));
        assert!(buffer.sound(ms(1_800), sound(1), ms(50)).is_empty(), "we were late ourselves");
        buffer.until(ms(1_820));
        let silence = Bytes::from_static(&[0xff; FRAME]);
        assert!(buffer.sound(ms(1_900), silence.clone(), OURS).is_empty(), "what ended had ended");
        buffer.until(ms(1_920));
        assert!(buffer.sound(ms(2_000), sound(1), OURS).is_empty(), "silence has no holes");
    }

    #[test]
    fn too_much_at_a_time_is_complained_of() {
        let mut buffer = buffer();
        assert!(buffer.sound(ms(0), sound(20), OURS).is_empty());
        assert!(buffer.sound(ms(0), sound(5), OURS).is_empty(), "within the grace");
        assert_eq!(buffer.sound(ms(0), sound(1), OURS), [Complaint::Ahead(ms(520))]);
        buffer.until(ms(300));
        assert!(buffer.sound(ms(300), sound(1), OURS).is_empty());
        assert_eq!(buffer.sound(ms(300), sound(20), OURS), [Complaint::Ahead(ms(640))]);
        buffer.late(ms(200));
        assert!(buffer.sound(ms(300), sound(1), OURS).is_empty(), "we play later than we should");
    }

    #[test]
    fn a_provider_that_holds_sound_plays_it_when_there_is_enough() {
        let holds = Some((ms(60), ms(40)));
        let mut buffer = Playback::new(Format::PCMU, Rules { ahead: ms(400), holds });
        buffer.sound(ms(0), sound(2), OURS);
        buffer.mark("one".to_owned());
        buffer.mark("two".to_owned());
        assert_eq!(story(buffer.until(ms(500))), ["one"], "nothing is played: one at a time");
        buffer.sound(ms(500), sound(1), OURS);
        assert_eq!(story(buffer.until(ms(550))), ["320", "two", "80"]);
        assert_eq!(story(buffer.until(ms(560))), ["80"]);
        buffer.sound(ms(560), sound(1), OURS);
        assert_eq!(story(buffer.until(ms(900))), [""; 0], "stuck");
        assert_eq!(buffer.clear(), [""; 0]);
        buffer.sound(ms(900), sound(1), OURS);
        assert_eq!(story(buffer.until(ms(990))), [""; 0], "the clear took what was stuck");
    }
}
