//! Bodies: read within a bound, parsed into typed fields, refused by name and never by value.
//!
//! What a client sent is never repeated: a 422 says which field broke its rule, and the rule, from
//! the table in [`super::fields`]. The text is checked as JSON before its meaning, so that 400 is for
//! what is no JSON and 422 for what is the wrong JSON.

use std::{fmt, marker::PhantomData};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web::BytesMut,
};
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_path_to_error::Segment;

use super::fields;
use crate::problem::{Code, Problem};

/// Bytes of a body at most.
const LIMIT: usize = 1 << 20;

/// A required body.
pub struct Body<T>(pub T);

/// A body that may be left out, as if it were `{}`.
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (checked, payload) = (check(request.headers()), payload.take());
        Box::pin(async move {
            checked?;
            parse(&read(payload).await?).map(Self)
        })
    }
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (checked, payload) = (check(request.headers()), payload.take());
        Box::pin(async move {
            let body = read(payload).await?;
            if body.is_empty() {
                return Ok(Self(T::default()));
            }
            checked?;
            parse(&body).map(Self)
        })
    }
}

/// Refuses by the headers what is not JSON or too large, before any of it is read.
fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    if text(header::CONTENT_LENGTH).parse::<usize>().is_ok_and(|length| length > LIMIT) {
        return Err(Code::TooLarge.into());
    }
    let encoding = text(header::CONTENT_ENCODING);
    if !is_json(text(header::CONTENT_TYPE))
        || !(encoding.is_empty() || encoding.eq_ignore_ascii_case("identity"))
    {
        return Err(Code::UnsupportedMediaType.into());
    }
    Ok(())
}

fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.eq_ignore_ascii_case("charset")
            || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    json && parts.all(utf8)
}

async fn read(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        // A body that breaks off or is badly chunked is not one JSON object either.
        let chunk = chunk.map_err(|_| Code::BadJson)?;
        if body.len() + chunk.len() > LIMIT {
            return Err(Code::TooLarge.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Code::BadJson)?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Code::BadJson)?;
    // serde would take a list for an object, field by field.
    if !text.trim_start().starts_with('{') {
        return Err(Code::BadJson.into());
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| fault(&error))
}

/// Which field is at fault, and its rule. A field of an object in the body is named with it:
/// `relay.url`.
fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let message = error.inner().to_string();
    let path = error.path().iter().map_while(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    let mut path: Vec<&str> = path.collect();
    // These two come from the derived code, for an object as a whole, and quote its own field.
    for of_the_object in ["missing field `", "duplicate field `"] {
        if let Some((field, _)) =
            message.strip_prefix(of_the_object).and_then(|rest| rest.split_once('`'))
        {
            path.push(field);
            return fields::fault(&path.join("."));
        }
    }
    match path.as_slice() {
        [] => Code::BadJson.into(),
        path if message.starts_with("unknown field") => fields::unknown(&path.join(".")),
        path => fields::fault(&path.join(".")),
    }
}

/// An object within the body. serde would take a list for it, field by field; this does not.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

