//! What the integration tests share: a real server on a free port with an empty database, and a
//! caller.
#![allow(dead_code, reason = "each test crate uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
#![allow(clippy::cast_possible_truncation, reason = "a few points, as seconds")]

pub mod alone;
pub mod log;
pub mod openid;
pub mod phone;
pub mod postgres;
pub mod process;
pub mod python;

use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use serde_json::{Value, json};
use upvoot::{
    app::{self, Running},
    settings::ServeArgs,
};

/// The operator's token of every test server.
pub const TOKEN: &str = "test-operator-token-0123456789abcdef";

/// Which database a test runs on.
pub enum Database {
    /// A file in a temporary directory.
    Sqlite,
    /// A database of its own on the PostgreSQL server that the tests start.
    Postgres,
}

impl Database {
    /// An empty one: its URL, and what keeps it there.
    pub fn empty(self) -> (String, Box<dyn std::any::Any>) {
        match self {
            Self::Sqlite => {
                let dir = tempfile::tempdir().unwrap();
                (format!("sqlite://{}", dir.path().join("test.db").display()), Box::new(dir))
            }
            Self::Postgres => (postgres::fresh_database(), Box::new(())),
        }
    }
}

/// A real server, on a free port, with an empty database.
pub struct Server {
    host: Host,
    pub base: String,
    http: awc::Client,
    /// Keeps the database's directory, or the database, until the end.
    _database: Box<dyn std::any::Any>,
}

/// Where the server runs.
enum Host {
    /// In this process.
    Here(Box<Running>),
    /// As the real binary.
    Process(process::Process),
    /// It has been stopped.
    Stopped,
}

/// A key as its creation answered it.
pub struct NewKey {
    pub id: String,
    pub key: String,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: ServeArgs,
}

impl Server {
    /// On SQLite, with the default settings.
    pub async fn sqlite() -> Self {
        Self::start(Database::Sqlite, &[]).await
    }

