//! A tone of 1 kHz as a provider writes it, and how much of what is heard is that tone.

use std::f64::consts::TAU;

use upvoot::audio::format::{Encoding, Format};

use crate::carrier::g711::{decode_alaw, decode_mulaw, encode};

const PITCH: f64 = 1_000.0;

/// So many seconds of the tone at half of full scale, in this format: one period, over and over, since
/// every rate has whole samples in it.
pub fn tone(format: Format, seconds: u32) -> Vec<u8> {
    let rate = f64::from(format.rate());
    let period = (0..format.rate() / 1_000).map(|n| {
        let sample = (16_384.0 * (TAU * PITCH * f64::from(n) / rate).sin()).round();
        #[expect(clippy::cast_possible_truncation, reason = "half of full scale")]
        let sample = sample as i16;
        sample
    });
    let period: Vec<u8> = period
        .flat_map(|sample| match format.encoding() {
            Encoding::Pcm16 => sample.to_le_bytes().to_vec(),
            Encoding::Mulaw => vec![encode(decode_mulaw, sample)],
            Encoding::Alaw => vec![encode(decode_alaw, sample)],
        })
        .collect();
    period.repeat(1_000 * seconds as usize)
}

/// What is heard, as numbers.
pub fn samples(format: Format, sound: &[u8]) -> Vec<f64> {
    match format.encoding() {
        Encoding::Pcm16 => {
            sound.as_chunks().0.iter().map(|two| f64::from(i16::from_le_bytes(*two))).collect()
        }
        Encoding::Mulaw => sound.iter().map(|code| f64::from(decode_mulaw(*code))).collect(),
        Encoding::Alaw => sound.iter().map(|code| f64::from(decode_alaw(*code))).collect(),
    }
}

/// How much stronger than all else the tone is, in dB, in the second after the first fifth of a
/// second of something loud. `None` if nothing is loud for so long.
pub fn signal_to_noise(samples: &[f64], rate: u32) -> Option<f64> {
    let begins = samples.iter().position(|sample| sample.abs() > 8_000.0)?;
    let rate = rate as usize;
    let part = samples.get(begins + rate / 5..)?.get(..rate)?;
    // Over a whole second the tone is orthogonal to its quadrature: the fit is two sums.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (count, step) = (rate as f64, TAU * PITCH / rate as f64);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let phase = |n: usize| n as f64 * step;
    let sum = |wave: fn(f64) -> f64| {
        let products = part.iter().enumerate().map(|(n, sample)| sample * wave(phase(n)));
        2.0 * products.sum::<f64>() / count
    };
    let (sine, cosine) = (sum(f64::sin), sum(f64::cos));
    let signal = (sine * sine + cosine * cosine) / 2.0;
    let noise = part
        .iter()
        .enumerate()
        .map(|(n, sample)| (sample - sine * phase(n).sin() - cosine * phase(n).cos()).powi(2));
    Some(10.0 * (signal / (noise.sum::<f64>() / count)).log10())
}

/// Something said, as far as one can tell whether it is the same through another codec: how long it
/// is, and how loud.
#[derive(Debug, Clone, Copy)]
pub struct Utterance {
    pub seconds: f64,
    decibels: f64,
}

impl Utterance {
    /// What is said in these samples, from the first loud one to the last; `None` if nothing is.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn of(samples: &[f64], rate: u32) -> Option<Self> {
        let loud = |sample: &f64| sample.abs() > 1_000.0;
        let first = samples.iter().position(loud)?;
        let last = samples.iter().rposition(loud)?;
        let said = &samples[first..=last];
        let power = said.iter().map(|sample| sample * sample).sum::<f64>() / said.len() as f64;
        Some(Self { seconds: said.len() as f64 / f64::from(rate), decibels: 10.0 * power.log10() })
    }

    /// Another codec and rate makes it neither longer nor louder.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.seconds - other.seconds).abs() < 0.1 && (self.decibels - other.decibels).abs() < 3.0
    }
}

#[test]
fn the_same_thing_said_is_known_through_another_codec_and_noise_is_not() {
    let [linear, mulaw] = [Format::NATIVE, Format::PCMU]
        .map(|format| Utterance::of(&samples(format, &tone(format, 1)), format.rate()).unwrap());
    assert!(mulaw.is_like(&linear), "{mulaw:?} {linear:?}");
    // Linear bytes taken for mu-law.
    let noise = samples(Format::PCMU, &tone(Format::NATIVE, 1));
    assert!(!Utterance::of(&noise, 8_000).unwrap().is_like(&linear));
    assert!(Utterance::of(&[0.0; 100], 8_000).is_none());
}

#[test]
fn the_measure_measures() {
    let of = |format: Format, sound: &[u8]| signal_to_noise(&samples(format, sound), format.rate());
    let linear = Format::pcm(16_000).unwrap();
    let clean = tone(linear, 2);
    assert!(of(linear, &clean).unwrap() > 90.0);
    let mulaw = of(Format::PCMU, &tone(Format::PCMU, 2)).unwrap();
    // 33.96 dB: of 1 kHz at 8 kHz the law has five different values to round, always the same.
    assert!((33.0..35.0).contains(&mulaw), "{mulaw}");
    // One lost frame of 20 ms in the middle does not shift the phase of 1 kHz; 10.5 ms do.
    let broken = [&clean[..24_000], &clean[24_336..]].concat();
    assert!(of(linear, &broken).unwrap() < 10.0);
    assert_eq!(of(linear, &clean[..8_000]), None);
    assert_eq!(of(linear, &[0; 64_000]), None);
}
