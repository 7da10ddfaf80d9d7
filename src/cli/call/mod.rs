//! `upvoot call`: a phone for the terminal.

mod progress;
mod provider_args;
mod tape;

use std::{path::PathBuf, process::ExitCode};

use bytes::Bytes;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep_until;

use self::{
    progress::{Ending, Plan, Progress},
    provider_args::ProviderArgs,
    tape::Tape,
};
use super::{
    WRONG_USAGE,
    interrupt::Interrupts,
    paint::{complain, print},
    phone::{Address, Carrier, Heard, Line, NoCall, Setup, Start, What, dial, dial_as},
};
use crate::audio::{transcode, wav};

/// The exit status for a call that the server did not admit.
const REFUSED: u8 = 3;
/// The exit status for a call that was admitted and then failed, as the server said.
const FAILED: u8 = 4;
/// The arguments of `upvoot call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Address: ws://HOST/voice/KEY or wss://HOST/voice/KEY. Every user of this machine can read arguments
    /// in the process list, so prefer the environment variable.
    #[arg(
        env = "UPVOOT_CALL_URL",
        hide_env_values = true,
        value_name = "WS_URL",
        value_parser = secret
    )]
    url: SecretString,

    /// Play this WAV file after the agent's greeting.
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,

    /// Save the agent's audio to this WAV file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// Send these DTMF digits after the greeting and the played file: 0-9, *, #, A-D.
    #[arg(long, value_name = "KEYS", default_value = "", value_parser = keys)]
    digits: String,

    #[command(flatten)]
    provider: ProviderArgs,

    /// Hang up after N seconds. Default: one second after the played file has come back; without a
    /// file, when the agent hangs up or on Ctrl-C.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

fn keys(text: &str) -> Result<String, &'static str> {
    match text.chars().all(|key| "0123456789*#ABCD".contains(key)) {
        true => Ok(text.to_owned()),
        false => Err("expected DTMF digits: 0-9, *, #, A-D"),
    }
}

/// Places the call. Status 0: it was admitted and ended cleanly; 3: it was refused; 4: it was admitted
/// and failed, and the last line says of what; 1: anything else.
pub async fn run(args: CallArgs) -> ExitCode {
    let address: Address = match args.url.expose_secret().parse() {
        Ok(address) => address,
        Err(error) => {
            complain(format_args!("{error}"));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    let setup = match args.provider.setup() {
        Ok(setup) => setup,
        Err(error) => {
            complain(error);
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match place(&address, setup.as_ref(), &args).await {
        Ok(Ending::Clean) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(FAILED),
        Ok(Ending::Unclean) => ExitCode::FAILURE,
        Err(Failure::NoCall(NoCall::Refused(refusal))) => {
            // A closed standard output changes nothing about the refusal.
            let _ = print(refusal);
            ExitCode::from(REFUSED)
        }
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    NoCall(#[from] NoCall),
    #[error("{0}")]
    Output(#[from] std::io::Error),
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: Box<dyn std::error::Error> },
}

impl Failure {
    fn file(path: &std::path::Path, cause: impl Into<Box<dyn std::error::Error>>) -> Self {
        Self::File { path: path.to_owned(), cause: cause.into() }
    }
}

/// The whole call, and how it went. Both files are opened before anyone is called.
async fn place(
    address: &Address,
    setup: Option<&Setup>,
    args: &CallArgs,
) -> Result<Ending, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let clip = match &args.play {
        None => Bytes::new(),
        Some(path) => {
            let file = tokio::fs::read(path).await.map_err(|e| Failure::file(path, e))?;
            wav::read(&file).map_err(|e| Failure::file(path, e))?
        }
    };
    let mut tape = match &args.save {
        None => None,
        Some(path) => Some(Tape::create(path).map_err(|e| Failure::file(path, e))?),
    };

    print(format_args!("calling {address}"))?;
    let dialling = async {
        match setup {
            None => dial(address).await,
            Some(setup) => dial_as(address, Carrier::new(setup)).await,
        }
    };
    let mut line = tokio::select! {
        line = dialling => line?,
        () = interrupts.next() => {
            complain("cancelled before an answer");
            return Ok(Ending::Unclean);
        }
    };
    print(format_args!("connected, {} ms after dialling", line.took.as_millis()))?;
    let clip = transcode::clip(&clip, line.format());
    line.play(clip.clone(), Start::AfterGreeting);
    args.digits.chars().for_each(|key| line.press(key, Start::AfterGreeting));
    let mut call = Progress::new(Plan {
        format: line.format(),
        provider: setup.is_some(),
        clip: clip.len(),
        keys: args.digits.len(),
        seconds: args.seconds,
    });
    while let Some(heard) = next(&mut line, &mut call, &mut interrupts).await {
        call.note(&heard);
        if let Some(text) = call.describe(&heard) {
            print(text)?;
        }
        if let (What::Sound(sound), Some(tape), Some(path)) = (&heard.what, &mut tape, &args.save) {
            tape.keep(line.format(), sound).map_err(|e| Failure::file(path, e))?;
        }
    }
    if let Some(verdict) = call.verdict() {
        print(verdict)?;
    }
    if let (Some(tape), Some(path)) = (tape, &args.save) {
        tape.finish().map_err(|e| Failure::file(path, e))?;
        print(format_args!("saved {} of sound in {}", call.heard(), path.display()))?;
    }
    if let Some(why) = call.failure() {
        print(why)?;
    }
    Ok(call.ending())
}

/// The next thing heard; hangs up meanwhile when it is time, or when the user says so. A second
/// Ctrl-C does not wait for the server.
async fn next(line: &mut Line, call: &mut Progress, interrupts: &mut Interrupts) -> Option<Heard> {
    loop {
        let hang_up_at = call.hang_up_at().filter(|_| !call.hung_up);
        let time_is_up = async {
            match hang_up_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = line.hear() => return heard,
            () = time_is_up => {}
            () = interrupts.next() => {
                if call.hung_up {
                    complain("hung up without waiting for the server");
                    return None;
                }
            }
        }
        line.hang_up();
        call.hung_up = true;
    }
}