    /// With further flags.
    pub async fn start(database: Database, flags: &[&str]) -> Self {
        let (database_url, keep) = database.empty();
        let fixed = ["test", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let token = ["--admin-token", TOKEN, "--database-url", &database_url];
        let all = fixed.iter().chain(&token).chain(flags);
        let mut settings = Flags::parse_from(all).serve;
        settings.speech_sandbox = Some(env!("CARGO_BIN_EXE_upvoot").into());
        let running = app::start(settings).await.expect("the server starts");
        Self::at(running.address(), Host::Here(Box::new(running)), keep)
    }

    /// As the real binary, on a database that outlives it.
    pub async fn process(database_url: &str, env: &[(&str, &str)]) -> Self {
        let process = process::Process::serve(database_url, env).await;
        Self::at(process.address(), Host::Process(process), Box::new(()))
    }

    /// The same with so few descriptors.
    pub async fn process_with_descriptors(
        most: u32,
        database_url: &str,
        env: &[(&str, &str)],
    ) -> Self {
        let process = process::Process::serve_with_descriptors(most, database_url, env).await;
        Self::at(process.address(), Host::Process(process), Box::new(()))
    }

    fn at(address: SocketAddr, host: Host, keep: Box<dyn std::any::Any>) -> Self {
        Self {
            base: format!("http://{address}"),
            host,
            http: awc::Client::builder()
                .timeout(Duration::from_secs(30))
                // Less than the server's: no request meets a connection that is just being closed.
                .connector(awc::Connector::new().conn_keep_alive(Duration::from_secs(1)))
                .finish(),
            _database: keep,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.base.trim_start_matches("http://").parse().unwrap()
    }

    /// The path of the set-up link of a server that runs in this process.
    pub fn setup_path(&self) -> String {
        let Host::Here(running) = &self.host else { panic!("it runs in a process of its own") };
        running.setup_url().unwrap().trim_start_matches(running.public_url()).to_owned()
    }

    /// The process it runs in.
    pub fn process_mut(&mut self) -> &mut process::Process {
        let Host::Process(process) = &mut self.host else { panic!("it runs in this process") };
        process
    }

    /// `ws://.../voice/<tail>`.
    pub fn voice(&self, tail: &str) -> String {
        format!("{}/voice/{tail}", self.base.replace("http://", "ws://"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path, Some(body), &[]).await
    }

    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
            .insert_header(("authorization", format!("Bearer {TOKEN}")));
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        let mut response = match body {
            Some(body) => request.send_json(&body).await,
            None => request.send().await,
        }
        .expect("the server answers");
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = response.body().limit(4 << 20).await.expect("a body");
        Answer {
            status: response.status().as_u16(),
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Makes something, and gives its id.
    async fn made(&self, path: &str, body: Value) -> Value {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 201, "POST {path}: {}", answer.body);
        answer.body
    }

    /// A new account with these points.
    pub async fn account(&self, points: f64) -> String {
        let account = self.made("/api/accounts", json!({"name": "Test"})).await;
        let id = account["id"].as_str().unwrap().to_owned();
        if points > 0.0 {
            self.top_up(&id, points).await;
        }
        id
    }

    /// Adds points to an account.
    pub async fn top_up(&self, account: &str, points: f64) {
        let idempotency = uuid::Uuid::now_v7().to_string();
        let answer = self
            .request(
                "POST",
                &format!("/api/accounts/{account}/topups"),
                Some(json!({"points": points})),
                &[("idempotency-key", &idempotency)],
            )
            .await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    /// A new echo agent, with these fields besides.
    pub async fn agent(&self, account: &str, fields: Value) -> String {
        let mut body =
            json!({"account_id": account, "name": "Echo", "engine": "echo", "greeting": "Hi."});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.made("/api/agents", body).await["id"].as_str().unwrap().to_owned()
    }

    /// A new key for an agent.
    pub async fn key(&self, agent: &str) -> NewKey {
        let key = self.made("/api/keys", json!({"agent_id": agent})).await;
        NewKey {
            id: key["id"].as_str().unwrap().to_owned(),
            key: key["key"].as_str().unwrap().to_owned(),
        }
    }

    /// An account with ten points, an echo agent, a key: what most calls need.
    pub async fn ready(&self) -> (String, String, NewKey) {
        let account = self.account(10.0).await;
        let agent = self.agent(&account, json!({})).await;
        let key = self.key(&agent).await;
        (account, agent, key)
    }

    /// Waits until a call is settled, and gives its row.
    pub async fn settled(&self, call: &str) -> Value {
        eventually(async || {
            let answer = self.get(&format!("/api/calls/{call}")).await;
            (answer.status == 200 && !answer.body["ended_at"].is_null()).then_some(answer.body)
        })
        .await
    }

    /// Waits until no call is live.
    pub async fn quiet(&self) {
        eventually(async || {
            let live = self.get("/api/calls?live=true").await;
            live.body["items"].as_array().is_some_and(Vec::is_empty).then_some(())
        })
        .await;
    }

    /// What an account's books say, after checking that they agree: (balance, held) in seconds.
    pub async fn books(&self, account: &str) -> (i64, i64) {
        let row = self.get(&format!("/api/accounts/{account}")).await.body;
        let seconds = |points: &Value| (points.as_f64().unwrap() * 60.0).round() as i64;
        let balance = seconds(&row["points"]);
        let mut sum = 0;
        let mut cursor = String::new();
        loop {
            let path = format!("/api/accounts/{account}/ledger?limit=200{cursor}");
            let page = self.get(&path).await.body;
            for entry in page["items"].as_array().unwrap() {
                sum += entry["seconds"].as_i64().unwrap();
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(balance, sum, "the balance is the ledger's sum");
        (balance, seconds(&row["held_points"]))
    }

    /// Stops the server the way a signal does, and checks that nothing is left unsettled.
    pub async fn stop(mut self) {
        match std::mem::replace(&mut self.host, Host::Stopped) {
            Host::Here(running) => assert!(running.stop().await, "everything is settled"),
            Host::Process(process) => assert_eq!(process.terminate().await, Some(0)),
            Host::Stopped => {}
        }
    }
}

/// Polls until there is an answer.
pub async fn eventually<T>(mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < give_up, "it never came to be");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
