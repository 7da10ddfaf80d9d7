//! Debian's Chromium behind its WebDriver: one driver and one empty profile for each browser.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use fantoccini::{Client, ClientBuilder, error::CmdError, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};

const WANTED: &str =
    "the browser tests need Debian's chromium: apt-get install chromium chromium-driver";

/// A driver process, and the profile of its one browser.
pub struct Driver {
    process: Child,
    profile: tempfile::TempDir,
}

impl Driver {
    /// Starts a driver on a free port and, with it, a browser that talks to this machine only.
    pub async fn start() -> (Self, Client) {
        // A port that is free in IPv4 may be taken in IPv6 by another test's driver: then it gives up.
        let started = (0..5).find_map(|_| listening_driver());
        let (process, port) = started.expect("the driver says where it listens");
        let profile = tempfile::tempdir().unwrap();
        let capabilities = capabilities(profile.path());
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect(WANTED);
        (Self { process, profile }, client)
    }

    /// Every file the browser has left behind so far.
    pub fn profile_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        files_below(self.profile.path(), &mut found);
        found
    }
}

/// A driver and the free port it listens on; `None` if it ended without listening anywhere.
fn listening_driver() -> Option<(Child, u16)> {
    let mut process = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect(WANTED);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.ok()?;
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        let _ = process.wait();
        return None;
    };
    // Somebody has to read what it says, or it stops at a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Some((process, port))
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

fn capabilities(profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.display());
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": {
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                profile,
                "--window-size=1280,900",
                // A microphone that beeps, and nobody to be asked.
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--autoplay-policy=user-gesture-required",
                // The browser itself has nobody to talk to.
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-default-apps",
                "--disable-extensions",
                "--disable-domain-reliability",
                "--disable-client-side-phishing-detection",
                "--metrics-recording-only",
                "--no-first-run",
                "--no-pings",
                "--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication,PasswordLeakDetection",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
            ],
            "prefs": {"credentials_enable_service": false, "profile.password_manager_leak_detection": false},
        },
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "unhandledPromptBehavior": "ignore",
    })
}

/// What the driver can do beyond the standard's everyday verbs.
#[derive(Debug)]
pub enum Extra {
    /// The role of an element, as assistive technology has it.
    Role(String),
    /// Its accessible name.
    Label(String),
    /// The lines of a log since the last time.
    Log(&'static str),
    /// A command of Chromium's own protocol.
    Chromium(&'static str, Value),
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(
        &self,
        base: &Url,
        session: Option<&str>,
    ) -> Result<Url, <Url as std::str::FromStr>::Err> {
        let session = session.unwrap_or_default();
        base.join(&match self {
            Self::Role(element) => format!("session/{session}/element/{element}/computedrole"),
            Self::Label(element) => format!("session/{session}/element/{element}/computedlabel"),
            Self::Log(_) => format!("session/{session}/se/log"),
            Self::Chromium(..) => format!("session/{session}/goog/cdp/execute"),
        })
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        match self {
            Self::Role(_) | Self::Label(_) => (Method::GET, None),
            Self::Log(kind) => (Method::POST, Some(json!({"type": kind}).to_string())),
            Self::Chromium(command, params) => {
                (Method::POST, Some(json!({"cmd": command, "params": params}).to_string()))
            }
        }
    }
}

/// Says one of them.
pub async fn say(client: &Client, extra: Extra) -> Result<Value, CmdError> {
    client.issue_cmd(extra).await
}
