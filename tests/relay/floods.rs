//! Bots that say far more than anybody can hear.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{io::AsyncWriteExt, time::interval};
use tokio_tungstenite::tungstenite::Message;
use upvoot::agent::relay::{FromBot, Gone};

use crate::{
    relay::bot::{Bot, Call},
    support::alone::alone,
};

const MIB: usize = 1024 * 1024;
/// What a bot wants to say.
const FLOOD: usize = 200 * MIB;
/// How long it is listened to.
const WHILE: Duration = Duration::from_secs(4);

/// Bytes of memory that this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A bot that says all of it, in frames of this many bytes. It ends when the line does.
fn flood(mut bot: Bot, frame: usize) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let frame = Bytes::from(vec![0; frame]);
        let mut said = 0;
        while said < FLOOD && bot.send(Message::Binary(frame.clone())).await.is_ok() {
            said += frame.len();
        }
        said
    })
}

/// Calls an echo while others are flooded: how long a frame took there and back, as a rule. The
/// longest would measure the machine.
async fn usual_echo() -> Duration {
    let (mut call, mut bot) = Call::answered().await;
    let echoing = tokio::spawn(async move {
        while let Some(Ok(frame)) = bot.next().await {
            if frame.is_binary() {
                bot.send(frame).await.unwrap();
            }
        }
    });
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    let mut took = Vec::new();
    while begun.elapsed() < WHILE {
        ticks.tick().await;
        let said = Instant::now();
        call.relay.hear(Bytes::from_static(&[9; 640]));
        assert_eq!(call.event().await, FromBot::Audio(Bytes::from_static(&[9; 640])));
        took.push(said.elapsed());
    }
    drop(call);
    echoing.await.unwrap();
    took.sort_unstable();
    took[took.len() / 2]
}

#[tokio::test]
async fn floods_are_held_back_in_bounded_memory_and_disturb_nobody() {
    // Its memory is measured.
    if !alone("relay::floods::floods_are_held_back_in_bounded_memory_and_disturb_nobody") {
        return;
    }
    let before = resident();
    // One is taken as fast as it comes, one is not taken at all, one comes in tiny frames.
    let (mut taken, bot) = Call::answered().await;
    let big = flood(bot, MIB);
    let (untaken, bot) = Call::answered().await;
    let unread = flood(bot, 300_000);
    let (mut crumbs, bot) = Call::answered().await;
    let small = flood(bot, 2);

    let begun = Instant::now();
    let taking = tokio::spawn(async move {
        let mut heard = 0;
        while let Some(FromBot::Audio(piece)) = taken.events.recv().await {
            heard += piece.len();
            if begun.elapsed() >= WHILE {
                break;
            }
        }
        heard
    });
    let counting = tokio::spawn(async move {
        let mut frames = 0;
        while let Some(FromBot::Audio(_)) = crumbs.events.recv().await {
            frames += 1;
            if begun.elapsed() >= WHILE {
                break;
            }
        }
        frames
    });
    // The same in a runtime of its own tells how busy the machine is.
    let elsewhere = std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(usual_echo())
    });
    let beside = usual_echo().await;
    let usual = elsewhere.join().unwrap();
    let slack = Duration::from_millis(200);
    assert!(beside < usual + slack, "an echo beside them took {beside:?}, elsewhere {usual:?}");

    let seconds = 2 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    let heard = taking.await.unwrap();
    assert!((4 * MIB..(5 + seconds) * MIB).contains(&heard), "{heard} bytes in {seconds} s");
    let frames = counting.await.unwrap();
    assert!((6_000..6_000 + seconds * 2_000).contains(&frames), "{frames} frames in {seconds} s");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes for {FLOOD} that were held back");

    drop(untaken);
    for flood in [big, unread, small] {
        assert!(flood.await.unwrap() < FLOOD / 2);
    }
}

#[tokio::test]
async fn a_message_without_an_end_ends_the_line() {
    let (call, mut bot) = Call::answered().await;
    let flooding = tokio::spawn(async move {
        let wire = bot.get_mut();
        let mut said = 0;
        // A message begins, and goes on and on with nothing in it.
        wire.write_all(&[0x02, 0]).await.unwrap();
        let nothing = [0x00, 0x00].repeat(32 * 1024);
        while said < FLOOD && wire.write_all(&nothing).await.is_ok() {
            said += nothing.len();
        }
        said
    });
    assert_eq!(call.gone().await, Gone::Protocol);
    assert!(flooding.await.unwrap() < FLOOD / 2);
}

#[tokio::test]
async fn a_long_message_in_small_pieces_is_a_message() {
    let (mut call, mut bot) = Call::answered().await;
    let sending = tokio::spawn(async move {
        let wire = bot.get_mut();
        // A mebibyte in pieces of 64 bytes, two bytes of header each.
        let mut message = Vec::new();
        for piece in 0..16_384u32 {
            let first = if piece == 0 { 0x02 } else { 0 };
            let last = if piece == 16_383 { 0x80 } else { 0 };
            message.extend([first | last, 64]);
            message.extend([7; 64]);
        }
        for _ in 0..2 {
            wire.write_all(&message).await.unwrap();
        }
        bot
    });
    let mut heard = 0;
    while heard < 2 * MIB {
        let FromBot::Audio(piece) = call.event().await else { panic!("not audio") };
        heard += piece.len();
    }
    assert_eq!(heard, 2 * MIB);
    sending.await.unwrap();
}

#[tokio::test]
async fn a_message_over_a_mebibyte_ends_the_line() {
    let (call, mut bot) = Call::answered().await;
    let sending = tokio::spawn(async move {
        let _ = bot.send(Message::binary(vec![0; MIB + 1])).await;
        bot
    });
    assert_eq!(call.gone().await, Gone::Protocol);
    let _ = sending.await.unwrap();
}
