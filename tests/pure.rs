//! What needs no server and no socket: the call machine, the dialects, and who may import whom.

use proptest::test_runner::{Config, FileFailurePersistence};

mod architecture;
mod call;
mod crates;
mod dialect;

/// Properties of which a failure, once found, is kept in a file beside the test and tried again.
fn properties() -> Config {
    let beside = FileFailurePersistence::WithSource("regressions");
    Config { failure_persistence: Some(Box::new(beside)), ..Config::default() }
}
