//! Dialects against recorded peers: what is recognised, what is heard, what is sent.
//!
//! `tests/corpus/` has frames in the shape in which providers send them, one per line: an object is a
//! text frame as it is, but for `{"binary":"<base64>"}`, which is a binary one; a string is a text frame
//! that is no JSON. `replay` plays each file and compares all that comes of it with the file beside it;
//! the others ask for one rule at a time.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod cost;
mod replay;
mod rules;
mod tolerance;

use std::{borrow::Cow, fs, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use upvoot::{
    call::Time,
    dialect::{
        Dialect, Frame, Frames, Heard, Recognised, Say,
        detect::{Detector, First, Hints, Verdict},
    },
};

/// Where the recorded frames are.
fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The frames of one recording, named like `twilio/call`.
fn recording(name: &str) -> Vec<String> {
    let text = fs::read_to_string(corpus().join(name).with_extension("jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The text of a text frame in a recording.
fn text_of(frame: &str) -> Cow<'_, str> {
    match serde_json::from_str(frame) {
        Ok(Value::String(text)) => text.into(),
        _ => frame.into(),
    }
}

/// The bytes of a frame in a recording, if it is a binary one.
fn binary_of(frame: &str) -> Option<Bytes> {
    let message: Value = serde_json::from_str(frame).ok()?;
    BASE64_STANDARD.decode(message.get("binary")?.as_str()?).ok().map(Bytes::from)
}

/// What a dialect hears in a frame of a recording.
fn hear(dialect: &mut dyn Dialect, frame: &str) -> Heard {
    match binary_of(frame) {
        Some(bytes) => dialect.binary(bytes),
        None => dialect.text(&text_of(frame)),
    }
}

/// Shows the frames to a detector until it has decided: what it says, and the frames that are left.
fn judged(frames: &[String], hints: Hints) -> (Verdict, &[String]) {
    let now = Time::ZERO;
    let mut detector = Detector::new(now, hints, None);
    for (at, frame) in frames.iter().enumerate() {
        match detector.judge(now, First::Text(&text_of(frame))) {
            Verdict::Undecided => {}
            decided => return (decided, &frames[at + 1..]),
        }
    }
    (Verdict::Undecided, &[])
}

/// The dialect of a recording, and the frames that follow its recognition.
fn recognised(frames: &[String]) -> (Recognised, &[String]) {
    match judged(frames, Hints::default()) {
        (Verdict::Recognised(recognised), rest) => (*recognised, rest),
        (other, _) => panic!("{other:?}"),
    }
}

/// The dialect of the recording with this name.
fn dialect(name: &str) -> Box<dyn Dialect> {
    recognised(&recording(name)).0.dialect
}

/// What a dialect sends for this, written as in a recording.
fn said(dialect: &mut dyn Dialect, say: Say<'_>) -> Vec<String> {
    let mut out = Frames::new();
    dialect.say(say, &mut out);
    out.into_iter()
        .map(|frame| match frame {
            Frame::Text(text) if text.starts_with('{') => text.to_string(),
            Frame::Text(text) => json!(&*text).to_string(),
            Frame::Binary(bytes) => json!({ "binary": BASE64_STANDARD.encode(bytes) }).to_string(),
        })
        .collect()
}

/// The audio in a message that was sent, in base64.
fn payload_of(message: &Value) -> Option<&str> {
    message["media"]["payload"].as_str().or(message["binary"].as_str())
}

/// So many bytes that can be told apart.
fn sound(bytes: usize) -> Bytes {
    (0..=u8::MAX).cycle().take(bytes).collect()
}
