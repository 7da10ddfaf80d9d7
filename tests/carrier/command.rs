//! `upvoot call --dialect NAME`, the real binary, against a server of the test's own.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message as Frame,
        handshake::server::{Request, Response},
    },
};

use crate::carrier::{
    caller::{Caller, setup},
    tone::{samples, signal_to_noise, tone},
};
use upvoot::{
    audio::{format::Format, wav},
    cli::phone::{NoCall, Provider},
};

/// Takes one call, with these headers in the answer; what was asked for.
#[allow(clippy::result_large_err, reason = "the library's own signature")]
async fn take(
    listener: TcpListener,
    headers: &[(&'static str, &'static str)],
) -> (WebSocketStream<TcpStream>, Request) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut asked = None;
    let accept = |request: &Request, mut response: Response| {
        asked = Some(request.clone());
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(response)
    };
    let call = accept_hdr_async(stream, accept).await.unwrap();
    (call, asked.unwrap())
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/voice/x", listener.local_addr().unwrap());
    (listener, url)
}

/// A server that greets with a tone of half a second and a mark, then echoes.
async fn greets_and_echoes(listener: TcpListener) -> Vec<Value> {
    let (mut call, asked) = take(listener, &[]).await;
    assert!(asked.headers().contains_key("x-twilio-signature"));
    let mut events = Vec::new();
    let mut greeted = false;
    while let Some(Ok(frame)) = call.next().await {
        let Frame::Text(text) = frame else { continue };
        let event: Value = serde_json::from_str(&text).unwrap();
        let stream = event["streamSid"].clone();
        let mut says = Vec::new();
        match event["event"].as_str().unwrap() {
            "start" => {
                let payload = base64(&tone(Format::PCMU, 1)[..3_200]);
                says.push(
                    json!({"event": "media", "streamSid": stream, "media": {"payload": payload}}),
                );
                says.push(json!({"event": "mark", "streamSid": stream, "mark": {"name": "g0-1"}}));
            }
            "mark" => greeted = true,
            "media" if greeted => {
                let payload = &event["media"]["payload"];
                says.push(
                    json!({"event": "media", "streamSid": stream, "media": {"payload": payload}}),
                );
            }
            _ => {}
        }
        if event["event"] != "media" {
            events.push(event);
        }
        for say in says {
            call.send(Frame::text(say.to_string())).await.unwrap();
        }
    }
    events
}

fn base64(sound: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(sound)
}

#[tokio::test]
async fn a_clip_is_said_after_the_greeting_and_its_echo_is_kept() {
    let (listener, url) = listener().await;
    let serving = tokio::spawn(greets_and_echoes(listener));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut clip = wav::Writer::create(path("clip.wav").as_ref()).unwrap();
    clip.write(&tone(Format::NATIVE, 2)).unwrap();
    clip.finish().unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_upvoot"))
        .args(["call", "--dialect", "twilio", "--from", "+12025550155", "--param", "plan=gold"])
        .args(["--digits", "4#", "--play", &path("clip.wav"), "--save", &path("reply.wav")])
        .env("UPVOOT_CALL_URL", url)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for line in ["(agent)      speaking", "(you)        pressed #", "closed       1000"] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    assert!(said.contains("protocol check: no complaints"), "{said}");

    let events = serving.await.unwrap();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["connected", "start", "mark", "dtmf", "dtmf", "stop"]);
    let told = &events[1]["start"]["customParameters"];
    assert_eq!(*told, json!({"from": "+12025550155", "to": "+12025550199", "plan": "gold"}));
    assert_eq!(events[2]["mark"]["name"], "g0-1");

    // There and back through both codecs and both resamplers of the phone: 34.0 dB, as mu-law alone.
    let reply = wav::read(&std::fs::read(path("reply.wav")).unwrap()).unwrap();
    let reply = samples(Format::NATIVE, &reply);
    let clean = signal_to_noise(&reply[16_000..], 16_000).expect("a tone");
    assert!(clean >= 30.0, "{clean} dB");
}

#[tokio::test]
async fn what_a_provider_does_not_offer_is_wrong_usage() {
    for arguments in [
        ["--dialect", "twilio", "--codec", "l16"],
        ["--dialect", "vonage", "--rate", "11025"],
        ["--dialect", "plivo", "--param", "x"],
        ["--dialect", "plivo", "--digits", "x"],
    ] {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_upvoot"))
            .arg("call")
            .args(arguments)
            .env("UPVOOT_CALL_URL", "ws://127.0.0.1:1/voice/x")
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn asterisk_hangs_up_on_a_server_that_agrees_to_what_it_did_not_offer() {
    for (headers, agreed) in [
        (&[("sec-websocket-protocol", "media")][..], true),
        (&[("sec-websocket-protocol", "upvoot.v1")], false),
        (&[], false),
        (
            &[
                ("sec-websocket-protocol", "media"),
                ("sec-websocket-extensions", "permessage-deflate"),
            ],
            false,
        ),
    ] {
        let (listener, url) = listener().await;
        let serving = tokio::spawn(take(listener, headers));
        let called = Caller::dial(&url, &setup(Provider::Asterisk)).await;
        assert_eq!(called.is_ok(), agreed, "{headers:?}");
        if let Err(error) = called {
            assert!(matches!(error, NoCall::NoVoiceServer(_)), "{error:?}");
        }
        let (_, asked) = serving.await.unwrap();
        assert_eq!(asked.headers()["sec-websocket-protocol"], "media");
        assert_eq!(asked.uri().query(), Some("from=12025550101&to=12025550199"));
    }
}
