//! Asterisk's `chan_websocket`.
//!
//! Audio goes both ways in binary frames, in the channel's own format. Commands and events are words,
//! plain or in JSON: both ways in the encoding of the first one. Between `START_MEDIA_BUFFERING` and
//! `STOP_MEDIA_BUFFERING` audio may come in frames of any length, and the latter tells when it has
//! been played: these two are the marks of every release, and they are all that is used here. A mark
//! within an utterance ends one such piece, which Asterisk fills up to 20 ms, and begins the next.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Caller, Dialect, Frame, Frames, Heard, KeyTones, Manners, Name, Recognised, Say, Tag,
    hints::Hints,
    json::Text,
    native,
    start::{UNSERVED_CODEC, UNSERVED_RATE, text_of},
};
use crate::{audio::format::Format, call::Event};

/// Asterisk would take 20 s; but the less it has, the sooner a barge-in is heard.
const AHEAD: Duration = Duration::from_millis(180);
/// The most bytes of a binary frame: Asterisk ends the call above 65,500.
const MOST: usize = 48_000;

/// Begins a call with its `MEDIA_START`, plain or in JSON.
pub(super) fn begin(head: &str, hints: &Hints) -> Option<Recognised> {
    let (encoding, head) = match head.strip_prefix("MEDIA_START ") {
        Some(fields) => (Encoding::Plain, plain(fields)),
        None => (Encoding::Json, serde_json::from_str(head).ok()?),
    };
    let (format, unserved) = match served(&head) {
        Ok(format) => (format, None),
        Err(sentence) => (Format::PCMU, Some(sentence)),
    };
    let dialect = Asterisk { encoding, format, is_buffering: false, is_full: false };
    let caller = caller(&head, hints.query.as_deref().unwrap_or_default());
    Some(Recognised { dialect: Box::new(dialect), caller, unserved })
}

/// Plain fields, `key:value` with spaces between.
fn plain(fields: &str) -> Map<String, Value> {
    let pairs = fields.split_whitespace().filter_map(|field| field.split_once(':'));
    pairs.map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// The channel's format. The first releases do not tell it: then the length of 20 ms does, as far as
/// mu-law and A-law, which have the same, let it; mu-law is the usual one.
fn served(head: &Map<String, Value>) -> Result<Format, &'static str> {
    let Some(name) = text_of(head.get("format")) else {
        return match head.get("optimal_frame_size").and_then(number) {
            None | Some(160) => Ok(Format::PCMU),
            Some(bytes) => Format::pcm(bytes.saturating_mul(25)).ok_or(UNSERVED_CODEC),
        };
    };
    match (&*name, name.strip_prefix("slin")) {
        ("ulaw", _) => Ok(Format::PCMU),
        ("alaw", _) => Ok(Format::PCMA),
        (_, Some("")) => Format::pcm(8_000).ok_or(UNSERVED_RATE),
        (_, Some(khz)) => {
            let khz = khz.parse::<u32>().ok();
            khz.and_then(|khz| Format::pcm(khz.saturating_mul(1_000))).ok_or(UNSERVED_RATE)
        }
        _ => Err(UNSERVED_CODEC),
    }
}

/// A number, or a text that stands for one.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| number.try_into().ok()),
    }
}

/// Who calls whom stands in the query string, where the dial plan puts it.
fn caller(head: &Map<String, Value>, query: &str) -> Caller {
    let mut caller = Caller::default();
    let variables = head.get("channel_variables").and_then(Value::as_object);
    for (name, value) in variables.into_iter().flatten() {
        caller.json_param(name, value);
    }
    let id = ["channel_id", "connection_id", "channel"].into_iter();
    let id = id.map(|key| text_of(head.get(key))).find_map(|id| Some(Caller::cut(&id?)));
    let (from, to) = (queried(query, "from"), queried(query, "to"));
    let provider_call_id = queried(query, "call_id").or(id);
    Caller { from, to, provider_call_id, ..caller }
}

/// A query parameter. A plus sign is one: telephone numbers begin with it.
fn queried(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, value)| *key == name && !value.is_empty())?;
    Some(Caller::cut(&percent_decode_str(value).decode_utf8_lossy()))
}

/// How commands and events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// A word, and what belongs to it.
    Plain,
    /// An object with the word in it.
    Json,
}

