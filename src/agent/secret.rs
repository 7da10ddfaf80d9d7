//! The names of secrets: an agent holds the name of an environment variable, never what is in it.
//!
//! Only variables of one prefix can be named, so that nobody who may configure an agent can have the
//! server tell a bot of theirs what else stands in its environment.

use std::fmt;

/// What every such variable's name starts with.
pub const PREFIX: &str = "UPVOOT_SECRET_";
/// Characters of a name at most.
const LONGEST: usize = 128;

/// The name of an environment variable that holds a secret: `UPVOOT_SECRET_` and at least one of
/// `A-Z 0-9 _`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// The name, if it is one.
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(PREFIX)?;
        let word = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let good = !rest.is_empty() && rest.bytes().all(word) && name.len() <= LONGEST;
        good.then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
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
    fn only_variables_of_the_prefix_have_a_name_here() {
        for good in ["UPVOOT_SECRET_BOT", "UPVOOT_SECRET_1", "UPVOOT_SECRET__", "UPVOOT_SECRET_A_2"]
        {
            assert_eq!(SecretName::parse(good).unwrap().to_string(), good);
        }
        let long = format!("{PREFIX}{}", "A".repeat(LONGEST - PREFIX.len() + 1));
        assert!(SecretName::parse(&long[..LONGEST]).is_some());
        for wrong in [
            "",
            "UPVOOT_SECRET_",
            "UPVOOT_ADMIN_TOKEN",
            "upvoot_secret_bot",
            "UPVOOT_SECRET_bot",
            "UPVOOT_SECRET_A-B",
            "UPVOOT_SECRET_A B",
            "UPVOOT_SECRET_Ä",
            " UPVOOT_SECRET_A",
            "UPVOOT_SECRET_A\n",
            "PATH",
            &long,
        ] {
            assert_eq!(SecretName::parse(wrong), None, "{wrong:?}");
        }
    }
}
