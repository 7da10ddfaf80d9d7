//! The script that is asked in the dialects' Python environment.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::support::python;

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Asks a script these questions, and gives its answers in the same order; `None` where it cannot be had
/// and need not.
pub fn ask(script: &str, questions: &[Value]) -> Option<Vec<Value>> {
    let python = python()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(script);
    let mut child = Command::new(python)
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
    Some(answers)
}

/// The interpreter of the dialects' environment.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(|| python::optional("oracles", REQUIREMENTS)).as_deref()
}
