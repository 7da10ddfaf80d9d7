//! The Media Streams family: audio in base64 within JSON `media` messages, as Twilio began it.
//!
//! One codec serves all of them. A [`Flavour`] says what one provider wants otherwise; the file of
//! each provider has its own, and reads its `start`. Nothing more is written than a provider knows:
//! Twilio warns its customers of every field too many.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use serde::Deserialize;

use super::{
    Dialect, Frame, Frames, Heard, KeyTones, Manners, Name, Say,
    arena::Arena,
    byte_order::{self, ByteOrder},
    json::{Count, Lenient, Text, quoted},
    native, payload,
};
use crate::{
    audio::format::{Encoding, Format},
    call::Event,
};

/// The most bytes of audio in one message: no provider minds a message of this size in base64, and
/// it is a multiple of every [`Flavour::step`].
const MOST: usize = 38_400;

/// What one provider wants otherwise than the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flavour {
    /// Whose it is.
    pub name: Name,
    /// The key of the stream's id in what is sent; none where it is not wanted.
    pub id_key: Option<&'static str>,
    /// What is sent beside the audio.
    pub numbering: Numbering,
    /// Audio is sent in multiples of this many bytes,
    pub step: usize,
    /// and not less than this at once. What is short of it is filled up with silence.
    pub least: usize,
    /// See [`Manners::ahead`].
    pub ahead: Duration,
    /// See [`Manners::dtmf`].
    pub dtmf: KeyTones,
}

/// What is sent beside the audio of a `media` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbering {
    /// Nothing.
    None,
    /// `chunk`, a number that counts from 1.
    Chunk,
    /// `chunk` and `timestamp` as texts, and beside `media` the sequence number under this key.
    All(&'static str),
}

impl Flavour {
    /// The common ground: like Twilio, in whole frames of 20 ms, and at most 180 ms ahead.
    pub fn like_twilio(name: Name, format: Format) -> Self {
        Self {
            name,
            id_key: Some("streamSid"),
            numbering: Numbering::None,
            step: format.frame_bytes(),
            least: format.frame_bytes(),
            ahead: Duration::from_millis(180),
            dtmf: KeyTones::Audio,
        }
    }
}

/// A message of the peer. What is missing or of a wrong kind is `None`.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    event: Text<'a>,
    #[serde(borrow, default)]
    pub media: Lenient<Media<'a>>,
    #[serde(borrow, default)]
    dtmf: Lenient<Dtmf<'a>>,
    #[serde(borrow, default)]
    mark: Lenient<Mark<'a>>,
    #[serde(borrow, default)]
    payload: Lenient<Complaint<'a>>,
}

/// A piece of audio.
#[derive(Debug, Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, default)]
    track: Text<'a>,
    /// Counts the pieces of a track.
    #[serde(default)]
    pub chunk: Count,
    #[serde(borrow, default)]
    payload: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Dtmf<'a> {
    #[serde(borrow, default)]
    digit: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Mark<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Complaint<'a> {
    #[serde(borrow, default)]
    code: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    detail: Text<'a>,
}

impl<'a> Message<'a> {
    /// Reads a text frame.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The audio, if that is what the message is for.
    pub fn sound(&self) -> Option<&Media<'a>> {
        self.media.0.as_ref().filter(|_| self.event.get() == Some("media"))
    }
}

/// The wire of one call.
#[derive(Debug)]
pub(super) struct MediaStreams {
    flavour: Flavour,
    format: Format,
    order: ByteOrder,
    /// How each message goes on after its `event`: with the stream's id, if it is wanted.
    id: String,
    clear: ByteString,
    /// Audio short of a chunk.
    held: Vec<u8>,
    /// Audio in the peer's byte order, on its way out.
    swapped: Vec<u8>,
    /// `media` messages sent, and bytes of audio in them.
    chunks: u64,
    sent: usize,
    heard: Arena,
    frames: Arena,
}

