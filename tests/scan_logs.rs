//! `upvoot scan-logs`, the real binary, on real files and a real database.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use upvoot::{
    agent::profile::{Agent, Engine},
    clock::wall_ms,
    id::{AccountId, KeyId},
    key::PlainKey,
    points::Seconds,
    store::{
        Store, StoreError,
        accounts::{self, Account},
        agents,
        keys::{self, Key},
    },
};

fn scan(database: &str, arguments: &[&Path], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_upvoot"))
        .arg("scan-logs")
        .args(arguments)
        .env("UPVOOT_DATABASE_URL", database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A database with an active and a revoked key.
async fn two_keys(url: &str) -> [(PlainKey, KeyId); 2] {
    let store = Store::open(url).unwrap();
    let now = wall_ms();
    let account = Account {
        id: AccountId::new(),
        name: "Acme".to_owned(),
        balance: Seconds(0),
        held: Seconds(0),
        max_concurrent_calls: None,
        retention_days: None,
        created_at: now,
    };
    let agent = Agent::new(account.id, "Reception".to_owned(), Engine::Echo, now);
    let plain = [PlainKey::generate().unwrap(), PlainKey::generate().unwrap()];
    let rows = plain.each_ref().map(|plain| {
        let key = Key {
            id: KeyId::new(),
            agent_id: agent.id,
            account_id: account.id,
            name: None,
            suffix: plain.suffix(),
            is_active: true,
            created_at: now,
            revoked_at: None,
            refused_uses: 0,
            last_refused_at: None,
            last_refused_from: None,
            replaces: None,
        };
        (key, plain.hash())
    });
    let ids = rows.each_ref().map(|(key, _)| key.id);
    store
        .write(move |conn| {
            accounts::insert(conn, &account)?;
            agents::insert(conn, &agent)?;
            for (key, hash) in &rows {
                assert!(keys::insert(conn, key, hash)?);
            }
            keys::revoke(conn, ids[1], now)?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let [active, revoked] = plain;
    [(active, ids[0]), (revoked, ids[1])]
}

#[tokio::test]
async fn keys_are_found_and_named_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", directory.path().join("upvoot.db").display());
    let [(active, active_id), (revoked, revoked_id)] = two_keys(&database).await;
    let stranger = PlainKey::generate().unwrap();

    let log = directory.path().join("access.log");
    let lines = format!(
        "GET /healthz\nGET /voice/{}\nGET /voice/{} again\n",
        active.expose(),
        active.expose().replace('_', "%5F").to_uppercase(),
    );
    fs::write(&log, lines).unwrap();
    let binary = directory.path().join("core");
    // Across the border of what is read at a time, in the midst of what is no text.
    let mut bytes = vec![0xff; 256 * 1024 - 40];
    bytes.extend_from_slice(revoked.expose().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(stranger.expose().as_bytes());
    fs::write(&binary, bytes).unwrap();
    let missing = directory.path().join("missing.log");

    let output = scan(&database, &[&log, &binary, &missing, Path::new("-")], b"nothing");
    let (found, complaints) = (text(&output.stdout), text(&output.stderr));
    let log = log.display();
    for line in [
        format!("{log}:2: sk_live_…{}  {active_id}  active", active.suffix()),
        format!("{log}:3: sk_live_…{}  {active_id}  active", active.suffix()),
        format!("{}:1: sk_live_…{}  {revoked_id}  revoked", binary.display(), revoked.suffix()),
        format!("{}:1: sk_live_…{}  unknown key", binary.display(), stranger.suffix()),
        "found 4 times in 2 files:".to_owned(),
        format!("{active_id}  2 times  revoke it now: POST /api/keys/{active_id}/revoke"),
        format!("{revoked_id}  1 time  revoked"),
    ] {
        assert!(found.contains(&line), "{line}\nis not in\n{found}");
    }
    assert!(complaints.contains("missing.log: "), "{complaints}");
    assert_eq!(output.status.code(), Some(1));
    for key in [&active, &revoked, &stranger] {
        let secret = &key.expose()[8..40];
        assert!(!format!("{found}{complaints}").to_lowercase().contains(secret), "{found}");
    }
}

#[test]
fn without_a_database_keys_are_still_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.db");
    let key = PlainKey::generate().unwrap();
    for database in [&format!("sqlite://{}", path.display()), "mysql://u:secret@host/db"] {
        let output = scan(database, &[Path::new("-")], key.expose().as_bytes());
        let (found, complaints) = (text(&output.stdout), text(&output.stderr));
        assert!(found.contains(&format!("-:1: sk_live_…{}  not looked up", key.suffix())));
        assert!(complaints.contains("UPVOOT_DATABASE_URL"), "{complaints}");
        assert!(!complaints.contains("secret"), "{complaints}");
        assert_eq!(output.status.code(), Some(1));
        assert!(!path.exists(), "a search makes no database");
    }
}

#[test]
fn nothing_found_is_a_success_and_an_unreadable_file_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", directory.path().join("none.db").display());
    let output = scan(&database, &[Path::new("-")], b"sk_live_ is how keys begin");
    assert_eq!(text(&output.stdout), "nothing shaped like a key in 1 file\n");
    assert_eq!(output.status.code(), Some(0));
    let output = scan(&database, &[directory.path()], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("could not be read"));
}
