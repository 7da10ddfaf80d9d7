//! What is kept of a key: its SHA-256 and its last eight characters.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// SHA-256 of a whole key. Equality is constant-time; `Debug` shows nothing of it.
///
/// It is `Hash` so that the registry can remember revoked keys: what an attacker could time there
/// is a digest he cannot steer.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    pub(super) fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The 32 bytes, for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash read back from the store; `None` unless it is 32 bytes long.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl std::hash::Hash for KeyHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// The last eight characters of a key: enough to tell one's keys apart, too little to guess one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeySuffix([u8; 8]);

impl KeySuffix {
    pub(super) fn of(key: &[u8; 72]) -> Self {
        let mut suffix = [0; 8];
        suffix.copy_from_slice(&key[64..]);
        Self(suffix)
    }

    /// A suffix read back from the store; `None` unless it is eight lowercase hex characters.
    pub fn from_stored(text: &str) -> Option<Self> {
        let bytes: [u8; 8] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(bytes))
    }

    /// The eight characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a suffix is ASCII by construction")
    }
}

impl fmt::Display for KeySuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeySuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::PlainKey;
    use super::*;

    #[test]
    fn hash_and_suffix_are_of_the_whole_text() {
        let text = concat!(
            "sk_live_",
            "00112233445566778899aabbccddeeff",
            "00112233445566778899aabbccddeeff"
        );
        let key = PlainKey::parse(text.as_bytes()).unwrap();
        assert_eq!(hex::encode(key.hash().as_bytes()), hex::encode(Sha256::digest(text)));
        assert_eq!(key.suffix().as_str(), "ccddeeff");
        assert_eq!(KeyHash::from_stored(key.hash().as_bytes()), Some(key.hash()));
        assert_eq!(format!("{:?}", key.hash()), "KeyHash(…)");
        assert_eq!(KeyHash::from_stored(&[0; 31]), None);
        assert_eq!(KeySuffix::from_stored("CCDDEEFF"), None);
    }
}