/// For the fields of a PATCH: a field that is there is `Some`, so that null is told apart from
/// absent. Null then is a value where the field has one, and a fault where it has not.
///
/// # Errors
/// Those of the value.
pub fn present<'de, D, T>(value: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(value).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::fields::*, *};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: Name,
        #[serde(default)]
        max_turns: Option<MaxTurns>,
        #[serde(default, deserialize_with = "present")]
        is_active: Option<bool>,
        #[serde(default, deserialize_with = "present")]
        voice: Option<Option<Voice>>,
        #[serde(default)]
        points: Option<Points>,
        #[serde(default, deserialize_with = "present")]
        relay: Option<Option<Object<Inner>>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        url: BotUrl,
    }

    fn refused(body: &str) -> String {
        let problem = parse::<Sample>(body.as_bytes()).unwrap_err();
        match problem.named_field() {
            Some(field) => format!("{} {field}", problem.code().as_str()),
            None => problem.code().as_str().to_owned(),
        }
    }

    #[test]
    fn what_is_no_json_object_is_400() {
        for body in [
            "",
            " ",
            "{",
            "nul",
            "null",
            "[]",
            "[\"a\"]",
            "\"name\"",
            "1",
            "{\"name\":\"a\"} x",
            "{\"name\":\"a\"}{}",
            "{name:\"a\"}",
            "{\"name\":\"a\",}",
            "{'name':'a'}",
            "\u{feff}{\"name\":\"a\"}",
        ] {
            assert_eq!(refused(body), "bad_json", "{body}");
        }
        assert_eq!(parse::<Sample>(b"{\"name\":\"\xff\"}").unwrap_err().code(), Code::BadJson);
        let deep = "[".repeat(500_000);
        assert_eq!(refused(&deep), "bad_json");
    }

    #[test]
    fn what_is_the_wrong_object_is_422_and_names_the_field() {
        for (body, field) in [
            ("{}", "name"),
            ("{\"name\":null}", "name"),
            ("{\"name\":1}", "name"),
            ("{\"name\":\"\"}", "name"),
            ("{\"name\":\"\\ud800\"}", "name"),
            ("{\"name\":{\"a\":1}}", "name"),
            ("{\"name\":\"a\",\"name\":\"b\"}", "name"),
            ("{\"name\":\"a\",\"max_turns\":\"7\"}", "max_turns"),
            ("{\"name\":\"a\",\"max_turns\":7.0}", "max_turns"),
            ("{\"name\":\"a\",\"max_turns\":1e999}", "max_turns"),
            ("{\"name\":\"a\",\"max_turns\":0}", "max_turns"),
            ("{\"name\":\"a\",\"max_turns\":99999999999999999999}", "max_turns"),
            ("{\"name\":\"a\",\"is_active\":null}", "is_active"),
            ("{\"name\":\"a\",\"is_active\":\"true\"}", "is_active"),
            ("{\"name\":\"a\",\"points\":\"1\"}", "points"),
            ("{\"name\":\"a\",\"points\":{}}", "points"),
            ("{\"name\":\"a\",\"relay\":7}", "relay"),
            ("{\"name\":\"a\",\"relay\":[\"wss://a.example/\"]}", "relay"),
            ("{\"name\":\"a\",\"relay\":{}}", "relay.url"),
            ("{\"name\":\"a\",\"relay\":{\"url\":null}}", "relay.url"),
            ("{\"name\":\"a\",\"relay\":{\"url\":[{\"x\":1}]}}", "relay.url"),
            ("{\"name\":\"a\",\"relay\":{\"url\":\"wss://a/\",\"url\":\"wss://a/\"}}", "relay.url"),
            ("{\"name\":\"a\",\"relay\":{\"bogus\":1}}", "relay.bogus"),
            ("{\"name\":\"a\",\"relay\":{\"a b\":1}}", "?"),
            ("{\"name\":\"a\",\"relay.url\":\"wss://a/\"}", "relay.url"),
            ("{\"name\":\"a\",\"bogus\":1}", "bogus"),
            ("{\"name\":\"a\",\"\":1}", "?"),
            ("{\"name\":\"a\",\"a`, expected `b\":1}", "?"),
        ] {
            assert_eq!(refused(body), format!("invalid_field {field}"), "{body}");
        }
        let deep = format!("{{\"name\":{}1{}}}", "[".repeat(400_000), "]".repeat(400_000));
        assert_eq!(refused(&deep), "invalid_field name");
    }

    #[test]
    fn a_field_shaped_like_a_key_is_not_repeated() {
        let key = format!("sk_live_{}", "0".repeat(64));
        assert_eq!(refused(&format!("{{\"{key}\":1}}")), "invalid_field ?");
        assert_eq!(refused(&format!("{{\"relay\":{{\"{key}\":1}}}}")), "invalid_field ?");
    }

    #[test]
    fn null_and_absent_are_told_apart() {
        let body: Sample = parse(b"{\"name\":\" a \",\"max_turns\":null,\"voice\":null}").unwrap();
        assert!(matches!(body.voice, Some(None)) && body.max_turns.is_none());
        assert_eq!(String::from(body.name), "a");
        let body: Sample = parse(b"{\"name\":\"a\",\"voice\":\"en+f3\",\"points\":0.05}").unwrap();
        assert!(matches!(body.voice, Some(Some(_))) && body.is_active.is_none());
        assert_eq!(body.points.map(|points| points.0.0), Some(3));
        let body: Sample = parse(b"{\"name\":\"a\",\"relay\":null}").unwrap();
        assert!(matches!(body.relay, Some(None)));
        let body: Sample =
            parse(b"{\"name\":\"a\",\"relay\":{\"url\":\"wss://a.example/\"}}").unwrap();
        assert_eq!(body.relay.unwrap().unwrap().0.url.0.as_str(), "wss://a.example/");
    }

    #[test]
    fn json_is_told_by_its_media_type() {
        for json in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in ["", "text/json", "application/jsonp", "application/json; charset=latin1"] {
            assert!(!is_json(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse::<Sample>(&noise).is_err());
        }

        #[test]
        fn an_unknown_field_is_found_and_its_value_never_repeated(
            field in "[a-z]{3,12}zz", value in "[!-~]{12,30}",
        ) {
            let body = serde_json::json!({"name": "a", &field: value}).to_string();
            prop_assert_eq!(refused(&body), format!("invalid_field {field}"));
        }
    }
}
