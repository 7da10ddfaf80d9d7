//! Peers that speak something else in JSON: none becomes a call of ours for want of a better word, none
//! is charged, and one whose protocol has a name is told so at once.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

use crate::support::{
    Server,
    phone::{PATIENCE, Phone},
};

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What came until the server closed.
#[derive(Debug, Default)]
pub struct Ended {
    /// Text frames.
    pub texts: Vec<String>,
    /// Binary frames.
    pub sounds: usize,
    /// The close code.
    pub code: u16,
    /// What the close frame says.
    pub reason: String,
}

/// Dials as a client that offers this subprotocol.
pub async fn dial(url: &str, subprotocol: Option<&str>) -> Socket {
    Phone::dial_as(url, subprotocol).await.unwrap().into_socket()
}

/// Sends these frames and listens to the end.
pub async fn end_of(socket: &mut Socket, frames: &[&str]) -> Ended {
    for frame in frames {
        socket.send(Message::text(*frame)).await.unwrap();
    }
    let mut ended = Ended::default();
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.expect("an end");
        match frame.expect("a close frame").unwrap() {
            Message::Text(text) => ended.texts.push(text.to_string()),
            Message::Binary(_) => ended.sounds += 1,
            Message::Close(close) => {
                let close = close.expect("a code");
                (ended.code, ended.reason) = (close.code.into(), close.reason.to_string());
                return ended;
            }
            _ => {}
        }
    }
}

/// The first frames of protocols that are not served, and what these are called.
const KNOWN: [(&str, &str); 8] = [
    (
        "Genesys AudioHook",
        r#"{"version":"2","type":"open","seq":1,"serverseq":0,"id":"e160e428","position":"PT0S","parameters":{"organizationId":"o","conversationId":"c","participant":{"id":"p","ani":"+1","dnis":"+2"},"media":[{"type":"audio","format":"PCMU","channels":["external"],"rate":8000}],"language":"en-US"}}"#,
    ),
    (
        "Twilio ConversationRelay",
        r#"{"type":"setup","sessionId":"VX1","callSid":"CA1","from":"+1","to":"+2","direction":"inbound","customParameters":{}}"#,
    ),
    (
        "AudioCodes Bot API",
        r#"{"type":"session.initiate","conversationId":"c","expectAudioMessages":true,"botName":"b","caller":"+1","supportedMediaFormats":["raw/lpcm16"]}"#,
    ),
    (
        "Bandwidth media streaming",
        r#"{"eventType":"start","metadata":{"accountId":"1","callId":"c","streamId":"s","tracks":[{"name":"inbound","mediaFormat":{"encoding":"PCMU","sampleRate":8000}}]}}"#,
    ),
    ("Ozonetel", r#"{"event":"start","type":"text","ucid":"1","did":"2"}"#),
    (
        "FreJun Teler",
        r#"{"type":"start","call_id":"c","stream_id":"s","data":{"encoding":"audio/l16","sample_rate":8000}}"#,
    ),
    (
        "a call that waits to be answered by JSON",
        r#"{"event":"incoming_call","callerId":"+1","didNumber":"+2","sessionId":"s"}"#,
    ),
    (
        "Yeastar audio streaming",
        r#"{"callid":"1","callflow":"x","channelid":"2","number":"3","status":"x","audio":""}"#,
    ),
];

/// First frames that are nobody's.
const UNKNOWN: [&str; 7] = [
    r#"{"type":"start"}"#,
    r#"{"type":"start","id":"of another vendor"}"#,
    r#"{"event":"hello"}"#,
    r#"{"event":7}"#,
    r#"{"event":{"name":"start"}}"#,
    r#"{"callSid":"c","sampleRate":"high"}"#,
    r#"{"user":{"id":7}}"#,
];

/// Nobody was charged, nothing is held, and no row is left.
async fn cost_nothing(server: &Server, account: &str, key: &str, calls: usize) {
    server.quiet().await;
    assert_eq!(server.get("/api/calls").await.body["items"], json!([]));
    assert_eq!(server.books(account).await, (600, 0));
    let counted = server.get(&format!("/api/keys/{key}")).await.body;
    assert_eq!(counted["unrecognised_calls"], calls);
}

#[actix_web::test]
async fn a_protocol_that_is_not_served_is_told_its_name_at_once() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    for (name, first) in KNOWN {
        let mut socket = dial(&server.voice(&key.key), None).await;
        let sent = Instant::now();
        let ended = end_of(&mut socket, &[first]).await;
        assert_eq!(ended.code, 1008, "{name}");
        assert_eq!(ended.reason, format!("this is {name}, which is not served"));
        assert!(ended.texts.is_empty() && ended.sounds == 0, "{name}: {ended:?}");
        assert!(sent.elapsed() < Duration::from_secs(5), "{name} is told at once");
    }
    cost_nothing(&server, &account, &key.id, KNOWN.len()).await;
    server.stop().await;
}

#[actix_web::test]
async fn a_signed_conversation_relay_is_told_its_name_too() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    let signed = [("x-twilio-signature", "c2lnbmF0dXJl")];
    let phone = Phone::dial_with(&server.voice(&key.key), &signed).await.unwrap();
    let (name, first) = KNOWN[1];
    let ended = end_of(&mut phone.into_socket(), &[first]).await;
    assert_eq!((ended.code, ended.reason.contains(name)), (1008, true), "{ended:?}");
    cost_nothing(&server, &account, &key.id, 1).await;
    server.stop().await;
}

#[actix_web::test]
async fn json_that_is_nobodys_is_closed_with_1008_after_its_patience_and_never_native() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    let url = server.voice(&key.key);
    let waits = UNKNOWN.map(async |first| {
        let mut socket = dial(&url, None).await;
        (first, end_of(&mut socket, &[first]).await)
    });
    for (first, ended) in join_all(waits).await {
        assert_eq!(ended.code, 1008, "{first}");
        assert!(ended.texts.is_empty() && ended.sounds == 0, "{first}: {ended:?}");
    }
    cost_nothing(&server, &account, &key.id, UNKNOWN.len()).await;
    server.stop().await;
}

#[actix_web::test]
async fn sound_after_another_protocols_words_does_not_make_a_call_of_them() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    let url = server.voice(&key.key);
    let words = [r#"{"event":7}"#, r#"{"callSid":"c","sampleRate":"high"}"#];
    let waits = words.map(async |first| {
        let mut socket = dial(&url, None).await;
        socket.send(Message::text(first)).await.unwrap();
        socket.send(Message::binary(vec![0x20; 640])).await.unwrap();
        (first, end_of(&mut socket, &[]).await)
    });
    for (first, ended) in join_all(waits).await {
        assert_eq!((ended.code, ended.sounds), (1008, 0), "{first}: {ended:?}");
    }
    cost_nothing(&server, &account, &key.id, words.len()).await;
    server.stop().await;
}
