//! What may stand in a field: one type per kind of field, and one rule in words per name.
//!
//! A type that exists holds a good value, so nothing behind the body checks again. A name means the
//! same in every body, so its rule stands here once and is what a 422 says; the value never is. Which
//! fields a body has is the business of each resource.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    agent::{
        profile::{Engine, RelayUrl, SignatureProvider},
        secret::SecretName,
        speech::words,
    },
    auth::{self, password::Password},
    dialect,
    key::looks_like_key,
    points::Seconds,
    problem::Problem,
    user::{Email, Role},
};

/// The rule of each field, parameter and header that a 422 can name.
const RULES: &[(&str, &str)] = &[
    ("account_id", "Must be the id of an existing account."),
    ("agent_id", "Must be the id of an existing agent."),
    ("closing_phrase", SPOKEN_RULE),
    ("cursor", "Must be a next_cursor of this list."),
    ("current_password", "Must be a text."),
    (
        "dialect",
        "Must be native, twilio, signalwire, telnyx, plivo, vobiz, vonage, exotel, smartflo, jambonz or asterisk; or null.",
    ),
    ("email", auth::EMAIL_RULE),
    ("end_calls", FLAG_RULE),
    ("engine", "Must be echo or relay."),
    (
        "greeting",
        "Must be 1 to 1,000 characters, no control characters but tabs and line breaks, not shaped like a key, the same at most twenty times in a row; with the engine relay it may be empty or null.",
    ),
    ("Idempotency-Key", "Must be present: 1 to 200 printable characters, not shaped like a key."),
    ("is_active", FLAG_RULE),
    ("is_operator", FLAG_RULE),
    ("key_id", "Must be the id of a key."),
    ("language", "Must be a language tag such as en or en-GB."),
    ("limit", "Must be a whole number from 1 to 200."),
    ("live", FLAG_RULE),
    ("max_concurrent_calls", "Must be a whole number from 1 to 100,000, or null."),
    ("max_duration_seconds", DURATION_RULE),
    ("max_turns", "Must be a whole number from 1 to 10,000, or null."),
    ("name", auth::NAME_RULE),
    (
        "note",
        "Must be 1 to 500 visible characters, no control characters, none that change the direction of writing, not shaped like a key; or null.",
    ),
    ("new_password", auth::password::RULE),
    ("password", auth::password::RULE),
    (
        "points",
        "Must be a multiple of 1/60 point, in range; more than 0 for a top-up, not 0 for an adjustment.",
    ),
    ("relay", "Must be an object with the url of a bot; or null, unless the engine is relay."),
    ("relay.connect_timeout_ms", TIMEOUT_RULE),
    ("relay.first_byte_timeout_ms", TIMEOUT_RULE),
    (
        "relay.secret",
        "Must be the name of an environment variable: UPVOOT_SECRET_ and then A-Z 0-9 _, at most 100 characters; or null.",
    ),
    ("relay.unreachable_phrase", SPOKEN_RULE),
    (
        "relay.url",
        "Must be a wss:// address, or a ws:// address on localhost, 127.0.0.0/8 or [::1]: up to 2,048 characters, no user name, no fragment, not shaped like a key.",
    ),
    ("replaces", "Must be the id of an active key of the same agent, or null."),
    ("retention_days", "Must be a whole number of days from 1 to 36,500, or null."),
    ("role", "Must be owner, member or viewer."),
    ("signature", "Must be an object with provider and secret; or null."),
    ("signature.provider", "Must be twilio or plivo."),
    (
        "signature.secret",
        "Must be the name of an environment variable: UPVOOT_SECRET_ and then A-Z 0-9 _, at most 100 characters.",
    ),
    ("silence_timeout_seconds", DURATION_RULE),
    (
        "system_prompt",
        "Must be up to 20,000 characters, no control characters but tabs and line breaks, not shaped like a key; or null.",
    ),
    (
        "voice",
        "Must be 1 to 64 of A-Z a-z 0-9 _ + . -, the first a letter or digit, not shaped like a key; or null.",
    ),
];
const FLAG_RULE: &str = "Must be true or false.";
const DURATION_RULE: &str = "Must be a whole number of seconds from 1 to 86,400.";
const TIMEOUT_RULE: &str = "Must be a whole number of milliseconds from 100 to 10,000.";
const SPOKEN_RULE: &str = "Must be 1 to 1,000 characters, no control characters but tabs and line breaks, not shaped like a key, the same at most twenty times in a row.";

