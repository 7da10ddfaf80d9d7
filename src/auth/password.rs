//! Passwords: argon2id with OWASP's parameters, on threads that may block, a few at a time.
//!
//! A comparison takes its tens of milliseconds and 19 MiB whether there is somebody to compare with or
//! not, so that its time tells nobody who has a user here. Who asks how often is counted in
//! `session`.

use std::{sync::LazyLock, thread, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{
    problem::{Code, Problem},
    user::PasswordHash,
};

/// Characters of a password.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=1024;
/// How long a password waits for its turn; then the answer is 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rule for a new password, in words.
pub const RULE: &str = "Has to be 12 to 1,024 characters.";

/// A password that may be set: long enough, and not so long that hashing it is an attack. `Debug`
/// shows nothing of it.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Takes a text of 12 to 1,024 characters, as it is.
    pub fn new(text: SecretString) -> Option<Self> {
        let length = text.expose_secret().chars().count();
        LENGTH.contains(&length).then_some(Self(text))
    }

    /// The text, to be compared.
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

/// Hashes and compares, as many at a time as there are processors.
pub(super) struct Hasher {
    turns: Semaphore,
}

fn argon2() -> Argon2<'static> {
    // OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
    let params = Params::new(19 * 1024, 2, 1, None).expect("these parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Option<PasswordHash> {
    match argon2().hash_password(password.as_bytes()) {
        Ok(hash) => Some(PasswordHash::from_stored(hash.to_string())),
        Err(error) => {
            tracing::error!(%error, "a password could not be hashed");
            None
        }
    }
}

/// What is compared with when there is nobody.
static NOBODY: LazyLock<Option<PasswordHash>> = LazyLock::new(|| hash("nobody has this password"));

impl Hasher {
    pub(super) fn new() -> Self {
        let turns = thread::available_parallelism().map_or(2, usize::from);
        Self { turns: Semaphore::new(turns) }
    }

    /// What to store of a password.
    pub(super) async fn hash(&self, password: Password) -> Result<PasswordHash, Problem> {
        let hashed = self.run(move || hash(password.0.expose_secret())).await?;
        Ok(hashed.ok_or(Code::Internal)?)
    }

    /// Whether this is the password behind the hash; without a hash it is not, in the same time.
    pub(super) async fn matches(
        &self,
        given: SecretString,
        stored: Option<PasswordHash>,
    ) -> Result<bool, Problem> {
        self.run(move || {
            let known = stored.is_some();
            let Some(hash) = stored.as_ref().or(NOBODY.as_ref()) else { return false };
            // A text that cannot have been set is compared too, cut to what can be.
            let given = given.expose_secret();
            let end = given.char_indices().nth(*LENGTH.end()).map_or(given.len(), |(at, _)| at);
            let same = argon2().verify_password(&given.as_bytes()[..end], hash.as_str()).is_ok();
            known && same && end == given.len()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = timeout(PATIENCE, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            tracing::warn!("too many passwords at once");
            return Err(Code::Unavailable.into());
        };
        spawn_blocking(work).await.map_err(|error| {
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
        for good in ["twelve chars", &"ü".repeat(12), &"a".repeat(1024)] {
            assert!(Password::new(secret(good)).is_some());
        }
        for wrong in ["", "eleven char", &"ü".repeat(11), &"a".repeat(1025)] {
            assert!(Password::new(secret(wrong)).is_none());
        }
        let shown = format!("{:?}", Password::new(secret("twelve chars")).unwrap());
        assert!(!shown.contains("twelve"), "{shown}");
    }

    #[tokio::test]
    async fn only_the_password_itself_matches() {
        let hasher = Hasher::new();
        let password = "a".repeat(1024);
        let hash = hasher.hash(Password::new(secret(&password)).unwrap()).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!format!("{hash:?}").contains("argon2"));
        let matches =
            async |given: &str, stored| hasher.matches(secret(given), stored).await.unwrap();
        assert!(matches(&password, Some(hash.clone())).await);
        for wrong in ["", &password[1..], &format!("{password}a"), &format!("{password}b")] {
            assert!(!matches(wrong, Some(hash.clone())).await);
        }
        assert!(!matches(&password, None).await);
        assert!(!matches("nobody has this password", None).await);
        let broken = PasswordHash::from_stored("broken".to_owned());
        assert!(!matches(&password, Some(broken)).await);
    }

    #[tokio::test]
    async fn the_same_password_has_another_hash() {
        let hasher = Hasher::new();
        let hash = async || {
            let password = Password::new(secret("the same again")).unwrap();
            hasher.hash(password).await.unwrap().as_str().to_owned()
        };
        assert_ne!(hash().await, hash().await);
    }
}