impl MediaStreams {
    /// The wire of a stream with this id.
    pub fn new(flavour: Flavour, stream_id: &str, format: Format, order: ByteOrder) -> Self {
        let id = match flavour.id_key {
            Some(key) => format!(r#","{key}":{}"#, quoted(stream_id)),
            None => String::new(),
        };
        let piece = format.frame_bytes();
        Self {
            clear: format!(r#"{{"event":"clear"{id}}}"#).into(),
            heard: Arena::for_pieces(piece),
            frames: Arena::for_pieces(payload::encoded_len(piece.max(flavour.least)) + 128),
            held: Vec::new(),
            swapped: Vec::new(),
            chunks: 0,
            sent: 0,
            flavour,
            format,
            order,
            id,
        }
    }

    /// The audio of a message, as the session hears it. Nothing for our own voice, which some
    /// customers have streamed too, and for what is not base64.
    pub fn audio(&mut self, media: &Media<'_>) -> Option<Bytes> {
        if media.track.get().is_some_and(|track| track.starts_with("outbound")) {
            return None;
        }
        let text = media.payload.get()?;
        let audio = self.heard.take(|buf| {
            payload::decode(text, buf);
            if !matches!(self.order, ByteOrder::Little) {
                // To straighten a sample both bytes are needed; half a one is no sound.
                buf.truncate(buf.len() & !1);
                self.order.straighten(buf);
            }
        });
        (!audio.is_empty()).then_some(audio)
    }

    /// What a message means.
    pub fn hear(&mut self, message: &Message<'_>) -> Heard {
        let heard = match message.event.get() {
            Some("media") => message.sound().and_then(|media| self.audio(media)).map(Heard::Audio),
            Some("dtmf") => message.digit().map(Heard::Dtmf),
            Some("mark") => message.tag().map(Heard::Mark),
            Some("stop") => Some(Heard::Stop),
            Some("error") => Some(message.complaint()),
            _ => None,
        };
        heard.unwrap_or(Heard::Nothing)
    }

    /// Sends what makes whole chunks and keeps the rest.
    fn send(&mut self, audio: &[u8], out: &mut Frames) {
        if self.held.is_empty() {
            let sent = self.send_whole(audio, out);
            self.held.extend_from_slice(&audio[sent..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(audio);
            let sent = self.send_whole(&held, out);
            held.drain(..sent);
            self.held = held;
        }
    }

    /// Sends the whole chunks at the beginning, and says how many bytes they have.
    fn send_whole(&mut self, audio: &[u8], out: &mut Frames) -> usize {
        let Flavour { step, least, .. } = self.flavour;
        let mut sent = 0;
        loop {
            let whole = (audio.len() - sent).min(MOST) / step * step;
            if whole < least.max(step) {
                return sent;
            }
            self.media(&audio[sent..sent + whole], out);
            sent += whole;
        }
    }

    /// Sends what is held, filled up to a chunk.
    fn flush(&mut self, out: &mut Frames) {
        if self.held.is_empty() {
            return;
        }
        let Flavour { step, least, .. } = self.flavour;
        let mut held = std::mem::take(&mut self.held);
        held.resize(held.len().max(least).next_multiple_of(step), self.format.silence());
        self.media(&held, out);
        held.clear();
        self.held = held;
    }

    /// A `media` message.
    fn media(&mut self, audio: &[u8], out: &mut Frames) {
        let audio = if self.order.is_big() && self.format.encoding() == Encoding::Pcm16 {
            self.swapped.clear();
            self.swapped.extend_from_slice(audio);
            byte_order::swap(&mut self.swapped);
            &self.swapped
        } else {
            audio
        };
        self.chunks += 1;
        let number = self.chunks;
        let (id, numbering) = (&self.id, self.flavour.numbering);
        let at = self.format.length(self.sent).as_millis();
        let text = self.frames.take(|buf| {
            buf.extend_from_slice(br#"{"event":"media""#);
            buf.extend_from_slice(id.as_bytes());
            match numbering {
                Numbering::None => buf.extend_from_slice(br#","media":{"#),
                Numbering::Chunk => write(buf, format_args!(r#","media":{{"chunk":{number},"#)),
                Numbering::All(key) => {
                    write(buf, format_args!(r#","{key}":"{number}","media":{{"#));
                    write(buf, format_args!(r#""chunk":"{number}","timestamp":"{at}","#));
                }
            }
            buf.extend_from_slice(br#""payload":""#);
            payload::encode(audio, buf);
            buf.extend_from_slice(br#""}}"#);
        });
        self.sent += audio.len();
        out.push(Frame::text(text));
    }

    /// A message about something else than audio.
    fn other(&mut self, event: &str, member: std::fmt::Arguments<'_>, out: &mut Frames) {
        let id = &self.id;
        let text = self.frames.take(|buf| {
            write(buf, format_args!(r#"{{"event":"{event}"{id},"{event}":{{{member}}}}}"#));
        });
        out.push(Frame::text(text));
    }
}

impl Message<'_> {
    fn digit(&self) -> Option<char> {
        native::digit(self.dtmf.0.as_ref()?.digit.get()?)
    }

    fn tag(&self) -> Option<super::Tag> {
        self.mark.0.as_ref()?.name.get()?.parse().ok()
    }

    fn complaint(&self) -> Heard {
        let Some(Complaint { code, title, detail }) = &self.payload.0 else {
            return Heard::complaint(&[]);
        };
        Heard::complaint(&[code, title, detail].map(|word| word.get().unwrap_or_default()))
    }
}

impl Dialect for MediaStreams {
    fn name(&self) -> Name {
        self.flavour.name
    }

    fn format(&self) -> Format {
        self.format
    }

    fn manners(&self) -> Manners {
        let Flavour { ahead, dtmf, .. } = self.flavour;
        Manners { ahead, marks: true, clears: true, dtmf }
    }

    fn text(&mut self, text: &str) -> Heard {
        match Message::read(text) {
            Some(message) => self.hear(&message),
            None => Heard::Nothing,
        }
    }

    fn binary(&mut self, _: Bytes) -> Heard {
        Heard::Nothing
    }

    fn say(&mut self, say: Say<'_>, out: &mut Frames) {
        match say {
            Say::Audio(audio) => self.send(audio, out),
            Say::Event(Event::AudioEnd) => self.flush(out),
            Say::Clear => {
                self.held.clear();
                out.push(Frame::Text(self.clear.clone()));
            }
            Say::Mark(tag) => {
                self.flush(out);
                self.other("mark", format_args!(r#""name":"{tag}""#), out);
            }
            Say::Dtmf(digit) if self.flavour.dtmf == KeyTones::Message => {
                self.other("dtmf", format_args!(r#""digit":"{digit}""#), out);
            }
            Say::Begin(_) | Say::Event(_) | Say::Dtmf(_) | Say::HangUp => {}
        }
    }
}

fn write(buf: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    std::fmt::Write::write_fmt(buf, text).expect("a buffer grows");
}
