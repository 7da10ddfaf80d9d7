//! `upvoot speech-child`: what the server starts itself as, to speak a text in a sandbox.
//!
//! It is for the server and not for people, so no help shows it. It runs before anything else does, in
//! a process that has one thread.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::Parser;

use super::paint;
use crate::agent::speech::sandbox::{self, Confined};

/// The synthesiser and its arguments; without one, the command says what this system's sandbox holds.
#[derive(Debug, Parser)]
#[command(name = sandbox::COMMAND)]
struct Arguments {
    /// What is to run.
    #[arg(long = "program", value_name = "FILE")]
    program: Option<PathBuf>,

    /// A directory with its data.
    #[arg(long = "data", value_name = "DIRECTORY")]
    data: Option<PathBuf>,

    /// Its arguments.
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Confines this process and becomes the program.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let Arguments { program, data, arguments } = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return super::explain(&error),
    };
    let failed = match program {
        Some(program) => sandbox::run(&Confined { program, data, arguments }),
        None => match sandbox::confine(None, None) {
            Ok(strength) => return print(strength),
            Err(error) => error,
        },
    };
    paint::complain(format!("error: the sandbox for speech: {failed}"));
    ExitCode::FAILURE
}

fn print(strength: sandbox::Strength) -> ExitCode {
    match paint::print(strength) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
