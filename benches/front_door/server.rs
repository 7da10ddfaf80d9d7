//! The servers under measurement: processes of their own, and what the kernel says of them.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

const TOKEN: &str = "benchmark-operator-token-0123456789";

/// Seconds of CPU.
pub type Cpu = f64;

/// A server in a process of its own; it dies with this.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
    _dir: Option<tempfile::TempDir>,
    is_ours: bool,
}

/// What the measured calls need.
pub struct Keys {
    pub good: String,
    pub revoked: String,
    /// How much audio the greeting is: after it, the echo begins.
    pub greeting_bytes: usize,
}

impl Server {
    /// The reference: this program itself, as a bare echo.
    pub fn bare() -> Self {
        let process = Command::new(std::env::current_exe().unwrap())
            .arg("bare")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self::that_prints_its_address(process, None)
    }

    fn that_prints_its_address(mut process: Child, dir: Option<tempfile::TempDir>) -> Self {
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap();
        Self { process, address, _dir: dir, is_ours: false }
    }

    /// What people write today: a Node server on the `ws` package, which npm brings into a directory
    /// of its own. `None` where there is no Node.
    pub fn node() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let source =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/front_door/node");
        for file in ["package.json", "echo.mjs"] {
            fs::copy(source.join(file), dir.path().join(file)).unwrap();
        }
        let npm = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .current_dir(dir.path())
            .status();
        if !npm.is_ok_and(|status| status.success()) {
            return None;
        }
        let process = Command::new("node")
            .arg("echo.mjs")
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Self::that_prints_its_address(process, Some(dir)))
    }

    /// The real binary, on an empty SQLite database, with its default settings.
    pub fn upvoot() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_upvoot"))
            .arg("serve")
            .env("UPVOOT_LISTEN", free.to_string())
            .env("UPVOOT_METRICS_LISTEN", "off")
            .env("UPVOOT_ADMIN_TOKEN", TOKEN)
            .env("UPVOOT_ATTEMPTS_PER_MINUTE", "1000000")
            // What is measured of an upgrade ends before its dialect is recognised.
            .env("UPVOOT_UNRECOGNISED_PER_MINUTE", "1000000")
            .env("UPVOOT_DATABASE_URL", format!("sqlite://{}", dir.path().join("b.db").display()))
            .env("UPVOOT_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, address: free, _dir: Some(dir), is_ours: true }
    }

    /// Makes an account with ample points, an agent and keys.
    pub async fn prepare(&self) -> Keys {
        while std::net::TcpStream::connect(self.address).is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let account = self.post("/api/accounts", json!({"name": "Bench"})).await;
        let account = account["id"].as_str().unwrap();
        self.post(&format!("/api/accounts/{account}/topups"), json!({"points": 10_000_000})).await;
        let agent = json!({
            "account_id": account, "name": "Echo", "engine": "echo", "greeting": "Hi.",
            "silence_timeout_seconds": 86_400,
        });
        let agent = self.post("/api/agents", agent).await;
        let new_key = json!({"agent_id": agent["id"]});
        let good = self.post("/api/keys", new_key.clone()).await;
        let bad = self.post("/api/keys", new_key).await;
        self.post(&format!("/api/keys/{}/revoke", bad["id"].as_str().unwrap()), json!({})).await;
        let key = |answer: &Value| answer["key"].as_str().unwrap().to_owned();
        let greeting_bytes = crate::caller::greeting(self.address, &key(&good)).await;
        Keys { good: key(&good), revoked: key(&bad), greeting_bytes }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("http://{}{path}", self.address);
        let request = awc::Client::default()
            .post(url)
            .insert_header(("authorization", format!("Bearer {TOKEN}")))
            .insert_header(("idempotency-key", "bench"));
        request.send_json(&body).await.unwrap().json().await.unwrap()
    }

    /// Waits until what the last round left to do is done, so that the next one does not pay.
    pub async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        while self.is_ours && self.live_calls().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    async fn live_calls(&self) -> bool {
        let url = format!("http://{}/api/calls?live=true&limit=1", self.address);
        let request = awc::Client::default()
            .get(url)
            .insert_header(("authorization", format!("Bearer {TOKEN}")));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        !answer["items"].as_array().unwrap().is_empty()
    }

    /// CPU time of all its threads so far, to the nanosecond.
    pub fn cpu(&self) -> Cpu {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let nanoseconds: f64 = tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|stat| stat.split(' ').next()?.parse::<f64>().ok())
            .sum();
        nanoseconds / 1e9
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
