#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, process};

use super::*;
use crate::audio::{BYTES_PER_SECOND, level::is_voiced, wav};

/// A synthesiser of our own: a shell script that may count, fail or wait. Another process writes
/// it: a file that this one holds open while some other test forks could not be run.
fn script(directory: &Path, body: &str) -> Speaker {
    let path = directory.join("synthesiser");
    let body = format!("#!/bin/sh\ncd {}\n{body}\n", directory.display());
    let mut writer = process::Command::new("sh");
    writer.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 700 \"$0\""]).arg(&path).arg(body);
    assert!(writer.status().unwrap().success());
    Speaker::with_program(Some(path), None)
}

/// Words of the account that most tests have.
fn words<'a>(text: &'a str, language: &'a str, voice: Option<&'a str>) -> Words<'a> {
    Words { account: account(), text, language, voice }
}

fn account() -> AccountId {
    "acc_019350a1b2c37d4e8f90a1b2c3d4e5f6".parse().unwrap()
}

/// Two seconds that can be heard, as `sound.wav` beside the script.
fn sound(directory: &Path) {
    let mut writer = wav::Writer::create(&directory.join("sound.wav")).unwrap();
    writer.write(&tone::caller()).unwrap();
    writer.finish().unwrap();
}

fn runs(directory: &Path) -> Vec<String> {
    let runs = fs::read_to_string(directory.join("runs")).unwrap_or_default();
    runs.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn fifty_askers_at_once_cost_one_child_and_the_next_none() {
    let directory = tempfile::tempdir().unwrap();
    sound(directory.path());
    let speaker = script(directory.path(), "cat > /dev/null; echo \"$@\" >> runs; cat sound.wav");
    assert_eq!(speaker.cached(words("hello", "en", None), Format::NATIVE), None);
    let asked = (0..50).map(|_| speaker.speech(words("hello", "en", None), Format::NATIVE));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|audio| *audio == answers[0] && *audio != tone::chime()));
    assert_eq!(
        speaker.cached(words("hello", "en", None), Format::NATIVE),
        Some(answers[0].clone())
    );
    assert_eq!(speaker.speech(words("hello", "en", None), Format::NATIVE).await, answers[0]);
    assert_eq!(runs(directory.path()).len(), 1);
    speaker.speech(words("hello", "de", None), Format::NATIVE).await;
    speaker.speech(words("hello", "de", Some("anna")), Format::NATIVE).await;
    let runs = runs(directory.path());
    assert_eq!(runs.len(), 3, "another language or voice is another rendering");
    assert!(runs[2].contains("-v anna"), "{runs:?}");
    assert!(runs.iter().all(|arguments| !arguments.contains("hello")), "{runs:?}");
}

#[tokio::test]
async fn a_text_is_spoken_once_and_converted_once_for_each_format_of_a_line() {
    let directory = tempfile::tempdir().unwrap();
    sound(directory.path());
    let speaker = script(directory.path(), "cat > /dev/null; echo run >> runs; cat sound.wav");
    let formats = [Format::PCMU, Format::PCMA, Format::pcm(24_000).unwrap(), Format::PCMU];
    let asked = formats.map(|format| speaker.speech(words("hello", "en", None), format));
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(runs(directory.path()).len(), 1);
    let native = speaker.cached(words("hello", "en", None), Format::NATIVE).unwrap();
    for (format, audio) in formats.into_iter().zip(&answers) {
        let (converted, original) =
            (format.length(audio.len()), Format::NATIVE.length(native.len()));
        assert!(converted.abs_diff(original) < Duration::from_millis(1), "{format:?}");
        assert!(is_voiced(format, audio), "{format:?}");
        let again = speaker.cached(words("hello", "en", None), format).unwrap();
        assert_eq!(
            again.as_ptr(),
            speaker.speech(words("hello", "en", None), format).await.as_ptr()
        );
    }
    assert_eq!(answers[0].as_ptr(), answers[3].as_ptr(), "two askers, one conversion");
    assert_ne!(answers[0], tone::chime_in(Format::PCMU));
}

