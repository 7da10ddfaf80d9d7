//! UpVoot's own dialect, from the caller's side.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    What,
    carrier::audible,
    side::{Side, Step, Steps},
};
use crate::audio::format::{Encoding, Format};

/// What the server says in text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// The call has begun.
    CallStart {
        /// Its id.
        call_id: String,
    },
    /// The agent begins to speak.
    AudioStart,
    /// The agent is silent.
    AudioEnd,
    /// The agent has understood that it is its turn.
    TurnStart,
    /// What the caller may be saying.
    Interim {
        /// The words so far.
        text: String,
    },
    /// What one side said.
    Transcript {
        /// `user` or `assistant`.
        role: String,
        /// The words.
        text: String,
    },
    /// Something went wrong.
    Error {
        /// A stable code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// The call is over.
    CallEnd {
        /// Why.
        reason: String,
    },
    /// A type this telephone does not know.
    #[serde(other)]
    Unknown,
}

/// The native side: the server tells all there is to know, but for whether its audio can be heard. A bot
/// that echoes returns the caller's own silence from the first moment, and does not greet.
#[derive(Default)]
pub struct Native {
    speaking: bool,
}

impl Side for Native {
    fn format(&self) -> Format {
        Format::NATIVE
    }

    fn begin(&mut self, _: &mut Steps) {}

    fn speak(&mut self, _: Duration, frame: Bytes, out: &mut Steps) {
        out.push(Step::Send(Frame::Binary(frame)));
    }

    fn press(&mut self, _: Duration, key: char, out: &mut Steps) {
        let pressed = serde_json::json!({"type": "dtmf", "digit": key.to_string()});
        out.push(Step::Send(Frame::text(pressed.to_string())));
    }

    fn hang_up(&mut self, out: &mut Steps) {
        out.push(Step::Send(Frame::text(r#"{"type":"end_call"}"#)));
    }

    fn hear(&mut self, _: Duration, frame: Frame, out: &mut Steps) {
        let text = match frame {
            Frame::Binary(sound) => {
                if !self.speaking && audible(Encoding::Pcm16, &sound) {
                    self.speaking = true;
                    out.push(Step::AgentSpeaks);
                }
                return out.push(Step::Tell(What::Sound(sound)));
            }
            Frame::Text(text) => text,
            _ => return,
        };
        let Ok(message) = serde_json::from_str(&text) else {
            let why = "the server sent text that is not an event";
            return out.push(Step::Broken(why.to_owned()));
        };
        match message {
            Message::AudioEnd if std::mem::take(&mut self.speaking) => {
                out.push(Step::AgentIsSilent);
            }
            Message::CallEnd { .. } => out.push(Step::Over),
            _ => {}
        }
        out.push(Step::Tell(What::Said(message)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(frames: &[Frame]) -> Vec<&'static str> {
        let (mut native, mut out) = (Native::default(), Steps::new());
        for frame in frames {
            native.hear(Duration::ZERO, frame.clone(), &mut out);
        }
        let known = |step: &Step| match step {
            Step::AgentSpeaks => Some("speaks"),
            Step::AgentIsSilent => Some("silent"),
            _ => None,
        };
        out.iter().filter_map(known).collect()
    }

    #[test]
    fn an_agent_speaks_when_it_can_be_heard_and_no_sooner() {
        let start = Frame::text(r#"{"type":"audio_start"}"#);
        let end = Frame::text(r#"{"type":"audio_end"}"#);
        let (voice, hush) = (Frame::binary(vec![0x20; 640]), Frame::binary(vec![0; 640]));
        let greeting =
            [start.clone(), hush.clone(), voice.clone(), hush.clone(), voice, end.clone()];
        assert_eq!(steps(&greeting), ["speaks", "silent"]);
        assert!(steps(&[start, hush, end]).is_empty());
    }
}
