//! The native dialect from its other end: what the bot is told, and what its frames mean.
//!
//! Pure. What a bot sends that is not understood is never fatal: what it could not have meant for us is
//! ignored, what it meant and cannot be done is refused.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{FromBot, Opening, Refusal, ToBot};
use crate::{
    audio::{BYTES_PER_SECOND, whole_samples},
    call::{EndReason, Role},
    id::{AgentId, CallId},
};

/// Bytes of the longest text that is read: a turn of speech is far shorter.
const LONGEST_TEXT: usize = 64 * 1024;
/// Characters of the longest mark.
const LONGEST_MARK: usize = 256;
/// The most key tones in one message.
const MOST_DIGITS: usize = 64;
/// Bytes of the longest piece of audio that is passed on.
const LONGEST_PIECE: usize = BYTES_PER_SECOND;

/// A text frame to the bot, its fields in the order in which they are written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame<'a> {
    CallStart {
        call_id: CallId,
        agent_id: AgentId,
        dialect: &'a str,
        from: Option<&'a str>,
        to: Option<&'a str>,
        params: &'a BTreeMap<String, String>,
    },
    Dtmf {
        digit: char,
    },
    Mark {
        name: &'a str,
    },
    Clear,
    Error {
        code: &'a str,
        message: &'a str,
    },
    EndCall {
        reason: EndReason,
    },
}

/// The first frame.
pub(super) fn call_start(opening: &Opening) -> String {
    json(&Frame::CallStart {
        call_id: opening.call_id,
        agent_id: opening.agent_id,
        dialect: opening.dialect,
        from: opening.from.as_deref(),
        to: opening.to.as_deref(),
        params: &opening.params,
    })
}

/// Any further text frame.
pub(super) fn encode(what: &ToBot) -> String {
    json(&match what {
        ToBot::Dtmf(digit) => Frame::Dtmf { digit: *digit },
        ToBot::Mark(name) => Frame::Mark { name },
        ToBot::Clear => Frame::Clear,
        ToBot::Refused(why) => Frame::Error { code: why.code(), message: why.message() },
        ToBot::EndCall(reason) => Frame::EndCall { reason: *reason },
    })
}

fn json(frame: &Frame<'_>) -> String {
    serde_json::to_string(frame).expect("texts, ids and plain enums always serialise")
}

/// What a text frame of the bot says; `None` if that is nothing we know.
///
/// # Errors
/// If it is something we know, and cannot be done.
pub(super) fn decode(text: &str) -> Result<Option<FromBot>, Refusal> {
    if text.len() > LONGEST_TEXT {
        return Err(Refusal::TextTooLong);
    }
    let Ok(mut frame) = serde_json::from_str::<Map<String, Value>>(text) else { return Ok(None) };
    match frame.get("type").and_then(Value::as_str) {
        Some("clear") => Ok(Some(FromBot::Clear)),
        Some("end_call") => Ok(Some(FromBot::EndCall)),
        Some("mark") => mark(&mut frame).ok_or(Refusal::MarkInvalid).map(Some),
        Some("dtmf") => dtmf(&mut frame).ok_or(Refusal::DtmfInvalid).map(Some),
        Some("transcript") => said(&mut frame).ok_or(Refusal::TranscriptInvalid).map(Some),
        _ => Ok(None),
    }
}

fn mark(frame: &mut Map<String, Value>) -> Option<FromBot> {
    let name = taken(frame, "name")?;
    (1..=LONGEST_MARK).contains(&name.chars().count()).then_some(FromBot::Mark(name))
}

fn dtmf(frame: &mut Map<String, Value>) -> Option<FromBot> {
    // Numbers too: who writes `"digit": 6` means the key.
    let keys = match frame.remove("digits").or_else(|| frame.remove("digit"))? {
        Value::String(keys) => keys,
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let key = |key: char| match key {
        'a'..='d' => Some(key.to_ascii_uppercase()),
        '0'..='9' | '*' | '#' | 'A'..='D' | 'w' => Some(key),
        _ => None,
    };
    let keys: String = keys.chars().map(key).collect::<Option<_>>()?;
    (1..=MOST_DIGITS).contains(&keys.len()).then_some(FromBot::Dtmf(keys))
}

fn said(frame: &mut Map<String, Value>) -> Option<FromBot> {
    let role = match frame.get("role")?.as_str()? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return None,
    };
    Some(FromBot::Said { role, text: taken(frame, "text")? })
}

