//! Sound as numbers: signed 16-bit little-endian samples, 16 kHz, one channel.
//!
//! Everything here is arithmetic on bytes and samples; nothing knows a call, a socket or a clock.
//! [`level`] hears whether anybody speaks.

use std::time::Duration;

pub mod level;

/// Samples in a second of sound.
pub const SAMPLE_RATE: u32 = 16_000;
/// Bytes in a second of sound.
pub const BYTES_PER_SECOND: usize = 32_000;
/// Bytes in 20 ms of sound: the frame that telephony is used to.
pub const FRAME_BYTES: usize = 640;

const NANOS_PER_BYTE: u32 = 31_250;

/// How long this many bytes of sound last.
pub fn length(bytes: usize) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(u64::from(NANOS_PER_BYTE)))
}

/// How many bytes of sound fit into a time, in whole samples.
pub fn bytes_within(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    whole_samples(usize::try_from(nanos / u64::from(NANOS_PER_BYTE)).unwrap_or(usize::MAX))
}

/// The greatest number of bytes that is not more than `bytes` and does not split a sample.
pub fn whole_samples(bytes: usize) -> usize {
    bytes & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_time_are_two_views_of_the_same_sound() {
        assert_eq!(length(FRAME_BYTES), Duration::from_millis(20));
        assert_eq!(length(BYTES_PER_SECOND), Duration::from_secs(1));
        assert_eq!(bytes_within(Duration::from_millis(20)), FRAME_BYTES);
        for bytes in [0, 2, 638, 640, 1 << 20] {
            assert_eq!(bytes_within(length(bytes)), bytes);
        }
    }

    #[test]
    fn a_sample_is_never_split() {
        assert_eq!(whole_samples(641), 640);
        assert_eq!(bytes_within(length(641)), 640);
        assert_eq!(bytes_within(Duration::MAX) % 2, 0);
    }
}
