//! The table of opening words: what one early text frame says about who speaks.
//!
//! Its order is binding, since dialects borrow each other's words. Where a frame could come from more
//! than one provider it says so: then what the agent is pinned to decides, and the guess only where
//! nothing is pinned. Patience, counting and refusing are `detect`'s.

use serde_json::{Map, Value};

use super::{
    Name,
    hints::{Hints, Subprotocol},
    native,
    start::{Start, encoding_named},
};
use crate::audio::format::Encoding;

/// What a text frame is, before the dialect is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opening {
    /// A word of our own dialect.
    Native,
    /// The frame that begins a dialect.
    Head(Whose),
    /// The Media Streams family greets; its `start` will tell who it is. Holds the version it tells.
    Connected(Option<String>),
    /// Telephony, to be sure, but not a beginning.
    Early,
    /// The beginning of a protocol that is not served; holds what it is called.
    Foreign(&'static str),
    /// JSON that means nothing to us.
    Unknown,
    /// Not even that.
    Nonsense,
}

/// Whose beginning a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whose {
    /// The best guess.
    pub guess: Name,
    /// All whose it could be, if that is not certain.
    pub alike: &'static [Name],
}

impl Whose {
    /// Whose it is, given what the agent is pinned to.
    pub fn settled(self, pinned: Option<Name>) -> Name {
        pinned.filter(|pin| self.alike.contains(pin)).unwrap_or(self.guess)
    }
}

/// The same wire but for what each leaves out or adds: `start` alone cannot tell them for certain.
const TWILIO_LIKE: &[Name] = &[Name::Twilio, Name::SignalWire, Name::Smartflo, Name::Exotel];
/// Twins.
const PLIVO_LIKE: &[Name] = &[Name::Plivo, Name::Vobiz];

/// What this frame is. `version` is what an earlier `connected` told.
pub(super) fn of(text: &str, hints: &Hints, version: Option<&str>) -> Opening {
    if text.starts_with("MEDIA_START ") {
        return certain(Name::Asterisk);
    }
    let Some(object) = native::object(text) else { return Opening::Nonsense };
    if hints.subprotocol == Some(Subprotocol::Jambonz) && tells_call_and_rate(&object) {
        // The customer's own words stand beside these two, and may have any name.
        return certain(Name::Jambonz);
    }
    if let Some(foreign) = foreign(&object) {
        return Opening::Foreign(foreign);
    }
    match object.get("event").and_then(Value::as_str) {
        Some("MEDIA_START") => certain(Name::Asterisk),
        Some("websocket:connected") => certain(Name::Vonage),
        Some("connected") => Opening::Connected(version_of(&object)),
        Some("start") => match whose(&Start::of(object), hints, version) {
            Some(whose) => Opening::Head(whose),
            None => Opening::Nonsense,
        },
        _ if native::kind(&object).is_some() => Opening::Native,
        Some(_) => Opening::Early,
        None if object.contains_key("event") => Opening::Early,
        None if is_jambonz(&object) => certain(Name::Jambonz),
        // Its sound follows at a rate that it does not tell.
        None if resembles_jambonz(&object) => Opening::Early,
        None => Opening::Unknown,
    }
}

fn certain(guess: Name) -> Opening {
    Opening::Head(Whose { guess, alike: &[] })
}

/// The table of `start`s; `None` if it is nobody's.
fn whose(start: &Start, hints: &Hints, version: Option<&str>) -> Option<Whose> {
    let certain = |guess| Some(Whose { guess, alike: &[] });
    if start.has(&["call_control_id"]) || start.message_has("stream_id") {
        return certain(Name::Telnyx);
    }
    if start.has(&["callId"]) && start.has(&["streamId"]) {
        let vobiz = hints.signed_by == Some(Name::Vobiz) || start.rate() == Some(24_000);
        let guess = if vobiz { Name::Vobiz } else { Name::Plivo };
        return Some(Whose { guess, alike: PLIVO_LIKE });
    }
    if start.has(&["call_sid", "stream_sid"]) || start.message_has("stream_sid") {
        return certain(Name::Exotel);
    }
    let stream = start.stream_id("streamSid");
    if stream.is_none() && !start.has(&["callSid"]) {
        return None;
    }
    let uuids = [stream, start.text(&["callSid"])].into_iter().flatten().any(|id| is_uuid(&id));
    let linear = start.media(&["encoding"]).and_then(|name| encoding_named(&name));
    let guess = if hints.signed_by == Some(Name::Twilio) {
        Name::Twilio
    } else if linear == Some(Encoding::Pcm16) && !uuids {
        Name::Exotel
    } else if start.has(&["from", "direction"]) || start.media(&["bitRate"]).is_some() {
        Name::Smartflo
    } else if version == Some("0.2.0") || uuids {
        Name::SignalWire
    } else {
        Name::Twilio
    };
    Some(Whose { guess, alike: TWILIO_LIKE })
}

