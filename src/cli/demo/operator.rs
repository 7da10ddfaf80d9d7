//! The demo's operator: he does what he does over HTTP, as any other would.

use std::time::Duration;

use awc::{Client, ClientRequest, http::Method};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    super::paint::{count, tame},
    Failure,
};
use crate::{key::PlainKey, points::Seconds};

/// How long a call may take to be settled.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

pub struct Operator {
    http: Client,
    base: String,
    token: SecretString,
}

/// A key as it was answered, the one time.
pub struct NewKey {
    pub id: String,
    pub key: PlainKey,
}

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funds {
    pub balance: Seconds,
    pub held: Seconds,
}

impl Operator {
    pub fn new(base: String, token: SecretString) -> Self {
        Self { http: Client::builder().timeout(Duration::from_secs(10)).finish(), base, token }
    }

    /// A new account with points; its id.
    pub async fn account(&self, name: &str, points: u32) -> Result<String, Failure> {
        let account = self.post("/api/accounts", &json!({ "name": name })).await?;
        let id = text(&account, "id")?;
        let top_up = self
            .request(Method::POST, &format!("/api/accounts/{id}/topups"))
            .insert_header(("Idempotency-Key", "the first points"));
        self.answer("a top-up", top_up, Some(&json!({ "points": points }))).await?;
        Ok(id)
    }

    /// A new agent that echoes; its id.
    pub async fn agent(&self, account: &str, greeting: &str) -> Result<String, Failure> {
        let agent = json!({
            "account_id": account,
            "name": "Echo",
            "engine": "echo",
            "greeting": greeting,
        });
        text(&self.post("/api/agents", &agent).await?, "id")
    }

    pub async fn key(&self, agent: &str) -> Result<NewKey, Failure> {
        let body = json!({ "agent_id": agent, "name": "demo" });
        let answer = self.post("/api/keys", &body).await?;
        let key = answer["key"].as_str().and_then(|key| PlainKey::parse(key.as_bytes()).ok());
        let key = key.ok_or_else(|| Failure::broken("the answer holds no key"))?;
        Ok(NewKey { id: text(&answer, "id")?, key })
    }

    /// Revokes a key; the number of calls that were live on it.
    pub async fn revoke(&self, key: &str) -> Result<u64, Failure> {
        let answer = self.post(&format!("/api/keys/{key}/revoke"), &json!({})).await?;
        if answer["is_active"] != json!(false) || !answer["revoked_at"].is_string() {
            return Err(Failure::broken("the key is not revoked"));
        }
        answer["live_calls"].as_u64().ok_or_else(|| Failure::broken("an answer without live_calls"))
    }

    pub async fn funds(&self, account: &str) -> Result<Funds, Failure> {
        let account = self.get(&format!("/api/accounts/{account}")).await?;
        let seconds = |field: &str| {
            let points = account[field].as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the demo's account has few points"
            )]
            Some(Seconds((points * 60.0).round() as i64))
        };
        match (seconds("points"), seconds("held_points")) {
            (Some(balance), Some(held)) => Ok(Funds { balance, held }),
            _ => Err(Failure::broken("an account without points")),
        }
    }

    /// What a call that has just ended was billed, once it is settled; and that the account's newest
    /// ledger row says so too.
    pub async fn billed(&self, account: &str, call: &str) -> Result<Seconds, Failure> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        let billed = loop {
            let answer = self.get(&format!("/api/calls/{call}")).await?;
            if let Some(billed) = answer["billed_seconds"].as_i64() {
                break billed;
            }
            if Instant::now() > deadline {
                let waited = count(SETTLED_WITHIN.as_secs(), "second");
                return Err(Failure::broken(format!("the call was not settled within {waited}")));
            }
            sleep(Duration::from_millis(50)).await;
        };
        let ledger = self.get(&format!("/api/accounts/{account}/ledger?limit=1")).await?;
        let row = &ledger["items"][0];
        if row["kind"] != "call" || row["call_id"] != call || row["seconds"] != json!(-billed) {
            return Err(Failure::broken("the ledger does not hold that charge"));
        }
        Ok(Seconds(billed))
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.answer(path, self.request(Method::GET, path), None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.answer(path, self.request(Method::POST, path), Some(body)).await
    }

    fn request(&self, method: Method, path: &str) -> ClientRequest {
        let url = format!("{}{path}", self.base);
        self.http.request(method, url).bearer_auth(self.token.expose_secret())
    }

    async fn answer(
        &self,
        what: &str,
        request: ClientRequest,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let failed = |why: String| Failure::broken(format!("{what}: {}", tame(&why)));
        let sent = match body {
            Some(body) => request.send_json(body),
            None => request.send(),
        };
        let mut response = sent.await.map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let answer: Value = response.json().await.map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(failed(format!("{} {}", status.as_u16(), answer["code"])));
        }
        Ok(answer)
    }
}

fn text(answer: &Value, field: &str) -> Result<String, Failure> {
    let text = answer[field].as_str();
    text.map(str::to_owned).ok_or_else(|| Failure::broken(format!("an answer without {field}")))
}
