//! Passwords: argon2id with OWASP's parameters, on threads that may block, a few at a time.
//!
//! A comparison takes its tens of milliseconds and 19 MiB whether there is a user to compare with or
//! not, so that its time does not tell who has a user here. Whose turn it is is decided in `turns`, who
//! asks how often is counted in `guesses`.

use std::{sync::LazyLock, thread};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{self, Output, ParamsString, Salt},
};
use rand::{TryRng, rngs::SysRng};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::task::spawn_blocking;

use super::turns::{Party, Turn, Turns};
use crate::{
    problem::{Code, Problem},
    user::{Email, PasswordHash},
};

/// Characters of a password.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=1024;
/// Bytes of a salt.
const SALT: usize = 16;
/// Bytes of a hash.
const HASH: usize = 32;

/// The rule for a new password, in words.
pub const RULE: &str = "Must be 12 to 1,024 characters that are hard to guess: no common password, no simple pattern, not the e-mail address.";

/// A password that may be set: long enough, not so long that hashing it is an attack, and not among
/// the first million that a guesser tries. `Debug` shows nothing of it.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Takes a text of 12 to 1,024 characters that is hard to guess, as it is.
    pub fn new(text: SecretString) -> Option<Self> {
        let length = text.expose_secret().chars().count();
        let good = LENGTH.contains(&length) && is_hard_to_guess(text.expose_secret(), &["upvoot"]);
        good.then_some(Self(text))
    }

    /// Whether it is hard to guess for somebody who knows the address it is for.
    pub fn suits(&self, email: &Email) -> bool {
        let parts: Vec<&str> =
            email.as_str().split(['@', '.']).chain([email.as_str(), "upvoot"]).collect();
        is_hard_to_guess(self.0.expose_secret(), &parts)
    }

    /// The text, to be compared.
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

/// Whether more than a million guesses come before it, by zxcvbn's estimate: those that need no more get
/// a score of 0 or 1. It looks at the first hundred characters, which bounds what it costs.
fn is_hard_to_guess(text: &str, known: &[&str]) -> bool {
    zxcvbn::zxcvbn(text, known).score() >= zxcvbn::Score::Two
}

/// Hashes and compares, as many at a time as there are processors.
pub(super) struct Hasher {
    turns: Turns,
}

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
fn params() -> Params {
    Params::new(19 * 1024, 2, 1, Some(HASH)).expect("these parameters are in range")
}

/// Fills `out` with the hash, in the turn's memory.
fn fill(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    turn: &mut Turn,
) -> argon2::Result<()> {
    let memory = turn.memory(argon2.params().block_count());
    argon2.hash_password_into_with_memory(password, salt, out, memory)
}

fn hash(password: &str, turn: &mut Turn) -> Option<PasswordHash> {
    match phc(password, turn) {
        Ok(phc) => Some(PasswordHash::from_stored(phc)),
        Err(error) => {
            tracing::error!(error, "a password could not be hashed");
            None
        }
    }
}

/// What is stored of a password, as a PHC string.
fn phc(password: &str, turn: &mut Turn) -> Result<String, String> {
    let (mut salt, mut out) = ([0; SALT], [0; HASH]);
    SysRng.try_fill_bytes(&mut salt).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params());
    fill(&argon2, password.as_bytes(), &salt, &mut out, turn).map_err(|error| error.to_string())?;
    written(&salt, &out).map_err(|error| error.to_string())
}

fn written(salt: &[u8], hash: &[u8]) -> Result<String, argon2::password_hash::Error> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params())?,
        salt: Some(Salt::new(salt)?),
        hash: Some(Output::new(hash)?),
    };
    Ok(hash.to_string())
}

/// Whether this is the password behind the hash, by the parameters that the hash was made with. What is
/// no hash of ours matches nothing.
fn is_behind(password: &[u8], stored: &PasswordHash, turn: &mut Turn) -> Option<bool> {
    let stored = phc::PasswordHash::new(stored.as_str()).ok()?;
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
    let version = stored.version.and_then(|version| Version::try_from(version).ok())?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored).ok()?);
    let (salt, hash) = (stored.salt?, stored.hash?);
    let mut out = vec![0; hash.as_bytes().len()];
    fill(&argon2, password, salt.as_ref(), &mut out, turn).ok()?;
    Some(out.ct_eq(hash.as_bytes()).into())
}

/// What is compared with when there is no user: the hash of a password that is nobody's.
static NOBODY: LazyLock<PasswordHash> = LazyLock::new(|| {
    let phc = written(&[0x5a; SALT], &[0xa5; HASH]).expect("both are of the length they need");
    PasswordHash::from_stored(phc)
});

