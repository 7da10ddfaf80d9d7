//! The `start` of a media stream, read with patience: what the providers of the Media Streams family
//! and their relatives tell of a call before its audio.
//!
//! Keys come in two styles, camelCase and snake_case, and some providers use either: both are looked
//! for, always. Which provider it is, is the business of `opening`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Caller;
use crate::audio::format::{Encoding, Format};

/// A codec that is not one of ours.
pub(super) const UNSERVED_CODEC: &str =
    "This codec is not served: use mu-law, A-law or linear 16-bit audio.";
/// A rate that is not one of ours.
pub(super) const UNSERVED_RATE: &str =
    "This sample rate is not served: use 8, 16, 24, 32 or 48 kHz.";
/// More than one channel.
pub(super) const UNSERVED_CHANNELS: &str = "Only one channel of audio is served: use mono.";

/// The most bytes of an id that is sent back with every frame.
const ID_BYTES: usize = 256;

/// A message that starts a stream: an object, with another one named `start` in it.
#[derive(Debug)]
pub(super) struct Start {
    message: Map<String, Value>,
    body: Map<String, Value>,
}

impl Start {
    /// Reads the text of a frame.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self::of)
    }

    /// Takes a message apart. One without `start` has an empty one.
    pub fn of(mut message: Map<String, Value>) -> Self {
        let body = match message.remove("start") {
            Some(Value::Object(body)) => body,
            _ => Map::new(),
        };
        Self { message, body }
    }

    /// Whether the message itself has this key, with something in it.
    pub fn message_has(&self, key: &str) -> bool {
        text_of(self.message.get(key)).is_some()
    }

    /// What stands beside `start` under this key.
    pub fn beside(&self, key: &str) -> Option<&Value> {
        self.message.get(key)
    }

    /// Whether the `start` in it has one of these keys, with something in it.
    pub fn has(&self, keys: &[&str]) -> bool {
        self.text(keys).is_some()
    }

    /// The first of these in `start` that is there and not empty.
    pub fn text(&self, keys: &[&str]) -> Option<Cow<'_, str>> {
        keys.iter().find_map(|key| text_of(self.body.get(*key)))
    }

    /// The stream's id under this key, in `start` or beside it. None if it is too long to be one.
    pub fn stream_id(&self, key: &str) -> Option<Cow<'_, str>> {
        let id = self.text(&[key]).or_else(|| text_of(self.message.get(key)))?;
        (id.len() <= ID_BYTES).then_some(id)
    }

    /// An array of texts in `start`, joined by commas.
    pub fn list(&self, key: &str) -> Option<String> {
        let Some(Value::Array(items)) = self.body.get(key) else { return None };
        let texts: Vec<_> = items.iter().filter_map(|item| text_of(Some(item))).collect();
        (!texts.is_empty()).then(|| texts.join(","))
    }

    /// A member of the media format, in either style of its name.
    pub fn media(&self, keys: &[&str]) -> Option<Cow<'_, str>> {
        let format = ["mediaFormat", "media_format"].iter().find_map(|key| self.body.get(*key))?;
        keys.iter().find_map(|key| text_of(format.get(key)))
    }

    /// The samples per second that are announced.
    pub fn rate(&self) -> Option<u32> {
        self.media(&["sampleRate", "sample_rate"])?.trim().parse().ok()
    }

    /// How the audio is written: `usual` and 8 kHz where it is not said. What is not served comes with
    /// the sentence that tells why, and the usual format in its place.
    pub fn format(&self, usual: Encoding) -> (Format, Option<&'static str>) {
        or_usual(self.served(usual), usual)
    }

    /// As [`Self::format`], of a provider whose `encoding` may say how the audio travels and not how it
    /// is written: what is neither one of our encodings nor another codec's name is linear.
    pub fn linear_format(&self) -> (Format, Option<&'static str>) {
        match self.media(&["encoding"]) {
            Some(name) if encoding_named(&name).is_none() && !is_foreign_codec(&name) => {
                or_usual(self.served_as(Encoding::Pcm16), Encoding::Pcm16)
            }
            _ => self.format(Encoding::Pcm16),
        }
    }

    fn served(&self, usual: Encoding) -> Result<Format, &'static str> {
        self.served_as(match self.media(&["encoding"]) {
            Some(name) => encoding_named(&name).ok_or(UNSERVED_CODEC)?,
            None => usual,
        })
    }

    fn served_as(&self, encoding: Encoding) -> Result<Format, &'static str> {
        if self.media(&["channels"]).is_some_and(|channels| channels.trim() != "1") {
            return Err(UNSERVED_CHANNELS);
        }
        let rate = match self.media(&["sampleRate", "sample_rate"]) {
            Some(_) => self.rate().ok_or(UNSERVED_RATE)?,
            None => 8_000,
        };
        Format::new(encoding, rate).ok_or(UNSERVED_RATE)
    }

    /// What the customer attached to the stream.
    fn custom(&self) -> Option<&Map<String, Value>> {
        let keys = ["customParameters", "custom_parameters"];
        keys.iter().find_map(|key| self.body.get(*key))?.as_object()
    }

    /// A custom parameter, by the first of its names that is there.
    pub fn custom_text(&self, names: &[&str]) -> Option<Cow<'_, str>> {
        let custom = self.custom()?;
        names.iter().find_map(|name| text_of(custom.get(*name)))
    }

    /// Who calls whom: from `start` where the provider tells it, else from custom parameters by the
    /// names that customers give them.
    pub fn caller(&self, call_id_keys: &[&str]) -> Caller {
        let kept = |keys: &[&str]| self.text(keys).map(|text| Caller::cut(&text));
        let mut caller = Caller { provider_call_id: kept(call_id_keys), ..Caller::default() };
        for (name, value) in self.custom().into_iter().flatten() {
            caller.json_param(name, value);
        }
        let told = |names: &[&str]| caller.param_named(names).map(str::to_owned);
        let from =
            kept(&["from"]).or_else(|| told(&["from", "from_number", "caller", "caller_id"]));
        let to = kept(&["to"]).or_else(|| told(&["to", "to_number", "called"]));
        Caller { from, to, ..caller }
    }
}

