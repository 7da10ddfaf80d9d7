//! The one-time link that makes the first operator. Of its token only the SHA-256 is here.

use diesel::prelude::*;

use super::{Conn, StoreError, schema::setup_links};

/// Makes this link the only one.
///
/// # Errors
/// [`StoreError`].
pub fn replace(conn: &mut Conn, token_hash: &[u8; 32], expires_at: i64) -> Result<(), StoreError> {
    diesel::delete(setup_links::table).execute(conn)?;
    diesel::insert_into(setup_links::table)
        .values((
            setup_links::token_hash.eq(token_hash.as_slice()),
            setup_links::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whether this link would work now.
///
/// # Errors
/// [`StoreError`].
pub fn is_good(conn: &mut Conn, token_hash: &[u8; 32], now: i64) -> Result<bool, StoreError> {
    let found = setup_links::table
        .find(token_hash.as_slice())
        .filter(setup_links::expires_at.gt(now))
        .count()
        .get_result::<i64>(conn)?;
    Ok(found == 1)
}

/// Uses the link up; `false` if it does not work (any more). Of two that use it at once, one does.
///
/// # Errors
/// [`StoreError`].
pub fn take(conn: &mut Conn, token_hash: &[u8; 32], now: i64) -> Result<bool, StoreError> {
    let good =
        setup_links::table.find(token_hash.as_slice()).filter(setup_links::expires_at.gt(now));
    Ok(diesel::delete(good).execute(conn)? == 1)
}
