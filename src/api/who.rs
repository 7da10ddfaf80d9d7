//! Who asks, as the resources need it: whose objects there are, and what goes into the audit log.
//!
//! It has been proved before; see [`crate::auth`]. Another account's object is not there: whoever
//! looks one up asks [`Who::sees`] before showing or changing it.

use std::{
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};

use crate::{
    auth::{Auth, Principal},
    clock::wall_ms,
    id::{AccountId, AuditId},
    problem::{Code, Problem},
    store::audit,
};

/// Who asks, and from where.
#[derive(Clone)]
pub struct Who {
    /// The one who was proved.
    pub principal: Principal,
    from: IpAddr,
}

impl Who {
    /// Lets an object of this account be seen, or says that there is none.
    ///
    /// # Errors
    /// 404.
    pub fn sees(&self, account: AccountId) -> Result<(), Problem> {
        self.principal.sees(account).then_some(()).ok_or(Code::NotFound.into())
    }

    /// The account to list objects of, where `asked` was asked for; `None`: of all. Another account's
    /// list is empty, like that of an account that does not exist.
    pub fn lists(&self, asked: Option<AccountId>) -> Option<AccountId> {
        match (self.principal.account_scope(), asked) {
            (None, asked) => asked,
            (Some(own), Some(asked)) if asked != own => Some(AccountId::new()),
            (own, _) => own,
        }
    }

    /// The row of the audit log that goes into the same transaction as the change.
    pub fn did(
        &self,
        action: &str,
        object: impl ToString,
        account_id: Option<AccountId>,
    ) -> audit::Row {
        audit::Row {
            id: AuditId::new(),
            at: wall_ms(),
            actor: self.principal.actor(),
            action: action.to_owned(),
            object: object.to_string(),
            account_id,
            from: Some(self.from.to_string()),
            actor_id: self.principal.user().map(|user| user.user_id),
            changes: None,
        }
    }
}

impl FromRequest for Who {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(auth) = request.app_data::<Data<Auth>>() else {
            return ready(Err(Code::Internal.into()));
        };
        let from = auth.client(request);
        let principal = Principal::from_request(request, payload).into_inner();
        ready(principal.map(|principal| Self { principal, from }))
    }
}
