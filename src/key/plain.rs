//! The secret: parsed in one canonical form, generated from the operating system, never printed.

use std::fmt;

use rand::{TryRng, rngs::SysRng};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{KeyHash, KeySuffix};

/// What every key starts with.
pub const PREFIX: &str = "sk_live_";
/// Random bytes in a key.
const SECRET_BYTES: usize = 32;
/// Bytes of the whole key text: the prefix and two lowercase hex digits for each random byte.
const LEN: usize = PREFIX.len() + 2 * SECRET_BYTES;

/// A whole key, in the clear. It has no `Display`, no `Serialize` and no `Clone`; `Debug` shows the
/// suffix; the memory is wiped when it is dropped. [`PlainKey::expose`] is the only way to its text.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PlainKey([u8; LEN]);

/// The text is not a key in its one canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key")]
pub struct Malformed;

impl PlainKey {
    /// A new key from the operating system's CSPRNG.
    ///
    /// # Errors
    /// When the operating system has no randomness to give; no key is better than a weak one.
    pub fn generate() -> Result<Self, rand::rngs::SysError> {
        let mut secret = [0u8; SECRET_BYTES];
        SysRng.try_fill_bytes(&mut secret)?;
        let mut key = [0u8; LEN];
        key[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        hex::encode_to_slice(secret, &mut key[PREFIX.len()..])
            .expect("the slice is twice as long as the secret");
        secret.zeroize();
        Ok(Self(key))
    }

    /// Takes `sk_live_` and 64 lowercase hex characters, and nothing else: no upper case, no
    /// percent-encoding, nothing longer or shorter.
    ///
    /// # Errors
    /// [`Malformed`] for any other bytes.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let key: [u8; LEN] = text.try_into().map_err(|_| Malformed)?;
        let digits = key.strip_prefix(PREFIX.as_bytes()).ok_or(Malformed)?;
        if digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(key))
        } else {
            Err(Malformed)
        }
    }

    /// SHA-256 of the whole text: what is stored and looked up.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// The last eight characters: what people see.
    pub fn suffix(&self) -> KeySuffix {
        KeySuffix::of(&self.0)
    }

    /// The secret text. For the answer that creates the key and for the terminal phone; before you
    /// call it anywhere else, ask what could print, log or store the result.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a key is ASCII by construction")
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainKey(…{})", self.suffix())
    }
}

/// Whether a text holds something that could be a key or most of one: such a text is refused as a
/// name, a note or a field, so that a slip of the clipboard does not store a secret.
pub fn looks_like_key(text: &str) -> bool {
    text.match_indices(PREFIX).any(|(at, _)| {
        let digits = text[at + PREFIX.len()..].bytes().take_while(u8::is_ascii_hexdigit);
        digits.count() >= 16
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str =
        concat!("sk_live_", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff");

    #[test]
    fn the_canonical_form_is_the_only_form() {
        assert_eq!(
            PlainKey::parse(GOOD.as_bytes()).map(|k| k.expose().to_owned()),
            Ok(GOOD.to_owned())
        );
        let wrong = [
            String::new(),
            "sk_live_".to_owned(),
            GOOD[..GOOD.len() - 1].to_owned(),
            format!("{GOOD}0"),
            format!("{GOOD}/"),
            GOOD.to_uppercase(),
            GOOD.replace("aa", "AA"),
            GOOD.replace("sk_live_", "sk_test_"),
            GOOD.replace("00", "0g"),
            GOOD.replace('_', "%5F"),
            format!(" {GOOD}"),
        ];
        for text in wrong {
            assert_eq!(PlainKey::parse(text.as_bytes()).err(), Some(Malformed), "{text:?}");
        }
    }

    #[test]
    fn the_key_of_the_public_documentation_has_63_digits_and_is_malformed() {
        let documented = "sk_live_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0";
        assert_eq!(documented.len(), LEN - 1);
        assert_eq!(PlainKey::parse(documented.as_bytes()).err(), Some(Malformed));
    }

    #[test]
    fn a_generated_key_is_canonical_and_never_the_same() {
        let (a, b) = (PlainKey::generate().unwrap(), PlainKey::generate().unwrap());
        assert!(PlainKey::parse(a.expose().as_bytes()).is_ok());
        assert_ne!(a.expose(), b.expose());
        assert_eq!(a.expose().len(), 72);
    }

    #[test]
    fn debug_shows_the_suffix_only() {
        let key = PlainKey::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), "PlainKey(…ccddeeff)");
    }

    #[test]
    fn a_text_with_most_of_a_key_in_it_is_noticed() {
        assert!(looks_like_key(GOOD));
        assert!(looks_like_key(&format!("my key is {}", &GOOD[..40])));
        assert!(!looks_like_key("sk_live_ is how keys start"));
        assert!(!looks_like_key("deadbeef"));
    }

    proptest! {
        #[test]
        fn noise_is_malformed_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(PlainKey::parse(&bytes).is_err());
            let _ = looks_like_key(&String::from_utf8_lossy(&bytes));
        }
    }
}
