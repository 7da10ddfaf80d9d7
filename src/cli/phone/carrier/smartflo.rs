//! Tata Smartflo: Twilio's messages with caller and called, packets of 100 ms, and two wishes: each
//! chunk of sound numbered, and a multiple of 160 bytes.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    json::{Message, base64, frame, texts},
    setup::Setup,
    wire::{Asked, Faults, Wire},
};

/// Every chunk must be a multiple of this, in bytes.
const ALIGNMENT: usize = 160;

pub struct Smartflo {
    setup: Setup,
    stream: String,
    call: String,
    account: String,
    sequence: u64,
    chunk: u64,
    heard_chunk: Option<u64>,
}

impl Smartflo {
    pub fn new(setup: Setup) -> Self {
        let ids = setup.ids;
        Self {
            stream: format!("MZ{}", ids.stream.simple()),
            call: format!("CA{}", ids.call.simple()),
            account: format!("AC{}", ids.account.simple()),
            setup,
            sequence: 0,
            chunk: 0,
            heard_chunk: None,
        }
    }

    fn sequence(&mut self) -> String {
        self.sequence += 1;
        self.sequence.to_string()
    }

    fn media(&mut self, mut media: Message<'_>) -> Asked {
        let chunk = media.field("chunk").and_then(Value::as_u64);
        match (self.heard_chunk, chunk) {
            (_, None) => media.fault("no number `chunk`"),
            (Some(last), Some(next)) if next != last + 1 => {
                media.fault(&format!("chunk {next} after {last}"));
            }
            _ => {}
        }
        self.heard_chunk = chunk.or(self.heard_chunk);
        let Some(sound) = media.sound("payload") else {
            return Asked::Nothing;
        };
        if sound.len() % ALIGNMENT != 0 {
            media.fault(&format!("{} bytes of sound", sound.len()));
        }
        Asked::Play(sound)
    }
}

impl Wire for Smartflo {
    fn frames_in_packet(&self) -> usize {
        5
    }

    fn opening(&mut self) -> Vec<Frame> {
        let start = json!({
            "event": "start",
            "sequenceNumber": self.sequence(),
            "start": {
                "accountSid": self.account,
                "streamSid": self.stream,
                "callSid": self.call,
                "from": self.setup.from,
                "to": self.setup.to,
                "direction": "inbound",
                "mediaFormat": {
                    "encoding": "audio/x-mulaw", "sampleRate": 8000, "bitRate": 64, "bitDepth": 8
                },
                "customParameters": texts(self.setup.own_params()),
            },
            "streamSid": self.stream,
        });
        vec![frame(&json!({"event": "connected"})), frame(&start)]
    }

    fn sound(&mut self, now: Duration, packet: Bytes) -> Frame {
        self.chunk += 1;
        frame(&json!({
            "event": "media",
            "sequenceNumber": self.sequence(),
            "media": {
                "chunk": self.chunk.to_string(),
                "timestamp": now.as_millis().to_string(),
                "payload": base64(&packet),
            },
            "streamSid": self.stream,
        }))
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "dtmf",
            "streamSid": self.stream,
            "sequenceNumber": self.sequence(),
            "dtmf": {"digit": key},
        }))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "mark",
            "sequenceNumber": self.sequence(),
            "streamSid": self.stream,
            "mark": {"name": mark},
        }))]
    }

    fn cleared(&mut self, pending: Vec<String>) -> Vec<Frame> {
        pending.iter().flat_map(|mark| self.reached(mark)).collect()
    }

    fn goodbye(&mut self) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "stop",
            "sequenceNumber": self.sequence(),
            "streamSid": self.stream,
            "stop": {
                "accountSid": self.account, "callSid": self.call, "reason": "The caller hung up"
            },
        }))]
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((event, mut message)) = Message::read(text, "event", faults) else {
            return Asked::Nothing;
        };
        message.is("streamSid", &self.stream);
        message.only(&["event", "streamSid", &event]);
        match &*event {
            "media" => self.media(message.within("media", &["payload", "chunk"])),
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