impl Encoding {
    /// A command, which stays far below the 128 bytes above which Asterisk ignores it.
    fn command(self, word: &str, tag: Option<Tag>) -> Frame {
        Frame::Text(ByteString::from(match (self, tag) {
            (Self::Plain, None) => word.to_owned(),
            (Self::Plain, Some(tag)) => format!("{word} {tag}"),
            (Self::Json, None) => format!(r#"{{"command":"{word}"}}"#),
            (Self::Json, Some(tag)) => {
                format!(r#"{{"command":"{word}","correlation_id":"{tag}"}}"#)
            }
        }))
    }
}

/// An event of the peer.
#[derive(Debug, Default, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    event: Text<'a>,
    #[serde(borrow, default)]
    digit: Text<'a>,
    #[serde(borrow, default)]
    correlation_id: Text<'a>,
    #[serde(borrow, default)]
    error_text: Text<'a>,
}

impl<'a> Message<'a> {
    /// Reads an event in either encoding.
    fn read(text: &'a str) -> Option<Self> {
        if text.starts_with('{') {
            return serde_json::from_str(text).ok();
        }
        let (event, rest) = text.split_once(' ').unwrap_or((text, ""));
        // A field's value ends with the next space, but for the last, which is a sentence. An id
        // stands alone.
        let field = |key: &str| rest.split_once(key).map(|(_, value)| value);
        let word = |key: &str| field(key)?.split(' ').next();
        Some(Self {
            event: event.into(),
            digit: word("digit:").unwrap_or_default().into(),
            correlation_id: word("correlation_id:").unwrap_or(rest.trim()).into(),
            error_text: field("error_text:").unwrap_or(rest).into(),
        })
    }
}

/// The wire of one call.
#[derive(Debug)]
struct Asterisk {
    encoding: Encoding,
    format: Format,
    /// Audio may have any length.
    is_buffering: bool,
    /// The peer has said that its queue is full.
    is_full: bool,
}

impl Asterisk {
    fn start_buffering(&mut self, out: &mut Frames) {
        if !std::mem::replace(&mut self.is_buffering, true) {
            out.push(self.encoding.command("START_MEDIA_BUFFERING", None));
        }
    }

    fn stop_buffering(&mut self, tag: Option<Tag>, out: &mut Frames) {
        if std::mem::take(&mut self.is_buffering) {
            out.push(self.encoding.command("STOP_MEDIA_BUFFERING", tag));
        }
    }
}

impl Dialect for Asterisk {
    fn name(&self) -> Name {
        Name::Asterisk
    }

    fn format(&self) -> Format {
        self.format
    }

    fn manners(&self) -> Manners {
        Manners { ahead: AHEAD, marks: true, clears: true, dtmf: KeyTones::Audio }
    }

