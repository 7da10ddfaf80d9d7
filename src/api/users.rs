//! Users: who may sign in. Owners look after those of their account, operators after all.
//!
//! Two things are the operators' alone: to make operators, and to change one, for whoever sets an
//! operator's password is one. Whoever is disabled, deleted or given another password by somebody else
//! is signed out at once. One's own password is changed in [`super::me`], where the old one is asked for.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::{Body, present},
    created, fields,
    fields::{EmailAddress, NewPassword, RoleName},
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
    store::{Conn, accounts, audit, sessions, users},
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
    /// Whether the user may do everything in every account.
    is_operator: bool,
    /// Whether the user may sign in.
    is_active: bool,
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
    /// Only an operator may make another.
    #[serde(default)]
    is_operator: bool,
}

/// What to change of a user; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    email: Option<EmailAddress>,
    /// Somebody else's; it ends their sessions.
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

/// Makes a user. The e-mail address is kept in lower case and is nobody else's.
#[utoipa::path(post, path = "/api/users", operation_id = "create_user", tag = "users",
    request_body = NewUser, responses((status = 201, description = "The new user.", body = View)))]
pub async fn create(
    context: Data<Context>,
    auth: Data<Auth>,
    who: Who,
    Body(new): Body<NewUser>,
) -> Answer {
    if new.is_operator && !who.principal.may(Action::Operate) {
        return Err(Code::Forbidden.into());
    }
    let NewPassword(password) = new.password;
    let password = auth.hash(password).await?;
    let user = users::User {
        id: UserId::new(),
        account_id: new.account_id,
        email: new.email.0,
        role: new.role.map_or(Role::Member, |RoleName(role)| role),
        is_operator: new.is_operator,
        is_active: true,
        created_at: wall_ms(),
        last_signed_in_at: None,
    };
    let user = context
        .store
        .write(move |conn| {
            let there = match user.account_id {
                Some(id) => who.sees(id).is_ok() && accounts::get(conn, id)?.is_some(),
                None => user.is_operator,
            };
            if !there {
                return Err(fields::fault("account_id"));
            }
            users::insert(conn, &user, &password)?.map_err(|_taken| fields::fault("email"))?;
            audit::insert(conn, &who.did("user.create", user.id, user.account_id))?;
            Ok(user)
        })
        .await?;
    Ok(created(&View::from(user)))
}

/// Users, newest first; an owner sees those of their account.
#[utoipa::path(get, path = "/api/users", operation_id = "list_users", tag = "users",
    params(("account_id" = Option<String>, Query, description = "Those of one account.")),
    responses((status = 200, description = "A page of users.", body = List<View>)))]
pub async fn list(context: Data<Context>, who: Who, query: Query) -> Answer {
    let (page, account) = (query.page()?, who.lists(query.get("account_id")?));
    let rows = page.rows();
    let rows = context.store.read(move |conn| users::list(conn, account, rows)).await?;
    Ok(ok(&page.list(rows, |user| user.id, View::from)))
}

/// One user.
#[utoipa::path(get, path = "/api/users/{id}", operation_id = "get_user", tag = "users",
    responses((status = 200, description = "The user.", body = View)))]
pub async fn get(context: Data<Context>, who: Who, Id(id): Id<UserId>) -> Answer {
    let user = context.store.read(move |conn| seen(&who, users::get(conn, id)?)).await?;
    Ok(ok(&View::from(user)))
}

/// Changes a user. A new password, or being disabled, ends the user's sessions; another address, or
/// being disabled, forgets whom single sign-on has bound the user to.
#[utoipa::path(patch, path = "/api/users/{id}", operation_id = "update_user", tag = "users",
    request_body = UserChange, responses((status = 200, description = "The user.", body = View)))]
pub async fn update(
    context: Data<Context>,
    auth: Data<Auth>,
    who: Who,
    Id(id): Id<UserId>,
    Body(change): Body<UserChange>,
) -> Answer {
    let oneself = who.principal.user().is_some_and(|user| user.user_id == id);
    if change.password.is_some() && oneself {
        return Err(Code::Forbidden.into());
    }
    let password = match change.password {
        Some(NewPassword(password)) => Some(auth.hash(password).await?),
        None => None,
    };
    let user = context
        .store
        .write(move |conn| {
            // Locked before it is read: what is decided on is what is changed.
            let operators = users::lock_operators(conn)?;
            let before = changeable(conn, &who, id)?;
            let mut after = before.clone();
            if let Some(EmailAddress(email)) = change.email {
                after.email = email;
            }
            if let Some(RoleName(role)) = change.role {
                after.role = role;
            }
            after.is_operator = change.is_operator.unwrap_or(before.is_operator);
            after.is_active = change.is_active.unwrap_or(before.is_active);
            if after.is_operator && !who.principal.may(Action::Operate) {
                return Err(Problem::from(Code::Forbidden));
            }
            if !after.is_operator && after.account_id.is_none() {
                return Err(fields::fault("is_operator"));
            }
            if operators == [id] && !(after.is_operator && after.is_active) {
                return Err(Code::LastOperator.into());
            }
            if after != before {
                users::update(conn, &after)?.map_err(|_taken| fields::fault("email"))?;
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
            if password.is_some() || after != before {
                audit::insert(conn, &who.did("user.update", id, after.account_id))?;
            }
            Ok(after)
        })
        .await?;
    auth.rights_changed(id);
    Ok(ok(&View::from(user)))
}

/// Deletes a user and ends its sessions. What it did stays in the audit log.
#[utoipa::path(delete, path = "/api/users/{id}", operation_id = "delete_user", tag = "users",
    responses((status = 204, description = "Deleted.")))]
pub async fn delete(
    context: Data<Context>,
    auth: Data<Auth>,
    who: Who,
    Id(id): Id<UserId>,
) -> Answer {
    context
        .store
        .write(move |conn| {
            let operators = users::lock_operators(conn)?;
            let user = changeable(conn, &who, id)?;
            if operators == [id] {
                return Err(Problem::from(Code::LastOperator));
            }
            users::delete(conn, id)?;
            audit::insert(conn, &who.did("user.delete", id, user.account_id))?;
            Ok(())
        })
        .await?;
    auth.rights_changed(id);
    Ok(HttpResponse::NoContent().finish())
}

/// The user, if whoever asks sees it.
fn seen(who: &Who, user: Option<users::User>) -> Result<users::User, Problem> {
    let user = user.ok_or(Code::NotFound)?;
    match user.account_id {
        Some(account) => who.sees(account)?,
        None if who.principal.account_scope().is_some() => return Err(Code::NotFound.into()),
        None => {}
    }
    Ok(user)
}

/// The user, locked, if whoever asks may change it.
fn changeable(conn: &mut Conn, who: &Who, id: UserId) -> Result<users::User, Problem> {
    let user = seen(who, users::lock(conn, id)?)?;
    if user.is_operator && !who.principal.may(Action::Operate) {
        return Err(Code::Forbidden.into());
    }
    Ok(user)
}
