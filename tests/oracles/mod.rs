//! Dialects against somebody else's idea of them: pipecat's, which thousands of calls go through, and
//! for Plivo's family also the provider's own (`plivo`).
//!
//! It stands on the same side of the wire as we do. So what a provider sends must mean the same to
//! both; what we send must look like what it sends, and it must read our audio out of it.
//!
//! In [`description`] tools that others use judge the API's description, and the server by it.
//!
//! The first run makes a Python environment below `target/` and installs a pinned pipecat from PyPI:
//! 28 packages, 70 MB of downloads, about a minute (its full list of dependencies would be several
//! times that, for models that are not asked here). Where they cannot be installed the tests say so and
//! skip, but not where `CI` is set.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod description;
mod plivo;
mod python;

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use upvoot::{
    call::Time,
    dialect::{
        Dialect, Frame, Frames, Name, Recognised, Say,
        detect::{Detector, First, Hints, Verdict},
    },
};

/// The script that asks pipecat.
const PIPECAT: &str = "pipecat_oracle.py";

/// What pipecat calls each recorded call. It has no names for those who speak like Twilio, nor for
/// Exotel where it does.
const CALLS: [(&str, Name, &str); 8] = [
    ("twilio/call", Name::Twilio, "twilio"),
    ("twilio/no-connected", Name::Twilio, "twilio"),
    ("signalwire/call", Name::SignalWire, "twilio"),
    ("smartflo/call", Name::Smartflo, "twilio"),
    ("exotel/snake-case", Name::Exotel, "exotel"),
    ("exotel/camel-case", Name::Exotel, "twilio"),
    ("telnyx/call", Name::Telnyx, "telnyx"),
    ("telnyx/like-twilio", Name::Telnyx, "telnyx"),
];

/// The calls whose lines pipecat can be asked to speak, in the dialect that it calls them.
const LINES: [(&str, &str); 5] = [
    ("twilio/call", "twilio"),
    ("signalwire/call", "twilio"),
    ("smartflo/call", "twilio"),
    ("exotel/snake-case", "exotel"),
    ("telnyx/call", "telnyx"),
];

fn recording(name: &str) -> Vec<String> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let text = fs::read_to_string(corpus.join(name).with_extension("jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn recognised(name: &str) -> Recognised {
    let mut detector = Detector::new(Time::ZERO, Hints::default(), None);
    for frame in recording(name) {
        match detector.judge(Time::ZERO, First::Text(&frame)) {
            Verdict::Undecided => {}
            Verdict::Recognised(recognised) => return *recognised,
            other => panic!("{name}: {other:?}"),
        }
    }
    panic!("{name} is never recognised")
}

fn said(line: &mut dyn Dialect, say: Say<'_>) -> Vec<String> {
    let mut out = Frames::new();
    line.say(say, &mut out);
    out.into_iter()
        .filter_map(|frame| match frame {
            Frame::Text(text) => Some(text.to_string()),
            Frame::Binary(_) => None,
        })
        .collect()
}

/// A chunk that every dialect sends at once: 3,200 bytes, every value but the one that mu-law writes
/// zero with a second time.
fn chunk() -> Bytes {
    (0..=u8::MAX).filter(|byte| *byte != 0x7f).cycle().take(3_200).collect()
}

#[test]
fn pipecat_knows_the_same_callers() {
    let questions = CALLS.map(|(name, ..)| json!({ "ask": "classify", "frames": recording(name) }));
    let Some(answers) = python::ask(PIPECAT, &questions) else { return };
    for ((name, ours, theirs), answer) in CALLS.into_iter().zip(answers) {
        assert_eq!(answer["provider"], theirs, "{name}");
        let recognised = recognised(name);
        assert_eq!(recognised.dialect.name(), ours, "{name}");
        let caller = recognised.caller;
        assert_eq!(answer["call_id"].as_str(), caller.provider_call_id.as_deref(), "{name}");
        for (key, value) in [("from", caller.from), ("to", caller.to)] {
            // Of Twilio's parameters it knows only those that have its own names.
            if let Some(told) = answer[key].as_str() {
                assert_eq!(Some(told), value.as_deref(), "{name}: {key}");
            }
        }
    }
}

#[test]
fn pipecat_hears_our_audio_as_we_said_it() {
    let audio = chunk();
    let questions = LINES.map(|(name, dialect)| {
        let frames = said(&mut *recognised(name).dialect, Say::Audio(&audio));
        json!({ "ask": "hear", "dialect": dialect, "stream": "", "frames": frames })
    });
    let Some(answers) = python::ask(PIPECAT, &questions) else { return };
    for ((name, _), answer) in LINES.into_iter().zip(answers) {
        let heard = BASE64_STANDARD.decode(answer["audio"].as_str().unwrap()).unwrap();
        assert!(heard == audio, "{name}: heard {} bytes", heard.len());
    }
}

#[test]
fn we_speak_as_pipecat_speaks() {
    let audio = chunk();
    let stream = |name: &str| -> Value {
        let clear = said(&mut *recognised(name).dialect, Say::Clear);
        let clear: Value = serde_json::from_str(&clear[0]).unwrap();
        clear.get("streamSid").or(clear.get("stream_sid")).cloned().unwrap_or_default()
    };
    let questions = LINES.map(|(name, dialect)| {
        let stream = stream(name);
        let audio = BASE64_STANDARD.encode(&audio);
        json!({ "ask": "say", "dialect": dialect, "stream": stream, "audio": audio })
    });
    let Some(answers) = python::ask(PIPECAT, &questions) else { return };
    for ((name, _), theirs) in LINES.into_iter().zip(answers) {
        let line = &mut *recognised(name).dialect;
        let [media] = &said(line, Say::Audio(&audio))[..] else { panic!("{name}: one chunk") };
        let mut media: Value = serde_json::from_str(media).unwrap();
        // What Smartflo and Exotel ask for beyond that, pipecat does not send.
        let more: &[&str] = match line.name() {
            Name::Smartflo => &["chunk"],
            Name::Exotel => &["chunk", "timestamp"],
            _ => &[],
        };
        for key in more {
            assert!(media["media"].as_object_mut().unwrap().remove(*key).is_some(), "{name}");
        }
        if line.name() == Name::Exotel {
            assert!(media.as_object_mut().unwrap().remove("sequence_number").is_some());
        }
        assert_eq!(media, theirs["media"], "{name}");
        let clear: Value = serde_json::from_str(&said(line, Say::Clear)[0]).unwrap();
        assert_eq!(clear, theirs["clear"], "{name}");
    }
}
