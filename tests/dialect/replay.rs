//! Every recording, played from its first frame to its last, and then spoken to.
//!
//! What comes of it stands in the `.expected` file beside it. To write those anew after a change that
//! is meant: `UPVOOT_REWRITE_EXPECTED=1 cargo test --test pure dialect::`, and read the difference.

use std::{fs, path::Path, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use upvoot::{
    call::{Cause, CauseCode, EndReason, Event, Role},
    dialect::{
        Dialect, Heard, Recognised, Say, Tag,
        detect::{Hints, Verdict},
    },
    id::CallId,
};

use super::{corpus, hear, judged, payload_of, said, sound};

/// Whose recordings are played.
const PROVIDERS: [&str; 10] = [
    "twilio",
    "signalwire",
    "smartflo",
    "exotel",
    "telnyx",
    "plivo",
    "vobiz",
    "vonage",
    "jambonz",
    "asterisk",
];

#[test]
fn every_recording_is_understood_and_answered_as_expected() {
    let mut played = 0;
    let mut wrong = Vec::new();
    for provider in PROVIDERS {
        for file in sorted(&corpus().join(provider)) {
            if file.extension().is_some_and(|extension| extension == "jsonl") {
                played += 1;
                let script = script(&fs::read_to_string(&file).unwrap());
                let beside = file.with_extension("expected");
                if std::env::var_os("UPVOOT_REWRITE_EXPECTED").is_some() {
                    fs::write(&beside, &script).unwrap();
                }
                let expected = fs::read_to_string(&beside).unwrap_or_default();
                if script != expected {
                    wrong.push(format!(
                        "{}:\n{}",
                        file.display(),
                        first_difference(&expected, &script)
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(played >= 30, "only {played} recordings were found");
}

fn sorted(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn first_difference(expected: &str, script: &str) -> String {
    let (mut expected, mut script) = (expected.lines(), script.lines());
    loop {
        match (expected.next(), script.next()) {
            (None, None) => return "only line ends differ".into(),
            (a, b) if a != b => {
                let line = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
                return format!("  expected {}\n  but got  {}", line(a), line(b));
            }
            _ => {}
        }
    }
}

/// All that comes of a recording, a line for each thing.
fn script(recording: &str) -> String {
    let frames: Vec<_> = recording.lines().map(str::to_owned).collect();
    let (verdict, rest) = judged(&frames, Hints::default());
    let mut lines = vec![format!("{verdict:?} by frame {}", frames.len() - rest.len())];
    if let Verdict::Recognised(recognised) = verdict {
        let Recognised { mut dialect, caller, unserved } = *recognised;
        lines.push(format!("{:?}", dialect.format()));
        lines.push(format!("{:?}", dialect.manners()));
        lines.push(format!("{caller:?}"));
        lines.extend(unserved.map(|sentence| format!("unserved: {sentence}")));
        lines.extend(
            rest.iter().map(|frame| format!("heard {}", heard(&hear(dialect.as_mut(), frame)))),
        );
        converse(dialect.as_mut(), &mut lines);
    }
    lines.join("\n") + "\n"
}

fn heard(heard: &Heard) -> String {
    match heard {
        Heard::Audio(audio) => {
            let ends: Vec<u8> =
                audio.iter().take(4).chain(audio.iter().rev().take(4).rev()).copied().collect();
            format!("Audio of {} bytes, {ends:02x?}", audio.len())
        }
        other => format!("{other:?}"),
    }
}

/// Says everything that a call can say.
fn converse(dialect: &mut dyn Dialect, lines: &mut Vec<String>) {
    let format = dialect.format();
    let piece = |ms| sound(format.bytes_within(Duration::from_millis(ms)));
    let text = || "Hello.".to_owned();
    let mark = |generation, number| Say::Mark(Tag { generation, number });
    for (name, say) in [
        ("begin", Say::Begin(CallId::new())),
        ("audio start", Say::Event(&Event::AudioStart)),
        ("180 ms", Say::Audio(&piece(180))),
        ("20 ms", Say::Audio(&piece(20))),
        ("90 ms", Say::Audio(&piece(90))),
        ("a mark", mark(0, 1)),
        ("5 ms", Say::Audio(&piece(5))),
        ("transcript", Say::Event(&Event::Transcript { role: Role::Assistant, text: text() })),
        ("audio end", Say::Event(&Event::AudioEnd)),
        ("5 ms", Say::Audio(&piece(5))),
        ("clear", Say::Clear),
        ("audio end", Say::Event(&Event::AudioEnd)),
        ("a mark", mark(1, 2)),
        ("a key", Say::Dtmf('5')),
        ("error", Say::Event(&Event::Error(Cause::of(CauseCode::BotSilent)))),
        ("call end", Say::Event(&Event::CallEnd { reason: EndReason::AgentHangup })),
        ("hang up", Say::HangUp),
    ] {
        lines.push(format!("say {name}"));
        lines.extend(said(dialect, say).iter().map(|frame| format!("  {}", shortened(frame))));
    }
}

/// A frame with its audio cut down to how much it is and how it ends.
fn shortened(frame: &str) -> String {
    let message: Value = serde_json::from_str(frame).unwrap();
    let Some(payload) = payload_of(&message) else { return frame.to_owned() };
    let audio = BASE64_STANDARD.decode(payload).unwrap();
    let end = &audio[audio.len() - 4..];
    frame.replace(payload, &format!("<{} bytes to {end:02x?}>", audio.len()))
}
