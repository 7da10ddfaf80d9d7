//! How a user is changed and deleted, and who is left in charge.
//!
//! What is decided on is locked and read in the transaction of the change. The last operator of the server
//! stays one, and so does the last owner of an account, unless an operator says otherwise. Who users are
//! is in [`super::users`].

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::{Body, present},
    fields::{self, EmailAddress, GivenPassword, NewPassword, RoleName},
    ok,
    path::Id,
    users::{View, address_is_free, seen, told},
    who::Who,
};
use crate::{
    auth::{self, Action, Auth},
    id::UserId,
    problem::{Code, Problem},
    store::{
        Conn, accounts, audit, sessions,
        users::{self, User},
    },
    user::Role,
};

/// Changes to a user; absent fields stay as they are.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    email: Option<EmailAddress>,
    /// Your own password; required to change your own e-mail address.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    current_password: Option<GivenPassword>,
    /// Another user's new password; it ends their sessions.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    password: Option<NewPassword>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    role: Option<RoleName>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    is_operator: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

/// Update a user. A new password, or disabling, ends the user's sessions; another address, or disabling,
/// resets the link to a person at the single sign-on provider. Changing your own address requires your
/// `current_password`.
#[utoipa::path(patch, path = "/api/users/{id}", operation_id = "update_user", tag = "users",
    request_body = UserChange,
    responses(
        (status = 200, description = "The user.", body = View),
        (status = 401, description = "`unauthorized`: missing or wrong credentials; `wrong_credentials`: the current password is wrong."),
        (status = 409, description = "`last_operator` or `last_owner`: the last one who can sign in cannot be removed."),
        (status = 429, description = "`too_many_addresses`: too many addresses that are in use were tried within a day; `too_many_attempts`: try again in a minute."),
    ))]
pub async fn update(
    context: Data<Context>,
    auth: Data<Auth>,
    request: HttpRequest,
    who: Who,
    Id(id): Id<UserId>,
    Body(mut change): Body<UserChange>,
) -> Answer {
    if let Some(own) = who.principal.user().filter(|user| user.user_id == id) {
        if change.password.is_some() {
            return Err(Code::Forbidden.into());
        }
        if change.email.as_ref().is_some_and(|EmailAddress(email)| *email != own.email) {
            let given = change.current_password.take();
            let GivenPassword(given) = given.ok_or_else(|| fields::fault("current_password"))?;
            auth::prove_password(&auth, &request, own, given).await?;
        }
    }
    let new_password = change.password.take();
    let (limits, wished, asks) = (context.limits, change.clone(), who.clone());
    // Hashing costs most, so what can be refused is refused before.
    let checked = context.store.read(move |conn| {
        let before = changeable(&asks, users::get(conn, id)?)?;
        let after = wished.applied(&before, asks.principal.may(Action::Operate))?;
        if after.email != before.email {
            address_is_free(conn, limits, &asks, &after)?;
        }
        Ok((before.account_id, after.email))
    });
    let (account, email) = told(&context, &who, own_account(&who), checked.await).await?;
    let password = match new_password {
        Some(NewPassword(password)) if !password.suits(&email) => {
            return Err(fields::fault("password"));
        }
        Some(NewPassword(password)) => Some(auth.hash(&who.principal, password).await?),
        None => None,
    };
    let does = who.clone();
    let write = move |conn: &mut Conn| {
        // Locked before it is read: what is decided on is what is changed.
        let in_charge = users::lock_in_charge(conn, account)?;
        let before = changeable(&does, users::lock(conn, id)?)?;
        let after = change.applied(&before, does.principal.may(Action::Operate))?;
        stays_in_charge(&in_charge, &does, id, Some(&after))?;
        if after.email != before.email {
            if let Some(account) = account.filter(|_| !does.principal.may(Action::Operate)) {
                accounts::lock(conn, account)?;
            }
            address_is_free(conn, limits, &does, &after)?;
        }
        if after != before {
            users::update(conn, &after)??;
        }
        if after.email != before.email || !after.is_active {
            // It may be another person from now on.
            users::unbind(conn, id)?;
        }
        if let Some(password) = &password {
            users::set_password(conn, id, password)?;
        }
        if password.is_some() || !after.is_active {
            sessions::delete_of_user(conn, id, None)?;
        }
        let changes = changes(&before, &after).field("password", &false, &password.is_some());
        if !changes.changed.is_empty() {
            let row = does.did("user.update", id, after.account_id);
            audit::insert(conn, &row.changing(changes))?;
        }
        Ok(after)
    };
    let user = told(&context, &who, own_account(&who), context.store.write(write).await).await?;
    auth.rights_changed(id);
    Ok(ok(&View::from(user)))
}

