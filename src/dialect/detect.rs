//! Which dialect does this peer speak? Decided from its first frames, or from its patience.
//!
//! Until it is decided nothing is sent and nothing is charged, so a peer that makes no sense costs
//! nobody anything. This file counts and waits; what a frame says is read by `opening`, and a
//! dialect's first frame by the dialect itself.

use std::{fmt, time::Duration};

pub use super::hints::{Hints, Subprotocol};
use super::{
    Name, Recognised, asterisk, exotel, jambonz,
    opening::{self, Opening},
    plivo, signalwire, smartflo, telnyx, twilio, vobiz, vonage,
};
use crate::call::Time;

/// A peer that has said nothing decisive for this long is taken for a native one that listens.
pub const PATIENCE: Duration = Duration::from_millis(1_500);
/// A peer that is telephony, as far as it has shown, may take this long to say which.
pub const TELEPHONY_PATIENCE: Duration = Duration::from_secs(10);
/// The most JSON objects without meaning for us that are borne.
pub const UNKNOWN_TEXTS: u8 = 8;
/// The most messages of telephony that are borne before its `start`, besides one `connected`.
pub const EARLY_TEXTS: u8 = 2;
/// The most bytes of a text frame before the dialect is known.
pub const TEXT_BYTES: usize = 64 * 1024;

/// What can come before the dialect is known.
#[derive(Debug, Clone, Copy)]
pub enum First<'a> {
    /// Nothing but the passing of time.
    Nothing,
    /// A text frame.
    Text(&'a str),
    /// A binary frame; what is in it does not matter.
    Binary,
}

/// What is known of the peer by now.
pub enum Verdict {
    /// Nothing yet: go on waiting.
    Undecided,
    /// It speaks our own dialect. The frame that showed it belongs to the call like those that
    /// follow.
    Native,
    /// It speaks this dialect. The frame that showed it has been read.
    Recognised(Box<Recognised>),
    /// It speaks nothing we know: close with 1008.
    Hostile,
    /// It speaks a protocol that is not served; holds what that is called: close with 1008.
    Foreign(&'static str),
    /// It speaks another dialect than its agent is pinned to.
    Mismatch {
        /// What the agent is pinned to.
        expected: Name,
        /// What it speaks.
        found: Name,
    },
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecided => f.write_str("Undecided"),
            Self::Native => f.write_str("Native"),
            // Who calls whom is nobody's business in a log.
            Self::Recognised(recognised) => {
                write!(f, "Recognised({})", recognised.dialect.name().as_str())
            }
            Self::Hostile => f.write_str("Hostile"),
            Self::Foreign(name) => write!(f, "Foreign({name})"),
            Self::Mismatch { expected, found } => {
                write!(f, "Mismatch({}, not {})", found.as_str(), expected.as_str())
            }
        }
    }
}

/// Watches the first frames of a peer.
#[derive(Debug)]
pub struct Detector {
    hints: Hints,
    pinned: Option<Name>,
    deadline: Time,
    /// A peer that says nothing listens, and is native; else it is broken.
    silent_is_native: bool,
    /// A peer that begins with sound is native; else the sound came too early, and is dropped.
    sound_is_native: bool,
    /// What a `connected` told, once there was one.
    connected: Option<Option<String>>,
    unknown_texts: u8,
    early_texts: u8,
}

impl Detector {
    /// Waiting begins with the upgrade. `pinned` is the one dialect that the agent is called in, if
    /// its owner said so.
    pub fn new(now: Time, hints: Hints, pinned: Option<Name>) -> Self {
        let pinned_native = pinned == Some(Name::Native);
        let offered =
            matches!(hints.subprotocol, Some(Subprotocol::Jambonz | Subprotocol::Asterisk));
        let expected = offered || hints.signed_by.is_some() || pinned.is_some();
        let silent_is_native = pinned_native || !expected;
        Self {
            deadline: now + if silent_is_native { PATIENCE } else { TELEPHONY_PATIENCE },
            silent_is_native,
            sound_is_native: pinned_native || !offered,
            connected: None,
            unknown_texts: 0,
            early_texts: 0,
            hints,
            pinned,
        }
    }

    /// When to judge [`First::Nothing`], if nothing is decided before.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Judges what has come, or that nothing has.
    pub fn judge(&mut self, now: Time, first: First<'_>) -> Verdict {
        if self.hints.subprotocol == Some(Subprotocol::Native) {
            return self.native();
        }
        match first {
            First::Nothing if now < self.deadline => Verdict::Undecided,
            First::Nothing if self.silent_is_native => self.native(),
            First::Nothing => Verdict::Hostile,
            First::Binary if self.sound_is_native => self.native(),
            First::Binary => Verdict::Undecided,
            First::Text(text) if text.len() > TEXT_BYTES => Verdict::Hostile,
            First::Text(text) => self.text(now, text),
        }
    }

