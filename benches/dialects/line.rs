//! A call in one dialect: begun with the head of a recording, and the frames in which it goes on.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::Value;
use upvoot::{
    audio::format::Format,
    call::Time,
    dialect::{
        Dialect, Frame, Frames, Heard, Say,
        detect::{Detector, First, Hints, Verdict},
        native::Native,
    },
};

use crate::{cost::FRAMES, plain::Message};

pub struct Line {
    pub dialect: Box<dyn Dialect>,
    /// Twenty milliseconds each, as the peer sends them.
    pub heard: Vec<Frame>,
}

impl Line {
    /// A native peer: it begins with its sound.
    pub fn native() -> Self {
        let verdict = detector().judge(Time::ZERO, First::Binary);
        assert!(matches!(verdict, Verdict::Native), "{verdict:?}");
        let sound = (0..=u8::MAX).cycle().take(Format::NATIVE.frame_bytes()).collect();
        Self { dialect: Box::new(Native), heard: vec![Frame::Binary(sound); FRAMES] }
    }

    /// The peer of a recording, named like `twilio/call`, whose frames have this many bytes of audio.
    pub fn begin(recording: &str, bytes: usize) -> Self {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let text = fs::read_to_string(corpus.join(recording).with_extension("jsonl")).unwrap();
        let mut recorded = text.lines().map(frame);
        let mut detector = detector();
        let dialect = recorded.by_ref().find_map(|frame| {
            let Frame::Text(text) = frame else { panic!("{recording} begins with a text") };
            match detector.judge(Time::ZERO, First::Text(&text)) {
                Verdict::Undecided => None,
                Verdict::Recognised(recognised) => Some(recognised.dialect),
                other => panic!("{recording}: {other:?}"),
            }
        });
        let heard = recorded.find_map(|frame| twenty_milliseconds(&frame, bytes)).unwrap();
        Self { dialect: dialect.unwrap(), heard }
    }

    /// What was heard, 20 ms of it. The peer is listened to for seconds before, until it is known
    /// how it orders its bytes.
    pub fn sound(&mut self) -> Bytes {
        let mut sound = Bytes::new();
        for frame in &self.heard {
            let heard = match frame {
                Frame::Text(text) => self.dialect.text(text),
                Frame::Binary(bytes) => self.dialect.binary(bytes.clone()),
            };
            let Heard::Audio(audio) = heard else { panic!("{heard:?}") };
            sound = audio;
        }
        assert_eq!(sound.len(), self.dialect.format().frame_bytes());
        sound
    }

    /// The first message that says this sound; `None` where it is a binary frame of just that.
    pub fn spoken(&mut self, sound: &Bytes) -> Option<Message> {
        let mut out = Frames::new();
        let mut frames = 0;
        while out.is_empty() {
            self.dialect.say(Say::Audio(sound), &mut out);
            frames += 1;
        }
        match out.pop().unwrap() {
            Frame::Text(text) => Some(Message::like(self.dialect.as_ref(), &text, frames)),
            Frame::Binary(bytes) => {
                assert_eq!(bytes, sound);
                None
            }
        }
    }
}

fn detector() -> Detector {
    Detector::new(Time::ZERO, Hints::default(), None)
}

/// A line of a recording; how they are written is told in `tests/dialect`.
fn frame(line: &str) -> Frame {
    match serde_json::from_str(line) {
        Ok(Value::String(text)) => Frame::Text(text.into()),
        Ok(Value::Object(object)) if object.contains_key("binary") => {
            let text = object["binary"].as_str().unwrap();
            Frame::Binary(BASE64_STANDARD.decode(text).unwrap().into())
        }
        _ => Frame::Text(line.into()),
    }
}

/// The frame with just so much of its audio, again and again, and numbered where its first is; `None`
/// if it has none.
fn twenty_milliseconds(frame: &Frame, bytes: usize) -> Option<Vec<Frame>> {
    let text = match frame {
        Frame::Binary(audio) => return Some(vec![Frame::Binary(audio.slice(..bytes)); FRAMES]),
        Frame::Text(text) => text,
    };
    let message: Value = serde_json::from_str(text).ok()?;
    let payload = message["media"]["payload"].as_str()?;
    let audio = BASE64_STANDARD.decode(payload).unwrap();
    let text = text.replace(payload, &BASE64_STANDARD.encode(&audio[..bytes]));
    let numbered = |n: usize| text.replace(r#""chunk":"1""#, &format!(r#""chunk":"{n}""#));
    Some((1..=FRAMES).map(|n| Frame::Text(numbered(n).into())).collect())
}
