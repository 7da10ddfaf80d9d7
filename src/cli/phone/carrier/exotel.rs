//! Exotel Voicebot streams: L16 in JSON, 100 ms at a time, numbers as strings. The names are in
//! `snake_case` by its documents and in camelCase by its public samples; either is spoken here, and
//! the answers have to be in the same style.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    Provider,
    json::{Message, base64, frame, texts},
    playback::Rules,
    setup::Setup,
    wire::{Asked, Faults, Wire},
};

/// Every chunk must be a multiple of this, in bytes.
const ALIGNMENT: usize = 320;
/// The smallest and the largest chunk, in bytes.
const CHUNK: std::ops::RangeInclusive<usize> = 3_200..=100_000;

pub struct Exotel {
    setup: Setup,
    names: &'static Names,
    stream: String,
    call: String,
    account: String,
    sequence: u64,
    chunk: u64,
}

/// How the fields are called.
struct Names {
    stream: &'static str,
    call: &'static str,
    account: &'static str,
    sequence: &'static str,
    parameters: &'static str,
    format: &'static str,
    rate: &'static str,
    bits: &'static str,
}

static SNAKE: Names = Names {
    stream: "stream_sid",
    call: "call_sid",
    account: "account_sid",
    sequence: "sequence_number",
    parameters: "custom_parameters",
    format: "media_format",
    rate: "sample_rate",
    bits: "bit_rate",
};

static CAMEL: Names = Names {
    stream: "streamSid",
    call: "callSid",
    account: "accountSid",
    sequence: "sequenceNumber",
    parameters: "customParameters",
    format: "mediaFormat",
    rate: "sampleRate",
    bits: "bitRate",
};

impl Exotel {
    pub fn new(setup: Setup) -> Self {
        let ids = setup.ids;
        Self {
            names: if setup.provider == Provider::ExotelCamel { &CAMEL } else { &SNAKE },
            stream: ids.stream.simple().to_string(),
            call: ids.call.simple().to_string(),
            account: format!("account{}", ids.account.as_u128() % 1_000),
            setup,
            sequence: 0,
            chunk: 0,
        }
    }

    /// A message with its number and stream, and this in it.
    fn message(&mut self, event: &str, field: &str, value: Value) -> Frame {
        self.sequence += 1;
        let mut message = Map::new();
        message.insert("event".to_owned(), event.into());
        message.insert(self.names.sequence.to_owned(), self.sequence.to_string().into());
        message.insert(self.names.stream.to_owned(), self.stream.clone().into());
        message.insert(field.to_owned(), value);
        frame(&message.into())
    }

    fn media(&self, mut media: Message<'_>) -> Asked {
        media.text("chunk");
        media.text("timestamp");
        let Some(sound) = media.sound("payload") else {
            return Asked::Nothing;
        };
        if sound.len() % ALIGNMENT != 0 || !CHUNK.contains(&sound.len()) {
            media.fault(&format!("{} bytes of sound", sound.len()));
        }
        Asked::Play(sound)
    }
}

impl Wire for Exotel {
    fn rules(&self) -> Rules {
        Rules { ahead: Duration::from_millis(300 + 100), holds: None }
    }

    fn frames_in_packet(&self) -> usize {
        5
    }

    fn opening(&mut self) -> Vec<Frame> {
        let names = self.names;
        let start = json!({
            names.stream: self.stream,
            names.call: self.call,
            names.account: self.account,
            "from": self.setup.from,
            "to": self.setup.to,
            names.parameters: texts(self.setup.own_params()),
            names.format: {
                "encoding": "audio/x-raw",
                names.rate: self.setup.format.rate().to_string(),
                names.bits: "16",
            },
        });
        vec![frame(&json!({"event": "connected"})), self.message("start", "start", start)]
    }

    fn sound(&mut self, now: Duration, packet: Bytes) -> Frame {
        self.chunk += 1;
        let media = json!({
            "chunk": self.chunk.to_string(),
            "timestamp": now.as_millis().to_string(),
            "payload": base64(&packet),
        });
        self.message("media", "media", media)
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        vec![self.message("dtmf", "dtmf", json!({"digit": key, "duration": "100"}))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        vec![self.message("mark", "mark", json!({"name": mark}))]
    }

    fn cleared(&mut self, _: Vec<String>) -> Vec<Frame> {
        // Its documents do not say what becomes of pending marks: the worse of the two.
        Vec::new()
    }

    fn goodbye(&mut self) -> Vec<Frame> {
        let stop = json!({
            self.names.call: self.call, self.names.account: self.account, "reason": "callended"
        });
        vec![self.message("stop", "stop", stop)]
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((event, mut message)) = Message::read(text, "event", faults) else {
            return Asked::Nothing;
        };
        message.is(self.names.stream, &self.stream);
        message.only(&["event", self.names.stream, self.names.sequence, &event]);
        match &*event {
            "media" => {
                message.text(self.names.sequence);
                self.media(message.within("media", &["payload", "chunk", "timestamp"]))
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
