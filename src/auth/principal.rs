//! Who asks, and what they may do: the one table of rights.
//!
//! A [`Principal`] has been proved when it exists. What it may do in principle is [`Principal::may`];
//! which objects it sees is [`Principal::account_scope`]: another account's object does not exist for
//! it. How it was proved is in [`super::session`].

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use std::future::{Ready, ready};

use super::{token::TokenHash, turns::Party};
use crate::{
    id::{AccountId, UserId},
    problem::{Code, Problem},
    store::{
        Share,
        sessions::{Refused, Session},
    },
    user::{Email, Role},
};

/// Kinds of things to do, from the least right to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See agents, calls, points and the audit log.
    Look,
    /// Make and change agents, end calls, try an agent.
    Work,
    /// See, make and revoke keys.
    Keys,
    /// See, make, change and delete users of the account; rename the account.
    Manage,
    /// Make accounts, give points, make operators: what concerns the whole server.
    Operate,
    /// See oneself and change one's own password: for people, whatever their role.
    Own,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Whoever has the operator's bearer token.
    Operator,
    /// Somebody who is signed in.
    User(User),
}

/// Somebody who is signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub user_id: UserId,
    /// Their e-mail address.
    pub email: Email,
    /// Their account; `None` for an operator who has none.
    pub account_id: Option<AccountId>,
    /// What they may do in it.
    pub role: Role,
    /// Whether they may do everything in every account.
    pub is_operator: bool,
    /// What was refused of them before this session; `None`: nothing.
    pub refused: Option<Refused>,
    /// Which of their sessions this is.
    pub(super) session: TokenHash,
}

impl User {
    pub(super) fn of(began: Session, session: TokenHash) -> Self {
        let Session { user, refused, .. } = began;
        Self {
            refused,
            user_id: user.id,
            email: user.email,
            account_id: user.account_id,
            role: user.role,
            is_operator: user.is_operator,
            session,
        }
    }

    /// Whether this user may do such a thing; see [`Principal::may`].
    pub fn may(&self, action: Action) -> bool {
        self.is_operator
            || match action {
                Action::Look | Action::Own => true,
                Action::Work => self.role >= Role::Member,
                Action::Keys | Action::Manage => self.role >= Role::Owner,
                Action::Operate => false,
            }
    }

    /// Whether this user may do and see the same as that one, be it the same user earlier.
    pub fn has_rights_of(&self, other: &Self) -> bool {
        let rights = |user: &Self| (user.account_id, user.role, user.is_operator);
        rights(self) == rights(other)
    }

    /// Whether objects of this account exist for this user.
    pub fn sees(&self, account: AccountId) -> bool {
        self.account_scope().is_none_or(|own| own == account)
    }

    /// Whose turn it is when they want a password hashed.
    pub(super) fn party(&self) -> Party {
        self.account_id.map_or(Party::User(self.user_id), Party::Account)
    }

    /// In whose turn the store does what this user asks for.
    pub fn share(&self) -> Share {
        self.account_scope().map_or(Share::Operator, Share::Account)
    }

    /// The account that is all this user sees; `None`: every account.
    pub fn account_scope(&self) -> Option<AccountId> {
        // The database lets nobody but an operator be without account; should one be, it sees nothing.
        (!self.is_operator).then(|| self.account_id.unwrap_or_else(AccountId::new))
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({})", self.user_id)
    }
}

impl Principal {
    /// Whether it may do such a thing, to an object that it sees.
    ///
    /// | | viewer | member | owner | operator who is signed in | bearer token |
    /// |---|---|---|---|---|---|
    /// | look | yes | yes | yes | yes | yes |
    /// | work | | yes | yes | yes | yes |
    /// | keys, manage | | | yes | yes | yes |
    /// | operate | | | | yes | yes |
    /// | own | yes | yes | yes | yes | |
    pub fn may(&self, action: Action) -> bool {
        match self {
            Self::Operator => action != Action::Own,
            Self::User(user) => user.may(action),
        }
    }

    /// The account that is all it sees; `None`: every account.
    pub fn account_scope(&self) -> Option<AccountId> {
        match self {
            Self::Operator => None,
            Self::User(user) => user.account_scope(),
        }
    }

    /// Whether objects of this account exist for it.
    pub fn sees(&self, account: AccountId) -> bool {
        self.account_scope().is_none_or(|own| own == account)
    }

    /// The user, if it is one.
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::Operator => None,
            Self::User(user) => Some(user),
        }
    }

    /// Whose turn it is when it wants a password hashed.
    pub(super) fn party(&self) -> Party {
        self.user().map_or(Party::Operator, User::party)
    }

    /// What the audit log calls it: a user's e-mail address, or `operator`.
    pub fn actor(&self) -> String {
        self.user().map_or_else(|| "operator".to_owned(), |user| user.email.to_string())
    }
}

/// For handlers behind [`super::door`].
impl FromRequest for Principal {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let proved = request.extensions().get::<Self>().cloned();
        ready(proved.ok_or(Code::Unauthorized.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(role: Role, is_operator: bool, account_id: Option<AccountId>) -> Principal {
        Principal::User(User {
            user_id: UserId::new(),
            email: Email::parse("ada@example.com").unwrap(),
            account_id,
            role,
            is_operator,
            refused: None,
            session: [0; 32],
        })
    }

    #[test]
    fn rights_are_what_the_table_says() {
        use Action::{Keys, Look, Manage, Operate, Own, Work};
        let all = [Look, Work, Keys, Manage, Operate, Own];
        let account = Some(AccountId::new());
        for (who, may) in [
            (user(Role::Viewer, false, account), &[Look, Own][..]),
            (user(Role::Member, false, account), &[Look, Work, Own]),
            (user(Role::Owner, false, account), &[Look, Work, Keys, Manage, Own]),
            (user(Role::Viewer, true, account), &all),
            (Principal::Operator, &[Look, Work, Keys, Manage, Operate]),
        ] {
            for action in all {
                assert_eq!(who.may(action), may.contains(&action), "{who:?} {action:?}");
            }
        }
    }

    #[test]
    fn only_operators_see_every_account() {
        let (own, other) = (AccountId::new(), AccountId::new());
        let owner = user(Role::Owner, false, Some(own));
        assert_eq!(owner.account_scope(), Some(own));
        assert!(owner.sees(own) && !owner.sees(other));
        let operator = user(Role::Owner, true, Some(own));
        assert_eq!(operator.account_scope(), None);
        assert!(operator.sees(other) && Principal::Operator.sees(other));
        let lost = user(Role::Owner, false, None);
        assert!(lost.account_scope().is_some() && !lost.sees(own));
    }
}
