//! Sessions: who is signed in. Of the token in a browser's cookie only the SHA-256 is here.
//!
//! A row is deleted when its session ends; how long one may last is decided in `auth`.

use diesel::prelude::*;

use super::{
    Conn, StoreError,
    schema::{sessions, users},
    users::User,
};
use crate::id::UserId;

/// A session and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who is signed in.
    pub user: User,
    /// Since when, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was used last, to the minute.
    pub last_seen_at: i64,
}

/// Begins a session.
///
/// # Errors
/// [`StoreError`].
pub fn insert(
    conn: &mut Conn,
    token_hash: &[u8; 32],
    user: UserId,
    now: i64,
) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::token_hash.eq(token_hash.as_slice()),
            sessions::user_id.eq(user.to_string()),
            sessions::created_at.eq(now),
            sessions::last_seen_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// The session, however old, if its user may sign in.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut Conn, token_hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
    let row: Option<(User, i64, i64)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(users::is_active.eq(true))
        .select((User::as_select(), sessions::created_at, sessions::last_seen_at))
        .first(conn)
        .optional()?;
    Ok(row.map(|(user, created_at, last_seen_at)| Session { user, created_at, last_seen_at }))
}

/// Writes down that a session is in use.
///
/// # Errors
/// [`StoreError`].
pub fn seen(conn: &mut Conn, token_hash: &[u8; 32], now: i64) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(token_hash.as_slice()))
        .set(sessions::last_seen_at.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// [`StoreError`].
pub fn delete(conn: &mut Conn, token_hash: &[u8; 32]) -> Result<(), StoreError> {
    diesel::delete(sessions::table.find(token_hash.as_slice())).execute(conn)?;
    Ok(())
}

/// Ends all sessions of a user, or all but one.
///
/// # Errors
/// [`StoreError`].
pub fn delete_of_user(
    conn: &mut Conn,
    user: UserId,
    but: Option<&[u8; 32]>,
) -> Result<(), StoreError> {
    let all = sessions::table.filter(sessions::user_id.eq(user.to_string()));
    match but {
        Some(kept) => {
            let others = all.filter(sessions::token_hash.ne(kept.as_slice()));
            diesel::delete(others).execute(conn)?
        }
        None => diesel::delete(all).execute(conn)?,
    };
    Ok(())
}

/// Forgets a user's sessions that began before `oldest` or were last seen before `idle`.
///
/// # Errors
/// [`StoreError`].
pub fn delete_expired(
    conn: &mut Conn,
    user: UserId,
    oldest: i64,
    idle: i64,
) -> Result<(), StoreError> {
    let expired = sessions::table
        .filter(sessions::user_id.eq(user.to_string()))
        .filter(sessions::created_at.lt(oldest).or(sessions::last_seen_at.lt(idle)));
    diesel::delete(expired).execute(conn)?;
    Ok(())
}
