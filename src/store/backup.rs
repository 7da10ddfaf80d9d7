//! A copy of an embedded database, whole and consistent, while a server uses it.
//!
//! `VACUUM INTO` reads one state of the database and writes it into a new file, without what was
//! deleted; writers go on meanwhile. The copy gets its name only when it is whole and on the disk, and
//! never takes the place of another file.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use diesel::{RunQueryDsl as _, sql_query, sql_types::Text};

use super::{Conn, StoreError, open::Connector};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// PostgreSQL makes its own.
    #[error("back a PostgreSQL database up with pg_dump")]
    Postgres,
    /// The url leads to no file.
    #[error("there is no database at {0}")]
    Missing(PathBuf),
    /// Nothing is ever written over.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The name of the copy is not one that SQLite takes.
    #[error("the name of the file is not UTF-8")]
    Name,
    /// The database could not be read, or the copy not be written by it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy could not be made, or not be given its name.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The copy.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
}

/// Copies the embedded database of `url` into the new file `into`, readable by its owner only, and
/// returns the copy's length in bytes. Blocks, for as long as the disk needs.
///
/// # Errors
/// [`BackupError`]; nothing is left behind then.
pub fn back_up(url: &str, into: &Path) -> Result<u64, BackupError> {
    let connector = Connector::parse(url)?;
    let Some(path) = url.strip_prefix("sqlite://") else { return Err(BackupError::Postgres) };
    // Opening would make the file.
    if !Path::new(path).is_file() {
        return Err(BackupError::Missing(path.into()));
    }
    let io_error = |cause| BackupError::Io { path: into.to_owned(), cause };
    let into = std::path::absolute(into).map_err(io_error)?;
    if into.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(into));
    }
    let Some(dir) = into.parent() else { return Err(BackupError::Exists(into)) };
    // A temporary file is private from the start, and goes away if anything fails.
    let copy = tempfile::Builder::new().prefix(".upvoot-backup-").tempfile_in(dir);
    let copy = copy.map_err(io_error)?;
    let name = copy.path().to_str().ok_or(BackupError::Name)?.to_owned();
    let mut conn = match connector.writer()? {
        Conn::Sqlite(conn) => conn,
        Conn::Postgres(_) => return Err(BackupError::Postgres),
    };
    sql_query("VACUUM INTO ?")
        .bind::<Text, _>(name)
        .execute(&mut conn)
        .map_err(StoreError::from)?;
    drop(conn);
    // SQLite leaves that to whoever asked for the copy.
    let length = copy.as_file().sync_all().and_then(|()| Ok(copy.as_file().metadata()?.len()));
    let length = length.map_err(io_error)?;
    copy.persist_noclobber(&into).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(into.clone()),
        _ => io_error(error.error),
    })?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error)?;
    Ok(length)
}
