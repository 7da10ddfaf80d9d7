//! Telnyx media streaming: Call Control `stream_url` and TeXML `<Stream>`, in its mode `rtp`.
//!
//! The family's words in snake_case, and no stream's id towards the provider. Audio may come out of
//! order and has numbers for that. How the stream writes what we hear is told; how it wants to be
//! spoken to is told nowhere, so [`spoken`] has the rule. The call runs in that format, and what is
//! heard in another is converted here. Closing ends the stream; whether the call lives on is the
//! customer's to decide.

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
use crate::audio::{
    format::{Encoding, Format},
    transcode::Transcoder,
};

/// Begins a call with its `start`.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let start = Start::read(head)?;
    let (heard, unserved) = start.format(Encoding::Mulaw);
    let (spoken, unserved) = match spoken(&start, heard) {
        Ok(spoken) => (spoken, unserved),
        Err(sentence) => (heard, unserved.or(Some(sentence))),
    };
    let order = match heard.encoding() {
        Encoding::Pcm16 => ByteOrder::unknown(heard.rate()),
        Encoding::Mulaw | Encoding::Alaw => ByteOrder::Little,
    };
    let flavour = Flavour {
        id_key: None,
        // A message holds 20 ms at least, and any length above.
        step: spoken.sample_bytes(),
        ..Flavour::like_twilio(Name::Telnyx, spoken)
    };
    let dialect = Telnyx {
        wire: MediaStreams::new(flavour, "", spoken, order),
        reorder: Reorder::default(),
        conversion: (heard != spoken).then(|| Transcoder::new(heard, spoken)),
        ready: Arena::for_pieces(spoken.frame_bytes()),
    };
    Some(Recognised { dialect: Box::new(dialect), caller: caller(&start), unserved })
}

/// How the stream wants to be spoken to: as the custom parameters `codec` and `sample_rate` say, else
/// linear where linear audio is heard, else in mu-law. That is what `stream_bidirectional_codec` is
/// unless the customer sets it: a European leg is heard in A-law, and A-law said to it is noise. Only
/// linear audio has a choice of rates.
fn spoken(start: &Start, heard: Format) -> Result<Format, &'static str> {
    let encoding = match start.custom_text(&["codec"]) {
        Some(name) => encoding_named(&name).ok_or(UNSERVED_CODEC)?,
        None if heard.encoding() == Encoding::Pcm16 => Encoding::Pcm16,
        None => Encoding::Mulaw,
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
    /// From what is heard to what is spoken, where they differ.
    conversion: Option<Transcoder>,
    /// For audio that is converted, and for pieces that waited and are heard together.
    ready: Arena,
}

impl Telnyx {
    /// Hears this piece, and those that have waited for it.
    fn hear(&mut self, first: Bytes) -> Heard {
        let mut second = self.reorder.pop();
        if second.is_none() && self.conversion.is_none() {
            return Heard::Audio(first);
        }
        let audio = self.ready.take(|buf| {
            let mut next = Some(first);
            while let Some(piece) = next {
                match &mut self.conversion {
                    Some(conversion) => conversion.convert(&piece, buf),
                    None => buf.extend_from_slice(&piece),
                }
                next = second.take().or_else(|| self.reorder.pop());
            }
        });
        if audio.is_empty() { Heard::Nothing } else { Heard::Audio(audio) }
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
        let Some(number) = media.chunk.0 else { return self.hear(audio) };
        self.reorder.push(number, audio);
        match self.reorder.pop() {
            Some(first) => self.hear(first),
            None => Heard::Nothing,
        }
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
    fn what_is_not_told_is_mu_law_or_linear_as_heard_and_what_is_told_counts() {
        let l16 = |rate| Format::pcm(rate).unwrap();
        for (heard, custom, expected) in [
            (Format::PCMU, json!({}), Ok(Format::PCMU)),
            (Format::PCMA, json!({}), Ok(Format::PCMU)),
            (Format::PCMA, json!({"codec": "PCMA"}), Ok(Format::PCMA)),
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
