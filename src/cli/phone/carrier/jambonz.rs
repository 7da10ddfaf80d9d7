//! jambonz `listen` in streaming mode: raw L16 after one JSON text that tells all of the call.
//!
//! It holds sound until there is enough of it (160 ms at first, 80 ms later), so that the tail of an
//! utterance stays stuck unless silence follows. Marks are written into the sound as samples of the
//! value -1: a server that uses marks must not send such samples itself.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    json::{Message, frame},
    playback::Rules,
    setup::Setup,
    wire::{Asked, Faults, Wire},
};

pub struct Jambonz {
    setup: Setup,
    /// The server uses marks.
    marks: bool,
}

impl Jambonz {
    pub fn new(setup: Setup) -> Self {
        Self { setup, marks: false }
    }

    fn mark(name: &str, event: &str) -> Frame {
        frame(&json!({"type": "mark", "data": {"name": name, "event": event}}))
    }
}

impl Wire for Jambonz {
    fn subprotocol(&self) -> Option<&'static str> {
        Some("audio.jambonz.org")
    }

    fn rules(&self) -> Rules {
        let silent_tail = Duration::from_millis(80);
        Rules {
            ahead: Duration::from_millis(400) + silent_tail,
            holds: Some((Duration::from_millis(160), Duration::from_millis(80))),
        }
    }

    fn marks(&self) -> usize {
        30
    }

    fn opening(&mut self) -> Vec<Frame> {
        let ids = self.setup.ids;
        let mut head = json!({
            "sampleRate": self.setup.format.rate(),
            "mixType": "mono",
            "callSid": ids.call.to_string(),
            "direction": "inbound",
            "from": self.setup.from,
            "to": self.setup.to,
            "callId": ids.stream.to_string(),
            "sbcCallid": ids.stream.simple().to_string(),
            "sipStatus": 200,
            "sipReason": "OK",
            "callStatus": "in-progress",
            "callerId": "",
            "accountSid": ids.account.to_string(),
            "traceId": ids.call.simple().to_string(),
            "applicationSid": ids.account.to_string(),
            "fsSipAddress": "10.0.0.10:5060",
        });
        for (name, value) in self.setup.own_params() {
            head[name] = Value::from(value);
        }
        vec![frame(&head)]
    }

    fn sound(&mut self, _: Duration, packet: Bytes) -> Frame {
        Frame::Binary(packet)
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        vec![frame(&json!({"event": "dtmf", "dtmf": key, "duration": 1920}))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        vec![Self::mark(mark, "playout")]
    }

    fn cleared(&mut self, pending: Vec<String>) -> Vec<Frame> {
        pending.iter().map(|mark| Self::mark(mark, "cleared")).collect()
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((kind, mut message)) = Message::read(text, "type", faults) else {
            return Asked::Nothing;
        };
        match &*kind {
            "mark" => {
                self.marks = true;
                message.only(&["type", "data"]);
                let name = message.within("data", &["name"]).text("name");
                name.map_or(Asked::Nothing, Asked::Mark)
            }
            "killAudio" => {
                message.only(&["type"]);
                Asked::Clear
            }
            "disconnect" => {
                message.only(&["type", "data"]);
                Asked::HangUp
            }
            "playAudio" => {
                message.fault("thrown away in streaming mode");
                Asked::Nothing
            }
            _ => {
                message.unknown();
                Asked::Nothing
            }
        }
    }

    fn binary(&mut self, bytes: &Bytes, faults: &mut Faults) -> Asked {
        let (samples, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            faults.push("half a sample".to_owned());
        }
        if self.marks && samples.contains(&[0xff, 0xff]) {
            faults.push("a sample of -1, which is how a mark is written".to_owned());
        }
        Asked::Play(bytes.clone())
    }
}
