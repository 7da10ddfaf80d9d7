//! Tata Smartflo, and those who speak after the same document (Acefone, Servetel, AstraDial).
//!
//! As Twilio's, but who calls whom is told, each piece of audio has a number, and a piece that is
//! not a whole number of 160 bytes is heard with a gap.

use super::{
    Name, Recognised,
    byte_order::ByteOrder,
    hints::Hints,
    media_streams::{Flavour, MediaStreams, Numbering},
    start::Start,
};
use crate::audio::format::Encoding;

/// Audio comes in multiples of this many bytes: 20 ms of mu-law.
const STEP: usize = 160;

/// Begins a call with its `start`; `None` if there is no stream in it.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let start = Start::read(head)?;
    let stream_id = start.stream_id("streamSid")?;
    let (format, unserved) = start.format(Encoding::Mulaw);
    let flavour = Flavour {
        numbering: Numbering::Chunk,
        step: STEP,
        least: STEP,
        ..Flavour::like_twilio(Name::Smartflo, format)
    };
    Some(Recognised {
        dialect: Box::new(MediaStreams::new(flavour, &stream_id, format, ByteOrder::Little)),
        caller: start.caller(&["callSid"]),
        unserved,
    })
}
