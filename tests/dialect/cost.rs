//! What a frame costs: once a call runs, hearing and saying 20 ms takes no memory from the heap.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use upvoot::dialect::{Frames, Heard, Say};

use super::{dialect, sound};

#[test]
fn twenty_milliseconds_are_heard_and_said_without_an_allocation() {
    for name in ["twilio/call", "signalwire/l16-big-endian", "smartflo/call", "telnyx/call"] {
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
