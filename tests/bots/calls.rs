//! A call to a bot that behaves, and how such calls end.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use upvoot::cli::phone::{Provider, Setup};

use crate::{
    bots::world::{World, call_id, said},
    carrier::caller::{Caller, FROM, TO, setup},
    relay::bot::{Bot, Place, next, next_text, say},
    support::phone::{Phone, speech},
};

/// Bytes of one second.
const SECOND: usize = 32_000;

async fn answered() -> (World, Phone, Bot, String) {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let (phone, bot, id) = world.call(&place).await;
    (world, phone, bot, id)
}

/// The bot is told that the call is over, and its line is closed.
async fn is_over(bot: &mut Bot, reason: &str) {
    loop {
        let message = next(bot).await;
        if message.is_binary() {
            continue;
        }
        let told: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_eq!(told, json!({"type": "end_call", "reason": reason}));
        break;
    }
    let Message::Close(Some(close)) = next(bot).await else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Normal);
}

#[actix_web::test]
async fn the_bot_is_told_first_what_call_it_is() {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let mut phone = world.dial().await;
    let id = call_id(&mut phone).await;
    let mut bot = place.answer().await;
    assert_eq!(
        next_text(&mut bot).await,
        json!({
            "type": "call_start", "call_id": id, "agent_id": world.agent, "dialect": "native",
            "from": null, "to": null, "params": {},
        })
    );
    phone.end().await;

    let params = vec![("tenant".to_owned(), "7".to_owned())];
    let setup = Setup { params, ..setup(Provider::Twilio) };
    let mut caller = Caller::dial(&world.url(), &setup).await.unwrap();
    let mut bot = place.answer().await;
    let start = next_text(&mut bot).await;
    assert_eq!((&start["type"], &start["dialect"]), (&json!("call_start"), &json!("twilio")));
    assert_eq!((&start["from"], &start["to"]), (&json!(FROM), &json!(TO)));
    assert_eq!(
        (&start["agent_id"], &start["params"]["tenant"]),
        (&json!(world.agent), &json!("7"))
    );
    caller.hang_up();
    assert_eq!(caller.closed().await, Some(1000));
    is_over(&mut bot, "hangup").await;
    let row = world.server.settled(start["call_id"].as_str().unwrap()).await;
    assert_eq!((&row["dialect"], &row["end_reason"]), (&json!("twilio"), &json!("hangup")));
    world.server.stop().await;
}

#[actix_web::test]
async fn sound_goes_both_ways_byte_by_byte() {
    let (world, mut phone, mut bot, id) = answered().await;
    let caller = speech(2 * SECOND, 1);
    // Frames that split samples.
    for frame in caller.chunks(333) {
        phone.say(frame).await;
    }
    let mut heard = Vec::new();
    while heard.len() < caller.len() {
        let message = next(&mut bot).await;
        assert!(message.is_binary(), "{message}");
        heard.extend_from_slice(&message.into_data());
    }
    assert!(heard == caller, "the bot hears the caller");

    let agent = speech(3 * SECOND, 2);
    for frame in agent.chunks(10_001) {
        bot.send(Message::binary(frame.to_vec())).await.unwrap();
    }
    phone.hear(agent.len()).await;
    assert!(phone.heard == agent, "the caller hears the bot");
    phone.until("audio_end").await;
    assert_eq!(phone.story, ["call_start", "audio_start", "audio", "audio_end"]);
    assert_eq!(phone.end().await["reason"], "end_call");
    is_over(&mut bot, "end_call").await;
    assert_eq!(world.settled(&id).await["end_reason"], "end_call");
    world.server.stop().await;
}

