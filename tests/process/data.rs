//! The data survives: a stop, a kill, a copy, and a file that is moved away under the server.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::json;

use crate::support::{Database, Server, eventually, phone::Phone, process::upvoot};

/// A place for a database of a server that runs as a process.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("upvoot.db")
    }

    fn url(&self) -> String {
        url(&self.file())
    }

    async fn serve(&self) -> Server {
        Server::process(&self.url(), &[]).await
    }

    /// What is there.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

async fn back_up(url: String, into: PathBuf) -> Output {
    let run = move || {
        let mut command = upvoot();
        command.arg("backup").arg(into).env("UPVOOT_DATABASE_URL", url);
        command.output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The account, as a server on this file knows it.
async fn known_in(file: &Path, account: &str) -> bool {
    let server = Server::process(&url(file), &[]).await;
    let answer = server.get(&format!("/api/accounts/{account}")).await;
    server.stop().await;
    answer.status == 200
}

#[actix_web::test]
async fn after_a_stop_the_database_is_one_whole_file() {
    let place = Place::new();
    let server = place.serve().await;
    let account = server.account(3.0).await;
    // Readers, the thread that looks keys up, and the writer have all been at work.
    assert_eq!(Phone::dial(&server.voice(&made_up_key())).await.err().unwrap().status, 401);
    server.stop().await;
    assert_eq!(place.names(), ["upvoot.db"]);

    let elsewhere = Place::new();
    fs::copy(place.file(), elsewhere.file()).unwrap();
    assert!(known_in(&elsewhere.file(), &account).await, "the one file has it all");
    assert_eq!(elsewhere.names(), ["upvoot.db"]);
}

#[actix_web::test]
async fn a_second_signal_cuts_the_draining_short_and_the_file_is_whole_all_the_same() {
    let place = Place::new();
    let mut server = place.serve().await;
    let (account, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    server.process_mut().signal_to_stop();
    eventually(async || server.process_mut().log().contains("draining").then_some(())).await;
    server.process_mut().signal_to_stop();
    assert!(server.process_mut().exited().await.is_some(), "it ends by itself");
    let elsewhere = Place::new();
    fs::copy(place.file(), elsewhere.file()).unwrap();
    assert!(known_in(&elsewhere.file(), &account).await);
}

#[actix_web::test]
async fn after_a_kill_the_next_start_finds_everything() {
    let place = Place::new();
    let mut server = place.serve().await;
    let account = server.account(3.0).await;
    server.process_mut().kill();
    assert!(known_in(&place.file(), &account).await);
    assert_eq!(place.names(), ["upvoot.db"], "and leaves one file");
}

#[actix_web::test]
async fn a_backup_under_load_is_whole_private_and_consistent() {
    let place = Place::new();
    let server = place.serve().await;
    let (account, _, key) = server.ready().await;
    let copy = place.dir.path().join("copy.db");
    let backing_up = back_up(place.url(), copy.clone());
    let mut made = None;
    tokio::pin!(backing_up);
    // Top-ups and calls, until the copy is made, and at least a few.
    for n in 0.. {
        server.top_up(&account, 1.0).await;
        if n % 4 == 0 {
            Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
        }
        if made.is_none() {
            made = futures_util::FutureExt::now_or_never(&mut backing_up);
        }
        if made.is_some() && n > 8 {
            break;
        }
    }
    let made = made.unwrap();
    assert!(made.status.success(), "{}", said(&made));
    assert_eq!(mode(&copy), 0o600);
    server.quiet().await;
    let (now, _) = server.books(&account).await;
    server.stop().await;
    assert_eq!(place.names(), ["copy.db", "upvoot.db"], "nothing else is left");

    let restored = Server::process(&url(&copy), &[]).await;
    // Calls that were live in the copy are settled by its server; then the books agree.
    restored.quiet().await;
    let (then, held) = restored.books(&account).await;
    assert!(then <= now + 60 && held == 0, "{then} of {now}, {held} held");
    restored.stop().await;
}

#[actix_web::test]
async fn a_backup_takes_no_other_files_place_and_says_what_it_cannot_copy() {
    let place = Place::new();
    let server = place.serve().await;
    server.account(0.0).await;
    let taken = place.dir.path().join("taken");
    fs::write(&taken, "precious").unwrap();
    let (missing, nowhere) = (place.dir.path().join("none.db"), place.dir.path().join("no/copy"));
    let (postgres, _database) = Database::Postgres.empty();
    let copy = place.dir.path().join("copy.db");
    for (from, into, status, words) in [
        (place.url(), &taken, 1, "exists already"),
        (place.url(), &nowhere, 1, "No such file"),
        (url(&missing), &copy, 1, "there is no database"),
        (postgres, &copy, 2, "UPVOOT_DATABASE_URL: back a PostgreSQL database up with pg_dump"),
    ] {
        let output = back_up(from, into.clone()).await;
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
    assert_eq!(fs::read_to_string(&taken).unwrap(), "precious");
    assert!(!missing.exists() && !copy.exists());
    server.stop().await;
    let output = back_up(place.url(), copy.clone()).await;
    assert!(output.status.success(), "also of a server that does not run: {}", said(&output));
}

#[actix_web::test]
async fn a_database_that_is_moved_away_takes_nothing_until_it_is_back() {
    let place = Place::new();
    let mut server = place.serve().await;
    let (account, _, key) = server.ready().await;
    let aside = place.dir.path().join("aside.db");
    readiness(&server, 200).await;
    fs::rename(place.file(), &aside).unwrap();
    readiness(&server, 503).await;
    let refused = Phone::dial(&server.voice(&key.key)).await.err().unwrap();
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert_eq!(server.post("/api/accounts", json!({"name": "Lost"})).await.status, 503);
    assert!(!place.file().exists(), "no new one is made in its place");
    // Another one in its place is not ours either.
    fs::write(place.file(), "").unwrap();
    let refused = Phone::dial(&server.voice(&key.key)).await.err().unwrap();
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    eventually(async || server.process_mut().log().contains("lease").then_some(())).await;
    fs::rename(&aside, place.file()).unwrap();
    readiness(&server, 200).await;
    Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
    server.quiet().await;
    server.books(&account).await;
    server.process_mut().signal_to_stop();
    assert_eq!(server.process_mut().exited().await, Some(0));
    let log = server.process_mut().log();
    assert_eq!(log.matches("not ready for calls").count(), 1, "once per change: {log}");
    assert_eq!(log.matches("ready for calls again").count(), 1, "{log}");
}

/// Waits until `/readyz` answers like this, and asks a few times more: it stays so.
async fn readiness(server: &Server, status: u16) {
    eventually(async || (server.get("/readyz").await.status == status).then_some(())).await;
    for _ in 0..5 {
        assert_eq!(server.get("/readyz").await.status, status);
    }
}

#[actix_web::test]
async fn a_database_that_takes_no_change_is_not_ready() {
    use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
    let place = Place::new();
    let server = place.serve().await;
    let (_, _, key) = server.ready().await;
    readiness(&server, 200).await;
    let mut conn = SqliteConnection::establish(place.file().to_str().unwrap()).unwrap();
    conn.batch_execute(
        "PRAGMA busy_timeout = 3000;
         CREATE TRIGGER no_lease BEFORE UPDATE ON nodes BEGIN SELECT RAISE(ABORT, 'no'); END;
         CREATE TRIGGER no_call BEFORE INSERT ON calls BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .unwrap();
    assert!(Phone::dial(&server.voice(&key.key)).await.is_err());
    readiness(&server, 503).await;
    conn.batch_execute("DROP TRIGGER no_lease; DROP TRIGGER no_call").unwrap();
    drop(conn);
    readiness(&server, 200).await;
    Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
    server.stop().await;
}

/// A file system of its own, of two megabytes; `None` where only root may have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mounted() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|done| done.status.success()).then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[actix_web::test]
#[allow(clippy::print_stdout, reason = "a test that is passed over says so")]
async fn on_a_full_disk_a_node_is_not_ready_and_comes_back_when_there_is_room() {
    let Some(disk) = SmallDisk::mounted() else {
        println!("skipped: this needs a file system of its own, which only root may mount");
        return;
    };
    let file = disk.0.path().join("upvoot.db");
    let server = Server::process(&url(&file), &[]).await;
    let (account, _, key) = server.ready().await;
    readiness(&server, 200).await;
    let fill = disk.0.path().join("fill");
    let filled = fs::write(&fill, vec![1; 4 << 20]).unwrap_err();
    assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull);
    // What is allocated already is used up by changes, until one finds no room.
    eventually(async || {
        let made = server.post("/api/accounts", json!({"name": "x".repeat(200)})).await;
        (made.status == 503).then_some(())
    })
    .await;
    readiness(&server, 503).await;
    let refused = Phone::dial(&server.voice(&key.key)).await.err().unwrap();
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    fs::remove_file(&fill).unwrap();
    readiness(&server, 200).await;
    Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
    server.quiet().await;
    server.books(&account).await;
    server.stop().await;
}

#[actix_web::test]
async fn a_copied_database_that_everybody_may_read_is_closed_and_the_log_says_so() {
    let place = Place::new();
    place.serve().await.stop().await;
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let mut server = place.serve().await;
    assert_eq!(mode(&place.file()), 0o600);
    eventually(async || {
        server.process_mut().log().contains("readable by other users").then_some(())
    })
    .await;
    server.stop().await;
}

#[actix_web::test]
async fn a_key_revoked_after_the_backup_lives_again_and_the_log_names_it() {
    let place = Place::new();
    let mut server = place.serve().await;
    let (_, _, key) = server.ready().await;
    let copy = place.dir.path().join("copy.db");
    assert!(back_up(place.url(), copy.clone()).await.status.success());
    let revoke = format!("/api/keys/{}/revoke", key.id);
    assert_eq!(server.post(&revoke, json!({})).await.status, 200);
    assert_eq!(server.post(&revoke, json!({})).await.status, 200);
    // A thread of its own writes the log; at the end it has written all.
    server.process_mut().signal_to_stop();
    assert_eq!(server.process_mut().exited().await, Some(0));
    let log = server.process_mut().log();
    let named =
        log.lines().filter(|line| line.contains("a key is revoked") && line.contains(&key.id));
    assert_eq!(named.count(), 1, "{log}");

    // What docs/operations.md warns of, and its cure.
    let restored = Server::process(&url(&copy), &[]).await;
    Phone::dial(&restored.voice(&key.key)).await.unwrap().end().await;
    assert_eq!(restored.post(&revoke, json!({})).await.status, 200);
    assert_eq!(Phone::dial(&restored.voice(&key.key)).await.err().unwrap().status, 403);
    restored.stop().await;
}

fn made_up_key() -> String {
    format!("sk_live_{}", "0123456789abcdef".repeat(4))
}
