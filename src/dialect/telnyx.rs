//! Telnyx media streaming: Call Control `stream_url` and TeXML `<Stream>`, in its mode `rtp`.
//!
//! The family's words in snake_case, and no stream's id towards the provider. Audio may come out of
//! order and has numbers for that. How the stream writes what it hears is told; how it wants to be
//! spoken to is told nowhere, so [`spoken`] has the rule. Closing ends the stream; whether the call
//! lives on is the customer's to decide.

use bytes::Bytes;

use super::{
    Caller, Dialect, Frames, Heard, Manners, Name, Recognised, Say,
    arena::Arena,
    byte_order::ByteOrder,
    hints::Hints,
    media_streams::{Flavour, MediaStreams, Message},
    reorder::Reorder,
    start::{Start, UNSERVED_CODEC, UNSERVED_RATE, encoding_named},
};
use crate::audio::format::{Encoding, Format};

/// The two directions of the stream differ.
const UNSERVED_MIX: &str =
    "The stream is heard and spoken to in different codecs: use the same for both.";

/// Begins a call with its `start`.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let start = Start::read(head)?;
    let (heard, unserved) = start.format(Encoding::Mulaw);
    let unserved = unserved.or(match spoken(&start, heard) {
        Ok(spoken) if spoken == heard => None,
        Ok(_) => Some(UNSERVED_MIX),
        Err(sentence) => Some(sentence),
    });
    let order = match heard.encoding() {
        Encoding::Pcm16 => ByteOrder::unknown(heard.rate()),
        Encoding::Mulaw | Encoding::Alaw => ByteOrder::Little,
    };
    let flavour = Flavour {
        id_key: None,
        // A message holds 20 ms at least.
        least: heard.frame_bytes(),
        ..Flavour::like_twilio(Name::Telnyx, heard)
    };
    let dialect = Telnyx {
        wire: MediaStreams::new(flavour, "", heard, order),
        reorder: Reorder::default(),
        joined: Arena::for_pieces(heard.frame_bytes()),
    };
    Some(Recognised { dialect: Box::new(dialect), caller: caller(&start), unserved })
}

/// How the stream wants to be spoken to: as the custom parameters `codec` and `sample_rate` say, else
/// as it is heard. Only linear audio has a choice of rates.
fn spoken(start: &Start, heard: Format) -> Result<Format, &'static str> {
    let encoding = match start.custom_text(&["codec"]) {
        Some(name) => encoding_named(&name).ok_or(UNSERVED_CODEC)?,
        None => heard.encoding(),
    };
    if encoding != Encoding::Pcm16 {
        return Format::new(encoding, 8_000).ok_or(UNSERVED_RATE);
    }
    let rate = match start.custom_text(&["sample_rate"]) {
        Some(rate) => rate.trim().parse().map_err(|_| UNSERVED_RATE)?,
        None if heard.encoding() == encoding => heard.rate(),
        None => 8_000,
    };
    Format::pcm(rate).ok_or(UNSERVED_RATE)
}

/// Who calls whom; the customer's own words for the call come along as parameters.
fn caller(start: &Start) -> Caller {
    let mut caller = start.caller(&["call_control_id"]);
    if let Some(state) = start.text(&["client_state"]) {
        caller.param("client_state", &state);
    }
    if let Some(tags) = start.list("tags") {
        caller.param("tags", &tags);
    }
    caller
}

/// The wire of one call.
struct Telnyx {
    wire: MediaStreams,
    reorder: Reorder,
    /// For pieces that waited for each other and are heard together.
    joined: Arena,
}

impl Telnyx {
    /// All audio whose turn it is.
    fn ready(&mut self) -> Heard {
        let Some(first) = self.reorder.pop() else { return Heard::Nothing };
        let Some(second) = self.reorder.pop() else { return Heard::Audio(first) };
        Heard::Audio(self.joined.take(|buf| {
            buf.extend_from_slice(&first);
            buf.extend_from_slice(&second);
            while let Some(next) = self.reorder.pop() {
                buf.extend_from_slice(&next);
            }
        }))
    }
}

impl Dialect for Telnyx {
    fn name(&self) -> Name {
        self.wire.name()
    }

    fn format(&self) -> Format {
        self.wire.format()
    }

    fn manners(&self) -> Manners {
        self.wire.manners()
    }

    fn text(&mut self, text: &str) -> Heard {
        let Some(message) = Message::read(text) else { return Heard::Nothing };
        let Some(media) = message.sound() else { return self.wire.hear(&message) };
        let Some(audio) = self.wire.audio(media) else { return Heard::Nothing };
        match media.chunk.0 {
            Some(number) => self.reorder.push(number, audio),
            None => return Heard::Audio(audio),
        }
        self.ready()
    }

    fn binary(&mut self, bytes: Bytes) -> Heard {
        self.wire.binary(bytes)
    }

    fn say(&mut self, say: Say<'_>, out: &mut Frames) {
        self.wire.say(say, out);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spoken_of(heard: Format, custom: Value) -> Result<Format, &'static str> {
        let start = json!({ "start": { "custom_parameters": custom } });
        spoken(&Start::read(&start.to_string()).unwrap(), heard)
    }

    #[test]
    fn what_is_not_told_is_mirrored_and_what_is_told_counts() {
        let l16 = |rate| Format::pcm(rate).unwrap();
        for (heard, custom, expected) in [
            (Format::PCMU, json!({}), Ok(Format::PCMU)),
            (Format::PCMA, json!({}), Ok(Format::PCMA)),
            (l16(16_000), json!({}), Ok(l16(16_000))),
            (Format::PCMU, json!({"codec": "PCMA"}), Ok(Format::PCMA)),
            (Format::PCMU, json!({"codec": "L16"}), Ok(l16(8_000))),
            (Format::PCMU, json!({"codec": "L16", "sample_rate": "24000"}), Ok(l16(24_000))),
            (l16(16_000), json!({"sample_rate": 48000}), Ok(l16(48_000))),
            (l16(16_000), json!({"codec": "L16"}), Ok(l16(16_000))),
            (l16(16_000), json!({"codec": "PCMU", "sample_rate": 16000}), Ok(Format::PCMU)),
            (Format::PCMU, json!({"sample_rate": 16000}), Ok(Format::PCMU)),
            (Format::PCMU, json!({"codec": "OPUS"}), Err(UNSERVED_CODEC)),
            (l16(16_000), json!({"sample_rate": 22050}), Err(UNSERVED_RATE)),
            (l16(16_000), json!({"sample_rate": "high"}), Err(UNSERVED_RATE)),
        ] {
            assert_eq!(spoken_of(heard, custom.clone()), expected, "{heard:?} {custom}");
        }
    }
}
