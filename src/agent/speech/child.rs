//! One text through the synthesiser: which voice to ask for, how to run it, what to keep of its
//! output. It knows neither cache nor queue; what the program may do is for [`super::sandbox`].

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};

use super::{
    cache::Utterance,
    sandbox::{self, Strength},
};
use crate::audio::{BYTES_PER_SECOND, wav};

/// How long one text may take, whatever voices are tried.
const LIMIT: Duration = Duration::from_secs(5);
/// Seconds of sound of one text; what is beyond is not spoken.
const LONGEST: usize = 60;
/// Bytes read from a child: as much of espeak-ng's sound, which has 22,050 samples a second, and its head.
const MOST_OUTPUT: u64 = LONGEST as u64 * 2 * 22_050 + 1024;
/// What is spoken where neither voice nor language is known.
const DEFAULT_VOICE: &str = "en";

/// What texts are spoken with.
#[derive(Debug, Clone)]
pub struct Synthesiser {
    /// It takes espeak-ng's arguments.
    pub program: PathBuf,
    /// A program that is `upvoot`, which makes the sandbox. Without one there is none.
    pub sandbox: Option<PathBuf>,
}

impl Synthesiser {
    /// The sound of an utterance in the best voice the program has for it, and in the server's own
    /// format whatever the line's is; `None` when it has none, or makes nothing that can be heard of the
    /// text.
    pub async fn render(&self, utterance: &Utterance) -> Option<Bytes> {
        timeout(LIMIT, self.in_some_voice(utterance)).await.ok().flatten()
    }

    async fn in_some_voice(&self, utterance: &Utterance) -> Option<Bytes> {
        for voice in voices(utterance) {
            let Some(file) = self.run(voice, &utterance.text).await else {
                continue;
            };
            let audio = tokio::task::spawn_blocking(move || wav::read(&file).ok().map(trimmed));
            if let Ok(Some(audio)) = audio.await
                && !audio.is_empty()
            {
                return Some(audio);
            }
        }
        None
    }

    /// What of the sandbox this system has; `None` without one.
    ///
    /// # Errors
    /// When it cannot be made, and so nothing can be spoken.
    pub async fn strength(&self) -> io::Result<Option<Strength>> {
        let Some(sandbox) = &self.sandbox else { return Ok(None) };
        let mut command = bare(Command::new(sandbox));
        command.arg(sandbox::COMMAND).stdin(Stdio::null()).stderr(Stdio::piped());
        let output = timeout(LIMIT, command.output()).await.map_err(io::Error::other)??;
        let said = String::from_utf8_lossy(&output.stdout);
        said.parse().map(Some).map_err(|()| {
            let why = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("{}: {}", output.status, why.trim()))
        })
    }

    /// The program with its arguments, in the sandbox if there is one.
    fn command(&self, voice: &str) -> Command {
        let arguments = ["-b", "1", "-v", voice, "--stdin", "--stdout"];
        let data = data_directory();
        let mut command = match &self.sandbox {
            Some(sandbox) => {
                let mut command = bare(Command::new(sandbox));
                command.arg(sandbox::COMMAND).arg("--program").arg(&self.program);
                command.args(data.iter().flat_map(|data| ["--data".as_ref(), data.as_os_str()]));
                command.arg("--");
                command
            }
            None => {
                let mut command = bare(Command::new(&self.program));
                command.envs(data.map(|data| ("ESPEAK_DATA_PATH", data)));
                command.envs(env::var_os("PATH").map(|path| ("PATH", path)));
                command
            }
        };
        command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// One child's WAV; `None` when it did not succeed. The text goes through standard input: arguments
    /// can be read by everyone on the machine, and a text may begin with a dash. Dropped half-way, it
    /// takes the child with it.
    async fn run(&self, voice: &str, text: &str) -> Option<Vec<u8>> {
        let mut child = Group(self.command(voice).spawn().ok()?);
        let (mut input, output) = (child.0.stdin.take()?, child.0.stdout.take()?);
        let write = async move {
            // A child that stops reading says why by its exit status.
            let _ = input.write_all(text.as_bytes()).await;
            let _ = input.shutdown().await;
        };
        let read = async {
            let mut file = Vec::new();
            // The pipe's end is dropped here: a child that has more to say finds it closed and ends.
            output.take(MOST_OUTPUT).read_to_end(&mut file).await.map(|_| file)
        };
        let ((), file) = tokio::join!(write, read);
        let file = file.ok()?;
        let cut_off = file.len() as u64 == MOST_OUTPUT;
        if cut_off {
            // This waits for it too, so no zombie is left.
            child.0.kill().await.ok()?;
            return Some(file);
        }
        child.0.wait().await.ok()?.success().then_some(file)
    }
}

