//! Twilio Media Streams: `<Connect><Stream>`.
//!
//! The family's own: mu-law at 8 kHz unless the customer asked for more, nothing but `media`, `mark`
//! and `clear` towards the provider, each with the stream's id. Who calls whom the customer has to
//! attach as `<Parameter>`s. There is no word for hanging up: the close frame is it. Key tones it takes
//! out of what it is sent.

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
    let dtmf = KeyTones::Never;
    let flavour = Flavour { dtmf, ..Flavour::like_twilio(Name::Twilio, format) };
    let wire = MediaStreams::new(flavour, &stream_id, format, ByteOrder::Little);
    Some(Recognised { dialect: Box::new(wire), caller: start.caller(&["callSid"]), unserved })
}
