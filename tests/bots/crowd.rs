//! Bots that flood or stall, and what others notice of it: nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::interval;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    bots::world::World,
    relay::bot::{Bot, Place},
    support::{
        Server,
        phone::{FRAME, Next, Phone, speech},
    },
};

/// How long the others are watched.
const WHILE: Duration = Duration::from_secs(4);

/// What two echoes may differ by that share a machine and nothing else.
const SLACK: Duration = Duration::from_millis(200);

/// A call to an echo agent of another account.
async fn another_call(server: &Server) -> Phone {
    let (_, _, key) = server.ready().await;
    let mut phone = Phone::dial(&server.voice(&key.key)).await.unwrap();
    phone.greeted().await;
    phone
}

/// Talks to the echo for a while: how long a frame takes there and back, as a rule. The longest would
/// measure the machine.
async fn usual_echo(phone: &mut Phone) -> Duration {
    let mut ticks = interval(Duration::from_millis(20));
    let (begun, mut took, mut said) = (Instant::now(), Vec::new(), Vec::new());
    while begun.elapsed() < WHILE {
        ticks.tick().await;
        let frame = speech(FRAME, u32::try_from(took.len()).unwrap());
        let asked = Instant::now();
        phone.say(&frame).await;
        said.extend(frame);
        phone.hear(said.len()).await;
        took.push(asked.elapsed());
    }
    assert!(phone.heard == said, "the echo is whole");
    took.sort_unstable();
    took[took.len() / 2]
}

/// Hangs up: how long it takes until the line is closed.
async fn ends(phone: Phone) -> Duration {
    let asked = Instant::now();
    assert_eq!(phone.end().await["reason"], "end_call");
    asked.elapsed()
}

/// The caller of a bot that misbehaves: speaks and listens until it is told to hang up.
async fn talk_to(mut phone: Phone, mut over: tokio::sync::oneshot::Receiver<()>) -> (Phone, usize) {
    let mut ticks = interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            _ = &mut over => break,
            _ = ticks.tick() => phone.say(&speech(FRAME, 1)).await,
            next = phone.next() => assert!(!matches!(next, Next::Closed(_)), "{next:?}"),
        }
    }
    let heard = phone.heard.len();
    (phone, heard)
}

/// A call to a bot that behaves like this, beside an echo; then its caller hangs up. Gives the bytes
/// that its caller has heard. An echo of a server of its own meanwhile tells how busy the machine is.
async fn disturbs_nobody<B: Future<Output = ()> + 'static>(bot: impl FnOnce(Bot) -> B) -> usize {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    let control = Server::sqlite().await;
    let (mut other, mut elsewhere) =
        (another_call(&world.server).await, another_call(&control).await);
    let (phone, line, id) = world.call(&place).await;
    let dialled = Instant::now();
    let misbehaving = actix_web::rt::spawn(bot(line));
    let (hang_up, over) = tokio::sync::oneshot::channel();
    let talking = actix_web::rt::spawn(talk_to(phone, over));
    let (beside, usual) = tokio::join!(usual_echo(&mut other), usual_echo(&mut elsewhere));
    assert!(beside < usual + SLACK, "an echo beside it took {beside:?}, elsewhere {usual:?}");
    hang_up.send(()).unwrap();
    let (phone, heard) = talking.await.unwrap();
    let (ended, usually) = (ends(phone).await, ends(elsewhere).await);
    assert!(ended < usually + 5 * SLACK, "it ends within {ended:?}, elsewhere within {usually:?}");
    ends(other).await;
    control.stop().await;
    let most = dialled.elapsed().as_secs() + 1;
    let row = world.settled(&id).await;
    let billed = row["billed_seconds"].as_u64().unwrap();
    assert!((WHILE.as_secs()..=most).contains(&billed), "{billed} s of {most}");
    assert_eq!(row["end_reason"], json!("end_call"));
    misbehaving.abort();
    world.server.stop().await;
    heard
}

#[actix_web::test]
async fn a_bot_that_floods_is_heard_at_the_pace_of_speech() {
    let heard = disturbs_nobody(async |mut bot: Bot| {
        let second = Bytes::from(speech(1 << 20, 1));
        while bot.send(Message::Binary(second.clone())).await.is_ok() {}
    })
    .await;
    let second = 32_000;
    assert!((3 * second..6 * second).contains(&heard), "{heard} bytes");
}

#[actix_web::test]
async fn a_bot_that_floods_with_words_is_held_back() {
    disturbs_nobody(async |bot: Bot| {
        let (mut says, mut hears) = bot.split();
        // What it is answered it reads: a bot that left a thousand words unread would be given up.
        let reads = async { while hears.next().await.is_some_and(|heard| heard.is_ok()) {} };
        let floods = async {
            let words = [r#"{"type":"clear"}"#, r#"{"type":"mark","name":"x"}"#, "no JSON"];
            for word in words.into_iter().cycle() {
                if says.send(Message::text(word)).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(reads, floods);
    })
    .await;
}

#[actix_web::test]
async fn a_bot_that_stops_reading_holds_nobody_up() {
    let heard = disturbs_nobody(async |mut bot: Bot| {
        bot.send(Message::binary(vec![0, 0])).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(heard, 2);
}
