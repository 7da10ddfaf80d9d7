//! Which secrets an agent may name, and where they are.
//!
//! An agent names a secret, and the server holds it, in its environment. An account's users choose
//! the name and the server the secret goes to, so a name must not reach anything else that stands in
//! the environment: the operator's token, the database's URL. Hence one prefix, and nothing but it.

use std::{env, fmt, str::FromStr};

use secrecy::SecretString;

/// What every name begins with.
pub const PREFIX: &str = "UPVOOT_SECRET_";
/// Characters of the longest name.
const LONGEST: usize = 100;

/// The name of a secret: `UPVOOT_SECRET_`, then capital letters, digits and underscores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName(String);

/// The text is no name of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be UPVOOT_SECRET_ followed by capital letters, digits and underscores")]
pub struct BadName;

/// The environment has no such variable, or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret that the agent names is not set on this server")]
pub struct Unset;

impl SecretName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The secret, from the environment of this process.
    ///
    /// # Errors
    /// [`Unset`].
    pub fn resolve(&self) -> Result<SecretString, Unset> {
        let value = env::var(&self.0).ok().filter(|value| !value.is_empty());
        value.map(SecretString::from).ok_or(Unset)
    }
}

impl FromStr for SecretName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let own = text.strip_prefix(PREFIX).ok_or(BadName)?;
        let allowed = |b: u8| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        if own.is_empty() || text.len() > LONGEST || !own.bytes().all(allowed) {
            return Err(BadName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_reaches_what_else_is_in_the_environment() {
        for name in [
            "",
            "PATH",
            "HOME",
            "DATABASE_URL",
            "UPVOOT_ADMIN_TOKEN",
            "UPVOOT_DATABASE_URL",
            "UPVOOT_SECRET",
            "UPVOOT_SECRET_",
            "UPVOOT_SECRETS_X",
            "upvoot_secret_bot",
            "UPVOOT_SECRET_bot",
            "UPVOOT_SECRET_BOT-1",
            "UPVOOT_SECRET_BOT=PATH",
            "UPVOOT_SECRET_BOT\0",
            "UPVOOT_SECRET_BOT\n",
            " UPVOOT_SECRET_BOT",
            "UPVOOT_SECRET_É",
            &format!("UPVOOT_SECRET_{}", "X".repeat(LONGEST)),
        ] {
            assert_eq!(name.parse::<SecretName>(), Err(BadName), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_kept_as_it_is() {
        for name in ["UPVOOT_SECRET_BOT", "UPVOOT_SECRET_A_1", "UPVOOT_SECRET__"] {
            assert_eq!(name.parse::<SecretName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_secret_that_is_not_set_is_an_error_and_not_an_empty_secret() {
        let name: SecretName = "UPVOOT_SECRET_NOBODY_SETS_THIS".parse().unwrap();
        assert_eq!(name.resolve().err(), Some(Unset));
    }
}
