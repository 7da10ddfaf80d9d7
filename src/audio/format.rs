//! How sound is written on a line: encoding and rate. One channel, always.
//!
//! A call runs in the format of its line, so that what is heard can be returned as it came; the
//! server's own format, [`Format::NATIVE`], is what agents speak and bots are given. Pure arithmetic:
//! what converts one format into another is `transcode`.

use std::time::Duration;

use super::SAMPLE_RATE;

/// How one sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Signed 16-bit little-endian. Dialects with another byte order swap at their edge.
    Pcm16,
    /// G.711 mu-law, one byte.
    Mulaw,
    /// G.711 A-law, one byte.
    Alaw,
}

/// An encoding at a rate that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    encoding: Encoding,
    rate: u32,
}

/// The rates that are served, in samples per second. Each has whole samples in 20 ms.
pub const SERVED_RATES: [u32; 5] = [8_000, 16_000, 24_000, 32_000, 48_000];

impl Format {
    /// What everything inside the server is written in.
    pub const NATIVE: Self = Self { encoding: Encoding::Pcm16, rate: SAMPLE_RATE };
    /// What most of the world's telephones are written in: mu-law, 8 kHz.
    pub const PCMU: Self = Self { encoding: Encoding::Mulaw, rate: 8_000 };
    /// What Europe's telephones are written in: A-law, 8 kHz.
    pub const PCMA: Self = Self { encoding: Encoding::Alaw, rate: 8_000 };

    /// The format of this encoding and rate; `None` if the rate is not one of [`SERVED_RATES`].
    pub fn new(encoding: Encoding, rate: u32) -> Option<Self> {
        SERVED_RATES.contains(&rate).then_some(Self { encoding, rate })
    }

    /// Linear samples at this rate, if it is served.
    pub fn pcm(rate: u32) -> Option<Self> {
        Self::new(Encoding::Pcm16, rate)
    }

    /// How a sample is written.
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// Samples per second.
    pub fn rate(self) -> u32 {
        self.rate
    }

    /// Bytes of one sample.
    pub fn sample_bytes(self) -> usize {
        match self.encoding {
            Encoding::Pcm16 => 2,
            Encoding::Mulaw | Encoding::Alaw => 1,
        }
    }

    /// The byte that silence is made of.
    pub fn silence(self) -> u8 {
        match self.encoding {
            Encoding::Pcm16 => 0,
            Encoding::Mulaw => 0xff,
            Encoding::Alaw => 0xd5,
        }
    }

    /// Bytes of one second of sound.
    pub fn bytes_per_second(self) -> usize {
        self.rate as usize * self.sample_bytes()
    }

    /// Bytes of 20 ms of sound: the frame that telephony is used to.
    pub fn frame_bytes(self) -> usize {
        self.bytes_per_second() / 50
    }

    /// How long this many bytes of sound last.
    pub fn length(self, bytes: usize) -> Duration {
        // Bounded by what fits into memory: 2^34 bytes would overflow, and no call has them.
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / self.bytes_per_second() as u64;
        Duration::from_nanos(nanos)
    }

    /// How many bytes of sound fit into a time, in whole samples.
    pub fn bytes_within(self, time: Duration) -> usize {
        // In 64 bits, since it is asked for every frame.
        let per_second = self.bytes_per_second() as u64;
        let whole = time.as_secs().saturating_mul(per_second);
        let rest = u64::from(time.subsec_nanos()) * per_second / 1_000_000_000;
        self.whole_samples(usize::try_from(whole.saturating_add(rest)).unwrap_or(usize::MAX))
    }

    /// The greatest number of bytes that is not more than `bytes` and does not split a sample.
    pub fn whole_samples(self, bytes: usize) -> usize {
        bytes & !(self.sample_bytes() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_time_are_two_views_of_the_same_sound() {
        let formats = SERVED_RATES.into_iter().filter_map(Format::pcm);
        for format in formats.chain([Format::PCMU, Format::PCMA]) {
            let frame = format.frame_bytes();
            assert_eq!(format.length(frame), Duration::from_millis(20), "{format:?}");
            assert_eq!(format.bytes_within(Duration::from_millis(20)), frame, "{format:?}");
            assert_eq!(format.length(format.bytes_per_second()), Duration::from_secs(1));
            assert_eq!(format.bytes_within(Duration::from_millis(180)), 9 * frame, "{format:?}");
        }
        assert_eq!(Format::PCMU.frame_bytes(), 160);
        assert_eq!(Format::NATIVE.frame_bytes(), 640);
    }

    #[test]
    fn a_sample_is_never_split() {
        assert_eq!(Format::NATIVE.whole_samples(641), 640);
        assert_eq!(Format::PCMU.whole_samples(641), 641);
        assert_eq!(Format::NATIVE.bytes_within(Duration::MAX) % 2, 0);
    }

    #[test]
    fn a_rate_that_is_not_served_is_no_format() {
        assert_eq!(Format::pcm(11_025), None);
        assert_eq!(Format::new(Encoding::Mulaw, 8_000), Some(Format::PCMU));
    }
}
