//! The command blocks of a document, run in order in one shell: what a person has who types them.
//!
//! Each document gets a fresh directory, so a fresh database, and a loopback address of its own in
//! the place of `localhost`, so that every port in it is free.

use std::{
    env, fs,
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::markdown::{Block, Kind};

/// How long the commands of one document may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is run, where, and with which programs before those of the machine.
pub struct Session {
    directory: tempfile::TempDir,
    /// In the place of `localhost`.
    host: String,
    programs: Vec<PathBuf>,
}

/// Before the first block. The shell ends what it has started in the background, and waits for it.
const PRELUDE: &str = "set -euo pipefail\n\
    trap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT\n";

/// The shell and all that it has started; none of it outlives a test, even one that fails.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Session {
    pub fn new(programs: Vec<PathBuf>) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [.., a, b] = std::process::id().to_be_bytes();
        let host = format!("127.{}.{b}.{}", a | 1, NEXT.fetch_add(1, Ordering::Relaxed));
        Self { directory: tempfile::tempdir().unwrap(), host, programs }
    }

    /// Runs these blocks. It panics with the command's output if one fails, or if it has not printed
    /// what the document shows.
    pub fn run(&self, document: &str, blocks: &[Block]) {
        let local = |text: &str| text.replace("localhost", &self.host);
        let mut script = PRELUDE.to_owned();
        for (number, block) in blocks.iter().enumerate() {
            match &block.kind {
                Kind::Commands { .. } => {
                    let output = self.output(number);
                    let code = local(&block.code);
                    script += &format!("{{\n{code}\n}} >'{}' 2>&1\n", output.display());
                }
                Kind::File { name } => {
                    fs::write(self.directory.path().join(name), local(&block.code)).unwrap();
                }
                Kind::NotRun { .. } | Kind::Output { .. } | Kind::Other => {}
            }
        }
        let file = self.directory.path().join("blocks.sh");
        fs::write(&file, script).unwrap();
        let mut shell = Group(self.shell(&file));
        let begun = Instant::now();
        let status = loop {
            match shell.0.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begun.elapsed() > PATIENCE => break None,
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        drop(shell);
        let printed = |number: usize| fs::read_to_string(self.output(number)).ok();
        if !status.is_some_and(|status| status.success()) {
            let (number, block) = blocks
                .iter()
                .enumerate()
                .rfind(|(number, _)| printed(*number).is_some())
                .expect("the first block has begun");
            let (code, output) = (&block.code, printed(number).unwrap());
            panic!("{document}: {status:?} in this block:\n{code}\nwhich printed:\n{output}");
        }
        for (number, block) in blocks.iter().enumerate() {
            let Kind::Output { any_numbers } = block.kind else { continue };
            let Some(output) = number.checked_sub(1).and_then(printed) else {
                panic!("{document}: there are no commands right above this:\n{}", block.code);
            };
            for line in block.code.lines() {
                let shown = local(line);
                let found = output.lines().any(|printed| shows(printed, &shown, any_numbers));
                assert!(found, "{document}: {line:?} was not printed, but:\n{output}");
            }
        }
    }

    fn output(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("block-{number}.out"))
    }

    fn shell(&self, script: &Path) -> Child {
        let program = Path::new(env!("CARGO_BIN_EXE_upvoot")).parent().unwrap().to_owned();
        let machine = env::var_os("PATH").unwrap_or_default();
        let path = [program].into_iter().chain(self.programs.iter().cloned());
        let path = env::join_paths(path.chain(env::split_paths(&machine))).unwrap();
        let mut bash = Command::new("bash");
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("UPVOOT_")) {
            bash.env_remove(name);
        }
        bash.args(["--noprofile", "--norc"])
            .arg(script)
            .current_dir(&self.directory)
            .env("PATH", path)
            .env("HOME", self.directory.path())
            .env("UPVOOT_LISTEN", format!("{}:8080", self.host))
            .env("UPVOOT_METRICS_LISTEN", format!("{}:9464", self.host))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.directory.path().join("shell.err")).unwrap())
            .process_group(0)
            .spawn()
            .unwrap()
    }
}

/// Whether a printed line is the one that a document shows, where `…` stands for anything.
fn shows(printed: &str, shown: &str, any_numbers: bool) -> bool {
    let plain = |text: &str| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if any_numbers { without_numbers(&words) } else { words }
    };
    let (printed, shown) = (plain(printed), plain(shown));
    let mut rest = printed.as_str();
    let mut pieces = shown.split('…').peekable();
    let mut first = true;
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let after = match (first, is_last) {
            (true, true) => return rest == piece,
            (true, false) => rest.strip_prefix(piece),
            (false, true) => return rest.ends_with(piece),
            (false, false) => rest.split_once(piece).map(|(_, after)| after),
        };
        let Some(after) = after else { return false };
        (rest, first) = (after, false);
    }
    true
}

/// The text with `#` for every number.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            c => plain.push(c),
        }
    }
    plain
}

#[test]
fn a_line_is_shown_with_other_numbers_but_with_the_same_words() {
    let trace = |printed, shown| shows(printed, shown, true);
    assert!(trace("connected, 7 ms after dialling", "connected, 16 ms after dialling"));
    assert!(trace(r#"  0.31 s  sent  {"a":"b","c":1}"#, r#"0.03 s sent {"a":…"#));
    assert!(!trace("refused: 401 invalid_key", "refused: 401 key_revoked"));
    let output = |printed, shown| shows(printed, shown, false);
    assert!(output("exit status 3", "exit status 3"));
    assert!(!output("exit status 4", "exit status 3"));
    assert!(!output("exit status 3, or so", "exit status 3"));
    assert!(output("a, b and c", "a…c") && !output("a, b and c", "b…"));
}
