//! What 20 ms of sound cost in each dialect, beside the plain way to write the same in the same run.
//!
//! `cargo bench --bench dialects` begins each dialect with the head of a recorded call, lets it hear
//! and say thousands of frames, and prints the time and the heap allocations of one, and the ratio. It
//! judges nothing. What stands beside it:
//!
//! - hearing JSON: a `serde_json::Value` of the same message, and its payload out of base64;
//! - saying JSON: the same message from `serde_json::json!`, its payload in base64;
//! - binary frames: the same [`bytes::Bytes`], handed through;
//! - a conversion of formats: its law alone, at one rate.
//!
//! Neither of the plain ways swaps bytes, puts frames in order or converts what it hears. Where a
//! dialect gathers several frames into one message, its cost is spread over them, on both sides.
//! Allocations are a little dearer here than elsewhere, since they are counted.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and may fail")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod cost;
mod line;
mod plain;

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use cost::{FRAMES, print_beside};
use line::Line;
use upvoot::{
    audio::{
        format::{Encoding, Format},
        transcode::Transcoder,
    },
    dialect::{Frame, Frames, Heard, Say},
};

/// The recordings that calls begin with, and the bytes of 20 ms as the peer sends them.
const RECORDINGS: [(&str, usize); 17] = [
    ("twilio/call", 160),
    ("signalwire/call", 160),
    ("signalwire/l16-big-endian", 640),
    ("smartflo/call", 160),
    ("exotel/mu-law", 160),
    ("exotel/snake-case", 320),
    ("telnyx/call", 160),
    ("telnyx/l16-big-endian", 640),
    ("telnyx/other-codec-back", 160),
    ("plivo/call", 160),
    ("plivo/l16-16k", 640),
    ("vobiz/l16-big-endian", 960),
    ("vonage/call", 640),
    ("jambonz/call", 320),
    ("jambonz/stereo", 1_280),
    ("asterisk/plain", 160),
    ("asterisk/json", 640),
];

fn main() {
    // `cargo bench --bench dialects -- telnyx` measures what has this word in its name.
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let wanted = |name: &str| name.contains(&word);
    cost::print_head();
    if wanted("native") {
        measure("native", Line::native());
    }
    for (name, bytes) in RECORDINGS {
        if wanted(name) {
            measure(name, Line::begin(name, bytes));
        }
    }
    if wanted("convert") {
        let narrow = Line::begin("twilio/call", 160).sound();
        let wide = Line::begin("vonage/call", 640).sound();
        let linear = Format::pcm(8_000).unwrap();
        convert(&narrow, (Format::PCMU, linear), (Format::PCMU, Format::NATIVE));
        convert(&wide, (linear, Format::PCMU), (Format::NATIVE, Format::PCMU));
    }
}

fn measure(name: &str, mut line: Line) {
    let sound = line.sound();
    let spoken = line.spoken(&sound);
    let format = format_name(line.dialect.format());
    let Line { dialect, heard } = &mut line;

    let mut hear = || {
        for frame in &*heard {
            black_box(match frame {
                Frame::Text(text) => dialect.text(text),
                Frame::Binary(bytes) => dialect.binary(bytes.clone()),
            });
        }
    };
    let mut plainly = || {
        for frame in &*heard {
            match frame {
                Frame::Text(text) => drop(black_box(plain::audio_of(text))),
                Frame::Binary(bytes) => drop(black_box(Heard::Audio(bytes.clone()))),
            }
        }
    };
    print_beside(&format!("hear {name}, {format}"), &mut plainly, &mut hear);

    let mut out = Frames::with_capacity(4);
    let mut say = || {
        for _ in 0..FRAMES {
            dialect.say(Say::Audio(&sound), &mut out);
            black_box(&out);
            out.clear();
        }
    };
    let mut plain_out = Frames::with_capacity(4);
    let mut plainly = || match &spoken {
        Some(message) => {
            for number in 1..=FRAMES / message.frames {
                drop(black_box(message.write(number)));
            }
        }
        None => {
            for _ in 0..FRAMES {
                plain_out.push(Frame::Binary(sound.clone()));
                black_box(&plain_out);
                plain_out.clear();
            }
        }
    };
    print_beside(&format!("say  {name}, {format}"), &mut plainly, &mut say);
}

/// Converts 20 ms by the law alone, and all the way.
fn convert(sound: &Bytes, law: (Format, Format), whole: (Format, Format)) {
    let conversion = |(from, to): (Format, Format)| {
        let mut transcoder = Transcoder::new(from, to);
        let piece = sound.slice(..from.frame_bytes());
        let mut out = BytesMut::new();
        move || {
            for _ in 0..FRAMES {
                out.clear();
                transcoder.convert(&piece, &mut out);
                black_box(&out);
            }
        }
    };
    let name = format!("convert {} to {}", format_name(whole.0), format_name(whole.1));
    print_beside(&name, &mut conversion(law), &mut conversion(whole));
}

fn format_name(format: Format) -> String {
    let encoding = match format.encoding() {
        Encoding::Pcm16 => "linear",
        Encoding::Mulaw => "mu-law",
        Encoding::Alaw => "A-law",
    };
    format!("{encoding} {}k", format.rate() / 1_000)
}
