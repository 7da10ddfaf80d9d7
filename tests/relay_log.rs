//! A bot's secret is in the request for the upgrade and nowhere else: not in any log at any level,
//! of ours or of a dependency, nor in `Debug`, nor in what is told of the bot's end.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing_subscriber::{filter::LevelFilter, util::SubscriberInitExt};
use upvoot::{
    agent::relay::{FromBot, Gone, ToBot},
    call::EndReason,
};

use crate::{
    relay::bot::{Call, Place, next, say, with_secret},
    support::{alone::alone, log::Log},
};

#[tokio::test]
async fn a_secret_is_in_the_header_and_nowhere_else() {
    if !alone("relay_log::a_secret_is_in_the_header_and_nowhere_else") {
        return;
    }
    // Whatever anybody logs, unfiltered.
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish()
        .init();
    let secret = format!("made-up-{}", "q".repeat(20));
    let place = Place::free().await;

    // A call from its beginning to its end.
    let target = with_secret(&format!("{}&token=in-the-query", place.url()), &secret);
    let shown = format!("{target:?} {target:#?}");
    let mut call = Call::open(target);
    let mut bot = place.answer().await;
    assert!(next(&mut bot).await.to_text().unwrap().contains("call_start"));
    assert_eq!(call.event().await, FromBot::Connected);
    say(&mut bot, r#"{"type":"clear"}"#).await;
    assert_eq!(call.event().await, FromBot::Clear);
    call.relay.hear(Bytes::from_static(&[0; 640]));
    call.relay.tell(ToBot::EndCall(EndReason::EndCall));
    assert_eq!(next(&mut bot).await.len(), 640);
    assert!(next(&mut bot).await.to_text().unwrap().contains("end_call"));
    assert_eq!(call.gone().await, Gone::Closed(Some(1000)));

    // Bots that refuse, repeat what they were sent, or make no sense.
    let mut ends = String::new();
    for status in ["401 Unauthorized", "101 Switching Protocols", "nonsense"] {
        let call = Call::open(with_secret(&place.url(), &secret));
        let mut stream = place.connection().await;
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        assert!(request.contains(&format!("\r\nAuthorization: Bearer {secret}\r\n")));
        assert_eq!(request.matches(&secret).count(), 1);
        let answer = format!("HTTP/1.1 {status}\r\nX-Echo: Bearer {secret}\r\n\r\n{request}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        let gone = call.gone().await;
        let cause = gone.cause(&format!("{}&token=in-the-query", place.url()).parse().unwrap());
        ends += &format!("{gone:?} {cause:?} {cause}\n");
    }

    let log = log.text();
    assert!(log.contains("TRACE tungstenite"), "the log has what dependencies say");
    assert!(log.contains("a bot is gone"), "and what we say");
    let base64 = "cXFxcXFx";
    for text in [&log, &shown, &ends] {
        for leak in [secret.as_str(), "qqqqqq", base64, "in-the-query", "Bearer"] {
            assert!(!text.contains(leak), "{leak} is in: {text}");
        }
        let hex = hex::encode("qqqqqq");
        assert!(!text.to_lowercase().contains(&hex), "it is there in hex: {text}");
    }
}