/// Delete a user and end its sessions. What it did stays in the audit log.
#[utoipa::path(delete, path = "/api/users/{id}", operation_id = "delete_user", tag = "users",
    responses(
        (status = 204, description = "Deleted."),
        (status = 409, description = "`last_operator` or `last_owner`: the last one who can sign in cannot be removed."),
    ))]
pub async fn delete(
    context: Data<Context>,
    auth: Data<Auth>,
    who: Who,
    Id(id): Id<UserId>,
) -> Answer {
    context
        .store
        .write(move |conn| {
            let account = changeable(&who, users::get(conn, id)?)?.account_id;
            let in_charge = users::lock_in_charge(conn, account)?;
            let user = changeable(&who, users::lock(conn, id)?)?;
            stays_in_charge(&in_charge, &who, id, None)?;
            users::delete(conn, id)?;
            audit::insert(conn, &who.did("user.delete", id, user.account_id))?;
            Ok::<_, Problem>(())
        })
        .await?;
    auth.rights_changed(id);
    Ok(HttpResponse::NoContent().finish())
}

/// The user, if the requester may change it.
fn changeable(who: &Who, user: Option<User>) -> Result<User, Problem> {
    let user = seen(who, user)?;
    if user.is_operator && !who.principal.may(Action::Operate) {
        return Err(Code::Forbidden.into());
    }
    Ok(user)
}

fn own_account(who: &Who) -> Option<crate::id::AccountId> {
    who.principal.user().and_then(|user| user.account_id)
}

impl UserChange {
    /// The user as it is to be.
    fn applied(&self, before: &User, by_operator: bool) -> Result<User, Problem> {
        let mut after = before.clone();
        if let Some(EmailAddress(email)) = &self.email {
            after.email = email.clone();
        }
        // Who vouches for an address is who gave it.
        if after.email != before.email || (by_operator && self.email.is_some()) {
            after.email_confirmed = by_operator;
        }
        if let Some(RoleName(role)) = self.role {
            after.role = role;
        }
        after.is_operator = self.is_operator.unwrap_or(before.is_operator);
        after.is_active = self.is_active.unwrap_or(before.is_active);
        if after.is_operator && !by_operator {
            return Err(Code::Forbidden.into());
        }
        if !after.is_operator && after.account_id.is_none() {
            return Err(fields::fault("is_operator"));
        }
        Ok(after)
    }
}

/// Sees to it that somebody is left in charge when this user becomes another, or none: an operator for
/// the server, and an owner for the account unless an operator makes the change.
fn stays_in_charge(
    in_charge: &[User],
    who: &Who,
    id: UserId,
    after: Option<&User>,
) -> Result<(), Problem> {
    let was_the_last = |is: &dyn Fn(&User) -> bool| {
        let mut all = in_charge.iter().filter(|user| is(user));
        all.next().is_some_and(|first| first.id == id)
            && all.next().is_none()
            && !after.is_some_and(|after| after.is_active && is(after))
    };
    if was_the_last(&|user| user.is_operator) {
        return Err(Code::LastOperator.into());
    }
    let account = own_account(who);
    let owns = |user: &User| user.role == Role::Owner && user.account_id == account;
    if !who.principal.may(Action::Operate) && was_the_last(&owns) {
        return Err(Code::LastOwner.into());
    }
    Ok(())
}

fn changes(before: &User, after: &User) -> audit::Changes {
    audit::Changes::default()
        .field("email", &before.email, &after.email)
        .value("email_confirmed", before.email_confirmed, after.email_confirmed)
        .value("role", before.role.as_str(), after.role.as_str())
        .value("is_operator", before.is_operator, after.is_operator)
        .value("is_active", before.is_active, after.is_active)
}
