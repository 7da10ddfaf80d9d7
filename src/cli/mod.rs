//! The command line: what can be asked for, and which status each command ends with.
//!
//! One file per command; [`phone`] and [`paint`] are shared by them. Results go to standard output,
//! complaints to standard error, and a key to neither, not even one that was typed in the wrong
//! place.

pub mod backup;
pub mod call;
pub mod demo;
mod environment;
mod interrupt;
mod memory;
pub mod paint;
pub mod phone;
pub mod scan_logs;
pub mod serve;
pub mod speech_child;

use std::{
    error::Error,
    ffi::OsString,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use clap::{
    Arg, CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    agent::speech::sandbox,
    settings::{LogArgs, ServeArgs},
    telemetry::{self, LogFormat, redact::redact},
};

/// A wrong call of the program, or a wrong setting.
const WRONG_USAGE: u8 = 2;

/// The front door for AI phone agents.
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Without a command: this help on a terminal, else serve.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve calls, the API and the dashboard until SIGTERM or SIGINT.
    Serve(Box<ServeArgs>),
    /// Show everything on this machine, at once: a server, a key, a call, its charge, a revocation.
    Demo(demo::DemoArgs),
    /// Place a call from the terminal and print what happens.
    Call(call::CallArgs),
    /// Copy an embedded database into one whole file, also while a server uses it.
    Backup(backup::BackupArgs),
    /// Find keys in files, and name their ids.
    ScanLogs(scan_logs::ScanArgs),
}

impl Command {
    /// The default log filter: a command for people shows its results only.
    fn log_filter(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            Self::Demo(_) | Self::Call(_) | Self::Backup(_) | Self::ScanLogs(_) => "warn",
        }
    }
}

/// Does what the arguments of this process ask for.
pub fn run() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|command| command == sandbox::COMMAND) {
        // Before anything else: no log, no runtime, no second thread.
        return speech_child::run(std::env::args_os().skip(1));
    }
    let words = with_command(std::env::args_os().collect(), io::stdout().is_terminal());
    let command = environment::empty_is_unset(Arguments::command());
    let known = environment::known(&Arguments::command());
    let parsed = command.try_get_matches_from(words);
    let arguments = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let filter = arguments.log.log.as_deref().unwrap_or(arguments.command.log_filter());
    let _log = match telemetry::init(filter, arguments.log.log_format) {
        Ok(guard) => guard,
        Err(error) => {
            paint::complain(format!("error: UPVOOT_LOG (--log): {error}"));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    environment::warn_of_unknown(&known);
    let system = actix::System::new();
    match arguments.command {
        Command::Serve(args) => system.block_on(serve::run(*args)),
        Command::Demo(args) => system.block_on(demo::run(args)),
        Command::Call(args) => system.block_on(call::run(args)),
        Command::Backup(args) => system.block_on(backup::run(args)),
        Command::ScanLogs(args) => system.block_on(scan_logs::run(args)),
    }
}

/// `upvoot` with flags only is `upvoot serve`. `upvoot` alone is that too where a supervisor starts
/// it; on a terminal it is a question.
fn with_command(mut arguments: Vec<OsString>, terminal: bool) -> Vec<OsString> {
    const OF_UPVOOT: [&str; 4] = ["-h", "--help", "-V", "--version"];
    let missing = match arguments.get(1).map(|first| first.to_string_lossy()) {
        None if terminal => Some("--help"),
        None => Some("serve"),
        Some(first) if first.starts_with('-') && !OF_UPVOOT.contains(&&*first) => Some("serve"),
        Some(_) => None,
    };
    if let Some(word) = missing {
        arguments.insert(1.min(arguments.len()), word.into());
    }
    arguments
}

/// This program, to be started again: the very file that runs, also when an update has put another in
/// its place.
fn own_program() -> Option<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Some(running) } else { std::env::current_exe().ok() }
}

/// Help, the version, or what is wrong with the arguments.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help whose reader has gone is no failure.
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
    let name = match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(name) => name.as_str(),
        ContextValue::Strings(names) => names.first()?,
        _ => return None,
    };
    let command = Arguments::command();
    let arguments: Vec<&Arg> = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .chain(command.get_arguments())
        .collect();
    let argument = arguments.iter().find(|argument| is_named(argument, name))?;
    let variable = argument.get_env()?.to_string_lossy().into_owned();
    let Some(flag) = argument.get_long() else {
        let value = argument.get_value_names().and_then(|names| names.first())?;
        return Some(format!("error: missing {value} (or set {variable})"));
    };
    let wrong = match error.kind() {
        ErrorKind::MissingRequiredArgument => match companion(&arguments, &variable) {
            Some(set) => format!("missing: it is required because {set} is set"),
            None => "missing".to_owned(),
        },
        ErrorKind::ValueValidation => {
            error.source().map_or("not valid".to_owned(), ToString::to_string)
        }
        _ => "not valid".to_owned(),
    };
    Some(format!("error: {variable} (--{flag}): {wrong}"))
}

/// Whether clap means this argument by that name: `--flag <VALUE>`, or `<VALUE>` where it has no flag.
fn is_named(argument: &Arg, name: &str) -> bool {
    let value = |wanted: &str| {
        argument.get_value_names().is_some_and(|names| names.iter().any(|name| name == wanted))
    };
    match name.strip_prefix("--") {
        Some(flag) => argument.get_long() == flag.split(' ').next(),
        None => argument.get_long().is_none() && value(name.trim_matches(['<', '>', '[', ']'])),
    }
}

/// A variable that is set and belongs with this one: both are of `UPVOOT_TLS_` or `UPVOOT_OIDC_`.
fn companion(arguments: &[&Arg], variable: &str) -> Option<String> {
    let family = ["UPVOOT_TLS_", "UPVOOT_OIDC_"].into_iter().find(|f| variable.starts_with(f))?;
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let names = arguments.iter().filter_map(|argument| argument.get_env());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .find(|name| name.starts_with(family) && name != variable && set(name))
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
            let words = with_command(words.iter().map(OsString::from).collect(), false);
            words.into_iter().map(|word| word.into_string().unwrap()).collect()
        };
        assert_eq!(words(&["upvoot"]), ["upvoot", "serve"]);
        assert_eq!(words(&["upvoot", "--log", "x"]), ["upvoot", "serve", "--log", "x"]);
        assert_eq!(words(&["upvoot", "--help"]), ["upvoot", "--help"]);
        assert_eq!(words(&["upvoot", "call", "x"]), ["upvoot", "call", "x"]);
        let on_a_terminal = with_command(vec!["upvoot".into()], true);
        assert_eq!(on_a_terminal, ["upvoot", "--help"]);
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
