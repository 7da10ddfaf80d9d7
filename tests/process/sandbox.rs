//! What a synthesiser that a text has taken over can do: with the sandbox nothing, without it all.
//!
//! The program that tries is `programs/spy.c`, compiled here; a C compiler is what the build needs too.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::support::{Server, eventually, phone::Phone, process::upvoot};

/// What is kept from it by Landlock; the rest is by seccomp, limits, and closed descriptors.
const FILES: [&str; 7] =
    ["environ", "status", "database", "passwords", "directory", "write", "other"];

/// The spy, as an executable of this name.
fn spy(directory: &Path, name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/programs/spy.c");
    let program = directory.join(name);
    let built = Command::new("cc").arg(source).arg("-o").arg(&program).status().unwrap();
    assert!(built.success());
    program
}

/// Runs a command line with one descriptor too many, and with a memory and core limit that leave room.
/// What each attempt came to.
fn attempts(words: &[&str]) -> BTreeMap<String, bool> {
    let script = r#"ulimit -S -c "$(ulimit -H -c)"; exec 9< /dev/null; exec "$@""#;
    let output = Command::new("sh").args(["-c", script, "sh"]).args(words).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let attempt = |line: &str| {
        let (what, came) = line.split_once(' ').unwrap();
        (what.to_owned(), came == "yes")
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said} {complaint}", output.status);
    said.lines().map(attempt).collect()
}

/// What this machine's sandbox holds: `landlock=yes seccomp=yes`.
fn strength() -> String {
    let output = upvoot().arg("speech-child").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn in_the_sandbox_a_synthesiser_can_do_nothing_that_it_can_do_outside() {
    let directory = tempfile::tempdir().unwrap();
    let spy = spy(directory.path(), "spy");
    let database = directory.path().join("upvoot.db");
    std::fs::write(&database, "secrets").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let spied = [spy.to_str().unwrap(), database.to_str().unwrap(), &port];

    let outside = attempts(&spied);
    assert_eq!(outside.len(), 16, "{outside:?}");
    let hindered: Vec<_> =
        outside.iter().filter(|(_, done)| !**done).map(|(what, _)| what).collect();
    // Where this machine forbids cores to everybody there is nothing to take away.
    assert!(hindered.iter().all(|what| *what == "core"), "outside all of it works: {hindered:?}");

    let upvoot = env!("CARGO_BIN_EXE_upvoot");
    let [program, database, port] = spied;
    let inside = attempts(&[upvoot, "speech-child", "--program", program, "--", database, port]);
    assert_eq!(inside.len(), outside.len(), "{inside:?}");
    let strength = strength();
    for (what, done) in inside {
        let held = match FILES.contains(&&*what) {
            true => strength.contains("landlock=yes"),
            false => strength.contains("seccomp=yes"),
        };
        assert!(held || std::env::var_os("CI").is_none(), "this kernel cannot show it: {strength}");
        assert!(!done || !held, "it can do this in the sandbox: {what}");
    }
}

/// Calls an agent whose greeting is this text, spoken by the spy; seconds of its greeting.
async fn greeted(server: &Server, greeting: &str) -> f64 {
    let account = server.account(10.0).await;
    let agent = server.agent(&account, json!({"greeting": greeting})).await;
    let key = server.key(&agent).await;
    let mut phone = Phone::dial(&server.voice(&key.key)).await.unwrap();
    phone.until("audio_end").await;
    let seconds = f64::from(u32::try_from(phone.heard.len()).unwrap()) / 32_000.0;
    phone.end().await;
    seconds
}

#[actix_web::test]
async fn a_text_cannot_make_the_server_speak_its_own_secrets() {
    let directory = tempfile::tempdir().unwrap();
    spy(directory.path(), "espeak-ng");
    let database = directory.path().join("upvoot.db");
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let url = format!("sqlite://{}", database.display());
    let mut server = Server::process(&url, &[("PATH", &path)]).await;
    let line = eventually(async || {
        let log = server.process_mut().log();
        log.lines().find(|line| line.contains("speech is rendered")).map(str::to_owned)
    })
    .await;
    assert!(line.contains(strength().trim()), "{line}");
    if !line.contains("in a sandbox") {
        return;
    }
    let seconds = greeted(&server, database.to_str().unwrap()).await;
    assert!((0.8..1.5).contains(&seconds), "{seconds} s: it has found something, or chimes");
    server.stop().await;
}

#[actix_web::test]
async fn the_real_synthesiser_speaks_in_the_sandbox() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("upvoot.db").display());
    let mut server = Server::process(&url, &[]).await;
    let long =
        "Good morning, you are connected to the front door, and somebody will be with you soon.";
    let seconds = greeted(&server, long).await;
    let log = server.process_mut().log();
    if log.contains("espeak-ng is not installed") {
        return;
    }
    assert!((3.0..12.0).contains(&seconds), "{seconds} s: {log}");
    assert!(!log.contains("a tone is played"), "{log}");
    server.stop().await;
}