/// A 422 for a field that breaks its rule.
pub fn fault(field: &str) -> Problem {
    match RULES.iter().find(|(name, _)| *name == field) {
        Some((name, rule)) => Problem::field(*name, *rule),
        None => unknown(field),
    }
}

/// A 422 for a field that is none. Its name is a client's text, so it is repeated only if it looks
/// like a name and not like a key.
pub fn unknown(field: &str) -> Problem {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let repeatable = (1..=40).contains(&field.len())
        && field.bytes().all(name)
        && !field.to_ascii_lowercase().contains(crate::key::PREFIX);
    let field = if repeatable { field.to_owned() } else { "?".to_owned() };
    Problem::field(field, "Unknown field.")
}

/// The text breaks the rule of its field; which rule, the field's name says.
#[derive(Debug, thiserror::Error)]
#[error("refused")]
pub struct Refused;

/// Trims a text and takes it if it is long enough, short enough, printable and no key.
fn text(raw: &str, min: usize, max: usize, controls: &[char]) -> Result<String, Refused> {
    let text = raw.trim();
    let length = text.chars().count();
    let printable = text.chars().all(|c| !c.is_control() || controls.contains(&c));
    // The bound is of what is sent, so that a client can tell it without trimming as we do.
    let bounded = length >= min && raw.chars().count() <= max;
    let good = bounded && printable && !looks_like_key(text);
    good.then(|| text.to_owned()).ok_or(Refused)
}

/// A text of one line that people tell things apart by.
fn name(raw: &str, max: usize) -> Result<String, Refused> {
    crate::text::name(raw, max).filter(|name| !looks_like_key(name)).ok_or(Refused)
}

const LINES: &[char] = &['\t', '\n', '\r'];

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $(($($schema:tt)*))? = |$raw:ident| $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, ToSchema)]
        #[serde(try_from = "String")]
        $(#[schema($($schema)*)])?
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = Refused;

            fn try_from($raw: String) -> Result<Self, Refused> {
                $check.map(Self)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )*};
}

texts! {
    /// What people call something; trimmed.
    Name (min_length = 1, max_length = 200, example = "Front desk") = |raw| name(&raw, 200);
    /// A remark beside a top-up or an adjustment; trimmed.
    Note (min_length = 1, max_length = 500) = |raw| name(&raw, 500);
    /// Something an agent says; trimmed.
    Spoken (min_length = 1, max_length = 1000) = |raw| spoken(&raw, 1);
    /// What an agent says first, or nothing; trimmed.
    Greeting (max_length = 1000) = |raw| spoken(&raw, 0);
    /// Instructions for a language model; trimmed.
    Prompt (max_length = 20000) = |raw| text(&raw, 0, 20_000, LINES);
    /// A BCP 47 language tag.
    Language (max_length = 35, example = "en-GB") = |raw| language(&raw);
    /// A synthesiser's voice: one safe word, for it becomes an argument of a process.
    Voice (min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9_+.-]{0,63}$") = |raw| voice(&raw);
}

/// A text that a person could say: what only repeats is refused.
fn spoken(raw: &str, min: usize) -> Result<String, Refused> {
    let text = text(raw, min, 1_000, LINES)?;
    words::normalised(&text).is_some().then_some(text).ok_or(Refused)
}

