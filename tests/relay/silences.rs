//! Bots that take the call and then say nothing, or hear nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use upvoot::agent::relay::{Dropped, FromBot, Gone, Target};

use crate::relay::bot::{Call, PATIENCE, Place, next, next_text, trusted};

#[tokio::test]
async fn a_bot_that_never_says_anything_is_given_up() {
    let place = Place::free().await;
    let within = Duration::from_millis(200);
    let mut call = Call::open(Target { first_byte_within: within, ..trusted(&place.url()) });
    let mut bot = place.answer().await;
    assert_eq!(next_text(&mut bot).await["type"], "call_start");
    assert_eq!(call.event().await, FromBot::Connected);
    assert_eq!(call.gone().await, Gone::NoFirstByte);
    let Message::Close(Some(frame)) = next(&mut bot).await else { panic!("no close") };
    assert_eq!(frame.code, CloseCode::Policy);
}

#[tokio::test]
async fn any_first_frame_will_do_and_then_silence_is_the_bots_right() {
    let place = Place::free().await;
    let within = Duration::from_millis(500);
    let mut call = Call::open(Target { first_byte_within: within, ..trusted(&place.url()) });
    let mut bot = place.answer().await;
    bot.send(Message::Ping(Bytes::new())).await.unwrap();
    assert_eq!(call.event().await, FromBot::Connected);
    assert!(timeout(2 * within, call.events.recv()).await.is_err(), "nothing has happened");
}

#[tokio::test]
async fn a_bot_that_stops_reading_is_given_up_and_disturbs_nobody() {
    let (mut stalled, mut bot) = Call::answered().await;
    let (mut other, mut good) = Call::answered().await;
    bot.send(Message::binary(vec![1, 2])).await.unwrap();
    good.send(Message::binary(vec![1, 2])).await.unwrap();
    assert_eq!(stalled.event().await, FromBot::Audio(Bytes::from_static(&[1, 2])));
    assert_eq!(other.event().await, FromBot::Audio(Bytes::from_static(&[1, 2])));

    // Twenty times real time, so that what the systems buffer, and all that waits, is full soon.
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    let gone = loop {
        ticks.tick().await;
        for _ in 0..20 {
            stalled.relay.hear(Bytes::from_static(&[0; 640]));
        }
        other.relay.hear(Bytes::from_static(&[7; 640]));
        assert_eq!(next(&mut good).await, Message::binary(vec![7; 640]));
        if let Ok(event) = stalled.events.try_recv() {
            break event;
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "it was never given up");
    };
    assert_eq!(gone, FromBot::Gone(Gone::Stalled));
    assert!(begun.elapsed() >= Duration::from_secs(10));
    assert!(stalled.relay.dropped().at_once > 0);
    assert_eq!(other.relay.dropped(), Dropped::default());
}
