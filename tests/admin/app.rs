//! A server on a free port with a database of its own, and an operator's verbs.

use actix_web::{App, middleware::from_fn, web};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing_subscriber::util::SubscriberInitExt;
use upvoot::{
    agent::speech::Speaker,
    api,
    auth::{self, Auth},
    client_addr::Proxies,
    clock::{NodeClock, wall_ms},
    id::{CallId, NodeId},
    ledger::Ledger,
    points::Seconds,
    problem,
    registry::RegistryHandle,
    store::{Store, StoreError, accounts, calls, keys},
    telemetry::{self, LogFormat, access::AccessLog},
};

use crate::{admin::people, support::log::Log};

/// What people reach the test's server at.
pub const PUBLIC_URL: &str = "https://voice.example.com";

pub const TOKEN: &str = "operator-token-0123456789-0123456789";

/// A well-formed id that nobody has.
pub fn nobody(prefix: &str) -> String {
    format!("{prefix}{}", "0190aabbccddeeff".repeat(2))
}

pub struct TestApp {
    server: actix_test::TestServer,
    client: Client,
    pub store: Store,
    pub registry: RegistryHandle,
    pub dir: TempDir,
}

impl TestApp {
    /// On an embedded database.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("test.db").display());
        Self::on(dir, url, Some(TOKEN), "").await
    }

    /// The same, where an account's own people may make so much.
    pub async fn limited(limits: api::Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("test.db").display());
        Self::with(dir, url, Some(TOKEN), "", limits).await
    }

    /// On this database, with this operator's token and these trusted proxies.
    pub async fn on(dir: TempDir, url: String, token: Option<&str>, proxies: &str) -> Self {
        Self::with(dir, url, token, proxies, api::Limits::default()).await
    }

    async fn with(
        dir: TempDir,
        url: String,
        token: Option<&str>,
        proxies: &str,
        limits: api::Limits,
    ) -> Self {
        let store = web::block(move || Store::open(&url)).await.unwrap().unwrap();
        let clock = NodeClock::start();
        let registry = RegistryHandle::start(clock);
        let ledger = Ledger::start(store.clone(), NodeId::new(), clock, |_, _| {}).await.unwrap();
        let proxies: Proxies = proxies.parse().unwrap();
        let context = web::Data::new(api::Context {
            store: store.clone(),
            registry: registry.clone(),
            limits,
            readiness: api::Readiness::new(store.clone(), ledger),
            speaker: Speaker::with_program(None, None),
        });
        let public_url = PUBLIC_URL.to_owned();
        let token = token.map(SecretString::from);
        let settings = auth::Settings::new(public_url, token, proxies.clone());
        let auth = web::Data::new(Auth::new(store.clone(), settings));
        let server = actix_test::start(move || {
            App::new()
                .wrap(from_fn(problem::close_unread))
                .wrap(AccessLog::new(proxies.clone(), &[]))
                .app_data(context.clone())
                .app_data(auth.clone())
                .configure(people::pages)
                .configure(api::configure)
                .default_service(web::to(problem::not_found))
        });
        Self { server, client: Client::new(), store, registry, dir }
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.server.addr()
    }

    /// A request of nobody in particular.
    pub fn anonymous(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("http://{}{path}", self.address()))
    }

    /// A request of the operator.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(TOKEN)
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::to(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.request("POST", path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        Reply::to(self.request("PATCH", path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        Reply::to(self.request("DELETE", path)).await
    }

    /// A top-up with this idempotency key.
    pub async fn top_up(&self, account: &str, key: &str, body: &Value) -> Reply {
        let path = format!("/api/accounts/{account}/topups");
        Reply::to(self.request("POST", &path).header("Idempotency-Key", key).json(body)).await
    }

    /// An adjustment with this idempotency key.
    pub async fn adjust(&self, account: &str, key: &str, body: &Value) -> Reply {
        let path = format!("/api/accounts/{account}/adjustments");
        Reply::to(self.request("POST", &path).header("Idempotency-Key", key).json(body)).await
    }

    pub async fn account(&self) -> String {
        self.post("/api/accounts", &json!({"name": "Acme"})).await.created_id()
    }

    pub async fn agent(&self, account: &str) -> String {
        let agent = json!({"account_id": account, "name": "Echo", "engine": "echo"});
        self.post("/api/agents", &agent).await.created_id()
    }

    /// A new key: its id and its secret.
    pub async fn key(&self, agent: &str) -> (String, String) {
        let key = self.post("/api/keys", &json!({"agent_id": agent})).await.status(201).json();
        (string(&key["id"]), string(&key["key"]))
    }

    /// The newest rows of the audit log, as `action object`.
    pub async fn audit(&self) -> Vec<String> {
        let rows = self.get("/api/audit?limit=200").await.status(200).json();
        let row = |row: &Value| format!("{} {}", string(&row["action"]), string(&row["object"]));
        rows["items"].as_array().unwrap().iter().map(row).collect()
    }

    /// Opens a live call by this key, as an admission would.
    pub async fn open_call(&self, key: &str) -> String {
        let key_id = key.parse().unwrap();
        let call = CallId::new();
        self.store
            .write(move |conn| {
                let key = keys::get(conn, key_id)?.unwrap().key;
                let opening = calls::Opening {
                    id: call,
                    account_id: key.account_id,
                    agent_id: key.agent_id,
                    key_id: Some(key_id),
                    node_id: NodeId::new(),
                    started_at: wall_ms(),
                    reserved: Seconds(0),
                };
                calls::open(conn, &opening)
            })
            .await
            .unwrap();
        call.to_string()
    }

    /// Ends a call, as its settlement would.
    pub async fn close_call(&self, call: &str, reason: upvoot::call::event::EndReason) {
        let call = call.parse().unwrap();
        let billed = Seconds(7);
        let close = move |conn: &mut _| calls::close(conn, call, wall_ms(), reason, billed);
        self.store.write::<_, StoreError>(close).await.unwrap();
    }

    /// The balance as the database has it.
    pub async fn balance(&self, account: &str) -> i64 {
        let id = account.parse().unwrap();
        let account = self.store.read(move |conn| accounts::get(conn, id)).await.unwrap();
        account.unwrap().balance.0
    }
}

pub fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

/// An answer, read to its end.
pub struct Reply {
    status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub fn status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        assert!(self.header("x-request-id").is_some_and(|id| id.len() == 32));
        if status < 300 {
            assert_eq!(self.header("cache-control"), Some("no-store"));
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON, not {}", self.text()))
    }

    #[track_caller]
    pub fn created_id(self) -> String {
        string(&self.status(201).json()["id"])
    }

    /// A refusal, in the one form, with nothing else in it.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let reply = self.status(status);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("connection"), Some("close"));
        let body = reply.json();
        let mut fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        fields.retain(|field| status != 422 || *field != "field");
        fields.sort_unstable();
        assert_eq!(fields, ["code", "detail", "status", "title", "type"]);
        assert_eq!(
            (body["status"].as_u64(), body["code"].as_str()),
            (Some(status.into()), Some(code))
        );
        reply
    }

    /// A 422 that names this field.
    #[track_caller]
    pub fn refused_field(self, field: &str) -> Self {
        let reply = self.refused(422, "invalid_field");
        assert_eq!(reply.json()["field"], field, "{}", reply.text());
        reply
    }
}

/// Everything that this process logs from here on, at every level. For a test that is
/// [`alone`](crate::support::alone).
pub fn log() -> Log {
    let log = Log::default();
    let output = log.clone();
    telemetry::subscriber("trace", LogFormat::Json, move || output.clone()).unwrap().init();
    log
}