fn language(raw: &str) -> Result<String, Refused> {
    let mut parts = raw.split('-');
    let primary = parts
        .next()
        .is_some_and(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let rest =
        parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    (primary && rest && raw.len() <= 35).then(|| raw.to_owned()).ok_or(Refused)
}

fn voice(raw: &str) -> Result<String, Refused> {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'.' | b'-');
    let word = raw.starts_with(|c: char| c.is_ascii_alphanumeric()) && raw.bytes().all(safe);
    (word && raw.len() <= 64 && !looks_like_key(raw)).then(|| raw.to_owned()).ok_or(Refused)
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident = $min:tt..=$max:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
        #[serde(try_from = "i64")]
        #[schema(minimum = $min, maximum = $max)]
        pub struct $name(i32);

        impl TryFrom<i64> for $name {
            type Error = Refused;

            fn try_from(number: i64) -> Result<Self, Refused> {
                match i32::try_from(number) {
                    Ok(number @ $min..=$max) => Ok(Self(number)),
                    _ => Err(Refused),
                }
            }
        }

        impl From<$name> for i32 {
            fn from(number: $name) -> Self {
                number.0
            }
        }
    )*};
}

numbers! {
    /// A length of time in whole seconds.
    DurationSeconds = 1..=86_400;
    /// Turns after which a call ends.
    MaxTurns = 1..=10_000;
    /// Calls at once.
    Cap = 1..=100_000;
    /// Days that calls are kept.
    RetentionDays = 1..=36_500;
    /// A length of time in milliseconds.
    TimeoutMs = 100..=10_000;
}

/// Texts that are something else behind the body: each with how it is read.
macro_rules! read {
    ($($(#[$meta:meta])* $name:ident($type:ty) = |$raw:ident| $read:expr;)*) => {$(
        #[derive(Debug, Clone, Deserialize, ToSchema)]
        #[serde(try_from = "String")]
        $(#[$meta])*
        pub struct $name(pub $type);

        impl TryFrom<String> for $name {
            type Error = Refused;

            fn try_from($raw: String) -> Result<Self, Refused> {
                $read.map(Self).ok_or(Refused)
            }
        }
    )*};
}

read! {
    /// The name of an engine.
    #[schema(value_type = String, example = "echo", pattern = "^(echo|relay)$")]
    EngineName(Engine) = |raw| Engine::from_name(&raw);
    /// The name of a dialect.
    #[schema(value_type = String, example = "twilio")]
    DialectName(dialect::Name) = |raw| dialect::Name::from_name(&raw);
    /// Where a bot listens.
    #[schema(value_type = String, max_length = 2048, example = "wss://bot.example.com/calls")]
    BotUrl(RelayUrl) = |raw| raw.parse().ok();
    /// The name of an environment variable that holds a secret.
    #[schema(value_type = String, max_length = 100, pattern = "^UPVOOT_SECRET_[A-Z0-9_]+$")]
    Secret(SecretName) = |raw| raw.parse().ok();
    /// The name of a provider that signs.
    #[schema(value_type = String, example = "twilio", pattern = "^(twilio|plivo)$")]
    ProviderName(SignatureProvider) = |raw| SignatureProvider::from_name(&raw);
    /// An e-mail address; kept in lower case.
    #[schema(value_type = String, max_length = 254, example = "ada@example.com")]
    EmailAddress(Email) = |raw| Email::parse(&raw).filter(|_| raw.chars().count() <= 254);
    /// The name of a role.
    #[schema(value_type = String, example = "member", pattern = "^(owner|member|viewer)$")]
    RoleName(Role) = |raw| Role::from_name(&raw);
    /// A password to be set.
    #[schema(value_type = String, min_length = 12, max_length = 1024, format = Password)]
    NewPassword(Password) = |raw| Password::new(raw.into());
}

/// A password to be compared.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(from = "String")]
#[schema(value_type = String, format = Password)]
pub struct GivenPassword(pub SecretString);

impl From<String> for GivenPassword {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Points as a JSON number, read from its text so that no digit is lost.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = f64, exclusive_minimum = 0, example = 2.5)]
pub struct Points(pub Seconds);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(value)?;
        Seconds::from_points(raw.get()).map(Self).ok_or_else(|| serde::de::Error::custom(Refused))
    }
}

