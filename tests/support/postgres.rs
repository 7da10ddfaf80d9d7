//! A real PostgreSQL for tests: one server per test process, one fresh database per test.
//!
//! The server comes from Debian's `postgresql` package, lives in a temporary directory, listens on a unix
//! socket there and on no port, and runs as an unprivileged user. A small shell keeps watch over it: its standard input is a pipe from the test
//! process, and when that closes, however the process ended, the shell stops the server and removes the
//! directory.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

const WATCH: &str = r#"
trap '' HUP INT TERM
"$1/postgres" -D "$2/data" -k "$2" -p "$3" -c listen_addresses="$4" -c fsync=off \
    -c full_page_writes=off \
    -c synchronous_commit=off -c max_connections=500 -c shared_buffers=32MB \
    >"$2/log" 2>&1 </dev/null &
server=$!
read -r _
kill -QUIT $server
wait
cd /
rm -rf "$2"
"#;

/// The url of a database that no other test uses. Starts the server if this is the first.
pub fn fresh_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = server();
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.admin(&format!("CREATE DATABASE {name}"));
    server.url(&name)
}

/// Makes a database of [`fresh_database`] vanish for its clients, as an outage would: their
/// connections are cut and new ones refused.
pub fn cut_off(url: &str) {
    let name = name_of(url);
    server().admin(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    server().admin(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ));
}

/// The end of [`cut_off`].
pub fn let_in(url: &str) {
    server().admin(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", name_of(url)));
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().expect("a url has a last part")
}

struct Server {
    /// Where its socket is, as a url's host, or its address.
    host: String,
    /// Holds the pipe that keeps the server alive. Never dropped: it closes with the process.
    _watch: Child,
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.host)
    }

    fn admin(&self, sql: &str) {
        let mut conn = PgConnection::establish(&self.url("postgres")).expect("the server runs");
        conn.batch_execute(sql).expect("what tests ask of the server is allowed");
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start(None).expect("PostgreSQL starts"))
}

/// The url of a database on a server of its own, which listens on a port of this machine too, and what
/// keeps it running.
pub fn on_a_port() -> (String, impl Sized) {
    // Another program may take a port that is free now; then it is another one.
    let started = (0..10).find_map(|_| {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        start(Some(free.expect("there is a free port").port())).ok()
    });
    let server = started.expect("PostgreSQL starts on a port");
    (server.url("postgres"), server)
}

/// Starts a server, on a port too if there is one.
///
/// # Errors
/// Its log, where the port is taken.
fn start(port: Option<u16>) -> Result<Server, String> {
    let programs = programs();
    let user = unprivileged();
    // Short, because a unix socket's path may have no more than about 100 bytes.
    let dir =
        tempfile::Builder::new().prefix("upvoot-pg-").tempdir().expect("a temporary directory");
    let as_user = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(dir.path()).env("LC_ALL", "C");
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    };
    if let Some((uid, gid)) = user {
        chown(dir.path(), Some(uid), Some(gid)).expect("root may give a directory away");
    }
    let initdb = as_user(&programs.join("initdb"))
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"])
        .arg(dir.path().join("data"))
        .output()
        .expect("initdb starts");
    assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));

    let watch = as_user(Path::new("/bin/sh"))
        .args(["-c", WATCH, "watch"])
        .args([&programs, dir.path()])
        .arg(port.unwrap_or(5432).to_string()) // names the socket
        .arg(port.map_or("", |_| "127.0.0.1"))
        .process_group(0) // Ctrl-C is for the tests; the watch cleans up after them
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell starts");
    // From here on the watch removes the directory.
    let dir = dir.keep();

    let host = match port {
        Some(port) => format!("127.0.0.1:{port}"),
        None => dir.to_str().expect("a path in UTF-8").replace('/', "%2F"),
    };
    let server = Server { host, _watch: watch };
    let until = Instant::now() + Duration::from_secs(60);
    while PgConnection::establish(&server.url("postgres")).is_err() {
        let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
        if log.contains("could not create any TCP/IP sockets") {
            return Err(log);
        }
        assert!(Instant::now() < until, "PostgreSQL does not start: {log}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(server)
}

/// Where `initdb` and `postgres` are: Debian keeps them out of the search path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .chain(std::env::split_paths(&path))
        .find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
        .expect("these tests need PostgreSQL's server: on Debian, `apt-get install postgresql`")
}

/// Whom the server runs as when we are root, which it refuses.
fn unprivileged() -> Option<(u32, u32)> {
    nix::unistd::geteuid().is_root().then(|| {
        let nobody = nix::unistd::User::from_name("nobody").expect("users can be looked up");
        let nobody = nobody.expect("there is a user `nobody`");
        (nobody.uid.as_raw(), nobody.gid.as_raw())
    })
}
