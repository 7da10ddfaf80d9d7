//! The dashboard as its users know it: the verbs of the stories.

use serde_json::Value;
use upvoot::{
    call::event::{Role, Stretch},
    store::{Store, calls::stretches},
};

use crate::{
    browser::browser::Browser,
    support::{TOKEN, eventually, process::Process},
};

pub const EMAIL: &str = "ada@example.com";
pub const PASSWORD: &str = "a long enough password";

/// A server as a newcomer starts it, in an empty directory, and where its things are.
pub struct App {
    pub process: Process,
    pub base: String,
    pub database: tempfile::TempDir,
}

impl App {
    pub async fn start(env: &[(&str, &str)]) -> Self {
        let database = tempfile::tempdir().unwrap();
        let process = Process::serve(&Self::database_url(&database), env).await;
        let base = format!("http://{}", process.address());
        Self { process, base, database }
    }

    fn database_url(dir: &tempfile::TempDir) -> String {
        format!("sqlite://{}", dir.path().join("test.db").display())
    }

    /// A second node on the same database.
    pub async fn another_node(&self) -> Process {
        Process::serve(&Self::database_url(&self.database), &[]).await
    }

    /// Where a provider calls with this key.
    pub fn voice(&self, key: &str) -> String {
        format!("{}/voice/{key}", self.base.replacen("http", "ws", 1))
    }

    /// What the operator's token shows of the same things.
    pub async fn get(&self, path: &str) -> Value {
        let asking = reqwest::Client::new().get(format!("{}{path}", self.base)).bearer_auth(TOKEN);
        asking.send().await.unwrap().json().await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: Value) {
        let asking =
            reqwest::Client::new().patch(format!("{}{path}", self.base)).bearer_auth(TOKEN);
        assert!(asking.json(&body).send().await.unwrap().status().is_success());
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let asking = reqwest::Client::new().post(format!("{}{path}", self.base)).bearer_auth(TOKEN);
        let answer = asking.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    }

    /// Writes down that these were heard in a call, from when to when.
    pub async fn heard(&self, call: &str, heard: &[(Role, u64, u64)]) {
        let id = call.parse().unwrap();
        let stretch = |&(role, begin_ms, end_ms)| Stretch { role, begin_ms, end_ms };
        let told: Vec<Stretch> = heard.iter().map(stretch).collect();
        let store = Store::open(&Self::database_url(&self.database)).unwrap();
        let append = move |conn: &mut _| stretches::append(conn, id, 0, &told);
        store.write(append).await.unwrap();
    }

    /// The path of the set-up link that the server printed.
    pub async fn setup_path(&self) -> String {
        let printed = &self.process.log_files()[0];
        eventually(async || {
            let printed = std::fs::read_to_string(printed).unwrap();
            let (_, link) = printed.split_once(&format!("{}/setup/", self.base))?;
            let token: String = link.chars().take_while(char::is_ascii_alphanumeric).collect();
            Some(format!("/setup/{token}"))
        })
        .await
    }

    /// A browser whose user has followed the set-up link and is on the overview.
    pub async fn first_user(&self) -> Browser {
        let browser = Browser::open(&self.base).await;
        browser.visit(&self.setup_path().await).await;
        browser.fill("E-mail", EMAIL).await;
        browser.fill("Password", PASSWORD).await;
        browser.fill("Account name", "Acme").await;
        browser.press("Set up").await;
        browser.arrives("/").await;
        browser
    }
}

impl Browser {
    /// Signs in.
    pub async fn sign_in(&self, email: &str, password: &str) {
        self.visit("/login").await;
        self.fill("E-mail", email).await;
        self.fill("Password", password).await;
        self.press("Sign in").await;
    }

    /// Makes an agent from wherever "New agent" is, and gives its id.
    pub async fn new_agent(&self, name: &str, greeting: &str) -> String {
        self.press("New agent").await;
        self.fill("Name", name).await;
        self.fill("Greeting", greeting).await;
        self.press("Create").await;
        self.arrives_where("the agent's page", |path| path.starts_with("/agents/agt_")).await;
        self.path().await.trim_start_matches("/agents/").to_owned()
    }

    /// Makes a key on an agent's page, and gives what the dialog shows, once.
    pub async fn new_key(&self, name: &str) -> String {
        self.press("New key").await;
        self.fill("Name", name).await;
        self.press("Create").await;
        self.shown_key().await
    }

    /// The key that is shown, once.
    pub async fn shown_key(&self) -> String {
        eventually(async || {
            let text = self.text().await;
            let at = text.match_indices("sk_live_").map(|(at, _)| at).find(|at| {
                text[at + 8..].bytes().take_while(u8::is_ascii_hexdigit).count() == 64
            })?;
            Some(text[at..at + 72].to_owned())
        })
        .await
    }
}
