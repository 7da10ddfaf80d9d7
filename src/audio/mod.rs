//! Sound as numbers: signed 16-bit little-endian samples, 16 kHz, mono, in [`bytes::Bytes`], unless
//! a [`mod@format`] says otherwise.
//!
//! [`wav`] reads and writes files, [`resample`] brings any rate to ours, [`transcode`] a line's format
//! to another's with [`g711`] and [`stream`], [`tone`] makes sounds of its own, [`level`] hears whether
//! anybody speaks. Nothing here knows a call, a clock or a wire.

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

/// The greatest number of bytes that is not more than `bytes` and does not split a sample.
pub fn whole_samples(bytes: usize) -> usize {
    bytes & !1
}
