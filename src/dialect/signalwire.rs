//! SignalWire cXML: `<Connect><Stream>`.
//!
//! As Twilio's, with linear 16-bit audio as a choice, whose byte order nobody has written down, and
//! with key tones that we can send.

use super::{
    KeyTones, Name, Recognised,
    byte_order::ByteOrder,
    hints::Hints,
    media_streams::{Flavour, MediaStreams},
    start::Start,
};
use crate::audio::format::Encoding;

/// Begins a call with its `start`; `None` if there is no stream in it.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let start = Start::read(head)?;
    let stream_id = start.stream_id("streamSid")?;
    let (format, unserved) = start.format(Encoding::Mulaw);
    let order = match format.encoding() {
        Encoding::Pcm16 => ByteOrder::unknown(format.rate()),
        Encoding::Mulaw | Encoding::Alaw => ByteOrder::Little,
    };
    let dtmf = KeyTones::Message;
    let flavour = Flavour { dtmf, ..Flavour::like_twilio(Name::SignalWire, format) };
    Some(Recognised {
        dialect: Box::new(MediaStreams::new(flavour, &stream_id, format, order)),
        caller: start.caller(&["callSid"]),
        unserved,
    })
}
