//! Plivo audio streams, and the codec that Vobiz shares.
//!
//! Audio goes both ways in base64 within JSON, 20 ms at a time. There is no greeting before `start`,
//! and no word for hanging up: the call goes on with what the customer has put after the stream, and
//! ends if there is nothing. Who calls whom stands only in the headers that the customer adds.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Caller, Dialect, Frame, Frames, Heard, KeyTones, Manners, Name, Recognised, Say,
    arena::Arena,
    byte_order::ByteOrder,
    chunks::Chunks,
    hints::Hints,
    json::{Lenient, Text, quoted},
    native, payload,
    start::Start,
};
use crate::{
    audio::format::{Encoding, Format},
    call::Event,
};

const AHEAD: Duration = Duration::from_millis(180);

/// The names that customers give to who calls and who was called.
const FROM: [&str; 5] = ["from", "from_number", "caller", "caller_id", "callerid"];
const TO: [&str; 4] = ["to", "to_number", "called", "did"];

/// Begins a call with its `start`; `None` if there is no stream in it. Plivo's pages differ about what
/// a stream has that does not say it: mu-law is the telephone's own.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let start = Start::read(head)?;
    let (format, unserved) = start.format(Encoding::Mulaw);
    // A stream of Vobiz without a header that names it looks like this, and may be big-endian.
    let order = order_of(format);
    let dialect = Plivo::new(Name::Plivo, &start, format, order)?;
    Some(Recognised { dialect: Box::new(dialect), caller: caller(&start), unserved })
}

/// Who calls, as far as the customer's headers tell.
pub(super) fn caller(start: &Start) -> Caller {
    let mut caller = Caller {
        provider_call_id: start.text(&["callId"]).map(|id| Caller::cut(&id)),
        ..Caller::default()
    };
    match start.beside("extra_headers").or_else(|| start.beside("extraHeaders")) {
        Some(Value::String(text)) => read_headers(text, &mut caller),
        Some(Value::Object(headers)) => {
            headers.iter().for_each(|(name, value)| attach_json(&mut caller, name, value));
        }
        _ => {}
    }
    caller.from = caller.param_named(&FROM).map(str::to_owned);
    caller.to = caller.param_named(&TO).map(str::to_owned);
    caller
}

/// The byte order of a stream that does not tell it: heard, where there is one.
pub(super) fn order_of(format: Format) -> ByteOrder {
    match format.encoding() {
        Encoding::Pcm16 => ByteOrder::unknown(format.rate()),
        Encoding::Mulaw | Encoding::Alaw => ByteOrder::Little,
    }
}

/// Headers as one text, in any of the forms that Plivo is known to write: JSON, `{k: v, k: v}`,
/// `k=v;k=v`, `k=v,k=v`.
fn read_headers(text: &str, caller: &mut Caller) {
    if let Ok(headers) = serde_json::from_str::<Map<String, Value>>(text) {
        return headers.iter().for_each(|(name, value)| attach_json(caller, name, value));
    }
    let braced = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let (pairs, between, within) = match braced {
        Some(pairs) => (pairs, ", ", ": "),
        None if text.contains(';') => (text, ";", "="),
        None => (text, ",", "="),
    };
    for (name, value) in pairs.split(between).filter_map(|pair| pair.split_once(within)) {
        caller.param(own_name(name.trim()), value.trim());
    }
}

fn attach_json(caller: &mut Caller, name: &str, value: &Value) {
    caller.json_param(own_name(name), value);
}

/// A header's name as the customer wrote it: Plivo puts its own letters before some.
fn own_name(name: &str) -> &str {
    const PREFIX: &str = "X-PH-";
    match name.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.is_empty() => rest,
        _ => name,
    }
}

/// A message of the peer. What is missing or of a wrong kind is `None`.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    event: Text<'a>,
    #[serde(borrow, default)]
    media: Lenient<Media<'a>>,
    #[serde(borrow, default)]
    dtmf: Lenient<Dtmf<'a>>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    reason: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Media<'a> {
    #[serde(borrow, default)]
    track: Text<'a>,
    #[serde(borrow, default)]
    payload: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Dtmf<'a> {
    #[serde(borrow, default)]
    digit: Text<'a>,
}

/// The wire of one call.
#[derive(Debug)]
pub(super) struct Plivo {
    name: Name,
    format: Format,
    order: ByteOrder,
    /// A `playAudio` message up to its payload, and a `checkpoint` up to its name.
    play: String,
    checkpoint: String,
    clear: ByteString,
    /// The word for hanging up, if there is one.
    hang_up: Option<ByteString>,
    chunks: Chunks,
    heard: Arena,
    frames: Arena,
}

