//! The command line: what can be asked for, and which status each command ends with.
//!
//! One file per command; [`phone`] and [`paint`] are shared by them. Results go to standard output,
//! complaints to standard error, and a key to neither, not even one that was typed in the wrong
//! place.

pub mod call;
pub mod demo;
mod interrupt;
pub mod paint;
pub mod phone;
pub mod scan_logs;
pub mod serve;

use std::{error::Error, ffi::OsString, process::ExitCode};

use clap::{
    CommandFactory, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    settings::{LogArgs, ServeArgs},
    telemetry::{self, LogFormat, redact::redact},
};

/// A wrong call of the program, or a wrong setting.
const WRONG_USAGE: u8 = 2;

/// The front door for AI phone agents.
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Without a command: serve.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves calls and the API until SIGTERM or SIGINT.
    Serve(Box<ServeArgs>),
    /// Shows it all on this machine, at once: a server, a key, a call, what it cost, a revocation.
    Demo(demo::DemoArgs),
    /// A phone for the terminal: places a call and prints what happens.
    Call(call::CallArgs),
    /// Finds anything shaped like a key in files, and says which key it is.
    ScanLogs(scan_logs::ScanArgs),
}

impl Command {
    /// What is logged when nobody says otherwise: a command for people shows its results only.
    fn log_filter(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            Self::Demo(_) | Self::Call(_) | Self::ScanLogs(_) => "warn",
        }
    }
}

/// Does what the arguments of this process ask for.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse_from(with_command(std::env::args_os().collect())) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let filter = arguments.log.log.as_deref().unwrap_or(arguments.command.log_filter());
    if let Err(error) = telemetry::init(filter, arguments.log.log_format) {
        paint::complain(format!("error: UPVOOT_LOG (--log): {error}"));
        return ExitCode::from(WRONG_USAGE);
    }
    let system = actix::System::new();
    match arguments.command {
        Command::Serve(args) => system.block_on(serve::run(*args)),
        Command::Demo(args) => system.block_on(demo::run(args)),
        Command::Call(args) => system.block_on(call::run(args)),
        Command::ScanLogs(args) => system.block_on(scan_logs::run(args)),
    }
}

/// `upvoot` alone, or with flags only, is `upvoot serve`.
fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    const OF_UPVOOT: [&str; 4] = ["-h", "--help", "-V", "--version"];
    let serves = arguments.get(1).is_none_or(|first| {
        let first = first.to_string_lossy();
        first.starts_with('-') && !OF_UPVOOT.contains(&&*first)
    });
    if serves {
        arguments.insert(1.min(arguments.len()), "serve".into());
    }
    arguments
}

/// Help, the version, or what is wrong with the arguments.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help that nobody reads to its end is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = bad_setting(error).unwrap_or_else(|| error.render().to_string());
    // clap repeats the arguments it does not like; one of them may be an address with a key in it.
    let text = redact(text.as_bytes(), LogFormat::Text);
    paint::complain(String::from_utf8_lossy(&text).trim_end());
    ExitCode::from(WRONG_USAGE)
}

/// What is wrong with a setting, with its variable and its flag named. clap's own words would name
/// the flag alone, and repeat the value, which may be a secret.
fn bad_setting(error: &clap::Error) -> Option<String> {
    let flag = match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(flag) => flag.as_str(),
        ContextValue::Strings(flags) => flags.first()?,
        _ => return None,
    };
    let flag = flag.split(' ').next()?;
    let command = Arguments::command();
    let arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let variable = arguments
        .chain(command.get_arguments())
        .filter(|argument| argument.get_long() == flag.strip_prefix("--"))
        .find_map(|argument| argument.get_env())?
        .to_string_lossy()
        .into_owned();
    let wrong = match error.kind() {
        ErrorKind::MissingRequiredArgument => "has to be set too".to_owned(),
        ErrorKind::ValueValidation => {
            error.source().map_or("not valid".to_owned(), ToString::to_string)
        }
        _ => "not valid".to_owned(),
    };
    Some(format!("error: {variable} ({flag}): {wrong}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        let words = |words: &[&str]| -> Vec<String> {
            let words = with_command(words.iter().map(OsString::from).collect());
            words.into_iter().map(|word| word.into_string().unwrap()).collect()
        };
        assert_eq!(words(&["upvoot"]), ["upvoot", "serve"]);
        assert_eq!(words(&["upvoot", "--log", "x"]), ["upvoot", "serve", "--log", "x"]);
        assert_eq!(words(&["upvoot", "--help"]), ["upvoot", "--help"]);
        assert_eq!(words(&["upvoot", "call", "x"]), ["upvoot", "call", "x"]);
    }

    #[test]
    fn an_address_is_not_shown_by_debug() {
        let key = concat!(
            "sk_live_",
            "00112233445566778899aabbccddeeff",
            "00112233445566778899aabbccddeeff"
        );
        let address = format!("ws://localhost/voice/{key}");
        let arguments = Arguments::try_parse_from(["upvoot", "call", &address]).unwrap();
        assert!(!format!("{arguments:?}").contains("0011"), "{arguments:?}");
    }
}
