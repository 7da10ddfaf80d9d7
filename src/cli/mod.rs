//! The command line: what can be asked for, and which status each command ends with.
//!
//! One file per command; [`phone`] and [`paint`] are shared by them. Results go to standard output,
//! complaints to standard error, and a key to neither, not even one that was typed in the wrong
//! place.

pub mod call;
mod interrupt;
pub mod paint;
pub mod phone;
pub mod scan_logs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::{LogFormat, redact::redact};

/// A wrong call of the program, or a wrong setting.
const WRONG_USAGE: u8 = 2;

/// The front door for AI phone agents.
#[derive(Debug, Parser)]
#[command(version, about, subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A phone for the terminal: places a call and prints what happens.
    Call(call::CallArgs),
    /// Finds anything shaped like a key in files, and says which key it is.
    ScanLogs(scan_logs::ScanArgs),
}

/// Does what the arguments of this process ask for.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let system = actix::System::new();
    match arguments.command {
        Command::Call(args) => system.block_on(call::run(args)),
        Command::ScanLogs(args) => system.block_on(scan_logs::run(args)),
    }
}

/// Help, the version, or what is wrong with the arguments. clap repeats the arguments it does not
/// like; one of them may be an address with a key in it.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help that nobody reads to its end is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let text = redact(text.as_bytes(), LogFormat::Text);
    paint::complain(String::from_utf8_lossy(&text).trim_end());
    ExitCode::from(WRONG_USAGE)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_address_is_not_shown_by_debug() {
        let key = "sk_live_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let address = format!("ws://localhost/voice/{key}");
        let arguments = Arguments::try_parse_from(["upvoot", "call", &address]).unwrap();
        assert!(!format!("{arguments:?}").contains("0011"), "{arguments:?}");
    }
}
