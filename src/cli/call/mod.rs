//! `upvoot call`: a phone for the terminal.

mod progress;

use std::{path::PathBuf, process::ExitCode};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep_until;

use self::progress::{Plan, Progress};
use super::{
    WRONG_USAGE,
    interrupt::Interrupts,
    paint::{complain, print},
    phone::{Address, Heard, Line, NoCall, Start, What, dial},
};
use crate::audio::wav;

/// The exit status for a call that the server did not admit.
const REFUSED: u8 = 3;
/// The arguments of `upvoot call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Where to call: ws://HOST/voice/KEY or wss://HOST/voice/KEY. It holds a key, which everyone on
    /// this machine can read in the list of processes: the environment is the better place for it.
    #[arg(
        env = "UPVOOT_CALL_URL",
        hide_env_values = true,
        value_name = "WS_URL",
        value_parser = secret
    )]
    url: SecretString,

    /// Say this WAV file, after the agent's greeting.
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,

    /// Keep what the agent says in this WAV file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// The wire format to speak.
    #[arg(long, value_enum, default_value_t = Dialect::Native)]
    dialect: Dialect,

    /// Hang up after so many seconds. Without it: a second after all of the played file has come
    /// back; if none is played, when the agent hangs up or on Ctrl-C.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
}

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// UpVoot's own: raw 16 kHz PCM and JSON events.
    Native,
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

/// Places the call. Status 0: it was admitted and ended cleanly; 3: it was refused; 1: anything
/// else.
pub async fn run(args: CallArgs) -> ExitCode {
    let Dialect::Native = args.dialect;
    let address: Address = match args.url.expose_secret().parse() {
        Ok(address) => address,
        Err(error) => {
            complain(format_args!("{error}"));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match place(&address, &args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::NoCall(NoCall::Refused(refusal))) => {
            let code = refusal.code.as_deref().unwrap_or("(no code)");
            // A closed standard output changes nothing about the refusal.
            let _ = print(format_args!("refused: {} {code}", refusal.status));
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

/// The whole call; whether it ended cleanly. Both files are opened before anyone is called.
async fn place(address: &Address, args: &CallArgs) -> Result<bool, Failure> {
    let mut interrupts = Interrupts::listen()?;
    let clip = match &args.play {
        None => Bytes::new(),
        Some(path) => {
            let file = tokio::fs::read(path).await.map_err(|e| Failure::file(path, e))?;
            wav::read(&file).map_err(|e| Failure::file(path, e))?
        }
    };
    let mut keep = match &args.save {
        None => None,
        Some(path) => Some(wav::Writer::create(path).map_err(|e| Failure::file(path, e))?),
    };

    print(format_args!("calling {address}"))?;
    let mut line = tokio::select! {
        line = dial(address) => line?,
        () = interrupts.next() => {
            complain("given up before there was an answer");
            return Ok(false);
        }
    };
    print(format_args!("connected, {} ms after dialling", line.took.as_millis()))?;
    line.play(clip.clone(), Start::AfterGreeting);
    let mut call = Progress::new(Plan {
        format: line.format(),
        provider: false,
        clip: clip.len(),
        keys: 0,
        seconds: args.seconds,
    });
    while let Some(heard) = next(&mut line, &mut call, &mut interrupts).await {
        call.note(&heard);
        if let Some(text) = call.describe(&heard) {
            print(text)?;
        }
        if let (What::Sound(sound), Some(file), Some(path)) = (&heard.what, &mut keep, &args.save) {
            file.write(sound).map_err(|e| Failure::file(path, e))?;
        }
    }
    if let (Some(file), Some(path)) = (keep, &args.save) {
        file.finish().map_err(|e| Failure::file(path, e))?;
        print(format_args!("saved {} of sound in {}", call.heard(), path.display()))?;
    }
    Ok(call.clean())
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
