//! Plivo audio streams, and Vobiz, which speaks the same with a few differences: its L16 is
//! big-endian on the way to us, it has a word for hanging up, and it tells less.
//!
//! Neither tells who calls; `extra_headers` has to carry it, in letters and digits only. A clear is
//! answered with `clearedAudio`, and the pending checkpoints are gone.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    super::dial::Offer,
    Provider,
    json::{Message, base64, frame},
    setup::Setup,
    wire::{Asked, Faults, Wire},
};
use crate::audio::format::Encoding;

pub struct Plivo {
    setup: Setup,
    vobiz: bool,
    stream: String,
    extra: String,
    encoding: &'static str,
    sequence: u64,
    chunk: u64,
}

impl Plivo {
    pub fn new(setup: Setup) -> Self {
        let plain =
            |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
        let extra: Vec<String> = setup
            .params_with_numbers()
            .map(|(name, value)| format!("{}={}", plain(name), plain(value)))
            .collect();
        Self {
            vobiz: setup.provider == Provider::Vobiz,
            stream: setup.ids.stream.to_string(),
            extra: extra.join(";"),
            encoding: match setup.format.encoding() {
                Encoding::Pcm16 => "audio/x-l16",
                _ => "audio/x-mulaw",
            },
            setup,
            sequence: 0,
            chunk: 0,
        }
    }

    fn sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// The caller's sound as it is on the wire.
    fn on_the_wire(&self, packet: &[u8]) -> String {
        if !self.vobiz || self.setup.format.encoding() != Encoding::Pcm16 {
            return base64(packet);
        }
        let swapped: Vec<u8> = packet.as_chunks().0.iter().flat_map(|[a, b]| [*b, *a]).collect();
        base64(&swapped)
    }
}

impl Wire for Plivo {
    fn offer(&self) -> Offer {
        let ids = self.setup.ids;
        let nonce = ids.call.as_u128() % 10u128.pow(20);
        // Of the right form: only the customer's token could tell that it signs nothing.
        let signature = base64(&ids.stream.as_bytes().repeat(2));
        let headers = if self.vobiz {
            vec![
                ("X-Vobiz-Signature-V3", signature),
                ("X-Vobiz-Signature-V3-Nonce", nonce.to_string()),
            ]
        } else {
            vec![
                ("X-Plivo-Signature-V3", signature),
                ("X-Plivo-Signature-V3-Nonce", nonce.to_string()),
            ]
        };
        Offer { headers, ..Offer::default() }
    }

    fn opening(&mut self) -> Vec<Frame> {
        vec![frame(&json!({
            "sequenceNumber": self.sequence(),
            "event": "start",
            "start": {
                "callId": self.setup.ids.call.to_string(),
                "streamId": self.stream,
                "accountId": self.setup.ids.account.as_u128() % 1_000_000,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": self.encoding, "sampleRate": self.setup.format.rate()},
            },
            "extra_headers": self.extra,
        }))]
    }

    fn sound(&mut self, now: Duration, packet: Bytes) -> Frame {
        self.chunk += 1;
        frame(&json!({
            "sequenceNumber": self.sequence(),
            "streamId": self.stream,
            "event": "media",
            "media": {
                "track": "inbound",
                "timestamp": now.as_millis().to_string(),
                "chunk": self.chunk,
                "payload": self.on_the_wire(&packet),
            },
            "extra_headers": self.extra,
        }))
    }

    fn key(&mut self, now: Duration, key: char) -> Vec<Frame> {
        vec![frame(&json!({
            "event": "dtmf",
            "sequenceNumber": self.sequence(),
            "streamId": self.stream,
            "dtmf": {"track": "inbound", "digit": key, "timestamp": now.as_millis().to_string()},
            "extra_headers": self.extra,
        }))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        vec![frame(&if self.vobiz {
            json!({"event": "playedStream", "name": mark})
        } else {
            json!({
                "sequenceNumber": self.sequence(),
                "event": "playedStream",
                "streamId": self.stream,
                "name": mark,
            })
        })]
    }

    fn cleared(&mut self, _: Vec<String>) -> Vec<Frame> {
        let sequence = self.sequence();
        vec![frame(&json!({
            "sequenceNumber": sequence, "event": "clearedAudio", "streamId": self.stream
        }))]
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((event, mut message)) = Message::read(text, "event", faults) else {
            return Asked::Nothing;
        };
        match &*event {
            "playAudio" => {
                message.only(&["event", "streamId", "media"]);
                message.may_be("streamId", &self.stream);
                let mut media = message.within("media", &["contentType", "sampleRate", "payload"]);
                media.is("contentType", self.encoding);
                if media.field("sampleRate") != Some(&Value::from(self.setup.format.rate())) {
                    media.fault("`sampleRate` is not the stream's");
                }
                media.sound("payload").map_or(Asked::Nothing, Asked::Play)
            }
            "checkpoint" => {
                message.only(&["event", "streamId", "name"]);
                message.is("streamId", &self.stream);
                message.text("name").map_or(Asked::Nothing, Asked::Mark)
            }
            "clearAudio" => {
                message.only(&["event", "streamId"]);
                message.is("streamId", &self.stream);
                Asked::Clear
            }
            "stop" if self.vobiz => {
                message.only(&["event", "streamId"]);
                message.is("streamId", &self.stream);
                Asked::HangUp
            }
            "sendDTMF" if !self.vobiz => {
                message.only(&["event", "dtmf"]);
                let keys = message.text("dtmf").unwrap_or_default();
                if !keys.chars().all(|key| "0123456789*#ABCD".contains(key)) {
                    message.fault("no keys of a telephone");
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
