//! What the caller sends in each 20 ms: a clip while there is one, else silence. Pure: it is told
//! what the other side does and knows no clock and no socket.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::audio::{FRAME_BYTES, format::Format};

/// Bytes of a frame in the native dialect: 20 ms of sound.
pub const FRAME: usize = FRAME_BYTES;

/// Frames without a word from the agent after which no greeting is expected: 2 s.
const NO_GREETING: u32 = 100;
/// Frames of the longest greeting that is heard out: 60 s.
const LONGEST_GREETING: u32 = 3_000;
/// Frames that a key takes, from pressing it to the next: 240 ms.
const KEY: u32 = 12;

/// When a clip or a key begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the next frame.
    AtOnce,
    /// As people do: when the agent has greeted, or two seconds have passed without a greeting.
    AfterGreeting,
}

/// What became of the clips and keys with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A clip's first byte is in this frame.
    Began,
    /// A clip's last byte was in the frame before.
    Ended,
    /// A key is pressed now.
    Pressed(char),
}

pub struct Mouth {
    /// 20 ms of nothing.
    silence: Bytes,
    queue: VecDeque<(Act, Start)>,
    /// Whether the first of the queue has begun.
    acting: bool,
    frames: u32,
    heard: Heard,
}

/// What a caller does besides listening.
enum Act {
    /// What is left of a clip.
    Say(Bytes),
    /// A key, and the frames that it still takes.
    Press(char, u32),
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Heard {
    #[default]
    Nothing,
    Greeting,
    Greeted,
}

impl Mouth {
    pub fn new(format: Format) -> Self {
        Self {
            silence: vec![format.silence(); format.frame_bytes()].into(),
            queue: VecDeque::new(),
            acting: false,
            frames: 0,
            heard: Heard::Nothing,
        }
    }

    pub fn play(&mut self, clip: Bytes, start: Start) {
        if !clip.is_empty() {
            self.queue.push_back((Act::Say(clip), start));
        }
    }

    pub fn press(&mut self, key: char, start: Start) {
        self.queue.push_back((Act::Press(key, KEY), start));
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
        let silence = self.silence.clone();
        let may_begin = self.acting || {
            let first = self.queue.front().map(|(_, start)| *start);
            first == Some(Start::AtOnce) || self.greeted()
        };
        let Some((act, _)) = self.queue.front_mut().filter(|_| may_begin) else {
            return (silence, None);
        };
        let began = !std::mem::replace(&mut self.acting, true);
        match act {
            Act::Say(clip) if !clip.is_empty() => {
                let frame = clip.split_to(clip.len().min(silence.len()));
                (filled_up(frame, &silence), began.then_some(Turn::Began))
            }
            Act::Say(_) => {
                self.done();
                (silence, Some(Turn::Ended))
            }
            Act::Press(key, frames) => {
                let turn = began.then_some(Turn::Pressed(*key));
                *frames -= 1;
                if *frames == 0 {
                    self.done();
                }
                (silence, turn)
            }
        }
    }

    fn done(&mut self) {
        self.acting = false;
        self.queue.pop_front();
    }

    fn greeted(&self) -> bool {
        match self.heard {
            Heard::Nothing => self.frames > NO_GREETING,
            Heard::Greeting => self.frames > LONGEST_GREETING,
            Heard::Greeted => true,
        }
    }
}

fn filled_up(frame: Bytes, silence: &Bytes) -> Bytes {
    if frame.len() == silence.len() {
        return frame;
    }
    let mut whole = BytesMut::from(&silence[..]);
    whole[..frame.len()].copy_from_slice(&frame);
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native() -> Mouth {
        Mouth::new(Format::NATIVE)
    }

    fn clip(frames: usize) -> Bytes {
        Bytes::from(vec![7; frames * FRAME])
    }

    fn loud(frame: &Bytes) -> bool {
        frame[0] == 7
    }

    #[test]
    fn a_clip_is_sent_whole_and_the_last_frame_is_filled_up() {
        let mut mouth = native();
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
        let mut mouth = native();
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
        let mut mouth = native();
        mouth.play(clip(1), Start::AfterGreeting);
        assert!((0..100).all(|_| !loud(&mouth.next().0)));
        assert!(loud(&mouth.next().0), "no greeting within two seconds");
        let mut mouth = native();
        mouth.agent_speaks();
        mouth.play(clip(1), Start::AfterGreeting);
        assert!((0..3_000).all(|_| !loud(&mouth.next().0)));
        assert!(loud(&mouth.next().0), "an endless greeting");
    }

    #[test]
    fn clips_are_played_one_after_the_other_and_empty_ones_not_at_all() {
        let mut mouth = native();
        mouth.play(Bytes::new(), Start::AtOnce);
        mouth.play(clip(1), Start::AtOnce);
        mouth.play(clip(1), Start::AtOnce);
        let turns: Vec<_> = (0..6).map(|_| mouth.next().1).collect();
        let (began, ended) = (Some(Turn::Began), Some(Turn::Ended));
        assert_eq!(turns, [began, ended, began, ended, None, None]);
    }

    #[test]
    fn keys_take_their_time_and_their_turn() {
        let mut mouth = Mouth::new(Format::PCMU);
        mouth.play(Bytes::from_static(&[7; 170]), Start::AtOnce);
        mouth.press('1', Start::AfterGreeting);
        mouth.press('#', Start::AtOnce);
        assert_eq!(mouth.next().1, Some(Turn::Began));
        let (second, _) = mouth.next();
        assert_eq!((second.len(), second[9], second[10]), (160, 7, 0xff), "mu-law silence");
        assert_eq!(mouth.next().1, Some(Turn::Ended));
        assert_eq!(mouth.next(), (vec![0xff; 160].into(), None), "nobody has greeted yet");
        mouth.agent_is_silent();
        let turns: Vec<_> = (0..=KEY).map(|_| mouth.next().1).collect();
        assert_eq!(turns[0], Some(Turn::Pressed('1')));
        assert_eq!(turns[KEY as usize], Some(Turn::Pressed('#')));
        assert!(turns[1..KEY as usize].iter().all(Option::is_none));
    }
}
