//! Vonage Voice WebSockets: raw L16, one frame of exactly 20 ms in each message, and JSON beside it.
//! It has no id, no caller and no called: the customer's `headers` stand in its first message.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    json::{Message, frame},
    setup::Setup,
    wire::{Asked, Faults, Wire},
};

pub struct Vonage {
    setup: Setup,
}

impl Vonage {
    pub fn new(setup: Setup) -> Self {
        Self { setup }
    }
}

impl Wire for Vonage {
    fn opening(&mut self) -> Vec<Frame> {
        let mut connected = json!({
            "event": "websocket:connected",
            "content-type": format!("audio/l16;rate={}", self.setup.format.rate()),
        });
        for (name, value) in self.setup.params_with_numbers() {
            connected[name] = Value::from(value);
        }
        vec![frame(&connected)]
    }

    fn sound(&mut self, _: Duration, packet: Bytes) -> Frame {
        Frame::Binary(packet)
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        vec![frame(&json!({"event": "websocket:dtmf", "digit": key, "duration": 260}))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        // The payload comes back as it was sent.
        let payload: Value = serde_json::from_str(mark).unwrap_or_default();
        vec![frame(&json!({"event": "websocket:notify", "payload": payload}))]
    }

    fn cleared(&mut self, _: Vec<String>) -> Vec<Frame> {
        vec![frame(&json!({"event": "websocket:cleared"}))]
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((action, mut message)) = Message::read(text, "action", faults) else {
            return Asked::Nothing;
        };
        match &*action {
            "notify" => {
                message.only(&["action", "payload"]);
                match message.field("payload") {
                    Some(payload @ Value::Object(_)) => Asked::Mark(payload.to_string()),
                    _ => {
                        message.fault("no object `payload`");
                        Asked::Nothing
                    }
                }
            }
            "clear" => {
                message.only(&["action"]);
                Asked::Clear
            }
            _ => {
                message.unknown();
                Asked::Nothing
            }
        }
    }

    fn binary(&mut self, bytes: &Bytes, faults: &mut Faults) -> Asked {
        let exact = self.setup.format.frame_bytes();
        if bytes.len() != exact {
            faults.push(format!("{} bytes of sound, expected {exact}", bytes.len()));
        }
        Asked::Play(bytes.clone())
    }
}
