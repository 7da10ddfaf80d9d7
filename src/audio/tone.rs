//! Sounds that need no speech synthesiser: a chime for the agent, and a caller made of tones.

use std::{
    f32::consts::TAU,
    sync::{Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;

use super::{SAMPLE_RATE, format::Format, resample, transcode};

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
    #[expect(clippy::cast_precision_loss, reason = "a rate is a small number")]
    let rate = SAMPLE_RATE as f32;
    let samples: Vec<f32> = (0u16..)
        .map(|n| f32::from(n) / rate)
        .take_while(|t| *t < seconds)
        .map(|t| wave(t) * ((seconds - t) / 0.06).min(1.0) / 3.0)
        .collect();
    resample::to_internal(&samples, SAMPLE_RATE).expect("our own rate is in range")
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
