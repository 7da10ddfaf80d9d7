//! What those who only hold connections can do to everybody else: nothing.

use std::{fs, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Database, Server, TOKEN, eventually,
    phone::{FRAME, PATIENCE, Phone, speech},
};

/// A connection on which this has been sent.
async fn sent(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    socket
}

/// What comes until the server closes.
async fn rest(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is put out is reset, which ends it too.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Bytes of memory that are the process's own.
fn memory(server: &mut Server) -> u64 {
    let status = fs::read_to_string(server.process_mut().proc("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

fn descriptors(server: &mut Server) -> usize {
    fs::read_dir(server.process_mut().proc("fd")).unwrap().count()
}

const SLOW: &[u8] = b"POST /login HTTP/1.1\r\nHost: x\r\n\
    Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9999\r\n\r\nemail=";

#[actix_web::test]
async fn what_is_asked_and_never_read_takes_little_memory() {
    let (url, _database) = Database::Sqlite.empty();
    let mut server = Server::process(&url, &[]).await;
    let bundle = "GET /api/docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n";
    // Once, so that what is made once is there.
    let once = bundle.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let answer = rest(sent(&server, once.as_bytes()).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.len() > 300_000, "{}", answer.len());
    let (before, idle) = (memory(&mut server), descriptors(&mut server));
    let asked = bundle.repeat(500);
    let mut greedy = Vec::new();
    for _ in 0..50 {
        greedy.push(sent(&server, asked.as_bytes()).await);
    }
    // Whatever they have asked has been taken up when a later request is answered.
    for _ in 0..20 {
        assert_eq!(server.get("/healthz").await.status, 200);
    }
    let each = memory(&mut server).saturating_sub(before) / 50;
    assert!(each < answer.len() as u64, "{each} bytes for each connection");
    assert!(each < 300 * 1024, "{each} bytes for each connection");
    // And who does not read for long is not kept, though it holds on.
    eventually(async || (descriptors(&mut server) < idle + 25).then_some(())).await;
    drop(greedy);
    server.stop().await;
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (url, _database) = Database::Sqlite.empty();
    let server = Server::process(&url, &[]).await;
    let form = sent(&server, SLOW).await;
    let json = format!(
        "POST /api/keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Length: 9999\r\n\r\n{{\"agent_id\":"
    );
    let json = sent(&server, json.as_bytes()).await;
    let chunked = b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    let chunked = sent(&server, chunked).await;
    // The head of a second request, on a connection whose first was answered.
    let second = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost:";
    let second = sent(&server, second).await;
    for slow in [form, json, chunked] {
        let answer = rest(slow).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(head.contains("application/problem+json"), "{answer}");
        assert!(body.contains("\"body_too_slow\""), "{answer}");
    }
    assert_eq!(rest(second).await.matches("HTTP/1.1 200 OK").count(), 1);
    server.stop().await;
}

#[actix_web::test]
async fn strangers_who_hold_connections_keep_nobody_from_calling() {
    let (url, _database) = Database::Sqlite.empty();
    let mut server = Server::process_with_descriptors(256, &url, &[]).await;
    let (_, _, key) = server.ready().await;
    let mut strangers = Vec::new();
    for _ in 0..400 {
        strangers.push(sent(&server, SLOW).await);
    }
    assert!(descriptors(&mut server) < 256);
    // Each of these has a time of its own, far below what a slow body may take.
    let voice = server.voice(&key.key);
    let call = timeout(Duration::from_secs(4), Phone::dial(&voice));
    let mut call = call.await.expect("a call comes through").unwrap();
    let health = timeout(Duration::from_secs(4), server.get("/healthz"));
    assert_eq!(health.await.expect("a probe comes through").status, 200);
    // The call is not one of those that go when more come.
    call.greeted().await;
    for _ in 0..400 {
        strangers.push(sent(&server, SLOW).await);
    }
    let said = speech(10 * FRAME, 1);
    call.say(&said).await;
    call.hear(said.len()).await;
    assert_eq!(call.heard, said);
    call.end().await;
    drop(strangers);
    server.stop().await;
}

#[actix_web::test]
async fn calls_leave_descriptors_for_probes_and_are_refused_before_they_run_out() {
    let (url, _database) = Database::Sqlite.empty();
    let mut server = Server::process_with_descriptors(128, &url, &[]).await;
    let account = server.account(1000.0).await;
    let agent = server.agent(&account, json!({})).await;
    let key = server.key(&agent).await;
    let idle = descriptors(&mut server);
    let mut calls = Vec::new();
    let refused = loop {
        match Phone::dial(&server.voice(&key.key)).await {
            Ok(call) => calls.push(call),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    assert!(calls.len() > 40, "{}", calls.len());
    // Each call takes one descriptor, and not two; the database has opened a few, too.
    let busy = descriptors(&mut server);
    assert!(busy - idle < calls.len() * 3 / 2, "{} calls: {idle}, then {busy}", calls.len());
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    server.process_mut().logged("no file descriptors are left for another call").await;
    // The refused one holds nothing, and where one ends another begins.
    calls.pop().unwrap().end().await;
    eventually(async || match Phone::dial(&server.voice(&key.key)).await {
        Ok(call) => {
            calls.push(call);
            Some(())
        }
        Err(refused) => {
            assert_eq!(refused.code(), "unavailable");
            None
        }
    })
    .await;
    calls.into_iter().for_each(Phone::drop_line);
    server.quiet().await;
    assert_eq!(server.books(&account).await.1, 0);
    server.stop().await;
}

#[actix_web::test]
async fn a_refused_connection_closes_with_its_answer() {
    let (url, _database) = Database::Sqlite.empty();
    let server = Server::process(&url, &[]).await;
    let (_, _, key) = server.ready().await;
    let refused =
        b"GET /voice/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let mut socket = sent(&server, refused).await;
        let mut head = [0; 12];
        socket.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 401");
        let answered = tokio::time::Instant::now();
        assert!(rest(socket).await.contains("invalid_key"));
        fastest = fastest.min(answered.elapsed());
    }
    // The HTTP library waits a second for the rest of a request.
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");

    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
        call.tell(json!({"type": "end_call"})).await;
        call.until("call_end").await;
        let ended = tokio::time::Instant::now();
        assert_eq!(call.closed().await, 1000);
        let mut socket = call.into_socket();
        while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
        fastest = fastest.min(ended.elapsed());
    }
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    server.stop().await;
}
