//! Python environments of our own, each made once, and the script that is asked in one.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use serde_json::Value;

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Asks a script these questions, and gives its answers in the same order.
pub fn ask(script: &str, questions: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(script);
    let mut child = Command::new(python())
        .args(["-W", "ignore::DeprecationWarning"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the environment has a Python");
    let mut stdin = child.stdin.take().unwrap();
    // Answers are short; the questions fit into what the script reads while it writes.
    for question in questions {
        writeln!(stdin, "{question}").expect("the script reads its questions");
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle failed; its error stands above");
    let answers: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(answers.len(), questions.len());
    answers
}

/// The interpreter of the dialects' environment. If it cannot be made, the tests fail.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON
        .get_or_init(|| environment("oracles", REQUIREMENTS).unwrap_or_else(|why| panic!("{why}")))
}

/// The interpreter of an environment with these requirements, made once.
///
/// # Errors
/// What could not be done.
pub fn environment(name: &str, requirements: &str) -> Result<PathBuf, String> {
    // One at a time: tests of one binary may ask for the same.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = home.join("bin/python");
    // Written last, so that an environment that was not finished is made anew.
    let complete = home.join("installed.txt");
    if fs::read_to_string(&complete).is_ok_and(|installed| installed == requirements) {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&home);
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let file = home.join("requirements.txt");
    fs::write(&file, requirements).unwrap();
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary", ":all:", "--retries", "5", "-r"])
        .arg(&file))?;
    fs::write(&complete, requirements).unwrap();
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {error}")) }
}
