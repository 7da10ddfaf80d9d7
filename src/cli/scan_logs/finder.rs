//! Finds keys in a stream of bytes of any kind, however they are written down.
//!
//! Pure: pieces of bytes in, findings out. It knows no file and no database.

use zeroize::Zeroize;

use crate::key::{PREFIX, PlainKey};

/// Hex digits in a key.
const DIGITS: usize = 64;
/// How many times over a character may be percent-encoded and still be read.
const ENCODINGS: usize = 3;
/// NUL bytes that may stand between two characters: in UTF-16 there is one, in UTF-32 three.
const NULS: usize = 3;

/// A key in a stream.
pub struct Found {
    /// The key, in its canonical form, whatever it was written like.
    pub key: PlainKey,
    /// Bytes before it.
    pub offset: u64,
    /// The line it begins on, from 1.
    pub line: u64,
}

/// Reads a stream piece by piece. A piece may end anywhere, also in a key.
#[derive(Default)]
pub struct Finder {
    /// What might be the beginning of a key, from the piece before.
    rest: Vec<u8>,
    offset: u64,
    newlines: u64,
}

enum Match {
    No,
    /// It could be one, if more bytes came.
    Perhaps,
    Key {
        key: PlainKey,
        len: usize,
    },
}

impl Finder {
    /// Takes the next piece and gives the keys that end in it.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<Found> {
        self.rest.extend_from_slice(piece);
        self.search(false)
    }

    /// The end of the stream: nothing more can become a key.
    pub fn finish(mut self) -> Vec<Found> {
        let found = self.search(true);
        self.rest.zeroize();
        found
    }

    fn search(&mut self, at_end: bool) -> Vec<Found> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(&byte) = self.rest.get(at) {
            let matched = match byte {
                b's' | b'S' | b'%' | b'\\' => key_at(&self.rest[at..]),
                _ => Match::No,
            };
            match matched {
                Match::Perhaps if !at_end => break,
                Match::Key { key, len } => {
                    found.push(Found { key, offset: self.offset, line: self.newlines + 1 });
                    // A key holds no line break.
                    at += len;
                    self.offset += len as u64;
                }
                Match::No | Match::Perhaps => {
                    self.newlines += u64::from(byte == b'\n');
                    at += 1;
                    self.offset += 1;
                }
            }
        }
        self.rest.drain(..at);
        found
    }
}

/// Whether a key begins here. More than 64 digits are one too: whatever follows a key in a log may
/// well begin with one of a to f.
fn key_at(bytes: &[u8]) -> Match {
    let mut text = [0u8; PREFIX.len() + DIGITS];
    let mut at = 0;
    for (n, character) in text.iter_mut().enumerate() {
        let (byte, len) = match character_at(&bytes[at..], ENCODINGS) {
            Character::Is(byte, len) => (byte.to_ascii_lowercase(), len),
            Character::Cut => return Match::Perhaps,
            Character::None => return Match::No,
        };
        let fits = PREFIX.as_bytes().get(n).map_or(byte.is_ascii_hexdigit(), |p| *p == byte);
        if !fits {
            return Match::No;
        }
        *character = byte;
        at += len;
        // The NULs of wide characters; none after the last.
        if n + 1 < PREFIX.len() + DIGITS {
            at += bytes[at..].iter().take(NULS).take_while(|b| **b == 0).count();
        }
    }
    let key = PlainKey::parse(&text);
    text.zeroize();
    key.map_or(Match::No, |key| Match::Key { key, len: at })
}

enum Character {
    Is(u8, usize),
    Cut,
    None,
}

/// The character at the start of the bytes, freed of percent-encoding and JSON's `\u005f`, with the
/// number of bytes it takes.
fn character_at(bytes: &[u8], encodings: usize) -> Character {
    let (escape, mut at) = match bytes {
        [] => return Character::Cut,
        [b'%', ..] => (&b"%"[..], 1),
        [b'\\', ..] => (&b"\\u00"[..], 4),
        [byte, ..] => return Character::Is(*byte, 1),
    };
    if !bytes.starts_with(escape) {
        let cut = bytes.len() < escape.len() && escape.starts_with(bytes);
        return if cut { Character::Cut } else { Character::None };
    }
    let mut value = 0;
    for _ in 0..2 {
        // A digit of an escape can be escaped itself.
        let digit = match bytes.get(at) {
            Some(b'%') if encodings == 0 => Character::None,
            _ => character_at(&bytes[at..], encodings.saturating_sub(1)),
        };
        match digit {
            Character::Is(digit, len) => match char::from(digit).to_digit(16) {
                Some(digit) => {
                    value = value * 16 + digit;
                    at += len;
                }
                None => return Character::None,
            },
            other => return other,
        }
    }
    let byte = u8::try_from(value).unwrap_or_default();
    if byte == b'%' && encodings > 0 {
        // %25 5F: what is encoded is the beginning of another encoding.
        return encoded_again(bytes, at, encodings - 1);
    }
    Character::Is(byte, at)
}

