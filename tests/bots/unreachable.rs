//! Bots that are not there, or not there any more: the caller is told in words, and the call ends as
//! `error` and is charged for its time.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    bots::world::{World, call_id, said},
    relay::bot::Place,
    support::phone::{Phone, speech},
};

const PHRASE: &str = "Nobody is here. Call again.";

async fn world(url: &str, with: Value) -> World {
    let mut relay = json!({"url": url, "unreachable_phrase": PHRASE});
    relay.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    World::with_relay(relay).await
}

/// The caller hears the phrase after an `error` of this code, and then the end.
async fn is_told(phone: &mut Phone, code: &str) {
    let error = phone.until("error").await;
    assert_eq!(error["code"], code);
    assert!(error["message"].as_str().unwrap().ends_with('.'), "{error}");
    assert!(
        !error["message"].as_str().unwrap().contains("://"),
        "callers learn no address: {error}"
    );
    assert_eq!(
        phone.until("transcript").await,
        json!({
            "type": "transcript", "role": "assistant", "text": PHRASE,
        })
    );
    phone.heard.clear();
    phone.until("audio_end").await;
    assert!(phone.heard.len() > 16_000, "the phrase is heard: {} bytes", phone.heard.len());
    assert_eq!(phone.until("call_end").await["reason"], "error");
    assert_eq!(phone.closed().await, 1000);
    let last = ["transcript", "audio_start", "audio", "audio_end", "call_end"];
    assert!(phone.story.ends_with(&last.map(str::to_owned)), "{:?}", phone.story);
}

/// A call to a bot that is not there.
async fn is_apologised_for(world: World, code: &str) {
    let mut phone = world.dial().await;
    let id = call_id(&mut phone).await;
    is_told(&mut phone, code).await;
    is_settled(&world, &id).await;
    world.server.stop().await;
}

async fn is_settled(world: &World, id: &str) {
    let row = world.settled(id).await;
    assert_eq!(row["end_reason"], "error", "{row}");
    assert!(row["end_detail"]["code"].as_str().unwrap().starts_with("bot_"), "{row}");
    assert_eq!(said(&row).last(), Some(&("assistant", PHRASE)));
}

#[actix_web::test]
async fn a_bot_that_cannot_be_reached() {
    let place = Place::free().await;
    let url = place.url();
    drop(place);
    is_apologised_for(world(&url, json!({})).await, "bot_unreachable").await;
}

#[actix_web::test]
async fn a_bot_that_answers_401() {
    let place = Place::free().await;
    let world = world(&place.url(), json!({})).await;
    tokio::spawn(async move {
        let mut stream = place.connection().await;
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        assert!(read > 0);
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    is_apologised_for(world, "bot_rejected").await;
}

#[actix_web::test]
async fn a_bot_that_never_accepts_the_call() {
    let place = Place::free().await;
    let world = world(&place.url(), json!({"connect_timeout_ms": 200})).await;
    is_apologised_for(world, "bot_timeout").await;
}

#[actix_web::test]
async fn a_bot_that_accepts_the_call_and_sends_nothing() {
    let place = Place::free().await;
    let world = world(&place.url(), json!({"first_byte_timeout_ms": 300})).await;
    let bot = tokio::spawn(async move {
        let _quiet = place.answer().await;
        std::future::pending::<()>().await;
    });
    is_apologised_for(world, "bot_silent").await;
    bot.abort();
}

#[actix_web::test]
async fn a_bot_whose_secret_the_server_does_not_have_is_not_called() {
    let place = Place::free().await;
    let world = world(&place.url(), json!({"secret": "UPVOOT_SECRET_OF_NOBODY"})).await;
    is_apologised_for(world, "bot_secret_unset").await;
    let knock = timeout(Duration::from_millis(50), place.connection()).await;
    assert!(knock.is_err(), "nobody has knocked");
}

#[actix_web::test]
async fn a_bot_that_dies_in_the_middle_of_the_call() {
    let place = Place::free().await;
    let world = world(&place.url(), json!({})).await;
    let dialled = Instant::now();
    let (mut phone, mut bot, id) = world.call(&place).await;
    bot.send(Message::binary(speech(640_000, 1))).await.unwrap();
    phone.hear(48_000).await;
    drop(bot);
    is_told(&mut phone, "bot_closed").await;
    let most = dialled.elapsed().as_secs() + 1;
    is_settled(&world, &id).await;
    let billed = world.server.settled(&id).await["billed_seconds"].as_u64().unwrap();
    assert!((2..=most).contains(&billed), "{billed} s of {most}");
    world.server.stop().await;
}

#[actix_web::test]
async fn who_hangs_up_during_the_apology_leaves_a_call_that_says_why() {
    let place = Place::free().await;
    let url = place.url();
    drop(place);
    let world = world(&url, json!({})).await;
    let mut phone = world.dial().await;
    let id = call_id(&mut phone).await;
    phone.until("error").await;
    phone.until("audio_start").await;
    phone.drop_line();
    let row = world.settled(&id).await;
    assert_eq!(row["end_reason"], "hangup", "{row}");
    assert_eq!(row["end_detail"]["code"], "bot_unreachable");
    let message = row["end_detail"]["message"].as_str().unwrap();
    assert!(message.contains("connection refused"), "{message}");
    world.server.stop().await;
}
