//! The audit log: who did what to which object, when, from where. Rows are written by each resource,
//! in the transaction of the change; here they are only read.

use std::collections::BTreeMap;

use actix_web::web::Data;
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::schema::{Object, ObjectBuilder, SchemaType, Type},
};

use super::{
    Answer, Context, ok,
    page::{List, Query},
    rfc3339,
    who::Who,
};
use crate::store::audit;

/// A row of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct View {
    #[schema(example = "aud_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    #[schema(format = DateTime)]
    at: String,
    /// Who: a user's e-mail address, `operator` for the bearer token, or `set-up link`.
    actor: String,
    /// What, such as `key.revoke`.
    #[schema(example = "key.revoke")]
    action: String,
    /// The id of what it was done to.
    object: String,
    /// Whose that is.
    account_id: Option<String>,
    /// The client's address.
    from: Option<String>,
    /// Which user; null for the bearer token, the set-up link, and for rows older than this field.
    actor_id: Option<String>,
    /// The fields that an update changed; empty for other actions.
    #[schema(example = json!(["role"]))]
    changed: Vec<String>,
    /// For some of those fields, the values before and after.
    #[schema(example = json!({"role": {"from": "viewer", "to": "owner"}}))]
    values: BTreeMap<String, FromTo>,
}

/// A value before and after: a text, a number, true, false or null.
#[derive(Serialize, ToSchema)]
pub struct FromTo {
    #[schema(schema_with = scalar)]
    from: Value,
    #[schema(schema_with = scalar)]
    to: Value,
}

/// A text, a number, true, false or null.
fn scalar() -> Object {
    let kinds = [Type::String, Type::Integer, Type::Boolean, Type::Null];
    ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds)).build()
}

impl From<audit::Row> for View {
    fn from(row: audit::Row) -> Self {
        let changes = row.changes.unwrap_or_default();
        Self {
            id: row.id.to_string(),
            at: rfc3339(row.at),
            actor: row.actor,
            action: row.action,
            object: row.object,
            account_id: row.account_id.map(|id| id.to_string()),
            from: row.from,
            actor_id: row.actor_id.map(|id| id.to_string()),
            changed: changes.changed,
            values: changes
                .values
                .into_iter()
                .map(|(field, audit::FromTo { from, to })| (field, FromTo { from, to }))
                .collect(),
        }
    }
}

/// List the audit log, newest first; a user sees changes to objects of their account. On PostgreSQL a
/// change that takes a while may appear below one that began later: an export must repeat the last minute.
#[utoipa::path(get, path = "/api/audit", operation_id = "list_audit", tag = "audit",
    params(("account_id" = Option<String>, Query, description = "Only changes to objects of this account.")),
    responses((status = 200, description = "A page of the audit log.", body = List<View>)))]
pub async fn list(context: Data<Context>, who: Who, query: Query) -> Answer {
    let (page, account) = (query.page()?, who.lists(query.get("account_id")?));
    let rows = page.rows();
    let rows = context.store.read(move |conn| audit::list(conn, account, rows)).await?;
    Ok(ok(&page.list(rows, |row| row.id, View::from)))
}
