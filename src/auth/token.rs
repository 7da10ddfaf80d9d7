//! Random tokens that stand for something else: a session, the set-up link.
//!
//! A token leaves once, to the one it is for; what is stored is its SHA-256. 32 random bytes cannot
//! be guessed, so a fast hash is enough. What a token opens is not known here.

use std::fmt;

use rand::{TryRng, rngs::SysRng};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::problem::{Code, Problem};

/// Random bytes in a token.
const BYTES: usize = 32;

/// What is stored of a token.
pub type TokenHash = [u8; 32];

/// A token in the clear: 64 lowercase hex characters. `Debug` shows nothing of it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Token(String);

impl Token {
    /// A new one from the operating system's CSPRNG.
    ///
    /// # Errors
    /// 500 when the operating system has no randomness to give.
    pub fn generate() -> Result<Self, Problem> {
        let mut secret = [0; BYTES];
        SysRng.try_fill_bytes(&mut secret).map_err(|error| {
            tracing::error!(%error, "no randomness from the operating system for a token");
            Code::Internal
        })?;
        let token = Self(hex::encode(secret));
        secret.zeroize();
        Ok(token)
    }

    /// Takes a token in its one form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (digits && text.len() == 2 * BYTES).then(|| Self(text.to_owned()))
    }

    /// The secret text, for the one it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up.
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_form_and_is_never_the_same() {
        let (a, b) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(a.expose(), b.expose());
        assert_eq!(Token::parse(a.expose()).unwrap().hash(), a.hash());
        assert_ne!(a.hash(), b.hash());
        assert_eq!(format!("{a:?}"), "Token(…)");
        let text = a.expose();
        for wrong in ["", &text[1..], &format!("{text}0"), &"A".repeat(64), &"é".repeat(32)] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }
}
