//! When does the agent speak, as the caller hears it? No provider tells, so the telephone listens to
//! what is played.

use std::time::Duration;

use crate::audio::format::{Encoding, Format};

/// With nothing to play for this long, the agent is silent.
const DRY: Duration = Duration::from_millis(400);
/// With nothing audible for this long, it is silent too: an echo returns the caller's own silence.
const HUSHED: Duration = Duration::from_millis(600);
/// The loudest that counts as silence, in 16-bit samples: -54 dBFS.
const HUSH: u16 = 64;

/// What the caller notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    Speaks,
    IsSilent,
}

pub struct Ear {
    format: Format,
    speaking: bool,
    heard_at: Duration,
    audible_at: Duration,
}

impl Ear {
    pub fn new(format: Format) -> Self {
        let zero = Duration::ZERO;
        Self { format, speaking: false, heard_at: zero, audible_at: zero }
    }

    /// This was played until now, or nothing.
    pub fn hear(&mut self, now: Duration, sound: &[u8]) -> Option<Notice> {
        if !sound.is_empty() {
            self.heard_at = now;
        }
        if audible(self.format.encoding(), sound) {
            self.audible_at = now;
            return (!std::mem::replace(&mut self.speaking, true)).then_some(Notice::Speaks);
        }
        let silent = now >= self.heard_at + DRY || now >= self.audible_at + HUSHED;
        (silent && std::mem::take(&mut self.speaking)).then_some(Notice::IsSilent)
    }
}

/// Whether any sample is louder than a hush. In G.711 that is everything above the two lowest
/// segments, whose codes are within 0x1f of zero's.
pub fn audible(encoding: Encoding, sound: &[u8]) -> bool {
    match encoding {
        Encoding::Pcm16 => {
            sound.as_chunks().0.iter().any(|two| i16::from_le_bytes(*two).unsigned_abs() > HUSH)
        }
        Encoding::Mulaw => sound.iter().any(|code| !code & 0x7f > 0x1f),
        Encoding::Alaw => sound.iter().any(|code| (code ^ 0x55) & 0x7f > 0x1f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_agent_is_silent_when_nothing_is_played_or_nothing_can_be_heard() {
        let mut ear = Ear::new(Format::PCMU);
        assert_eq!(ear.hear(ms(0), &[0xff; 160]), None);
        assert_eq!(ear.hear(ms(20), &[0x80; 160]), Some(Notice::Speaks));
        assert_eq!(ear.hear(ms(419), &[]), None);
        assert_eq!(ear.hear(ms(420), &[]), Some(Notice::IsSilent));
        assert_eq!(ear.hear(ms(440), &[]), None);
        assert_eq!(ear.hear(ms(460), &[0x00; 160]), Some(Notice::Speaks));
        for at in (480..1_060).step_by(20) {
            assert_eq!(ear.hear(ms(at), &[0xff, 0x7f]), None, "{at}");
        }
        assert_eq!(ear.hear(ms(1_060), &[0xff; 160]), Some(Notice::IsSilent));
    }

    #[test]
    fn a_hush_is_a_hush_in_every_encoding() {
        assert!(!audible(Encoding::Pcm16, &[64, 0, 0xc0, 0xff, 9]));
        assert!(audible(Encoding::Pcm16, &[65, 0]));
        assert!(audible(Encoding::Pcm16, &i16::MIN.to_le_bytes()));
        assert!(!audible(Encoding::Mulaw, &[0xff, 0x7f, 0xe0, 0x60]));
        assert!(audible(Encoding::Mulaw, &[0xdf]));
        assert!(!audible(Encoding::Alaw, &[0xd5, 0x55]));
        assert!(audible(Encoding::Alaw, &[0xd5 ^ 0x20]));
    }
}
