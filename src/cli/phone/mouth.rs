//! What the caller sends in each 20 ms: a clip while there is one, else silence. Pure: it is told
//! what the other side does and knows no clock and no socket.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::audio::BYTES_PER_SECOND;

/// Bytes of a frame: 20 ms of sound.
pub const FRAME: usize = BYTES_PER_SECOND / 50;

/// Frames without a word from the agent after which nobody expects a greeting: 2 s.
const NO_GREETING: u32 = 100;
/// Frames of the longest greeting that is heard out: 60 s.
const LONGEST_GREETING: u32 = 3_000;

static SILENCE: [u8; FRAME] = [0; FRAME];

/// When a clip begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the next frame.
    AtOnce,
    /// As people do: when the agent has greeted, or two seconds have passed without a greeting.
    AfterGreeting,
}

/// What became of the clips with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A clip's first byte is in this frame.
    Began,
    /// A clip's last byte was in the frame before.
    Ended,
}

#[derive(Default)]
pub struct Mouth {
    clips: VecDeque<(Bytes, Start)>,
    /// Whether the first of the clips is being played.
    playing: bool,
    frames: u32,
    heard: Heard,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Heard {
    #[default]
    Nothing,
    Greeting,
    Greeted,
}

impl Mouth {
    pub fn play(&mut self, clip: Bytes, start: Start) {
        if !clip.is_empty() {
            self.clips.push_back((clip, start));
        }
    }

    /// The agent began to speak.
    pub fn agent_speaks(&mut self) {
        if self.heard == Heard::Nothing {
            self.heard = Heard::Greeting;
        }
    }

    /// The agent fell silent: the first time, that was the greeting.
    pub fn agent_is_silent(&mut self) {
        self.heard = Heard::Greeted;
    }

    /// The next 20 ms.
    pub fn next(&mut self) -> (Bytes, Option<Turn>) {
        self.frames = self.frames.saturating_add(1);
        let silence = Bytes::from_static(&SILENCE);
        let greeted = self.greeted();
        let Some((clip, start)) = self.clips.front_mut() else {
            return (silence, None);
        };
        if self.playing && clip.is_empty() {
            self.playing = false;
            self.clips.pop_front();
            return (silence, Some(Turn::Ended));
        }
        let began = !self.playing;
        if began && *start == Start::AfterGreeting && !greeted {
            return (silence, None);
        }
        self.playing = true;
        let frame = clip.split_to(clip.len().min(FRAME));
        (padded(frame), began.then_some(Turn::Began))
    }

    fn greeted(&self) -> bool {
        match self.heard {
            Heard::Nothing => self.frames > NO_GREETING,
            Heard::Greeting => self.frames > LONGEST_GREETING,
            Heard::Greeted => true,
        }
    }
}

fn padded(frame: Bytes) -> Bytes {
    if frame.len() == FRAME {
        return frame;
    }
    let mut whole = SILENCE;
    whole[..frame.len()].copy_from_slice(&frame);
    Bytes::copy_from_slice(&whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(frames: usize) -> Bytes {
        Bytes::from(vec![7; frames * FRAME])
    }

    fn loud(frame: &Bytes) -> bool {
        frame[0] == 7
    }

    #[test]
    fn a_clip_is_sent_whole_and_the_last_frame_is_filled_up() {
        let mut mouth = Mouth::default();
        mouth.play(clip(2).slice(..FRAME + 2), Start::AtOnce);
        let (first, turn) = mouth.next();
        assert_eq!((first, turn), (clip(1), Some(Turn::Began)));
        let (second, turn) = mouth.next();
        assert_eq!((second.len(), turn), (FRAME, None));
        assert_eq!((second[1], second[2]), (7, 0));
        let (third, turn) = mouth.next();
        assert_eq!((loud(&third), turn), (false, Some(Turn::Ended)));
        assert_eq!(mouth.next().1, None);
    }

    #[test]
    fn a_polite_caller_hears_the_greeting_out() {
        let mut mouth = Mouth::default();
        mouth.play(clip(1), Start::AfterGreeting);
        assert!(!loud(&mouth.next().0));
        mouth.agent_speaks();
        assert!((0..500).all(|_| !loud(&mouth.next().0)), "ten seconds of greeting");
        mouth.agent_is_silent();
        assert!(loud(&mouth.next().0));
        mouth.agent_speaks();
        mouth.play(clip(1), Start::AfterGreeting);
        assert_eq!(mouth.next().1, Some(Turn::Ended));
        assert!(loud(&mouth.next().0), "there is one greeting only");
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut mouth = Mouth::default();
        mouth.play(clip(1), Start::AfterGreeting);
        assert!((0..100).all(|_| !loud(&mouth.next().0)));
        assert!(loud(&mouth.next().0), "no greeting within two seconds");
        let mut mouth = Mouth::default();
        mouth.agent_speaks();
        mouth.play(clip(1), Start::AfterGreeting);
        assert!((0..3_000).all(|_| !loud(&mouth.next().0)));
        assert!(loud(&mouth.next().0), "an endless greeting");
    }

    #[test]
    fn clips_are_played_one_after_the_other_and_empty_ones_not_at_all() {
        let mut mouth = Mouth::default();
        mouth.play(Bytes::new(), Start::AtOnce);
        mouth.play(clip(1), Start::AtOnce);
        mouth.play(clip(1), Start::AtOnce);
        let turns: Vec<_> = (0..6).map(|_| mouth.next().1).collect();
        let (began, ended) = (Some(Turn::Began), Some(Turn::Ended));
        assert_eq!(turns, [began, ended, began, ended, None, None]);
    }
}