fn taken(frame: &mut Map<String, Value>, field: &str) -> Option<String> {
    match frame.remove(field)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Brings the bot's audio to whole samples in pieces of at most a second: half a sample is carried
/// into the next frame. Frames of whole samples are not copied.
#[derive(Debug, Default)]
pub(super) struct Samples {
    half: Option<u8>,
}

impl Samples {
    /// The pieces of a frame, in order.
    pub(super) fn pieces(&mut self, frame: Bytes) -> impl Iterator<Item = Bytes> + use<> {
        let mut rest = match self.half.take() {
            None => frame,
            Some(half) => {
                let mut joined = BytesMut::with_capacity(1 + frame.len());
                joined.extend_from_slice(&[half]);
                joined.extend_from_slice(&frame);
                joined.freeze()
            }
        };
        let whole = whole_samples(rest.len());
        self.half = rest.get(whole).copied();
        rest.truncate(whole);
        std::iter::from_fn(move || {
            let piece = rest.split_to(rest.len().min(LONGEST_PIECE));
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// What came before is not going to be heard.
    pub(super) fn clear(&mut self) {
        self.half = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_understood_is_ignored() {
        for text in [
            "",
            "clear",
            "[]",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"Clear"}"#,
            r#"{"type":"news_from_the_future"}"#,
            r#"{"type":"clear"} x"#,
            // What we say ourselves: a bot may send back all that it is sent.
            r#"{"type":"error","code":"dtmf_invalid","message":"No."}"#,
            &"[".repeat(50_000),
        ] {
            assert_eq!(decode(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_understood_and_cannot_be_done_is_refused() {
        let long = format!(r#"{{"type":"clear","x":"{}"}}"#, "x".repeat(LONGEST_TEXT));
        let digits = format!(r#"{{"type":"dtmf","digits":"{}"}}"#, "1".repeat(65));
        let mark = format!(r#"{{"type":"mark","name":"{}"}}"#, "x".repeat(257));
        for (why, texts) in [
            (Refusal::TextTooLong, &[&*long][..]),
            (
                Refusal::MarkInvalid,
                &[
                    r#"{"type":"mark"}"#,
                    r#"{"type":"mark","name":""}"#,
                    r#"{"type":"mark","name":7}"#,
                    &mark,
                ],
            ),
            (
                Refusal::DtmfInvalid,
                &[
                    r#"{"type":"dtmf"}"#,
                    r#"{"type":"dtmf","digit":""}"#,
                    r#"{"type":"dtmf","digit":-5}"#,
                    r#"{"type":"dtmf","digit":1.5}"#,
                    r#"{"type":"dtmf","digit":null}"#,
                    r#"{"type":"dtmf","digits":["1"]}"#,
                    r#"{"type":"dtmf","digits":"12E"}"#,
                    r#"{"type":"dtmf","digits":"1 2"}"#,
                    r#"{"type":"dtmf","digit":"٣"}"#,
                    &digits,
                ],
            ),
            (
                Refusal::TranscriptInvalid,
                &[
                    r#"{"type":"transcript","text":"Hi"}"#,
                    r#"{"type":"transcript","role":"system","text":"Hi"}"#,
                    r#"{"type":"transcript","role":"user"}"#,
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(decode(text), Err(why), "{text}");
            }
        }
    }

    #[test]
    fn what_a_bot_can_say() {
        let said = |role, text: &str| FromBot::Said { role, text: text.to_owned() };
        for (text, meant) in [
            (r#"{"type":"clear"}"#, FromBot::Clear),
            (r#"{"more":[{}],"type":"end_call","reason":"x"}"#, FromBot::EndCall),
            (r#"{"type":"mark","name":"é 1"}"#, FromBot::Mark("é 1".to_owned())),
            (r#"{"type":"dtmf","digit":"5"}"#, FromBot::Dtmf("5".to_owned())),
            (r#"{"type":"dtmf","digit":6}"#, FromBot::Dtmf("6".to_owned())),
            (r#"{"type":"dtmf","digits":4711}"#, FromBot::Dtmf("4711".to_owned())),
            (r#"{"type":"dtmf","digits":"1w2ww3"}"#, FromBot::Dtmf("1w2ww3".to_owned())),
            (r#"{"type":"dtmf","digits":"12*#ad"}"#, FromBot::Dtmf("12*#AD".to_owned())),
            (r#"{"type":"transcript","role":"user","text":"Hi"}"#, said(Role::User, "Hi")),
            (r#"{"type":"transcript","role":"assistant","text":""}"#, said(Role::Assistant, "")),
        ] {
            assert_eq!(decode(text), Ok(Some(meant)), "{text}");
        }
    }

    #[test]
    fn what_a_bot_is_told() {
        for (what, text) in [
            (ToBot::Dtmf('#'), r##"{"type":"dtmf","digit":"#"}"##),
            (ToBot::Mark("a\"b".to_owned()), r#"{"type":"mark","name":"a\"b"}"#),
            (ToBot::Clear, r#"{"type":"clear"}"#),
            (
                ToBot::Refused(Refusal::DtmfUnplayable),
                concat!(
                    r#"{"type":"error","code":"dtmf_unplayable","#,
                    r#""message":"The caller's provider lets no key tones through."}"#,
                ),
            ),
            (
                ToBot::EndCall(EndReason::MaxDuration),
                r#"{"type":"end_call","reason":"max_duration"}"#,
            ),
        ] {
            assert_eq!(encode(&what), text);
        }
    }

    #[test]
    fn a_clear_forgets_half_a_sample() {
        let mut samples = Samples::default();
        assert_eq!(samples.pieces(Bytes::from_static(&[1, 2, 3])).count(), 1);
        samples.clear();
        let next: Vec<_> = samples.pieces(Bytes::from_static(&[4, 5])).collect();
        assert_eq!(next, [Bytes::from_static(&[4, 5])]);
    }

    #[test]
    fn whole_samples_are_not_copied() {
        let frame = Bytes::from(vec![7; 640]);
        let piece = Samples::default().pieces(frame.clone()).next().unwrap();
        assert_eq!(piece.as_ptr(), frame.as_ptr());
    }

    proptest! {
        #[test]
        fn audio_stays_the_same_and_comes_in_whole_samples(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            big in 0..3 * LONGEST_PIECE,
        ) {
            let mut samples = Samples::default();
            let mut sent = frames.concat();
            let mut heard = Vec::new();
            sent.extend(vec![9; big]);
            for frame in frames.into_iter().chain([vec![9; big]]) {
                for piece in samples.pieces(frame.into()) {
                    prop_assert!(piece.len() % 2 == 0 && (1..=LONGEST_PIECE).contains(&piece.len()));
                    heard.extend_from_slice(&piece);
                }
            }
            sent.truncate(whole_samples(sent.len()));
            prop_assert_eq!(heard, sent);
        }

        #[test]
        fn noise_never_panics(text in any::<String>(), almost in r#"[\[\]{}:,"a-z0-9\\ ]{0,40}"#) {
            let _ = decode(&text);
            let _ = decode(&almost);
        }
    }
}
