//! Vonage Voice WebSockets, and those who speak like them (Infobip, NTT).
//!
//! One JSON message tells the rate and whatever the customer has added; then audio goes both ways in
//! binary frames, linear and little-endian, of exactly 20 ms each. No word hangs up: the call goes on
//! with the customer's next action, and ends if there is none.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Caller, Dialect, Frame, Frames, Heard, KeyTones, Manners, Name, Recognised, Say,
    chunks::Chunks,
    hints::Hints,
    json::{Lenient, Text},
    native,
    start::{UNSERVED_CODEC, UNSERVED_RATE},
};
use crate::{audio::format::Format, call::Event};

const AHEAD: Duration = Duration::from_millis(180);
const CLEAR: &str = r#"{"action":"clear"}"#;

/// The names that customers give to what the provider does not tell by itself.
const FROM: [&str; 4] = ["from", "callerID", "caller", "caller_id"];
const TO: [&str; 3] = ["to", "to_number", "called"];
const CALL_ID: [&str; 3] = ["uuid", "call_uuid", "conversation_uuid"];

/// Begins a call with its `websocket:connected`; `None` if it is not an object.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let head: Map<String, Value> = serde_json::from_str(head).ok()?;
    let (format, unserved) = match served(head.get("content-type").and_then(Value::as_str)) {
        Ok(format) => (format, None),
        Err(sentence) => (Format::NATIVE, Some(sentence)),
    };
    let dialect = Vonage { format, chunks: Chunks::new(format) };
    Some(Recognised { dialect: Box::new(dialect), caller: caller(&head), unserved })
}

/// The format of a content type such as `audio/l16;rate=16000`; where it tells no rate, the one that
/// the provider's own examples have.
fn served(content_type: Option<&str>) -> Result<Format, &'static str> {
    let Some(content_type) = content_type else { return Ok(Format::NATIVE) };
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("audio/l16")) {
        return Err(UNSERVED_CODEC);
    }
    let rate = parts.filter_map(|part| part.split_once('=')).find(|(key, _)| key.trim() == "rate");
    match rate {
        None => Ok(Format::NATIVE),
        Some((_, rate)) => rate.trim().parse().ok().and_then(Format::pcm).ok_or(UNSERVED_RATE),
    }
}

/// Everything beside the provider's own two keys is the customer's.
fn caller(head: &Map<String, Value>) -> Caller {
    let mut caller = Caller::default();
    let added = head.iter().filter(|(name, _)| !matches!(&***name, "event" | "content-type"));
    added.for_each(|(name, value)| caller.json_param(name, value));
    let told = |names: &[&str]| caller.param_named(names).map(str::to_owned);
    let (from, to, provider_call_id) = (told(&FROM), told(&TO), told(&CALL_ID));
    Caller { from, to, provider_call_id, ..caller }
}

/// A message of the peer. What is missing or of a wrong kind is `None`.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    event: Text<'a>,
    #[serde(borrow, default)]
    digit: Text<'a>,
    #[serde(borrow, default)]
    dtmf: Lenient<Dtmf<'a>>,
    #[serde(borrow, default)]
    payload: Lenient<Notice<'a>>,
}

#[derive(Debug, Deserialize)]
struct Dtmf<'a> {
    #[serde(borrow, default)]
    digit: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Notice<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

/// The wire of one call.
#[derive(Debug)]
struct Vonage {
    format: Format,
    chunks: Chunks,
}

impl Vonage {
    fn flush(&mut self, out: &mut Frames) {
        out.extend(self.chunks.fill_up().map(Frame::Binary));
    }
}

impl Dialect for Vonage {
    fn name(&self) -> Name {
        Name::Vonage
    }

    fn format(&self) -> Format {
        self.format
    }

    fn manners(&self) -> Manners {
        Manners { ahead: AHEAD, marks: true, clears: true, dtmf: KeyTones::Audio }
    }

    fn text(&mut self, text: &str) -> Heard {
        let Ok(message) = serde_json::from_str::<Message<'_>>(text) else { return Heard::Nothing };
        let heard = match message.event.get() {
            Some("websocket:dtmf") => {
                let within = message.dtmf.0.as_ref().and_then(|dtmf| dtmf.digit.get());
                message.digit.get().or(within).and_then(native::digit).map(Heard::Dtmf)
            }
            Some("websocket:notify") => {
                message.payload.0.and_then(|it| it.name.get()?.parse().ok()).map(Heard::Mark)
            }
            _ => None,
        };
        heard.unwrap_or(Heard::Nothing)
    }

    fn binary(&mut self, bytes: Bytes) -> Heard {
        if bytes.is_empty() { Heard::Nothing } else { Heard::Audio(bytes) }
    }

