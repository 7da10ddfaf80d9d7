//! A failed call says why, and the same in its row, its page, the API, the log, the metrics and the
//! terminal phone.

use std::{process::Output, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt, future::join_all};
use reqwest::{Client, redirect::Policy};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    accept_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use upvoot::call::CauseCode;

use crate::{
    process::tls,
    support::{Database, NewKey, Server, eventually, process::upvoot},
};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
/// What no place may say: it stands in the path and the query of each bot's address.
const TOKEN: &str = "s3cret-t0ken";

/// A bot on a port of this machine, which does one thing with whoever calls.
async fn bot<F: Future<Output = ()> + 'static>(does: impl Fn(TcpStream) -> F + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix_web::rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            actix_web::rt::spawn(does(stream));
        }
    });
    port
}

/// A port where nobody listens.
async fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn answers_401(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]).await;
    let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
}

async fn sends_nothing(stream: TcpStream) {
    let mut call = accept_async(stream).await.unwrap();
    while let Some(Ok(_)) = call.next().await {}
}

async fn is_lost(stream: TcpStream) {
    let mut call = accept_async(stream).await.unwrap();
    call.next().await.unwrap().unwrap();
    call.send(Message::binary(vec![0x20; 640])).await.unwrap();
}

async fn closes_with_an_error(stream: TcpStream) {
    let mut call = accept_async(stream).await.unwrap();
    call.next().await.unwrap().unwrap();
    let close = CloseFrame { code: CloseCode::Error, reason: TOKEN.into() };
    call.close(Some(close)).await.unwrap();
    while let Some(Ok(_)) = call.next().await {}
}

/// A bot whose certificate nobody has signed.
async fn of_untrusted_certificate() -> u16 {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = tls::certificate_of(dir.path(), 2, "A bot that nobody has signed");
    let cert = CertificateDer::from_pem_file(cert).unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    bot(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            assert!(acceptor.accept(stream).await.is_err(), "nobody trusts it");
        }
    })
    .await
}

/// A way for a call to fail.
struct Case {
    code: CauseCode,
    /// A part of the message: which bot, and what failed.
    says: String,
    agent: Value,
    /// What the phone is told besides.
    arguments: &'static [&'static str],
    /// The caller is spoken to before the end, and the call is charged.
    speaks: bool,
}

fn of_bot(code: CauseCode, scheme: &str, port: u16, says: &str, with: Value) -> Case {
    let origin = format!("{scheme}://127.0.0.1:{port}");
    let mut relay = json!({"url": format!("{origin}/{TOKEN}?token={TOKEN}")});
    relay.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    Case {
        code,
        says: says.replace("{bot}", &format!("bot at {origin}")),
        agent: json!({"engine": "relay", "greeting": "", "relay": relay}),
        arguments: &[],
        speaks: true,
    }
}

async fn cases() -> Vec<Case> {
    use CauseCode as Code;
    let soon = json!({"first_byte_timeout_ms": 300});
    let secret = json!({"secret": "UPVOOT_SECRET_OF_NOBODY"});
    vec![
        of_bot(
            Code::BotUnreachable,
            "ws",
            nobody().await,
            "The {bot} cannot be reached: connection refused.",
            json!({}),
        ),
        of_bot(
            Code::BotRejected,
            "ws",
            bot(answers_401).await,
            "The {bot} did not accept the call: it answered 401, so check its secret.",
            json!({}),
        ),
        of_bot(
            Code::BotSecretUnset,
            "ws",
            nobody().await,
            "UPVOOT_SECRET_OF_NOBODY, the secret of the {bot}, is not set on this server.",
            secret,
        ),
        of_bot(
            Code::BotInsecure,
            "wss",
            of_untrusted_certificate().await,
            "There is no trusted TLS connection to the {bot}: the issuer of its certificate is not trusted.",
            json!({}),
        ),
        of_bot(
            Code::BotSilent,
            "ws",
            bot(sends_nothing).await,
            "The {bot} accepted the call and then sent nothing.",
            soon,
        ),
        of_bot(
            Code::BotClosed,
            "ws",
            bot(is_lost).await,
            "The {bot} dropped the connection.",
            json!({}),
        ),
        of_bot(
            Code::BotClosed,
            "ws",
            bot(closes_with_an_error).await,
            "The {bot} closed the call with 1011.",
            json!({}),
        ),
        Case {
            code: Code::UnservedMedia,
            says: "telnyx: This codec is not served".to_owned(),
            agent: json!({}),
            arguments: &["--dialect", "telnyx", "--param", "codec=G722"],
            speaks: false,
        },
    ]
}