    fn text(&mut self, now: Time, text: &str) -> Verdict {
        let version = self.connected.as_ref().and_then(Option::as_deref);
        match opening::of(text, &self.hints, version) {
            Opening::Native => self.native(),
            Opening::Head(whose) => self.head(whose.settled(self.pinned), text),
            Opening::Connected(version) if self.connected.is_none() => {
                self.telephony(now);
                self.connected = Some(version);
                Verdict::Undecided
            }
            Opening::Connected(_) | Opening::Early => {
                self.telephony(now);
                bear(&mut self.early_texts, EARLY_TEXTS)
            }
            Opening::Foreign(name) => Verdict::Foreign(name),
            Opening::Unknown => {
                self.not_silent(now);
                bear(&mut self.unknown_texts, UNKNOWN_TEXTS)
            }
            Opening::Nonsense => Verdict::Hostile,
        }
    }

    /// The peer has shown that it is telephony: time counts anew, from the first word of it.
    fn telephony(&mut self, now: Time) {
        if self.connected.is_none() && self.early_texts == 0 {
            self.deadline = now + TELEPHONY_PATIENCE;
            self.silent_is_native = false;
            self.sound_is_native = false;
        }
    }

    /// The peer said something that is not ours: it does not just listen, so it is not native for want
    /// of a better word. Sound may still show that it is.
    fn not_silent(&mut self, now: Time) {
        let pinned_native = self.pinned == Some(Name::Native);
        if self.silent_is_native && !pinned_native {
            self.deadline = now + TELEPHONY_PATIENCE;
            self.silent_is_native = false;
        }
    }

    fn native(&self) -> Verdict {
        self.mismatch(Name::Native).unwrap_or(Verdict::Native)
    }

    /// A dialect begins, unless its beginning is broken.
    fn head(&self, name: Name, text: &str) -> Verdict {
        if let Some(mismatch) = self.mismatch(name) {
            return mismatch;
        }
        match begin(name, text, &self.hints) {
            Some(recognised) => Verdict::Recognised(Box::new(recognised)),
            None => Verdict::Hostile,
        }
    }

    fn mismatch(&self, found: Name) -> Option<Verdict> {
        let expected = self.pinned.filter(|pin| *pin != found)?;
        Some(Verdict::Mismatch { expected, found })
    }
}

/// Counts one more frame that says nothing.
fn bear(count: &mut u8, most: u8) -> Verdict {
    if *count == most {
        return Verdict::Hostile;
    }
    *count += 1;
    Verdict::Undecided
}

