//! The terminal phone against servers of the tests' own: one that behaves, and several that do not.

#![allow(clippy::unwrap_used, clippy::result_large_err, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, interval, timeout},
};
use tokio_tungstenite::tungstenite::{
    Message as Frame,
    handshake::server::{Request, Response},
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use upvoot::{
    audio::tone,
    cli::phone::{Address, FRAME, Heard, Line, Message, NoCall, Refusal, Start, What, dial},
};

const KEY: &str =
    concat!("sk_live_", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff");

/// A server for one connection on a free port, and the phone's address of it.
async fn server<F, Fut>(serve: F) -> (Address, tokio::task::JoinHandle<()>)
where
    F: FnOnce(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
    });
    (format!("ws://127.0.0.1:{port}/voice/{KEY}").parse().unwrap(), serving)
}

/// Answers a request with these pieces of bytes, then closes.
async fn answers(pieces: &'static [&'static str]) -> Address {
    let (address, _) = server(move |mut stream| async move {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(format!("GET /voice/{KEY} HTTP/1.1\r\n").as_bytes()));
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    address
}

async fn no_call(address: &Address) -> NoCall {
    let error = dial(address).await.err().expect("nobody should have been admitted");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("sk_live_"), "{shown}");
    error
}

async fn all(line: &mut Line) -> Vec<Heard> {
    let mut heard = Vec::new();
    while let Some(one) = timeout(Duration::from_secs(10), line.hear()).await.unwrap() {
        heard.push(one);
    }
    heard
}

fn said(heard: &[Heard]) -> Vec<&Message> {
    heard.iter().filter_map(|h| if let What::Said(m) = &h.what { Some(m) } else { None }).collect()
}

