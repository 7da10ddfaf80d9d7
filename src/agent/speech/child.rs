//! One text through the synthesiser: which voice to ask for, how to run it, what to keep of its
//! output. It knows neither cache nor queue.

use std::{env, path::Path, process::Stdio, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use super::cache::Utterance;
use crate::audio::{BYTES_PER_SECOND, wav};

/// How long one child may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Bytes read from a child, about six minutes of speech; what is beyond is not spoken.
const MOST_OUTPUT: u64 = 16 * 1024 * 1024;
/// What is spoken where neither voice nor language is known.
const DEFAULT_VOICE: &str = "en";

/// The sound of an utterance in the best voice the program has for it, and in the server's own format
/// whatever the line's is; `None` when it has none, or makes nothing that can be heard of the text.
pub async fn render(program: &Path, utterance: &Utterance) -> Option<Bytes> {
    for voice in voices(utterance) {
        let file = timeout(LIMIT, run(program, voice, &utterance.text)).await.ok()?;
        let Some(file) = file else {
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

/// One child's WAV; `None` when it did not succeed. The text goes through standard input: arguments
/// can be read by everyone on the machine, and a text may begin with a dash. The child sees nothing
/// of our environment that it does not need. Dropped half-way, it takes the child with it.
async fn run(program: &Path, voice: &str, text: &str) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(["-b", "1", "-v", voice, "--stdin", "--stdout"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let needed = ["PATH", "HOME", "ESPEAK_DATA_PATH", "LD_LIBRARY_PATH"];
    command.env_clear().kill_on_drop(true);
    command.envs(needed.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
    let mut child = command.spawn().ok()?;
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);

    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
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
        child.kill().await.ok()?;
        return Some(file);
    }
    child.wait().await.ok()?.success().then_some(file)
}

/// Without the silence before and after; empty when there is nothing to hear.
fn trimmed(audio: Bytes) -> Bytes {
    /// About -44 dB: what is quieter is silence.
    const AUDIBLE: u16 = 200;
    /// 20 ms.
    const LEAD: usize = BYTES_PER_SECOND / 50;
    /// 125 ms.
    const TAIL: usize = BYTES_PER_SECOND / 8;
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
    use crate::audio::{format::Format, tone};

    #[test]
    fn a_voice_that_is_a_path_or_an_option_is_never_asked_for() {
        let long = "a".repeat(65);
        for voice in ["../../etc/passwd", "/etc/passwd", "-w", "", "a b", "a.b", &long] {
            let utterance = Utterance::new("hello", "en-GB", Some(voice), Format::NATIVE);
            assert_eq!(voices(&utterance).collect::<Vec<_>>(), ["en-GB", "en"], "{voice}");
        }
        let utterance = Utterance::new("hello", "en", Some("en-us+f3"), Format::NATIVE);
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
    }
}
