//! Sound as numbers: signed 16-bit little-endian samples, 16 kHz, mono, in [`bytes::Bytes`], unless
//! a [`format`] says otherwise.
//!
//! [`wav`] reads and writes files, [`resample`] brings any rate to ours, [`transcode`] a line's format
//! to another's with [`g711`] and [`stream`], [`tone`] makes sounds of its own, [`level`] hears whether
//! anybody speaks. Nothing here knows a call, a clock or a wire.

use std::time::Duration;

pub mod format;
pub mod g711;
pub mod level;
pub mod resample;
pub mod stream;
pub mod tone;
pub mod transcode;
pub mod wav;

/// Samples per second of all sound inside the server.
pub const SAMPLE_RATE: u32 = 16_000;
/// Bytes of one second of sound.
pub const BYTES_PER_SECOND: usize = 2 * SAMPLE_RATE as usize;
/// Bytes of 20 ms of sound: the frame that telephony is used to.
pub const FRAME_BYTES: usize = BYTES_PER_SECOND / 50;

const NANOS_PER_BYTE: u64 = 1_000_000_000 / BYTES_PER_SECOND as u64;

/// How long this many bytes of sound last.
pub fn length(bytes: usize) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(NANOS_PER_BYTE))
}

/// How many bytes of sound fit into a time, in whole samples.
pub fn bytes_within(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    whole_samples(usize::try_from(nanos / NANOS_PER_BYTE).unwrap_or(usize::MAX))
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
