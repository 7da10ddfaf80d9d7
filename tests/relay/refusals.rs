//! Bots that are not called, or do not take the call.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use upvoot::agent::relay::{FromBot, Gone, Names, Relay, Target, Unreached, Untrusted};

use crate::relay::bot::{Call, Place, next_text, opening, trusted, with_secret};

#[tokio::test]
async fn a_bot_in_the_servers_own_network_is_not_called() {
    let place = Place::free().await;
    let port = place.address().port();
    for url in [
        place.url(),
        format!("ws://localhost:{port}/"),
        format!("wss://127.0.0.1:{port}/"),
        format!("wss://localhost:{port}/"),
        format!("wss://[::ffff:127.0.0.1]:{port}/"),
        format!("wss://[::1]:{port}/"),
        format!("wss://[64:ff9b::7f00:1]:{port}/"),
        format!("wss://0.0.0.0:{port}/"),
        "wss://169.254.169.254/latest/meta-data".to_owned(),
        "wss://10.0.0.1/".to_owned(),
        "wss://[fd00::1]/".to_owned(),
    ] {
        let call = Call::open(Target { trusted: false, ..trusted(&url) });
        // Of a name it is not said whether it exists.
        let nowhere = Gone::Unreachable(Unreached::NoName);
        let told = if url.contains("localhost") { nowhere } else { Gone::Refused };
        assert_eq!(call.gone().await, told, "{url}");
    }
    let knock = timeout(Duration::from_millis(50), place.connection()).await;
    assert!(knock.is_err(), "nobody has knocked");
}

#[tokio::test]
async fn a_network_that_the_operator_lets_in_is_called() {
    let place = Place::free().await;
    let target = || Target { trusted: false, ..trusted(&place.url()) };
    let (_other, mut events) =
        Relay::open(target(), opening(), &["10.0.0.0/8".parse().unwrap()], &Names::new(Vec::new()));
    assert_eq!(events.recv().await, Some(FromBot::Gone(Gone::Refused)));
    let (_relay, mut events) = Relay::open(
        target(),
        opening(),
        &["127.0.0.0/8".parse().unwrap()],
        &Names::new(Vec::new()),
    );
    let mut bot = place.answer().await;
    assert_eq!(next_text(&mut bot).await["type"], "call_start");
    assert_eq!(events.recv().await, Some(FromBot::Connected));
}

#[tokio::test]
async fn a_name_that_nobody_has_and_a_port_where_nobody_listens() {
    // A resolver that cannot be reached either takes its time to say so.
    let within = Duration::from_secs(2);
    let call = Call::open(Target { connect_within: within, ..trusted("wss://bot.invalid/") });
    let gone = call.gone().await;
    assert!(matches!(gone, Gone::Unreachable(Unreached::NoName) | Gone::Timeout), "{gone:?}");
    let place = Place::free().await;
    let url = place.url();
    drop(place);
    let refused = Gone::Unreachable(Unreached::ConnectionRefused);
    assert_eq!(Call::open(trusted(&url)).gone().await, refused);
}

#[tokio::test]
async fn a_bot_without_tls_is_not_called_over_tls() {
    let place = Place::free().await;
    let call = Call::open(trusted(&format!("wss://{}/", place.address())));
    let mut stream = place.connection().await;
    let mut hello = [0; 1];
    stream.read_exact(&mut hello).await.unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert_eq!(call.gone().await, Gone::Insecure(Untrusted::NoTls));
}

#[tokio::test]
async fn a_bot_that_never_accepts_the_upgrade_times_out() {
    let place = Place::free().await;
    let begun = Instant::now();
    let within = Duration::from_millis(200);
    let call = Call::open(Target { connect_within: within, ..trusted(&place.url()) });
    let _silent = place.connection().await;
    assert_eq!(call.gone().await, Gone::Timeout);
    assert!(begun.elapsed() >= within);
}

/// Answers the upgrade with these bytes.
async fn answered_with(answer: &str) -> Gone {
    let place = Place::free().await;
    let call = Call::open(trusted(&place.url()));
    let mut stream = place.connection().await;
    let mut request = vec![0; 4096];
    let read = stream.read(&mut request).await.unwrap();
    assert!(request[..read].starts_with(b"GET /bot?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
    stream.write_all(answer.as_bytes()).await.unwrap();
    drop(stream);
    let gone = call.gone().await;
    let knock = timeout(Duration::from_millis(20), place.connection()).await;
    assert!(knock.is_err(), "no second attempt, wherever it was sent");
    gone
}

#[tokio::test]
async fn a_bot_that_says_no_is_told_by_its_status() {
    for (answer, status) in [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 401),
        ("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", 302),
        ("HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\n\r\n", 307),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", 200),
        ("HTTP/1.1 500 Oops\r\n\r\n", 500),
    ] {
        assert_eq!(answered_with(answer).await, Gone::Rejected(status));
    }
}

#[tokio::test]
async fn what_is_no_upgrade_is_a_protocol_error() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        "",
    ] {
        assert_eq!(answered_with(answer).await, Gone::Protocol, "{answer}");
    }
    let endless = "HTTP/1.1 101 Switching Protocols\r\nX: ".to_owned() + &"x".repeat(70_000);
    assert_eq!(answered_with(&endless).await, Gone::Protocol);
}

#[tokio::test]
async fn a_secret_that_would_be_two_headers_is_sent_nowhere() {
    let place = Place::free().await;
    for secret in ["a\r\nX-Admin: yes", "a b", "é", "\0"] {
        let call = Call::open(with_secret(&place.url(), secret));
        let mut stream = place.connection().await;
        assert_eq!(call.gone().await, Gone::UnfitSecret);
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"");
    }
}
