//! From the format of one line to that of another, as the sound comes in.
//!
//! [`Transcoder`] is one direction of a call, [`clip`] a phrase that is there as a whole. `g711` has
//! the laws, [`super::stream`] the rates. Once it is under way nothing here takes memory of its own:
//! a call lasts for thousands of frames.

use bytes::{Bytes, BytesMut};

use super::{
    format::{Encoding, Format},
    g711,
    stream::Stream,
};

/// Samples that are converted at a time; they are kept on the stack.
const BLOCK: usize = 256;

/// A conversion in progress, which may be cut anywhere: what comes out depends on the bytes that
/// came in, and not on the frames they came in.
pub struct Transcoder {
    from: Format,
    to: Format,
    /// The first byte of a sample whose second is still to come.
    odd: Option<u8>,
    /// Where the rates differ.
    rate: Option<Stream>,
}

impl Transcoder {
    /// A conversion that has heard nothing yet.
    pub fn new(from: Format, to: Format) -> Self {
        let rate = (from.rate() != to.rate()).then(|| Stream::new(from.rate(), to.rate()));
        Self { from, to, odd: None, rate }
    }

    /// Takes sound in and adds to `out` what it has become, in whole samples. Where the rates differ
    /// the last few milliseconds follow with the next sound, see [`super::stream`].
    pub fn convert(&mut self, input: &[u8], out: &mut BytesMut) {
        let mut rest = input;
        if let Some((second, tail)) = rest.split_first()
            && let Some(first) = self.odd.take()
        {
            self.whole(&[first, *second], out);
            rest = tail;
        }
        let (whole, odd) = rest.split_at(self.from.whole_samples(rest.len()));
        self.whole(whole, out);
        if let [odd] = odd {
            self.odd = Some(*odd);
        }
    }

    /// Adds what is still to follow: the sound is over, and is now as long as it was. Half a sample is
    /// dropped. What is taken in from here on is a new sound.
    pub fn flush(&mut self, out: &mut BytesMut) {
        self.odd = None;
        if let Some(rate) = &mut self.rate {
            rate.finish(|samples| encode(self.to, samples, out));
        }
    }

    /// Forgets what is still to follow: nobody wants to hear it any more. What is taken in from here on
    /// is a new sound.
    pub fn reset(&mut self) {
        self.odd = None;
        if let Some(rate) = &mut self.rate {
            rate.reset();
        }
    }

    fn whole(&mut self, bytes: &[u8], out: &mut BytesMut) {
        if self.from == self.to {
            return out.extend_from_slice(bytes);
        }
        for block in bytes.chunks(BLOCK * self.from.sample_bytes()) {
            let mut samples = [0; BLOCK];
            let samples = decode(self.from, block, &mut samples);
            match &mut self.rate {
                None => encode(self.to, samples, out),
                Some(rate) => rate.push(samples, |samples| encode(self.to, samples, out)),
            }
        }
    }
}

/// A whole phrase of [`Format::NATIVE`] in another format; as long as it is there, to the end of its
/// last sample. Each second of it takes 0.1 ms, at 48 kHz 0.3 ms: convert long ones where no call
/// waits.
pub fn clip(native: &Bytes, to: Format) -> Bytes {
    let from = Format::NATIVE;
    if from == to {
        return native.clone();
    }
    let samples = native.len() / from.sample_bytes() * to.rate() as usize / from.rate() as usize;
    let mut out = BytesMut::with_capacity((samples + 1) * to.sample_bytes());
    let mut transcoder = Transcoder::new(from, to);
    transcoder.convert(native, &mut out);
    transcoder.flush(&mut out);
    out.freeze()
}

/// The samples that whole bytes stand for, in the room that is given.
fn decode<'a>(from: Format, bytes: &[u8], room: &'a mut [i16; BLOCK]) -> &'a [i16] {
    let samples = &mut room[..bytes.len() / from.sample_bytes()];
    match from.encoding() {
        Encoding::Pcm16 => {
            for (sample, two) in samples.iter_mut().zip(bytes.as_chunks().0) {
                *sample = i16::from_le_bytes(*two);
            }
        }
        Encoding::Mulaw => each(bytes, samples, g711::decode_mulaw),
        Encoding::Alaw => each(bytes, samples, g711::decode_alaw),
    }
    samples
}