#[tokio::test]
async fn a_failure_is_the_chime_in_every_format_and_tried_once() {
    let directory = tempfile::tempdir().unwrap();
    let speaker = script(directory.path(), "cat > /dev/null; echo run >> runs; exit 1");
    for format in [Format::PCMU, Format::NATIVE, Format::PCMU, Format::PCMA] {
        let speech = speaker.speech(words("hello", "en", None), format).await;
        assert_eq!(speech, tone::chime_in(format), "{format:?}");
        assert_eq!(speaker.cached(words("hello", "en", None), format), None, "{format:?}");
    }
    // Once for the language, and once for the default voice.
    assert_eq!(runs(directory.path()).len(), 2);
    let mute = Speaker::with_program(None, None);
    assert_eq!(
        mute.cached(words("", "en", None), Format::PCMA),
        Some(tone::chime_in(Format::PCMA))
    );
}

#[tokio::test]
async fn an_asker_who_gives_up_spoils_nothing() {
    let directory = tempfile::tempdir().unwrap();
    sound(directory.path());
    let body = "cat > /dev/null; mkfifo gate; echo run >> runs; read go < gate; cat sound.wav";
    let speaker = script(directory.path(), body);
    let other = speaker.clone();
    let given_up =
        tokio::spawn(async move { other.speech(words("hello", "en", None), Format::NATIVE).await });
    let started = async {
        while runs(directory.path()).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), started).await.unwrap();
    given_up.abort();
    let patient =
        tokio::spawn(
            async move { speaker.speech(words("hello", "en", None), Format::NATIVE).await },
        );
    tokio::fs::write(directory.path().join("gate"), "go\n").await.unwrap();
    assert_ne!(patient.await.unwrap(), tone::chime());
    assert_eq!(runs(directory.path()).len(), 1);
}

#[tokio::test]
async fn a_voice_that_fails_gives_way_to_the_language_and_then_the_chime() {
    let directory = tempfile::tempdir().unwrap();
    sound(directory.path());
    let body = "cat > /dev/null; echo \"$4\" >> runs; [ \"$4\" = fr ] && cat sound.wav";
    let speaker = script(directory.path(), body);
    assert_ne!(
        speaker.speech(words("hello", "fr", Some("marie")), Format::NATIVE).await,
        tone::chime()
    );
    assert_eq!(runs(directory.path()), ["marie", "fr"]);
    assert_eq!(speaker.speech(words("hello", "tlh", None), Format::NATIVE).await, tone::chime());
    assert_eq!(runs(directory.path())[2..], ["tlh", "en"]);
    assert_eq!(speaker.speech(words("hello", "tlh", None), Format::NATIVE).await, tone::chime());
    assert_eq!(runs(directory.path()).len(), 4, "a fresh failure is not tried again at once");
    assert_eq!(
        speaker.cached(words("hello", "tlh", None), Format::NATIVE),
        None,
        "nor kept as if it were speech"
    );
}

#[tokio::test]
async fn a_program_that_is_not_there_or_talks_nonsense_is_the_chime() {
    let none = Speaker::with_program(None, None);
    assert_eq!(none.cached(words("hello", "en", None), Format::NATIVE), Some(tone::chime()));
    assert_eq!(none.speech(words("hello", "en", None), Format::NATIVE).await, tone::chime());
    let lost = Speaker::with_program(Some("/nonexistent/espeak-ng".into()), None);
    assert_eq!(lost.speech(words("hello", "en", None), Format::NATIVE).await, tone::chime());
    let directory = tempfile::tempdir().unwrap();
    let nonsense = script(directory.path(), "cat; echo nonsense");
    assert_eq!(nonsense.speech(words("hello", "en", None), Format::NATIVE).await, tone::chime());
}