    fn say(&mut self, say: Say<'_>, out: &mut Frames) {
        match say {
            Say::Audio(audio) => self.chunks.cut(audio, |chunk| out.push(Frame::Binary(chunk))),
            Say::Event(Event::AudioEnd) => self.flush(out),
            Say::Clear => {
                self.chunks.clear();
                out.push(Frame::Text(ByteString::from_static(CLEAR)));
            }
            Say::Mark(tag) => {
                self.flush(out);
                let text = format!(r#"{{"action":"notify","payload":{{"name":"{tag}"}}}}"#);
                out.push(Frame::Text(text.into()));
            }
            Say::Begin(_) | Say::Event(_) | Say::Dtmf(_) | Say::HangUp => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Tag;

    fn begun(head: &str) -> Recognised {
        begin(head, &Hints::default()).unwrap()
    }

    fn wire() -> Box<dyn Dialect> {
        begun(r#"{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}"#).dialect
    }

    fn said(wire: &mut dyn Dialect, say: Say<'_>) -> Frames {
        let mut out = Frames::new();
        wire.say(say, &mut out);
        out
    }

    #[test]
    fn a_content_type_tells_the_rate() {
        for (content_type, format) in [
            ("audio/l16;rate=8000", Ok(Format::pcm(8_000).unwrap())),
            ("audio/L16; channels=1; rate=24000", Ok(Format::pcm(24_000).unwrap())),
            ("audio/l16", Ok(Format::NATIVE)),
            ("audio/l16;rate=11025", Err(UNSERVED_RATE)),
            ("audio/l16;rate=", Err(UNSERVED_RATE)),
            ("audio/opus;rate=16000", Err(UNSERVED_CODEC)),
            ("", Err(UNSERVED_CODEC)),
        ] {
            assert_eq!(served(Some(content_type)), format, "{content_type}");
        }
        assert_eq!(served(None), Ok(Format::NATIVE));
        assert_eq!(begun(r#"{"content-type":16000}"#).unserved, None);
        assert!(begun(r#"{"content-type":"audio/g722"}"#).unserved.is_some());
        assert!(begin("[]", &Hints::default()).is_none());
    }

    #[test]
    fn frames_have_20_ms_each_and_the_last_is_filled_up_with_zeros() {
        let mut wire = wire();
        let audio = Bytes::from(vec![7; 1_300]);
        let frames = said(&mut *wire, Say::Audio(&audio));
        assert_eq!(
            frames,
            [Frame::Binary(audio.slice(..640)), Frame::Binary(audio.slice(640..1_280))]
        );
        let rest = Bytes::from([vec![7; 20], vec![0; 620]].concat());
        assert_eq!(said(&mut *wire, Say::Event(&Event::AudioEnd)), [Frame::Binary(rest.clone())]);
        said(&mut *wire, Say::Audio(&audio));
        let tag = Tag { generation: 2, number: 0 };
        let notify = Frame::Text(r#"{"action":"notify","payload":{"name":"g2-0"}}"#.into());
        assert_eq!(said(&mut *wire, Say::Mark(tag)), [Frame::Binary(rest), notify]);
        said(&mut *wire, Say::Audio(&audio));
        assert_eq!(said(&mut *wire, Say::Clear), [Frame::Text(CLEAR.into())]);
        assert!(said(&mut *wire, Say::Event(&Event::AudioEnd)).is_empty());
        assert!(said(&mut *wire, Say::HangUp).is_empty());
        assert!(said(&mut *wire, Say::Dtmf('1')).is_empty());
    }

    #[test]
    fn audio_passes_through_and_words_are_heard() {
        let mut wire = wire();
        let audio = Bytes::from(vec![1; 640]);
        let Heard::Audio(heard) = wire.binary(audio.clone()) else { panic!() };
        assert_eq!(heard.as_ptr(), audio.as_ptr(), "without a copy");
        assert_eq!(wire.binary(Bytes::new()), Heard::Nothing);
        for (text, heard) in [
            (r#"{"event":"websocket:dtmf","digit":"5","duration":260}"#, Heard::Dtmf('5')),
            (r#"{"event":"websocket:dtmf","digit":5}"#, Heard::Dtmf('5')),
            (r#"{"dtmf":{"digit":"*"},"event":"websocket:dtmf"}"#, Heard::Dtmf('*')),
            (r#"{"event":"websocket:dtmf","dtmf":"5"}"#, Heard::Nothing),
            (
                r#"{"event":"websocket:notify","payload":{"name":"g1-2"}}"#,
                Heard::Mark(Tag { generation: 1, number: 2 }),
            ),
            (r#"{"event":"websocket:notify","payload":{"name":"yours"}}"#, Heard::Nothing),
            (r#"{"event":"websocket:notify","payload":7}"#, Heard::Nothing),
            (r#"{"event":"websocket:cleared"}"#, Heard::Nothing),
            (r#"{"event":"websocket:media:update","active":true}"#, Heard::Nothing),
            ("[]", Heard::Nothing),
        ] {
            assert_eq!(wire.text(text), heard, "{text}");
        }
    }

    #[test]
    fn who_calls_stands_in_what_the_customer_added() {
        let head = r#"{"event":"websocket:connected","content-type":"audio/l16;rate=8000",
            "callerID":"447700900123","to":447700900456,"conversation_uuid":"CON-1","vip":true,"more":{}}"#;
        let caller = begun(head).caller;
        assert_eq!(caller.from.as_deref(), Some("447700900123"));
        assert_eq!(caller.to.as_deref(), Some("447700900456"));
        assert_eq!(caller.provider_call_id.as_deref(), Some("CON-1"));
        let names: Vec<_> = caller.params.keys().map(String::as_str).collect();
        assert_eq!(names, ["callerID", "conversation_uuid", "more", "to", "vip"]);
        let bare = begun(r#"{"event":"websocket:connected"}"#).caller;
        assert_eq!(bare, Caller::default());
    }
}