/// Points of either sign; what a correction takes is negative.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = f64, example = -2.5)]
pub struct SignedPoints(pub Seconds);

impl<'de> Deserialize<'de> for SignedPoints {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(value)?;
        let seconds = Seconds::from_signed_points(raw.get());
        seconds.map(Self).ok_or_else(|| serde::de::Error::custom(Refused))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str =
        concat!("sk_live_", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff");

    fn takes<T: TryFrom<String>>(raw: &str) -> bool {
        T::try_from(raw.to_owned()).is_ok()
    }

    #[test]
    fn texts_have_bounds_and_hold_no_key() {
        let long = |n: usize| "ü".repeat(n);
        assert!(takes::<Name>("a") && takes::<Name>(&long(200)) && takes::<Name>("名前 'x' <b>"));
        for wrong in ["", "  ", "\u{a0}", "a\0b", "a\nb", "a\u{1b}b", KEY, &KEY[..30], &long(201)] {
            assert!(!takes::<Name>(wrong), "{wrong:?}");
        }
        assert!(takes::<Spoken>("Hello.\nAgain.") && !takes::<Spoken>("a\u{7}b"));
        let said = |n: usize| -> String {
            let words: String = (100..400).map(|number| format!("{number}ü ")).collect();
            words.chars().take(n - 1).chain(['.']).collect()
        };
        assert!(takes::<Spoken>(&said(1_000)) && !takes::<Spoken>(&said(1_001)));
        assert!(takes::<Greeting>(&said(1_000)) && !takes::<Greeting>(&said(1_001)));
        assert!(!takes::<Spoken>(&"㍻".repeat(990)) && !takes::<Greeting>(&"ha ".repeat(300)));
        assert!(takes::<Prompt>("") && takes::<Prompt>(&long(20_000)));
        assert!(
            !takes::<Prompt>(&long(20_001)) && !takes::<Prompt>("a\0") && !takes::<Prompt>(KEY)
        );
        assert!(takes::<Note>(&long(500)) && !takes::<Note>(&long(501)) && !takes::<Note>(KEY));
    }

    #[test]
    fn a_voice_is_one_safe_word() {
        for good in ["en-us+f3", "af", "mb-us1", "a.b_c", &"a".repeat(64)] {
            assert!(takes::<Voice>(good), "{good}");
        }
        for wrong in
            ["", "-x", "--stdin", "../en", "a b", "a;b", "ü", "+f3", &"a".repeat(65), &KEY[..60]]
        {
            assert!(!takes::<Voice>(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_language_is_a_tag() {
        for good in ["en", "en-GB", "zh-Hant-TW", "sl-rozaj-biske-1994"] {
            assert!(takes::<Language>(good), "{good}");
        }
        for wrong in ["", "e", "en_GB", "en-", "-en", "12", "englishlanguage", "en--GB", "e n"] {
            assert!(!takes::<Language>(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_rule_of_dialects_names_them_all() {
        let (_, rule) = RULES.iter().find(|(name, _)| *name == "dialect").unwrap();
        for dialect in dialect::Name::ALL {
            assert!(rule.contains(dialect.as_str()), "{dialect:?}");
        }
    }

    #[test]
    fn every_rule_is_found_by_its_name() {
        for (name, rule) in RULES {
            let problem = fault(name);
            assert_eq!(problem.named_field(), Some(*name));
            assert!(rule.ends_with('.') && rule.starts_with("Must be "), "{rule}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in "\\PC{0,80}") {
            let _ = takes::<Name>(&noise);
            let _ = takes::<Voice>(&noise);
            let _ = takes::<Language>(&noise);
            let _ = unknown(&noise);
        }

        #[test]
        fn what_is_let_in_is_what_it_says(number in any::<i64>()) {
            prop_assert_eq!(Cap::try_from(number).is_ok(), (1..=100_000).contains(&number));
        }
    }
}