#[tokio::test]
async fn a_call_is_held_at_real_time_and_comes_back_whole() {
    let (address, serving) = server(|stream| async move {
        let accept = |request: &Request, mut response: Response| {
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            assert_eq!(protocol, "upvoot.v1");
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let mut call = tokio_tungstenite::accept_hdr_async(stream, accept).await.unwrap();
        let text = |text: &str| Frame::text(text.to_owned());
        for event in [
            r#"{"type":"call_start","call_id":"call_1"}"#,
            r#"{"type":"audio_start"}"#,
            r#"{"type":"transcript","role":"assistant","text":"Hi","at":1}"#,
        ] {
            call.send(text(event)).await.unwrap();
        }
        let began = Instant::now();
        let (mut frames, mut ended) = (0, false);
        while let Some(Ok(frame)) = call.next().await {
            match frame {
                Frame::Binary(sound) if frames < 10 => {
                    assert!(sound.iter().all(|byte| *byte == 0), "spoke over the greeting");
                    frames += 1;
                    if frames == 10 {
                        call.send(text(r#"{"type":"audio_end"}"#)).await.unwrap();
                        call.send(text(r#"{"type":"news_from_the_future"}"#)).await.unwrap();
                    }
                }
                Frame::Binary(_) if ended => {}
                Frame::Binary(sound) => {
                    assert_eq!(sound.len(), FRAME);
                    frames += 1;
                    call.send(Frame::Binary(sound)).await.unwrap();
                }
                Frame::Text(order) => {
                    assert_eq!(order.as_str(), r#"{"type":"end_call"}"#);
                    let end = r#"{"type":"call_end","reason":"end_call"}"#;
                    call.send(text(end)).await.unwrap();
                    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    call.close(Some(normal)).await.unwrap();
                    ended = true;
                }
                Frame::Close(answer) => {
                    assert_eq!(answer.map(|frame| frame.code), Some(CloseCode::Normal));
                    let pace = began.elapsed().as_secs_f64() / f64::from(frames);
                    assert!(pace >= 0.015, "{pace} s for each frame");
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("the phone did not answer the close");
    })
    .await;

    let mut line = dial(&address).await.unwrap();
    let clip: Bytes = tone::caller().slice(..50 * FRAME + 100);
    line.play(clip.clone(), Start::AfterGreeting);
    let mut heard = Vec::new();
    let mut clip_ended = None;
    // What 51 frames take on this machine now, at the least a second.
    let usual = tokio::spawn(async {
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(20)));
        for _ in 0..51 {
            ticks.tick().await;
        }
        began.elapsed()
    });
    while let Some(one) = timeout(Duration::from_secs(10), line.hear()).await.unwrap() {
        if one.what == What::ClipEnded {
            line.hang_up();
            clip_ended = Some(one.at);
        }
        heard.push(one);
    }
    serving.await.unwrap();

    assert_eq!(heard.last().unwrap().what, What::Closed(Some(1000)));
    assert!(heard.is_sorted_by_key(|h| h.at));
    let began = heard.iter().find(|h| h.what == What::ClipBegan).unwrap().at;
    let lasted = clip_ended.unwrap() - began;
    let usual = usual.await.unwrap();
    let slack = Duration::from_millis(500);
    assert!(lasted >= Duration::from_millis(800), "51 frames took {lasted:?}");
    assert!(lasted < usual + slack, "51 frames took {lasted:?}, 51 ticks {usual:?}");
    assert_eq!(said(&heard)[0], &Message::CallStart { call_id: "call_1".to_owned() });
    assert_eq!(
        said(&heard)[2],
        &Message::Transcript { role: "assistant".to_owned(), text: "Hi".to_owned() }
    );
    assert_eq!(said(&heard)[4], &Message::Unknown);
    assert_eq!(said(&heard)[5], &Message::CallEnd { reason: "end_call".to_owned() });
    let sound: Vec<u8> = heard
        .iter()
        .filter_map(|h| if let What::Sound(sound) = &h.what { Some(sound) } else { None })
        .flatten()
        .copied()
        .collect();
    assert!(sound.windows(clip.len()).any(|part| part == clip), "byte for byte");
}

#[tokio::test]
async fn a_refusal_has_a_status_and_a_code() {
    let refused =
        |code: Option<&str>| Refusal { status: 403, code: code.map(str::to_owned), detail: None };
    for (pieces, code) in [
        (
            &[
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 56\r\n\r\n",
                r#"{"type":"about:blank","status":403,"#,
                r#""code":"key_revoked"}"#,
            ][..],
            Some("key_revoked"),
        ),
        (&["HTTP/1.1 403 F", "orbidden\r\n\r\n", r#"{"code":"key_revoked"}"#], Some("key_revoked")),
        (&["HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"], None),
        (&["HTTP/1.1 403 Forbidden\r\n\r\n<html>no</html>"], None),
        (&["HTTP/1.1 403 Forbidden\r\n\r\n{\"code\":\"\\u001b[2J\"}"], None),
    ] {
        match no_call(&answers(pieces).await).await {
            NoCall::Refused(refusal) => assert_eq!(refusal, refused(code), "{pieces:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_sentence_and_a_hint_where_the_path_is_wrong() {
    let answer = answers(&[
        "HTTP/1.1 402 Payment Required\r\n\r\n",
        r#"{"code":"insufficient_points","detail":"No points are left.\nReally."}"#,
    ]);
    let shown = no_call(&answer.await).await.to_string();
    assert_eq!(shown, "refused: 402 insufficient_points: No points are left.\u{fffd}Really.");
    let answer = answers(&["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]);
    let shown = no_call(&answer.await).await.to_string();
    assert!(shown.contains("/voice/KEY"), "{shown}");
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_named_so() {
    const TLS_ALERT: &str = "\u{15}\u{3}\u{3}\0\u{2}\u{2}(";
    for no_http in [&["SSH-2.0-OpenSSH_9.7\r\n"], &[TLS_ALERT]] {
        let error = no_call(&answers(no_http).await).await;
        assert!(matches!(error, NoCall::MaybeTls), "{error:?}");
    }
    for pieces in [
        &[][..],
        &["HTTP/1.1 101 Switching Protocols\r\n"],
        &["HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
           Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"],
    ] {
        let error = no_call(&answers(pieces).await).await;
        assert!(matches!(error, NoCall::NoVoiceServer(_) | NoCall::Unreachable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_empty_port_is_unreachable_and_one_without_tls_is_named_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("ws://127.0.0.1:{port}/voice/{KEY}").parse().unwrap();
    assert!(matches!(no_call(&address).await, NoCall::Unreachable(_)));
    let (secure, _) = server(|mut stream| async move {
        // Not a TLS server: it answers everything in plain text.
        stream.read_exact(&mut [0; 1]).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let plain = format!("{secure}");
    let port = plain.rsplit(':').next().unwrap().trim_end_matches("/…");
    let address = format!("wss://127.0.0.1:{port}/voice/{KEY}").parse().unwrap();
    assert!(matches!(no_call(&address).await, NoCall::NoTls));
}

#[tokio::test]
async fn a_line_that_breaks_says_so_last() {
    let (address, _) = server(|stream| async move {
        let mut call = tokio_tungstenite::accept_async(stream).await.unwrap();
        call.send(Frame::text(r#"{"type":"call_start","call_id":"call_1"}"#)).await.unwrap();
        // Gone, with the phone's frames unread.
    })
    .await;
    let mut line = dial(&address).await.unwrap();
    let heard = all(&mut line).await;
    assert!(matches!(heard.last().unwrap().what, What::Broken(_)), "{heard:?}");
    assert_eq!(said(&heard).len(), 1);

    let (address, _) = server(|stream| async move {
        let mut call = tokio_tungstenite::accept_async(stream).await.unwrap();
        call.send(Frame::text("hello")).await.unwrap();
        while call.next().await.is_some() {}
    })
    .await;
    let heard = all(&mut dial(&address).await.unwrap()).await;
    assert!(
        matches!(&heard.last().unwrap().what, What::Broken(why) if why.contains("not an event"))
    );

    let (address, _) = server(|stream| async move {
        let mut call = tokio_tungstenite::accept_async(stream).await.unwrap();
        let policy = CloseFrame { code: CloseCode::Policy, reason: "".into() };
        call.close(Some(policy)).await.unwrap();
        while call.next().await.is_some() {}
    })
    .await;
    let heard = all(&mut dial(&address).await.unwrap()).await;
    assert_eq!(heard.last().unwrap().what, What::Closed(Some(1008)));
}

/// `upvoot call`, the real binary, with the address in its environment.
async fn upvoot_call(url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_upvoot"))
        .arg("call")
        .args(arguments)
        .env("UPVOOT_CALL_URL", url)
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains("00112233"), "{said}");
    (output.status.code(), said)
}

/// The address as one types it.
fn url(address: &Address) -> String {
    format!("{address}").replace('…', &format!("voice/{KEY}"))
}

#[tokio::test]
async fn the_status_of_upvoot_call_says_how_it_went() {
    let refused = answers(&["HTTP/1.1 403 Forbidden\r\n\r\n{\"code\":\"key_revoked\"}"]).await;
    let (status, said) = upvoot_call(&url(&refused), &[]).await;
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("refused: 403 key_revoked"), "{said}");

    let (status, said) = upvoot_call(&url(&answers(&["nonsense\r\n"]).await), &[]).await;
    assert_eq!(status, Some(1), "{said}");

    for (arguments, expected) in [
        (&["--seconds", "0"][..], 2),
        (&["--dialect", "morse"], 2),
        (&["one", KEY], 2),
        (&["--play", "/nonexistent/clip.wav"], 1),
        (&["--save", "/nonexistent/clip.wav"], 1),
    ] {
        let (status, said) = upvoot_call("ws://127.0.0.1:1/voice/x", arguments).await;
        assert_eq!(status, Some(expected), "{arguments:?}: {said}");
    }
    let (status, said) = upvoot_call(&format!("http://127.0.0.1/voice/{KEY}"), &[]).await;
    assert_eq!(status, Some(2), "{said}");
}

#[tokio::test]
async fn upvoot_call_saves_what_it_hears_and_ends_politely() {
    let (address, serving) = server(|stream| async move {
        let mut call = tokio_tungstenite::accept_async(stream).await.unwrap();
        let sound = tone::chime().slice(..FRAME);
        call.send(Frame::text(r#"{"type":"audio_start"}"#)).await.unwrap();
        call.send(Frame::Binary(sound)).await.unwrap();
        call.send(Frame::text(r#"{"type":"audio_end"}"#)).await.unwrap();
        while let Some(Ok(frame)) = call.next().await {
            if frame.is_text() {
                let end = r#"{"type":"call_end","reason":"end_call"}"#;
                call.send(Frame::text(end)).await.unwrap();
                let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                call.close(Some(normal)).await.unwrap();
            }
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let reply = directory.path().join("reply.wav");
    let arguments = ["--seconds", "1", "--save", reply.to_str().unwrap()];
    let (status, said) = upvoot_call(&url(&address), &arguments).await;
    assert_eq!(status, Some(0), "{said}");
    for event in
        ["audio_start", "audio_end    0.02 s", "call_end     end_call", "closed       1000"]
    {
        assert!(said.contains(event), "{event} is not in {said}");
    }
    let saved = upvoot::audio::wav::read(&std::fs::read(&reply).unwrap()).unwrap();
    assert_eq!(saved, tone::chime().slice(..FRAME));
    serving.await.unwrap();
}
