//! Does anybody speak? A loudness threshold over 20 ms of sound, cheap enough for every frame.
//!
//! It cannot tell a voice from a door that slams, and need not: it only has to notice that a line
//! is not silent. What follows from silence is decided in `call::silence`.

use super::FRAME_BYTES;

/// Mean absolute amplitude from which sound counts as voiced: -45 dB below full scale. Line noise
/// stays under it; a quiet speaker does not.
pub const VOICED: u32 = 184;

/// Whether any 20 ms of this sound are voiced. An odd last byte is not judged.
///
/// It looks at 20 ms at a time, so that one word in a long, otherwise silent frame is heard.
pub fn is_voiced(pcm: &[u8]) -> bool {
    pcm.chunks(FRAME_BYTES).any(|window| mean_amplitude(window) >= VOICED)
}

/// The same for sound in any format.
pub fn is_voiced_in(_format: super::format::Format, sound: &[u8]) -> bool {
    is_voiced(sound)
}

/// At most 20 ms, so that the sum fits 32 bits and the loop is turned into vector instructions.
fn mean_amplitude(window: &[u8]) -> u32 {
    let (samples, _odd) = window.as_chunks::<2>();
    let sum: u32 =
        samples.iter().map(|sample| u32::from(i16::from_le_bytes(*sample).unsigned_abs())).sum();
    let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    sum / count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(amplitude: i16, samples: usize) -> Vec<u8> {
        (0..samples)
            .flat_map(|i| if i % 2 == 0 { amplitude } else { -amplitude }.to_le_bytes())
            .collect()
    }

    #[test]
    fn zeros_and_line_noise_are_silence() {
        assert!(!is_voiced(&[]));
        assert!(!is_voiced(&[0xff]));
        assert!(!is_voiced(&[0; 640]));
        assert!(!is_voiced(&square(183, 320)));
    }

    #[test]
    fn a_voice_is_heard() {
        assert!(is_voiced(&square(184, 320)));
        assert!(is_voiced(&square(8_000, 320)));
        assert!(is_voiced(&i16::MIN.to_le_bytes().repeat(320)));
    }

    #[test]
    fn a_word_in_a_long_silence_is_heard() {
        let mut second = vec![0; 32_000];
        second[16_000..16_640].copy_from_slice(&square(1_000, 320));
        assert!(is_voiced(&second));
    }

    #[test]
    fn the_odd_last_byte_is_not_judged() {
        let mut frame = vec![0; 640];
        frame.push(0x7f);
        assert!(!is_voiced(&frame));
    }
}