fn each(codes: &[u8], samples: &mut [i16], decode: impl Fn(u8) -> i16) {
    for (sample, code) in samples.iter_mut().zip(codes) {
        *sample = decode(*code);
    }
}

fn encode(to: Format, samples: &[i16], out: &mut BytesMut) {
    let start = out.len();
    out.resize(start + samples.len() * to.sample_bytes(), 0);
    let bytes = &mut out[start..];
    match to.encoding() {
        Encoding::Pcm16 => {
            for (two, sample) in bytes.as_chunks_mut().0.iter_mut().zip(samples) {
                *two = sample.to_le_bytes();
            }
        }
        Encoding::Mulaw => g711::encode_mulaw(samples, bytes),
        Encoding::Alaw => g711::encode_alaw(samples, bytes),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "tests"
    )]

    use std::{f64::consts::TAU, time::Duration};

    use proptest::prelude::*;

    use super::super::format::SERVED_RATES;
    use super::*;

    fn formats() -> Vec<Format> {
        let encodings = [Encoding::Pcm16, Encoding::Mulaw, Encoding::Alaw];
        let all = encodings.map(|encoding| SERVED_RATES.map(|rate| Format::new(encoding, rate)));
        all.into_iter().flatten().flatten().collect()
    }

    fn pcm(rate: u32) -> Format {
        Format::pcm(rate).unwrap()
    }

    /// A sine of so many milliseconds, of this part of full scale.
    fn sine(hz: f64, rate: u32, milliseconds: u32, loudness: f64) -> Vec<i16> {
        let wave = |n| (TAU * hz * f64::from(n) / f64::from(rate)).sin() * loudness * 32_767.0;
        (0..rate * milliseconds / 1_000).map(|n| wave(n).round() as i16).collect()
    }

    fn written(format: Format, samples: &[i16]) -> Bytes {
        let mut bytes = BytesMut::new();
        encode(format, samples, &mut bytes);
        bytes.freeze()
    }

    fn read(format: Format, bytes: &[u8]) -> Vec<i16> {
        let blocks = bytes.chunks(BLOCK * format.sample_bytes());
        blocks.flat_map(|block| decode(format, block, &mut [0; BLOCK]).to_vec()).collect()
    }

    /// A whole sound, heard in frames of so many bytes.
    fn whole(from: Format, to: Format, sound: &[u8], frame: usize) -> Bytes {
        let (mut transcoder, mut out) = (Transcoder::new(from, to), BytesMut::new());
        sound.chunks(frame).for_each(|frame| transcoder.convert(frame, &mut out));
        transcoder.flush(&mut out);
        out.freeze()
    }

    fn power(samples: impl IntoIterator<Item = f64>) -> f64 {
        samples.into_iter().map(|sample| sample * sample).sum()
    }

    /// How far, in dB, what remains of a sound is below the sound it should be.
    fn below(expected: &[i16], rest: impl IntoIterator<Item = f64>) -> f64 {
        10.0 * (power(expected.iter().map(|s| f64::from(*s))) / power(rest).max(1e-9)).log10()
    }

    fn difference<'a>(a: &'a [i16], b: &'a [i16]) -> impl Iterator<Item = f64> + 'a {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b))
    }

    #[test]
    fn the_same_format_passes_unchanged_but_for_half_a_sample() {
        let noise: Vec<u8> = (0..=u8::MAX).cycle().take(1_001).collect();
        for format in formats() {
            let (mut transcoder, mut out) = (Transcoder::new(format, format), BytesMut::new());
            transcoder.convert(&noise, &mut out);
            assert_eq!(out, noise[..format.whole_samples(1_001)], "{format:?}");
            transcoder.convert(&[], &mut out);
            transcoder.convert(&noise[..1], &mut out);
            let all = [&noise[..], &noise[..1]].concat();
            assert_eq!(out, all, "{format:?}");
        }
    }

    #[test]
    fn a_tone_from_a_telephone_and_back_is_as_clear_as_mulaw_can_be() {
        let tone = sine(1_004.0, 8_000, 1_000, 0.4);
        let sent = written(Format::PCMU, &tone);
        let once = below(&tone, difference(&tone, &read(Format::PCMU, &sent)));
        let linear = whole(Format::PCMU, Format::NATIVE, &sent, 160);
        let back = read(Format::PCMU, &whole(Format::NATIVE, Format::PCMU, &linear, 640));
        let twice = below(&tone, difference(&tone, &back));
        // The law alone gives 38.0 dB, the way through our format 37.9.
        assert!(
            once > 37.5 && twice > once - 0.5,
            "{once:.2} dB, and {twice:.2} dB there and back"
        );
    }

    #[test]
    fn speech_passes_on_time_and_what_the_lower_rate_cannot_carry_does_not_fold_back() {
        for (from, to) in [(16_000, 8_000), (24_000, 8_000), (48_000, 8_000), (24_000, 16_000)] {
            let scale = f64::from(to) / 8_000.0;
            // Without the first and last 50 ms, where the tone's own beginning and end are heard.
            let inner = to as usize / 20..to as usize / 4;
            let heard = |hz: f64| {
                let sound = written(pcm(from), &sine(hz * scale, from, 300, 0.9));
                read(pcm(to), &whole(pcm(from), pcm(to), &sound, 640))[inner.clone()].to_vec()
            };
            let full = &sine(1_000.0, to, 300, 0.9)[inner.clone()];
            for (hz, clear) in [(300.0, 85.0), (1_004.0, 80.0), (2_510.0, 70.0), (3_400.0, 28.0)] {
                let expected = &sine(hz * scale, to, 300, 0.9)[inner.clone()];
                let clarity = below(expected, difference(expected, &heard(hz)));
                assert!(clarity > clear, "{from} to {to}: {hz} Hz at {clarity:.1} dB");
            }
            let highest = from / 2 * 8_000 / to;
            for hz in (4_600..highest).step_by(133).map(f64::from) {
                let down = below(full, heard(hz).into_iter().map(f64::from));
                assert!(down > 60.0, "{from} to {to}: {hz} Hz is only {down:.1} dB down");
            }
        }
    }

    #[test]
    fn a_higher_rate_says_what_was_said_and_nothing_above_it() {
        for (from, to) in [(8_000, 16_000), (8_000, 48_000), (16_000, 24_000), (24_000, 32_000)] {
            let scale = f64::from(from) / 8_000.0;
            let inner = to as usize / 20..to as usize / 4;
            for (hz, clear) in [(300.0, 60.0), (1_004.0, 60.0), (2_510.0, 60.0), (3_400.0, 28.0)] {
                let sound = written(pcm(from), &sine(hz * scale, from, 300, 0.9));
                let heard = read(pcm(to), &whole(pcm(from), pcm(to), &sound, 333));
                let expected = &sine(hz * scale, to, 300, 0.9)[inner.clone()];
                let clarity = below(expected, difference(expected, &heard[inner.clone()]));
                assert!(clarity > clear, "{from} to {to}: {hz} Hz at {clarity:.1} dB");
            }
        }
    }

    #[test]
    fn a_frame_in_is_almost_a_frame_out_and_a_minute_does_not_drift() {
        for from in formats() {
            for to in formats().into_iter().filter(|to| to.rate() != from.rate()) {
                // A minute of one pair, half a second of every other.
                let minute = (from, to) == (Format::PCMU, Format::NATIVE);
                let frames = if minute { 3_000 } else { 25 };
                let frame = vec![from.silence(); from.frame_bytes()];
                let (mut transcoder, mut out) = (Transcoder::new(from, to), BytesMut::new());
                let mut told = 0;
                for heard in 1..=frames {
                    out.clear();
                    transcoder.convert(&frame, &mut out);
                    told += out.len();
                    let late = to.length(heard * to.frame_bytes() - told);
                    assert_eq!(late, Duration::from_micros(2_500), "{from:?} to {to:?}: {heard}");
                }
                out.clear();
                transcoder.flush(&mut out);
                assert_eq!(told + out.len(), frames * to.frame_bytes(), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn silence_stays_silence() {
        for from in formats() {
            for to in formats() {
                let sound = whole(from, to, &vec![from.silence(); from.frame_bytes()], 100);
                // The A-law has no zero: its silence is 8 of 32768, and may come out as -8.
                let alaw = [from, to].iter().any(|format| format.encoding() == Encoding::Alaw);
                let most = if alaw { 9 } else { 0 };
                let loudest = read(to, &sound).iter().map(|s| s.unsigned_abs()).max();
                assert!(loudest <= Some(most), "{from:?} to {to:?}: {loudest:?}");
            }
        }
    }

    #[test]
    fn full_scale_is_cut_off_and_does_not_wrap() {
        for (from, to) in [(8_000, 16_000), (16_000, 8_000), (24_000, 32_000)] {
            // A square wave of 100 Hz overshoots at every edge once its highest tones are gone.
            let half = from as usize / 200;
            let square: Vec<i16> =
                (0..from as usize / 10).map(|n| [i16::MAX, i16::MIN][n / half % 2]).collect();
            let heard =
                read(pcm(to), &whole(pcm(from), pcm(to), &written(pcm(from), &square), 640));
            let half = to as usize / 200;
            for (n, sample) in heard.iter().enumerate() {
                let from_edge = (n % half).min(half - n % half);
                if from_edge > half / 20 {
                    let expected = [1, -1][n / half % 2];
                    assert!(i32::from(*sample) * expected > 25_000, "{from} to {to}: {n} {sample}");
                }
            }
        }
    }

    #[test]
    fn a_phrase_keeps_its_length_and_its_last_milliseconds() {
        let phrase: Vec<i16> = sine(500.0, 16_000, 333, 0.5);
        let native = written(Format::NATIVE, &phrase);
        assert_eq!(clip(&native, Format::NATIVE).as_ptr(), native.as_ptr(), "shared");
        for format in formats() {
            let heard = read(format, &clip(&native, format));
            assert_eq!(heard.len(), (format.rate() * 333).div_ceil(1_000) as usize, "{format:?}");
            let end = &heard[heard.len() - format.rate() as usize / 500..];
            let loud = (power(end.iter().map(|s| f64::from(*s))) / end.len() as f64).sqrt();
            assert!((10_000.0..14_000.0).contains(&loud), "{format:?}: {loud} in the last 2 ms");
            assert!(clip(&Bytes::new(), format).is_empty());
        }
    }

    #[test]
    fn after_the_end_of_a_sound_the_next_one_begins_afresh() {
        let tone = written(Format::NATIVE, &sine(700.0, 16_000, 50, 0.5));
        let (mut transcoder, mut out) =
            (Transcoder::new(Format::NATIVE, Format::PCMU), BytesMut::new());
        transcoder.convert(&tone, &mut out);
        transcoder.convert(&[1], &mut out);
        transcoder.flush(&mut out);
        let first = out.split();
        transcoder.convert(&tone, &mut out);
        transcoder.flush(&mut out);
        assert_eq!(out, first);
        transcoder.flush(&mut out);
        assert_eq!(out, first, "nothing more to say");
    }

    #[test]
    fn after_a_reset_nothing_of_what_was_said_before_is_heard() {
        let loud = written(Format::NATIVE, &sine(700.0, 16_000, 48, 0.9));
        for to in formats() {
            let (mut transcoder, mut out) = (Transcoder::new(Format::NATIVE, to), BytesMut::new());
            transcoder.convert(&loud, &mut out);
            transcoder.convert(&[1], &mut out);
            transcoder.reset();
            out.clear();
            transcoder.convert(&[0; 640], &mut out);
            transcoder.flush(&mut out);
            let heard = read(to, &out);
            assert_eq!(heard.len(), to.rate() as usize / 50, "{to:?}");
            let quiet = if to.encoding() == Encoding::Alaw { 8 } else { 0 };
            assert!(heard.iter().all(|s| s.unsigned_abs() <= quiet), "{to:?}: {heard:?}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_sounds_the_same(
            from in proptest::sample::select(formats()),
            to in proptest::sample::select(formats()),
            noise in proptest::collection::vec(any::<u8>(), 0..5_000),
            cuts in proptest::collection::vec(0usize..700, 1..30),
        ) {
            let (mut transcoder, mut out) = (Transcoder::new(from, to), BytesMut::new());
            let mut rest = &noise[..];
            for cut in cuts {
                let (frame, later) = rest.split_at(cut.min(rest.len()));
                transcoder.convert(frame, &mut out);
                rest = later;
            }
            transcoder.convert(rest, &mut out);
            transcoder.flush(&mut out);
            prop_assert_eq!(&out, &whole(from, to, &noise, usize::MAX));
            let samples = noise.len() / from.sample_bytes() * to.rate() as usize;
            let expected = samples.div_ceil(from.rate() as usize) * to.sample_bytes();
            prop_assert_eq!(out.len(), expected);
        }
    }
}