impl Hasher {
    pub(super) fn new() -> Self {
        Self { turns: Turns::new(thread::available_parallelism().map_or(2, usize::from)) }
    }

    /// What to store of a password.
    pub(super) async fn hash(
        &self,
        party: Party,
        password: Password,
    ) -> Result<PasswordHash, Problem> {
        let work = move |turn: &mut Turn| hash(password.0.expose_secret(), turn);
        Ok(self.run(party, work).await?.ok_or(Code::Internal)?)
    }

    /// Whether this is the password behind the hash; without a hash it is not, in the same time.
    pub(super) async fn matches(
        &self,
        party: Party,
        given: SecretString,
        stored: Option<PasswordHash>,
    ) -> Result<bool, Problem> {
        self.run(party, move |turn| {
            // A text that cannot have been set is compared too, cut to what can be.
            let given = given.expose_secret();
            let end = given.char_indices().nth(*LENGTH.end()).map_or(given.len(), |(at, _)| at);
            let hash = stored.as_ref().unwrap_or(&NOBODY);
            let same = is_behind(&given.as_bytes()[..end], hash, turn).unwrap_or(false);
            stored.is_some() && same && end == given.len()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        party: Party,
        work: impl FnOnce(&mut Turn) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let mut turn = self.turns.take(party).await?;
        let done = spawn_blocking(move || work(&mut turn)).await;
        done.map_err(|error| {
            tracing::error!(%error, "a password's thread failed");
            Code::Internal.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn a_password_has_its_length_in_characters() {
        let long = |n: usize| format!("seven quiet otters{}", "ü".repeat(n - 18));
        for good in ["twelve chars", "żółte łódki", &long(1024)] {
            let good = format!("{good:ł<12}");
            assert!(Password::new(secret(&good)).is_some(), "{good}");
        }
        for wrong in ["", "eleven char", &"ü".repeat(11), &long(1025)] {
            assert!(Password::new(secret(wrong)).is_none(), "{wrong}");
        }
        let shown = format!("{:?}", Password::new(secret("twelve chars")).unwrap());
        assert!(!shown.contains("twelve"), "{shown}");
    }

    #[test]
    fn a_password_that_everybody_tries_first_is_none() {
        for common in [
            "password1234",
            "Password1234!",
            "qwertyuiop12",
            "123456789012",
            "aaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabc",
            "iloveyouiloveyou",
            "upvootupvoot",
            "admin1234567",
            &"password".repeat(10),
        ] {
            assert!(Password::new(secret(common)).is_none(), "{common}");
        }
        let ada = Email::parse("ada.lovelace@analytical-engines.example").unwrap();
        let own = Password::new(secret("analytical-engines1")).unwrap();
        assert!(!own.suits(&ada));
        assert!(own.suits(&Email::parse("bob@example.com").unwrap()));
        assert!(Password::new(secret("correct horse battery")).unwrap().suits(&ada));
    }

    #[tokio::test]
    async fn only_the_password_itself_matches() {
        let hasher = Hasher::new();
        let password = format!("seven quiet otters{}", "a".repeat(1006));
        let new = Password::new(secret(&password)).unwrap();
        let hash = hasher.hash(Party::Operator, new).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!format!("{hash:?}").contains("argon2"));
        let matches = async |given: &str, stored| {
            hasher.matches(Party::Operator, secret(given), stored).await.unwrap()
        };
        assert!(matches(&password, Some(hash.clone())).await);
        for wrong in ["", &password[1..], &format!("{password}a"), &format!("{password}b")] {
            assert!(!matches(wrong, Some(hash.clone())).await);
        }
        assert!(!matches(&password, None).await);
        // What an older release has stored, by the library's own way.
        let stored = argon2::PasswordHasher::hash_password(&Argon2::default(), b"from before");
        let before = PasswordHash::from_stored(stored.unwrap().to_string());
        assert!(matches("from before", Some(before.clone())).await);
        assert!(!matches("from behind", Some(before)).await);
        let broken = PasswordHash::from_stored("broken".to_owned());
        assert!(!matches(&password, Some(broken)).await);
    }

    #[tokio::test]
    async fn the_same_password_has_another_hash() {
        let hasher = Hasher::new();
        let hash = async || {
            let password = Password::new(secret("the same again")).unwrap();
            hasher.hash(Party::Operator, password).await.unwrap().as_str().to_owned()
        };
        assert_ne!(hash().await, hash().await);
    }
}