impl Plivo {
    /// The wire of a stream; `None` if it has no id. `order` is that of linear audio of the peer: it
    /// is sent little-endian, always.
    pub fn new(name: Name, start: &Start, format: Format, order: ByteOrder) -> Option<Self> {
        let id = quoted(&start.stream_id("streamId")?);
        let word = |event: &str| format!(r#"{{"event":"{event}","streamId":{id}}}"#).into();
        let (kind, rate) = (content_type(format.encoding()), format.rate());
        let play = format!(r#""contentType":"{kind}","sampleRate":{rate},"payload":""#);
        let piece = format.frame_bytes();
        Some(Self {
            name,
            format,
            order,
            play: format!(r#"{{"event":"playAudio","media":{{{play}"#),
            checkpoint: format!(r#"{{"event":"checkpoint","streamId":{id},"name":""#),
            clear: word("clearAudio"),
            hang_up: (name == Name::Vobiz).then(|| word("stop")),
            chunks: Chunks::new(format),
            heard: Arena::for_pieces(piece),
            frames: Arena::for_pieces(payload::encoded_len(piece) + 128),
        })
    }

    fn audio(&mut self, media: &Media<'_>) -> Option<Bytes> {
        if media.track.get() == Some("outbound") {
            return None; // our own voice
        }
        let text = media.payload.get()?;
        let audio = self.heard.take(|buf| {
            payload::decode(text, buf);
            // A message stands for itself: half a sample at its end is no sound.
            buf.truncate(self.format.whole_samples(buf.len()));
            self.order.straighten(buf);
        });
        (!audio.is_empty()).then_some(audio)
    }

    /// Sends what is held back, filled up to 20 ms.
    fn flush(&mut self, out: &mut Frames) {
        if let Some(chunk) = self.chunks.fill_up() {
            out.push(play(&mut self.frames, &self.play, &chunk));
        }
    }
}

/// Linear audio and mu-law are all that Plivo has. A-law goes by the name that it would have.
fn content_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Pcm16 => "audio/x-l16",
        Encoding::Mulaw => "audio/x-mulaw",
        Encoding::Alaw => "audio/x-alaw",
    }
}

fn play(frames: &mut Arena, head: &str, audio: &[u8]) -> Frame {
    Frame::text(frames.take(|buf| {
        buf.extend_from_slice(head.as_bytes());
        payload::encode(audio, buf);
        buf.extend_from_slice(br#""}}"#);
    }))
}

impl Dialect for Plivo {
    fn name(&self) -> Name {
        self.name
    }

    fn format(&self) -> Format {
        self.format
    }

    fn manners(&self) -> Manners {
        let dtmf = match self.name {
            Name::Plivo => KeyTones::Message,
            _ => KeyTones::Audio,
        };
        Manners { ahead: AHEAD, marks: true, clears: true, dtmf }
    }

    fn text(&mut self, text: &str) -> Heard {
        let Ok(message) = serde_json::from_str::<Message<'_>>(text) else { return Heard::Nothing };
        let Some(event) = message.event.get() else { return Heard::Nothing };
        let heard = match event {
            "media" => message.media.0.and_then(|media| self.audio(&media)).map(Heard::Audio),
            "dtmf" => {
                message.dtmf.0.and_then(|dtmf| native::digit(dtmf.digit.get()?)).map(Heard::Dtmf)
            }
            "playedStream" => {
                message.name.get().and_then(|name| name.parse().ok()).map(Heard::Mark)
            }
            "stop" => Some(Heard::Stop),
            "playFailed" | "error" => {
                Some(Heard::complaint(&[event, message.reason.get().unwrap_or_default()]))
            }
            _ => None,
        };
        heard.unwrap_or(Heard::Nothing)
    }

    fn binary(&mut self, _: Bytes) -> Heard {
        Heard::Nothing
    }

    fn say(&mut self, say: Say<'_>, out: &mut Frames) {
        match say {
            Say::Audio(audio) => {
                let (frames, head) = (&mut self.frames, &self.play);
                self.chunks.cut(audio, |chunk| out.push(play(frames, head, &chunk)));
            }
            Say::Event(Event::AudioEnd) => self.flush(out),
            Say::Clear => {
                self.chunks.clear();
                out.push(Frame::Text(self.clear.clone()));
            }
            Say::Mark(tag) => {
                self.flush(out);
                out.push(Frame::Text(format!(r#"{}{tag}"}}"#, self.checkpoint).into()));
            }
            Say::Dtmf(digit) if self.manners().dtmf == KeyTones::Message => {
                let text = format!(r#"{{"event":"sendDTMF","dtmf":"{digit}"}}"#);
                out.push(Frame::Text(text.into()));
            }
            Say::HangUp => out.extend(self.hang_up.clone().map(Frame::Text)),
            Say::Begin(_) | Say::Event(_) | Say::Dtmf(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{call::EndReason, dialect::Tag};

    const START: &str = r#"{"sequenceNumber":0,"event":"start","start":{"callId":"c1","streamId":"s1",
        "accountId":"MA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}},
        "extra_headers":"from=14155550100;to=14155550199;vip=1"}"#;

    fn begun(start: &str) -> Recognised {
        begin(start, &Hints::default()).unwrap()
    }

    fn begun_with(format: &Value) -> Recognised {
        begun(
            &json!({"event": "start", "start": {"streamId": "s1", "mediaFormat": format}})
                .to_string(),
        )
    }

    fn said(wire: &mut dyn Dialect, say: Say<'_>) -> Vec<Value> {
        let mut out = Frames::new();
        wire.say(say, &mut out);
        let text = |frame| match frame {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            Frame::Binary(_) => panic!("audio goes in JSON"),
        };
        out.into_iter().map(text).collect()
    }

    #[test]
    fn audio_goes_out_20_ms_at_a_time_and_the_rest_is_filled_up() {
        let mut wire = begun(START).dialect;
        let play = |bytes: &[u8]| {
            let mut base64 = bytes::BytesMut::new();
            payload::encode(bytes, &mut base64);
            let payload = std::str::from_utf8(&base64).unwrap().to_owned();
            json!({"event": "playAudio", "media": {
                "contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": payload}})
        };
        let audio = Bytes::from((0..200).collect::<Vec<u8>>());
        assert_eq!(said(&mut *wire, Say::Audio(&audio)), [play(&audio[..160])]);
        let rest = [&audio[160..], &[0xff; 120]].concat();
        assert_eq!(said(&mut *wire, Say::Event(&Event::AudioEnd)), [play(&rest)]);
        assert!(said(&mut *wire, Say::Event(&Event::AudioEnd)).is_empty());
        said(&mut *wire, Say::Audio(&audio));
        let mark = json!({"event": "checkpoint", "streamId": "s1", "name": "g0-7"});
        let tag = Tag { generation: 0, number: 7 };
        assert_eq!(said(&mut *wire, Say::Mark(tag)), [play(&rest), mark]);
        said(&mut *wire, Say::Audio(&audio));
        let clear = json!({"event": "clearAudio", "streamId": "s1"});
        assert_eq!(said(&mut *wire, Say::Clear), [clear]);
        assert!(said(&mut *wire, Say::Event(&Event::AudioEnd)).is_empty(), "what was held is gone");
    }

    #[test]
    fn keys_are_sent_and_the_rest_has_no_word() {
        let mut wire = begun(START).dialect;
        let digit = json!({"event": "sendDTMF", "dtmf": "#"});
        assert_eq!(said(&mut *wire, Say::Dtmf('#')), [digit]);
        assert!(said(&mut *wire, Say::HangUp).is_empty());
        assert!(said(&mut *wire, Say::Begin(crate::id::CallId::new())).is_empty());
        let end = Event::CallEnd { reason: EndReason::EndCall };
        assert!(said(&mut *wire, Say::Event(&end)).is_empty());
    }

    #[test]
    fn what_the_peer_says_is_heard() {
        let mut wire = begun(START).dialect;
        let audio = |bytes: &'static [u8]| Heard::Audio(Bytes::from_static(bytes));
        for (text, heard) in [
            (
                r#"{"event":"media","media":{"track":"inbound","payload":"//9/fw=="}}"#,
                audio(&[255, 255, 127, 127]),
            ),
            (
                r#"{"media":{"payload":"\/\/8=","chunk":"1"},"sequenceNumber":"2","event":"media"}"#,
                audio(&[255, 255]),
            ),
            (
                r#"{"event":"media","media":{"track":"outbound","payload":"//9/fw=="}}"#,
                Heard::Nothing,
            ),
            (r#"{"event":"media","media":{"payload":"*"}}"#, Heard::Nothing),
            (r#"{"event":"media","media":{"payload":""}}"#, Heard::Nothing),
            (r#"{"event":"media","media":[]}"#, Heard::Nothing),
            (r#"{"event":"media"}"#, Heard::Nothing),
            (
                r#"{"event":"dtmf","dtmf":{"track":"inbound","digit":"5","timestamp":"1"}}"#,
                Heard::Dtmf('5'),
            ),
            (r#"{"event":"dtmf","dtmf":{"digit":5}}"#, Heard::Dtmf('5')),
            (r#"{"event":"dtmf","dtmf":{"digit":"55"}}"#, Heard::Nothing),
            (
                r#"{"event":"playedStream","streamId":"s1","name":"g1-2"}"#,
                Heard::Mark(Tag { generation: 1, number: 2 }),
            ),
            (r#"{"event":"playedStream","name":"yours"}"#, Heard::Nothing),
            (r#"{"event":"clearedAudio","sequenceNumber":9,"streamId":"s1"}"#, Heard::Nothing),
            (r#"{"event":"muteStream"}"#, Heard::Nothing),
            (r#"{"event":"stop"}"#, Heard::Stop),
            (
                r#"{"event":"playFailed","reason":"bad payload"}"#,
                Heard::Complaint("playFailed: bad payload".into()),
            ),
            (r#"{"event":"error"}"#, Heard::Complaint("error".into())),
            (START, Heard::Nothing),
            ("{}", Heard::Nothing),
            ("", Heard::Nothing),
        ] {
            assert_eq!(wire.text(text), heard, "{text}");
        }
        assert_eq!(wire.binary(Bytes::from_static(&[1])), Heard::Nothing);
    }

    #[test]
    fn the_format_is_what_start_tells() {
        for (format, expected) in [
            (json!({"encoding": "audio/x-mulaw", "sampleRate": 8000}), Format::PCMU),
            (json!({"encoding": "audio/x-l16", "sampleRate": "16000"}), Format::NATIVE),
            (json!(null), Format::PCMU),
        ] {
            let begun = begun_with(&format);
            assert_eq!((begun.dialect.format(), begun.unserved), (expected, None), "{format}");
        }
        assert!(begun_with(&json!({"encoding": "audio/opus"})).unserved.is_some());
        let mut linear =
            begun_with(&json!({"encoding": "audio/x-l16", "sampleRate": 24000})).dialect;
        let audio = Bytes::from(vec![1; 960]);
        let media = &said(&mut *linear, Say::Audio(&audio))[0]["media"];
        assert_eq!(
            (&media["contentType"], &media["sampleRate"]),
            (&json!("audio/x-l16"), &json!(24000))
        );
    }

    #[test]
    fn who_calls_stands_in_the_customers_headers() {
        let expected = [("from", "1"), ("to", "2"), ("vip", "yes")];
        for headers in [
            json!("from=1;to=2;vip=yes"),
            json!(" from = 1, to=2,vip=yes,"),
            json!("{X-PH-from: 1, X-PH-to: 2, X-PH-vip: yes}"),
            json!("x-ph-from=1;X-PH-to=2;vip=yes"),
            json!({"X-PH-from": 1, "X-PH-to": "2", "X-PH-vip": "yes"}),
            json!(r#"{"from":"1","to":2,"vip":"yes","cart":null}"#),
            json!({"from": 1, "to": "2", "vip": "yes", "cart": null}),
        ] {
            let start =
                json!({"start": {"streamId": "s", "callId": "c"}, "extra_headers": headers});
            let caller = begun(&start.to_string()).caller;
            let params: Vec<_> =
                caller.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(params, expected, "{headers}");
            let told = [caller.from, caller.to, caller.provider_call_id];
            assert_eq!(told.map(Option::unwrap), ["1", "2", "c"], "{headers}");
        }
        for nothing in [json!(""), json!("{}"), json!("[]"), json!(7), json!(null)] {
            let start = json!({"start": {"streamId": "s"}, "extra_headers": nothing});
            assert_eq!(begun(&start.to_string()).caller, Caller::default(), "{nothing}");
        }
    }

    #[test]
    fn a_start_without_a_stream_is_none() {
        for start in ["", "[]", "{}", r#"{"start":{"callId":"c"}}"#, r#"{"start":{"streamId":""}}"#]
        {
            assert!(begin(start, &Hints::default()).is_none(), "{start}");
        }
    }
}
