//! Sounds that need no speech synthesiser: a chime for the agent, and a caller made of tones.

use std::{
    f32::consts::TAU,
    sync::{Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;

use super::{BYTES_PER_SECOND, SAMPLE_RATE, format::Format, resample, transcode};

/// How long a key tone sounds, and how long it is quiet after it, in seconds. ITU-T Q.24 asks for 40 ms
/// of each; a codec or a lost packet on the way takes its part.
const KEY: (f32, f32) = (0.12, 0.08);
/// How loud the two tones of a key are, as parts of full scale: -9 and -7 dBm0, the higher one louder
/// since lines take more of it away.
const KEY_LOUDNESS: (f32, f32) = (0.25, 0.315);

/// The chime that stands for speech where there is no synthesiser: two soft bell tones, rising,
/// half a second in all. Made once; clones share it.
pub fn chime() -> Bytes {
    static CHIME: OnceLock<Bytes> = OnceLock::new();
    CHIME
        .get_or_init(|| {
            // A fourth, E to A; the second tone enters while the first still rings.
            let bells = [(659.26, 0.0), (880.0, 0.16)];
            render(0.5, |t| bells.iter().map(|(hz, from)| bell(*hz, t - from)).sum())
        })
        .clone()
}

/// The chime in a line's format. Converted once for each; clones share it.
pub fn chime_in(format: Format) -> Bytes {
    /// As many as there are formats, which are few.
    static CHIMES: Mutex<Vec<(Format, Bytes)>> = Mutex::new(Vec::new());
    let mut chimes = CHIMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, chime)) = chimes.iter().find(|(known, _)| *known == format) {
        return chime.clone();
    }
    let chime = transcode::clip(&chime(), format);
    chimes.push((format, chime.clone()));
    chime
}

/// A caller for machines that cannot speak: eleven short sounds that rise and fall like the
/// syllables of a sentence, about two seconds long. Made once; clones share it.
pub fn caller() -> Bytes {
    static CALLER: OnceLock<Bytes> = OnceLock::new();
    const SYLLABLES: [f32; 11] =
        [196.0, 220.0, 247.0, 220.0, 262.0, 247.0, 294.0, 262.0, 220.0, 247.0, 175.0];
    const EACH: f32 = 0.19;
    CALLER
        .get_or_init(|| {
            #[expect(clippy::cast_precision_loss, reason = "eleven")]
            render(EACH * SYLLABLES.len() as f32, |t| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "not negative, and below the number of syllables"
                )]
                let which = ((t / EACH) as usize).min(SYLLABLES.len() - 1);
                let within = t - which as f32 * EACH;
                // Half a sine is a swell: it starts and ends silent, so nothing clicks.
                let swell = (TAU / 2.0 * within / (EACH - 0.04)).sin().max(0.0);
                let hz = SYLLABLES[which] * (1.0 + 0.08 * within / EACH);
                swell
                    * (0.6 * sine(hz, within)
                        + 0.3 * sine(2.0 * hz, within)
                        + 0.1 * sine(3.0 * hz, within))
            })
        })
        .clone()
}

/// The tone of a telephone's key and the pause after it (DTMF, ITU-T Q.23), a fifth of a second in all;
/// `None` for what is not one of `0`-`9`, `*`, `#`, `A`-`D`.
pub fn key(key: char) -> Option<Bytes> {
    const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
    const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    let at = |row: &str| row.chars().position(|known| known == key);
    let (row, column) = KEYS.iter().enumerate().find_map(|(row, keys)| Some((row, at(keys)?)))?;
    let (sounds, quiet) = KEY;
    let wave = |t: f32| {
        // 2 ms to swell and to die away, so that nothing clicks.
        let edge = (t.min(sounds - t) / 0.002).clamp(0.0, 1.0);
        let (low, high) = KEY_LOUDNESS;
        edge * (low * sine(ROWS[row], t) + high * sine(COLUMNS[column], t))
    };
    Some(in_our_format(&sampled(sounds + quiet, wave)))
}

/// Half a second of silence: the `w` between the keys of a telephone number.
pub fn pause() -> Bytes {
    Bytes::from_static(&[0; BYTES_PER_SECOND / 2])
}

/// A struck bell, `since` seconds after the stroke: a few milliseconds to swell, then it dies away.
fn bell(hz: f32, since: f32) -> f32 {
    if since < 0.0 {
        return 0.0;
    }
    let attack = (since / 0.008).min(1.0);
    let decay = (-since * 9.0).exp();
    attack * decay * (0.8 * sine(hz, since) + 0.2 * sine(2.0 * hz, since))
}

fn sine(hz: f32, t: f32) -> f32 {
    (TAU * hz * t).sin()
}

