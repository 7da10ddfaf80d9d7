//! jambonz `listen` (or `stream`) with bidirectional, streamed audio.
//!
//! The first message is a flat object about the call; then audio goes both ways in binary frames of
//! any length, linear and little-endian, at one rate. Its player has two quirks, both served here: it
//! keeps what is less than 80 ms until more comes, marks too, and it remembers a mark as a sample of
//! the value -1.

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Caller, Dialect, Frame, Frames, Heard, KeyTones, Manners, Name, Recognised, Say, Tag,
    arena::Arena,
    hints::Hints,
    json::{Lenient, Text},
    native,
    start::{UNSERVED_RATE, text_of},
};
use crate::{audio::format::Format, call::Event};

const AHEAD: Duration = Duration::from_millis(180);
/// What the player keeps until more comes: 80 ms, and at first twice as much.
const KEPT: Duration = Duration::from_millis(80);
const KEPT_AT_FIRST: Duration = Duration::from_millis(160);
/// 160 ms of silence at the highest rate.
static SILENCE: [u8; 15_360] = [0; 15_360];
/// The most marks that may be under way.
const MARKS: usize = 30;
/// The most bytes of a binary frame. Whole samples; twice as much would still be borne.
const MOST: usize = 30_000;

const KILL_AUDIO: &str = r#"{"type":"killAudio"}"#;
const DISCONNECT: &str = r#"{"type":"disconnect"}"#;

/// What the provider tells of its own machinery. Everything else in the first message is of the
/// customer.
const TECHNICAL: [&str; 20] = [
    "accountSid",
    "applicationSid",
    "callId",
    "callSid",
    "callStatus",
    "callTerminationBy",
    "callerId",
    "customerData",
    "fsPublicIp",
    "fsSipAddress",
    "from",
    "headers",
    "mixType",
    "parentCallSid",
    "sampleRate",
    "sbcCallid",
    "sipReason",
    "sipStatus",
    "to",
    "traceId",
];

/// Begins a call with the first message; `None` if it is not an object.
pub(super) fn begin(head: &str, _: &Hints) -> Option<Recognised> {
    let head: Map<String, Value> = serde_json::from_str(head).ok()?;
    let rate = match head.get("sampleRate") {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_u64().and_then(|rate| u32::try_from(rate).ok()),
        None => Some(8_000),
    };
    let served = rate.and_then(Format::pcm);
    let format = served.unwrap_or(Format::NATIVE);
    let is_stereo = head.get("mixType").and_then(Value::as_str) == Some("stereo");
    let dialect = Jambonz {
        format,
        is_stereo,
        kept: KEPT_AT_FIRST,
        in_stretch: false,
        marks: VecDeque::with_capacity(MARKS),
        heard: Arena::for_pieces(format.frame_bytes()),
        cleaned: Arena::for_pieces(format.frame_bytes()),
    };
    let unserved = served.is_none().then_some(UNSERVED_RATE);
    Some(Recognised { dialect: Box::new(dialect), caller: caller(&head), unserved })
}

/// Who calls whom is told; metadata is merged into the message, customer data stands in it.
fn caller(head: &Map<String, Value>) -> Caller {
    let text = |key| text_of(head.get(key)).map(|text| Caller::cut(&text));
    let mut caller = Caller {
        from: text("from"),
        to: text("to"),
        provider_call_id: text("callSid"),
        ..Caller::default()
    };
    let metadata = head.iter().filter(|(name, _)| !TECHNICAL.contains(&name.as_str()));
    let customer_data = head.get("customerData").and_then(Value::as_object);
    for (name, value) in metadata.chain(customer_data.into_iter().flatten()) {
        caller.json_param(name, value);
    }
    caller
}

/// A message of the peer. What is missing or of a wrong kind is `None`.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    event: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    dtmf: Text<'a>,
    #[serde(borrow, default)]
    data: Lenient<Data<'a>>,
}

#[derive(Debug, Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

/// The wire of one call.
#[derive(Debug)]
struct Jambonz {
    format: Format,
    is_stereo: bool,
    /// How much silence it takes until the player keeps nothing of what was said.
    kept: Duration,
    /// Audio was sent, and no silence after it.
    in_stretch: bool,
    /// Marks under way, oldest first.
    marks: VecDeque<Tag>,
    heard: Arena,
    cleaned: Arena,
}

