//! `upvoot call`: a phone for the terminal.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep_until};

use super::{
    WRONG_USAGE,
    interrupt::Interrupts,
    paint::{Paint, complain, print, tame},
    phone::{Address, Heard, Line, Message, NoCall, Start, What, dial},
};
use crate::audio::{BYTES_PER_SECOND, wav};

/// The exit status for a call that the server did not admit.
const REFUSED: u8 = 3;
/// How much longer the line stays open when all that was played has come back.
const AFTERTHOUGHT: Duration = Duration::from_secs(1);
/// How long an agent may be silent, after all has been played, before nobody expects an answer.
const NO_ANSWER: Duration = Duration::from_secs(10);

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
    let mut call = Call::new(clip.len(), args.seconds);
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
        print(format_args!("saved {} of sound in {}", seconds(call.heard), path.display()))?;
    }
    Ok(call.clean())
}

/// The next thing heard; hangs up meanwhile when it is time, or when the user says so. A second
/// Ctrl-C does not wait for the server.
async fn next(line: &mut Line, call: &mut Call, interrupts: &mut Interrupts) -> Option<Heard> {
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

/// What is known of the call so far.
struct Call {
    paint: Paint,
    limit: Option<Instant>,
    hung_up: bool,
    /// Bytes of the clip, and how many must have been heard in all when it has come back.
    clip: usize,
    echoed: Option<usize>,
    echoed_at: Option<Instant>,
    played: bool,
    last_sound: Instant,
    /// Bytes heard, in all and since the agent began to speak.
    heard: usize,
    stretch: usize,
    call_end: bool,
    closed: Option<u16>,
}

impl Call {
    fn new(clip: usize, seconds: Option<u64>) -> Self {
        let now = Instant::now();
        Self {
            paint: Paint::for_stdout(),
            limit: seconds.map(|seconds| now + Duration::from_secs(seconds)),
            hung_up: false,
            clip,
            echoed: None,
            echoed_at: None,
            played: false,
            last_sound: now,
            heard: 0,
            stretch: 0,
            call_end: false,
            closed: None,
        }
    }

    fn note(&mut self, heard: &Heard) {
        match &heard.what {
            What::Sound(sound) => {
                self.heard += sound.len();
                self.stretch += sound.len();
                self.last_sound = Instant::now();
                if self.echoed.is_some_and(|enough| self.heard >= enough) {
                    self.echoed_at.get_or_insert_with(Instant::now);
                }
            }
            What::Said(Message::AudioStart) => self.stretch = 0,
            What::Said(Message::CallEnd { .. }) => self.call_end = true,
            What::ClipBegan => self.echoed = Some(self.heard + self.clip),
            What::ClipEnded => {
                self.played = true;
                self.last_sound = Instant::now();
            }
            What::Closed(code) => self.closed = *code,
            _ => {}
        }
    }

    /// When to hang up as things stand. An agent that echoes sends as much as it hears; one that
    /// answers may send less, and is done when it has been silent for a while.
    fn hang_up_at(&self) -> Option<Instant> {
        if self.limit.is_some() || self.clip == 0 {
            return self.limit;
        }
        let given_up = self.played.then(|| self.last_sound + NO_ANSWER);
        self.echoed_at.map(|at| at + AFTERTHOUGHT).or(given_up)
    }

    fn clean(&self) -> bool {
        self.call_end && self.closed == Some(1000)
    }

    fn describe(&self, heard: &Heard) -> Option<String> {
        let (name, detail) = match &heard.what {
            What::Sound(_) => return None,
            What::ClipBegan => ("(you)", "speaking".to_owned()),
            What::ClipEnded => ("(you)", "silent".to_owned()),
            What::Said(message) => match message {
                Message::CallStart { call_id } => ("call_start", tame(call_id)),
                Message::AudioStart => ("audio_start", String::new()),
                Message::AudioEnd => ("audio_end", format!("{} of sound", seconds(self.stretch))),
                Message::TurnStart => ("turn_start", String::new()),
                Message::Interim { text } => ("interim", tame(text)),
                Message::Transcript { role, text } => {
                    ("transcript", format!("{}: {}", tame(role), tame(text)))
                }
                Message::Error { code, message } => {
                    ("error", format!("{}: {}", tame(code), tame(message)))
                }
                Message::CallEnd { reason } => ("call_end", tame(reason)),
                Message::Unknown => ("(unknown)", "an event this phone does not know".to_owned()),
            },
            What::Closed(Some(code)) => ("closed", code.to_string()),
            What::Closed(None) => ("closed", "without a code".to_owned()),
            What::Broken(why) => ("broken", tame(why)),
        };
        let at = format!("{:>8.2} s", heard.at.as_secs_f64());
        let line = format!("{}  {:<12}", self.paint.dim(at), self.paint.name(name));
        Some(format!("{line} {detail}").trim_end().to_owned())
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn seconds(bytes: usize) -> String {
    format!("{:.2} s", bytes as f64 / BYTES_PER_SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(what: What) -> Heard {
        Heard { at: Duration::from_millis(1_234), what }
    }

    fn sound(bytes: usize) -> Heard {
        heard(What::Sound(vec![0; bytes].into()))
    }

    #[test]
    fn the_line_stays_open_until_a_second_after_the_clip_has_come_back() {
        let mut call = Call::new(1_000, None);
        call.note(&sound(500));
        call.note(&heard(What::ClipBegan));
        call.note(&sound(999));
        assert_eq!(call.hang_up_at(), None);
        call.note(&heard(What::ClipEnded));
        let patience = call.hang_up_at().unwrap() - Instant::now();
        assert!(patience > Duration::from_secs(9), "an agent may think for a while");
        call.note(&sound(1));
        let patience = call.hang_up_at().unwrap() - Instant::now();
        assert!(patience <= AFTERTHOUGHT);
    }

    #[test]
    fn a_limit_counts_alone_and_without_clip_or_limit_there_is_no_end() {
        let mut call = Call::new(1_000, Some(7));
        let end = call.hang_up_at();
        assert!(end.is_some());
        call.note(&heard(What::ClipBegan));
        call.note(&sound(2_000));
        assert_eq!(call.hang_up_at(), end);
        let mut idle = Call::new(0, None);
        idle.note(&sound(2_000));
        assert_eq!(idle.hang_up_at(), None);
    }

    #[test]
    fn clean_is_a_call_end_and_a_normal_close() {
        let end = heard(What::Said(Message::CallEnd { reason: "end_call".to_owned() }));
        for (whats, clean) in [
            (vec![end.clone(), heard(What::Closed(Some(1000)))], true),
            (vec![end.clone(), heard(What::Closed(Some(1011)))], false),
            (vec![end, heard(What::Broken("gone".to_owned()))], false),
            (vec![heard(What::Closed(Some(1000)))], false),
        ] {
            let mut call = Call::new(0, None);
            whats.iter().for_each(|what| call.note(what));
            assert_eq!(call.clean(), clean, "{whats:?}");
        }
    }

    #[test]
    fn an_event_is_one_line_with_its_time() {
        let call = Call { paint: Paint::plain(), ..Call::new(0, None) };
        let text = |what| call.describe(&heard(what)).unwrap_or_default();
        let said = Message::Transcript { role: "assistant".into(), text: "Hello.\nYou".into() };
        assert_eq!(text(What::Said(said)), "    1.23 s  transcript   assistant: Hello.\u{fffd}You");
        assert_eq!(text(What::Said(Message::AudioStart)), "    1.23 s  audio_start");
        assert_eq!(text(What::Closed(Some(1000))), "    1.23 s  closed       1000");
        assert_eq!(text(What::Sound(Bytes::new())), "");
    }
}
