//! A bot is never lied to: what it sends is played or it is told that it was not, what the caller says
//! reaches it, and a bot that closes has hung up.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::{
    accept_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use upvoot::{
    audio::tone::{key, pause},
    cli::phone::{Provider, What},
};

use crate::{
    bots::world::{World, call_id},
    carrier::caller::{Caller, setup},
    relay::bot::{Bot, Place, next, next_text, say},
    support::phone::{FRAME, speech},
};

/// Bytes of one second.
const SECOND: usize = 32_000;

fn close(code: CloseCode) -> Message {
    Message::Close(Some(CloseFrame { code, reason: "".into() }))
}

#[actix_web::test]
async fn a_bot_that_closes_has_hung_up_and_is_heard_to_the_end() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    // What `close()` sends in Python, on a server's way out, and in Node and browsers: no code at all.
    for goodbye in [close(CloseCode::Normal), close(CloseCode::Away), Message::Close(None)] {
        let (mut phone, mut bot, id) = world.call(&place).await;
        let words = speech(SECOND, 1);
        bot.send(Message::binary(words.clone())).await.unwrap();
        bot.send(goodbye.clone()).await.unwrap();
        assert_eq!(phone.until("call_end").await["reason"], "agent_hangup", "{goodbye}");
        assert!(phone.heard == words, "{} bytes of {}", phone.heard.len(), words.len());
        let whole = ["call_start", "audio_start", "audio", "audio_end", "call_end"];
        assert_eq!(phone.story, whole, "no error and no apology");
        assert_eq!(world.server.settled(&id).await["end_reason"], "agent_hangup");
    }
    world.server.stop().await;
}

#[actix_web::test]
async fn a_bot_that_fails_or_vanishes_is_lost() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    for goodbye in [Some(close(CloseCode::Error)), Some(close(4_000.into())), None] {
        let (mut phone, mut bot, id) = world.call(&place).await;
        if let Some(goodbye) = goodbye {
            bot.send(goodbye).await.unwrap();
        }
        drop(bot);
        assert_eq!(phone.until("error").await["code"], "bot_closed");
        assert_eq!(phone.until("call_end").await["reason"], "error");
        assert_eq!(world.server.settled(&id).await["end_reason"], "error");
    }
    world.server.stop().await;
}

#[actix_web::test]
async fn a_bot_that_answers_late_hears_the_caller_from_the_first_word() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let mut phone = world.dial().await;
    call_id(&mut phone).await;
    // Nine seconds, and a key, before the bot has answered.
    let dialled = place.connection().await;
    let caller = speech(9 * SECOND, 1);
    let (first, second) = caller.split_at(4 * SECOND);
    for frame in first.chunks(FRAME) {
        phone.say(frame).await;
    }
    phone.tell(json!({"type": "dtmf", "digit": "5"})).await;
    for frame in second.chunks(FRAME) {
        phone.say(frame).await;
    }
    let mut phone = phone.into_socket();
    phone.send(Message::Ping("all of it".into())).await.unwrap();
    while !phone.next().await.unwrap().unwrap().is_pong() {}
    let mut bot = accept_async(dialled).await.unwrap();
    assert_eq!(next_text(&mut bot).await["type"], "call_start");
    let (mut heard, mut key_at) = (Vec::new(), None);
    while heard.len() < caller.len() {
        match next(&mut bot).await {
            Message::Binary(sound) => heard.extend_from_slice(&sound),
            _ => key_at = Some(heard.len()),
        }
    }
    assert!(heard == caller);
    assert_eq!(key_at, Some(first.len()));
    drop(phone);
    world.server.stop().await;
}

#[actix_web::test]
async fn ten_seconds_at_once_reach_a_bot_that_reads_at_once() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let (mut phone, mut bot, _) = world.call(&place).await;
    let caller = speech(10 * SECOND, 1);
    let listening = tokio::spawn({
        let enough = caller.len();
        async move {
            let mut heard = Vec::new();
            while heard.len() < enough {
                heard.extend_from_slice(&next(&mut bot).await.into_data());
            }
            (heard, bot)
        }
    });
    for frame in caller.chunks(FRAME) {
        phone.say(frame).await;
    }
    let (heard, _bot) = listening.await.unwrap();
    assert!(heard == caller);
    phone.end().await;
    world.server.stop().await;
}

