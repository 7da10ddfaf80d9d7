//! Points in, points corrected, and the book of all that came and went.
//!
//! A top-up or an adjustment is made once per `Idempotency-Key` and account, however often it is sent:
//! the store keeps the hashes of key and body and finds the same again under the account's lock. Charges
//! of calls are written by `ledger`, never from here.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::Body,
    created, fields,
    fields::{Note, Points, SignedPoints},
    ok,
    page::{List, Query},
    path::Id,
    rfc3339,
    who::Who,
};
use crate::{
    id::AccountId,
    key::looks_like_key,
    points::Seconds,
    problem::{Code, Problem},
    store::{
        accounts, audit,
        ledger::{self, EntryKind, Posted, Posting},
    },
};

/// A row of the ledger.
#[derive(Serialize, ToSchema)]
#[schema(as = LedgerEntry)]
pub struct View {
    #[schema(example = "led_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    /// `topup`, `call` or `adjustment`.
    kind: &'static str,
    /// Negative for a charge.
    points: f64,
    /// The same in seconds, exact.
    seconds: i64,
    /// The call that was charged.
    call_id: Option<String>,
    note: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<ledger::Entry> for View {
    fn from(entry: ledger::Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            kind: entry.kind.as_str(),
            points: entry.seconds.points(),
            seconds: entry.seconds.0,
            call_id: entry.call_id.map(|id| id.to_string()),
            note: entry.note,
            created_at: rfc3339(entry.created_at),
        }
    }
}

/// Points for an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTopUp {
    points: Points,
    #[serde(default)]
    note: Option<Note>,
}

/// A correction of an account's points: a refund, or points taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdjustment {
    points: SignedPoints,
    /// Why.
    note: Note,
}

/// The hash of the `Idempotency-Key` header.
pub struct IdempotencyHash([u8; 32]);

impl FromRequest for IdempotencyHash {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        const NAME: &str = "Idempotency-Key";
        let mut all = request.headers().get_all(NAME);
        let only = all.next().filter(|_| all.next().is_none());
        let key = only.and_then(|value| value.to_str().ok()).map(str::trim);
        let printable = |key: &str| key.bytes().all(|b| matches!(b, b' '..=b'~'));
        let key = key.filter(|key| (1..=200).contains(&key.len()) && printable(key));
        let key = key.filter(|key| !looks_like_key(key));
        ready(key.map(|key| Self(Sha256::digest(key).into())).ok_or_else(|| fields::fault(NAME)))
    }
}

/// What was asked, not how it was spelled: `1` and `1.0` points are the same wish. A top-up and an
/// adjustment never are.
fn body_hash(kind: EntryKind, seconds: Seconds, note: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    if kind != EntryKind::TopUp {
        hash.update(kind.as_str());
    }
    hash.update(seconds.0.to_be_bytes());
    hash.update([u8::from(note.is_some())]);
    hash.update(note.unwrap_or_default());
    hash.finalize().into()
}

/// Top up an account. The same Idempotency-Key with the same body returns the same entry again.
#[utoipa::path(post, path = "/api/accounts/{id}/topups", operation_id = "create_topup", tag = "accounts",
    params(("Idempotency-Key" = String, Header, description = "1 to 200 printable characters, new for each top-up.")),
    request_body = NewTopUp,
    responses(
        (status = 201, description = "The entry, new or created before by the same request.", body = View),
        (status = 409, description = "`idempotency_conflict`: the same Idempotency-Key came with another body."),
    ))]
pub async fn create(
    context: Data<Context>,
    who: Who,
    Id(account_id): Id<AccountId>,
    IdempotencyHash(idempotency_hash): IdempotencyHash,
    Body(new): Body<NewTopUp>,
) -> Answer {
    let (kind, note) = (EntryKind::TopUp, new.note.map(String::from));
    let Points(seconds) = new.points;
    let body_hash = body_hash(kind, seconds, note.as_deref());
    post(&context, who, Posting { kind, account_id, seconds, note, idempotency_hash, body_hash })
        .await
}

/// Adjust an account's points, up or down, never below what live calls hold. The same Idempotency-Key with
/// the same body returns the same entry again.
#[utoipa::path(post, path = "/api/accounts/{id}/adjustments", operation_id = "create_adjustment", tag = "accounts",
    params(("Idempotency-Key" = String, Header, description = "1 to 200 printable characters, new for each adjustment.")),
    request_body = NewAdjustment,
    responses(
        (status = 201, description = "The entry, new or created before by the same request.", body = View),
        (status = 409, description = "`points_not_free`: live calls hold what it would take; `idempotency_conflict`: the same Idempotency-Key came with another body."),
    ))]
pub async fn adjust(
    context: Data<Context>,
    who: Who,
    Id(account_id): Id<AccountId>,
    IdempotencyHash(idempotency_hash): IdempotencyHash,
    Body(new): Body<NewAdjustment>,
) -> Answer {
    let (kind, note) = (EntryKind::Adjustment, Some(String::from(new.note)));
    let SignedPoints(seconds) = new.points;
    let body_hash = body_hash(kind, seconds, note.as_deref());
    post(&context, who, Posting { kind, account_id, seconds, note, idempotency_hash, body_hash })
        .await
}

/// Writes it down, with its audit row.
async fn post(context: &Context, who: Who, wish: Posting) -> Answer {
    let action = if wish.kind == EntryKind::TopUp { "account.topup" } else { "account.adjustment" };
    let entry = context
        .store
        .write(move |conn| match ledger::post(conn, &wish)? {
            Posted::Made(entry) => {
                audit::insert(conn, &who.did(action, entry.id, Some(wish.account_id)))?;
                Ok(entry)
            }
            Posted::Same(entry) => Ok(entry),
            Posted::Conflict => Err(Problem::from(Code::IdempotencyConflict)),
            Posted::NotFree => Err(Code::PointsNotFree.into()),
            Posted::NoAccount => Err(Code::NotFound.into()),
            Posted::OutOfRange => Err(fields::fault("points")),
        })
        .await?;
    Ok(created(&View::from(entry)))
}

/// List the ledger, newest first: every second an account got or spent. The account's points are the sum.
#[utoipa::path(get, path = "/api/accounts/{id}/ledger", operation_id = "list_ledger", tag = "accounts",
    responses((status = 200, description = "A page of the ledger.", body = List<View>)))]
pub async fn ledger(
    context: Data<Context>,
    who: Who,
    Id(account_id): Id<AccountId>,
    query: Query,
) -> Answer {
    who.sees(account_id)?;
    let page = query.page()?;
    let rows = page.rows();
    let rows = context
        .store
        .read(move |conn| {
            accounts::get(conn, account_id)?.ok_or(Code::NotFound)?;
            Ok::<_, Problem>(ledger::list(conn, account_id, rows)?)
        })
        .await?;
    Ok(ok(&page.list(rows, |entry| entry.id, View::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_wish_tells_wishes_apart() {
        let topup = EntryKind::TopUp;
        let all = [
            body_hash(topup, Seconds(60), None),
            body_hash(topup, Seconds(61), None),
            body_hash(topup, Seconds(60), Some("")),
            body_hash(topup, Seconds(60), Some("a")),
            body_hash(EntryKind::Adjustment, Seconds(60), Some("a")),
        ];
        let apart: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(apart.len(), all.len());
        assert_eq!(all[3], body_hash(topup, Seconds(60), Some("a")));
    }
}
