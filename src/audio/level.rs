//! Does anybody speak? A loudness threshold over 20 ms of sound, cheap enough for every frame.
//!
//! It cannot tell a voice from a door that slams, and need not: it only has to notice that a line
//! is not silent. What follows from silence is decided in `call::silence`.

use super::{
    format::{Encoding, Format},
    g711::{decode_alaw, decode_mulaw},
};

/// Mean absolute amplitude from which sound counts as voiced: -45 dB below full scale. Line noise
/// stays under it; a quiet speaker does not.
pub const VOICED: u32 = 184;

/// Whether any 20 ms of sound in this format are voiced. An odd last byte is not judged.
///
/// It looks at 20 ms at a time, so that one word in a long, otherwise silent frame is heard. The
/// codes of a law are looked up, one by one: 0.1 us for a frame.
pub fn is_voiced(format: Format, bytes: &[u8]) -> bool {
    let mut windows = bytes.chunks(format.frame_bytes());
    match format.encoding() {
        Encoding::Pcm16 => windows
            .any(|window| is_loud(window.as_chunks().0.iter().map(|two| i16::from_le_bytes(*two)))),
        Encoding::Mulaw => windows.any(|window| is_loud(window.iter().map(|c| decode_mulaw(*c)))),
        Encoding::Alaw => windows.any(|window| is_loud(window.iter().map(|c| decode_alaw(*c)))),
    }
}

/// At most 20 ms, so that the sum fits 32 bits and the loop is turned into vector instructions.
fn is_loud(window: impl ExactSizeIterator<Item = i16>) -> bool {
    let count = u32::try_from(window.len()).unwrap_or(u32::MAX);
    let sum: u32 = window.map(|sample| u32::from(sample.unsigned_abs())).sum();
    sum / count.max(1) >= VOICED
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::{format::SERVED_RATES, g711};
    use super::*;

    fn is_voiced_native(pcm: &[u8]) -> bool {
        is_voiced(Format::NATIVE, pcm)
    }

    fn square(amplitude: i16, samples: usize) -> Vec<u8> {
        (0..samples)
            .flat_map(|i| if i % 2 == 0 { amplitude } else { -amplitude }.to_le_bytes())
            .collect()
    }

    #[test]
    fn zeros_and_line_noise_are_silence() {
        assert!(!is_voiced_native(&[]));
        assert!(!is_voiced_native(&[0xff]));
        assert!(!is_voiced_native(&[0; 640]));
        assert!(!is_voiced_native(&square(183, 320)));
    }

    #[test]
    fn a_voice_is_heard() {
        assert!(is_voiced_native(&square(184, 320)));
        assert!(is_voiced_native(&square(8_000, 320)));
        assert!(is_voiced_native(&i16::MIN.to_le_bytes().repeat(320)));
    }

    #[test]
    fn a_voice_is_heard_at_the_same_loudness_in_every_format() {
        let is_voiced_at = |format: Format, amplitude: i16| {
            let samples = square(amplitude, format.rate() as usize / 50);
            let pcm: Vec<i16> =
                samples.as_chunks().0.iter().map(|two| i16::from_le_bytes(*two)).collect();
            let mut codes = vec![0; pcm.len()];
            match format.encoding() {
                Encoding::Pcm16 => codes = samples,
                Encoding::Mulaw => g711::encode_mulaw(&pcm, &mut codes),
                Encoding::Alaw => g711::encode_alaw(&pcm, &mut codes),
            }
            is_voiced(format, &codes)
        };
        for rate in SERVED_RATES {
            for encoding in [Encoding::Pcm16, Encoding::Mulaw, Encoding::Alaw] {
                let format = Format::new(encoding, rate).unwrap();
                // A law's steps are 8 to 16 wide here.
                assert!(is_voiced_at(format, 192) && is_voiced_at(format, 32_000), "{format:?}");
                assert!(!is_voiced_at(format, 170) && !is_voiced_at(format, 0), "{format:?}");
                assert!(!is_voiced(format, &vec![format.silence(); 10_000]), "{format:?}");
                assert!(!is_voiced(format, &[]), "{format:?}");
            }
        }
    }

    #[test]
    fn a_word_in_a_long_silence_is_heard() {
        let mut second = vec![0; 32_000];
        second[16_000..16_640].copy_from_slice(&square(1_000, 320));
        assert!(is_voiced_native(&second));
    }

    #[test]
    fn the_odd_last_byte_is_not_judged() {
        let mut frame = vec![0; 640];
        frame.push(0x7f);
        assert!(!is_voiced_native(&frame));
    }
}
