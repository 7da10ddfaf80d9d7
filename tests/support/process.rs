//! The real binary as a process: started, signalled, killed, and read.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{TOKEN, eventually};

/// A running `upvoot serve`. It is killed if a test forgets it.
pub struct Process {
    child: Child,
    address: SocketAddr,
    logs: tempfile::TempDir,
}

/// The binary with none of the machine's settings.
pub fn upvoot() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upvoot"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("UPVOOT_")) {
        command.env_remove(name);
    }
    command
}

impl Process {
    /// Starts it on a free port and waits until it is ready for calls.
    pub async fn serve(database_url: &str, env: &[(&str, &str)]) -> Self {
        Self::start(upvoot(), database_url, env).await
    }

    /// The same with so few descriptors, for good.
    pub async fn serve_with_descriptors(
        most: u32,
        database_url: &str,
        env: &[(&str, &str)],
    ) -> Self {
        let mut shell = Command::new("sh");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("UPVOOT_")) {
            shell.env_remove(name);
        }
        shell.args(["-c", "ulimit -n $1 && shift && exec \"$@\"", "sh"]);
        shell.arg(most.to_string()).arg(env!("CARGO_BIN_EXE_upvoot"));
        Self::start(shell, database_url, env).await
    }

    /// With a command that ends in the binary's name, as whoever it says.
    pub async fn start(mut command: Command, database_url: &str, env: &[(&str, &str)]) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let file = |name| File::create(logs.path().join(name)).unwrap();
        let child = command
            .arg("serve")
            .env("UPVOOT_LISTEN", "127.0.0.1:0")
            .env("UPVOOT_METRICS_LISTEN", "off")
            .env("UPVOOT_ADMIN_TOKEN", TOKEN)
            .env("UPVOOT_DATABASE_URL", database_url)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { child, address: unknown, logs };
        process.address = eventually(async || {
            let log = process.log();
            let ready = log.lines().find(|line| line.contains("ready for calls"))?;
            // `address=...` in text, `"address":"..."` in JSON.
            let (_, rest) = ready.split_once("address")?;
            let rest = rest.trim_start_matches(['=', '"', ':']);
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
            rest[..end].parse().ok()
        })
        .await;
        process
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its id, for what the operating system says of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.logs.path().join("stderr")).unwrap()
    }

    /// Where it logs to.
    pub fn log_files(&self) -> Vec<PathBuf> {
        ["stdout", "stderr"].map(|name| self.logs.path().join(name)).to_vec()
    }

    /// SIGKILL: it has no chance to do anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn signal_to_stop(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// What the kernel says of it: a file below `/proc/PID`.
    pub fn proc(&self, file: &str) -> PathBuf {
        ["/proc", &self.child.id().to_string(), file].iter().collect()
    }

    /// Waits until it has logged this.
    pub async fn logged(&self, words: &str) {
        eventually(async || self.log().contains(words).then_some(())).await;
    }

    /// SIGTERM, and the exit status once it is gone.
    pub async fn terminate(mut self) -> Option<i32> {
        self.signal_to_stop();
        self.exited().await
    }

    /// The exit status once it is gone.
    pub async fn exited(&mut self) -> Option<i32> {
        eventually(async || self.child.try_wait().unwrap()).await.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
