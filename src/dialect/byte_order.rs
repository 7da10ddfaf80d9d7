//! The order of the two bytes of a sample, where a provider does not say it: heard from the sound.
//!
//! Speech changes little from one sample to the next. Read in the wrong order the low byte counts for
//! most, and the same sound jumps about like noise. Until the two readings differ clearly the usual
//! order, little-endian, is assumed.

/// How many times smoother one reading has to be than the other.
const CLEARLY: u64 = 2;

/// The byte order of a line of 16-bit samples.
#[derive(Debug)]
pub(super) enum ByteOrder {
    /// As everything inside the server.
    Little,
    /// As on a network.
    Big,
    /// Not known yet.
    Unknown(Probe),
}

/// What has been heard so far.
#[derive(Debug)]
pub(super) struct Probe {
    /// Samples that make a judgement, and those that are still missing.
    window: usize,
    missing: usize,
    little: u64,
    big: u64,
}

impl ByteOrder {
    /// To be found out, on a line of this many samples per second: from 200 ms that are not silent.
    pub fn unknown(rate: u32) -> Self {
        let window = rate as usize / 5;
        Self::Unknown(Probe { window, missing: window, little: 0, big: 0 })
    }

    /// Whether what the call says has to be swapped on its way out.
    pub fn is_big(&self) -> bool {
        matches!(self, Self::Big)
    }

    /// Hears a frame of whole samples, and makes it little-endian if it is known not to be.
    pub fn straighten(&mut self, audio: &mut [u8]) {
        if let Self::Unknown(probe) = self
            && let Some(found) = probe.hear(audio)
        {
            *self = found;
        }
        if self.is_big() {
            swap(audio);
        }
    }
}

/// Swaps the two bytes of each sample.
pub(super) fn swap(audio: &mut [u8]) {
    // As numbers, which the machine swaps many at once.
    for sample in audio.as_chunks_mut().0 {
        *sample = u16::from_ne_bytes(*sample).swap_bytes().to_ne_bytes();
    }
}

impl Probe {
    /// The order, as soon as it is clear.
    fn hear(&mut self, audio: &[u8]) -> Option<ByteOrder> {
        if audio.iter().all(|byte| *byte == 0) {
            return None;
        }
        let samples = audio.as_chunks::<2>().0;
        self.little += roughness(samples, i16::from_le_bytes);
        self.big += roughness(samples, i16::from_be_bytes);
        self.missing = self.missing.saturating_sub(samples.len());
        if self.missing > 0 {
            return None;
        }
        let (little, big) = (self.little, self.big);
        (self.missing, self.little, self.big) = (self.window, 0, 0);
        if little.saturating_mul(CLEARLY) < big {
            Some(ByteOrder::Little)
        } else if big.saturating_mul(CLEARLY) < little {
            Some(ByteOrder::Big)
        } else {
            None
        }
    }
}

/// How much a sound jumps from sample to sample. A frame is bounded in length, and a window ends with
/// the frame that fills it, so the sum is far from overflowing.
fn roughness(samples: &[[u8; 2]], read: impl Fn([u8; 2]) -> i16) -> u64 {
    samples.windows(2).map(|pair| u64::from(read(pair[0]).abs_diff(read(pair[1])))).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `frames` of 20 ms at 16 kHz.
    fn sound(frames: usize, sample: impl Fn(usize) -> i16) -> Vec<Vec<u8>> {
        (0..frames)
            .map(|f| (0..320).flat_map(|n| sample(320 * f + n).to_le_bytes()).collect())
            .collect()
    }

    fn voice(n: usize) -> i16 {
        #[expect(clippy::cast_possible_truncation, reason = "a test's wave")]
        let wave = |hz: f64, level: f64| ((n as f64 * hz / 16_000.0).sin() * level) as i16;
        wave(1_200.0, 6_000.0) + wave(5_000.0, 2_000.0)
    }

    fn swapped(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut frames = frames.to_vec();
        frames.iter_mut().for_each(|frame| swap(frame));
        frames
    }

    /// What comes of the frames, and the order that is known in the end.
    fn straightened(frames: &[Vec<u8>]) -> (Vec<Vec<u8>>, ByteOrder) {
        let mut order = ByteOrder::unknown(16_000);
        let mut frames = frames.to_vec();
        frames.iter_mut().for_each(|frame| order.straighten(frame));
        (frames, order)
    }

    #[test]
    fn a_voice_in_either_order_is_straight_after_200_ms() {
        let voice = sound(20, voice);
        let (heard, order) = straightened(&voice);
        assert!(matches!(order, ByteOrder::Little));
        assert_eq!(heard, voice);
        let (heard, order) = straightened(&swapped(&voice));
        assert!(matches!(order, ByteOrder::Big) && order.is_big());
        assert_eq!(heard[9..], voice[9..], "from the frame that made it clear");
        assert_eq!(heard[..9], swapped(&voice)[..9], "until then taken as it is");
    }

    #[test]
    fn silence_tells_nothing_and_faint_noise_is_enough() {
        let (_, order) = straightened(&sound(100, |_| 0));
        assert!(matches!(order, ByteOrder::Unknown(_)));
        let (_, order) = straightened(&sound(100, |_| 1));
        assert!(matches!(order, ByteOrder::Unknown(_)), "no difference at all");
        let faint = [sound(100, |_| 0), sound(10, |n| i16::from(n % 3 == 0))].concat();
        assert!(matches!(straightened(&faint).1, ByteOrder::Little));
        assert!(matches!(straightened(&swapped(&faint)).1, ByteOrder::Big));
    }

    #[test]
    fn noise_is_undecided_until_a_voice_comes() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[2]
        };
        let mut frames: Vec<Vec<u8>> =
            (0..50).map(|_| (0..640).map(|_| random()).collect()).collect();
        assert!(matches!(straightened(&frames).1, ByteOrder::Unknown(_)));
        frames.extend(swapped(&sound(20, voice)));
        assert!(matches!(straightened(&frames).1, ByteOrder::Big));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(frames: Vec<Vec<u8>>) {
            straightened(&frames);
        }
    }
}
