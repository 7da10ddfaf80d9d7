//! What the log says of a call: when it ends, however it ends, which request it was, and at `info` no
//! word of who calls.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Server, eventually, phone::Phone};

/// The caller's number and a parameter that no log at `info` may have.
const NUMBER: &str = "+15550104477";
const CARD: &str = "4000 0012 3456 7899";

/// A carrier's first words.
fn start() -> Message {
    let card = CARD.repeat(200);
    Message::text(
        json!({
            "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
            "start": {
                "accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"From": NUMBER, "card": card},
            },
        })
        .to_string(),
    )
}

/// The lines of the log with this message.
fn lines(server: &mut Server, message: &str) -> Vec<Value> {
    let log = server.process_mut().log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

async fn ends(server: &mut Server, count: usize) -> Vec<Value> {
    eventually(async || Some(lines(server, "call ended")).filter(|lines| lines.len() == count))
        .await
}

#[actix_web::test]
async fn each_way_to_hang_up_is_a_line_that_can_be_joined_and_tells_nobodys_number() {
    for (level, says_who) in [("info", false), ("debug", true)] {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("log.db").display());
        let env = [("UPVOOT_LOG", level), ("UPVOOT_LOG_FORMAT", "json")];
        let mut server = Server::process(&url, &env).await;
        let (_, _, key) = server.ready().await;
        let dial = server.voice(&key.key);

        Phone::dial(&dial).await.unwrap().end().await;
        assert_eq!(ends(&mut server, 1).await[0]["reason"], "end_call");
        // A carrier whose connection is reset in the middle of the call.
        let mut carrier = Phone::dial_as(&dial, None).await.unwrap().into_socket();
        carrier.send(Message::text(json!({"event": "connected"}).to_string())).await.unwrap();
        carrier.send(start()).await.unwrap();
        eventually(async || (lines(&mut server, "call begins").len() == 2).then_some(())).await;
        let tokio_tungstenite::MaybeTlsStream::Plain(tcp) = carrier.get_ref() else { panic!() };
        tcp.set_zero_linger().unwrap();
        drop(carrier);
        assert_eq!(ends(&mut server, 2).await[1]["reason"], "hangup");
        // One that closes without a close frame, and one that never was a call.
        let mut gone = Phone::dial(&dial).await.unwrap();
        gone.until("call_start").await;
        gone.drop_line();
        assert_eq!(ends(&mut server, 3).await[2]["reason"], "hangup");
        Phone::dial_as(&dial, None).await.unwrap().drop_line();

        let ends = ends(&mut server, 4).await;
        let requests = lines(&mut server, "request");
        for end in &ends {
            let call = &end["spans"][0];
            assert!(call["call.id"].as_str().unwrap().starts_with("call_"), "{end}");
            assert!(end["duration_ms"].is_number(), "{end}");
            let id = call["request.id"].as_str().unwrap();
            let line = requests.iter().find(|line| line["request.id"] == id).expect("its request");
            assert_eq!(line["status"], 101);
        }
        let log = server.process_mut().log();
        assert_eq!(log.contains(NUMBER), says_who, "{log}");
        assert_eq!(log.contains(CARD), says_who);
        let longest = log.lines().map(str::len).max().unwrap();
        assert!(longest < 2_000, "a line of {longest} bytes");
        server.stop().await;
    }
}
