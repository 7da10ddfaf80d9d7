//! One rule at a time, where a snapshot would not say why.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use upvoot::{
    audio::format::Format,
    call::Event,
    dialect::{Heard, Say, Tag},
};

use super::{dialect, payload_of, recognised, recording, said, sound};

/// The audio of these messages, each by itself.
fn pieces(frames: &[String]) -> Vec<Vec<u8>> {
    let message = |frame: &String| serde_json::from_str::<Value>(frame).unwrap();
    let payload = |message: Value| payload_of(&message).map(str::to_owned);
    let payloads = frames.iter().map(message).filter_map(payload);
    payloads.map(|payload| BASE64_STANDARD.decode(payload).unwrap()).collect()
}

/// All audio in a recording, as it is heard.
fn heard(name: &str) -> Vec<u8> {
    let frames = recording(name);
    let (mut recognised, rest) = recognised(&frames);
    let sounds = rest.iter().filter_map(|frame| match recognised.dialect.text(frame) {
        Heard::Audio(audio) => Some(audio),
        _ => None,
    });
    sounds.flatten().collect()
}

#[test]
fn exotel_gets_nothing_short_of_a_chunk_and_its_last_one_filled_with_silence() {
    let mut exotel = dialect("exotel/snake-case");
    assert!(said(&mut *exotel, Say::Audio(&sound(3_198))).is_empty());
    let sent = pieces(&said(&mut *exotel, Say::Audio(&sound(500))));
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [3_520]);
    let last = pieces(&said(&mut *exotel, Say::Event(&Event::AudioEnd))).concat();
    assert_eq!(last.len(), 3_200);
    assert_eq!(last[..178], sound(500)[322..]);
    assert!(last[178..].iter().all(|byte| *byte == 0));
    assert!(said(&mut *exotel, Say::Event(&Event::AudioEnd)).is_empty(), "once is enough");
}

#[test]
fn exotel_is_told_when_each_chunk_begins() {
    let mut exotel = dialect("exotel/snake-case");
    let mut at = Vec::new();
    for _ in 0..3 {
        let sent = said(&mut *exotel, Say::Audio(&sound(3_200)));
        let message: Value = serde_json::from_str(&sent[0]).unwrap();
        at.push(message["media"]["timestamp"].as_str().unwrap().to_owned());
    }
    assert_eq!(at, ["0", "200", "400"]);
}

