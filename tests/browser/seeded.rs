//! A world of awkward data: long names, three scripts, numbers of every shape, 300 calls that ended in every
//! way, and three roles. The calls of the past are written into the database; all else is made as usual.

use std::fmt::Write as _;

use actix_web::rt::{spawn, task::JoinHandle};
use diesel::connection::SimpleConnection as _;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use upvoot::{
    call::event::{EndReason, Role},
    id::{CallId, LedgerId},
    store::{Store, StoreError},
};

use crate::{
    browser::{
        app::{App, PASSWORD},
        browser::Browser,
    },
    support::{TOKEN, phone::Phone},
};

/// Sixty characters, in words and in one word; and names in scripts that are wide, or go from right to left.
pub const NAMES: [&str; 5] = [
    "Reception of the Northern Highlands Regional Service Centres",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunte",
    "ग्राहक सेवा केंद्र मुंबई, स्वागत कक्ष और पूछताछ विभाग",
    "مركز خدمة العملاء في الرياض، مكتب الاستقبال والاستفسارات",
    "Sales",
];
const GREETINGS: [&str; 5] = [
    "Welcome to the Northern Highlands. This call may be answered by a machine, which is glad to help you with whatever you need today.",
    "Grüß Gott.",
    "नमस्ते! आपका स्वागत है। मैं आपकी क्या सहायता कर सकता हूँ?",
    "أهلاً وسهلاً بكم. كيف يمكنني مساعدتكم اليوم؟",
    "Hi.",
];
const NUMBERS: [Option<&str>; 6] = [
    Some("+919810475140"),
    Some("+4915123456789012"),
    Some("sip:asha@acme.example"),
    Some("anonymous"),
    None,
    Some("+966112345678"),
];
/// What a customer has attached to each of them.
const PARAMETERS: &str = r#"{"campaign_of_the_northern_highlands_regional_service_centre":"spring, for callers from Mumbai"}"#;
const CALLS: i64 = 300;
const DAY_MS: i64 = 86_400_000;

pub const OWNER: &str = "owner.with.a.long.local.part@subdomain.of.acme.example";
pub const VIEWER: &str = "viewer@acme.example";

pub struct Seeded {
    pub app: App,
    pub operator: Browser,
    pub account: String,
    /// An account with a long name and many points.
    rich: String,
    /// A call of its that lasted an hour and a half.
    long: String,
    /// In the order of [`NAMES`].
    pub agents: Vec<String>,
    /// The newest of the calls of the past, with everything that a call can have.
    pub call: String,
    pub key: String,
    live: Vec<JoinHandle<()>>,
}

impl Seeded {
    pub async fn start() -> Self {
        let app = App::start(&[]).await;
        let operator = app.first_user().await;
        let account = first(&app.get("/api/accounts").await);
        app.post("/api/accounts", json!({"name": "Acme"})).await;
        let rich = json!({"name": NAMES[1], "max_concurrent_calls": 100_000});
        let rich = id(&app.post("/api/accounts", rich).await);
        top_up(&app, &rich, 123_456_789.05).await;
        let long = two_calls(&app, &rich).await;
        for (email, role) in [(OWNER, "owner"), (VIEWER, "viewer")] {
            let user =
                json!({"account_id": account, "email": email, "password": PASSWORD, "role": role});
            app.post("/api/users", user).await;
        }
        let mut agents = Vec::new();
        for (name, greeting) in NAMES.iter().zip(GREETINGS) {
            let agent = json!({
                "account_id": account, "name": name, "engine": "echo", "greeting": greeting,
            });
            agents.push(id(&app.post("/api/agents", agent).await));
        }
        app.patch(&format!("/api/agents/{}", agents[4]), json!({"is_active": false})).await;
        top_up(&app, &account, 5_000.0).await;
        let revoked = app.post("/api/keys", json!({"agent_id": agents[0], "name": NAMES[3]})).await;
        let _ = app.post(&format!("/api/keys/{}/revoke", id(&revoked)), json!({})).await;
        let key = app.post("/api/keys", json!({"agent_id": agents[0], "name": NAMES[0]})).await;
        let voice = app.voice(key["key"].as_str().unwrap());
        let key = id(&key);
        let call = past(&app, &account, &agents, &key).await;
        let heard = [
            (Role::Assistant, 0, 9_000),
            (Role::User, 3_000, 6_000),
            (Role::User, 11_600, 14_000),
            (Role::Assistant, 15_300, 19_000),
        ];
        app.heard(&call, &heard).await;
        let mut live = Vec::new();
        for _ in 0..2 {
            let mut phone = Phone::dial(&voice).await.unwrap();
            phone.greeted().await;
            // A caller who listens answers pings, and stays.
            let mut socket = phone.into_socket();
            live.push(spawn(async move { while let Some(Ok(_)) = socket.next().await {} }));
        }
        Self { app, operator, account, rich, long, agents, call, key, live }
    }

    /// A browser of one of the account's users.
    pub async fn browser(&self, email: &str) -> Browser {
        let browser = Browser::open(&self.app.base).await;
        browser.sign_in(email, PASSWORD).await;
        browser.arrives("/").await;
        browser
    }

