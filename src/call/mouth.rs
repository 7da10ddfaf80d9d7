//! The voice of an agent outside on its way to the line: from our own format to the line's.
//!
//! Where the rates differ, the converter holds the last milliseconds back until it hears what follows.
//! They belong to the end of a stretch of speech, and nobody wants to hear them after a clear. When
//! either comes is for `machine` to say; what becomes of the sound, for `playback`.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};

use super::Time;
use crate::audio::{format::Format, transcode::Transcoder};

/// An agent that has said nothing for this long has paused: what is held back is wanted. Longer than
/// what a busy machine or network holds speech up, and shorter than a stretch of it lasts on.
const PAUSED: Duration = Duration::from_millis(300);

/// The voice, and what is held back of it.
pub struct Mouth {
    /// Where the line's format is another than ours.
    converter: Option<Transcoder>,
    /// Sound on its way; what is taken out of it is given back when nobody holds it any more.
    sound: BytesMut,
    /// When something was said last, as long as some of it may be held back.
    spoke_at: Option<Time>,
}

impl Mouth {
    /// A voice on a line of this format.
    pub fn on(line: Format) -> Self {
        let converter = (line != Format::NATIVE).then(|| Transcoder::new(Format::NATIVE, line));
        Self { converter, sound: BytesMut::new(), spoke_at: None }
    }

    /// Sound of the agent in [`Format::NATIVE`], as the line takes it. What is in the line's format
    /// already is not copied.
    pub fn speak(&mut self, now: Time, sound: Bytes) -> Bytes {
        let Some(converter) = &mut self.converter else { return sound };
        self.spoke_at = Some(now);
        converter.convert(&sound, &mut self.sound);
        self.sound.split().freeze()
    }

    /// What is still held back: the agent has paused, and what it says next is a new sound.
    pub fn rest(&mut self) -> Bytes {
        if let (Some(converter), Some(_)) = (&mut self.converter, self.spoke_at.take()) {
            converter.flush(&mut self.sound);
        }
        self.sound.split().freeze()
    }

    /// What is still held back is not going to be heard.
    pub fn forget(&mut self) {
        self.spoke_at = None;
        if let Some(converter) = &mut self.converter {
            converter.reset();
        }
    }

    /// When the agent will have paused, if it says nothing until then and something is held back.
    pub fn paused_at(&self) -> Option<Time> {
        self.spoke_at.map(|at| at + PAUSED)
    }
}

impl fmt::Debug for Mouth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mouth").field("spoke_at", &self.spoke_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Duration::from_millis(ms)
    }

    fn loud(ms: usize) -> Bytes {
        [0x00, 0x40].repeat(16 * ms).into()
    }

    #[test]
    fn on_a_line_of_our_own_format_nothing_is_copied_or_held_back() {
        let mut mouth = Mouth::on(Format::NATIVE);
        let sound = loud(20);
        assert_eq!(mouth.speak(ms(0), sound.clone()).as_ptr(), sound.as_ptr());
        assert_eq!(mouth.paused_at(), None);
        assert!(mouth.rest().is_empty());
    }

    #[test]
    fn what_is_held_back_comes_once_at_the_pause() {
        let mut mouth = Mouth::on(Format::PCMU);
        let begun = mouth.speak(ms(500), loud(20));
        assert_eq!((begun.len(), mouth.paused_at()), (140, Some(ms(800))));
        assert_eq!(mouth.rest().len(), 20);
        assert_eq!(mouth.paused_at(), None);
        assert!(mouth.rest().is_empty());
    }

    #[test]
    fn what_is_forgotten_is_not_heard() {
        let mut mouth = Mouth::on(Format::PCMU);
        mouth.speak(ms(0), loud(20));
        mouth.forget();
        assert!(mouth.rest().is_empty());
        let quiet = [mouth.speak(ms(20), vec![0; 640].into()), mouth.rest()].concat();
        assert_eq!(quiet, [0xff; 160]);
    }
}
