//! An embedded database's file: made private, and watched for being moved or replaced.
//!
//! A connection keeps the file that it has opened, wherever the path leads later: what is written
//! after `mv upvoot.db elsewhere` is in a file that the next start does not find. So the file is known
//! by its inode from the first connection on, and a path that leads to another one is an outage. This
//! module knows no SQL but the one statement that folds the write-ahead log into the file.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _,
    sql_query, sql_types::Integer,
};

use super::StoreError;

/// Read and write for the owner, nothing for anybody else.
const PRIVATE: u32 = 0o600;
/// What others may do with a file.
const OF_OTHERS: u32 = 0o077;

/// What an embedded database consists of: the file, and what SQLite puts beside it.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// A file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inode {
    device: u64,
    number: u64,
}

/// The file of one store.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    opened: OnceLock<Inode>,
}

impl DatabaseFile {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), opened: OnceLock::new() }
    }

    /// Before a connection: the first finds the file, or makes it; later ones find the same.
    pub(super) fn find(&self) -> Result<(), StoreError> {
        if self.opened.get().is_some() {
            return self.check();
        }
        let found = make_private(&self.path).and_then(|()| inode(&self.path)).map_err(|error| {
            StoreError::failed(format!("cannot open {}: {error}", self.path.display()))
        })?;
        let known = self.opened.get_or_init(|| found);
        if *known == found { Ok(()) } else { Err(replaced()) }
    }

    /// Whether the path still leads to the file that was opened.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let Some(opened) = self.opened.get() else { return Ok(()) };
        match inode(&self.path) {
            Ok(now) if now == *opened => Ok(()),
            Ok(_) => Err(replaced()),
            Err(error) => Err(StoreError::unavailable(format!(
                "the database's file is no longer in its place: {error}"
            ))),
        }
    }
}

fn replaced() -> StoreError {
    StoreError::unavailable(
        "the database's file was replaced by another one; the server uses it after a restart",
    )
}

fn inode(path: &Path) -> io::Result<Inode> {
    let metadata = fs::metadata(path)?;
    Ok(Inode { device: metadata.dev(), number: metadata.ino() })
}

/// Makes the file before SQLite does, so that nobody else can ever read it; SQLite gives its `-wal`
/// and `-shm` the same permissions. A file that is there already, from a copy perhaps, is closed to
/// others now.
fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    for ending in BESIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        close_to_others(Path::new(&name));
    }
    Ok(())
}

/// Takes away what others may do with the file, and says so. Where that is not allowed it says what is
/// wrong, for the server can run all the same.
fn close_to_others(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.mode() & 0o7777;
    if mode & OF_OTHERS == 0 {
        return;
    }
    let (file, was) = (path.display(), format!("{mode:04o}"));
    match fs::set_permissions(path, Permissions::from_mode(mode & !OF_OTHERS)) {
        Ok(()) => tracing::warn!(
            %file, was,
            "the database file was readable by other users of this machine; permissions corrected"
        ),
        Err(error) => tracing::warn!(
            %file, was, %error,
            "the database file is readable by other users of this machine, and its permissions cannot be changed"
        ),
    }
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Writes what is in the write-ahead log into the file and empties the log. `false` if another process
/// uses the database, so that some of it stays where it is: while it waits for that one's readers its
/// writers wait too, so it does not wait long.
pub(super) fn fold_log(conn: &mut SqliteConnection) -> Result<bool, StoreError> {
    conn.batch_execute("PRAGMA busy_timeout = 250")?;
    let done: Checkpoint = sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(conn)?;
    Ok(done.busy == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_database_is_its_owners_only_whoever_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made.db");
        DatabaseFile::new(&made).find().unwrap();
        assert_eq!(mode(&made), 0o600);
        let (copied, log) = (dir.path().join("copied.db"), dir.path().join("copied.db-wal"));
        for path in [&copied, &log] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        DatabaseFile::new(&copied).find().unwrap();
        assert_eq!((mode(&copied), mode(&log)), (0o600, 0o600));
    }

    #[test]
    fn a_file_that_was_moved_or_replaced_is_another_one_and_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("upvoot.db"), dir.path().join("aside.db"));
        let file = DatabaseFile::new(&path);
        file.find().unwrap();
        fs::rename(&path, &aside).unwrap();
        let gone = file.check().unwrap_err().to_string();
        assert!(gone.contains("no longer in its place"), "{gone}");
        assert!(file.find().is_err() && !path.exists(), "no new one is made");
        fs::write(&path, "another").unwrap();
        let other = file.find().unwrap_err().to_string();
        assert!(other.contains("replaced"), "{other}");
        fs::rename(&aside, &path).unwrap();
        file.find().unwrap();
    }
}