/// A server as its own process, with its metrics, its log in JSON, and a user who reads its pages.
struct World {
    server: Server,
    account: String,
    metrics: String,
    client: Client,
    cookie: String,
}

impl World {
    async fn new(url: &str, env: &[(&str, &str)]) -> Self {
        let metrics = format!("127.0.0.1:{}", nobody().await);
        let own = [("UPVOOT_METRICS_LISTEN", &*metrics), ("UPVOOT_LOG_FORMAT", "json")];
        let server = Server::process(url, &[&own, env].concat()).await;
        let account = server.account(10.0).await;
        let user =
            json!({"account_id": account, "email": EMAIL, "password": PASSWORD, "role": "owner"});
        assert_eq!(server.post("/api/users", user).await.status, 201);
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        let form = format!("next=/&email={EMAIL}&password={}", PASSWORD.replace(' ', "+"));
        let signed_in = client
            .post(format!("{}/login", server.base))
            .header("origin", &server.base)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { server, account, metrics, client, cookie }
    }

    async fn agent(&self, fields: Value) -> (String, NewKey) {
        let agent = self.server.agent(&self.account, fields).await;
        let key = self.server.key(&agent).await;
        (agent, key)
    }

    async fn page(&self, path: &str) -> String {
        let page = self.client.get(format!("{}{path}", self.server.base));
        let page = page.header("cookie", &self.cookie).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        page.text().await.unwrap()
    }

    /// The one call of an agent, once it is settled.
    async fn only_call(&self, agent: &str) -> Value {
        eventually(async || {
            let calls = self.server.get(&format!("/api/calls?agent_id={agent}")).await.body;
            let items = calls["items"].as_array()?;
            assert!(items.len() <= 1, "{calls}");
            items.first().filter(|call| !call["ended_at"].is_null()).cloned()
        })
        .await
    }

    /// The lines of the log with this message about this call.
    fn lines(&mut self, message: &str, call: &str) -> Vec<Value> {
        let log = self.server.process_mut().log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line["message"] == message && line["spans"][0]["call.id"] == call)
            .collect()
    }

    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.metrics);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }
}

/// The real terminal phone.
async fn phones(url: String, arguments: &'static [&'static str]) -> Output {
    let calls = move || {
        let mut phone = upvoot();
        phone.arg("call").args(arguments).args(["--seconds", "30"]).env("UPVOOT_CALL_URL", url);
        phone.output().unwrap()
    };
    tokio::task::spawn_blocking(calls).await.unwrap()
}

/// Whether what the phone printed ends with this cause, and its status says so.
fn is_told(output: &Output, case: &Case, of: &str) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{of}: {said}");
    let last = format!("failed: {}: {}", case.code.as_str(), case.code.sentence());
    assert_eq!(said.lines().last(), Some(&*last), "{of}: {said}");
}

/// Whether the provider's caller heard somebody speak.
fn is_spoken_to(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains("(agent)      speaking")
}

#[actix_web::test]
async fn a_failed_call_says_the_same_cause_in_all_places() {
    let (url, _database) = Database::Sqlite.empty();
    let mut world = World::new(&url, &[]).await;
    let cases = cases().await;
    let mut agents = Vec::new();
    for case in &cases {
        agents.push(world.agent(case.agent.clone()).await);
    }
    // By a provider whose dialect has no word for an error, all at once.
    let calls = cases.iter().zip(&agents).map(|(case, (_, key))| {
        let twilio: &[&str] = &["--dialect", "twilio"];
        let arguments = if case.arguments.is_empty() { twilio } else { case.arguments };
        phones(world.server.voice(&key.key), arguments)
    });
    let outputs = join_all(calls).await;
    let metrics = world.metrics().await;
    for ((case, (agent, _)), output) in cases.iter().zip(&agents).zip(&outputs) {
        let code = case.code.as_str();
        is_told(output, case, code);
        assert_eq!(is_spoken_to(output), case.speaks, "{code}: {output:?}");
        // The row, by the list and by itself.
        let listed = world.only_call(agent).await;
        let id = listed["id"].as_str().unwrap().to_owned();
        assert_eq!(listed["end_detail"]["code"], code, "{listed}");
        let message = listed["end_detail"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&case.says), "{message} is not {}", case.says);
        let row = world.server.get(&format!("/api/calls/{id}")).await.body;
        assert_eq!(row["end_detail"], listed["end_detail"]);
        assert_eq!(row["end_reason"], "error");
        assert_eq!(row["billed_seconds"].as_i64().unwrap() > 0, case.speaks, "{row}");
        // The pages.
        let page = world.page(&format!("/calls/{id}")).await;
        assert!(page.contains(&message) && page.contains(code), "{page}");
        // The log: once as a warning, and at the end.
        let failed = world.lines("call failed", &id);
        assert_eq!(failed.len(), 1, "{code}");
        assert_eq!((&failed[0]["level"], &failed[0]["cause"]), (&json!("WARN"), &json!(code)));
        assert_eq!(failed[0]["detail"], message);
        assert_eq!(failed[0]["spans"][0]["agent.id"], *agent);
        let ended = world.lines("call ended", &id);
        assert_eq!((ended.len(), &ended[0]["cause"]), (1, &json!(code)));
        // The metrics.
        let same = cases.iter().filter(|other| other.code == case.code).count();
        let sample =
            format!("upvoot_calls_ended_total{{reason=\"error\",cause=\"{code}\"}} {same}\n");
        assert!(metrics.contains(&sample), "{sample} is not in {metrics}");
        for place in [&page, &message, &metrics] {
            assert!(!place.contains(TOKEN), "{code}");
        }
    }
    let listed = world.page("/agents").await;
    assert_eq!(listed.matches("Last call failed").count(), cases.len());
    let unset = world.page(&format!("/agents/{}", agents[2].0)).await;
    assert!(unset.contains("UPVOOT_SECRET_OF_NOBODY is not set on this server"), "{unset}");
    let log = world.server.process_mut().log();
    assert!(!log.contains(TOKEN) && !log.contains("the bot was too slow"), "{log}");

    // The same natively, where the error is an event.
    let native = phones(world.server.voice(&agents[0].1.key), &[]).await;
    is_told(&native, &cases[0], "native");
    assert!(String::from_utf8_lossy(&native.stdout).contains("error        bot_unreachable: "));
    world.server.stop().await;
}

