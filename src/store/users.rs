//! Users: who may sign in, to which account, with which rights.
//!
//! A user belongs to an account, is an operator, or both. Passwords come and go as hashes; whether one
//! is right, and who may change whom, is decided in `auth` and `api`.

use diesel::{
    prelude::*,
    result::{DatabaseErrorKind, Error},
};

use super::{
    Conn, Page, StoreError, browsers,
    lock::{Rows, locked},
    schema::users,
};
use crate::{
    id::{AccountId, UserId},
    user::{Email, PasswordHash, Role},
};

/// A user, without the password.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The account; `None` for an operator who has none.
    pub account_id: Option<AccountId>,
    /// Who it is; no two users have the same.
    pub email: Email,
    /// What the user may do in the account.
    pub role: Role,
    /// Whether the user may do everything in every account.
    pub is_operator: bool,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When the user last signed in.
    pub last_signed_in_at: Option<i64>,
    /// Whether the operator or single sign-on vouches that the address is the user's own. An owner's
    /// word is not enough: whoever has the address is somebody of another account, perhaps.
    pub email_confirmed: bool,
}

/// Somebody else has this e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

/// A unique violation is an answer, not a fault. On PostgreSQL the transaction is lost with it, so the
/// caller has to give up what it was doing.
fn unless_taken(done: QueryResult<usize>) -> Result<Result<(), Taken>, StoreError> {
    match done {
        Ok(_) => Ok(Ok(())),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(Err(Taken)),
        Err(error) => Err(error.into()),
    }
}

/// Adds a user. [`Taken`] spoils the transaction.
///
/// # Errors
/// [`StoreError`], also when there is no such account.
pub fn insert(
    conn: &mut Conn,
    user: &User,
    password: &PasswordHash,
) -> Result<Result<(), Taken>, StoreError> {
    unless_taken(
        diesel::insert_into(users::table)
            .values((
                users::id.eq(user.id.to_string()),
                users::account_id.eq(user.account_id.map(|id| id.to_string())),
                users::email.eq(user.email.as_str()),
                users::password_hash.eq(password.as_str()),
                users::role.eq(user.role.as_str()),
                users::is_operator.eq(user.is_operator),
                users::is_active.eq(user.is_active),
                users::created_at.eq(user.created_at),
                users::email_confirmed.eq(user.email_confirmed),
            ))
            .execute(conn),
    )
}

/// The user, if there is one.
///
/// # Errors
/// [`StoreError`].
pub fn get(conn: &mut Conn, id: UserId) -> Result<Option<User>, StoreError> {
    Ok(users::table.find(id.to_string()).select(User::as_select()).first(conn).optional()?)
}

/// The user, locked until the transaction ends; lock the operators before.
///
/// # Errors
/// [`StoreError`].
pub fn lock(conn: &mut Conn, id: UserId) -> Result<Option<User>, StoreError> {
    let query = users::table.find(id.to_string()).select(User::as_select());
    Ok(locked(query, Rows).get_result(conn).optional()?)
}

/// The user of this address, and the hash of the password.
///
/// # Errors
/// [`StoreError`].
pub fn by_email(
    conn: &mut Conn,
    email: &Email,
) -> Result<Option<(User, PasswordHash)>, StoreError> {
    Ok(users::table
        .filter(users::email.eq(email.as_str()))
        .select((User::as_select(), users::password_hash))
        .first(conn)
        .optional()?)
}

/// The user whom this person of this issuer is bound to.
///
/// # Errors
/// [`StoreError`].
pub fn by_subject(
    conn: &mut Conn,
    issuer: &str,
    subject: &[u8; 32],
) -> Result<Option<User>, StoreError> {
    Ok(users::table
        .filter(users::oidc_subject.eq(subject.as_slice()))
        .filter(users::oidc_issuer.eq(issuer))
        // Since a person is looked up by this first, there is one at most; before, a person could be
        // bound to a second user after the address had changed, and meant that one from then on.
        .order((users::last_signed_in_at.desc(), users::id.desc()))
        .select(User::as_select())
        .first(conn)
        .optional()?)
}

/// Whether there is any user at all.
///
/// # Errors
/// [`StoreError`].
pub fn exist(conn: &mut Conn) -> Result<bool, StoreError> {
    let any: Option<UserId> = users::table.select(users::id).first(conn).optional()?;
    Ok(any.is_some())
}

/// The hash of a user's password.
///
/// # Errors
/// [`StoreError`].
pub fn password(conn: &mut Conn, id: UserId) -> Result<Option<PasswordHash>, StoreError> {
    Ok(users::table.find(id.to_string()).select(users::password_hash).first(conn).optional()?)
}

/// Users, newest first; of one account if asked.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut Conn,
    account: Option<AccountId>,
    page: Page<UserId>,
) -> Result<Vec<User>, StoreError> {
    let mut query = users::table
        .filter(users::id.lt(page.before()))
        .order(users::id.desc())
        .limit(page.limit)
        .select(User::as_select())
        .into_boxed();
    if let Some(account) = account {
        query = query.filter(users::account_id.eq(account.to_string()));
    }
    Ok(query.load(conn)?)
}