#[test]
fn what_is_held_back_is_dropped_by_a_clear_and_sent_before_a_mark() {
    let tag = Tag { generation: 0, number: 1 };
    for name in ["exotel/snake-case", "smartflo/call", "telnyx/call"] {
        let mut line = dialect(name);
        assert!(said(&mut *line, Say::Audio(&sound(100))).is_empty(), "{name}");
        let cleared = said(&mut *line, Say::Clear);
        assert!(cleared.len() == 1 && cleared[0].contains(r#""event":"clear""#), "{name}");
        let marked = said(&mut *line, Say::Mark(tag));
        assert!(
            marked.len() == 1 && marked[0].contains(r#""name":"g0-1""#),
            "{name}: nothing was held"
        );
        said(&mut *line, Say::Audio(&sound(100)));
        let marked = said(&mut *line, Say::Mark(tag));
        assert_eq!(marked.len(), 2, "{name}");
        assert_eq!(pieces(&marked)[0][..100], sound(100)[..], "{name}");
        assert!(marked[1].contains(r#""event":"mark""#), "{name}");
    }
}

#[test]
fn no_message_is_larger_than_the_smallest_limit_of_a_provider() {
    for name in ["twilio/call", "exotel/camel-case", "telnyx/call", "smartflo/call", "plivo/call"] {
        let mut line = dialect(name);
        let sent = said(&mut *line, Say::Audio(&sound(200_000)));
        assert!(sent.len() > 1 && sent.iter().all(|frame| frame.len() < 60_000), "{name}");
    }
}

#[test]
fn a_byte_order_that_nobody_tells_is_heard_and_answered_in() {
    for name in ["signalwire/l16-big-endian", "telnyx/l16-big-endian"] {
        let frames = recording(name);
        let (mut recognised, rest) = recognised(&frames);
        let line = &mut *recognised.dialect;
        let before = pieces(&said(line, Say::Audio(&sound(640))));
        assert_eq!(before.concat(), sound(640), "{name}: little-endian until it is known");
        let last = rest.iter().map(|frame| line.text(frame)).last();
        let Some(Heard::Audio(last)) = last else { panic!("{name}: {last:?}") };
        let jump = |pair: &[i16]| pair[0].abs_diff(pair[1]);
        let samples: Vec<_> = last.as_chunks().0.iter().map(|s| i16::from_le_bytes(*s)).collect();
        assert!(samples.windows(2).all(|pair| jump(pair) < 4_000), "{name}: a smooth wave");
        let after = pieces(&said(line, Say::Audio(&sound(640)))).concat();
        let swapped: Vec<u8> = sound(640).chunks(2).flat_map(|s| [s[1], s[0]]).collect();
        assert_eq!(after, swapped, "{name}: answered as it is heard");
    }
}

#[test]
fn telnyx_is_heard_in_order_and_without_our_own_voice() {
    let frames = recording("telnyx/call");
    let numbered = |number: &str| {
        let frame = frames.iter().find(|frame| frame.contains(&format!(r#""chunk":"{number}""#)));
        pieces(&[frame.unwrap().clone()]).concat()
    };
    let in_order = ["1", "2", "3", "4"].map(numbered).concat();
    assert_eq!(heard("telnyx/call"), in_order);
}

/// The recording of linear big-endian audio, spoken to in mu-law as a parameter asks: both are heard
/// and sent as they should be.
#[test]
fn telnyx_may_be_spoken_to_in_another_codec_than_it_is_heard_in() {
    let mut frames = recording("telnyx/l16-big-endian");
    let mut start: Value = serde_json::from_str(&frames[1]).unwrap();
    start["start"]["custom_parameters"] = serde_json::json!({ "codec": "PCMU" });
    frames[1] = start.to_string();
    let (mut recognised, rest) = recognised(&frames);
    assert_eq!(recognised.unserved, None);
    let line = &mut *recognised.dialect;
    assert_eq!(line.format(), Format::PCMU);
    let mut heard = Vec::new();
    for frame in rest {
        if let Heard::Audio(audio) = line.text(frame) {
            heard.extend_from_slice(&audio);
        }
    }
    let (ms_20, late) = (Format::PCMU.frame_bytes(), 80);
    assert!(heard.len() <= rest.len() * ms_20 && heard.len() + late > rest.len() * ms_20);
    // The caller's two tones take four samples for the shortest change; noise would take one.
    let linear: Vec<i16> = heard[heard.len() - ms_20..].iter().map(|code| g711(*code)).collect();
    assert!(linear.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 6_000), "{linear:?}");
    assert!(linear.iter().any(|sample| sample.unsigned_abs() > 2_000), "and is no silence");
    assert_eq!(pieces(&said(line, Say::Audio(&sound(160)))).concat(), sound(160));
}

/// Mu-law by the book, independent of ours.
fn g711(code: u8) -> i16 {
    let (sign, exponent, mantissa) = (!code & 0x80, (!code >> 4) & 7, i16::from(!code & 15));
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if sign == 0 { magnitude } else { -magnitude }
}

#[test]
fn escaped_slashes_and_missing_padding_are_no_fault_and_bad_base64_is_one_frame_less() {
    let mut line = dialect("twilio/call");
    let media = |payload: &str| format!(r#"{{"event":"media","media":{{"payload":"{payload}"}}}}"#);
    let audio = |bytes: &'static [u8]| Heard::Audio(Bytes::from_static(bytes));
    assert_eq!(line.text(&media(r"\/\/8=")), audio(&[0xff, 0xff]));
    assert_eq!(line.text(&media("//8")), audio(&[0xff, 0xff]));
    for bad in ["", "=", "*", "//8=//8="] {
        assert_eq!(line.text(&media(bad)), Heard::Nothing, "{bad}");
    }
    assert_eq!(line.text(&media("fw==")), audio(&[0x7f]));
    assert_eq!(line.binary(sound(160)), Heard::Nothing);
}

#[test]
fn a_stream_id_cannot_break_out_of_the_message() {
    let frames =
        [r#"{"event":"start","start":{"streamSid":"x\",\"event\":\"dtmf","callSid":"c"}}"#
            .to_owned()];
    let (mut recognised, _) = recognised(&frames);
    for say in [Say::Clear, Say::Audio(&sound(160)), Say::Mark(Tag { generation: 0, number: 0 })] {
        for frame in said(&mut *recognised.dialect, say) {
            let message: Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(message["streamSid"], "x\",\"event\":\"dtmf");
            assert_ne!(message["event"], "dtmf");
        }
    }
}

proptest! {
    #![proptest_config(crate::properties())]

    /// However a call cuts its audio, all of it is sent, in order, and only silence is added.
    #[test]
    fn audio_is_sent_whole(
        cuts in prop::collection::vec(0usize..3_000, 1..12),
        which in prop::sample::select(vec![
            "twilio/call", "signalwire/l16-little-endian", "smartflo/call", "exotel/snake-case",
            "exotel/camel-case", "exotel/mu-law", "telnyx/call", "plivo/call", "vobiz/l16-big-endian",
            "vonage/call", "jambonz/call", "asterisk/plain", "asterisk/json",
        ]),
    ) {
        let mut line = dialect(which);
        let format = line.format();
        let mut spoken = Vec::new();
        let mut sent = Vec::new();
        for cut in cuts {
            let piece = sound(format.whole_samples(cut));
            spoken.extend_from_slice(&piece);
            sent.extend(pieces(&said(&mut *line, Say::Audio(&piece))).concat());
            let held = format.length(spoken.len() - sent.len());
            prop_assert!(held <= line.manners().ahead.max(Duration::from_millis(20)));
        }
        sent.extend(pieces(&said(&mut *line, Say::Event(&Event::AudioEnd))).concat());
        let (sound, silence) = sent.split_at(spoken.len());
        prop_assert_eq!(sound, &spoken[..]);
        prop_assert!(silence.iter().all(|byte| *byte == format.silence()));
    }
}
