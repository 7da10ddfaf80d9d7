//! SignalWire cXML `<Connect><Stream>`: Twilio's messages with ids that are UUIDs, fewer fields, a
//! choice of codecs, and key tones in both directions.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    json::{Message, base64, frame, texts},
    setup::Setup,
    wire::{Asked, Faults, Wire},
};
use crate::audio::format::Encoding;

pub struct SignalWire {
    setup: Setup,
    stream: String,
    sequence: u64,
    chunk: u64,
}

impl SignalWire {
    pub fn new(setup: Setup) -> Self {
        Self { stream: setup.ids.stream.to_string(), setup, sequence: 0, chunk: 0 }
    }

    fn sequence(&mut self) -> String {
        self.sequence += 1;
        self.sequence.to_string()
    }
}

impl Wire for SignalWire {
    fn opening(&mut self) -> Vec<Frame> {
        let connected = json!({"event": "connected", "protocol": "Call", "version": "0.2.0"});
        let format = self.setup.format;
        let encoding = match format.encoding() {
            Encoding::Pcm16 => "audio/x-L16",
            _ => "audio/x-mulaw",
        };
        let start = json!({
            "event": "start",
            "sequenceNumber": self.sequence(),
            "start": {
                "streamSid": self.stream,
                "callSid": self.setup.ids.call.to_string(),
                "accountSid": self.setup.ids.account.to_string(),
                "tracks": ["inbound"],
                "mediaFormat": {
                    "encoding": encoding, "sampleRate": format.rate(), "channels": 1
                },
                "customParameters": texts(self.setup.params_with_numbers()),
            },
        });
        vec![frame(&connected), frame(&start)]
    }

    fn sound(&mut self, now: Duration, packet: Bytes) -> Frame {
        self.chunk += 1;
        frame(&json!({
            "event": "media",
            "sequenceNumber": self.sequence(),
            "media": {
                "track": "inbound",
                "chunk": self.chunk.to_string(),
                "timestamp": now.as_millis().to_string(),
                "payload": base64(&packet),
            },
        }))
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "dtmf",
            "streamSid": self.stream,
            "sequenceNumber": self.sequence(),
            "dtmf": {"digit": key, "duration": 120},
        }))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "mark",
            "streamSid": self.stream,
            "sequenceNumber": self.sequence(),
            "mark": {"name": mark},
        }))]
    }

    fn cleared(&mut self, pending: Vec<String>) -> Vec<Frame> {
        pending.iter().flat_map(|mark| self.reached(mark)).collect()
    }

    fn goodbye(&mut self) -> Vec<Frame> {
        vec![frame(&json!({"event": "stop", "sequenceNumber": self.sequence()}))]
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((event, mut message)) = Message::read(text, "event", faults) else {
            return Asked::Nothing;
        };
        message.is("streamSid", &self.stream);
        message.only(&["event", "streamSid", &event]);
        match &*event {
            "media" => {
                let sound = message.within("media", &["payload"]).sound("payload");
                sound.map_or(Asked::Nothing, Asked::Play)
            }
            "mark" => {
                let name = message.within("mark", &["name"]).text("name");
                name.map_or(Asked::Nothing, Asked::Mark)
            }
            "clear" => Asked::Clear,
            "dtmf" => {
                let mut dtmf = message.within("dtmf", &["digit"]);
                let key = dtmf.text("digit").unwrap_or_default();
                if key.len() != 1 || !"0123456789*#ABCD".contains(&key) {
                    dtmf.fault("no key of a telephone");
                }
                Asked::Nothing
            }
            _ => {
                message.unknown();
                Asked::Nothing
            }
        }
    }
}
