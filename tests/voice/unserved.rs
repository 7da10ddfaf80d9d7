//! Providers that are recognised and whose sound cannot be read: not one byte of sound is sent to them,
//! whether or not the greeting is at hand, and the call costs nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    support::{Database, Server},
    voice::strangers::{dial, end_of},
};

const UUID: &str = "5a1cbd53-3f05-4d1c-a0d5-4fb9d0a4a8a1";
/// A call that cannot be served is over within this.
const OVER_WITHIN: Duration = Duration::from_secs(4);

/// A provider, how it begins a call with a codec or a rate, one that is served and one that is not, and
/// its word for the end.
struct Provider {
    name: &'static str,
    subprotocol: Option<&'static str>,
    begins: fn(&str) -> String,
    served: &'static str,
    unserved: &'static str,
    goodbye: &'static [&'static str],
}

const PROVIDERS: [Provider; 12] = [
    Provider {
        name: "telnyx",
        subprotocol: None,
        begins: |codec| {
            json!({"event": "start", "stream_id": "s1", "start": {"call_control_id": "v3:1", "from": "+1",
                "media_format": {"encoding": codec, "sample_rate": 8000, "channels": 1}}})
            .to_string()
        },
        served: "PCMU",
        unserved: "G722",
        goodbye: &[],
    },
    Provider {
        name: "telnyx",
        subprotocol: None,
        begins: |channels| {
            json!({"event": "start", "stream_id": "s1", "start": {"call_control_id": "v3:1",
                "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": channels}}})
            .to_string()
        },
        served: "1",
        unserved: "2",
        goodbye: &[],
    },
    Provider {
        name: "twilio",
        subprotocol: None,
        begins: |codec| {
            json!({"event": "start", "streamSid": "MZ1", "start": {"streamSid": "MZ1", "callSid": "CA1",
                "mediaFormat": {"encoding": codec, "sampleRate": 8000, "channels": 1}}})
            .to_string()
        },
        served: "audio/x-mulaw",
        unserved: "audio/opus",
        goodbye: &[],
    },
    Provider {
        name: "signalwire",
        subprotocol: None,
        begins: |rate| {
            json!({"event": "start", "streamSid": UUID, "start": {"streamSid": UUID, "callSid": UUID,
                "mediaFormat": {"encoding": "audio/x-L16", "sampleRate": rate, "channels": 1}}})
            .to_string()
        },
        served: "16000",
        unserved: "11025",
        goodbye: &[],
    },
    Provider {
        name: "smartflo",
        subprotocol: None,
        begins: |codec| {
            json!({"event": "start", "streamSid": "MZ1", "start": {"streamSid": "MZ1", "callSid": "CA1",
                "from": "+91", "mediaFormat": {"encoding": codec, "sampleRate": 8000}}})
            .to_string()
        },
        served: "audio/x-mulaw",
        unserved: "audio/x-gsm",
        goodbye: &[],
    },
    Provider {
        name: "exotel",
        subprotocol: None,
        begins: |codec| {
            json!({"event": "start", "stream_sid": "aa11", "start": {"stream_sid": "aa11",
                "call_sid": "bb22", "media_format": {"encoding": codec, "sample_rate": "8000"}}})
            .to_string()
        },
        served: "base64",
        unserved: "opus",
        goodbye: &[],
    },
    Provider {
        name: "plivo",
        subprotocol: None,
        begins: |codec| {
            json!({"event": "start", "start": {"callId": UUID, "streamId": UUID,
                "mediaFormat": {"encoding": codec, "sampleRate": 8000}}})
            .to_string()
        },
        served: "audio/x-mulaw",
        unserved: "audio/opus",
        goodbye: &[],
    },
    Provider {
        name: "vobiz",
        subprotocol: None,
        begins: |codec| {
            json!({"event": "start", "start": {"callId": "c", "streamId": "s",
                "mediaFormat": {"encoding": codec, "sampleRate": 24000}}})
            .to_string()
        },
        served: "audio/x-l16",
        unserved: "audio/g722",
        goodbye: &[r#"{"event":"stop","streamId":"s"}"#],
    },
    Provider {
        name: "vonage",
        subprotocol: None,
        begins: |rate| {
            json!({"event": "websocket:connected", "content-type": format!("audio/l16;rate={rate}"),
                "uuid": "u1"})
            .to_string()
        },
        served: "16000",
        unserved: "11025",
        goodbye: &[],
    },
    Provider {
        name: "jambonz",
        subprotocol: Some("audio.jambonz.org"),
        begins: |rate| json!({"callSid": "c1", "sampleRate": rate}).to_string(),
        served: "8000",
        unserved: "11025",
        goodbye: &[r#"{"type":"disconnect"}"#],
    },
    Provider {
        name: "asterisk",
        subprotocol: Some("media"),
        begins: |codec| {
            format!("MEDIA_START connection_id:c1 channel:x format:{codec} optimal_frame_size:160")
        },
        served: "ulaw",
        unserved: "opus",
        goodbye: &["HANGUP"],
    },
    Provider {
        name: "asterisk",
        subprotocol: Some("media"),
        begins: |codec| {
            json!({"event": "MEDIA_START", "connection_id": "c1", "format": codec}).to_string()
        },
        served: "slin16",
        unserved: "slin11",
        goodbye: &[r#"{"command":"HANGUP"}"#],
    },
];

/// The newest call of all, once it has ended.
async fn newest(server: &Server) -> Value {
    server.quiet().await;
    let calls = server.get("/api/calls?limit=1").await.body;
    calls["items"][0].clone()
}

/// A call that cannot be served, from its first frame to its row, which has cost nothing.
async fn is_turned_away(server: &Server, url: &str, provider: &Provider, greeting: &str) -> String {
    let mut socket = dial(url, provider.subprotocol).await;
    let began = Instant::now();
    let ended = end_of(&mut socket, &[&(provider.begins)(provider.unserved)]).await;
    let what = format!("{} {}, greeting {greeting}", provider.name, provider.unserved);
    assert!(began.elapsed() < OVER_WITHIN, "{what}: {:?}", began.elapsed());
    assert_eq!(ended.sounds, 0, "{what}");
    assert_eq!(ended.texts, provider.goodbye, "{what}");
    assert_eq!(ended.code, 1000, "{what}");
    let row = newest(server).await;
    assert_eq!((&row["dialect"], &row["end_reason"]), (&json!(provider.name), &json!("error")));
    assert_eq!(row["billed_seconds"], 0, "{what}");
    assert!(!row["provider_call_id"].is_null(), "{what}: {row}");
    row["id"].as_str().unwrap().to_owned()
}

/// A call that is served, until its greeting is heard.
async fn is_greeted(url: &str, provider: &Provider) {
    use futures_util::{SinkExt, StreamExt};
    let mut socket = dial(url, provider.subprotocol).await;
    let start = (provider.begins)(provider.served);
    socket.send(tokio_tungstenite::tungstenite::Message::text(start)).await.unwrap();
    let heard = async {
        loop {
            let frame = socket.next().await.expect("a greeting").unwrap();
            if frame.is_binary() || frame.to_text().is_ok_and(|text| text.len() > 200) {
                break;
            }
        }
    };
    tokio::time::timeout(crate::support::phone::PATIENCE, heard).await.expect(provider.name);
}

#[actix_web::test]
async fn a_codec_or_rate_that_is_not_served_is_sent_no_sound_and_costs_nothing() {
    let server = Server::start(Database::Sqlite, &[]).await;
    let account = server.account(100.0).await;
    let long = "Good morning. You have reached the front desk, and this greeting is a long one.";
    let agent = server.agent(&account, json!({"greeting": long})).await;
    let key = server.key(&agent).await;
    let url = server.voice(&key.key);
    let mut unserved = Vec::new();
    for provider in &PROVIDERS {
        unserved.push(is_turned_away(&server, &url, provider, "not rendered").await);
        is_greeted(&url, provider).await;
        unserved.push(is_turned_away(&server, &url, provider, "at hand").await);
    }
    let (_, held) = server.books(&account).await;
    assert_eq!(held, 0);
    let ledger = server.get(&format!("/api/accounts/{account}/ledger?limit=200")).await.body;
    let charged: Vec<&str> =
        ledger["items"].as_array().unwrap().iter().filter_map(|e| e["call_id"].as_str()).collect();
    assert_eq!(charged.len(), PROVIDERS.len(), "the calls that were served: {ledger}");
    assert!(unserved.iter().all(|call| !charged.contains(&call.as_str())));
    server.stop().await;
}

#[actix_web::test]
async fn calls_that_cannot_be_served_close_the_door_to_their_key_like_all_that_come_to_nothing() {
    let server = Server::start(Database::Sqlite, &["--unrecognised-per-minute", "2"]).await;
    let (account, _, key) = server.ready().await;
    let url = server.voice(&key.key);
    for _ in 0..2 {
        is_turned_away(&server, &url, &PROVIDERS[0], "of any kind").await;
    }
    let refused =
        crate::support::eventually(async || crate::support::phone::Phone::dial(&url).await.err())
            .await;
    assert_eq!((refused.status, refused.code()), (429, "too_many_calls"));
    let refusal = crate::support::eventually(async || {
        let view = server.get(&format!("/api/keys/{}", key.id)).await.body;
        view["refusals"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(refusal["code"], "too_many_unrecognised", "not one of too many at once");
    assert_eq!(server.books(&account).await, (600, 0));
    server.stop().await;
}
