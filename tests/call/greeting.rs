//! How a call begins.

use upvoot::{
    audio::tone,
    call::{Input, Role, TranscriptLine},
};

use crate::call::line::{Line, ms, plan, s, voice, zeros};

#[test]
fn the_agent_greets_in_words_and_sound() {
    let mut line = Line::open(plan());
    line.pass(ms(120));
    line.hears(&[]);
    line.says(Input::Greeting(voice(1_000)));
    line.hears(&["assistant: Hello.", "audio_start", "180 ms"]);
    line.pass(s(1));
    line.hears(&["820 ms", "audio_end"]);
    assert_eq!(line.audio(), voice(1_000));
    let said =
        TranscriptLine::Transcript { role: Role::Assistant, text: "Hello.".into(), at_ms: 120 };
    assert_eq!(line.lines(), [said]);
}

#[test]
fn the_greeting_is_paced_in_few_wake_ups_and_ends_with_room_for_the_echo() {
    let mut line = Line::open(plan());
    line.says(Input::Greeting(voice(2_000)));
    line.until(ms(500));
    line.hears(&["assistant: Hello.", "audio_start", "680 ms"]);
    line.until(ms(1_939));
    line.hears(&["1320 ms"]);
    line.until(ms(1_940));
    line.hears(&["audio_end"]);
    assert!(line.wake_ups <= 20, "{} wake-ups for two seconds", line.wake_ups);
}

#[test]
fn a_greeting_that_never_comes_is_a_chime_and_the_call_goes_on() {
    let mut line = Line::open(plan());
    line.until(ms(2_999));
    line.hears(&[]);
    line.until(s(3));
    line.hears(&["assistant: Hello.", "audio_start", "180 ms"]);
    line.says(Input::Greeting(voice(500)));
    line.pass(s(1));
    line.hears(&["320 ms", "audio_end"]);
    assert_eq!(line.audio(), tone::chime(), "never silence");
    line.says(Input::Audio(voice(20)));
    line.hears(&["audio_start", "20 ms"]);
}

#[test]
fn a_greeting_that_comes_twice_is_said_once() {
    let mut line = Line::open(plan());
    line.says(Input::Greeting(voice(100)));
    line.says(Input::Greeting(voice(100)));
    line.until(s(1));
    line.hears(&["assistant: Hello.", "audio_start", "100 ms", "audio_end"]);
}

#[test]
fn what_the_caller_says_meanwhile_is_dropped_and_does_not_interrupt() {
    let mut line = Line::open(plan());
    line.talks(&voice(100));
    line.says(Input::Greeting(voice(1_000)));
    line.talks(&voice(500));
    line.talks(&zeros(400));
    line.hears(&["assistant: Hello.", "audio_start", "1000 ms"]);
    line.pass(ms(60));
    line.hears(&["audio_end"]);
    line.audio();
    line.talks(&voice(100));
    line.hears(&["audio_start", "100 ms"]);
    assert_eq!(line.audio(), voice(100));
}

#[test]
fn a_sample_split_by_the_end_of_the_greeting_is_heard_whole() {
    let mut line = Line::open(plan());
    let stream = voice(100);
    line.says(Input::Greeting(voice(100)));
    line.says(Input::Audio(stream.slice(..641)));
    line.until(ms(100));
    line.audio();
    line.says(Input::Audio(stream.slice(641..1_281)));
    line.says(Input::Audio(stream.slice(1_281..1_920)));
    assert_eq!(line.audio(), stream[640..1_920]);
}