/// A bot that talks on and on, as fast as it is read, and takes it all back when it hears the caller.
/// `said` counts its seconds.
fn talks_without_end(bot: Bot, said: Arc<AtomicUsize>) -> JoinHandle<()> {
    let (mut sink, mut stream) = bot.split();
    tokio::spawn(async move {
        let interrupted = tokio::spawn(async move {
            while !stream.next().await.unwrap().unwrap().is_binary() {}
            stream
        });
        let second = speech(SECOND, 1);
        while !interrupted.is_finished() {
            sink.send(Message::binary(second.clone())).await.unwrap();
            said.fetch_add(1, Relaxed);
        }
        sink.send(Message::text(r#"{"type":"clear"}"#)).await.unwrap();
        let mut stream = interrupted.await.unwrap();
        while let Some(Ok(_)) = stream.next().await {}
    })
}

#[actix_web::test]
async fn a_bot_that_is_far_ahead_waits_and_its_clear_comes_at_once_when_the_caller_speaks() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let (mut phone, bot, _) = world.call(&place).await;
    let said = Arc::new(AtomicUsize::new(0));
    let talking = talks_without_end(bot, Arc::clone(&said));
    // It waits when it says no more than is played; as long as it is read that is a hundred seconds.
    loop {
        let (before, played) = (said.load(Relaxed), phone.heard.len() / SECOND);
        phone.hear((played + 4) * SECOND).await;
        if said.load(Relaxed) - before <= 12 {
            break;
        }
        assert!(played < 60, "it has said {} s, and does not wait", said.load(Relaxed));
    }
    let ahead = said.load(Relaxed) - phone.heard.len() / SECOND;
    assert!((130..400).contains(&ahead), "{ahead} s");
    let before = phone.heard.len();
    phone.say(&speech(FRAME, 2)).await;
    phone.until("audio_end").await;
    let more = (phone.heard.len() - before) / SECOND;
    assert!(more < 20, "the clear took {more} s, and not the {ahead} s that stood before it");
    phone.end().await;
    talking.await.unwrap();
    world.server.stop().await;
}

#[actix_web::test]
async fn keys_are_heard_where_there_is_no_message_for_them_and_wrong_ones_are_refused() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let (mut phone, mut bot, _) = world.call(&place).await;
    let words = speech(SECOND, 1);
    bot.send(Message::binary(words.clone())).await.unwrap();
    say(&mut bot, r#"{"type":"dtmf","digit":"12E"}"#).await;
    assert_eq!(next_text(&mut bot).await["code"], "dtmf_invalid");
    say(&mut bot, r#"{"type":"dtmf","digit":6}"#).await;
    say(&mut bot, r#"{"type":"dtmf","digits":"1w#"}"#).await;
    say(&mut bot, r#"{"type":"end_call"}"#).await;
    phone.until("call_end").await;
    let [six, one, hash] = ['6', '1', '#'].map(|k| key(k).unwrap());
    let expected = [&words[..], &six, &one, &pause(), &hash].concat();
    assert!(phone.heard == expected, "{} bytes of {}", phone.heard.len(), expected.len());
    world.server.stop().await;
}

#[actix_web::test]
async fn a_provider_that_lets_no_keys_through_is_named_and_one_with_a_message_gets_it() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let keys = r#"{"type":"dtmf","digits":"6"}"#;

    let mut caller = Caller::dial(&world.url(), &setup(Provider::Twilio)).await.unwrap();
    let mut bot = place.answer().await;
    assert_eq!(next_text(&mut bot).await["dialect"], "twilio");
    say(&mut bot, keys).await;
    let refused = loop {
        let message = next(&mut bot).await;
        if message.is_text() {
            break message;
        }
    };
    let sentence = "The caller's provider lets no key tones through.";
    let refused: Value = serde_json::from_str(refused.to_text().unwrap()).unwrap();
    assert_eq!(refused, json!({"type": "error", "code": "dtmf_unplayable", "message": sentence}));
    caller.hang_up();
    assert_eq!(caller.closed().await, Some(1000));
    assert!(caller.sound().is_empty());

    let mut caller = Caller::dial(&world.url(), &setup(Provider::SignalWire)).await.unwrap();
    let mut bot = place.answer().await;
    assert_eq!(next_text(&mut bot).await["dialect"], "signalwire");
    say(&mut bot, keys).await;
    let is_key =
        |what: &What| matches!(what, What::Received(text) if text.contains(r#""digit":"6""#));
    caller.until("key tone", is_key).await;
    caller.hang_up();
    assert_eq!(caller.closed().await, Some(1000));
    assert!(caller.complaints().is_empty(), "{:?}", caller.complaints());
    world.server.stop().await;
}
