//! Browsers that a user has signed in with. Of the token in a browser's cookie only the SHA-256 is here.
//!
//! What a known browser is good for is decided in `auth`; it opens nothing.

use diesel::prelude::*;

use super::{Conn, StoreError, schema::browsers};
use crate::id::UserId;

/// Browsers of one user that are remembered: the newest.
const MOST: i64 = 10;

/// Remembers a browser of a user, and forgets the user's oldest ones where there are too many.
///
/// # Errors
/// [`StoreError`].
pub fn insert(
    conn: &mut Conn,
    token_hash: &[u8; 32],
    user: UserId,
    now: i64,
) -> Result<(), StoreError> {
    let of_user = browsers::table.filter(browsers::user_id.eq(user.to_string()));
    let too_old: Vec<Vec<u8>> = of_user
        .order((browsers::created_at.desc(), browsers::token_hash))
        .offset(MOST - 1)
        .limit(1_000)
        .select(browsers::token_hash)
        .load(conn)?;
    diesel::delete(browsers::table.filter(browsers::token_hash.eq_any(too_old))).execute(conn)?;
    diesel::insert_into(browsers::table)
        .values((
            browsers::token_hash.eq(token_hash.as_slice()),
            browsers::user_id.eq(user.to_string()),
            browsers::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whose browser this is, if it was remembered after `since`, in milliseconds since 1970.
///
/// # Errors
/// [`StoreError`].
pub fn user(
    conn: &mut Conn,
    token_hash: &[u8; 32],
    since: i64,
) -> Result<Option<UserId>, StoreError> {
    Ok(browsers::table
        .find(token_hash.as_slice())
        .filter(browsers::created_at.ge(since))
        .select(browsers::user_id)
        .first(conn)
        .optional()?)
}

/// Forgets a user's browsers, or all but one.
///
/// # Errors
/// [`StoreError`].
pub fn forget(conn: &mut Conn, user: UserId, but: Option<&[u8; 32]>) -> Result<(), StoreError> {
    let of_user = browsers::table.filter(browsers::user_id.eq(user.to_string()));
    match but {
        Some(kept) => {
            let others = of_user.filter(browsers::token_hash.ne(kept.as_slice()));
            diesel::delete(others).execute(conn)?
        }
        None => diesel::delete(of_user).execute(conn)?,
    };
    Ok(())
}
