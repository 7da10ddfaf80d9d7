//! Finds what is shaped like a key in a text, and takes it out.
//!
//! For what others write and we keep: log lines, and what a provider or a bot tells of a call. It is
//! generous: better an id too many than a key. Exact search, for people who look for a leak, is in
//! `cli`.

use std::borrow::Cow;

use super::PREFIX;

/// Hex digits in a row that are taken for a secret: more than an id has (32), fewer than a key or a
/// hash has (64), so that most of a key is noticed too.
const LONG_RUN: usize = 48;

const REDACTED: &[u8] = b"[redacted]";

/// The text without anything shaped like a key: `sk_live_` and the word it begins, in any case and
/// percent-encoded up to three times over, and any run of 48 or more hex digits.
///
/// JSON, if it is said to be, stays the same JSON around it: nothing that is replaced holds a quote, a
/// backslash or a part of an escape.
pub fn redact_bytes(text: &[u8], is_json: bool) -> Cow<'_, [u8]> {
    let mut clean: Vec<u8> = Vec::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let secret = match byte {
            b'\\' if is_json => {
                // `\b` and `\u001f` are one character each, and their letters no hex digits.
                at += if rest.get(1) == Some(&b'u') { 6 } else { 2 };
                continue;
            }
            b's' | b'S' => key_word(rest),
            b'%' => key_word(rest).or_else(|| long_run(rest).ok()),
            _ if byte.is_ascii_hexdigit() => match long_run(rest) {
                Ok(len) => Some(len),
                Err(len) => {
                    at += len;
                    continue;
                }
            },
            _ => None,
        };
        if let Some(len) = secret {
            clean.extend_from_slice(&text[kept..at]);
            clean.extend_from_slice(REDACTED);
            at += len;
            kept = at;
        } else {
            at += 1;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    clean.extend_from_slice(&text[kept..]);
    Cow::Owned(clean)
}

/// A text without anything shaped like a key: what others tell is kept like this.
pub fn redact(text: &str) -> Cow<'_, str> {
    match redact_bytes(text.as_bytes(), false) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        // Only ASCII is replaced, so nothing is lost here.
        Cow::Owned(clean) => Cow::Owned(String::from_utf8_lossy(&clean).into_owned()),
    }
}

/// How many times over a text may be percent-encoded and still be read; a bound for hostile input.
const ENCODINGS: u8 = 3;

/// The first character of a text, percent-decoded, and the bytes it takes.
fn character(text: &[u8]) -> Option<(u8, usize)> {
    decoded(text, ENCODINGS)
}

fn decoded(text: &[u8], encodings: u8) -> Option<(u8, usize)> {
    let mut byte = *text.first()?;
    let mut len = 1;
    for _ in 0..encodings {
        if byte != b'%' {
            break;
        }
        // A digit of an escape can be escaped itself.
        let digit = |at: usize| {
            let (digit, taken) = decoded(text.get(at..)?, encodings - 1)?;
            Some((u8::try_from(char::from(digit).to_digit(16)?).ok()?, at + taken))
        };
        let Some((high, end)) = digit(len) else { break };
        let Some((low, end)) = digit(end) else { break };
        byte = high << 4 | low;
        len = end;
    }
    Some((byte, len))
}

/// The length of the word that begins with a key's prefix, if the text begins with one.
fn key_word(text: &[u8]) -> Option<usize> {
    let mut len = 0;
    for expected in PREFIX.bytes() {
        let (byte, taken) = character(text.get(len..)?)?;
        if byte.to_ascii_lowercase() != expected {
            return None;
        }
        len += taken;
    }
    let word = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%');
    let digits = text.get(len..)?.iter().take_while(word).count();
    (digits > 0).then_some(len + digits)
}

/// The bytes that hex digits take at the start of the text: `Ok` if there are many, else `Err`.
fn long_run(text: &[u8]) -> Result<usize, usize> {
    let (mut digits, mut len) = (0, 0);
    while let Some((byte, taken)) = character(text.get(len..).unwrap_or_default()) {
        if !byte.is_ascii_hexdigit() {
            break;
        }
        digits += 1;
        len += taken;
    }
    if digits >= LONG_RUN { Ok(len) } else { Err(len) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn encoded(text: &str) -> String {
        text.bytes().map(|b| format!("%{b:02x}")).collect()
    }

    #[test]
    fn a_key_in_any_clothes_is_gone() {
        let key = format!("sk_live_{DIGITS}");
        let twice = encoded(&encoded(&key));
        for shown in [
            key.clone(),
            key.to_uppercase(),
            key.replace('_', "%5F"),
            key.replace('_', "%255f"),
            encoded(&key),
            twice,
            format!("sk_live_{}", encoded(DIGITS)),
            DIGITS.to_owned(),
            DIGITS[..48].to_owned(),
            encoded(DIGITS),
            key[..20].to_owned(),
            key.replace("aa", "zz"),
        ] {
            assert_eq!(redact(&format!("GET /voice/{shown}")), "GET /voice/[redacted]", "{shown}");
            let quoted = format!("\"{shown}\" and \"{shown}\"");
            assert_eq!(redact(&quoted), "\"[redacted]\" and \"[redacted]\"");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        for line in [
            "",
            "call_0190aabbccddeeff0011223344556677 ended, key …ccddeeff",
            "keys begin with sk_live_",
            "100%, %zz, %, %5",
            "s sk sk_ sk_live sk_lives",
            &DIGITS[..47],
        ] {
            assert_eq!(redact(line), line);
            assert!(matches!(redact_bytes(line.as_bytes(), true), Cow::Borrowed(_)));
        }
    }

    proptest! {
        #[test]
        fn json_stays_json(
            before in "[\\x00-\\x1f\"\\\\%a-f0-9]{0,8}", after in "[\\x00-\\x1f\"\\\\%a-f0-9]{0,8}",
            upper in any::<bool>(), prefix in any::<bool>(),
        ) {
            let secret = format!("{}{DIGITS}", if prefix { "sk_live_" } else { "" });
            let secret = if upper { secret.to_uppercase() } else { secret };
            let line = serde_json::json!({"message": format!("{before}{secret}{after}"), "n": 1});
            let clean = redact_bytes(line.to_string().as_bytes(), true).into_owned();
            let clean: serde_json::Value = serde_json::from_slice(&clean).unwrap();
            let message = clean["message"].as_str().unwrap();
            prop_assert!(message.contains("[redacted]"), "{message:?}");
            prop_assert!(!message.contains(&secret[secret.len() - 32..]), "{message:?}");
            prop_assert_eq!(&clean["n"], 1);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = redact_bytes(&noise, true);
            let _ = redact_bytes(&noise, false);
        }

        #[test]
        fn around_a_key_a_text_stays_as_it_is(before in "[^sS%a-fA-F0-9]{0,9}", after in "[^%a-zA-Z0-9_-]{0,9}") {
            let text = format!("{before}sk_live_{DIGITS}{after}");
            prop_assert_eq!(redact(&text), format!("{before}[redacted]{after}"));
        }
    }
}
