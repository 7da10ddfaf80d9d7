//! Twilio Media Streams, `<Connect><Stream>`: mu-law in JSON. It warns (31951) of any message with a
//! foreign field or stream, and returns all pending marks when it is told to clear.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    super::dial::Offer,
    json::{Message, base64, frame, texts},
    setup::Setup,
    wire::{Asked, Faults, Wire},
};

pub struct Twilio {
    setup: Setup,
    stream: String,
    call: String,
    account: String,
    sequence: u64,
    chunk: u64,
}

impl Twilio {
    pub fn new(setup: Setup) -> Self {
        let ids = setup.ids;
        Self {
            stream: format!("MZ{}", ids.stream.simple()),
            call: format!("CA{}", ids.call.simple()),
            account: format!("AC{}", ids.account.simple()),
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

impl Wire for Twilio {
    fn offer(&self) -> Offer {
        // Of the right form: only the customer's token could tell that it signs nothing.
        let signature = base64(self.setup.ids.stream.as_bytes().repeat(2).get(..20).unwrap_or(&[]));
        Offer { headers: vec![("X-Twilio-Signature", signature)], ..Offer::default() }
    }

    fn opening(&mut self) -> Vec<Frame> {
        let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
        let start = json!({
            "event": "start",
            "sequenceNumber": self.sequence(),
            "start": {
                "accountSid": self.account,
                "streamSid": self.stream,
                "callSid": self.call,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": texts(self.setup.params_with_numbers()),
            },
            "streamSid": self.stream,
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
            "streamSid": self.stream,
        }))
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "dtmf",
            "streamSid": self.stream,
            "sequenceNumber": self.sequence(),
            "dtmf": {"track": "inbound_track", "digit": key},
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
            "stop": {"accountSid": self.account, "callSid": self.call},
        }))]
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((event, mut message)) = Message::read(text, "event", faults) else {
            return Asked::Nothing;
        };
        message.is("streamSid", &self.stream);
        match &*event {
            "media" => {
                message.only(&["event", "streamSid", "media"]);
                let sound = message.within("media", &["payload"]).sound("payload");
                sound.map_or(Asked::Nothing, Asked::Play)
            }
            "mark" => {
                message.only(&["event", "streamSid", "mark"]);
                let name = message.within("mark", &["name"]).text("name");
                name.map_or(Asked::Nothing, Asked::Mark)
            }
            "clear" => {
                message.only(&["event", "streamSid"]);
                Asked::Clear
            }
            _ => {
                message.unknown();
                Asked::Nothing
            }
        }
    }
}
