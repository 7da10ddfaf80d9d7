//! JSON that others write, read with patience: numbers come as text and text as numbers, and what is
//! of another kind altogether counts as missing. A text without escapes is borrowed, not copied.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A text, or a number as it is written.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, if there is one.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Some(text.into()))
    }
}

/// A whole number, or a text that stands for one.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Count(pub Option<u64>);

/// A value of a kind of its own, or nothing if it is of another kind.
#[derive(Debug)]
pub(super) struct Lenient<T>(pub Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The text as it stands in JSON, with its quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text always serialises")
}

/// What a kind takes from JSON; whatever it does not take is nothing to it.
trait Taken<'de>: Default {
    fn text(_: &str) -> Self {
        Self::default()
    }
    fn borrowed(text: &'de str) -> Self {
        Self::text(text)
    }
    fn number(_: serde_json::Number) -> Self {
        Self::default()
    }
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl<'de> Taken<'de> for Text<'de> {
    fn text(text: &str) -> Self {
        Self(Some(Cow::Owned(text.to_owned())))
    }
    fn borrowed(text: &'de str) -> Self {
        Self(Some(Cow::Borrowed(text)))
    }
    fn number(number: serde_json::Number) -> Self {
        Self(Some(Cow::Owned(number.to_string())))
    }
}

impl<'de> Taken<'de> for Count {
    fn text(text: &str) -> Self {
        Self(text.trim().parse().ok())
    }
    fn number(number: serde_json::Number) -> Self {
        Self(number.as_u64())
    }
}

impl<'de, T: Deserialize<'de>> Taken<'de> for Lenient<T> {
    fn object<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|t| Self(Some(t)))
    }
}

struct Taker<T>(PhantomData<T>);

impl<'de, T: Taken<'de>> Visitor<'de> for Taker<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::number(number.into()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::number(number.into()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(serde_json::Number::from_f64(number).map(T::number).unwrap_or_default())
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::borrowed(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::object(map)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Taker::<Text<'de>>(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Taker(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Taker(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_stand_for_each_other() {
        let text = |json| serde_json::from_str::<Text<'_>>(json).unwrap().get().map(str::to_owned);
        assert_eq!(text(r#""a\/b""#).as_deref(), Some("a/b"));
        assert_eq!(text("-7").as_deref(), Some("-7"));
        assert_eq!(text("8000").as_deref(), Some("8000"));
        assert_eq!(text("0.5").as_deref(), Some("0.5"));
        let count = |json| serde_json::from_str::<Count>(json).unwrap().0;
        assert_eq!((count("7"), count("\"7\""), count("\" 7\"")), (Some(7), Some(7), Some(7)));
        for other in ["null", "true", "[1,[2]]", r#"{"a":{"b":1}}"#] {
            assert_eq!((text(other), count(other)), (None, None), "{other}");
        }
        for no_count in ["-1", "0.5", "1e400x", "\"x\"", "\"\""] {
            assert_eq!(serde_json::from_str::<Count>(no_count).ok().and_then(|c| c.0), None);
        }
    }

    #[test]
    fn a_text_without_escapes_is_borrowed() {
        let json = String::from(r#""abc""#);
        let text: Text<'_> = serde_json::from_str(&json).unwrap();
        assert!(matches!(text.0, Some(Cow::Borrowed("abc"))));
    }

    #[test]
    fn what_is_of_another_kind_is_missing() {
        #[derive(Deserialize)]
        struct Thing {
            #[serde(default)]
            n: Count,
        }
        let n =
            |json| serde_json::from_str::<Lenient<Thing>>(json).unwrap().0.map(|thing| thing.n.0);
        assert_eq!(n(r#"{"n":"3","m":[]}"#), Some(Some(3)));
        assert_eq!(n("{}"), Some(None));
        for other in ["null", "\"x\"", "1", "[{}]"] {
            assert_eq!(n(other), None, "{other}");
        }
    }
}
