//! Tests of what belongs to a whole process, its log or its memory. Each runs in a process of its own:
//! the test's program starts itself again for that one test.

use std::{
    env,
    process::{Command, Stdio},
};

/// Names the one test that a process is for.
const TEST: &str = "UPVOOT_TEST_ALONE";

/// Whether this process is for the test of this name alone. If it is not, one that is has run when this
/// returns, and the calling test is over.
///
/// # Panics
/// If the test fails there, or there is no test of this name.
pub fn alone(test: &str) -> bool {
    if env::var_os(TEST).is_some_and(|name| name == test) {
        return true;
    }
    let ran = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(TEST, test)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let complained = String::from_utf8_lossy(&ran.stderr);
    let passed = ran.status.success() && said.contains("test result: ok. 1 passed");
    assert!(passed, "{test}: {}\n{said}\n{complained}", ran.status);
    false
}
