//! What a frame costs: once a call runs, hearing and saying 20 ms takes no memory from the heap.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use upvoot::dialect::{Frames, Heard, Say};

use super::{dialect, sound};

#[test]
fn twenty_milliseconds_are_heard_and_said_without_an_allocation() {
    for name in [
        "twilio/call",
        "signalwire/l16-big-endian",
        "smartflo/call",
        "telnyx/call",
        "plivo/call",
        "vobiz/l16-big-endian",
    ] {
        let mut line = dialect(name);
        let piece = sound(line.format().frame_bytes());
        let payload = BASE64_STANDARD.encode(&piece);
        let media = |number: u32| {
            format!(
                r#"{{"event":"media","sequenceNumber":"{number}","streamSid":"MZ0123456789",
                "media":{{"track":"inbound","chunk":"{number}","timestamp":"{number}","payload":"{payload}"}}}}"#
            )
        };
        let mut out = Frames::with_capacity(4);
        let mut round = |media: &String| {
            assert!(matches!(line.text(media), Heard::Audio(_)));
            line.say(Say::Audio(&piece), &mut out);
            assert_eq!(out.len(), 1);
            out.clear();
        };
        let frames: Vec<_> = (1..600).map(media).collect();
        let (beginning, later) = frames.split_at(100);
        beginning.iter().for_each(&mut round);
        let cost = allocation_counter::measure(|| later.iter().for_each(&mut round));
        assert_eq!(cost.count_total, 0, "{name}: {cost:?}");
    }
}

#[test]
fn binary_frames_take_none_either_even_where_they_have_to_be_cut_or_mended() {
    for name in ["vonage/call", "jambonz/call", "jambonz/stereo", "asterisk/plain", "asterisk/json"]
    {
        let mut line = dialect(name);
        let piece = sound(line.format().frame_bytes());
        let ones = Bytes::from(vec![0xff; piece.len()]);
        let mut out = Frames::with_capacity(8);
        line.say(Say::Audio(&piece.slice(..piece.len() / 2)), &mut out);
        let mut round = || {
            assert!(matches!(line.binary(piece.clone()), Heard::Audio(_)));
            line.say(Say::Audio(&piece), &mut out);
            line.say(Say::Audio(&ones), &mut out);
            assert!(out.len() >= 2);
            out.clear();
        };
        (0..100).for_each(|_| round());
        let cost = allocation_counter::measure(|| (0..500).for_each(|_| round()));
        assert_eq!(cost.count_total, 0, "{name}: {cost:?}");
    }
}
