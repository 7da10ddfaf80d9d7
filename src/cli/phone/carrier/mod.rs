//! A telephony provider, as the server sees it: what it sends, what it understands, and how it plays
//! what it is sent. One file per provider, written from the providers' documents alone.
//!
//! A [`Carrier`] is a provider during one call: its `wire` says how things are written, its
//! playback buffer what becomes of the sound, its ear when the agent speaks. It complains of whatever
//! that provider would dislike, even where it would put up with it.

mod asterisk;
mod ear;
mod exotel;
mod jambonz;
mod json;
mod playback;
mod plivo;
mod provider;
mod setup;
mod signalwire;
mod smartflo;
mod telnyx;
mod twilio;
mod vonage;
mod wire;

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio_tungstenite::tungstenite::{
    Message as Frame,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use self::{
    ear::{Ear, Notice},
    playback::{Playback, Played},
    wire::{Asked, Wire},
};
use super::{
    What,
    dial::Offer,
    side::{Side, Step, Steps},
};
use crate::audio::format::Format;

pub(super) use ear::audible;
pub use provider::Provider;
pub use setup::{Ids, Setup};

/// The most characters of a frame that are told.
const TOLD: usize = 400;
/// A delay of our own that is worth telling.
const LATE: Duration = Duration::from_millis(30);
/// For how long such a delay excuses a hole in the sound.
const EXCUSE: Duration = Duration::from_millis(500);

/// What a provider does not like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// A frame that it would refuse, ignore or misunderstand, and why.
    Wire(String),
    /// Sound came this much too late: the caller hears a hole.
    Hole(Duration),
    /// This much sound is under way, which is more than a barge-in should have to wait for.
    Ahead(Duration),
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(why) => f.write_str(why),
            Self::Hole(long) => write!(f, "a hole of {} ms in the sound", long.as_millis()),
            Self::Ahead(long) => write!(f, "{} ms of sound under way", long.as_millis()),
        }
    }
}

/// A provider during one call.
pub struct Carrier {
    wire: Box<dyn Wire>,
    offer: Offer,
    format: Format,
    playback: Playback,
    ear: Ear,
    /// The caller's sound that is short of a packet.
    packet: BytesMut,
    packet_bytes: usize,
    /// When the caller last spoke, and when that was too late, by how much.
    spoke: Option<Duration>,
    late: Option<(Duration, Duration)>,
    hung_up: bool,
}

impl Carrier {
    /// The provider of a call that is about to be placed.
    pub fn new(setup: &Setup) -> Self {
        let wire = setup.wire();
        let format = setup.format;
        Self {
            offer: Offer {
                subprotocol: setup.subprotocol.clone().or(wire.subprotocol().map(str::to_owned)),
                ..wire.offer()
            },
            format,
            playback: Playback::new(format, wire.rules()),
            ear: Ear::new(format),
            packet: BytesMut::new(),
            packet_bytes: format.frame_bytes() * wire.frames_in_packet(),
            wire,
            spoke: None,
            late: None,
            hung_up: false,
        }
    }

    /// What it says of itself when it asks for the upgrade.
    pub(super) fn offer(&self) -> Offer {
        self.offer.clone()
    }

    /// Plays what is due by now.
    fn play(&mut self, now: Duration, out: &mut Steps) {
        let mut heard = BytesMut::new();
        for played in self.playback.until(now) {
            match played {
                Played::Sound(sound) => heard.extend_from_slice(&sound),
                Played::Mark(mark) => {
                    let reached = self.wire.reached(&mark);
                    send(reached, out);
                }
            }
        }
        match self.ear.hear(now, &heard) {
            Some(Notice::Speaks) => {
                out.extend([Step::AgentSpeaks, Step::Tell(What::AgentSpeaks)]);
            }
            Some(Notice::IsSilent) => {
                out.extend([Step::AgentIsSilent, Step::Tell(What::AgentIsSilent)]);
            }
            None => {}
        }
        if !heard.is_empty() {
            out.push(Step::Tell(What::Sound(heard.freeze())));
        }
    }

    fn obey(&mut self, now: Duration, asked: Asked, out: &mut Steps) {
        match asked {
            Asked::Nothing => {}
            Asked::Play(sound) if sound.is_empty() => complain("no sound".to_owned(), out),
            Asked::Play(sound) => {
                let excuse = self.late.filter(|(at, _)| now < *at + EXCUSE);
                let ours = excuse.map_or(Duration::ZERO, |(_, by)| by);
                let complaints = self.playback.sound(now, sound, ours);
                out.extend(complaints.into_iter().map(|c| Step::Tell(What::Complained(c))));
            }
            Asked::Mark(name) => {
                self.playback.mark(name);
                let most = self.wire.marks();
                if self.playback.marks() > most {
                    complain(format!("more than {most} marks at a time"), out);
                }
            }
            Asked::Clear => {
                let pending = self.playback.clear();
                let told = self.wire.cleared(pending);
                send(told, out);
            }
            Asked::HangUp => self.hang_up(out),
        }
        // A mark on an empty buffer is reached at once.
        self.play(now, out);
    }
}

impl Side for Carrier {
    fn format(&self) -> Format {
        self.format
    }

    fn begin(&mut self, out: &mut Steps) {
        let opening = self.wire.opening();
        send(opening, out);
    }

    fn speak(&mut self, now: Duration, frame: Bytes, out: &mut Steps) {
        let since = self.spoke.replace(now).map_or(Duration::ZERO, |spoke| now - spoke);
        let by = since.saturating_sub(Duration::from_millis(20));
        if by > LATE {
            self.late = Some((now, by));
            self.playback.late(by);
            out.push(Step::Tell(What::Late(by)));
        }
        self.packet.extend_from_slice(&frame);
        if self.packet.len() >= self.packet_bytes {
            let packet = self.packet.split_to(self.packet_bytes).freeze();
            out.push(Step::Send(self.wire.sound(now, packet)));
        }
        self.play(now, out);
    }

    fn press(&mut self, now: Duration, key: char, out: &mut Steps) {
        let pressed = self.wire.key(now, key);
        send(pressed, out);
    }

    fn hang_up(&mut self, out: &mut Steps) {
        if std::mem::replace(&mut self.hung_up, true) {
            return;
        }
        let goodbye = self.wire.goodbye();
        send(goodbye, out);
        let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        out.push(Step::Send(Frame::Close(Some(normal))));
        out.push(Step::Over);
    }

    fn hear(&mut self, now: Duration, frame: Frame, out: &mut Steps) {
        // What was due before this frame is not touched by it.
        self.play(now, out);
        let mut faults = Vec::new();
        let asked = match &frame {
            Frame::Text(text) => {
                let asked = self.wire.text(text, &mut faults);
                if !matches!(asked, Asked::Play(_)) {
                    out.push(Step::Tell(What::Received(cut(text))));
                }
                asked
            }
            Frame::Binary(bytes) => self.wire.binary(bytes, &mut faults),
            _ => return,
        };
        faults.into_iter().for_each(|fault| complain(fault, out));
        self.obey(now, asked, out);
    }
}

fn send(frames: Vec<Frame>, out: &mut Steps) {
    for frame in frames {
        let told = match &frame {
            Frame::Text(text) => cut(text),
            other => format!("{} bytes", other.len()),
        };
        out.push(Step::Send(frame));
        out.push(Step::Tell(What::Sent(told)));
    }
}

fn complain(why: String, out: &mut Steps) {
    out.push(Step::Tell(What::Complained(Complaint::Wire(why))));
}

fn cut(text: &str) -> String {
    text.chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests;
