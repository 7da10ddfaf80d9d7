//! Peers that are not quite as documented: whatever is missing, of another type or in another order,
//! a call is understood as far as it can be, and nothing is ever fatal.

use proptest::prelude::*;
use serde_json::{Map, Value};
use upvoot::dialect::{
    Heard,
    detect::{Hints, Verdict},
};

use super::{hear, judged, recognised, recording};

const RECORDINGS: [&str; 10] = [
    "twilio/call",
    "signalwire/call",
    "smartflo/call",
    "exotel/snake-case",
    "exotel/camel-case",
    "telnyx/call",
    "plivo/call",
    "vonage/call",
    "jambonz/call",
    "asterisk/json",
];

/// All that is heard of these frames, and who speaks.
fn understood(frames: &[String]) -> (String, Vec<Heard>) {
    let (mut recognised, rest) = recognised(frames);
    let heard = rest.iter().map(|frame| hear(&mut *recognised.dialect, frame)).collect();
    (format!("{:?} {:?}", recognised.dialect.name(), recognised.caller), heard)
}

fn changed(frames: &[String], mut change: impl FnMut(&Value) -> Value) -> Vec<String> {
    let change = |frame: &String| change(&serde_json::from_str(frame).unwrap()).to_string();
    frames.iter().map(change).collect()
}

/// A value with every number, at any depth, as a text.
fn numbers_as_texts(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(items) => items.iter().map(numbers_as_texts).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), numbers_as_texts(value))).collect()
        }
        other => other.clone(),
    }
}

/// And every text that is a number, as a number, but for what a person calls a number.
fn texts_as_numbers(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.parse::<u32>() {
            Ok(number) if number.to_string() == *text => number.into(),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(texts_as_numbers).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), texts_as_numbers(value))).collect()
        }
        other => other.clone(),
    }
}

/// A frame with its keys in the opposite order, at every depth. Written by hand: the library sorts.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let member = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::String(key.clone()), reversed(value))
            };
            let members: Vec<_> = map.iter().rev().map(member).collect();
            format!("{{ {} }}", members.join(" , "))
        }
        other => other.to_string(),
    }
}

#[test]
fn numbers_and_texts_and_the_order_of_keys_make_no_difference() {
    for name in RECORDINGS {
        let frames = recording(name);
        let expected = understood(&frames);
        assert_eq!(understood(&changed(&frames, numbers_as_texts)), expected, "{name}");
        assert_eq!(understood(&changed(&frames, texts_as_numbers)), expected, "{name}");
        let reversed = |frame: &String| reversed(&serde_json::from_str(frame).unwrap());
        let frames: Vec<_> = frames.iter().map(reversed).collect();
        assert_eq!(understood(&frames), expected, "{name}");
    }
}

#[test]
fn unknown_events_and_fields_are_ignored() {
    for name in RECORDINGS {
        let frames = recording(name);
        let (who, heard) = understood(&frames);
        let mut wordy = changed(&frames, |frame| {
            let mut frame = frame.clone();
            frame["news"] = serde_json::json!({ "event": "stop", "media": [] });
            frame
        });
        let unknown = r#"{"event":"news","media":{"payload":"AAAA"},"mark":{"name":"g1-1"}}"#;
        wordy.push(unknown.to_owned());
        let (wordy_who, mut wordy_heard) = understood(&wordy);
        // Where a customer's own words stand beside the provider's, it is one of them, and kept whole.
        let kept = r#""news": "{\"event\":\"stop\",\"media\":[]}""#;
        let wordy_who =
            wordy_who.replace(&format!("{kept}, "), "").replace(&format!(", {kept}"), "");
        assert_eq!(wordy_heard.pop(), Some(Heard::Nothing));
        assert_eq!((wordy_who, wordy_heard), (who, heard), "{name}");
    }
}

/// Every path to a member of a value.
fn paths(value: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
    if let Value::Object(map) = value {
        for (key, value) in map {
            let path = [path, std::slice::from_ref(key)].concat();
            found.push(path.clone());
            paths(value, &path, found);
        }
    }
}

