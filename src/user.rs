//! Who people are: an e-mail address, a role, and a password that nobody can read.
//!
//! A value that exists is a good one: an address is in its one form, so that a person has one user.
//! Nothing here hashes, signs in or allows; that is `auth`, which this module must not know.

use std::fmt;

use crate::{
    key::looks_like_key,
    text::{composed, is_invisible, is_plain},
};

/// Characters an address has at most, by RFC 5321.
const LONGEST_ADDRESS: usize = 254;

/// An e-mail address in its one form: trimmed, in lower case, each letter in its one spelling.
/// `Display` shows it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Email(String);

impl Email {
    /// Takes what could be an address: something, one `@`, something; no spaces, nothing that cannot be
    /// seen or only looks like another letter, nothing shaped like a key. Whether mail arrives there is
    /// not known.
    pub fn parse(text: &str) -> Option<Self> {
        let Self(text) = Self::looked_up(text);
        let (local, domain) = text.split_once('@')?;
        let good = (1..=64).contains(&local.len())
            && !domain.is_empty()
            && text.len() <= LONGEST_ADDRESS
            && !domain.contains('@')
            && !text.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
            && is_plain(&text)
            && !looks_like_key(&text);
        good.then_some(Self(text))
    }

    /// What may be looked up, in the one form: also an address that could not be made today, so that its
    /// user can still sign in.
    pub fn looked_up(text: &str) -> Self {
        Self(composed(&text.trim().to_lowercase()))
    }

    /// An address read back from the store, as it is: the rules of the day it was made may have been
    /// others.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Whether it has the look of an address that mail is sent to, `name@host.example` in ASCII. A
    /// password that somebody typed into the wrong field hardly has.
    pub fn looks_public(&self) -> bool {
        let Some((local, domain)) = self.0.split_once('@') else { return false };
        if Self::parse(&self.0).is_none() {
            return false;
        }
        let letters = |label: &str| label.bytes().all(|b| b.is_ascii_alphabetic());
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        local.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-'".contains(&b))
            && domain.split('.').all(label)
            && domain
                .rsplit_once('.')
                .is_some_and(|(_, top)| (2..=24).contains(&top.len()) && letters(top))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user may do in their own account; see `auth::Action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks, and changes nothing; keys are not shown.
    Viewer,
    /// Works with agents and calls; keys are not shown.
    Member,
    /// Everything in the account: its keys and its users too.
    Owner,
}

impl Role {
    /// Every role, the one with the least rights first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Member, Self::Owner];

    /// Its name in the API and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Owner => "owner",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What is stored of a password: argon2id, its parameters and its salt, as a PHC string. `Debug` shows
/// nothing of it.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as the store or the hasher has it.
    pub fn from_stored(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for the store and for comparing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_one_form() {
        let email = Email::parse("  Ada@Example.COM ").unwrap();
        assert_eq!(email.as_str(), "ada@example.com");
        assert_eq!(Email::from_stored("ada@example.com".to_owned()), email);
        assert_eq!(Email::parse("jose\u{301}@example.com").unwrap().as_str(), "josé@example.com");
        assert!(Email::parse("o'brien+tag@mail.example").is_some());
        assert!(Email::parse("ada@localhost").is_some());
        let long = |n| format!("{}@example.com", "a".repeat(n));
        assert!(Email::parse(&long(64)).is_some());
        for wrong in ["", "@", "ada", "ada@", "@example.com", "a@b@c", "a b@c", "a@b\0c", &long(65)]
        {
            assert_eq!(Email::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(Email::parse(&format!("a@{}", "b".repeat(253))), None);
        assert_eq!(Email::parse(&format!("sk_live_{}@b", "0".repeat(40))), None);
    }

    #[test]
    fn an_address_that_only_looks_like_another_is_none() {
        for alike in [
            "ada\u{200b}@example.com",
            "a\u{ad}da@example.com",
            "\u{202e}ada@example.com",
            "ada\u{feff}@example.com",
            "ada@ex\u{2060}ample.com",
            "ada\u{fe0f}@example.com",
            "ada\u{3164}@example.com",
            "ada\u{e0061}@example.com",
            "ａda@example.com",
            "ﬁn@example.com",
        ] {
            assert_eq!(Email::parse(alike), None, "{alike:?}");
            // One that was made before is read back, and found by what its user types.
            let old = Email::from_stored(alike.to_owned());
            assert_eq!(Email::looked_up(alike), old);
        }
    }

    #[test]
    fn what_may_be_a_password_does_not_look_like_an_address() {
        let looks = |text: &str| Email::parse(text).unwrap().looks_public();
        for address in ["ada@example.com", "o'brien+tag@mail.example", "a.b-c_d@x-y.co.uk"] {
            assert!(looks(address), "{address}");
        }
        for other in
            ["p@ssw0rd1234", "P@ssw0rd.1234", "h!dd3n@horse.com", "hunter2@", "x@y", "x@y..com"]
        {
            assert!(Email::parse(other).is_none_or(|it| !it.looks_public()), "{other}");
        }
    }

    #[test]
    fn roles_have_names_and_an_order() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.as_str()), Some(role));
        }
        assert_eq!(Role::from_name("Owner"), None);
        assert!(Role::Viewer < Role::Member && Role::Member < Role::Owner);
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_what_it_is(noise in "\\PC{0,20}@\\PC{0,20}") {
            if let Some(email) = Email::parse(&noise) {
                prop_assert_eq!(Email::parse(email.as_str()), Some(email));
            }
        }
    }
}
