//! Users: who may sign in. Owners look after those of their account, operators after all.
//!
//! Two things are the operators' alone: to make operators, and to change one, for whoever sets an
//! operator's password is one. A user who is disabled, deleted or given another password by somebody else
//! is signed out at once; see [`super::user_change`]. One's own password is changed in [`super::me`], where
//! the old one is asked for.
//!
//! **Whose an address is.** One address has one user, of all accounts, since people sign in with it. An
//! owner may give any free address to a user of theirs, and proves nothing by it: such an address is not
//! confirmed, and single sign-on lets nobody in by it until the user has connected it themself, signed in
//! with their password. So an owner cannot lay hands on who signs on with an address that they took first.
//! That an address is in use must be said to whoever wants it; each time it is another account's, a row of
//! the audit log says who asked, and an account may ask a few times a day.

use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::{Body, present},
    created, fields,
    fields::{EmailAddress, NewPassword, RoleName},
    limits::{ADDRESS_TAKEN, Limits},
    ok,
    page::{List, Query},
    path::Id,
    rfc3339,
    who::Who,
};
use crate::{
    auth::{Action, Auth},
    clock::wall_ms,
    id::{AccountId, UserId},
    problem::{Code, Problem},
    store::{Conn, accounts, audit, users},
    user::Role,
};

/// A user; the password is never shown.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct View {
    #[schema(example = "usr_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    /// Null for an operator who belongs to no account.
    account_id: Option<String>,
    #[schema(example = "ada@example.com")]
    email: String,
    /// `owner`, `member` or `viewer`: what the user may do in the account.
    role: &'static str,
    /// Whether the user operates the server and may do everything in every account.
    is_operator: bool,
    /// Whether the user may sign in.
    is_active: bool,
    /// Whether single sign-on signs in the person with this address as this user: the operator set the
    /// address, or the user has connected it.
    email_confirmed: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_signed_in_at: Option<String>,
}

impl From<users::User> for View {
    fn from(user: users::User) -> Self {
        Self {
            id: user.id.to_string(),
            account_id: user.account_id.map(|id| id.to_string()),
            email: user.email.to_string(),
            role: user.role.as_str(),
            is_operator: user.is_operator,
            is_active: user.is_active,
            email_confirmed: user.email_confirmed,
            created_at: rfc3339(user.created_at),
            last_signed_in_at: user.last_signed_in_at.map(rfc3339),
        }
    }
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The account; only an operator may belong to none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    email: EmailAddress,
    password: NewPassword,
    /// `member` by default.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    role: Option<RoleName>,
    /// Only an operator may create another.
    #[serde(default)]
    is_operator: bool,
}

/// Create a user. The e-mail address is stored in lower case and must not be in use.
#[utoipa::path(post, path = "/api/users", operation_id = "create_user", tag = "users",
    request_body = NewUser,
    responses(
        (status = 201, description = "The new user.", body = View),
        (status = 409, description = "`limit_reached`: the account has the maximum number of users."),
        (status = 429, description = "`too_many_addresses`: too many addresses that are in use were tried within a day."),
    ))]
pub async fn create(
    context: Data<Context>,
    auth: Data<Auth>,
    who: Who,
    Body(new): Body<NewUser>,
) -> Answer {
    let by_operator = who.principal.may(Action::Operate);
    if new.is_operator && !by_operator {
        return Err(Code::Forbidden.into());
    }
    let user = users::User {
        id: UserId::new(),
        account_id: new.account_id,
        email: new.email.0,
        role: new.role.map_or(Role::Member, |RoleName(role)| role),
        is_operator: new.is_operator,
        is_active: true,
        created_at: wall_ms(),
        last_signed_in_at: None,
        email_confirmed: by_operator,
    };
    let (limits, wished, asks) = (context.limits, user.clone(), who.clone());
    // Hashing costs most, so what can be refused is refused before.
    let checked = context.store.read(move |conn| may_be_made(conn, limits, &asks, &wished)).await;
    told(&context, &who, user.account_id, checked).await?;
    let NewPassword(password) = new.password;
    if !password.suits(&user.email) {
        return Err(fields::fault("password"));
    }
    let password = auth.hash(&who.principal, password).await?;
    let (made, does) = (user.clone(), who.clone());
    let insert = move |conn: &mut Conn| {
        if let Some(account) = made.account_id.filter(|_| !by_operator) {
            accounts::lock(conn, account)?;
        }
        may_be_made(conn, limits, &does, &made)?;
        users::insert(conn, &made, &password)??;
        audit::insert(conn, &does.did("user.create", made.id, made.account_id))?;
        Ok(())
    };
    told(&context, &who, user.account_id, context.store.write(insert).await).await?;
    Ok(created(&View::from(user)))
}

