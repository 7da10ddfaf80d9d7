//! From a url to a connection that is set up as every connection must be.
//!
//! Durability, timeouts and the file's permissions are settled here, once. A url may hold a password:
//! it is never printed, and neither is anything that the client library says about a url that it could
//! not take apart, since that may hold a piece of it.

use std::sync::Arc;

use diesel::{
    Connection as _, ConnectionError, PgConnection, SqliteConnection, connection::SimpleConnection,
};

use super::{Backend, Conn, StoreError, file::DatabaseFile, server};

/// WAL and FULL: a commit is on the disk before it is answered, and readers never wait for a writer.
const SQLITE_SET_UP: &str = "PRAGMA busy_timeout = 3000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

const SQLITE_READER: &str = "PRAGMA query_only = ON;";

/// For a thread that must not wait, and looks at a few pages only.
const SQLITE_PEEKER: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 0; \
     PRAGMA cache_size = -256;";

/// Everything ends before `Store` loses patience. A stopped node that holds a row's lock loses its
/// transaction before those who wait for the lock lose theirs. A server set to answer commits before
/// they are on the disk is overruled; one that does even more is left alone.
const POSTGRES_SET_UP: &str = "SET idle_in_transaction_session_timeout = '2s'; \
     SET lock_timeout = '3s'; SET statement_timeout = '4s'; \
     SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off';";

const POSTGRES_READER: &str = "SET default_transaction_read_only = on;";

/// What a lost server or network costs at most: libpq's own waits have no end by default.
const POSTGRES_WAITS: [(&str, &str); 5] = [
    ("connect_timeout", "2"),
    ("tcp_user_timeout", "4000"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "2"),
];

/// Connections to an embedded database: one writes, the others read.
const SQLITE_CONNECTIONS: u32 = 5;
/// Connections to a server unless told otherwise.
const POSTGRES_CONNECTIONS: u32 = 16;

/// Where the database is, and how to connect to it.
#[derive(Clone)]
pub(super) struct Connector {
    backend: Backend,
    /// A path or a url with a password perhaps: the reason why this has no `Debug`.
    target: String,
    /// The embedded database's file.
    file: Option<Arc<DatabaseFile>>,
    /// How many connections there are to be in all.
    connections: u32,
}