fn version_of(object: &Map<String, Value>) -> Option<String> {
    object.get("version")?.as_str().map(str::to_owned)
}

/// A flat object that tells a call and a rate, with no word for what kind of message it is.
fn is_jambonz(object: &Map<String, Value>) -> bool {
    !object.contains_key("event") && !object.contains_key("type") && tells_call_and_rate(object)
}

/// The same with a rate that is none.
fn resembles_jambonz(object: &Map<String, Value>) -> bool {
    !object.contains_key("type")
        && object.get("callSid").is_some_and(Value::is_string)
        && object.contains_key("sampleRate")
}

/// A call's id and a rate that is a number, as jambonz writes them.
fn tells_call_and_rate(object: &Map<String, Value>) -> bool {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse::<u32>().is_ok(),
        other => other.is_number(),
    };
    object.get("callSid").is_some_and(Value::is_string)
        && object.get("sampleRate").is_some_and(number)
}

/// What a protocol that is not served is called, from its first frame. Each of these waits for an answer
/// or streams its sound in JSON, so that it could never become a call.
fn foreign(object: &Map<String, Value>) -> Option<&'static str> {
    let has = |keys: &[&str]| keys.iter().all(|key| object.contains_key(*key));
    let word = |key: &str| object.get(key).and_then(Value::as_str);
    match (word("type"), word("event")) {
        (Some("open"), None) if has(&["version", "seq", "parameters"]) => Some("Genesys AudioHook"),
        (Some("setup"), None) if has(&["sessionId", "callSid"]) => Some("Twilio ConversationRelay"),
        (Some(kind), None) if kind.starts_with("session.initiate") => Some("AudioCodes Bot API"),
        (Some("start"), None) if has(&["call_id", "stream_id"]) => Some("FreJun Teler"),
        (_, Some("start")) if has(&["ucid"]) => Some("Ozonetel"),
        (_, Some("incoming_call")) => Some("a call that waits to be answered by JSON"),
        (None, None) if word("eventType") == Some("start") && has(&["metadata"]) => {
            Some("Bandwidth media streaming")
        }
        (None, None) if has(&["callid", "callflow"]) => Some("Yeastar audio streaming"),
        _ => None,
    }
}