    /// Everything in a list of the API, newest first.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.app.get(&format!("{path}{joint}limit=200{cursor}")).await;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The pages for whoever has this role.
    pub fn pages(&self, is_owner: bool, is_operator: bool) -> Vec<String> {
        let Self { agents, call, key, account, rich, long, .. } = self;
        let mut pages: Vec<String> =
            ["/", "/agents", "/calls", "/points", "/audit", "/account", "/help/providers"]
                .map(str::to_owned)
                .into();
        pages.extend([format!("/agents/{}", agents[0]), format!("/agents/{}", agents[1])]);
        pages.extend([format!("/calls/{call}"), "/calls?live=false".to_owned()]);
        if is_owner {
            pages.extend(["/users".to_owned(), format!("/agents/{}/try", agents[1])]);
            pages.push(format!("/agents/{}/keys/{key}/rotate", agents[0]));
        }
        if is_operator {
            pages.extend(["/accounts".to_owned(), format!("/accounts/{account}")]);
            pages.extend([format!("/?account={rich}"), format!("/points?account={rich}")]);
            pages.extend([format!("/calls/{long}"), "/help/telnyx".to_owned()]);
        }
        pages
    }

    pub async fn end(self) {
        for caller in self.live {
            caller.abort();
        }
        self.operator.close(&["404 (Not Found)"]).await;
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

fn first(list: &Value) -> String {
    id(list["items"].as_array().unwrap().last().unwrap())
}

async fn top_up(app: &App, account: &str, points: f64) {
    let note = "Invoice 2026/11/0000000000000000000000000000000000000000000000000000000000000042";
    let answer = reqwest::Client::new()
        .post(format!("{}/api/accounts/{account}/topups", app.base))
        .bearer_auth(TOKEN)
        .header("idempotency-key", "seed")
        .json(&json!({"points": points, "note": note}));
    assert!(answer.send().await.unwrap().status().is_success());
}

/// Writes two calls of an account: one of some minutes today, and a long one of weeks ago, which it gives.
async fn two_calls(app: &App, account: &str) -> String {
    let agent = json!({"account_id": account, "name": "Desk", "engine": "echo", "greeting": "Hi."});
    let agent = id(&app.post("/api/agents", agent).await);
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let (mut sql, mut long) = (String::new(), String::new());
    for (started, seconds) in [(now - 500_000, 400), (now - 20 * DAY_MS, 5_400)] {
        long = format!("{}{:020x}", CallId::first_of(started), 0);
        writeln!(
            sql,
            "INSERT INTO calls (id, account_id, agent_id, node_id, started_at, talk_started_at, ended_at,
                end_reason, reserved_seconds, billed_seconds)
             VALUES ('{long}', '{account}', '{agent}', 'node_{:032x}', {started}, {started}, {}, 'hangup',
                60, {seconds});",
            0,
            started + seconds * 1_000,
        )
        .unwrap();
    }
    run(app, sql).await;
    app.heard(&long, &[(Role::User, 500, 2_000), (Role::Assistant, 2_700, 5_390_000)]).await;
    long
}

async fn run(app: &App, sql: String) {
    let database = app.database.path().join("test.db");
    let store = Store::open(&format!("sqlite://{}", database.display())).unwrap();
    store.write(move |conn| Ok::<_, StoreError>(conn.batch_execute(&sql)?)).await.unwrap();
}

/// Writes the calls of the last ten days and their charges, and gives the newest.
async fn past(app: &App, account: &str, agents: &[String], key: &str) -> String {
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let (mut sql, mut total, mut newest) = (String::new(), 0, String::new());
    for i in 0..CALLS {
        let ago = (CALLS - i) * 10 * DAY_MS / CALLS;
        let (started, lasted) = (now - ago, 1_000 + i * 7_919 % 400_000);
        let call = format!("{}{i:020x}", CallId::first_of(started));
        let entry = format!("{}{i:020x}", LedgerId::first_of(started + lasted));
        let nth = |count: usize| usize::try_from(i).unwrap() % count;
        let number =
            |n: usize| NUMBERS[n % NUMBERS.len()].map_or("NULL".into(), |it| format!("'{it}'"));
        let reason = EndReason::ALL[nth(EndReason::ALL.len())].as_str();
        let (agent, billed) = (&agents[nth(agents.len())], lasted.div_euclid(1_000) + 1);
        let key = if i % 7 == 0 { "NULL".to_owned() } else { format!("'{key}'") };
        total += billed;
        writeln!(
            sql,
            "INSERT INTO calls (id, account_id, agent_id, key_id, node_id, dialect, from_number, to_number,
                provider_call_id, custom_parameters, started_at, talk_started_at, ended_at, end_reason,
                reserved_seconds, billed_seconds)
             VALUES ('{call}', '{account}', '{agent}', {key}, 'node_{:032x}', 'twilio', {}, {},
                'CA{i:032x}', '{}', {started}, {started}, {}, '{reason}', 60, {billed});
             INSERT INTO ledger (id, account_id, kind, seconds, call_id, created_at)
             VALUES ('{entry}', '{account}', 'call', -{billed}, '{call}', {});",
            0,
            number(nth(6)),
            number(nth(6) + 1),
            PARAMETERS,
            started + lasted,
            started + lasted,
        )
        .unwrap();
        newest = call;
    }
    let said = [
        ("assistant", "नमस्ते! आपका स्वागत है। मैं आपकी क्या सहायता कर सकता हूँ?", 0),
        ("user", "أريد أن أعرف رصيد حسابي من فضلك، ورقم الحجز ٤٢", 14_700),
        ("assistant", "Your booking is under the name of the Northern Highlands.", 15_000),
    ];
    for (seq, (role, text, at_ms)) in said.into_iter().enumerate() {
        let line = json!({"type": "transcript", "role": role, "text": text, "at_ms": at_ms});
        writeln!(sql, "INSERT INTO transcript_lines (call_id, seq, line) VALUES ('{newest}', {seq}, '{line}');")
            .unwrap();
    }
    write!(
        sql,
        "UPDATE accounts SET balance_seconds = balance_seconds - {total}, created_at = {}
         WHERE id = '{account}';",
        now - 30 * DAY_MS,
    )
    .unwrap();
    run(app, sql).await;
    newest
}