/// Begins a dialect with its first frame; `None` if that is broken.
fn begin(name: Name, head: &str, hints: &Hints) -> Option<Recognised> {
    match name {
        Name::Native => None, // has no first frame to be read
        Name::Twilio => twilio::begin(head, hints),
        Name::SignalWire => signalwire::begin(head, hints),
        Name::Smartflo => smartflo::begin(head, hints),
        Name::Exotel => exotel::begin(head, hints),
        Name::Telnyx => telnyx::begin(head, hints),
        Name::Plivo => plivo::begin(head, hints),
        Name::Vobiz => vobiz::begin(head, hints),
        Name::Vonage => vonage::begin(head, hints),
        Name::Jambonz => jambonz::begin(head, hints),
        Name::Asterisk => asterisk::begin(head, hints),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Time = Time::from_secs(9);
    const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
    const TWILIO: &str = r#"{"event":"start","start":{"streamSid":"MZ1","callSid":"CA1"}}"#;
    const TELNYX: &str = r#"{"event":"start","start":{"call_control_id":"v3:1"},"stream_id":"s"}"#;
    const EXOTEL: &str = r#"{"event":"start","start":{"stream_sid":"s","call_sid":"c"}}"#;

    fn detector(subprotocol: Option<Subprotocol>, pinned: Option<Name>) -> Detector {
        Detector::new(START, Hints { subprotocol, ..Hints::default() }, pinned)
    }

    fn unhinted() -> Detector {
        detector(None, None)
    }

    /// What a detector says, in words.
    fn said(detector: &mut Detector, first: First<'_>) -> String {
        format!("{:?}", detector.judge(START, first))
    }

    fn judge(first: First<'_>) -> String {
        said(&mut unhinted(), first)
    }

    fn at_deadline(detector: &mut Detector) -> String {
        let deadline = detector.deadline();
        let early = deadline - Duration::from_nanos(1);
        assert!(matches!(detector.judge(early, First::Nothing), Verdict::Undecided));
        format!("{:?}", detector.judge(deadline, First::Nothing))
    }

    #[test]
    fn a_declared_subprotocol_decides_at_once() {
        let declared = Some(Subprotocol::Native);
        assert_eq!(said(&mut detector(declared, None), First::Nothing), "Native");
        assert_eq!(judge(First::Nothing), "Undecided");
        let pinned = &mut detector(declared, Some(Name::Twilio));
        assert_eq!(said(pinned, First::Nothing), "Mismatch(native, not twilio)");
    }

    #[test]
    fn sound_and_native_words_are_native() {
        assert_eq!(judge(First::Binary), "Native");
        for text in
            [r#"{"type":"end_call"}"#, r#"{"type":"dtmf","digit":"1"}"#, r#"{"type":"dtmf"}"#]
        {
            assert_eq!(judge(First::Text(text)), "Native", "{text}");
        }
    }

    #[test]
    fn patience_ends_as_native() {
        let mut detector = unhinted();
        assert_eq!(detector.deadline(), START + PATIENCE);
        assert_eq!(at_deadline(&mut detector), "Native");
    }

    #[test]
    fn telephony_is_given_longer_and_its_silence_is_hostile() {
        let signed = Hints { signed_by: Some(Name::Telnyx), ..Hints::default() };
        for mut detector in [
            detector(Some(Subprotocol::Jambonz), None),
            detector(Some(Subprotocol::Asterisk), None),
            detector(None, Some(Name::Vonage)),
            Detector::new(START, signed, None),
        ] {
            assert_eq!(detector.deadline(), START + TELEPHONY_PATIENCE);
            assert_eq!(at_deadline(&mut detector), "Hostile");
        }
        for word in [CONNECTED, r#"{"event":"media","media":{"payload":""}}"#] {
            let mut detector = unhinted();
            let late = START + Duration::from_secs(1);
            assert!(matches!(detector.judge(late, First::Text(word)), Verdict::Undecided));
            assert_eq!(detector.deadline(), late + TELEPHONY_PATIENCE);
            detector.judge(late + Duration::from_secs(1), First::Text(CONNECTED));
            assert_eq!(detector.deadline(), late + TELEPHONY_PATIENCE, "counted once");
            assert_eq!(at_deadline(&mut detector), "Hostile");
        }
    }

    #[test]
    fn sound_before_a_telephony_head_is_dropped() {
        for subprotocol in [Subprotocol::Jambonz, Subprotocol::Asterisk] {
            assert_eq!(said(&mut detector(Some(subprotocol), None), First::Binary), "Undecided");
        }
        let mut connected = unhinted();
        said(&mut connected, First::Text(CONNECTED));
        assert_eq!(said(&mut connected, First::Binary), "Undecided");
        assert_eq!(said(&mut connected, First::Text(TWILIO)), "Recognised(twilio)");
    }

    #[test]
    fn a_start_decides_with_or_without_connected() {
        for (start, name) in [(TWILIO, "twilio"), (TELNYX, "telnyx"), (EXOTEL, "exotel")] {
            let recognised = format!("Recognised({name})");
            assert_eq!(judge(First::Text(start)), recognised);
            let mut detector = unhinted();
            assert_eq!(said(&mut detector, First::Text(CONNECTED)), "Undecided");
            assert_eq!(said(&mut detector, First::Text(start)), recognised);
        }
        let mut signalwire = unhinted();
        said(&mut signalwire, First::Text(r#"{"event":"connected","version":"0.2.0"}"#));
        assert_eq!(said(&mut signalwire, First::Text(TWILIO)), "Recognised(signalwire)");
    }

    #[test]
    fn two_messages_before_the_start_are_borne_and_the_third_is_hostile() {
        let mut detector = unhinted();
        for early in [CONNECTED, r#"{"event":"dtmf"}"#, r#"{"event":"greeting"}"#] {
            assert_eq!(said(&mut detector, First::Text(early)), "Undecided");
        }
        assert_eq!(said(&mut detector, First::Text(CONNECTED)), "Hostile");
    }

    #[test]
    fn a_start_of_nobody_or_without_a_stream_is_hostile() {
        for start in [
            r#"{"event":"start"}"#,
            r#"{"event":"start","start":{"callSid":"CA1"}}"#,
            r#"{"event":"start","start":{"call_sid":"c"}}"#,
        ] {
            assert_eq!(judge(First::Text(start)), "Hostile", "{start}");
        }
    }

    #[test]
    fn a_pin_decides_between_twins_and_refuses_strangers() {
        let pinned = |pin, text| said(&mut detector(None, Some(pin)), First::Text(text));
        for twin in [Name::Twilio, Name::SignalWire, Name::Smartflo, Name::Exotel] {
            assert_eq!(pinned(twin, TWILIO), format!("Recognised({})", twin.as_str()));
        }
        assert_eq!(pinned(Name::Twilio, EXOTEL), "Mismatch(exotel, not twilio)");
        assert_eq!(pinned(Name::Twilio, TELNYX), "Mismatch(telnyx, not twilio)");
        assert_eq!(pinned(Name::Plivo, TWILIO), "Mismatch(twilio, not plivo)");
        assert_eq!(pinned(Name::Twilio, r#"{"type":"end_call"}"#), "Mismatch(native, not twilio)");
        let binary = said(&mut detector(None, Some(Name::Jambonz)), First::Binary);
        assert_eq!(binary, "Mismatch(native, not jambonz)");
        for name in Name::ALL {
            let vonage = pinned(name, r#"{"event":"websocket:connected"}"#);
            assert_eq!(vonage.starts_with("Mismatch(vonage"), name != Name::Vonage, "{vonage}");
        }
    }

    #[test]
    fn a_pinned_native_agent_does_not_wait_for_telephony() {
        let mut native = detector(Some(Subprotocol::Asterisk), Some(Name::Native));
        assert_eq!(said(&mut native, First::Binary), "Native");
        assert_eq!(native.deadline(), START + PATIENCE);
        assert_eq!(at_deadline(&mut native), "Native");
        let start = said(&mut native, First::Text(TWILIO));
        assert_eq!(start, "Mismatch(twilio, not native)");
        let head = "MEDIA_START connection_id:1 channel:x";
        assert_eq!(said(&mut native, First::Text(head)), "Mismatch(asterisk, not native)");
    }

    #[test]
    fn eight_unknown_objects_are_borne_and_the_ninth_is_hostile() {
        let mut detector = unhinted();
        for text in [r#"{"start":{}}"#, "{}", r#"{"type":7}"#, r#"{"type":"a","type":"b"}"#] {
            assert_eq!(said(&mut detector, First::Text(text)), "Undecided", "{text}");
            assert_eq!(said(&mut detector, First::Text(text)), "Undecided", "{text}");
        }
        assert_eq!(said(&mut detector, First::Text("{}")), "Hostile");
    }

    #[test]
    fn json_that_is_not_ours_is_not_a_native_peer_that_listens() {
        for text in [
            r#"{"type":"start"}"#,
            r#"{"event":7}"#,
            r#"{"event":"hello"}"#,
            r#"{"callSid":"a","sampleRate":"high"}"#,
        ] {
            let mut detector = unhinted();
            assert_eq!(said(&mut detector, First::Text(text)), "Undecided", "{text}");
            assert_eq!(detector.deadline(), START + TELEPHONY_PATIENCE, "{text}");
            assert_eq!(at_deadline(&mut detector), "Hostile", "{text}");
        }
        for text in [r#"{"event":7}"#, r#"{"callSid":"a","sampleRate":"high"}"#] {
            let mut detector = unhinted();
            said(&mut detector, First::Text(text));
            assert_eq!(said(&mut detector, First::Binary), "Undecided", "{text}: another's sound");
            assert_eq!(at_deadline(&mut detector), "Hostile", "{text}");
        }
        let mut with_sound = unhinted();
        said(&mut with_sound, First::Text(r#"{"user":1}"#));
        assert_eq!(said(&mut with_sound, First::Binary), "Native", "sound speaks for itself");
        let mut pinned = detector(None, Some(Name::Native));
        said(&mut pinned, First::Text(r#"{"user":1}"#));
        assert_eq!(at_deadline(&mut pinned), "Native", "its owner says so");
    }

    #[test]
    fn a_protocol_that_is_not_served_is_named_at_once() {
        let genesys = r#"{"type":"open","version":"2","seq":1,"parameters":{}}"#;
        assert_eq!(judge(First::Text(genesys)), "Foreign(Genesys AudioHook)");
    }

    #[test]
    fn eight_unknown_objects_do_not_hide_a_native_word() {
        let mut detector = unhinted();
        for _ in 0..8 {
            said(&mut detector, First::Text("{}"));
        }
        assert_eq!(said(&mut detector, First::Text(r#"{"type":"end_call"}"#)), "Native");
    }

    #[test]
    fn text_that_is_no_object_is_hostile() {
        for text in ["", "GET / HTTP/1.1", "[]", "1", "null", "\"{}\"", "{", "{}{}"] {
            assert_eq!(judge(First::Text(text)), "Hostile", "{text}");
        }
    }

    #[test]
    fn a_huge_text_is_hostile_before_it_is_read() {
        let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        assert_eq!(judge(First::Text(&padded(TEXT_BYTES))), "Undecided");
        assert_eq!(judge(First::Text(&padded(TEXT_BYTES + 1))), "Hostile");
    }

    proptest! {
        #[test]
        fn noise_is_decided_within_nine_frames(texts in prop::collection::vec(any::<String>(), 9)) {
            let mut detector = unhinted();
            let decided = texts.iter().any(|text| {
                !matches!(detector.judge(START, First::Text(text)), Verdict::Undecided)
            });
            prop_assert!(decided);
        }
    }
}