impl Jambonz {
    /// Sends the silence behind which nothing is kept.
    fn push_through(&mut self, out: &mut Frames) {
        let silence = Bytes::from_static(&SILENCE).slice(..self.format.bytes_within(self.kept));
        out.push(Frame::Binary(silence));
        self.kept = KEPT;
        self.in_stretch = false;
    }

    /// Sends a mark, unless there are too many: then the call does without.
    fn mark(&mut self, tag: Tag, out: &mut Frames) {
        if self.marks.len() == MARKS {
            return;
        }
        self.marks.push_back(tag);
        let text = format!(r#"{{"type":"mark","data":{{"name":"{tag}"}}}}"#);
        out.push(Frame::Text(text.into()));
        // Within a stretch the mark is pushed through by what follows.
        if !self.in_stretch {
            self.push_through(out);
        }
    }

    /// A mark came back: it is not under way any more, nor are those before it.
    fn reached(&mut self, name: &str) -> Option<Tag> {
        let tag = name.parse().ok()?;
        while self.marks.front().is_some_and(|front| *front <= tag) {
            self.marks.pop_front();
        }
        Some(tag)
    }
}

impl Dialect for Jambonz {
    fn name(&self) -> Name {
        Name::Jambonz
    }

    fn format(&self) -> Format {
        self.format
    }

    fn manners(&self) -> Manners {
        Manners { ahead: AHEAD, marks: true, clears: true, dtmf: KeyTones::Audio }
    }

    fn text(&mut self, text: &str) -> Heard {
        let Ok(message) = serde_json::from_str::<Message<'_>>(text) else { return Heard::Nothing };
        let heard = match message.event.get().or(message.kind.get()) {
            Some("dtmf") => message.dtmf.get().and_then(native::digit).map(Heard::Dtmf),
            // Played out or cleared: the tag's generation tells which.
            Some("mark") => {
                message.data.0.and_then(|data| self.reached(data.name.get()?)).map(Heard::Mark)
            }
            _ => None,
        };
        heard.unwrap_or(Heard::Nothing)
    }

    fn binary(&mut self, bytes: Bytes) -> Heard {
        let audio = match self.is_stereo {
            true => self.heard.take(|buf| left_of(&bytes, buf)),
            false => bytes,
        };
        // An empty frame says that the provider is about to close.
        if audio.is_empty() { Heard::Nothing } else { Heard::Audio(audio) }
    }

