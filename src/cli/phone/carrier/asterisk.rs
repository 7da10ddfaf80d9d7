//! Asterisk `chan_websocket`: raw frames, and commands in plain text or, with `f(json)`, in JSON.
//!
//! Between `START_MEDIA_BUFFERING` and `STOP_MEDIA_BUFFERING` it cuts what it is sent into frames;
//! outside it takes whole frames and loses the rest. Commands longer than 128 bytes are ignored in
//! silence, and a flush drops the marks without a word.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    super::dial::Offer,
    Provider,
    json::frame,
    playback::Rules,
    setup::Setup,
    wire::{Asked, Faults, Wire},
};
use crate::audio::format::Encoding;

/// Bytes of the longest command that it reads.
const LONGEST_COMMAND: usize = 128;
/// Bytes of the longest message that it takes.
const LONGEST_MESSAGE: usize = 65_500;

pub struct Asterisk {
    setup: Setup,
    json: bool,
    channel_id: String,
    buffering: bool,
}

impl Asterisk {
    pub fn new(setup: Setup) -> Self {
        Self {
            json: setup.provider == Provider::AsteriskJson,
            channel_id: format!("{}.1", setup.ids.call.as_u128() % 10_000_000_000),
            setup,
            buffering: false,
        }
    }

    /// An event in this call's encoding: `argument` is how plain text has it.
    fn event(&self, name: &str, fields: &[(&str, &str)], argument: &str) -> Frame {
        if !self.json {
            return Frame::text(format!("{name} {argument}").trim_end().to_owned());
        }
        let mut event = Map::new();
        event.insert("event".to_owned(), name.into());
        event.insert("channel_id".to_owned(), self.channel_id.clone().into());
        event.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        frame(&event.into())
    }

    /// Command and id, read in this call's encoding.
    fn read(&self, text: &str, faults: &mut Faults) -> Option<(String, Option<String>)> {
        if text.len() > LONGEST_COMMAND {
            faults.push(format!("a command of {} bytes, ignored in silence", text.len()));
            return None;
        }
        if !self.json {
            let (command, id) = match text.split_once(' ') {
                Some((command, id)) => (command, Some(id.to_owned())),
                None => (text, None),
            };
            return Some((command.to_owned(), id));
        }
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            faults.push("a command that is no JSON object".to_owned());
            return None;
        };
        let foreign = fields.keys().find(|name| !["command", "correlation_id"].contains(&&***name));
        if let Some(name) = foreign {
            faults.push(format!("a foreign field `{name}`"));
        }
        let text = |name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        match text("command") {
            Some(command) => Some((command, text("correlation_id"))),
            None => {
                faults.push("a message without `command`".to_owned());
                None
            }
        }
    }
}

impl Wire for Asterisk {
    fn subprotocol(&self) -> Option<&'static str> {
        Some("media")
    }

    fn offer(&self) -> Offer {
        let query: Vec<String> = self
            .setup
            .params_with_numbers()
            .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
            .collect();
        Offer { insists: true, query: Some(query.join("&")), ..Offer::default() }
    }

    fn rules(&self) -> Rules {
        Rules { ahead: Duration::from_secs(2), holds: None }
    }

    fn opening(&mut self) -> Vec<Frame> {
        let format = self.setup.format;
        let name = match (format.encoding(), format.rate()) {
            (Encoding::Mulaw, _) => "ulaw".to_owned(),
            (Encoding::Alaw, _) => "alaw".to_owned(),
            (Encoding::Pcm16, 8_000) => "slin".to_owned(),
            (Encoding::Pcm16, rate) => format!("slin{}", rate / 1_000),
        };
        let connection = self.setup.ids.stream;
        let channel = "WebSocket/upvoot/0x7f3a140021d0";
        let size = format.frame_bytes();
        vec![if self.json {
            frame(&json!({
                "event": "MEDIA_START",
                "connection_id": connection.to_string(),
                "channel": channel,
                "channel_id": self.channel_id,
                "format": name,
                "optimal_frame_size": size,
                "ptime": 20,
                "channel_variables": {},
            }))
        } else {
            Frame::text(format!(
                "MEDIA_START connection_id:{connection} channel:{channel} channel_id:{} \
                 format:{name} optimal_frame_size:{size} ptime:20",
                self.channel_id,
            ))
        }]
    }

    fn sound(&mut self, _: Duration, packet: Bytes) -> Frame {
        Frame::Binary(packet)
    }

    fn key(&mut self, _: Duration, key: char) -> Vec<Frame> {
        let key = key.to_string();
        vec![self.event("DTMF_END", &[("digit", &key)], &format!("digit:{key}"))]
    }

    fn reached(&mut self, mark: &str) -> Vec<Frame> {
        let (event, id) = mark.split_once(' ').unwrap_or((mark, ""));
        let fields = [("correlation_id", id)];
        vec![self.event(event, if id.is_empty() { &[] } else { &fields }, id)]
    }

    fn cleared(&mut self, _: Vec<String>) -> Vec<Frame> {
        Vec::new()
    }

    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked {
        let Some((command, id)) = self.read(text, faults) else {
            return Asked::Nothing;
        };
        let takes_id = ["STOP_MEDIA_BUFFERING", "MARK_MEDIA"].contains(&&*command);
        if id.is_some() && !takes_id {
            faults.push(format!("{command}: an argument"));
        }
        let mark = |event: &str| Asked::Mark(format!("{event} {}", id.unwrap_or_default()));
        match &*command {
            "ANSWER" | "CONTINUE_MEDIA" | "GET_STATUS" | "REPORT_QUEUE_DRAINED" => Asked::Nothing,
            "HANGUP" => Asked::HangUp,
            "MARK_MEDIA" => mark("MEDIA_MARK_PROCESSED"),
            "START_MEDIA_BUFFERING" => {
                if std::mem::replace(&mut self.buffering, true) {
                    faults.push(format!("{command}: it is buffering already"));
                }
                Asked::Nothing
            }
            "STOP_MEDIA_BUFFERING" => {
                if !std::mem::take(&mut self.buffering) {
                    faults.push(format!("{command}: it is not buffering"));
                }
                mark("MEDIA_BUFFERING_COMPLETED")
            }
            "FLUSH_MEDIA" => {
                self.buffering = false;
                Asked::Clear
            }
            "PAUSE_MEDIA" => {
                faults.push("PAUSE_MEDIA: this telephone goes on".to_owned());
                Asked::Nothing
            }
            _ => {
                faults.push(format!("{command}: an unknown command"));
                Asked::Nothing
            }
        }
    }

    fn binary(&mut self, bytes: &Bytes, faults: &mut Faults) -> Asked {
        if bytes.len() > LONGEST_MESSAGE {
            faults.push(format!("a message of {} bytes, which ends the call", bytes.len()));
            return Asked::HangUp;
        }
        let format = self.setup.format;
        let unit = if self.buffering { format.sample_bytes() } else { format.frame_bytes() };
        let lost = bytes.len() % unit;
        if lost > 0 {
            faults.push(format!("{lost} of {} bytes of sound are lost", bytes.len()));
        }
        Asked::Play(bytes.slice(..bytes.len() - lost))
    }
}

/// As it stands in a query string.
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