    fn text(&mut self, text: &str) -> Heard {
        let Some(message) = Message::read(text) else { return Heard::Nothing };
        let heard = match message.event.get() {
            Some("DTMF_END") => message.digit.get().and_then(native::digit).map(Heard::Dtmf),
            Some("MEDIA_BUFFERING_COMPLETED" | "MEDIA_MARK_PROCESSED") => {
                message.correlation_id.get().and_then(|id| id.parse().ok()).map(Heard::Mark)
            }
            Some("MEDIA_XOFF") => {
                self.is_full = true;
                Some(Heard::complaint(&["MEDIA_XOFF", "the queue is full"]))
            }
            Some("MEDIA_XON") => {
                self.is_full = false;
                None
            }
            Some("ERROR") => {
                Some(Heard::complaint(&["ERROR", message.error_text.get().unwrap_or_default()]))
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
            // A queue is full with 18 s of audio, a hundred times what is ever sent ahead: nobody plays
            // it. What is said meanwhile would be heard far too late, and is dropped. Marks still go
            // out, since the queue takes them, and what they wait for is in it.
            Say::Audio(_) if self.is_full => {}
            Say::Audio(audio) => {
                self.start_buffering(out);
                let pieces = (0..audio.len()).step_by(MOST);
                out.extend(
                    pieces.map(|at| Frame::Binary(audio.slice(at..audio.len().min(at + MOST)))),
                );
            }
            Say::Event(Event::AudioEnd) => self.stop_buffering(None, out),
            Say::Clear => {
                // It empties the queue and ends the buffering; nothing was paused, so nothing has to be
                // continued.
                (self.is_buffering, self.is_full) = (false, false);
                out.push(self.encoding.command("FLUSH_MEDIA", None));
            }
            Say::Mark(tag) => {
                self.start_buffering(out);
                self.stop_buffering(Some(tag), out);
            }
            Say::HangUp => out.push(self.encoding.command("HANGUP", None)),
            Say::Begin(_) | Say::Event(_) | Say::Dtmf(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "MEDIA_START connection_id:media channel:WebSocket/media/0x7f channel_id:1.2 \
        format:slin16 optimal_frame_size:640 ptime:20";
    const JSON: &str = r#"{"event":"MEDIA_START","connection_id":"media","channel":"WebSocket/media/0x7f",
        "channel_id":"1.2","format":"slin16","optimal_frame_size":640,"ptime":20,
        "channel_variables":{"CAMPAIGN":"may","N":3}}"#;

    fn begun(head: &str) -> Recognised {
        begin(head, &Hints::default()).unwrap()
    }

    fn said(wire: &mut dyn Dialect, say: Say<'_>) -> Frames {
        let mut out = Frames::new();
        wire.say(say, &mut out);
        out
    }

    fn text(text: &str) -> Frame {
        Frame::Text(text.into())
    }

    const TAG: Tag = Tag { generation: 1, number: 2 };

    #[test]
    fn the_format_is_told_or_guessed_from_its_frames() {
        let pcm = |rate| Ok(Format::pcm(rate).unwrap());
        for (fields, format) in [
            ("format:ulaw optimal_frame_size:160", Ok(Format::PCMU)),
            ("format:alaw", Ok(Format::PCMA)),
            ("format:slin", pcm(8_000)),
            ("format:slin16", Ok(Format::NATIVE)),
            ("format:slin24", pcm(24_000)),
            ("format:slin32", pcm(32_000)),
            ("format:slin48", pcm(48_000)),
            ("format:slin12", Err(UNSERVED_RATE)),
            ("format:slin44", Err(UNSERVED_RATE)),
            ("format:slin4294967295", Err(UNSERVED_RATE)),
            ("format:opus optimal_frame_size:160", Err(UNSERVED_CODEC)),
            ("format:g722", Err(UNSERVED_CODEC)),
            ("connection_id:x", Ok(Format::PCMU)),
            ("optimal_frame_size:160", Ok(Format::PCMU)),
            ("optimal_frame_size:320", pcm(8_000)),
            ("format: optimal_frame_size:640", Ok(Format::NATIVE)),
            ("optimal_frame_size:80", Err(UNSERVED_CODEC)),
        ] {
            assert_eq!(served(&plain(fields)), format, "{fields}");
        }
        assert_eq!(begun(JSON).dialect.format(), Format::NATIVE);
        assert!(begun("MEDIA_START format:gsm").unserved.is_some());
        for no_head in ["MEDIA_START", "", "[]"] {
            assert!(begin(no_head, &Hints::default()).is_none(), "{no_head}");
        }
    }

    #[test]
    fn commands_are_written_as_the_first_event_was() {
        let audio = Bytes::from(vec![1; 1_000]);
        for (head, words) in [
            (
                PLAIN,
                [
                    "START_MEDIA_BUFFERING",
                    "STOP_MEDIA_BUFFERING",
                    "STOP_MEDIA_BUFFERING g1-2",
                    "FLUSH_MEDIA",
                    "HANGUP",
                ],
            ),
            (
                JSON,
                [
                    r#"{"command":"START_MEDIA_BUFFERING"}"#,
                    r#"{"command":"STOP_MEDIA_BUFFERING"}"#,
                    r#"{"command":"STOP_MEDIA_BUFFERING","correlation_id":"g1-2"}"#,
                    r#"{"command":"FLUSH_MEDIA"}"#,
                    r#"{"command":"HANGUP"}"#,
                ],
            ),
        ] {
            let [start, stop, stop_with_id, flush, hang_up] = words.map(text);
            let mut wire = begun(head).dialect;
            let wire = &mut *wire;
            let sound = Frame::Binary(audio.clone());
            assert_eq!(said(wire, Say::Audio(&audio)), [start.clone(), sound.clone()]);
            assert_eq!(said(wire, Say::Audio(&audio)), std::slice::from_ref(&sound));
            assert_eq!(said(wire, Say::Mark(TAG)), std::slice::from_ref(&stop_with_id));
            assert_eq!(said(wire, Say::Audio(&audio)), [start.clone(), sound.clone()]);
            assert_eq!(said(wire, Say::Event(&Event::AudioEnd)), [stop]);
            assert_eq!(said(wire, Say::Mark(TAG)), [start.clone(), stop_with_id]);
            assert!(said(wire, Say::Event(&Event::AudioEnd)).is_empty());
            said(wire, Say::Audio(&audio));
            assert_eq!(said(wire, Say::Clear), [flush]);
            assert!(said(wire, Say::Event(&Event::AudioEnd)).is_empty(), "the flush ended it");
            assert_eq!(said(wire, Say::Audio(&audio)), [start, sound]);
            assert_eq!(said(wire, Say::HangUp), [hang_up]);
        }
    }

    #[test]
    fn no_command_and_no_frame_is_too_long() {
        let longest = Tag { generation: u32::MAX, number: u32::MAX };
        for encoding in [Encoding::Plain, Encoding::Json] {
            let Frame::Text(text) = encoding.command("STOP_MEDIA_BUFFERING", Some(longest)) else {
                panic!()
            };
            assert!(text.len() < 128);
        }
        let audio = Bytes::from(vec![1; MOST + 2]);
        let frames = said(&mut *begun(PLAIN).dialect, Say::Audio(&audio));
        assert_eq!(
            frames[1..],
            [Frame::Binary(audio.slice(..MOST)), Frame::Binary(audio.slice(MOST..))]
        );
    }

    #[test]
    fn a_full_queue_is_not_filled_further() {
        let mut wire = begun(PLAIN).dialect;
        let audio = Bytes::from(vec![1; 640]);
        assert!(matches!(wire.text("MEDIA_XOFF"), Heard::Complaint(_)));
        assert!(said(&mut *wire, Say::Audio(&audio)).is_empty());
        assert_eq!(said(&mut *wire, Say::Mark(TAG)).len(), 2);
        assert_eq!(wire.text("MEDIA_XON"), Heard::Nothing);
        assert_eq!(said(&mut *wire, Say::Audio(&audio)).len(), 2);
        wire.text(r#"{"event":"MEDIA_XOFF","channel_id":"1.2"}"#);
        said(&mut *wire, Say::Clear);
        assert_eq!(said(&mut *wire, Say::Audio(&audio)).len(), 2, "a flush empties it");
    }

    #[test]
    fn events_are_heard_in_either_encoding() {
        let mut wire = begun(PLAIN).dialect;
        for (text, heard) in [
            ("DTMF_END digit:5 channel_id:1.2", Heard::Dtmf('5')),
            ("DTMF_END digit:#", Heard::Dtmf('#')),
            ("DTMF_END", Heard::Nothing),
            (r#"{"event":"DTMF_END","channel_id":"1.2","digit":"*"}"#, Heard::Dtmf('*')),
            (r#"{"digit":5,"event":"DTMF_END"}"#, Heard::Dtmf('5')),
            ("MEDIA_BUFFERING_COMPLETED g1-2", Heard::Mark(TAG)),
            ("MEDIA_MARK_PROCESSED correlation_id:g1-2 channel_id:1.2", Heard::Mark(TAG)),
            ("MEDIA_BUFFERING_COMPLETED", Heard::Nothing),
            (r#"{"event":"MEDIA_BUFFERING_COMPLETED","correlation_id":"g1-2"}"#, Heard::Mark(TAG)),
            (r#"{"event":"MEDIA_MARK_PROCESSED","correlation_id":"g1-2"}"#, Heard::Mark(TAG)),
            (r#"{"event":"MEDIA_BUFFERING_COMPLETED","correlation_id":""}"#, Heard::Nothing),
            (
                "ERROR channel_id:1.2 error_text:not so fast",
                Heard::Complaint("ERROR: not so fast".into()),
            ),
            ("ERROR", Heard::Complaint("ERROR".into())),
            (r#"{"event":"ERROR","error_text":"no"}"#, Heard::Complaint("ERROR: no".into())),
            ("STATUS channel_id:1.2 queue_length:0", Heard::Nothing),
            ("QUEUE_DRAINED", Heard::Nothing),
            ("", Heard::Nothing),
            ("{", Heard::Nothing),
        ] {
            assert_eq!(wire.text(text), heard, "{text}");
        }
        let audio = Bytes::from(vec![1; 640]);
        let Heard::Audio(heard) = wire.binary(audio.clone()) else { panic!() };
        assert_eq!(heard.as_ptr(), audio.as_ptr(), "without a copy");
        assert_eq!(wire.binary(Bytes::new()), Heard::Nothing);
    }

    #[test]
    fn who_calls_whom_stands_in_the_query_string() {
        let asked = |head, query: &str| {
            let hints = Hints { query: Some(query.to_owned()), ..Hints::default() };
            begin(head, &hints).unwrap().caller
        };
        let caller = asked(PLAIN, "x&from=%2B4930%201&to=+49%3&call_id=c%C3%A9&to=2");
        assert_eq!(caller.from.as_deref(), Some("+4930 1"));
        assert_eq!(caller.to.as_deref(), Some("+49%3"));
        assert_eq!(caller.provider_call_id.as_deref(), Some("cé"));
        let caller = asked(JSON, "from=&callid=1");
        assert_eq!((caller.from, caller.to), (None, None));
        assert_eq!(caller.provider_call_id.as_deref(), Some("1.2"));
        let params: Vec<_> = caller.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(params, [("CAMPAIGN", "may"), ("N", "3")]);
        let bare = begun("MEDIA_START connection_id:7").caller;
        assert_eq!(bare, Caller { provider_call_id: Some("7".into()), ..Caller::default() });
    }
}
