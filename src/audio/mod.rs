//! Sound as numbers: signed 16-bit little-endian samples, 16 kHz, mono, in [`bytes::Bytes`].
//!
//! [`wav`] reads and writes files, [`resample`] brings any rate to ours, [`tone`] makes sounds of
//! its own. Nothing here knows a call, a clock or a wire.

pub mod resample;
pub mod tone;
pub mod wav;

/// Samples per second of all sound inside the server.
pub const SAMPLE_RATE: u32 = 16_000;
/// Bytes of one second of sound.
pub const BYTES_PER_SECOND: usize = 2 * SAMPLE_RATE as usize;