fn object_at<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Map<String, Value> {
    path.iter().fold(value, |value, key| &mut value[key]).as_object_mut().unwrap()
}

/// One member of one frame is gone, or something else: the rest of the call is as it was, unless the
/// frame was needed to begin it.
#[test]
fn any_member_may_be_missing_or_of_another_kind() {
    for name in RECORDINGS {
        let frames = recording(name);
        let (_, expected) = understood(&frames);
        let head = frames.len() - expected.len();
        for (at, frame) in frames.iter().enumerate() {
            let frame: Value = serde_json::from_str(frame).unwrap();
            let mut members = Vec::new();
            paths(&frame, &[], &mut members);
            for path in members {
                let (key, parent) = path.split_last().unwrap();
                for other in [
                    None,
                    Some(Value::Null),
                    Some(Value::Bool(true)),
                    Some(serde_json::json!([[{}]])),
                ] {
                    let mut spoilt = frame.clone();
                    let parent = object_at(&mut spoilt, parent);
                    match other {
                        None => parent.remove(key),
                        Some(other) => parent.insert(key.clone(), other),
                    };
                    let mut frames = frames.clone();
                    frames[at] = spoilt.to_string();
                    let (verdict, rest) = judged(&frames, Hints::default());
                    let Verdict::Recognised(mut recognised) = verdict else {
                        assert!(at < head, "{name}: {spoilt} is {verdict:?}");
                        continue;
                    };
                    let heard: Vec<_> =
                        rest.iter().map(|f| hear(&mut *recognised.dialect, f)).collect();
                    if at >= head {
                        for (n, (heard, expected)) in heard.iter().zip(&expected).enumerate() {
                            // What Telnyx sends unnumbered, or not at all, moves what comes after it.
                            let touched = n + head == at || name == "telnyx/call" && n + head > at;
                            assert!(touched || heard == expected, "{name}: {spoilt}: {heard:?}");
                        }
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::properties())]

    #[test]
    fn noise_within_a_call_is_survived_and_what_follows_is_heard(
        noise in prop::collection::vec(any::<String>(), 0..5),
        almost in prop::collection::vec(r#"\{"event":"(media|dtmf|mark|stop|error)"[\[\]{}:,"a-z0-9\\ ]{0,30}\}"#, 0..5),
        plain in prop::collection::vec("(DTMF_END|ERROR|MEDIA_X(ON|OFF)|MEDIA_MARK_PROCESSED)[ :_a-z0-9]{0,30}", 0..5),
        binary: Vec<Vec<u8>>,
        which in prop::sample::select([&RECORDINGS[..], &["asterisk/plain"]].concat()),
    ) {
        let frames = recording(which);
        let (mut recognised, rest) = recognised(&frames);
        for text in noise.iter().chain(&almost).chain(&plain) {
            recognised.dialect.text(text);
        }
        for bytes in binary {
            recognised.dialect.binary(bytes.into());
        }
        let is_sound = |frame: &&String| ["media", "binary"].iter().any(|word| frame.contains(word));
        let sound = rest.iter().find(is_sound).unwrap();
        prop_assert!(matches!(hear(&mut *recognised.dialect, sound), Heard::Audio(_)));
    }

    #[test]
    fn noise_in_a_start_is_survived(
        at in 0usize..600,
        noise in r#"[\[\]{}:,"a-z0-9\\ ]{0,12}"#,
        which in prop::sample::select(RECORDINGS.to_vec()),
    ) {
        let mut frames = recording(which);
        let start = &mut frames[1];
        let at = at % start.len();
        start.replace_range(at..(at + noise.len()).min(start.len()), &noise);
        if let (Verdict::Recognised(mut recognised), rest) = judged(&frames, Hints::default()) {
            for frame in rest {
                recognised.dialect.text(frame);
            }
        }
    }
}