#[actix_web::test]
async fn a_mark_comes_back_when_the_sound_before_it_has_been_played() {
    let (world, mut phone, mut bot, _) = answered().await;
    let begun = Instant::now();
    bot.send(Message::binary(speech(SECOND, 1))).await.unwrap();
    say(&mut bot, r#"{"type":"mark","name":"said"}"#).await;
    bot.send(Message::binary(speech(20 * SECOND, 2))).await.unwrap();
    assert_eq!(next_text(&mut bot).await, json!({"type": "mark", "name": "said"}));
    let after = begun.elapsed();
    assert!(after >= Duration::from_millis(990), "{after:?}");
    // The sound behind it has not been played by then.
    say(&mut bot, r#"{"type":"clear"}"#).await;
    phone.until("audio_end").await;
    assert!(phone.heard.len() < 10 * SECOND, "{} bytes", phone.heard.len());
    phone.end().await;
    world.server.stop().await;
}

#[actix_web::test]
async fn a_clear_stops_the_sound_at_once_and_the_next_sound_is_whole() {
    let (world, mut phone, mut bot, _) = answered().await;
    bot.send(Message::binary(speech(20 * SECOND, 1))).await.unwrap();
    say(&mut bot, r#"{"type":"mark","name":"never played"}"#).await;
    phone.hear(SECOND).await;
    say(&mut bot, r#"{"type":"clear"}"#).await;
    phone.until("audio_end").await;
    assert!(phone.heard.len() < 10 * SECOND, "{} bytes", phone.heard.len());
    assert_eq!(next_text(&mut bot).await, json!({"type": "clear"}));

    phone.heard.clear();
    let next_words = speech(SECOND, 2);
    bot.send(Message::binary(next_words.clone())).await.unwrap();
    say(&mut bot, r#"{"type":"mark","name":"played"}"#).await;
    phone.until("audio_end").await;
    assert!(phone.heard == next_words, "nothing of what was cleared comes after");
    assert_eq!(next_text(&mut bot).await, json!({"type": "mark", "name": "played"}));
    phone.end().await;
    world.server.stop().await;
}

#[actix_web::test]
async fn keys_and_words_reach_those_they_are_for_and_the_transcript() {
    let (world, mut phone, mut bot, id) = answered().await;
    phone.tell(json!({"type": "dtmf", "digit": "5"})).await;
    assert_eq!(next_text(&mut bot).await, json!({"type": "dtmf", "digit": "5"}));
    say(&mut bot, r#"{"type":"transcript","role":"user","text":"A table for two."}"#).await;
    say(&mut bot, r#"{"type":"transcript","role":"assistant","text":"At <b>eight</b>?"}"#).await;
    assert_eq!(phone.until("transcript").await["text"], "A table for two.");
    assert_eq!(
        phone.until("transcript").await,
        json!({"type": "transcript", "role": "assistant", "text": "At <b>eight</b>?"})
    );
    phone.end().await;
    let row = world.settled(&id).await;
    assert_eq!(said(&row), [("user", "A table for two."), ("assistant", "At <b>eight</b>?")]);
    let first = &row["transcript"][0];
    assert_eq!((&first["type"], &first["digit"]), (&json!("dtmf"), &json!("5")));
    world.server.stop().await;
}

#[actix_web::test]
async fn the_bot_hangs_up_once_it_has_been_heard() {
    let (world, mut phone, mut bot, id) = answered().await;
    let words = speech(SECOND, 1);
    bot.send(Message::binary(words.clone())).await.unwrap();
    say(&mut bot, r#"{"type":"end_call"}"#).await;
    assert_eq!(phone.until("call_end").await["reason"], "agent_hangup");
    assert!(phone.heard == words, "{} bytes of {}", phone.heard.len(), words.len());
    assert_eq!(phone.closed().await, 1000);
    let whole = ["call_start", "audio_start", "audio", "audio_end", "call_end"];
    assert_eq!(phone.story, whole);
    is_over(&mut bot, "agent_hangup").await;
    assert_eq!(world.settled(&id).await["end_reason"], "agent_hangup");
    world.server.stop().await;
}

#[actix_web::test]
async fn a_bot_is_told_of_a_caller_who_hangs_up() {
    let (world, phone, mut bot, id) = answered().await;
    bot.send(Message::binary(speech(SECOND, 1))).await.unwrap();
    phone.drop_line();
    is_over(&mut bot, "hangup").await;
    assert_eq!(world.settled(&id).await["end_reason"], "hangup");
    world.server.stop().await;
}

#[actix_web::test]
async fn the_operator_ends_a_call_while_the_bot_speaks() {
    let (world, mut phone, mut bot, id) = answered().await;
    bot.send(Message::binary(speech(20 * SECOND, 1))).await.unwrap();
    phone.hear(SECOND).await;
    assert_eq!(world.server.post(&format!("/api/calls/{id}/end"), json!({})).await.status, 202);
    assert_eq!(phone.until("call_end").await["reason"], "operator");
    assert_eq!(phone.closed().await, 1000);
    assert!(phone.heard.len() < 3 * SECOND);
    is_over(&mut bot, "operator").await;
    assert_eq!(world.settled(&id).await["end_reason"], "operator");
    world.server.stop().await;
}
