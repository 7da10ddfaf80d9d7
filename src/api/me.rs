//! Oneself: what a page needs to know of who is signed in, and what everybody may change.
//!
//! It is for people; the bearer token is nobody in particular. Signing in and out is the pages'.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer,
    body::{Body, OptionalBody},
    calls::Nothing,
    fields::{GivenPassword, NewPassword},
    ok,
    who::Who,
};
use crate::{
    auth::{self, Auth, User},
    problem::{Code, Problem},
};

/// The signed-in user.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[schema(example = "usr_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    email: String,
    /// Null for an operator who belongs to no account.
    account_id: Option<String>,
    /// `owner`, `member` or `viewer`.
    role: &'static str,
    /// Whether the user operates the server and may do everything in every account.
    is_operator: bool,
}

/// A change of your own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current_password: GivenPassword,
    new_password: NewPassword,
}

fn user(who: &Who) -> Result<&User, Problem> {
    who.principal.user().ok_or(Code::Forbidden.into())
}

/// Get the signed-in user.
#[utoipa::path(get, path = "/api/me", operation_id = "get_me", tag = "users",
    responses((status = 200, description = "The signed-in user.", body = Me)))]
pub async fn get(who: Who) -> Answer {
    let user = user(&who)?;
    Ok(ok(&Me {
        id: user.user_id.to_string(),
        email: user.email.to_string(),
        account_id: user.account_id.map(|id| id.to_string()),
        role: user.role.as_str(),
        is_operator: user.is_operator,
    }))
}

/// Change your own password and end your other sessions. Requires the current password.
#[utoipa::path(post, path = "/api/me/password", operation_id = "change_password", tag = "users",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "Changed."),
        (status = 401, description = "`unauthorized`: missing or wrong credentials; `wrong_credentials`: the current password is wrong."),
    ))]
pub async fn change_password(
    auth: Data<Auth>,
    request: HttpRequest,
    who: Who,
    Body(change): Body<PasswordChange>,
) -> Answer {
    let (GivenPassword(current), NewPassword(new)) = (change.current_password, change.new_password);
    auth::change_password(&auth, &request, user(&who)?, current, new).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sign out everywhere: end all of your sessions, this one too.
#[utoipa::path(post, path = "/api/me/sign-out-everywhere", operation_id = "sign_out_everywhere", tag = "users",
    responses((status = 204, description = "Signed out everywhere.")))]
pub async fn sign_out_everywhere(
    auth: Data<Auth>,
    request: HttpRequest,
    who: Who,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Answer {
    let cookie = auth::sign_out_everywhere(&auth, &request, user(&who)?).await?;
    Ok(HttpResponse::NoContent().cookie(cookie).finish())
}
