//! Exotel Voicebot and Connect streams.
//!
//! Linear 16-bit little-endian audio in the family's JSON, with keys in snake_case, or in camelCase on
//! some of its ways to connect: it is answered in the style of its `start`. Audio goes out in large
//! pieces, each with all the numbers that its readers ask for; smaller ones are heard with gaps.

use std::time::Duration;

use super::{
    KeyTones, Name, Recognised,
    byte_order::ByteOrder,
    hints::Hints,
    media_streams::{Flavour, MediaStreams, Numbering},
    start::Start,
};
use crate::audio::format::{Encoding, Format};

/// Audio comes in multiples of this many bytes,
const STEP: usize = 320;
/// and of linear audio not less than this at once, or than 100 ms if that is more.
const LEAST: usize = 3_200;

/// Begins a call with its `start`; `None` if there is no stream in it.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let start = Start::read(head)?;
    let (id_key, sequence_key, stream_id) = match start.stream_id("stream_sid") {
        Some(id) => ("stream_sid", "sequence_number", id),
        None => ("streamSid", "sequenceNumber", start.stream_id("streamSid")?),
    };
    // Real calls say `base64`, which is how the linear sound travels.
    let (format, unserved) = start.linear_format();
    let flavour = Flavour {
        name: Name::Exotel,
        id_key: Some(id_key),
        numbering: Numbering::All(sequence_key),
        step: STEP,
        least: least(format),
        // A piece is 200 ms at 8 kHz: less would leave the line silent between two of them.
        ahead: Duration::from_millis(280),
        dtmf: KeyTones::Audio,
    };
    Some(Recognised {
        dialect: Box::new(MediaStreams::new(flavour, &stream_id, format, ByteOrder::Little)),
        caller: start.caller(&["call_sid", "callSid"]),
        unserved,
    })
}

/// The least that is sent at once. Of mu-law and A-law 3,200 bytes would be 400 ms, more than is ever
/// sent ahead; what counts there are the 100 ms.
fn least(format: Format) -> usize {
    let tenth = format.bytes_within(Duration::from_millis(100)).next_multiple_of(STEP);
    match format.encoding() {
        Encoding::Pcm16 => tenth.max(LEAST),
        Encoding::Mulaw | Encoding::Alaw => tenth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_never_longer_than_what_is_sent_ahead() {
        let of = |format: Option<Format>| format.map(least);
        assert_eq!(of(Format::pcm(8_000)), Some(3_200));
        assert_eq!(of(Format::pcm(16_000)), Some(3_200));
        assert_eq!(of(Format::pcm(24_000)), Some(4_800));
        assert_eq!(least(Format::PCMU), 960);
        for format in [8_000, 16_000, 24_000, 32_000, 48_000].into_iter().filter_map(Format::pcm) {
            assert!(format.length(least(format)) <= Duration::from_millis(200), "{format:?}");
        }
    }
}
