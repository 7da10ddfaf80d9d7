//! Vobiz audio streams: as Plivo's, with three differences.
//!
//! A message hangs up. Linear audio comes big-endian as the provider says, and little-endian as others
//! have found: it is listened to, and taken for little-endian until it is clear; what is sent is
//! little-endian, on which all agree. And there is no word for playing a key tone.

use super::{
    Name, Recognised,
    hints::Hints,
    plivo::{self, Plivo},
    start::Start,
};
use crate::audio::format::Encoding;

/// Begins a call with its `start`; `None` if there is no stream in it. A stream that does not say what
/// it has is linear.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let start = Start::read(head)?;
    let (format, unserved) = start.format(Encoding::Pcm16);
    let dialect = Plivo::new(Name::Vobiz, &start, format, plivo::order_of(format))?;
    Some(Recognised { dialect: Box::new(dialect), caller: plivo::caller(&start), unserved })
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        audio::format::Format,
        dialect::{Dialect, Frame, Frames, Heard, KeyTones, Say},
    };

    fn begun(format: &Value) -> Recognised {
        let start = json!({"event": "start", "start": {"callId": "c", "streamId": "s\"1", "mediaFormat": format}});
        begin(&start.to_string(), &Hints::default()).unwrap()
    }

    fn said(wire: &mut dyn Dialect, say: Say<'_>) -> Vec<Value> {
        let mut out = Frames::new();
        wire.say(say, &mut out);
        let text = |frame: &Frame| match frame {
            Frame::Text(text) => serde_json::from_str(text).unwrap(),
            Frame::Binary(_) => panic!("audio goes in JSON"),
        };
        out.iter().map(text).collect()
    }

    fn linear() -> Box<dyn Dialect> {
        begun(&json!({"encoding": "audio/x-l16", "sampleRate": 8000})).dialect
    }

    #[test]
    fn a_word_hangs_up_and_none_plays_keys() {
        let mut wire = linear();
        assert_eq!(wire.name(), Name::Vobiz);
        assert_eq!(said(&mut *wire, Say::HangUp), [json!({"event": "stop", "streamId": "s\"1"})]);
        assert!(said(&mut *wire, Say::Dtmf('1')).is_empty());
        assert_eq!(wire.manners().dtmf, KeyTones::Audio);
    }

    #[test]
    fn a_stream_that_does_not_say_is_linear() {
        let begun = begun(&json!({}));
        assert_eq!((begun.dialect.format(), begun.unserved), (Format::pcm(8_000).unwrap(), None));
    }

    /// 20 ms of a wave, swapped or not.
    fn frame(n: u16, big: bool) -> Vec<u8> {
        let sample = |i: u16| {
            let angle = f32::from(n * 160 + i) / 9.0;
            #[expect(clippy::cast_possible_truncation, reason = "a test's wave")]
            let sample = (angle.sin() * 9_000.0) as i16;
            if big { sample.to_be_bytes() } else { sample.to_le_bytes() }
        };
        (0..160).flat_map(sample).collect()
    }

    fn heard(wire: &mut dyn Dialect, bytes: &[u8]) -> Vec<u8> {
        let media = json!({"event": "media", "media": {"payload": STANDARD.encode(bytes)}});
        match wire.text(&media.to_string()) {
            Heard::Audio(audio) => audio.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_comes_in_either_order_is_understood_and_what_goes_is_little_endian() {
        for big in [false, true] {
            let mut wire = linear();
            for n in 0..10 {
                heard(&mut *wire, &frame(n, big));
            }
            assert_eq!(heard(&mut *wire, &frame(10, big)), frame(10, false), "big: {big}");
            let half = [frame(11, big), vec![1]].concat();
            assert_eq!(heard(&mut *wire, &half), frame(11, false), "half a sample is no sound");
            let audio = Bytes::from(frame(12, false));
            let media = &said(&mut *wire, Say::Audio(&audio))[0]["media"];
            assert_eq!(STANDARD.decode(media["payload"].as_str().unwrap()).unwrap(), audio);
        }
    }
}