fn may_be_made(
    conn: &mut Conn,
    limits: Limits,
    who: &Who,
    user: &users::User,
) -> Result<(), Refusal> {
    let there = match user.account_id {
        Some(id) => who.sees(id).is_ok() && accounts::get(conn, id)?.is_some(),
        None => user.is_operator,
    };
    if !there {
        return Err(fields::fault("account_id").into());
    }
    if let Some(account) = user.account_id {
        limits.user(conn, who, account)?;
    }
    address_is_free(conn, limits, who, user)
}

/// Why a user cannot be as it is wished.
pub(super) enum Refusal {
    /// Another user has the address; of another account, perhaps.
    Taken { elsewhere: bool },
    /// For another reason.
    Other(Problem),
}

impl<E: Into<Problem>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl From<users::Taken> for Refusal {
    fn from(users::Taken: users::Taken) -> Self {
        Self::Taken { elsewhere: true }
    }
}

/// Whether a user may have the address that it is to have.
pub(super) fn address_is_free(
    conn: &mut Conn,
    limits: Limits,
    who: &Who,
    user: &users::User,
) -> Result<(), Refusal> {
    if let Some(account) = user.account_id {
        limits.address(conn, who, account)?;
    }
    match users::by_email(conn, &user.email)? {
        Some((other, _)) if other.id != user.id => {
            Err(Refusal::Taken { elsewhere: other.account_id != user.account_id })
        }
        _ => Ok(()),
    }
}

/// What came of it, as it is told. That an address is in use in another account is told only when it is
/// written down who asked, and only so often.
pub(super) async fn told<T>(
    context: &Context,
    who: &Who,
    account: Option<AccountId>,
    outcome: Result<T, Refusal>,
) -> Result<T, Problem> {
    let elsewhere = match outcome {
        Ok(done) => return Ok(done),
        Err(Refusal::Other(problem)) => return Err(problem),
        Err(Refusal::Taken { elsewhere }) => elsewhere,
    };
    if let Some(account) = account.filter(|_| elsewhere && !who.principal.may(Action::Operate)) {
        let (limits, who) = (context.limits, who.clone());
        let write = move |conn: &mut Conn| {
            accounts::lock(conn, account)?;
            limits.address(conn, &who, account)?;
            Ok::<_, Problem>(audit::insert(conn, &who.did(ADDRESS_TAKEN, account, Some(account)))?)
        };
        context.store.write(write).await?;
    }
    Err(fields::fault("email"))
}

/// List users, newest first; an owner sees those of their account.
#[utoipa::path(get, path = "/api/users", operation_id = "list_users", tag = "users",
    params(("account_id" = Option<String>, Query, description = "Only those of this account.")),
    responses((status = 200, description = "A page of users.", body = List<View>)))]
pub async fn list(context: Data<Context>, who: Who, query: Query) -> Answer {
    let (page, account) = (query.page()?, who.lists(query.get("account_id")?));
    let rows = page.rows();
    let rows = context.store.read(move |conn| users::list(conn, account, rows)).await?;
    Ok(ok(&page.list(rows, |user| user.id, View::from)))
}

/// Get a user.
#[utoipa::path(get, path = "/api/users/{id}", operation_id = "get_user", tag = "users",
    responses((status = 200, description = "The user.", body = View)))]
pub async fn get(context: Data<Context>, who: Who, Id(id): Id<UserId>) -> Answer {
    let user = context.store.read(move |conn| seen(&who, users::get(conn, id)?)).await?;
    Ok(ok(&View::from(user)))
}

/// The user, if the requester may see it.
pub(super) fn seen(who: &Who, user: Option<users::User>) -> Result<users::User, Problem> {
    let user = user.ok_or(Code::NotFound)?;
    match user.account_id {
        Some(account) => who.sees(account)?,
        None if who.principal.account_scope().is_some() => return Err(Code::NotFound.into()),
        None => {}
    }
    Ok(user)
}
