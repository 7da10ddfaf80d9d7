//! The `upvoot` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    upvoot::cli::run()
}
