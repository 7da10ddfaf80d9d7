//! The plain way to hear and to say audio in JSON: trees of values, and a text for each of them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use upvoot::{
    audio::format::Encoding,
    dialect::{Dialect, Name},
};

/// The audio in a message.
pub fn audio_of(text: &str) -> Vec<u8> {
    let message: Value = serde_json::from_str(text).unwrap();
    BASE64_STANDARD.decode(message["media"]["payload"].as_str().unwrap()).unwrap()
}

/// A message with audio, to be written again and again.
pub struct Message {
    name: Name,
    id: String,
    content_type: &'static str,
    rate: u32,
    audio: Vec<u8>,
    /// How many frames of 20 ms it is made of.
    pub frames: usize,
}

impl Message {
    /// The same as a dialect's first.
    pub fn like(dialect: &dyn Dialect, text: &str, frames: usize) -> Self {
        let first: Value = serde_json::from_str(text).unwrap();
        let id = first.get("streamSid").or_else(|| first.get("stream_sid"));
        let format = dialect.format();
        let message = Self {
            name: dialect.name(),
            id: id.and_then(Value::as_str).unwrap_or_default().to_owned(),
            content_type: match format.encoding() {
                Encoding::Pcm16 => "audio/x-l16",
                Encoding::Mulaw => "audio/x-mulaw",
                Encoding::Alaw => "audio/x-alaw",
            },
            rate: format.rate(),
            audio: audio_of(text),
            frames,
        };
        assert_eq!(serde_json::from_str::<Value>(&message.write(1)).unwrap(), first);
        message
    }

    /// The message with this number, counted from 1.
    pub fn write(&self, number: usize) -> String {
        let payload = BASE64_STANDARD.encode(&self.audio);
        let id = &self.id;
        let message = match self.name {
            Name::Twilio | Name::SignalWire => {
                json!({"event": "media", "streamSid": id, "media": {"payload": payload}})
            }
            Name::Telnyx => json!({"event": "media", "media": {"payload": payload}}),
            Name::Smartflo => json!({
                "event": "media", "streamSid": id, "media": {"chunk": number, "payload": payload}}),
            Name::Exotel => json!({
                "event": "media", "stream_sid": id, "sequence_number": number.to_string(),
                "media": {
                    "chunk": number.to_string(),
                    "timestamp": ((number - 1) * self.frames * 20).to_string(),
                    "payload": payload}}),
            Name::Plivo | Name::Vobiz => json!({
                "event": "playAudio", "media": {
                    "contentType": self.content_type, "sampleRate": self.rate,
                    "payload": payload}}),
            Name::Native | Name::Vonage | Name::Jambonz | Name::Asterisk => {
                unreachable!("their audio is binary")
            }
        };
        message.to_string()
    }
}
