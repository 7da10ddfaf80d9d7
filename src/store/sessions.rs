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
    /// What was refused of this user between the session before and this one; `None`: nothing.
    pub refused: Option<Refused>,
}

/// Sign-ins that were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub count: i64,
    /// When the last one was, in milliseconds since 1970.
    pub last_at: i64,
    /// From which address the last one came.
    pub last_from: String,
}

impl Refused {
    fn of((count, last_at, last_from): (i64, Option<i64>, Option<String>)) -> Option<Self> {
        Some(Self { count, last_at: last_at?, last_from: last_from? }).filter(|it| it.count > 0)
    }
}

/// Begins a session, which takes over what was refused of its user since the one before.
///
/// # Errors
/// [`StoreError`].
pub fn insert(
    conn: &mut Conn,
    token_hash: &[u8; 32],
    user: UserId,
    now: i64,
) -> Result<(), StoreError> {
    let refused: (i64, Option<i64>, Option<String>) = users::table
        .find(user.to_string())
        .select((users::refused_sign_ins, users::last_refused_at, users::last_refused_from))
        .first(conn)?;
    diesel::insert_into(sessions::table)
        .values((
            sessions::token_hash.eq(token_hash.as_slice()),
            sessions::user_id.eq(user.to_string()),
            sessions::created_at.eq(now),
            sessions::last_seen_at.eq(now),
            sessions::refused_sign_ins.eq(refused.0),
            sessions::last_refused_at.eq(refused.1),
            sessions::last_refused_from.eq(refused.2),
        ))
        .execute(conn)?;
    diesel::update(users::table.find(user.to_string()))
        .set((
            users::refused_sign_ins.eq(0),
            users::last_refused_at.eq(None::<i64>),
            users::last_refused_from.eq(None::<&str>),
        ))
        .execute(conn)?;
    Ok(())
}

/// The session, however old, if its user may sign in.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut Conn, token_hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
    type Row = (User, i64, i64, (i64, Option<i64>, Option<String>));
    let row: Option<Row> = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(users::is_active.eq(true))
        .select((
            User::as_select(),
            sessions::created_at,
            sessions::last_seen_at,
            (sessions::refused_sign_ins, sessions::last_refused_at, sessions::last_refused_from),
        ))
        // Not `first`: SQLite plans a statement anew each time its limit is bound.
        .get_result(conn)
        .optional()?;
    Ok(row.map(|(user, created_at, last_seen_at, refused)| {
        let refused = Refused::of(refused);
        Session { user, created_at, last_seen_at, refused }
    }))
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
