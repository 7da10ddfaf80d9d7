//! Accounts: who pays. Points come and go in [`super::topups`] and with each call.

use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::{Body, present},
    created,
    fields::{Cap, Name, RetentionDays},
    ok,
    page::{List, Query},
    path::Id,
    rfc3339,
    who::Who,
};
use crate::{
    auth::Action,
    clock::wall_ms,
    id::AccountId,
    points::Seconds,
    problem::{Code, Problem},
    store::{accounts, audit},
};

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub struct View {
    #[schema(example = "acc_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    /// Two accounts may have the same name; the id tells them apart.
    name: String,
    /// The balance; 1 point is 60 seconds of call.
    points: f64,
    /// The part of it that live calls hold.
    held_points: f64,
    /// Max concurrent calls; null: no cap.
    max_concurrent_calls: Option<i32>,
    /// Days that ended calls are kept, with their transcripts; null: the server's setting. Rows of the
    /// ledger are never deleted.
    retention_days: Option<i32>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<accounts::Account> for View {
    fn from(account: accounts::Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name,
            points: account.balance.points(),
            held_points: account.held.points(),
            max_concurrent_calls: account.max_concurrent_calls,
            retention_days: account.retention_days,
            created_at: rfc3339(account.created_at),
        }
    }
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    name: Name,
    /// Max concurrent calls; null: no cap.
    #[serde(default)]
    max_concurrent_calls: Option<Cap>,
    /// Days that ended calls are kept; null: the server's setting.
    #[serde(default)]
    retention_days: Option<RetentionDays>,
}

/// Changes to an account; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// Max concurrent calls; null: no cap.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Cap>)]
    max_concurrent_calls: Option<Option<Cap>>,
    /// Days that ended calls are kept; null: the server's setting, which is also the maximum.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<RetentionDays>)]
    retention_days: Option<Option<RetentionDays>>,
}

/// Create an account, with no points.
#[utoipa::path(post, path = "/api/accounts", operation_id = "create_account", tag = "accounts",
    request_body = NewAccount, responses((status = 201, description = "The new account.", body = View)))]
pub async fn create(context: Data<Context>, who: Who, Body(new): Body<NewAccount>) -> Answer {
    let account = accounts::Account {
        id: AccountId::new(),
        name: new.name.into(),
        balance: Seconds(0),
        held: Seconds(0),
        max_concurrent_calls: new.max_concurrent_calls.map(i32::from),
        retention_days: new.retention_days.map(i32::from),
        created_at: wall_ms(),
    };
    let account = context
        .store
        .write(move |conn| {
            accounts::insert(conn, &account)?;
            audit::insert(conn, &who.did("account.create", account.id, Some(account.id)))?;
            Ok::<_, Problem>(account)
        })
        .await?;
    Ok(created(&View::from(account)))
}

/// List accounts, newest first; a user sees their own.
#[utoipa::path(get, path = "/api/accounts", operation_id = "list_accounts", tag = "accounts",
    responses((status = 200, description = "A page of accounts.", body = List<View>)))]
pub async fn list(context: Data<Context>, who: Who, query: Query) -> Answer {
    let page = query.page()?;
    let (rows, own) = (page.rows(), who.lists(None));
    let rows = context.store.read(move |conn| accounts::list(conn, own, rows)).await?;
    Ok(ok(&page.list(rows, |account| account.id, View::from)))
}

/// Get an account.
#[utoipa::path(get, path = "/api/accounts/{id}", operation_id = "get_account", tag = "accounts",
    responses((status = 200, description = "The account.", body = View)))]
pub async fn get(context: Data<Context>, who: Who, Id(id): Id<AccountId>) -> Answer {
    who.sees(id)?;
    let account = context.store.read(move |conn| accounts::get(conn, id)).await?;
    Ok(ok(&View::from(account.ok_or(Code::NotFound)?)))
}

/// Update an account: name, cap or days; only the operator changes the cap. With a lower cap, calls in
/// progress continue. With fewer days, older calls are deleted within hours, for good.
#[utoipa::path(patch, path = "/api/accounts/{id}", operation_id = "update_account", tag = "accounts",
    request_body = AccountChange, responses((status = 200, description = "The account.", body = View)))]
pub async fn update(
    context: Data<Context>,
    who: Who,
    Id(id): Id<AccountId>,
    Body(change): Body<AccountChange>,
) -> Answer {
    who.sees(id)?;
    if change.max_concurrent_calls.is_some() && !who.principal.may(Action::Operate) {
        return Err(Code::Forbidden.into());
    }
    let account = context
        .store
        .write(move |conn| {
            let before = accounts::lock(conn, id)?.ok_or(Code::NotFound)?;
            let mut after = before.clone();
            if let Some(name) = change.name {
                after.name = name.into();
            }
            if let Some(cap) = change.max_concurrent_calls {
                after.max_concurrent_calls = cap.map(i32::from);
            }
            if let Some(days) = change.retention_days {
                after.retention_days = days.map(i32::from);
            }
            if after != before {
                accounts::update(conn, id, &after.name, after.max_concurrent_calls)?;
                accounts::set_retention(conn, id, after.retention_days)?;
                let (cap, new_cap) = (before.max_concurrent_calls, after.max_concurrent_calls);
                let changes = audit::Changes::default()
                    .field("name", &before.name, &after.name)
                    .value("max_concurrent_calls", cap, new_cap)
                    .value("retention_days", before.retention_days, after.retention_days);
                let row = who.did("account.update", id, Some(id));
                audit::insert(conn, &row.changing(changes))?;
            }
            Ok::<_, Problem>(after)
        })
        .await?;
    Ok(ok(&View::from(account)))
}
