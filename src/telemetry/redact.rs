//! The last line of defence: no byte leaves for the log that could be a key.
//!
//! Nothing is supposed to log a key in the first place; this is for the day somebody does. It looks
//! at the finished line, so it covers fields, messages, spans, dependencies and panics alike. It
//! knows nothing of events; [`super::subscriber`] puts it between the formatter and the output.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;
use crate::key::PREFIX;

/// Hex digits in a row that are taken for a secret: more than an id has (32), fewer than a key or a
/// hash has (64), so that most of a key is noticed too.
const LONG_RUN: usize = 48;

const REDACTED: &[u8] = b"[redacted]";

/// The line without anything shaped like a key: `sk_live_` and the word it begins, in any case and
/// percent-encoded up to three times over, and any run of 48 or more hex digits.
///
/// A line of JSON stays the same JSON around it: nothing that is replaced holds a quote, a backslash
/// or a part of an escape.
pub fn redact(line: &[u8], format: LogFormat) -> Cow<'_, [u8]> {
    let mut clean: Vec<u8> = Vec::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        let rest = line.get(at..).unwrap_or_default();
        let secret = match byte {
            b'\\' if format == LogFormat::Json => {
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
            clean.extend_from_slice(&line[kept..at]);
            clean.extend_from_slice(REDACTED);
            at += len;
            kept = at;
        } else {
            at += 1;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(line);
    }
    clean.extend_from_slice(&line[kept..]);
    Cow::Owned(clean)
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

/// Makes writers whose every line is redacted.
pub(super) struct Redacting<M> {
    pub(super) inner: M,
    pub(super) format: LogFormat,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { inner: self.inner.make_writer(), format: self.format }
    }
}

/// Takes one finished line per write, as tracing-subscriber's formatter gives it.
pub(super) struct Line<W> {
    inner: W,
    format: LogFormat,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let clean = redact(line, self.format);
        let end = clean.len() - usize::from(clean.ends_with(b"\n"));
        if self.format == LogFormat::Text && clean[..end].contains(&b'\n') {
            // One event is one line, or a value could forge the next one.
            let mut one_line = clean.into_owned();
            one_line[..end].iter_mut().filter(|b| **b == b'\n').for_each(|b| *b = b' ');
            self.inner.write_all(&one_line)?;
        } else {
            self.inner.write_all(&clean)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn text(line: &str) -> String {
        String::from_utf8(redact(line.as_bytes(), LogFormat::Text).into_owned()).unwrap()
    }

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
            assert_eq!(text(&format!("GET /voice/{shown}")), "GET /voice/[redacted]", "{shown}");
            let quoted = format!("\"{shown}\" and \"{shown}\"");
            assert_eq!(text(&quoted), "\"[redacted]\" and \"[redacted]\"");
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
            assert_eq!(text(line), line);
            assert!(matches!(redact(line.as_bytes(), LogFormat::Json), Cow::Borrowed(_)));
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
            let clean = redact(line.to_string().as_bytes(), LogFormat::Json).into_owned();
            let clean: serde_json::Value = serde_json::from_slice(&clean).unwrap();
            let message = clean["message"].as_str().unwrap();
            prop_assert!(message.contains("[redacted]"), "{message:?}");
            prop_assert!(!message.contains(&secret[secret.len() - 32..]), "{message:?}");
            prop_assert_eq!(&clean["n"], 1);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = redact(&noise, LogFormat::Json);
            let _ = redact(&noise, LogFormat::Text);
        }
    }
}
