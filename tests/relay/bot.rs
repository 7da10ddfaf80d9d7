//! A bot on a free port of this machine, and a call to it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use secrecy::SecretString;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};
use upvoot::agent::relay::{FromBot, Gone, Names, Opening, Relay, Target};

/// How long anything that is awaited may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A place where a bot can be called.
pub struct Place(TcpListener);

/// A bot in a call.
pub type Bot = WebSocketStream<TcpStream>;

impl Place {
    /// A free port.
    pub async fn free() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub fn url(&self) -> String {
        format!("ws://{}/bot?x=1", self.address())
    }

    /// The next connection, before anything was said on it.
    pub async fn connection(&self) -> TcpStream {
        timeout(PATIENCE, self.0.accept()).await.expect("a connection").unwrap().0
    }

    /// The next call.
    pub async fn answer(&self) -> Bot {
        accept_async(self.connection().await).await.unwrap()
    }
}

/// A bot that the operator trusts, so that it may be on this machine.
pub fn trusted(url: &str) -> Target {
    Target {
        account_id: upvoot::id::AccountId::new(),
        url: url.parse().unwrap(),
        secret: None,
        connect_within: PATIENCE,
        first_byte_within: PATIENCE,
        trusted: true,
    }
}

/// The same with a secret.
pub fn with_secret(url: &str, secret: &str) -> Target {
    Target { secret: Some(SecretString::from(secret)), ..trusted(url) }
}

/// A call from nobody to nobody.
pub fn opening() -> Opening {
    Opening {
        call_id: upvoot::id::CallId::new(),
        agent_id: upvoot::id::AgentId::new(),
        dialect: "native",
        from: None,
        to: None,
        params: BTreeMap::new(),
    }
}

/// Our side of the call.
pub struct Call {
    pub relay: Relay,
    pub events: mpsc::Receiver<FromBot>,
}

impl Call {
    pub fn open(target: Target) -> Self {
        Self::looking_up(target, &Names::new(Vec::new()))
    }

    /// With names that are looked up elsewhere.
    pub fn looking_up(target: Target, names: &Names) -> Self {
        let (relay, events) = Relay::open(target, opening(), &[], names);
        Self { relay, events }
    }

    /// A call that a bot has answered, both sides of it, with its first frame taken.
    pub async fn answered() -> (Self, Bot) {
        let place = Place::free().await;
        let mut call = Self::open(trusted(&place.url()));
        let mut bot = place.answer().await;
        assert_eq!(next_text(&mut bot).await["type"], "call_start");
        assert_eq!(call.event().await, FromBot::Connected);
        (call, bot)
    }

    /// The next event.
    pub async fn event(&mut self) -> FromBot {
        let event = timeout(PATIENCE, self.events.recv()).await.expect("an event");
        event.expect("the last event has not come yet")
    }

    /// How it ends, once that is all there is to come; nothing may follow.
    pub async fn gone(mut self) -> Gone {
        let FromBot::Gone(gone) = self.event().await else { panic!("something else came") };
        assert_eq!(timeout(PATIENCE, self.events.recv()).await.unwrap(), None);
        gone
    }
}

/// The next frame that is no ping.
pub async fn next(bot: &mut Bot) -> Message {
    loop {
        let message = timeout(PATIENCE, bot.next()).await.expect("a frame").unwrap().unwrap();
        if !message.is_ping() {
            return message;
        }
    }
}

/// The next frame, which has to be text.
pub async fn next_text(bot: &mut Bot) -> Value {
    serde_json::from_str(next(bot).await.to_text().unwrap()).unwrap()
}

/// Says something in JSON.
pub async fn say(bot: &mut Bot, text: &str) {
    bot.send(Message::text(text.to_owned())).await.unwrap();
}
