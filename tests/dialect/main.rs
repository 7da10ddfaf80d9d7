//! Dialects against recorded peers: what is recognised, what is heard, what is sent.
//!
//! `tests/corpus/` has frames in the shape in which providers send them, one per line. `replay` plays
//! each file and compares all that comes of it with the file beside it; the others ask for one rule at
//! a time.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod cost;
mod replay;
mod rules;
mod tolerance;

use std::{fs, path::PathBuf};

use bytes::Bytes;
use upvoot::{
    call::Time,
    dialect::{
        Dialect, Frame, Frames, Recognised, Say,
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

/// Shows the frames to a detector until it has decided: what it says, and the frames that are left.
fn judged(frames: &[String], hints: Hints) -> (Verdict, &[String]) {
    let now = Time::ZERO;
    let mut detector = Detector::new(now, hints, None);
    for (at, frame) in frames.iter().enumerate() {
        match detector.judge(now, First::Text(frame)) {
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

/// What a dialect sends for this.
fn said(dialect: &mut dyn Dialect, say: Say<'_>) -> Vec<String> {
    let mut out = Frames::new();
    dialect.say(say, &mut out);
    out.into_iter()
        .map(|frame| match frame {
            Frame::Text(text) => text.to_string(),
            Frame::Binary(bytes) => panic!("{} bytes of binary", bytes.len()),
        })
        .collect()
}

/// So many bytes that can be told apart.
fn sound(bytes: usize) -> Bytes {
    (0..=u8::MAX).cycle().take(bytes).collect()
}
