//! Reading JSON as strictly as the strictest provider, and writing what they have in common.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::wire::Faults;

/// A text frame.
pub fn frame(value: &Value) -> Frame {
    Frame::text(value.to_string())
}

/// Sound as JSON carries it.
pub fn base64(sound: &[u8]) -> String {
    BASE64_STANDARD.encode(sound)
}

/// An object of texts.
pub fn texts<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>().into()
}

/// A message of the server's. Where something is missing or foreign it says so, and goes on with
/// what is there.
pub struct Message<'a> {
    name: String,
    fields: Map<String, Value>,
    faults: &'a mut Faults,
}

impl<'a> Message<'a> {
    /// The message in a text frame, and what stands under `kind` in it.
    pub fn read(text: &str, kind: &str, faults: &'a mut Faults) -> Option<(String, Self)> {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            faults.push("a text frame that is no JSON object".to_owned());
            return None;
        };
        let Some(Value::String(name)) = fields.get(kind).cloned() else {
            faults.push(format!("a message without `{kind}`"));
            return None;
        };
        Some((name.clone(), Self { name, fields, faults }))
    }

    /// Complains of this message.
    pub fn fault(&mut self, why: &str) {
        self.faults.push(format!("{}: {why}", self.name));
    }

    /// The provider does not know this message.
    pub fn unknown(&mut self) {
        self.fault("an unknown message");
    }

    /// The message has no other fields than these.
    pub fn only(&mut self, names: &[&str]) {
        let foreign: Vec<_> =
            self.fields.keys().filter(|name| !names.contains(&&***name)).cloned().collect();
        for name in foreign {
            self.fault(&format!("a foreign field `{name}`"));
        }
    }

    /// The object in a field, with no other fields than these.
    pub fn within(&mut self, field: &str, names: &[&str]) -> Message<'_> {
        let fields = match self.fields.remove(field) {
            Some(Value::Object(fields)) => fields,
            _ => {
                self.fault(&format!("no object `{field}`"));
                Map::new()
            }
        };
        let name = format!("{}.{field}", self.name);
        let mut inner = Message { name, fields, faults: self.faults };
        inner.only(names);
        inner
    }

    /// A field, whatever it is.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// The text in a required field.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        if text.as_deref().is_none_or(str::is_empty) {
            self.fault(&format!("no text `{name}`"));
        }
        text
    }

    /// A field must be this text.
    pub fn is(&mut self, name: &str, expected: &str) {
        if self.fields.get(name).and_then(Value::as_str) != Some(expected) {
            self.fault(&format!("`{name}` is not {expected:?}"));
        }
    }

    /// A field may be missing; if present, it must be this text.
    pub fn may_be(&mut self, name: &str, expected: &str) {
        if self.fields.contains_key(name) {
            self.is(name, expected);
        }
    }

    /// The sound in a field.
    pub fn sound(&mut self, name: &str) -> Option<Bytes> {
        let text = self.text(name)?;
        match BASE64_STANDARD.decode(text) {
            Ok(sound) if !sound.is_empty() => Some(sound.into()),
            Ok(_) => None,
            Err(_) => {
                self.fault(&format!("`{name}` is not base64"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_foreign_is_named() {
        let mut faults = Faults::new();
        let text = r#"{"event":"media","id":"x","a":1,"media":{"payload":"/w==","b":2}}"#;
        let (name, mut message) = Message::read(text, "event", &mut faults).unwrap();
        assert_eq!(name, "media");
        message.only(&["event", "id", "media"]);
        message.is("id", "y");
        message.may_be("id", "x");
        message.may_be("none", "x");
        let mut media = message.within("media", &["payload"]);
        assert_eq!(media.sound("payload").unwrap(), [0xff][..]);
        assert_eq!(media.sound("b"), None);
        assert_eq!(message.within("mark", &["name"]).text("name"), None);
        assert_eq!(
            faults,
            [
                "media: a foreign field `a`",
                "media: `id` is not \"y\"",
                "media.media: a foreign field `b`",
                "media.media: no text `b`",
                "media: no object `mark`",
                "media.mark: no text `name`",
            ]
        );
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        for text in ["", "[]", "{}", r#"{"event":7}"#] {
            let mut faults = Faults::new();
            assert!(Message::read(text, "event", &mut faults).is_none());
            assert_eq!(faults.len(), 1, "{text}");
        }
        let mut faults = Faults::new();
        let text = r#"{"event":"media","media":{"payload":"%"}}"#;
        let (_, mut message) = Message::read(text, "event", &mut faults).unwrap();
        assert_eq!(message.within("media", &["payload"]).sound("payload"), None);
        assert_eq!(faults, ["media.media: `payload` is not base64"]);
    }
}
