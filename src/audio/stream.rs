//! Changes the rate of sound while it is being spoken, between the rates that lines have.
//!
//! It works on 5 ms at a time and its filter looks 2.5 ms ahead: a first frame of 20 ms gives 17.5
//! ms, each one after it 20 ms, and [`Stream::finish`] the rest. It knows no encoding; `transcode`
//! puts that around it.
//!
//! The resampler is rubato's, by FFT, with the narrowest of its windows. What is below 85 % of half
//! the lower rate (3.4 of 4 kHz) passes within 0.3 dB, and what is above 115 % (4.6 kHz) is 69 dB
//! down. 20 ms take less than 2 us between 8 and 16 kHz, and 4 us at most. A longer chunk is purer,
//! and later. The other windows take 4 dB and more off the consonants at 3.4 kHz. rubato's sinc
//! resamplers, at the same delay, take more off and cost up to ten times as much; its polynomial
//! ones let everything fold back.

use rubato::{
    Fft, FixedSync, Resampler, WindowFunction, audioadapter_buffers::direct::InterleavedSlice,
};

use super::format::SERVED_RATES;

/// Chunks in a second: 5 ms each. Every served rate has whole samples in one.
const CHUNKS_PER_SECOND: usize = 200;
/// Samples of a chunk at the highest rate.
const LONGEST_CHUNK: usize = 48_000 / CHUNKS_PER_SECOND;

/// A change of rate in progress.
pub struct Stream {
    fft: Fft<f32>,
    from: usize,
    to: usize,
    /// What is short of a chunk.
    waiting: Vec<f32>,
    /// A chunk at the new rate, while it is being made.
    made: Vec<f32>,
    /// Samples still to be left out at the start: the filter's way in, before the sound begins.
    early: usize,
    /// Samples that came in since the start.
    heard: usize,
    /// Samples that went out since the start.
    told: usize,
}

impl Stream {
    /// From one of [`SERVED_RATES`] to another.
    ///
    /// # Panics
    /// If one of them is not such a rate.
    pub fn new(from: u32, to: u32) -> Self {
        for rate in [from, to] {
            assert!(SERVED_RATES.contains(&rate), "{rate} is not a rate that is served");
        }
        let (from, to) = (from as usize, to as usize);
        let (chunk, window) = (from / CHUNKS_PER_SECOND, WindowFunction::Hann);
        let fft = Fft::new_custom(from, to, chunk, 1, 1, window, FixedSync::Both)
            .expect("rates above zero, and a chunk that is whole at both");
        Self {
            early: fft.output_delay(),
            fft,
            from,
            to,
            waiting: Vec::with_capacity(chunk),
            made: vec![0.0; to / CHUNKS_PER_SECOND],
            heard: 0,
            told: 0,
        }
    }

    /// Takes samples in, any number of them, and tells in pieces what they have become.
    pub fn push(&mut self, samples: &[i16], mut tell: impl FnMut(&[i16])) {
        self.heard += samples.len();
        let mut rest = samples;
        while !rest.is_empty() {
            let short = self.from / CHUNKS_PER_SECOND - self.waiting.len();
            let (now, later) = rest.split_at(short.min(rest.len()));
            self.waiting.extend(now.iter().map(|sample| f32::from(*sample)));
            rest = later;
            if now.len() == short {
                self.chunk(&mut tell);
            }
        }
    }

    /// Tells the last milliseconds, so that the sound is as long as it was: neither cut nor padded.
    /// The next sample begins a new sound.
    pub fn finish(&mut self, mut tell: impl FnMut(&[i16])) {
        let due = (self.heard * self.to).div_ceil(self.from);
        while self.told < due {
            let left = due - self.told;
            self.waiting.resize(self.from / CHUNKS_PER_SECOND, 0.0);
            self.chunk(|made| tell(&made[..left.min(made.len())]));
        }
        self.reset();
    }

    /// Forgets what was not told yet. The next sample begins a new sound.
    pub fn reset(&mut self) {
        self.fft.reset();
        self.waiting.clear();
        (self.early, self.heard, self.told) = (self.fft.output_delay(), 0, 0);
    }

    /// Makes a chunk of what waits, which is one.
    fn chunk(&mut self, tell: impl FnOnce(&[i16])) {
        let length = self.made.len();
        let input = InterleavedSlice::new(&self.waiting, 1, self.waiting.len())
            .expect("one channel of exactly that many frames");
        let mut output = InterleavedSlice::new_mut(&mut self.made, 1, length)
            .expect("one channel of exactly that many frames");
        self.fft
            .process_into_buffer(&input, &mut output, None)
            .expect("a chunk in, and room for a chunk out");
        self.waiting.clear();
        let mut samples = [0; LONGEST_CHUNK];
        for (sample, made) in samples.iter_mut().zip(&self.made) {
            *sample = nearest(*made);
        }
        let audible = &samples[self.early..length];
        self.early = 0;
        self.told += audible.len();
        tell(audible);
    }
}

/// The nearest sample; what exceeds full scale is cut off there. (`f32::round` is a call of a
/// function on processors that our binary has to run on, and would take as long as all the rest.)
fn nearest(made: f32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is wanted")]
    let nearest = (made + 0.5_f32.copysign(made)) as i16;
    nearest
}
