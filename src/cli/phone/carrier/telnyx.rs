//! Telnyx media streaming in RTP mode. It numbers what it sends and tells who calls; it takes sound
//! in messages of 20 ms to 30 s and returns pending marks when it is told to clear.

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

pub struct Telnyx {
    setup: Setup,
    stream: String,
    control: String,
    sequence: u64,
    chunk: u64,
}

impl Telnyx {
    pub fn new(setup: Setup) -> Self {
        Self {
            stream: setup.ids.stream.to_string(),
            control: format!("v3:{}", setup.ids.call.simple()),
            setup,
            sequence: 0,
            chunk: 0,
        }
    }

    fn sequence(&mut self) -> String {
        self.sequence += 1;
        self.sequence.to_string()
    }
}

impl Wire for Telnyx {
    fn opening(&mut self) -> Vec<Frame> {
        let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
        let format = self.setup.format;
        let encoding = match format.encoding() {
            Encoding::Mulaw => "PCMU",
            Encoding::Alaw => "PCMA",
            Encoding::Pcm16 => "L16",
        };
        // The codec of the way back is nowhere in `start`: a customer who sets it to A-law attaches it.
        let back = (format.encoding() == Encoding::Alaw).then_some(("codec", encoding));
        let start = json!({
            "event": "start",
            "sequence_number": self.sequence(),
            "start": {
                "user_id": self.setup.ids.account.to_string(),
                "call_control_id": self.control,
                "call_session_id": self.setup.ids.call.to_string(),
                "from": self.setup.from,
                "to": self.setup.to,
                "tags": [],
                "client_state": base64(b"upvoot"),
                "custom_parameters": texts(back.into_iter().chain(self.setup.own_params())),
                "media_format": {
                    "encoding": encoding, "sample_rate": format.rate(), "channels": 1
                },
            },
            "stream_id": self.stream,
        });
        vec![frame(&connected), frame(&start)]
    }

    fn sound(&mut self, now: Duration, packet: Bytes) -> Frame {
        self.chunk += 1;
        frame(&json!({
            "event": "media",
            "sequence_number": self.sequence(),
            "media": {
                "track": "inbound",
                "chunk": self.chunk.to_string(),
                "timestamp": now.as_millis().to_string(),
                "payload": base64(&packet),
            },
            "stream_id": self.stream,
        }))
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "dtmf",
            "stream_id": self.stream,
            "occurred_at": "2026-01-01T00:00:00.000000Z",
            "sequence_number": self.sequence(),
            "dtmf": {"digit": key},
        }))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "mark",
            "sequence_number": self.sequence(),
            "stream_id": self.stream,
            "mark": {"name": mark},
        }))]
    }

    fn cleared(&mut self, pending: Vec<String>) -> Vec<Frame> {
        pending.iter().flat_map(|mark| self.reached(mark)).collect()
    }

    fn goodbye(&mut self) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "stop",
            "sequence_number": self.sequence(),
            "stop": {
                "user_id": self.setup.ids.account.to_string(), "call_control_id": self.control
            },
            "stream_id": self.stream,
        }))]
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((event, mut message)) = Message::read(text, "event", faults) else {
            return Asked::Nothing;
        };
        message.may_be("stream_id", &self.stream);
        message.only(&["event", "stream_id", &event]);
        match &*event {
            "media" => {
                let mut media = message.within("media", &["payload"]);
                let Some(sound) = media.sound("payload") else {
                    return Asked::Nothing;
                };
                let long = self.setup.format.length(sound.len());
                if !(Duration::from_millis(20)..=Duration::from_secs(30)).contains(&long) {
                    media.fault("not between 20 ms and 30 s of sound");
                }
                Asked::Play(sound)
            }
            "mark" => {
                let name = message.within("mark", &["name"]).text("name");
                name.map_or(Asked::Nothing, Asked::Mark)
            }
            "clear" => Asked::Clear,
            _ => {
                message.unknown();
                Asked::Nothing
            }
        }
    }
}
