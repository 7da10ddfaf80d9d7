//! The line against a bot in the same process, with limits of a moment.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::{
    agent::ws::adopt,
    id::{AccountId, AgentId, CallId},
};

const MOMENT: Duration = Duration::from_millis(40);
const LONG: Duration = Duration::from_secs(60);
const LIMITS: Limits =
    Limits { first_byte: LONG, stalled: LONG, ping: LONG, farewell: Duration::from_millis(1) };

type Bot = WebSocketStream<DuplexStream>;

struct Call {
    mailbox: Arc<Mailbox>,
    events: mpsc::Receiver<FromBot>,
    _hang_up: oneshot::Sender<()>,
    line: JoinHandle<()>,
}

/// A line over a pipe that holds so many bytes.
async fn call(limits: Limits, pipe: usize) -> (Call, Bot) {
    let (ours, theirs) = duplex(pipe);
    let (tell, events) = mpsc::channel(2);
    let (hang_up, hung_up) = oneshot::channel();
    let mailbox = Arc::<Mailbox>::default();
    let line = Line {
        names: Names::new(Vec::new()),
        target: Target {
            account_id: AccountId::new(),
            url: "ws://localhost/".parse().unwrap(),
            secret: None,
            connect_within: LONG,
            first_byte_within: LONG,
            trusted: false,
        },
        reach: Reach { trusted: false, networks: Vec::new(), plain: true },
        opening: Opening {
            call_id: CallId::new(),
            agent_id: AgentId::new(),
            dialect: "native",
            from: None,
            to: None,
            params: BTreeMap::new(),
        },
        mailbox: Arc::clone(&mailbox),
        events: tell,
        hung_up,
    };
    let line = tokio::spawn(async move {
        let socket = adopt(ours, Vec::new()).await;
        line.talk(socket, Unfinished::default(), limits).await;
    });
    let bot = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    (Call { mailbox, events, _hang_up: hang_up, line }, bot)
}

impl Call {
    async fn event(&mut self) -> FromBot {
        timeout(LONG, self.events.recv()).await.unwrap().unwrap()
    }
}

async fn pinged(bot: &mut Bot) {
    while !matches!(bot.next().await, Some(Ok(Message::Ping(_)))) {}
}

#[tokio::test]
async fn a_bot_that_answers_no_ping_is_given_up() {
    let (mut call, mut bot) = call(Limits { ping: MOMENT, ..LIMITS }, 1 << 16).await;
    // It speaks once, and never reads again: the library answers pings when it reads.
    bot.send(Message::text("{}")).await.unwrap();
    assert_eq!(call.event().await, FromBot::Connected);
    assert_eq!(call.event().await, FromBot::Gone(Gone::Stalled));
    call.line.await.unwrap();
}

#[tokio::test]
async fn a_bot_that_answers_pings_may_be_silent() {
    let (mut call, mut bot) = call(Limits { ping: MOMENT, ..LIMITS }, 1 << 16).await;
    assert_eq!(call.event().await, FromBot::Connected);
    for _ in 0..4 {
        pinged(&mut bot).await;
    }
    assert!(call.events.try_recv().is_err());
    bot.send(Message::text(r#"{"type":"clear"}"#)).await.unwrap();
    assert_eq!(call.event().await, FromBot::Clear);
}

#[tokio::test]
async fn a_bot_is_not_blamed_while_nobody_takes_what_it_said() {
    let (mut call, mut bot) = call(Limits { ping: MOMENT, ..LIMITS }, 1 << 16).await;
    assert_eq!(call.event().await, FromBot::Connected);
    for n in 0..10u8 {
        bot.send(Message::binary(vec![n, n])).await.unwrap();
    }
    for _ in 0..4 {
        pinged(&mut bot).await;
    }
    for n in 0..10u8 {
        assert_eq!(call.event().await, FromBot::Audio(Bytes::from(vec![n, n])));
    }
}

#[tokio::test]
async fn a_bot_that_does_not_read_is_given_up() {
    let (mut call, _bot) = call(Limits { stalled: MOMENT, ..LIMITS }, 64).await;
    assert_eq!(call.event().await, FromBot::Gone(Gone::Stalled));
    assert!(call.events.recv().await.is_none());
}

#[tokio::test]
async fn a_bot_that_leaves_a_mebibyte_of_words_unread_is_given_up() {
    let (mut call, mut bot) = call(LIMITS, 64).await;
    for _ in 0..20_000 {
        call.mailbox.put(|queue, now| queue.tell(now, ToBot::Clear));
    }
    // The bot reads at last, but it is too late to go on.
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = bot.next().await {} });
    assert_eq!(call.event().await, FromBot::Connected);
    assert_eq!(call.event().await, FromBot::Gone(Gone::Stalled));
    reading.await.unwrap();
}

#[tokio::test]
async fn what_a_bot_said_before_it_went_is_heard() {
    let farewell = LONG;
    let (mut call, mut bot) = call(Limits { farewell, ..LIMITS }, 1 << 16).await;
    assert_eq!(call.event().await, FromBot::Connected);
    for _ in 0..5 {
        bot.send(Message::text(r#"{"type":"end_call"}"#)).await.unwrap();
    }
    drop(bot);
    call.mailbox.put(|queue, now| queue.hear(now, Bytes::from_static(&[0; 640])));
    for _ in 0..5 {
        assert_eq!(call.event().await, FromBot::EndCall);
    }
    assert_eq!(call.event().await, FromBot::Gone(Gone::Closed(None)));
}

#[tokio::test]
async fn what_a_bot_said_before_it_went_is_heard_however_slowly_it_is_taken() {
    let (mut call, mut bot) = call(Limits { farewell: MOMENT, ..LIMITS }, 1 << 16).await;
    assert_eq!(call.event().await, FromBot::Connected);
    for _ in 0..5 {
        bot.send(Message::text(r#"{"type":"end_call"}"#)).await.unwrap();
    }
    drop(bot);
    call.mailbox.put(|queue, now| queue.hear(now, Bytes::from_static(&[0; 640])));
    assert!(timeout(10 * MOMENT, &mut call.line).await.is_err(), "it waits to be heard");
    for _ in 0..5 {
        assert_eq!(call.event().await, FromBot::EndCall);
    }
    assert_eq!(call.event().await, FromBot::Gone(Gone::Closed(None)));
}
