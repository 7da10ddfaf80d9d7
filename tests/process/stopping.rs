//! The way down: how long it takes, what is left, and which signal means what.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{
    Database, Server, eventually,
    phone::{FRAME, Phone, speech},
};

/// A call whose caller never reads: its id, and its line.
async fn deaf(server: &Server, key: &str) -> (String, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    // Little is on its way to one who takes little.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut line = socket.connect(server.address()).await.unwrap();
    let handshake = format!(
        "GET /voice/{key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: upvoot.v1\r\n\r\n"
    );
    line.write_all(handshake.as_bytes()).await.unwrap();
    let id = eventually(async || {
        let live = server.get("/api/calls?live=true").await.body;
        live["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    (id, line)
}

/// Asks for answers and sends sound, until the server reads no more because it cannot write.
async fn stuck(line: &mut TcpStream) {
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[0; 125]].concat();
    let sound = [&[0x82, 0x80 | 126, 4, 0, 0, 0, 0, 0][..], &[0; 1024]].concat();
    // As many messages as a caller may send at once, and then as many a second.
    let (mut burst, steady) = (ping.repeat(5000), [ping.repeat(12), sound.repeat(3)].concat());
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let until_stuck = async {
        while timeout(Duration::from_secs(1), line.write_all(&burst)).await.is_ok() {
            burst.clone_from(&steady);
            ticks.tick().await;
        }
    };
    timeout(Duration::from_secs(60), until_stuck).await.expect("its output is stuck");
}

/// Drains a node whose one caller never reads; `fill` may see to it that its output is stuck.
async fn drained(database: Database, fill: impl AsyncFnOnce(&mut TcpStream)) {
    let (url, _database) = database.empty();
    let mut server = Server::process(&url, &[("UPVOOT_DRAIN_SECONDS", "2")]).await;
    let (account, _, key) = server.ready().await;
    let (id, mut line) = deaf(&server, &key.key).await;
    fill(&mut line).await;
    server.process_mut().signal_to_stop();
    assert_eq!(server.process_mut().exited().await, Some(0));
    // It would say so if the call had not ended in its time.
    let log = server.process_mut().log();
    assert!(log.contains("stopped") && !log.contains("still live after draining"), "{log}");
    drop(line);

    // Settled before the process ended: the next one finds it so, and not as lost.
    let server = Server::process(&url, &[]).await;
    let call = server.get(&format!("/api/calls/{id}")).await.body;
    assert_eq!(call["end_reason"], "draining", "{call}");
    assert!(call["billed_seconds"].as_i64().unwrap() >= 1, "{call}");
    assert_eq!(server.books(&account).await.1, 0);
    server.stop().await;
}

#[actix_web::test]
async fn a_caller_who_never_reads_does_not_outlive_the_draining() {
    drained(Database::Sqlite, async |_| {}).await;
    drained(Database::Postgres, async |_| {}).await;
}

#[actix_web::test]
async fn a_caller_to_whom_nothing_can_be_sent_does_not_outlive_the_draining() {
    drained(Database::Sqlite, stuck).await;
}

#[actix_web::test]
async fn a_second_signal_hurries_and_still_settles() {
    let (url, _database) = Database::Sqlite.empty();
    let mut server = Server::process(&url, &[("UPVOOT_DRAIN_SECONDS", "600")]).await;
    let (account, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    call.greeted().await;
    server.process_mut().signal_to_stop();
    server.process_mut().logged("draining: no new calls").await;
    // The first one leaves the call alone.
    let said = speech(25 * FRAME, 1);
    call.say(&said).await;
    call.hear(said.len()).await;
    server.process_mut().signal(Signal::SIGINT);
    assert_eq!(call.until("call_end").await["reason"], "draining");
    assert_eq!(call.closed().await, 1000);
    drop(call);
    assert_eq!(server.process_mut().exited().await, Some(0));
    let log = server.process_mut().log();
    assert!(log.contains("second signal") && !log.contains("ERROR"), "{log}");

    let server = Server::process(&url, &[]).await;
    let call = server.get(&format!("/api/calls/{id}")).await.body;
    assert_eq!(call["end_reason"], "draining");
    assert_eq!(server.books(&account).await.1, 0);
    server.stop().await;
}

#[actix_web::test]
async fn two_signals_stop_an_idle_server_cleanly() {
    for database in [Database::Sqlite, Database::Postgres] {
        let (url, _database) = database.empty();
        let mut server = Server::process(&url, &[]).await;
        // One that stays for a while, so that the second signal finds the first at work.
        let mut idle = TcpStream::connect(server.address()).await.unwrap();
        let half_of_the_next = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\n";
        idle.write_all(half_of_the_next).await.unwrap();
        idle.read_exact(&mut [0; 12]).await.unwrap();
        server.process_mut().signal_to_stop();
        server.process_mut().logged("draining: no new calls").await;
        server.process_mut().signal_to_stop();
        assert_eq!(server.process_mut().exited().await, Some(0));
        let log = server.process_mut().log();
        assert!(log.contains("stopped") && !log.contains("ERROR upvoot"), "{log}");
    }
}

#[actix_web::test]
async fn a_hang_up_never_ends_the_server() {
    let (url, _database) = Database::Sqlite.empty();
    let mut server = Server::process(&url, &[]).await;
    let (_, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    for _ in 0..3 {
        server.process_mut().signal(Signal::SIGHUP);
    }
    server.process_mut().logged("no certificate to reload").await;
    call.tell(json!({"type": "end_call"})).await;
    call.until("call_end").await;
    assert_eq!(server.get("/healthz").await.status, 200);
    // Nor while it drains.
    let mut other = Phone::dial(&server.voice(&key.key)).await.unwrap();
    other.greeted().await;
    server.process_mut().signal_to_stop();
    server.process_mut().logged("draining: no new calls").await;
    server.process_mut().signal(Signal::SIGHUP);
    other.end().await;
    assert_eq!(server.process_mut().exited().await, Some(0));
}