/// A text or a number as text; nothing for what is empty or of another kind.
pub(super) fn text_of(value: Option<&Value>) -> Option<Cow<'_, str>> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(truth.to_string().into()),
        _ => None,
    }
}

fn or_usual(
    served: Result<Format, &'static str>,
    usual: Encoding,
) -> (Format, Option<&'static str>) {
    match served {
        Ok(format) => (format, None),
        Err(sentence) => (Format::new(usual, 8_000).unwrap_or(Format::PCMU), Some(sentence)),
    }
}

/// Whether this names a codec that is not one of ours.
fn is_foreign_codec(name: &str) -> bool {
    const FOREIGN: [&str; 12] = [
        "opus", "g722", "g.722", "g723", "g726", "g729", "gsm", "amr", "evs", "speex", "silk",
        "mp3",
    ];
    let name = name.to_ascii_lowercase();
    FOREIGN.iter().any(|codec| name.contains(codec))
}

/// The encoding that a provider calls by this name, if it is one of ours.
pub(super) fn encoding_named(name: &str) -> Option<Encoding> {
    let name = name.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["mulaw", "mu-law", "ulaw", "u-law", "pcmu"]) {
        Some(Encoding::Mulaw)
    } else if has(&["alaw", "a-law", "pcma"]) {
        Some(Encoding::Alaw)
    } else if has(&["l16", "raw", "slin", "pcm", "linear"]) {
        Some(Encoding::Pcm16)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn start(body: Value) -> Start {
        Start::read(&json!({ "event": "start", "start": body }).to_string()).unwrap()
    }

    #[test]
    fn a_format_is_read_in_either_style_and_from_numbers_or_texts() {
        for (body, format) in [
            (json!({}), Ok(Format::PCMU)),
            (json!({"mediaFormat": {}}), Ok(Format::PCMU)),
            (json!({"mediaFormat": "mulaw"}), Ok(Format::PCMU)),
            (
                json!({"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}),
                Ok(Format::PCMU),
            ),
            (
                json!({"media_format": {"encoding": "PCMA", "sample_rate": "8000", "channels": "1"}}),
                Ok(Format::PCMA),
            ),
            (
                json!({"mediaFormat": {"encoding": "audio/x-L16", "sampleRate": 16000}}),
                Ok(Format::NATIVE),
            ),
            (
                json!({"media_format": {"encoding": "audio/x-raw", "sample_rate": 24000}}),
                Ok(Format::pcm(24_000).unwrap()),
            ),
            (json!({"mediaFormat": {"encoding": "OPUS"}}), Err(UNSERVED_CODEC)),
            (json!({"mediaFormat": {"encoding": "G722", "sampleRate": 8000}}), Err(UNSERVED_CODEC)),
            (json!({"mediaFormat": {"sampleRate": 22050}}), Err(UNSERVED_RATE)),
            (json!({"mediaFormat": {"sampleRate": -1}}), Err(UNSERVED_RATE)),
            (json!({"mediaFormat": {"sampleRate": "fast"}}), Err(UNSERVED_RATE)),
            (json!({"mediaFormat": {"channels": 2}}), Err(UNSERVED_CHANNELS)),
        ] {
            assert_eq!(start(body.clone()).served(Encoding::Mulaw), format, "{body}");
        }
    }

    #[test]
    fn an_encoding_that_names_no_codec_is_linear_where_a_provider_writes_so() {
        let linear = |rate| Format::pcm(rate).unwrap();
        for (format, expected) in [
            (
                json!({"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"}),
                Ok(linear(8_000)),
            ),
            (json!({"encoding": "base64", "sample_rate": 16000}), Ok(linear(16_000))),
            (json!({"encoding": "base64"}), Ok(linear(8_000))),
            (json!({"encoding": "slin"}), Ok(linear(8_000))),
            (json!({}), Ok(linear(8_000))),
            (json!({"encoding": "audio/x-mulaw"}), Ok(Format::PCMU)),
            (json!({"encoding": "OPUS", "sample_rate": 48000}), Err(UNSERVED_CODEC)),
            (json!({"encoding": "audio/G722"}), Err(UNSERVED_CODEC)),
            (json!({"encoding": "base64", "sample_rate": 22050}), Err(UNSERVED_RATE)),
        ] {
            let found = start(json!({"media_format": format.clone()})).linear_format();
            match expected {
                Ok(expected) => assert_eq!(found, (expected, None), "{format}"),
                Err(sentence) => assert_eq!(found.1, Some(sentence), "{format}"),
            }
        }
    }

    #[test]
    fn who_calls_is_the_providers_word_before_the_customers() {
        let both = start(json!({
            "from": "+1", "to": "", "callSid": "CA1",
            "customParameters": {"From": "+9", "called": 49, "vip": true, "cart": {"x": 1}},
        }));
        let caller = both.caller(&["call_sid", "callSid"]);
        assert_eq!(caller.from.as_deref(), Some("+1"));
        assert_eq!(caller.to.as_deref(), Some("49"));
        assert_eq!(caller.provider_call_id.as_deref(), Some("CA1"));
        let params: Vec<_> = caller.params.into_iter().collect();
        let kept = [("From", "+9"), ("called", "49"), ("cart", r#"{"x":1}"#), ("vip", "true")];
        assert_eq!(params, kept.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(start(json!({})).caller(&["callSid"]), Caller::default());
    }

    #[test]
    fn an_id_too_long_to_be_sent_back_is_none() {
        let id = |length| start(json!({"streamSid": "M".repeat(length)}));
        assert!(id(ID_BYTES).stream_id("streamSid").is_some());
        assert!(id(ID_BYTES + 1).stream_id("streamSid").is_none());
        let beside = Start::read(r#"{"streamSid":7,"start":[]}"#).unwrap();
        assert_eq!(beside.stream_id("streamSid").as_deref(), Some("7"));
    }

    proptest! {
        #[test]
        fn noise_is_survived(text in r#"[\[\]{}:,"a-f0-9\\ ]{0,40}"#) {
            let _ = Start::read(&text).map(|start| start.format(Encoding::Pcm16));
        }
    }
}
