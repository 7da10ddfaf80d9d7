//! Python environments of our own below `target/`, each made once.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// The interpreter of an environment with these requirements, or `None` where PyPI cannot be reached:
/// then the test skips, and a line says so.
///
/// # Panics
/// Where `CI` is set: there an oracle that is silently not asked proves nothing.
pub fn optional(name: &str, requirements: &str) -> Option<PathBuf> {
    match environment(name, requirements) {
        Ok(python) => Some(python),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{name} cannot be installed: {why}");
            eprintln!("SKIPPED: {name} cannot be installed here: {why}");
            None
        }
    }
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