    fn say(&mut self, say: Say<'_>, out: &mut Frames) {
        match say {
            Say::Audio(audio) => {
                self.in_stretch = true;
                let audio = without_marks(audio, &mut self.cleaned);
                let pieces = (0..audio.len()).step_by(MOST);
                out.extend(
                    pieces.map(|at| Frame::Binary(audio.slice(at..audio.len().min(at + MOST)))),
                );
            }
            Say::Event(Event::AudioEnd) if self.in_stretch => self.push_through(out),
            Say::Clear => {
                self.in_stretch = false;
                self.marks.clear();
                out.push(Frame::Text(ByteString::from_static(KILL_AUDIO)));
            }
            Say::Mark(tag) => self.mark(tag, out),
            Say::HangUp => out.push(Frame::Text(ByteString::from_static(DISCONNECT))),
            Say::Begin(_) | Say::Event(_) | Say::Dtmf(_) => {}
        }
    }
}

/// The left of two channels: the caller. Half a pair is no sound.
fn left_of(stereo: &[u8], mono: &mut BytesMut) {
    let pairs = stereo.as_chunks::<4>().0;
    mono.resize(2 * pairs.len(), 0);
    for (left, [first, second, ..]) in mono.as_chunks_mut().0.iter_mut().zip(pairs) {
        *left = [*first, *second];
    }
}

/// Audio in which no sample looks like a mark. Most has none, and is not copied.
fn without_marks(audio: &Bytes, cleaned: &mut Arena) -> Bytes {
    const MARK: [u8; 2] = [0xff; 2];
    // Looked through to the end, since many samples at once are sooner compared than one by one.
    let samples = audio.as_chunks::<2>().0.iter();
    if !samples.fold(false, |any, sample| any | (*sample == MARK)) {
        return audio.clone();
    }
    cleaned.take(|buf| {
        buf.extend_from_slice(audio);
        let samples = buf.as_chunks_mut::<2>().0.iter_mut();
        samples.filter(|sample| **sample == MARK).for_each(|sample| *sample = [0; 2]);
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::format::SERVED_RATES;

    const HEAD: &str = r#"{"sampleRate":8000,"mixType":"mono","callSid":"cs1","direction":"inbound",
        "from":"+15083084809","to":"5083728299","callId":"x","sbcCallid":"y","sipStatus":200,
        "callStatus":"in-progress","callerId":"Jane","accountSid":"a","traceId":"t","applicationSid":"b",
        "fsSipAddress":"127.0.0.1","agent":"sales","vip":true,"customerData":{"plan":"gold","seats":3}}"#;

    fn begun(head: &str) -> Recognised {
        begin(head, &Hints::default()).unwrap()
    }

    fn said(wire: &mut dyn Dialect, say: Say<'_>) -> Frames {
        let mut out = Frames::new();
        wire.say(say, &mut out);
        out
    }

    fn text(text: &str) -> Frame {
        Frame::Text(text.into())
    }

    fn silence(bytes: usize) -> Frame {
        Frame::Binary(vec![0; bytes].into())
    }

    fn tag(number: u32) -> Tag {
        Tag { generation: 0, number }
    }

    fn mark(number: u32) -> Frame {
        text(&format!(r#"{{"type":"mark","data":{{"name":"g0-{number}"}}}}"#))
    }

    #[test]
    fn the_first_message_tells_rate_and_channels() {
        for (head, rate) in [
            (r#"{"callSid":"a","sampleRate":16000}"#, Some(16_000)),
            (r#"{"callSid":"a","sampleRate":"48000"}"#, Some(48_000)),
            (r#"{"callSid":"a"}"#, Some(8_000)),
            (r#"{"callSid":"a","sampleRate":64000}"#, None),
            (r#"{"callSid":"a","sampleRate":null}"#, None),
        ] {
            let begun = begun(head);
            assert_eq!(begun.unserved.is_none(), rate.is_some(), "{head}");
            assert!(rate.is_none_or(|rate| begun.dialect.format().rate() == rate), "{head}");
        }
        assert!(begin("7", &Hints::default()).is_none());
    }

    #[test]
    fn who_calls_and_what_the_customer_added() {
        let caller = begun(HEAD).caller;
        assert_eq!(caller.from.as_deref(), Some("+15083084809"));
        assert_eq!(caller.to.as_deref(), Some("5083728299"));
        assert_eq!(caller.provider_call_id.as_deref(), Some("cs1"));
        let params: Vec<_> = caller.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("agent", "sales"),
            ("direction", "inbound"),
            ("plan", "gold"),
            ("seats", "3"),
            ("vip", "true"),
        ];
        assert_eq!(params, expected);
    }

    #[test]
    fn silence_pushes_an_utterance_and_its_marks_through() {
        let mut wire = begun(HEAD).dialect;
        let audio = Bytes::from(vec![7; 320]);
        let end = Say::Event(&Event::AudioEnd);
        assert!(said(&mut *wire, end).is_empty());
        assert_eq!(said(&mut *wire, Say::Audio(&audio)), [Frame::Binary(audio.clone())]);
        assert_eq!(said(&mut *wire, Say::Mark(tag(0))), [mark(0)]);
        assert_eq!(said(&mut *wire, end), [silence(2_560)], "at first 160 ms");
        assert!(said(&mut *wire, end).is_empty());
        said(&mut *wire, Say::Audio(&audio));
        assert_eq!(said(&mut *wire, end), [silence(1_280)], "then 80 ms");
        assert_eq!(said(&mut *wire, Say::Mark(tag(1))), [mark(1), silence(1_280)]);
        said(&mut *wire, Say::Audio(&audio));
        assert_eq!(said(&mut *wire, Say::Clear), [text(KILL_AUDIO)]);
        assert!(said(&mut *wire, end).is_empty(), "nothing is left to push through");
        assert_eq!(said(&mut *wire, Say::HangUp), [text(DISCONNECT)]);
    }

    #[test]
    fn there_is_silence_enough_for_every_rate() {
        for rate in SERVED_RATES {
            let mut wire = begun(&format!(r#"{{"callSid":"a","sampleRate":{rate}}}"#)).dialect;
            let bytes = wire.format().bytes_within(KEPT_AT_FIRST);
            assert_eq!(said(&mut *wire, Say::Mark(tag(0))), [mark(0), silence(bytes)]);
        }
    }

    #[test]
    fn thirty_marks_at_most_are_under_way() {
        let mut wire = begun(HEAD).dialect;
        let marks = |wire: &mut dyn Dialect, numbers: std::ops::Range<u32>| {
            numbers.filter(|n| !said(wire, Say::Mark(tag(*n))).is_empty()).count()
        };
        assert_eq!(marks(&mut *wire, 0..40), MARKS);
        let back = r#"{"type":"mark","data":{"name":"g0-9","event":"playout"}}"#;
        assert_eq!(wire.text(back), Heard::Mark(tag(9)));
        assert_eq!(marks(&mut *wire, 40..80), 10, "those before it are not under way either");
        said(&mut *wire, Say::Clear);
        assert_eq!(marks(&mut *wire, 80..120), MARKS);
    }

    #[test]
    fn words_are_heard() {
        let mut wire = begun(HEAD).dialect;
        for (text, heard) in [
            (r#"{"event":"dtmf","dtmf":"5","duration":"1600"}"#, Heard::Dtmf('5')),
            (r#"{"event":"dtmf","dtmf":5}"#, Heard::Dtmf('5')),
            (r#"{"event":"dtmf"}"#, Heard::Nothing),
            (r#"{"data":{"event":"cleared","name":"g0-1"},"type":"mark"}"#, Heard::Mark(tag(1))),
            (r#"{"type":"mark","data":{"name":"yours"}}"#, Heard::Nothing),
            (r#"{"type":"mark","data":[]}"#, Heard::Nothing),
            (r#"{"type":"playDone","data":{"id":"1"}}"#, Heard::Nothing),
            ("", Heard::Nothing),
        ] {
            assert_eq!(wire.text(text), heard, "{text}");
        }
    }

    #[test]
    fn mono_passes_through_stereo_gives_its_left_and_nothing_is_nothing() {
        let mut mono = begun(HEAD).dialect;
        let audio = Bytes::from(vec![1; 1_600]);
        let Heard::Audio(heard) = mono.binary(audio.clone()) else { panic!() };
        assert_eq!(heard.as_ptr(), audio.as_ptr(), "without a copy");
        assert_eq!(mono.binary(Bytes::new()), Heard::Nothing);
        let mut stereo = begun(r#"{"callSid":"a","sampleRate":16000,"mixType":"stereo"}"#).dialect;
        let left = Heard::Audio(Bytes::from_static(&[1, 2, 5, 6]));
        assert_eq!(stereo.binary(Bytes::from_static(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])), left);
        assert_eq!(stereo.binary(Bytes::from_static(&[1, 2, 3])), Heard::Nothing);
    }

    #[test]
    fn no_frame_is_too_long() {
        let audio = Bytes::from(vec![7; 2 * MOST + 10]);
        let frames = said(&mut *begun(HEAD).dialect, Say::Audio(&audio));
        let rest = audio.slice(2 * MOST..);
        assert_eq!(frames[2], Frame::Binary(rest));
        assert_eq!(frames[..2], [0, MOST].map(|at| Frame::Binary(audio.slice(at..at + MOST))));
    }

    proptest! {
        #[test]
        fn no_sample_looks_like_a_mark(
            samples in prop::collection::vec(prop_oneof![Just(-1i16), Just(255), any::<i16>()], 1..200),
        ) {
            let audio: Bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let clean = samples.iter().map(|sample| if *sample == -1 { 0 } else { *sample });
            let clean: Bytes = clean.flat_map(i16::to_le_bytes).collect();
            let frames = said(&mut *begun(HEAD).dialect, Say::Audio(&audio));
            prop_assert_eq!(frames, [Frame::Binary(clean)]);
        }
    }
}