/// A child with nothing of ours, in a process group of its own.
fn bare(mut command: Command) -> Command {
    command.env_clear().envs(env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)));
    command.current_dir("/").process_group(0).kill_on_drop(true).stdout(Stdio::piped());
    command
}

/// Where this machine keeps espeak-ng's data, if somebody has chosen a place.
fn data_directory() -> Option<PathBuf> {
    let chosen = env::var_os("ESPEAK_DATA_PATH").map(PathBuf::from);
    let at_home = || Some(Path::new(&env::var_os("HOME")?).join("espeak-ng-data"));
    chosen.or_else(|| at_home().filter(|data| data.is_dir()))
}

/// A child and all that it may have started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Without a number it has been waited for, and its group may be another's by now.
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

/// The voices to try, best first, without those no synthesiser should be asked for: espeak-ng opens
/// any path that it is given as a voice.
fn voices(utterance: &Utterance) -> impl Iterator<Item = &str> {
    let tame = |name: &&str| {
        name.len() <= 64
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+/".contains(&b))
    };
    let wanted = [utterance.voice.as_deref(), Some(&utterance.language), Some(DEFAULT_VOICE)];
    wanted.into_iter().flatten().filter(tame)
}

/// A minute of it at most, without the silence before and after; empty when there is nothing to hear.
fn trimmed(mut audio: Bytes) -> Bytes {
    /// About -44 dB: what is quieter is silence.
    const AUDIBLE: u16 = 200;
    /// 20 ms.
    const LEAD: usize = BYTES_PER_SECOND / 50;
    /// 125 ms.
    const TAIL: usize = BYTES_PER_SECOND / 8;
    audio.truncate(LONGEST * BYTES_PER_SECOND);
    let audible = |two: &[u8; 2]| i16::from_le_bytes(*two).unsigned_abs() >= AUDIBLE;
    let samples = audio.as_chunks().0;
    let Some(first) = samples.iter().position(audible) else {
        return Bytes::new();
    };
    let last = samples.iter().rposition(audible).unwrap_or(first);
    audio.slice((2 * first).saturating_sub(LEAD)..(2 * last + 2 + TAIL).min(2 * samples.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::{format::Format, tone},
        id::AccountId,
    };

    fn utterance(language: &str, voice: &str) -> Utterance {
        Utterance {
            account: AccountId::new(),
            text: "hello".to_owned(),
            language: language.to_owned(),
            voice: Some(voice.to_owned()),
            format: Format::NATIVE,
        }
    }

    #[test]
    fn a_voice_that_is_a_path_or_an_option_is_never_asked_for() {
        let long = "a".repeat(65);
        for voice in ["../../etc/passwd", "/etc/passwd", "-w", "", "a b", "a.b", &long] {
            let utterance = utterance("en-GB", voice);
            assert_eq!(voices(&utterance).collect::<Vec<_>>(), ["en-GB", "en"], "{voice}");
        }
        let utterance = utterance("en", "en-us+f3");
        assert_eq!(voices(&utterance).next(), Some("en-us+f3"));
    }

    #[test]
    fn silence_around_speech_is_trimmed_and_silence_alone_is_nothing() {
        let second = vec![0; BYTES_PER_SECOND];
        let clip = [&second[..], &tone::caller(), &second].concat();
        let left = trimmed(clip.into());
        let caller = tone::caller().len();
        assert!((caller..caller + BYTES_PER_SECOND / 4).contains(&left.len()), "{}", left.len());
        assert!(trimmed(second.into()).is_empty());
        let endless = Bytes::from(tone::caller().repeat(LONGEST));
        assert_eq!(trimmed(endless).len(), LONGEST * BYTES_PER_SECOND, "a minute is enough");
    }
}
