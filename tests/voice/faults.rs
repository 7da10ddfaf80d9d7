//! Callers who break the protocol, or do not read: each gets its close code and its bill.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Database, Server,
    phone::{PATIENCE, Phone, speech},
};

/// A caller at the level of bytes: the handshake is done, the greeting has been heard.
async fn connected(server: &Server, key: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little is held for a peer that does not read.
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut socket = socket.connect(server.address()).await.unwrap();
    let request = format!(
        "GET /voice/{key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: upvoot.v1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "no extension is agreed on");
    socket
}

/// Reads frames until the close frame: its code.
async fn code(socket: &mut (impl AsyncRead + Unpin)) -> std::io::Result<u16> {
    loop {
        let head = [socket.read_u8().await?, socket.read_u8().await?];
        let len = match head[1] {
            126 => usize::from(socket.read_u16().await?),
            127 => usize::try_from(socket.read_u64().await?).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; len];
        socket.read_exact(&mut payload).await?;
        if head[0] == 0x88 {
            return Ok(u16::from_be_bytes([payload[0], payload[1]]));
        }
    }
}

/// The close code, in time.
async fn close_code(socket: &mut (impl AsyncRead + Unpin)) -> u16 {
    let code = tokio::time::timeout(Duration::from_secs(5), code(socket)).await;
    code.expect("a close frame in time").expect("a close frame, not a broken connection")
}

/// A masked frame whose header may announce more than there is.
fn frame(first: u8, announced: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match announced {
        0..126 => frame.push(0x80 | u8::try_from(announced).unwrap()),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(announced).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(announced.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[actix_web::test]
async fn each_fault_has_its_close_code_and_a_close_frame_first() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    let gibibyte = frame(0x82, 1 << 30, &[0; 1000]);
    let huge = frame(0x82, (1 << 20) + 1, &[]);
    let mut fragments = frame(0x02, 1 << 20, &vec![0; 1 << 20]);
    fragments.extend(frame(0x80, 1, &[0]));
    let mut unmasked = frame(0x82, 4, &[0; 4]);
    unmasked[1] &= 0x7f;
    let faults: [(&str, Vec<u8>, u16); 10] = [
        ("a frame that announces a gibibyte", gibibyte, 1009),
        ("a frame one byte too large", huge, 1009),
        ("fragments one byte too large together", fragments, 1009),
        ("text that is not UTF-8", frame(0x81, 2, &[0xc3, 0x28]), 1007),
        (
            "a fragmented text that is not UTF-8",
            {
                let mut text = frame(0x01, 1, &[0xc3]);
                text.extend(frame(0x80, 1, &[0x28]));
                text
            },
            1007,
        ),
        ("a reserved bit", frame(0xc2, 4, &[0; 4]), 1002),
        ("an unknown opcode", frame(0x83, 4, &[0; 4]), 1002),
        ("an unmasked frame", unmasked, 1002),
        ("a continuation of nothing", frame(0x80, 4, &[0; 4]), 1002),
        ("a ping that is too long", frame(0x89, 126, &[0; 126]), 1002),
    ];
    for (fault, bytes, code) in faults {
        let mut socket = connected(&server, &key.key).await;
        socket.write_all(&bytes).await.unwrap();
        assert_eq!(close_code(&mut socket).await, code, "{fault}");
    }
    server.quiet().await;
    let calls = server.get("/api/calls").await.body;
    for call in calls["items"].as_array().unwrap() {
        assert_eq!(call["end_reason"], "error");
    }
    assert_eq!(server.books(&account).await.1, 0);
    Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
    server.stop().await;
}

#[actix_web::test]
async fn a_text_split_inside_a_character_is_put_together() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let mut socket = connected(&server, &key.key).await;
    let text = "{\"type\":\"end_call\",\"note\":\"\u{e9}\"}".as_bytes();
    let cut = text.len() - 3;
    socket.write_all(&frame(0x01, cut as u64, &text[..cut])).await.unwrap();
    let rest = &text[cut..];
    socket.write_all(&frame(0x80, rest.len() as u64, rest)).await.unwrap();
    assert_eq!(close_code(&mut socket).await, 1000);
    server.stop().await;
}

#[actix_web::test]
async fn an_unrecognisable_protocol_is_closed_with_1008_and_costs_nothing() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    let mut stranger = Phone::dial_as(&server.voice(&key.key), None).await.unwrap();
    stranger.send(Message::text("EHLO example.com")).await;
    assert_eq!(stranger.closed().await, 1008);
    assert!(stranger.story.is_empty(), "nothing is sent before the dialect is known");
    server.quiet().await;
    assert_eq!(server.books(&account).await, (600, 0));
    server.stop().await;
}

/// Dials and says nothing that makes sense; or goes away without a word.
async fn comes_to_nothing(server: &Server, key: &str, says_something: bool) {
    let mut stranger = Phone::dial_as(&server.voice(key), None).await.unwrap();
    if says_something {
        stranger.send(Message::text("EHLO example.com")).await;
        assert_eq!(stranger.closed().await, 1008);
    }
}

#[actix_web::test]
async fn calls_that_come_to_nothing_leave_no_row_and_too_many_of_them_close_the_door_to_their_key()
{
    let server = Server::start(Database::Sqlite, &["--unrecognised-per-minute", "4"]).await;
    let (account, agent, key) = server.ready().await;
    let other = server.key(&agent).await;
    for n in 0..4 {
        // What is recognised counts for nothing, however often.
        Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
        comes_to_nothing(&server, &key.key, n % 2 == 0).await;
    }
    server.quiet().await;
    let path = format!("/api/calls?key_id={}", key.id);
    let calls = server.get(&path).await.body["items"].as_array().unwrap().clone();
    assert_eq!(calls.len(), 4, "those that were calls");
    assert!(calls.iter().all(|call| call["dialect"] == "native"));
    assert_eq!(server.get(&format!("/api/keys/{}", key.id)).await.body["unrecognised_calls"], 4);

    let refused = Phone::dial(&server.voice(&key.key)).await.err().unwrap();
    assert_eq!((refused.status, refused.code()), (429, "too_many_calls"));
    assert!(refused.headers.contains_key("retry-after"));
    // Other keys are none the worse for it, and what is worse than too many is still said first.
    Phone::dial(&server.voice(&other.key)).await.unwrap().end().await;
    server.post(&format!("/api/keys/{}/revoke", key.id), json!({})).await;
    assert_eq!(Phone::dial(&server.voice(&key.key)).await.err().unwrap().code(), "key_revoked");
    server.quiet().await;
    assert_eq!(server.books(&account).await.1, 0, "no second is left held");
    server.stop().await;
}

#[actix_web::test]
async fn pings_are_answered_and_are_not_speech() {
    let server = Server::sqlite().await;
    let account = server.account(5.0).await;
    let fields = json!({"silence_timeout_seconds": 1, "closing_phrase": "Bye."});
    let agent = server.agent(&account, fields).await;
    let key = server.key(&agent).await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    for _ in 0..8 {
        call.send(Message::Ping(b"still there".to_vec().into())).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(call.until("call_end").await["reason"], "silence");
    server.stop().await;
}

/// What a frame takes there and back, as a rule.
async fn usual_echo(phone: &mut Phone, frames: u32) -> Duration {
    let mut took = Vec::new();
    for frame in 0..frames {
        let said = speech(640, frame);
        let asked = tokio::time::Instant::now();
        let before = phone.heard.len();
        phone.say(&said).await;
        phone.hear(before + said.len()).await;
        took.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took.sort_unstable();
    took[took.len() / 2]
}

#[actix_web::test]
async fn a_caller_who_floods_is_closed_and_a_call_beside_it_does_not_notice() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let (account, _, floods) = server.ready().await;
    let mut good = Phone::dial(&server.voice(&key.key)).await.unwrap();
    good.greeted().await;
    // A call to a server of its own tells how busy the machine is.
    let elsewhere = Server::sqlite().await;
    let (_, _, key) = elsewhere.ready().await;
    let mut control = Phone::dial(&elsewhere.voice(&key.key)).await.unwrap();
    control.greeted().await;
    for (what, frame) in [
        ("pings", frame(0x89, 0, &[])),
        ("pongs", frame(0x8a, 0, &[])),
        ("empty frames", frame(0x82, 0, &[])),
        ("texts", frame(0x81, 2, b"{}")),
        ("tiny frames", frame(0x82, 1, &[0])),
    ] {
        let (mut reads, mut writes) = connected(&server, &floods.key).await.into_split();
        let flooding = actix_web::rt::spawn(async move {
            let many = frame.repeat(500);
            while writes.write_all(&many).await.is_ok() {}
        });
        let (beside, usual) = tokio::join!(usual_echo(&mut good, 10), usual_echo(&mut control, 10));
        assert_eq!(close_code(&mut reads).await, 1008, "{what}");
        let slack = Duration::from_millis(50);
        assert!(beside < usual + slack, "{what}: {beside:?}, elsewhere {usual:?}");
        drop(reads);
        flooding.await.unwrap();
    }
    good.end().await;
    control.end().await;
    elsewhere.stop().await;
    server.quiet().await;
    for call in server.get(&format!("/api/calls?account_id={account}")).await.body["items"]
        .as_array()
        .unwrap()
    {
        assert_eq!(call["end_reason"], "error");
    }
    server.stop().await;
}

#[actix_web::test]
async fn a_message_that_is_begun_and_not_sent_is_closed_within_seconds() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let mut long = frame(0x82, 60_000, &[0; 60_000]);
    long.pop();
    let unfinished = [
        ("a long frame but for its last byte", long),
        ("half a header", vec![0x82, 0xfe]),
        ("a message but for its last fragment", frame(0x02, 2, &[0, 0])),
    ];
    // All at once, since each takes its seconds.
    futures_util::future::join_all(unfinished.map(async |(what, bytes)| {
        let mut socket = connected(&server, &key.key).await;
        socket.write_all(&bytes).await.unwrap();
        let began = tokio::time::Instant::now();
        let closed = tokio::time::timeout(PATIENCE, code(&mut socket)).await;
        assert_eq!(closed.unwrap().unwrap(), 1008, "{what}");
        assert!(began.elapsed() >= Duration::from_secs(4), "{what}: {:?}", began.elapsed());
    }))
    .await;
    server.quiet().await;
    server.stop().await;
}

#[actix_web::test]
async fn a_peer_that_neither_speaks_nor_answers_pings_is_gone_and_one_that_speaks_is_not() {
    let server = Server::sqlite().await;
    let account = server.account(10.0).await;
    let agent = server.agent(&account, json!({"silence_timeout_seconds": 3600})).await;
    let key = server.key(&agent).await;
    // One streams and reads all the time, and answers no ping.
    let (mut hears, mut speaks) = connected(&server, &key.key).await.into_split();
    let streaming = actix_web::rt::spawn(async move {
        let frame = frame(0x82, 640, &speech(640, 1));
        while speaks.write_all(&frame).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let (over, mut still) = tokio::sync::oneshot::channel::<()>();
    let hearing = actix_web::rt::spawn(async move {
        let mut buffer = vec![0; 4096];
        loop {
            tokio::select! {
                _ = &mut still => return true,
                read = hears.read(&mut buffer) => {
                    if read.is_ok_and(|read| read == 0) {
                        return false;
                    }
                }
            }
        }
    });
    let mut socket = connected(&server, &key.key).await;
    let began = tokio::time::Instant::now();
    // The other reads to the end, and says nothing.
    let mut buffer = vec![0; 4096];
    let listening = async { while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(Duration::from_secs(60), listening).await.expect("the line is closed");
    assert!(began.elapsed() > Duration::from_secs(30), "{:?}", began.elapsed());
    // The line closes before the call is settled.
    let call = crate::support::eventually(async || {
        let over = server.get("/api/calls?live=false").await.body["items"][0].clone();
        (!over.is_null()).then_some(over)
    })
    .await;
    assert_eq!(call["end_reason"], "hangup");
    // Its turn would have come before the other's.
    assert_eq!(server.get("/api/calls?live=true").await.body["items"].as_array().unwrap().len(), 1);
    over.send(()).unwrap();
    assert!(hearing.await.unwrap(), "the call that streams goes on");
    // Its caller hangs up.
    streaming.abort();
    server.quiet().await;
    server.stop().await;
}

/// actix-web issue 2441: the timers of a WebSocket actor stop while its output is blocked.
#[actix_web::test]
async fn the_clocks_that_end_calls_fire_although_the_peer_never_reads() {
    let server = Server::start(Database::Sqlite, &[]).await;
    let account = server.account(10.0).await;
    let agent = server.agent(&account, json!({"max_duration_seconds": 4})).await;
    let key = server.key(&agent).await;
    let mut socket = connected(&server, &key.key).await;
    // As many pings as a call may send, and never read: soon nothing can be sent to us.
    let loud = speech(32_000, 1);
    let speaking = actix_web::rt::spawn(async move {
        let ping = frame(0x89, 120, &loud[..120]);
        let mut sent = socket.write_all(&ping.repeat(5_000)).await;
        while sent.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            sent = socket.write_all(&ping.repeat(100)).await;
        }
    });
    let call = crate::support::eventually(async || {
        let calls = server.get("/api/calls?live=false").await.body;
        calls["items"].get(0).cloned()
    })
    .await;
    assert_eq!(call["end_reason"], "max_duration");
    assert_eq!(call["billed_seconds"], 4);
    tokio::time::timeout(PATIENCE, speaking).await.expect("the socket is shut down").unwrap();
    server.quiet().await;
    server.stop().await;
}
