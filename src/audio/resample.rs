//! Brings a whole clip from any rate to ours, and samples from floats to bytes.
//!
//! What changes the rate of a line while somebody speaks is [`super::stream`].

use bytes::Bytes;
use rubato::{Fft, FixedSync, Resampler, audioadapter_buffers::direct::InterleavedSlice};

use super::SAMPLE_RATE;

/// Frames that the resampler works on at a time: small enough for a short delay, which it trims.
const CHUNK: usize = 1024;

/// The lowest rate that is taken, in samples per second.
pub const LOWEST_RATE: u32 = 4_000;
/// The highest rate that is taken, in samples per second.
pub const HIGHEST_RATE: u32 = 192_000;

/// The rate is not between [`LOWEST_RATE`] and [`HIGHEST_RATE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample rate of {0} Hz is not supported")]
pub struct BadRate(pub u32);

/// A mono clip (1.0 is full scale) of `rate` samples per second as our bytes. It is as long as the
/// original to within a sample; what exceeds full scale is cut off there.
///
/// # Errors
/// [`BadRate`] for a rate outside of what is taken.
pub fn to_internal(samples: &[f32], rate: u32) -> Result<Bytes, BadRate> {
    if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) {
        return Err(BadRate(rate));
    }
    if rate == SAMPLE_RATE || samples.is_empty() {
        return Ok(to_bytes(samples));
    }
    let mut resampler =
        Fft::<f32>::new(rate as usize, SAMPLE_RATE as usize, CHUNK, 1, FixedSync::Both)
            .map_err(|_| BadRate(rate))?;
    let input = InterleavedSlice::new(samples, 1, samples.len())
        .expect("one channel of exactly that many frames");
    let output = resampler
        .process_all(&input, samples.len(), None)
        .expect("the output is sized by the resampler itself and the input is as long as it says");
    Ok(to_bytes(&output.take_data()))
}

fn to_bytes(samples: &[f32]) -> Bytes {
    samples
        .iter()
        .flat_map(|sample| {
            // Symmetric with the reader, which divides by 32768; NaN becomes silence.
            #[expect(clippy::cast_possible_truncation, reason = "saturates, which is wanted")]
            let sample = (sample * 32_768.0).round() as i16;
            sample.to_le_bytes()
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

    use std::f32::consts::TAU;

    use super::*;

    pub fn sine(frequency: f32, rate: u32, seconds: f32) -> Vec<f32> {
        (0..)
            .map(|n| n as f32 / rate as f32)
            .take_while(|t| *t < seconds)
            .map(|t| 0.5 * (TAU * frequency * t).sin())
            .collect()
    }

    pub fn samples(pcm: &[u8]) -> Vec<i16> {
        pcm.as_chunks().0.iter().map(|two| i16::from_le_bytes(*two)).collect()
    }

    /// Cycles per second, by counting the upward crossings of zero.
    pub fn frequency(pcm: &[u8]) -> f32 {
        let samples = samples(pcm);
        let upward: Vec<usize> =
            (1..samples.len()).filter(|n| samples[n - 1] < 0 && samples[*n] >= 0).collect();
        let cycles = upward.len() - 1;
        let span = upward[cycles] - upward[0];
        cycles as f32 * SAMPLE_RATE as f32 / span as f32
    }

    pub fn rms(pcm: &[u8]) -> f64 {
        let samples = samples(pcm);
        let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        (sum / samples.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_keeps_its_pitch_level_and_length_from_any_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 44_101] {
            let pcm = to_internal(&sine(440.0, rate, 1.0), rate).unwrap();
            assert!(pcm.len().abs_diff(32_000) <= 4, "{rate}: {} bytes", pcm.len());
            assert!((frequency(&pcm) - 440.0).abs() < 1.0, "{rate}: {} Hz", frequency(&pcm));
            let level = rms(&pcm[3_200..28_800]) / (0.5 * 32_768.0 / 2f64.sqrt());
            assert!((level - 1.0).abs() < 0.01, "{rate}: {level} of the level");
        }
    }

    #[test]
    fn what_cannot_be_heard_at_our_rate_does_not_fold_back() {
        let pcm = to_internal(&sine(12_000.0, 48_000, 1.0), 48_000).unwrap();
        assert!(rms(&pcm[3_200..28_800]) < 20.0, "{}", rms(&pcm));
    }

    #[test]
    fn short_loud_and_impossible_clips() {
        assert!(to_internal(&[], 22_050).unwrap().is_empty());
        assert_eq!(to_internal(&[0.1], 48_000).unwrap().len(), 2);
        assert_eq!(
            samples(&to_internal(&[9.0, -9.0, f32::NAN], 16_000).unwrap()),
            [i16::MAX, i16::MIN, 0]
        );
        assert_eq!(to_internal(&[0.0; 8], 0), Err(BadRate(0)));
        assert_eq!(to_internal(&[0.0; 8], 192_001), Err(BadRate(192_001)));
    }
}
