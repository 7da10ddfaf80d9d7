//! One judgement of a handshake: a working call, or a refusal before there is a call.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Database, Server};

/// What does not vary. Our own subprotocol is recognised at once, so each call leaves its row.
const FIXED: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: upvoot.v1\r\n";

/// Sends a handshake with these lines, and then a ping; reads until the answer is clear: its status,
/// and whether the ping came back.
async fn shaken(server: &Server, key: &str, lines: &str) -> (u16, bool) {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET /voice/{key} HTTP/1.1\r\nHost: x\r\n{FIXED}{lines}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut pinged) = (Vec::new(), false);
    loop {
        // The last head that is whole: a 100 may go before it.
        let heads = String::from_utf8_lossy(&answer).into_owned();
        let last = heads.rfind("HTTP/1.1 ").filter(|at| heads[*at..].contains("\r\n\r\n"));
        let status = last.map_or(0, |at| heads[at + 9..at + 12].parse().unwrap());
        let ponged = answer.windows(6).any(|window| window == b"\x8a\x04ping");
        match status {
            0 | 100 => {}
            101 if ponged => return (101, true),
            101 if !pinged => {
                socket.write_all(b"\x89\x84\0\0\0\0ping").await.unwrap();
                pinged = true;
            }
            101 => {}
            refused => return (refused, false),
        }
        let read = socket.read_buf(&mut answer);
        match tokio::time::timeout(Duration::from_secs(10), read).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => return (status, false),
        }
    }
}

#[actix_web::test]
async fn a_handshake_is_a_working_call_or_never_was_one() {
    let server = Server::start(Database::Sqlite, &["--attempts-per-minute", "1000"]).await;
    let (account, _, key) = server.ready().await;
    let upgrade = "Upgrade: websocket\r\n";
    let both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    for lines in [
        format!("{upgrade}Connection: close, Upgrade\r\n"),
        format!("{upgrade}Connection: Upgrade, close\r\n"),
        format!("{upgrade}Connection: Upgrade\r\nConnection: close\r\n"),
        "Upgrade: websocket, foo\r\nConnection: Upgrade\r\n".to_owned(),
        "Upgrade: foo, websocket\r\nConnection: Upgrade\r\n".to_owned(),
        format!("Upgrade: foo\r\n{both}"),
        format!("{upgrade}{both}"),
        format!("{both}Transfer-Encoding: chunked\r\n"),
        format!("{both}Content-Length: 5\r\n"),
        format!("{upgrade}Connection: keep-alive\r\n"),
    ] {
        assert_eq!(shaken(&server, &key.key, &lines).await, (400, false), "{lines:?}");
    }
    assert_eq!(server.get("/api/calls").await.body["items"], json!([]));
    assert_eq!(server.books(&account).await, (600, 0));

    let good = [
        both.to_owned(),
        format!("{upgrade}Connection: keep-alive, Upgrade\r\n"),
        format!("{upgrade}Connection: upgrade, keep-alive\r\n"),
        "UPGRADE: WebSocket\r\nCONNECTION: UPGRADE\r\n".to_owned(),
        format!("{upgrade}Connection: keep-alive\r\nConnection: Upgrade\r\n"),
        format!("{both}Content-Length: 0\r\n"),
        format!("{both}Expect: 100-continue\r\n"),
        format!("{both}Content-Type: application/json\r\n"),
    ];
    for lines in &good {
        assert_eq!(shaken(&server, &key.key, lines).await, (101, true), "{lines:?}");
    }
    server.quiet().await;
    let calls = server.get("/api/calls").await.body["items"].as_array().map(Vec::len);
    assert_eq!(calls, Some(good.len()));
    assert_eq!(server.books(&account).await.1, 0);
    server.stop().await;
}