#[tokio::test]
async fn what_one_account_floods_keeps_no_other_from_being_heard_in_time() {
    let directory = tempfile::tempdir().unwrap();
    sound(directory.path());
    let body = "case $(cat) in slow*) exec sleep 60;; esac; cat sound.wav";
    let speaker = script(directory.path(), body);
    let texts: Vec<_> = (0..60).map(|number| format!("slow {number}")).collect();
    let flood = texts.iter().map(|text| speaker.speech(words(text, "en", None), Format::NATIVE));
    let other = Words { account: AccountId::new(), ..words("hello", "en", None) };
    let began = std::time::Instant::now();
    let flooded = futures_util::future::join_all(flood);
    let heard = async {
        let speech = speaker.speech(other, Format::NATIVE).await;
        (speech, began.elapsed())
    };
    let (flooded, (speech, waited)) = tokio::join!(flooded, heard);
    assert_ne!(speech, tone::chime(), "another account's words are spoken");
    assert!(waited < AWAITED, "{waited:?}");
    assert!(flooded.iter().all(|speech| *speech == tone::chime()), "and nobody hears silence");
    assert!(began.elapsed() < PATIENCE * 3, "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_only_repeats_reaches_no_synthesiser() {
    let directory = tempfile::tempdir().unwrap();
    sound(directory.path());
    let speaker = script(directory.path(), "cat >> runs; cat sound.wav");
    let repeated = "㍻".repeat(990);
    assert_eq!(
        speaker.speech(words(&repeated, "en", None), Format::NATIVE).await,
        tone::chime(),
        "said by nobody"
    );
    assert!(runs(directory.path()).is_empty());
    let ragged = " one\u{7}\r\n\ttwo ";
    assert_ne!(speaker.speech(words(ragged, "en", None), Format::NATIVE).await, tone::chime());
    assert_eq!(runs(directory.path()), ["one two"]);
}

#[tokio::test]
async fn what_an_agent_says_is_rendered_before_it_is_called() {
    let directory = tempfile::tempdir().unwrap();
    sound(directory.path());
    let speaker = script(directory.path(), "cat > /dev/null; echo run >> runs; cat sound.wav");
    let agent = Agent::new(account(), "Echo".to_owned(), Engine::Echo, 0);
    speaker.prepare(&agent);
    let phrases = [&agent.greeting, &agent.closing_phrase];
    let rendered = async {
        let has = |phrase: &&String| speaker.cached(Words::of(&agent, phrase), Format::NATIVE);
        while phrases.iter().any(|phrase| has(phrase).is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), rendered).await.unwrap();
    assert_eq!(runs(directory.path()).len(), 2);
    speaker.prepare(&agent);
    speaker.speech(Words::of(&agent, &agent.greeting), Format::NATIVE).await;
    assert_eq!(runs(directory.path()).len(), 2, "and once is enough");
}

#[tokio::test]
async fn the_child_is_told_none_of_our_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let speaker = script(directory.path(), "cat > /dev/null; env > runs");
    speaker.speech(words("hello", "en", None), Format::NATIVE).await;
    let environment = runs(directory.path());
    assert!(!environment.is_empty());
    // Cargo sets this for every test.
    assert!(env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(environment.iter().all(|line| !line.starts_with("CARGO")), "{environment:?}");
}

#[tokio::test]
async fn the_real_synthesiser_speaks() {
    let speaker = Speaker::new(None);
    if !speaker.can_speak() {
        return;
    }
    let tenths = |audio: &Bytes| audio.len() * 10 / BYTES_PER_SECOND;
    let short =
        speaker.speech(words("- Hello.", "en-GB", Some("no-such-voice")), Format::NATIVE).await;
    assert_ne!(short, tone::chime());
    assert!((3..15).contains(&tenths(&short)), "{} tenths of a second", tenths(&short));
    let long = speaker
        .speech(words("Hello. You are connected to the front door.", "en", None), Format::NATIVE)
        .await;
    assert!((15..60).contains(&tenths(&long)), "{} tenths of a second", tenths(&long));
    let loudest = long.as_chunks().0.iter().map(|two| i16::from_le_bytes(*two).unsigned_abs());
    assert!(loudest.max() > Some(3_000));
    assert_eq!(
        speaker.speech(words("...", "en", None), Format::NATIVE).await,
        tone::chime(),
        "nothing to say"
    );
}