/// After a `%` that was itself encoded, and ended at `at`: two digits make the character.
fn encoded_again(bytes: &[u8], at: usize, encodings: usize) -> Character {
    let mut joined = Vec::with_capacity(1 + bytes.len().min(64));
    joined.push(b'%');
    joined.extend(bytes[at..].iter().take(64));
    match character_at(&joined, encodings) {
        Character::Is(byte, len) => Character::Is(byte, at + len - 1),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str =
        concat!("sk_live_", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff");

    /// What is found when the stream comes in pieces of that many bytes.
    fn found(stream: &[u8], piece: usize) -> Vec<(String, u64, u64)> {
        let mut finder = Finder::default();
        let mut all: Vec<Found> = stream.chunks(piece).flat_map(|p| finder.feed(p)).collect();
        all.extend(finder.finish());
        all.iter().map(|f| (f.key.expose().to_owned(), f.offset, f.line)).collect()
    }

    fn percent(text: &str) -> String {
        text.bytes().map(|b| format!("%{b:02X}")).collect()
    }

    fn wide(text: &str, before: usize, after: usize) -> Vec<u8> {
        let zeros = |n| std::iter::repeat_n(0, n);
        text.bytes().flat_map(|b| zeros(before).chain([b]).chain(zeros(after))).collect()
    }

    #[test]
    fn every_way_to_write_a_key_is_found_wherever_the_pieces_end() {
        let forms: Vec<Vec<u8>> = vec![
            KEY.into(),
            KEY.to_uppercase().into(),
            KEY.replace("aa", "Aa").into(),
            KEY.replace('_', "%5F").into(),
            KEY.replace('_', "%5f").into(),
            KEY.replace('_', "%255F").into(),
            KEY.replace('_', "%25255f").into(),
            KEY.replace('_', "\\u005f").into(),
            percent(KEY).into(),
            percent(&percent(KEY)).into(),
            format!("{KEY}e").into(),
        ];
        for form in forms {
            let mut stream = b"s\n%%2\\u00\nGET /voice/".to_vec();
            let offset = stream.len() as u64;
            stream.extend_from_slice(&form);
            stream.extend_from_slice(b"\xff\xfe HTTP/1.1\n");
            let expected = vec![(KEY.to_owned(), offset, 3)];
            for piece in [1, 2, 3, 7, 64, 1_000] {
                let shown = String::from_utf8_lossy(&form);
                assert_eq!(found(&stream, piece), expected, "{shown} in pieces of {piece}");
            }
        }
        for (before, after) in [(0, 1), (1, 0), (0, 3), (3, 0)] {
            let stream = wide(&format!("key\n{KEY}\n"), before, after);
            let all = found(&stream, 5);
            assert_eq!(all.len(), 1, "{before} {after}");
            assert_eq!((all[0].0.as_str(), all[0].2), (KEY, 2));
        }
    }

    #[test]
    fn what_is_no_key_is_not_found() {
        for text in [
            &KEY[..71],
            "sk_live_",
            "sk_test_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
            &KEY.replace("ff", "fg"),
            &KEY.replace('_', "%5G"),
            &KEY.replace('_', " "),
        ] {
            assert_eq!(found(text.as_bytes(), 16), [], "{text}");
        }
    }

    #[test]
    fn several_keys_are_told_apart_and_counted_by_line() {
        let other = KEY.replace("00", "12");
        let stream = format!("{KEY}{other}\n\nsk_live_sk_live_{KEY}");
        let all = found(stream.as_bytes(), 10);
        let places: Vec<_> = all.iter().map(|(_, offset, line)| (*offset, *line)).collect();
        assert_eq!(places, [(0, 1), (72, 1), (162, 3)]);
        assert_eq!(all[1].0, other);
    }

    #[test]
    fn memory_does_not_grow_with_what_looks_like_a_beginning() {
        let mut finder = Finder::default();
        for _ in 0..1_000 {
            assert!(finder.feed(percent("sk_live_0").repeat(10).as_bytes()).is_empty());
            assert!(finder.rest.len() < 2_000, "{}", finder.rest.len());
        }
    }

    proptest! {
        #[test]
        fn a_key_in_noise_is_found_once(
            before in proptest::collection::vec(any::<u8>(), 0..200),
            after in proptest::collection::vec(any::<u8>(), 0..200),
            piece in 1usize..100,
        ) {
            let stream = [&before[..], KEY.as_bytes(), &after].concat();
            let all = found(&stream, piece);
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!(all[0].1, before.len() as u64);
        }
    }
}