/// Whether an id is a UUID as people write it, with its hyphens.
fn is_uuid(id: &str) -> bool {
    id.len() == 36 && uuid::Uuid::try_parse(id).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SID: &str = "MZ0123456789abcdef0123456789abcdef";
    const UUID: &str = "5a1cbd53-3f05-4d1c-a0d5-4fb9d0a4a8a1";

    fn opening(text: &str) -> Opening {
        of(text, &Hints::default(), None)
    }

    fn signed_by(name: Name) -> Hints {
        Hints { signed_by: Some(name), ..Hints::default() }
    }

    /// Who is thought to send this `start`, and whether it could be another.
    fn guess(start: Value, hints: &Hints, version: Option<&str>) -> (Name, bool) {
        let text = json!({ "event": "start", "start": start }).to_string();
        match of(&text, hints, version) {
            Opening::Head(whose) => (whose.guess, !whose.alike.is_empty()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_table_of_first_frames() {
        for (text, name) in [
            ("MEDIA_START connection_id:1 channel:WebSocket/x format:ulaw", Name::Asterisk),
            (r#"{"event":"MEDIA_START","format":"ulaw"}"#, Name::Asterisk),
            (
                r#"{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}"#,
                Name::Vonage,
            ),
            (r#"{"callSid":"a","sampleRate":8000,"from":"1"}"#, Name::Jambonz),
            (r#"{"callSid":"a","sampleRate":"8000"}"#, Name::Jambonz),
        ] {
            assert_eq!(opening(text), certain(name), "{text}");
        }
        for (text, expected) in [
            (r#"{"event":"connected","protocol":"Call"}"#, Opening::Connected(None)),
            (
                r#"{"event":"connected","version":"0.2.0"}"#,
                Opening::Connected(Some("0.2.0".into())),
            ),
            (r#"{"type":"end_call"}"#, Opening::Native),
            (r#"{"event":"media","media":{}}"#, Opening::Early),
            (r#"{"event":"answer"}"#, Opening::Early),
            (r#"{"event":"start"}"#, Opening::Nonsense),
            (r#"{"event":"start","start":{"tracks":[]}}"#, Opening::Nonsense),
            (r#"{"type":"hello","callSid":"a","sampleRate":8000}"#, Opening::Unknown),
            (r#"{"callSid":"a","sampleRate":"high"}"#, Opening::Early),
            (r#"{"event":7}"#, Opening::Early),
            (r#"{"event":{"name":"start"}}"#, Opening::Early),
            ("MEDIA_START", Opening::Nonsense),
            ("[]", Opening::Nonsense),
        ] {
            assert_eq!(opening(text), expected, "{text}");
        }
    }

    #[test]
    fn a_protocol_that_is_not_served_is_known_by_its_name() {
        for (text, name) in [
            (
                r#"{"version":"2","type":"open","seq":1,"serverseq":0,"id":"x","position":"PT0S","parameters":{}}"#,
                "Genesys AudioHook",
            ),
            (
                r#"{"type":"setup","sessionId":"VX1","callSid":"CA1","from":"+1"}"#,
                "Twilio ConversationRelay",
            ),
            (
                r#"{"type":"session.initiate","conversationId":"x","expectAudioMessages":true}"#,
                "AudioCodes Bot API",
            ),
            (r#"{"eventType":"start","metadata":{"callId":"c"}}"#, "Bandwidth media streaming"),
            (r#"{"event":"start","type":"text","ucid":"1","did":"2"}"#, "Ozonetel"),
            (r#"{"type":"start","call_id":"c","stream_id":"s","data":{}}"#, "FreJun Teler"),
            (
                r#"{"event":"incoming_call","callerId":"1","sessionId":"s"}"#,
                "a call that waits to be answered by JSON",
            ),
            (r#"{"callid":"1","callflow":"x","audio":""}"#, "Yeastar audio streaming"),
        ] {
            assert_eq!(opening(text), Opening::Foreign(name), "{text}");
        }
    }

    #[test]
    fn metadata_of_jambonz_may_have_any_name_under_its_subprotocol() {
        let hints = Hints { subprotocol: Some(Subprotocol::Jambonz), ..Hints::default() };
        for word in [r#""type":"sales""#, r#""event":"start""#, r#""type":"setup","sessionId":1"#] {
            let text = format!(r#"{{"callSid":"a","sampleRate":8000,{word}}}"#);
            assert_eq!(of(&text, &hints, None), certain(Name::Jambonz), "{word}");
        }
    }

    #[test]
    fn the_table_of_starts() {
        let none = Hints::default();
        let twilio = json!({"streamSid": SID, "callSid": "CA1", "mediaFormat": {"encoding": "audio/x-mulaw"}});
        let with = |more: Value| {
            let mut start = twilio.clone();
            for (key, value) in more.as_object().unwrap() {
                start[key] = value.clone();
            }
            start
        };
        let linear = json!({"mediaFormat": {"encoding": "audio/x-raw"}});
        for (start, hints, version, expected) in [
            (json!({"call_control_id": "v3:x"}), &none, None, (Name::Telnyx, false)),
            (json!({"callId": UUID, "streamId": UUID}), &none, None, (Name::Plivo, true)),
            (
                json!({"callId": UUID, "streamId": UUID}),
                &signed_by(Name::Vobiz),
                None,
                (Name::Vobiz, true),
            ),
            (
                json!({"callId": "a", "streamId": "b", "mediaFormat": {"sampleRate": "24000"}}),
                &none,
                None,
                (Name::Vobiz, true),
            ),
            (json!({"stream_sid": "a"}), &none, None, (Name::Exotel, false)),
            (json!({"call_sid": "a"}), &none, None, (Name::Exotel, false)),
            (twilio.clone(), &none, None, (Name::Twilio, true)),
            (twilio.clone(), &none, Some("1.0.0"), (Name::Twilio, true)),
            (twilio.clone(), &none, Some("0.2.0"), (Name::SignalWire, true)),
            (with(json!({"streamSid": UUID})), &none, None, (Name::SignalWire, true)),
            (with(json!({"callSid": UUID})), &none, None, (Name::SignalWire, true)),
            (with(json!({"from": "+91"})), &none, None, (Name::Smartflo, true)),
            (with(json!({"direction": "inbound"})), &none, None, (Name::Smartflo, true)),
            (with(json!({"mediaFormat": {"bitRate": 64}})), &none, None, (Name::Smartflo, true)),
            (with(linear.clone()), &none, None, (Name::Exotel, true)),
            (
                with(json!({"from": "+91", "mediaFormat": linear["mediaFormat"]})),
                &none,
                None,
                (Name::Exotel, true),
            ),
            (with(linear.clone()), &signed_by(Name::Twilio), None, (Name::Twilio, true)),
            (
                with(json!({"streamSid": UUID, "mediaFormat": {"encoding": "audio/x-L16"}})),
                &none,
                None,
                (Name::SignalWire, true),
            ),
        ] {
            assert_eq!(guess(start.clone(), hints, version), expected, "{start}");
        }
        let beside = r#"{"event":"start","stream_id":"a"}"#;
        assert_eq!(opening(beside), certain(Name::Telnyx));
        let beside = r#"{"event":"start","stream_sid":"a"}"#;
        assert_eq!(opening(beside), certain(Name::Exotel));
    }

    proptest! {
        #[test]
        fn noise_is_survived(text in r#"[\[\]{}:,"a-f0-9\\ ]{0,40}"#) {
            opening(&text);
        }
    }
}