#[actix_web::test]
async fn a_refused_call_says_why_in_the_log_and_on_the_page_of_its_key() {
    let (url, _database) = Database::Sqlite.empty();
    let mut world = World::new(&url, &[]).await;
    let (agent, key) = world.agent(json!({"is_active": false})).await;
    for _ in 0..3 {
        let refused = phones(world.server.voice(&key.key), &["--dialect", "twilio"]).await;
        assert_eq!(refused.status.code(), Some(3));
    }
    let suffix = &key.key[64..];
    let lines = eventually(async || {
        let log = world.server.process_mut().log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["message"] == "calls refused").collect();
        let told: i64 = lines.iter().filter_map(|line| line["count"].as_i64()).sum();
        (told == 3).then_some(lines)
    })
    .await;
    for line in &lines {
        assert_eq!((&line["level"], &line["code"]), (&json!("INFO"), &json!("agent_disabled")));
        assert_eq!((&line["key.suffix"], &line["agent.id"]), (&json!(suffix), &json!(agent)));
        assert_eq!(line["last_from"], "127.0.0.1");
    }
    let page = world.page(&format!("/agents/{agent}")).await;
    assert!(page.contains("3 calls refused: <code>agent_disabled</code>"), "{page}");
    assert!(!world.server.process_mut().log().contains(&key.key));
    world.server.stop().await;
}

#[actix_web::test]
async fn a_call_that_ended_well_has_no_cause_anywhere() {
    let (url, _database) = Database::Sqlite.empty();
    let world = World::new(&url, &[]).await;
    let (agent, key) = world.agent(json!({"max_duration_seconds": 1})).await;
    let output = phones(world.server.voice(&key.key), &["--dialect", "twilio"]).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("failed"), "{said}");
    let row = world.only_call(&agent).await;
    assert_eq!((&row["end_reason"], &row["end_detail"]), (&json!("max_duration"), &Value::Null));
    let sample = "upvoot_calls_ended_total{reason=\"max_duration\",cause=\"none\"} 1\n";
    assert!(world.metrics().await.contains(sample));
    assert!(!world.page("/agents").await.contains("Last call failed"));
    world.server.stop().await;
}

#[actix_web::test]
async fn a_failing_start_speaks_although_nothing_can_be_rendered() {
    let (url, _database) = Database::Sqlite.empty();
    // No espeak-ng in a path that does not exist: the apology is the chime.
    let mut world = World::new(&url, &[("PATH", "/nonexistent")]).await;
    let port = nobody().await;
    let case = of_bot(CauseCode::BotUnreachable, "ws", port, "The {bot}", json!({}));
    let (_, key) = world.agent(case.agent.clone()).await;
    let began = std::time::Instant::now();
    let output = phones(world.server.voice(&key.key), &["--dialect", "twilio"]).await;
    is_told(&output, &case, "without a voice");
    assert!(is_spoken_to(&output), "{output:?}");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    assert!(world.server.process_mut().log().contains("agents play a tone instead of speaking"));
    world.server.stop().await;
}