impl Connector {
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            // SQLite itself would take these for something else than a file.
            if path.is_empty() || path.starts_with(':') || path.starts_with("file:") {
                return Err(StoreError::failed("sqlite:// needs the path of a file"));
            }
            let file = Some(Arc::new(DatabaseFile::new(path)));
            return Ok(Self {
                backend: Backend::Sqlite,
                target: path.to_owned(),
                file,
                connections: SQLITE_CONNECTIONS,
            });
        }
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let Some(rest) = rest else {
            return Err(StoreError::failed("a database url begins with sqlite:// or postgres://"));
        };
        let place = rest.split('?').next().unwrap_or_default();
        let authority = place.split('/').next().unwrap_or_default();
        if place.matches('@').count() != authority.matches('@').count()
            || authority.matches('@').count() > 1
            || (rest.matches('?').count() > 1)
        {
            return Err(StoreError::failed(
                "in a postgres:// url, any of @ / ? : in user name or password is written as \
                 %40 %2F %3F %3A",
            ));
        }
        let mut target =
            server::with_certificates(url, openssl_probe::probe().cert_file.as_deref())?;
        for (name, value) in POSTGRES_WAITS {
            if !rest.contains(&format!("{name}=")) {
                let separator = if target.contains('?') { '&' } else { '?' };
                target.push_str(&format!("{separator}{name}={value}"));
            }
        }
        let connections = POSTGRES_CONNECTIONS;
        Ok(Self { backend: Backend::Postgres, target, file: None, connections })
    }

    /// The first connection, by which it is found out how many there may be: as many as wanted, on a
    /// server that gives them.
    pub(super) fn first(&mut self, wanted: Option<u32>) -> Result<Conn, StoreError> {
        if let Backend::Postgres = self.backend
            && let Some(host) = server::unverified_host(&self.target)
        {
            tracing::warn!(
                host,
                "the database server is not verified: add ?sslmode=verify-full&sslrootcert=system"
            );
        }
        let mut conn = self.writer()?;
        if let Conn::Postgres(conn) = &mut conn {
            let wanted = wanted.unwrap_or(self.connections).max(server::FEWEST);
            self.connections = server::connections(conn, wanted)?;
        }
        Ok(conn)
    }

    /// How many connections write; SQLite has one writer.
    pub(super) fn writers(&self) -> u32 {
        match self.backend {
            Backend::Sqlite => 1,
            Backend::Postgres => self.connections / 2,
        }
    }

    /// How many connections read.
    pub(super) fn readers(&self) -> u32 {
        self.connections - self.writers()
    }

    pub(super) fn backend(&self) -> Backend {
        self.backend
    }

    /// Whether the database is still where it was opened: an embedded one's file can be moved or
    /// replaced, and what is written into it then is lost. Costs one look at the file system.
    pub(super) fn is_in_place(&self) -> Result<(), StoreError> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }

    /// A connection for `Store::write`.
    pub(super) fn writer(&self) -> Result<Conn, StoreError> {
        self.connect(None)
    }

    /// A connection for `Store::read`, which refuses to write.
    pub(super) fn reader(&self) -> Result<Conn, StoreError> {
        self.connect(Some(match self.backend {
            Backend::Sqlite => SQLITE_READER,
            Backend::Postgres => POSTGRES_READER,
        }))
    }

    /// A connection to an embedded database that never waits, for `Store::knows_no_key`.
    pub(super) fn peeker(&self) -> Result<SqliteConnection, StoreError> {
        let mut conn = self.connect_sqlite()?;
        conn.batch_execute(SQLITE_PEEKER)?;
        Ok(conn)
    }

    fn connect_sqlite(&self) -> Result<SqliteConnection, StoreError> {
        if let Some(file) = &self.file {
            file.find()?;
        }
        let mut conn =
            SqliteConnection::establish(&self.target).map_err(StoreError::unavailable)?;
        self.is_in_place()?;
        conn.batch_execute(SQLITE_SET_UP)?;
        Ok(conn)
    }

    fn connect(&self, extra: Option<&str>) -> Result<Conn, StoreError> {
        let mut conn = match self.backend {
            Backend::Sqlite => Conn::Sqlite(self.connect_sqlite()?),
            Backend::Postgres => {
                let mut conn = PgConnection::establish(&self.target).map_err(|e| said(&e))?;
                conn.batch_execute(POSTGRES_SET_UP)?;
                Conn::Postgres(conn)
            }
        };
        if let Some(extra) = extra {
            conn.batch_execute(extra)?;
        }
        Ok(conn)
    }
}

/// What libpq says of a server is worth reading, and holds no password; what it says of a url may.
fn said(error: &ConnectionError) -> StoreError {
    match error.to_string() {
        text if text.starts_with("connection to server") => StoreError::unavailable(text),
        text if text.starts_with("could not translate host name") => {
            StoreError::unavailable("the database's host name is not known")
        }
        _ => StoreError::unavailable("the postgres:// url is not one that libpq understands"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Connector::parse(url).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_url_is_a_path_or_a_server() {
        for wrong in ["", "upvoot.db", "mysql://x", "sqlite://", "sqlite://:memory:"] {
            assert!(!refused(wrong).is_empty(), "{wrong}");
        }
        assert_eq!(refused("sqlite://upvoot.db"), "");
        assert_eq!(refused("sqlite:///var/lib/upvoot.db"), "");
        assert_eq!(refused("postgres://u:p%40ss@host:5432/db?sslmode=require"), "");
        assert_eq!(refused("postgresql:///db?host=/run/postgresql"), "");
    }

    #[test]
    fn a_password_that_would_be_taken_apart_is_refused_without_being_shown() {
        for wrong in
            ["postgres://u:hush@hush@host/db", "postgres://u:hu/sh@host/db", "postgres://u:h?sh?@h"]
        {
            let said = refused(wrong);
            assert!(said.contains("%40") && !said.contains("sh@") && !said.contains("hush"));
        }
    }

    #[test]
    fn waits_are_bounded_unless_the_url_says_otherwise() {
        let plain = Connector::parse("postgres://h/db").unwrap().target;
        assert!(plain.starts_with("postgres://h/db?connect_timeout=2&"));
        let own = Connector::parse("postgres://h/db?connect_timeout=9").unwrap().target;
        assert_eq!(own.matches("connect_timeout").count(), 1);
    }
}
