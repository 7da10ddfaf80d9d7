//! Who was heard when: a call's stretches, in the order in which they were told.
//!
//! They are kept beside the transcript and written like it, as the call goes. Nothing that a session
//! tells can make a write fail, for a settlement may hang on it: times are put right, and what is
//! beyond [`MOST`] is dropped. What follows from them is the business of those who show them.

use diesel::{dsl::max, prelude::*};

use crate::{
    call::event::{Role, Stretch},
    id::CallId,
    store::{Conn, StoreError, schema::stretches},
};

/// Stretches that are kept of one call. The table says so too.
pub const MOST: i32 = 2_000;

/// Appends to a call's stretches. `told` begins at position `first` of all its stretches; those
/// already written are passed over, so that the same ones may come again.
///
/// # Errors
/// [`StoreError`], also when there is no such call.
pub fn append(
    conn: &mut Conn,
    call: CallId,
    first: i32,
    told: &[Stretch],
) -> Result<(), StoreError> {
    if told.is_empty() || first >= MOST {
        return Ok(());
    }
    let last: Option<i32> = stretches::table
        .filter(stretches::call_id.eq(call.to_string()))
        .select(max(stretches::seq))
        .get_result(conn)?;
    for (seq, stretch) in (first..MOST).zip(told).filter(|(seq, _)| Some(*seq) > last) {
        let (begin, end) = (ms(stretch.begin_ms), ms(stretch.end_ms));
        diesel::insert_into(stretches::table)
            .values((
                stretches::call_id.eq(call.to_string()),
                stretches::seq.eq(seq),
                stretches::role.eq(name(stretch.role)),
                stretches::begin_ms.eq(begin),
                stretches::end_ms.eq(end.max(begin)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// A call's stretches, as far as they are written.
///
/// # Errors
/// [`StoreError`].
pub fn of(conn: &mut Conn, call: CallId) -> Result<Vec<Stretch>, StoreError> {
    let rows: Vec<(Role, i64, i64)> = stretches::table
        .filter(stretches::call_id.eq(call.to_string()))
        .order(stretches::seq.asc())
        .select((stretches::role, stretches::begin_ms, stretches::end_ms))
        .load(conn)?;
    let stretch = |(role, begin, end): (_, i64, i64)| Stretch {
        role,
        begin_ms: begin.unsigned_abs(),
        end_ms: end.unsigned_abs(),
    };
    Ok(rows.into_iter().map(stretch).collect())
}

fn ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// Who it was, read back; `None` for any other text.
pub fn role_from_stored(text: &str) -> Option<Role> {
    [Role::User, Role::Assistant].into_iter().find(|role| name(*role) == text)
}
