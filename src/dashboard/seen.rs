//! Who looks at a page, and at which account.
//!
//! A user sees their own account. An operator sees one account at a time: the one in the page's address,
//! else the one last chosen, which is kept in a cookie that proves nothing: it is read for operators
//! alone. A page about one object is in that object's account. What a role may do is in
//! [`crate::auth`]; here it only decides which buttons there are, and `/api` decides again.

use actix_web::{
    Error, FromRequest, HttpRequest,
    cookie::{Cookie, SameSite},
    dev::Payload,
    error::InternalError,
    web::Data,
};
use futures_util::future::LocalBoxFuture;

use super::{
    answer::Trouble,
    layout::{AccountName, Frame, told_apart},
    pages::Context,
};
use crate::{
    auth::{self, Action, User},
    clock::wall_ms,
    id::AccountId,
    problem::Code,
    store::{
        Page, Store,
        accounts::{self, Account},
    },
};

/// The cookie with the account that an operator looks at.
const LOOKS_AT: &str = "upvoot_account";
/// Accounts that an operator can choose from in the frame; with more, the list of accounts is the way.
const CHOICES: i64 = 200;

/// Whoever looks at a page.
pub struct Seen {
    /// Who.
    pub user: User,
    /// What they look at; `None`: an operator, and there is no account yet.
    pub account: Option<Account>,
    /// What stands around the page.
    pub frame: Frame,
}

impl Seen {
    /// The account looked at.
    ///
    /// # Errors
    /// [`Trouble::NoAccount`].
    pub fn account_id(&self) -> Result<AccountId, Trouble> {
        self.looked_at().ok_or(Trouble::NoAccount)
    }

    /// The account looked at, if there is one.
    pub fn looked_at(&self) -> Option<AccountId> {
        self.account.as_ref().map(|account| account.id)
    }

    /// The same, at the account of the object that the page is about.
    ///
    /// # Errors
    /// [`Trouble::NotFound`]: another account's object does not exist; [`Trouble::Failed`] when the
    /// database cannot be asked.
    pub async fn at(mut self, store: &Store, account: AccountId) -> Result<Self, Trouble> {
        self.must_see(account)?;
        if self.looked_at() != Some(account) {
            self.account = store.read(move |conn| accounts::get(conn, account)).await?;
            self.frame.account = self.account.as_ref().map(name);
        }
        Ok(self)
    }

    /// Whether an object of this account exists for whoever looks.
    ///
    /// # Errors
    /// [`Trouble::NotFound`]: another account's object does not.
    pub fn must_see(&self, account: AccountId) -> Result<(), Trouble> {
        let sees = self.user.account_scope().is_none_or(|own| own == account);
        sees.then_some(()).ok_or(Trouble::NotFound)
    }

    /// Whether they may do such a thing.
    ///
    /// # Errors
    /// [`Trouble::Forbidden`].
    pub fn must(&self, action: Action) -> Result<(), Trouble> {
        self.user.may(action).then_some(()).ok_or(Trouble::Forbidden)
    }

    /// Whether they make and change agents, and end calls.
    pub fn may_change(&self) -> bool {
        self.user.may(Action::Work)
    }

    /// Whether they see, make and revoke keys.
    pub fn may_keys(&self) -> bool {
        self.user.may(Action::Keys)
    }

    /// Whether they run this server.
    pub fn may_operate(&self) -> bool {
        self.user.may(Action::Operate)
    }

    /// Whose an agent is that they make; `None` if they may not.
    pub fn new_agent_account(&self) -> Option<String> {
        self.account.as_ref().filter(|_| self.may_change()).map(|account| account.id.to_string())
    }
}

impl FromRequest for Seen {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let user = match auth::page_user(&request).await {
                Ok(user) => user,
                Err(answer) if answer.status().is_redirection() => {
                    return Err(InternalError::from_response("not signed in", answer).into());
                }
                Err(_) => return Err(Trouble::Failed(Code::Unavailable).into()),
            };
            Ok(look(&request, user).await?)
        })
    }
}

async fn look(request: &HttpRequest, user: User) -> Result<Seen, Trouble> {
    let context = request.app_data::<Data<Context>>().ok_or(Trouble::Failed(Code::Internal))?;
    let is_operator = user.may(Action::Operate);
    let own = user.account_id;
    let asked = asked_for(request.query_string())?;
    let chosen = request.cookie(LOOKS_AT).and_then(|cookie| cookie.value().parse().ok());
    let wanted: Option<AccountId> = if is_operator { asked.or(chosen).or(own) } else { own };
    if asked.is_some_and(|asked| wanted != Some(asked)) {
        return Err(Trouble::NotFound);
    }
    let (account, choices) = context
        .store
        .read(move |conn| {
            let choices = if is_operator {
                accounts::list(conn, None, Page { after: None, limit: CHOICES + 1 })?
            } else {
                Vec::new()
            };
            let account = wanted.map(|id| accounts::get(conn, id)).transpose()?.flatten();
            if account.is_none() && asked.is_some() {
                return Err(Trouble::NotFound);
            }
            Ok((account.or_else(|| choices.first().cloned()), choices))
        })
        .await?;
    let too_many = choices.len() > usize::try_from(CHOICES).unwrap_or(usize::MAX);
    let mut choices: Vec<AccountName> = choices.iter().map(name).collect();
    told_apart(&mut choices);
    let frame = Frame {
        user: user.user_id.to_string(),
        email: user.email.to_string(),
        is_operator,
        sees_users: user.may(Action::Manage),
        account: account.as_ref().map(name),
        now: wall_ms(),
        choices: if too_many { Vec::new() } else { choices },
    };
    Ok(Seen { user, account, frame })
}

fn name(account: &Account) -> AccountName {
    AccountName { id: account.id.to_string(), name: account.name.clone() }
}

/// The account in a page's address, if there is one.
fn asked_for(query: &str) -> Result<Option<AccountId>, Trouble> {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("account="));
    let asked = asked.filter(|account| !account.is_empty());
    asked.map(|account| account.parse().map_err(|_| Trouble::NotFound)).transpose()
}

/// The cookie that remembers the account.
pub fn looks_at(account: AccountId, secure: bool) -> Cookie<'static> {
    Cookie::build(LOOKS_AT, account.to_string())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(secure)
        .finish()
}
