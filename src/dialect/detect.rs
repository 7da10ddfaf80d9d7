//! Which dialect does this peer speak? Decided from its first frames, or from its patience.
//!
//! Until it is decided nothing is sent and nothing is charged, so a peer that makes no sense costs
//! nobody anything. This file knows how dialects begin and nothing else of them; a new dialect adds
//! its opening words here.

use std::time::Duration;

use super::native;
use crate::call::Time;

/// A peer that has said nothing decisive for this long is taken for a native one that listens.
pub const PATIENCE: Duration = Duration::from_millis(1_500);
/// The most JSON objects without meaning for us that are borne.
pub const UNKNOWN_TEXTS: u8 = 8;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: go on waiting.
    Undecided,
    /// It speaks our own dialect. The frame that showed it belongs to the call like those that
    /// follow.
    Native,
    /// It speaks nothing we know: close with 1008.
    Hostile,
}

/// Watches the first frames of a peer.
#[derive(Debug)]
pub struct Detector {
    declared_native: bool,
    deadline: Time,
    unknown_texts: u8,
}

impl Detector {
    /// Waiting begins with the upgrade. `declared_native`: the client offered our subprotocol, and
    /// nothing has to be waited for.
    pub fn new(now: Time, declared_native: bool) -> Self {
        Self { declared_native, deadline: now + PATIENCE, unknown_texts: 0 }
    }

    /// When to judge [`First::Nothing`], if nothing is decided before.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Judges what has come, or that nothing has.
    pub fn judge(&mut self, now: Time, first: First<'_>) -> Verdict {
        if self.declared_native {
            return Verdict::Native;
        }
        match first {
            First::Nothing if now < self.deadline => Verdict::Undecided,
            First::Nothing | First::Binary => Verdict::Native,
            First::Text(text) => self.judge_text(text),
        }
    }

    fn judge_text(&mut self, text: &str) -> Verdict {
        if text.len() > TEXT_BYTES {
            return Verdict::Hostile;
        }
        match native::object(text) {
            None => Verdict::Hostile,
            Some(frame) if native::kind(&frame).is_some() => Verdict::Native,
            Some(_) if self.unknown_texts == UNKNOWN_TEXTS => Verdict::Hostile,
            Some(_) => {
                self.unknown_texts += 1;
                Verdict::Undecided
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Time = Time::from_secs(9);

    fn undeclared() -> Detector {
        Detector::new(START, false)
    }

    fn judge(first: First<'_>) -> Verdict {
        undeclared().judge(START, first)
    }

    #[test]
    fn a_declared_subprotocol_decides_at_once() {
        assert_eq!(Detector::new(START, true).judge(START, First::Nothing), Verdict::Native);
        assert_eq!(judge(First::Nothing), Verdict::Undecided);
    }

    #[test]
    fn sound_and_native_words_are_native() {
        assert_eq!(judge(First::Binary), Verdict::Native);
        for text in
            [r#"{"type":"end_call"}"#, r#"{"type":"dtmf","digit":"1"}"#, r#"{"type":"dtmf"}"#]
        {
            assert_eq!(judge(First::Text(text)), Verdict::Native, "{text}");
        }
    }

    #[test]
    fn patience_ends_as_native() {
        let mut detector = undeclared();
        let end = START + PATIENCE;
        assert_eq!(detector.deadline(), end);
        let early = end - Duration::from_nanos(1);
        assert_eq!(detector.judge(early, First::Nothing), Verdict::Undecided);
        assert_eq!(detector.judge(end, First::Nothing), Verdict::Native);
    }

    #[test]
    fn eight_unknown_objects_are_borne_and_the_ninth_is_hostile() {
        let mut detector = undeclared();
        for text in [r#"{"event":"start"}"#, "{}", r#"{"type":7}"#, r#"{"type":"a","type":"b"}"#] {
            assert_eq!(detector.judge(START, First::Text(text)), Verdict::Undecided, "{text}");
            assert_eq!(detector.judge(START, First::Text(text)), Verdict::Undecided, "{text}");
        }
        assert_eq!(detector.judge(START, First::Text("{}")), Verdict::Hostile);
    }

    #[test]
    fn eight_unknown_objects_do_not_hide_a_native_word() {
        let mut detector = undeclared();
        for _ in 0..8 {
            detector.judge(START, First::Text("{}"));
        }
        let verdict = detector.judge(START, First::Text(r#"{"type":"end_call"}"#));
        assert_eq!(verdict, Verdict::Native);
    }

    #[test]
    fn text_that_is_no_object_is_hostile() {
        for text in ["", "GET / HTTP/1.1", "[]", "1", "null", "\"{}\"", "{", "{}{}"] {
            assert_eq!(judge(First::Text(text)), Verdict::Hostile, "{text}");
        }
    }

    #[test]
    fn a_huge_text_is_hostile_before_it_is_read() {
        let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        assert_eq!(judge(First::Text(&padded(TEXT_BYTES))), Verdict::Undecided);
        assert_eq!(judge(First::Text(&padded(TEXT_BYTES + 1))), Verdict::Hostile);
    }

    proptest! {
        #[test]
        fn noise_is_decided_within_nine_frames(texts in prop::collection::vec(any::<String>(), 9)) {
            let mut detector = undeclared();
            let decided = texts.iter().any(|text| {
                detector.judge(START, First::Text(text)) != Verdict::Undecided
            });
            prop_assert!(decided);
        }
    }
}