/// Whether anybody can sign in who may do everything.
///
/// # Errors
/// [`StoreError`].
pub fn has_operator(conn: &mut Conn) -> Result<bool, StoreError> {
    let any: Option<UserId> = users::table
        .filter(users::is_operator.eq(true))
        .filter(users::is_active.eq(true))
        .select(users::id)
        .first(conn)
        .optional()?;
    Ok(any.is_some())
}

/// Those who can sign in and are in charge of the server or of this account, its operators and owners,
/// locked until the transaction ends, so that two of them cannot make each other the last one.
///
/// # Errors
/// [`StoreError`].
pub fn lock_in_charge(
    conn: &mut Conn,
    account: Option<AccountId>,
) -> Result<Vec<User>, StoreError> {
    // No account has an empty id.
    let account = account.map(|id| id.to_string()).unwrap_or_default();
    let owner = users::account_id.eq(account).and(users::role.eq(Role::Owner.as_str()));
    let query = users::table
        .filter(users::is_operator.eq(true).or(owner.assume_not_null()))
        .filter(users::is_active.eq(true))
        .order(users::id.asc())
        .select(User::as_select());
    Ok(locked(query, Rows).get_results(conn)?)
}

/// How many users an account has.
///
/// # Errors
/// [`StoreError`].
pub fn count(conn: &mut Conn, account: AccountId) -> Result<i64, StoreError> {
    Ok(users::table.filter(users::account_id.eq(account.to_string())).count().get_result(conn)?)
}

/// Writes e-mail address, role and flags of a user that is there. [`Taken`] spoils the transaction.
///
/// # Errors
/// [`StoreError`].
pub fn update(conn: &mut Conn, user: &User) -> Result<Result<(), Taken>, StoreError> {
    unless_taken(
        diesel::update(users::table.find(user.id.to_string()))
            .set((
                users::email.eq(user.email.as_str()),
                users::role.eq(user.role.as_str()),
                users::is_operator.eq(user.is_operator),
                users::is_active.eq(user.is_active),
                users::email_confirmed.eq(user.email_confirmed),
            ))
            .execute(conn),
    )
}

/// Sets a user's password, and forgets the browsers that the user has signed in with; `false` if there is
/// no such user.
///
/// # Errors
/// [`StoreError`].
pub fn set_password(
    conn: &mut Conn,
    id: UserId,
    password: &PasswordHash,
) -> Result<bool, StoreError> {
    let changed = diesel::update(users::table.find(id.to_string()))
        .set(users::password_hash.eq(password.as_str()))
        .execute(conn)?;
    browsers::forget(conn, id, None)?;
    Ok(changed == 1)
}

/// Writes down that sign-ins as this user were refused: so many, the last one then and from there.
///
/// # Errors
/// [`StoreError`].
pub fn refused_sign_ins(
    conn: &mut Conn,
    id: UserId,
    count: i64,
    at: i64,
    from: &str,
) -> Result<(), StoreError> {
    diesel::update(users::table.find(id.to_string()))
        .set((
            users::refused_sign_ins.eq(users::refused_sign_ins + count),
            users::last_refused_at.eq(at),
            users::last_refused_from.eq(from),
        ))
        .execute(conn)?;
    Ok(())
}

/// Writes down that a user signed in.
///
/// # Errors
/// [`StoreError`].
pub fn signed_in(conn: &mut Conn, id: UserId, now: i64) -> Result<(), StoreError> {
    diesel::update(users::table.find(id.to_string()))
        .set(users::last_signed_in_at.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Binds a user to the one person of this issuer who may sign in as them, unless somebody else is bound
/// already, the address has become another's, or it is not confirmed and it is not `oneself` who asks;
/// `false` then. What another issuer said is forgotten: its subjects mean nothing here.
///
/// # Errors
/// [`StoreError`].
pub fn bind(
    conn: &mut Conn,
    id: UserId,
    email: &Email,
    oneself: Option<UserId>,
    issuer: &str,
    subject: &[u8; 32],
) -> Result<bool, StoreError> {
    let free = users::oidc_issuer.is_null().or(users::oidc_issuer.ne(issuer));
    // No user has an empty id.
    let oneself = users::id.eq(oneself.map(|id| id.to_string()).unwrap_or_default());
    let bound = diesel::update(users::table.find(id.to_string()))
        .filter(users::email.eq(email.as_str()))
        .filter(users::email_confirmed.eq(true).or(oneself))
        .filter(free.or(users::oidc_subject.eq(subject.as_slice())))
        .set((
            users::oidc_issuer.eq(issuer),
            users::oidc_subject.eq(subject.as_slice()),
            users::email_confirmed.eq(true),
        ))
        .execute(conn)?;
    Ok(bound == 1)
}

/// Binds a user to nobody any more: whoever has their address may sign in next, and is bound then.
///
/// # Errors
/// [`StoreError`].
pub fn unbind(conn: &mut Conn, id: UserId) -> Result<(), StoreError> {
    diesel::update(users::table.find(id.to_string()))
        .set((users::oidc_issuer.eq(None::<&str>), users::oidc_subject.eq(None::<&[u8]>)))
        .execute(conn)?;
    Ok(())
}

/// Deletes a user, and with it all its sessions; `false` if there is none. What the user did stays in
/// the audit log.
///
/// # Errors
/// [`StoreError`].
pub fn delete(conn: &mut Conn, id: UserId) -> Result<bool, StoreError> {
    Ok(diesel::delete(users::table.find(id.to_string())).execute(conn)? == 1)
}
