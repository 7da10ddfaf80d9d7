//! `upvoot demo`, the real binary: the promise that a newcomer sees first.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The demo on a free port, with its temporary files in `directory`.
fn demo(directory: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_upvoot"))
        .args(["demo", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .env("TMPDIR", directory)
        .env("UPVOOT_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn interrupt(child: &Child) {
    let process = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(process, Signal::SIGINT).unwrap();
}

/// What is in the directory, by the beginnings of the names.
fn left(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().unwrap().rsplit_once('-').unwrap().0.to_owned())
        .collect();
    names.sort();
    names
}

/// Reads until a line holds this; all that was read.
fn read_until(output: &mut impl BufRead, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        assert_ne!(output.read_line(&mut text).unwrap(), 0, "no {wanted} in\n{text}");
    }
    text
}

fn holds_no_key(text: &str) {
    for (at, prefix) in text.match_indices("sk_live_") {
        let digits = text[at + prefix.len()..].bytes().take_while(u8::is_ascii_hexdigit).count();
        assert_eq!(digits, 0, "{}", &text[at..at + 20]);
    }
    assert!(text.contains("sk_live_…"), "the key is named by its suffix:\n{text}");
}

#[test]
fn it_happens_as_promised_and_leaves_the_reply_only() {
    let directory = tempfile::tempdir().unwrap();
    let output = demo(directory.path(), &["--exit"]).wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let logged = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}\n{logged}");
    holds_no_key(&told);
    assert!(logged.contains("TRACE") || logged.contains("DEBUG"), "{logged}");
    assert!(!logged.contains("sk_live_"), "{logged}");
    for promise in [
        "all of it came back",
        "billed",
        "403 key_revoked",
        "this call goes on: all of it came back",
        "Everything worked, in",
    ] {
        assert!(told.contains(promise), "no {promise} in\n{told}");
    }
    assert_eq!(left(directory.path()), ["upvoot-reply"]);
    let reply = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    assert!(told.contains(reply.to_str().unwrap()), "{told}");
    let reply = upvoot::audio::wav::read(&fs::read(reply).unwrap()).unwrap();
    assert!(reply.len() > 3 * upvoot::audio::BYTES_PER_SECOND, "{} bytes", reply.len());
}

#[test]
fn an_interrupt_in_mid_call_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = demo(directory.path(), &["--exit"]);
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut logged = child.stderr.take().unwrap();
    // So that a full pipe holds nobody up.
    let logged = std::thread::spawn(move || {
        let mut text = String::new();
        logged.read_to_string(&mut text).unwrap();
        text
    });
    let text = read_until(&mut told, "begins");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(logged.join().unwrap().contains("interrupted"));
    assert_eq!(left(directory.path()), [""; 0], "{text}");
}

#[test]
fn it_stays_up_with_a_link_to_the_dashboard_that_no_log_holds() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = demo(directory.path(), &[]);
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut logged = child.stderr.take().unwrap();
    // So that a full pipe holds nobody up.
    let logged = std::thread::spawn(move || {
        let mut text = String::new();
        logged.read_to_string(&mut text).unwrap();
        text
    });
    let text = read_until(&mut told, "its token");
    let (_, link) = text.split_once("the dashboard, to set up").unwrap();
    let link = link.split_whitespace().next().unwrap();
    let (host, token) = link.strip_prefix("http://").unwrap().split_once("/setup/").unwrap();
    assert_eq!(token.len(), 64, "{text}");

    let mut server = TcpStream::connect(host).unwrap();
    write!(server, "GET /setup/{token} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    server.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Account name"), "{page}");

    interrupt(&child);
    let rest = read_until(&mut told, "the database is kept in");
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(!logged.join().unwrap().contains(&token[20..44]), "the log holds the link");
    assert_eq!(left(directory.path()), ["upvoot-demo", "upvoot-reply"]);
}
