//! Plivo and Vobiz against the models of Plivo's own SDK, and against pipecat and its Vobiz extension.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use upvoot::{
    audio::format::Encoding,
    dialect::{Dialect, Heard, Say, Tag},
};

use super::{python, recognised, recording, said};

const SCRIPT: &str = "plivo_oracle.py";

/// Each recorded call, and as whose it is understood.
const LINES: [(&str, &str); 3] =
    [("plivo/call", "plivo"), ("plivo/l16-16k", "plivo"), ("vobiz/l16-big-endian", "vobiz")];

/// Of the linear lines only Vobiz's: pipecat speaks mu-law to Plivo, always.
const SPOKEN: [(&str, &str); 2] = [LINES[0], LINES[2]];

fn content_type(line: &dyn Dialect) -> &'static str {
    match line.format().encoding() {
        Encoding::Pcm16 => "audio/x-l16",
        Encoding::Mulaw | Encoding::Alaw => "audio/x-mulaw",
    }
}

/// A question about a line; `order` is that of linear audio on it.
fn question(ask: &str, provider: &str, line: &dyn Dialect, order: &str) -> Value {
    json!({
        "ask": ask, "provider": provider, "encoding": content_type(line),
        "rate": line.format().rate(), "order": order, "stream": "",
    })
}

/// 20 ms of every byte but the one that mu-law writes zero with a second time.
fn chunk(line: &dyn Dialect) -> Bytes {
    let bytes = (0..=u8::MAX).filter(|byte| *byte != 0x7f).cycle();
    bytes.take(line.format().frame_bytes()).collect()
}

#[test]
fn plivos_models_know_every_frame_that_is_sent() {
    let conversation = |name: &str| {
        let line = &mut *recognised(name).dialect;
        let audio = chunk(line);
        let mark = Say::Mark(Tag { generation: 3, number: 14 });
        let says = [Say::Audio(&audio), Say::Audio(&audio), mark, Say::Clear];
        says.into_iter().flat_map(|say| said(line, say)).collect::<Vec<_>>()
    };
    let frames = LINES.map(|(name, _)| conversation(name));
    let questions = frames.clone().map(|frames| json!({ "ask": "validate", "frames": frames }));
    let Some(answers) = python::ask(SCRIPT, &questions) else { return };
    for (frames, answer) in frames.iter().zip(answers) {
        assert_eq!(frames.len(), 4);
        assert_eq!(answer["faults"], json!([null, null, null, null]), "{frames:?}");
    }
    let wrong = json!({ "ask": "validate", "frames": [
        r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":"8000","payload":""}}"#,
        r#"{"event":"clearAudio"}"#,
    ]});
    let Some(answers) = python::ask(SCRIPT, &[wrong]) else { return };
    let faults = &answers[0]["faults"];
    assert!(faults[0].is_string() && faults[1].is_string(), "it does find faults: {faults}");
}

#[test]
fn pipecat_says_the_same() {
    let questions = SPOKEN.map(|(name, provider)| {
        let line = &mut *recognised(name).dialect;
        let clear: Value = serde_json::from_str(&said(line, Say::Clear)[0]).unwrap();
        // What is sent is little-endian, as Vobiz has it; its extension thinks otherwise unless told.
        let mut question = question("say", provider, line, "le");
        question["stream"] = clear["streamId"].clone();
        question["audio"] = BASE64_STANDARD.encode(chunk(line)).into();
        question
    });
    let Some(answers) = python::ask(SCRIPT, &questions) else { return };
    for ((name, provider), theirs) in SPOKEN.into_iter().zip(answers) {
        let line = &mut *recognised(name).dialect;
        let audio = chunk(line);
        let mut one = |say| -> Option<Value> {
            said(line, say).first().map(|frame| serde_json::from_str(frame).unwrap())
        };
        let media = one(Say::Audio(&audio)).unwrap();
        // It tells the stream's id beside the audio, too; Plivo's SDK does not.
        assert_eq!(media["media"], theirs["media"]["media"], "{name}");
        assert_eq!(media["event"], theirs["media"]["event"], "{name}");
        assert_eq!(one(Say::Clear), Some(theirs["clear"].clone()), "{name}");
        let end = Some(theirs["end"].clone()).filter(|end| !end.is_null());
        assert_eq!(one(Say::HangUp), end, "{name}");
        assert_eq!(end.is_some(), provider == "vobiz");
    }
}

#[test]
fn pipecat_hears_the_same() {
    let questions = SPOKEN.map(|(name, provider)| {
        let mut question = question("hear", provider, &*recognised(name).dialect, "be");
        question["frames"] = recording(name).into();
        question
    });
    let Some(answers) = python::ask(SCRIPT, &questions) else { return };
    for ((name, _), answer) in SPOKEN.into_iter().zip(answers) {
        let mut line = recognised(name).dialect;
        let frames = recording(name);
        let mut compared = 0;
        for (n, (frame, theirs)) in
            frames.iter().zip(answer["audio"].as_array().unwrap()).enumerate().skip(1)
        {
            let Heard::Audio(ours) = line.text(frame) else {
                assert!(theirs.is_null(), "{name}: {frame}");
                continue;
            };
            let theirs = BASE64_STANDARD.decode(theirs.as_str().unwrap()).unwrap();
            match line.format().encoding() {
                // The byte order is known from the tenth frame on.
                Encoding::Pcm16 if n < 10 => continue,
                Encoding::Pcm16 => assert!(ours == theirs, "{name}: frame {n}"),
                _ => assert_eq!(2 * ours.len(), theirs.len(), "{name}: frame {n}"),
            }
            compared += 1;
        }
        assert!(compared >= 2, "{name}");
    }
}