/// `seconds` of a wave at a third of full scale, faded out over the last 60 ms.
fn render(seconds: f32, wave: impl Fn(f32) -> f32) -> Bytes {
    let faded = |t: f32| wave(t) * ((seconds - t) / 0.06).min(1.0) / 3.0;
    in_our_format(&sampled(seconds, faded))
}

/// `seconds` of a wave, as it is.
fn sampled(seconds: f32, wave: impl Fn(f32) -> f32) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "a rate is a small number")]
    let rate = SAMPLE_RATE as f32;
    (0u16..).map(|n| f32::from(n) / rate).take_while(|t| *t < seconds).map(wave).collect()
}

fn in_our_format(samples: &[f32]) -> Bytes {
    resample::to_internal(samples, SAMPLE_RATE).expect("our own rate is in range")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::{
        level::is_voiced,
        resample::tests::{frequency, rms, samples},
    };
    use super::*;

    #[test]
    fn the_chime_is_half_a_second_of_two_tones_that_starts_and_ends_softly() {
        let chime = chime();
        assert_eq!(chime.len(), 16_000);
        assert!(rms(&chime) > 1_000.0, "audible: {}", rms(&chime));
        let wave = samples(&chime);
        assert!(wave.iter().all(|s| s.unsigned_abs() < 24_000), "does not clip");
        assert!(wave[..4].iter().chain(&wave[7_996..]).all(|s| s.unsigned_abs() < 200), "no click");
        assert!((frequency(&chime[..4_800]) - 659.0).abs() < 15.0);
        assert!(frequency(&chime[9_000..]) > 750.0, "rises");
    }

    #[test]
    fn the_chime_is_half_a_second_in_every_format_and_shared() {
        assert_eq!(chime_in(Format::NATIVE).as_ptr(), chime().as_ptr());
        for format in [Format::PCMU, Format::PCMA, Format::pcm(48_000).unwrap()] {
            let chime = chime_in(format);
            assert_eq!(chime.len(), format.bytes_per_second() / 2, "{format:?}");
            assert!(is_voiced(format, &chime), "{format:?}");
            assert_eq!(chime.as_ptr(), chime_in(format).as_ptr(), "{format:?}");
        }
    }

    /// How much of a sound is a tone of this frequency: its amplitude, as a part of full scale.
    fn amplitude(wave: &[i16], hz: f64) -> f64 {
        let step = std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE);
        let of = |wave_of: fn(f64) -> f64| {
            let samples = wave.iter().zip(0u32..);
            samples.map(|(s, n)| f64::from(*s) * wave_of(step * f64::from(n))).sum::<f64>()
        };
        let count = f64::from(u32::try_from(wave.len()).unwrap());
        2.0 * of(f64::sin).hypot(of(f64::cos)) / count / 32_768.0
    }

    #[test]
    fn a_key_is_its_two_tones_and_a_pause() {
        let rows = [697.0, 770.0, 852.0, 941.0];
        let columns = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
        for (key, row, column) in [('1', 0, 0), ('6', 1, 2), ('0', 3, 1), ('#', 3, 2), ('D', 3, 3)]
        {
            let sound = super::key(key).unwrap();
            assert_eq!(sound.len(), BYTES_PER_SECOND / 5, "{key}");
            let wave = samples(&sound);
            let (tone, quiet) = wave.split_at(wave.len() * 3 / 5);
            assert!(quiet.iter().all(|s| *s == 0), "{key}: quiet after it");
            assert!(tone.iter().all(|s| s.unsigned_abs() < 20_000), "{key} does not clip");
            for (n, hz) in rows.iter().enumerate() {
                assert_eq!(amplitude(tone, *hz) > 0.2, n == row, "{key}: {hz} Hz");
            }
            for (n, hz) in columns.iter().enumerate() {
                assert_eq!(amplitude(tone, *hz) > 0.25, n == column, "{key}: {hz} Hz");
            }
        }
        assert!(['E', 'a', 'w', ' '].into_iter().all(|none| super::key(none).is_none()));
        assert_eq!(pause().len(), BYTES_PER_SECOND / 2);
    }

    #[test]
    fn the_caller_is_audible_and_no_stretch_of_it_repeats() {
        let caller = caller();
        assert!((2 * 32_000..3 * 32_000).contains(&caller.len()));
        assert!(rms(&caller) > 1_000.0);
        assert!(samples(&caller).iter().all(|s| s.unsigned_abs() < 24_000));
        let start = &caller[2_000..4_000];
        let repeats = caller.windows(start.len()).step_by(2).filter(|part| *part == start).count();
        assert_eq!(repeats, 1);
    }
}
