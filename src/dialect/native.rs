//! UpVoot's own dialect: binary frames are audio as it is, text frames are small JSON objects.
//!
//! Audio needs no work here at all, which is why only text passes through this file. What a peer
//! sends that is not understood is ignored, never answered and never fatal; that the first frames
//! must make sense at all is the rule of `detect`.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Dialect, Frame, Frames, Heard, KeyTones, Manners, Name, Say};
use crate::{
    audio::format::Format,
    call::{Cause, EndReason, Event, Role},
    id::CallId,
};

/// The WebSocket subprotocol by which a client declares this dialect.
pub const SUBPROTOCOL: &str = "upvoot.v1";

/// The promise made to peers is 200 ms in flight, since they cannot drop what they have; one frame
/// less leaves room for a peer whose clock reads a little differently.
const AHEAD: Duration = Duration::from_millis(180);

/// A native peer's wire. It keeps nothing.
#[derive(Debug)]
pub struct Native;

impl Dialect for Native {
    fn name(&self) -> Name {
        Name::Native
    }

    fn format(&self) -> Format {
        Format::NATIVE
    }

    fn manners(&self) -> Manners {
        Manners { ahead: AHEAD, marks: false, clears: false, dtmf: KeyTones::Audio }
    }

    fn text(&mut self, text: &str) -> Heard {
        decode(text).unwrap_or(Heard::Nothing)
    }

    fn binary(&mut self, bytes: Bytes) -> Heard {
        Heard::Audio(bytes)
    }

    fn say(&mut self, say: Say<'_>, out: &mut Frames) {
        out.push(match say {
            Say::Begin(call_id) => Frame::Text(encode_call_start(call_id).into()),
            Say::Audio(pcm) => Frame::Binary(pcm.clone()),
            Say::Event(event) => Frame::Text(encode(event).into()),
            Say::Clear | Say::Mark(_) | Say::Dtmf(_) | Say::HangUp => return,
        });
    }
}

/// A text frame of ours, its fields in the order in which they are written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerFrame<'a> {
    CallStart { call_id: CallId },
    AudioStart,
    AudioEnd,
    Transcript { role: Role, text: &'a str },
    Error { code: &'a str, message: &'a str },
    CallEnd { reason: EndReason },
}

/// The text frame that opens a call, sent as soon as the dialect is recognised.
fn encode_call_start(call_id: CallId) -> String {
    json(&ServerFrame::CallStart { call_id })
}

/// The text frame that carries an event.
fn encode(event: &Event) -> String {
    json(&match event {
        Event::AudioStart => ServerFrame::AudioStart,
        Event::AudioEnd => ServerFrame::AudioEnd,
        Event::Transcript { role, text } => ServerFrame::Transcript { role: *role, text },
        // What the owner of the agent learns besides is not the caller's business.
        Event::Error(Cause { code, .. }) => {
            ServerFrame::Error { code: code.as_str(), message: code.sentence() }
        }
        Event::CallEnd { reason } => ServerFrame::CallEnd { reason: *reason },
    })
}

/// What a text frame asks for; `None` if that is nothing we know.
fn decode(text: &str) -> Option<Heard> {
    let frame = object(text)?;
    match kind(&frame)? {
        Kind::EndCall => Some(Heard::EndCall),
        Kind::Dtmf => digit(frame.get("digit")?.as_str()?).map(Heard::Dtmf),
    }
}

/// The types of frame a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    EndCall,
    Dtmf,
}

/// The frame's type, if it is one of this dialect's.
pub(super) fn kind(frame: &Map<String, Value>) -> Option<Kind> {
    match frame.get("type")?.as_str()? {
        "end_call" => Some(Kind::EndCall),
        "dtmf" => Some(Kind::Dtmf),
        _ => None,
    }
}

/// The text as a JSON object, if it is one.
pub(super) fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

fn json(frame: &ServerFrame<'_>) -> String {
    serde_json::to_string(frame).expect("text and plain enums always serialise")
}

/// A key of a telephone, as every dialect writes it.
pub(super) fn digit(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let digit = characters.next()?.to_ascii_uppercase();
    let known = matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D');
    (known && characters.next().is_none()).then_some(digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::call::CauseCode;

    #[test]
    fn events_look_as_documented() {
        let table = [
            (Event::AudioStart, r#"{"type":"audio_start"}"#),
            (Event::AudioEnd, r#"{"type":"audio_end"}"#),
            (
                Event::Transcript { role: Role::Assistant, text: "Say \"hi\"\n".into() },
                r#"{"type":"transcript","role":"assistant","text":"Say \"hi\"\n"}"#,
            ),
            (
                Event::Transcript { role: Role::User, text: "héllo".into() },
                r#"{"type":"transcript","role":"user","text":"héllo"}"#,
            ),
            (
                Event::Error(Cause::new(CauseCode::BotSilent, "Nothing of wss://bot.example.")),
                r#"{"type":"error","code":"bot_silent","message":"The bot accepted the call and then sent nothing."}"#,
            ),
            (
                Event::CallEnd { reason: EndReason::BalanceExhausted },
                r#"{"type":"call_end","reason":"balance_exhausted"}"#,
            ),
        ];
        for (event, text) in table {
            assert_eq!(encode(&event), text);
        }
        let call_id = CallId::new();
        let start = format!(r#"{{"type":"call_start","call_id":"{call_id}"}}"#);
        assert_eq!(encode_call_start(call_id), start);
    }

    #[test]
    fn a_client_can_end_the_call_and_dial() {
        assert_eq!(decode(r#"{"type":"end_call"}"#), Some(Heard::EndCall));
        let wordy = r#" {"digit":7,"type":"end_call","more":[{}]} "#;
        assert_eq!(decode(wordy), Some(Heard::EndCall));
        for (sent, heard) in
            [("0", '0'), ("9", '9'), ("*", '*'), ("#", '#'), ("A", 'A'), ("d", 'D')]
        {
            let text = format!(r#"{{"type":"dtmf","digit":"{sent}"}}"#);
            assert_eq!(decode(&text), Some(Heard::Dtmf(heard)), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for text in [
            "",
            "end_call",
            "null",
            "[]",
            r#"["end_call"]"#,
            r#""end_call""#,
            "{}",
            r#"{"type":null}"#,
            r#"{"type":["end_call"]}"#,
            r#"{"type":"End_Call"}"#,
            r#"{"type":"end_call"} x"#,
            r#"{"type":"call_end"}"#,
            r#"{"type":"dtmf"}"#,
            r#"{"type":"dtmf","digit":5}"#,
            r#"{"type":"dtmf","digit":""}"#,
            r#"{"type":"dtmf","digit":"12"}"#,
            r#"{"type":"dtmf","digit":"E"}"#,
            r#"{"type":"dtmf","digit":"٣"}"#,
        ] {
            assert!(decode(text).is_none(), "{text}");
        }
        assert!(decode(&"[".repeat(100_000)).is_none());
        assert!(decode(&r#"{"type":"#.repeat(100_000)).is_none());
    }

    proptest! {
        #[test]
        fn noise_is_survived(text in any::<String>()) {
            let _ = decode(&text);
        }

        #[test]
        fn almost_json_is_survived(text in r#"[\[\]{}:,"a-f0-9\\ ]{0,40}"#) {
            let _ = decode(&text);
        }

        #[test]
        fn any_words_come_back_as_they_were(words in any::<String>()) {
            let event = Event::Transcript { role: Role::User, text: words.clone() };
            let frame = object(&encode(&event)).unwrap();
            prop_assert_eq!(frame.get("text").unwrap(), &Value::from(words));
        }
    }
}
