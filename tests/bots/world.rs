//! A server with an agent whose bot is the test's, and a call between the two.

use serde_json::{Value, json};

use crate::{
    relay::bot::{Bot, Place, next_text},
    support::{NewKey, Server, phone::Phone},
};

/// A server, an account with ten points, and a bot's agent with a key.
pub struct World {
    pub server: Server,
    pub account: String,
    pub agent: String,
    pub key: NewKey,
}

impl World {
    /// The agent's bot is at this address.
    pub async fn with_bot_at(url: &str) -> Self {
        Self::with_relay(json!({ "url": url })).await
    }

    /// The agent's bot is this.
    pub async fn with_relay(relay: Value) -> Self {
        let server = Server::sqlite().await;
        let account = server.account(10.0).await;
        let agent = server.agent(&account, relay_agent(relay)).await;
        let key = server.key(&agent).await;
        Self { server, account, agent, key }
    }

    /// Where its agent is called.
    pub fn url(&self) -> String {
        self.server.voice(&self.key.key)
    }

    /// A native call.
    pub async fn dial(&self) -> Phone {
        Phone::dial(&self.url()).await.unwrap()
    }

    /// A native call that a bot has answered: caller, bot, and the call's id.
    pub async fn call(&self, place: &Place) -> (Phone, Bot, String) {
        let mut phone = self.dial().await;
        let id = call_id(&mut phone).await;
        let mut bot = place.answer().await;
        assert_eq!(next_text(&mut bot).await["call_id"], id);
        (phone, bot, id)
    }

    /// How a call was settled, after checking that it is charged for and that the books agree.
    pub async fn settled(&self, call: &str) -> Value {
        let row = self.server.settled(call).await;
        self.server.quiet().await;
        let billed = row["billed_seconds"].as_i64().unwrap();
        assert!(billed >= 1, "{row}");
        assert_eq!(self.server.books(&self.account).await, (600 - billed, 0), "{row}");
        row
    }
}

/// An agent's fields, with this bot.
pub fn relay_agent(relay: Value) -> Value {
    json!({"engine": "relay", "greeting": "", "relay": relay})
}

/// The id that the caller is told.
pub async fn call_id(phone: &mut Phone) -> String {
    phone.until("call_start").await["call_id"].as_str().unwrap().to_owned()
}

/// What was said in a call: who, and the words.
pub fn said(row: &Value) -> Vec<(&str, &str)> {
    let lines = row["transcript"].as_array().unwrap().iter();
    let spoken = lines.filter(|line| line["type"] == "transcript");
    spoken.map(|line| (line["role"].as_str().unwrap(), line["text"].as_str().unwrap())).collect()
}
