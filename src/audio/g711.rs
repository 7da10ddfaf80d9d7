//! G.711: the telephone's two laws, mu and A, and the linear samples that their codes stand for.
//!
//! The arithmetic is that of a codec crate, which is proved against the ITU's own software. Its
//! decoders look codes up; its encoders work on a sample's bits, which takes eight times as long as
//! looking their answer up. So each law's answers are kept here, filled in by the crate: of the
//! standard itself this module knows only how many bits each law looks at.

use std::sync::LazyLock;

pub use audio_codec_algorithms::{decode_alaw, decode_ulaw as decode_mulaw};

/// The code of every sample, of which mu-law looks at the upper 14 bits.
static MULAW: LazyLock<[u8; 1 << 14]> =
    LazyLock::new(|| codes(audio_codec_algorithms::encode_ulaw));
/// The code of every sample, of which A-law looks at the upper 13 bits.
static ALAW: LazyLock<[u8; 1 << 13]> = LazyLock::new(|| codes(audio_codec_algorithms::encode_alaw));

/// Writes the mu-law codes of samples, as many as fit.
///
/// The samples from -4 to -1 become 0x7f, the law's negative zero, which is decoded as 0.
pub fn encode_mulaw(samples: &[i16], codes: &mut [u8]) {
    look_up(&MULAW, samples, codes);
}

/// Writes the A-law codes of samples, as many as fit.
pub fn encode_alaw(samples: &[i16], codes: &mut [u8]) {
    look_up(&ALAW, samples, codes);
}

fn codes<const N: usize>(encode: fn(i16) -> u8) -> [u8; N] {
    let mut codes = [0; N];
    for sample in i16::MIN..=i16::MAX {
        codes[index::<N>(sample)] = encode(sample);
    }
    codes
}

fn look_up<const N: usize>(table: &[u8; N], samples: &[i16], codes: &mut [u8]) {
    for (code, sample) in codes.iter_mut().zip(samples) {
        *code = table[index::<N>(*sample)];
    }
}

/// Where a table of `N` codes has that of a sample: neighbours that its law cannot tell apart share
/// one.
fn index<const N: usize>(sample: i16) -> usize {
    usize::from(sample.cast_unsigned()) / ((1 << 16) / N)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mulaw(sample: i16) -> u8 {
        let mut code = [0];
        encode_mulaw(&[sample], &mut code);
        code[0]
    }

    fn alaw(sample: i16) -> u8 {
        let mut code = [0];
        encode_alaw(&[sample], &mut code);
        code[0]
    }

    #[test]
    fn known_values_of_the_standard() {
        // The decision and output values of ITU-T G.711, tables 1a to 2b, scaled from its 14 and 13
        // bits to 16: both ends, silence, and where segments begin.
        for (code, sample) in [
            (0x80, 32_124),
            (0x8f, 16_764),
            (0x90, 15_996),
            (0xa0, 7_932),
            (0xb0, 3_900),
            (0xc0, 1_884),
            (0xd0, 876),
            (0xe0, 372),
            (0xf0, 120),
            (0xfe, 8),
            (0xff, 0),
            (0x00, -32_124),
            (0x70, -120),
            (0x7e, -8),
        ] {
            assert_eq!(decode_mulaw(code), sample, "{code:#x}");
            assert_eq!(mulaw(sample), code, "{sample}");
        }
        assert_eq!(decode_mulaw(0x7f), 0, "the negative zero");
        for (code, sample) in [
            (0xaa, 32_256),
            (0xa5, 16_896),
            (0xba, 16_128),
            (0x8a, 8_064),
            (0x9a, 4_032),
            (0xea, 2_016),
            (0xfa, 1_008),
            (0xca, 504),
            (0xd5, 8),
            (0x2a, -32_256),
            (0x55, -8),
        ] {
            assert_eq!(decode_alaw(code), sample, "{code:#x}");
            assert_eq!(alaw(sample), code, "{sample}");
        }
    }

    #[test]
    fn every_code_comes_back_as_it_was() {
        for code in 0..=u8::MAX {
            if code != 0x7f {
                assert_eq!(mulaw(decode_mulaw(code)), code);
            }
            assert_eq!(alaw(decode_alaw(code)), code);
        }
    }

    #[test]
    fn every_sample_has_the_code_that_the_crate_gives_it() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(mulaw(sample), audio_codec_algorithms::encode_ulaw(sample), "{sample}");
            assert_eq!(alaw(sample), audio_codec_algorithms::encode_alaw(sample), "{sample}");
        }
    }

    #[test]
    fn a_louder_sample_is_never_written_as_a_quieter_one() {
        let (mut last_mulaw, mut last_alaw) = (i16::MIN, i16::MIN);
        for sample in i16::MIN..=i16::MAX {
            let (by_mulaw, by_alaw) = (decode_mulaw(mulaw(sample)), decode_alaw(alaw(sample)));
            assert!(by_mulaw >= last_mulaw && by_alaw >= last_alaw, "{sample}");
            (last_mulaw, last_alaw) = (by_mulaw, by_alaw);
        }
        assert_eq!((last_mulaw, last_alaw), (32_124, 32_256), "full scale does not wrap");
    }
}
