//! How a call ends, points apart.

use std::time::Duration;

use upvoot::{
    audio::tone,
    call::{CallPlan, Cause, CauseCode, EndReason, Input},
};

use crate::call::line::{ANCHOR, Line, ms, plan, s, voice, zeros};

fn silent_after(timeout: Duration) -> CallPlan {
    CallPlan { silence_timeout: timeout, ..plan() }
}

#[test]
fn the_client_ends_the_call_at_once_even_while_the_agent_speaks() {
    let mut line = Line::open(plan());
    line.says(Input::Greeting(voice(5_000)));
    line.pass(ms(30));
    line.says(Input::EndCall);
    line.hears(&["assistant: Hello.", "audio_start", "180 ms", "audio_end", "call_end end_call"]);
    let finished = line.finished().unwrap();
    assert_eq!((finished.reason, finished.talk), (EndReason::EndCall, ms(30)));
}

#[test]
fn a_caller_who_hangs_up_is_told_nothing() {
    let mut line = Line::greeted(plan());
    line.says(Input::Audio(voice(20)));
    line.hears(&["audio_start", "20 ms"]);
    line.says(Input::PeerGone);
    line.hears(&[]);
    assert_eq!(line.finished().unwrap().reason, EndReason::Hangup);
}

#[test]
fn an_operator_and_a_revoked_key_need_no_closing_words() {
    for (reason, call_end) in [
        (EndReason::Operator, "call_end operator"),
        (EndReason::KeyRevoked, "call_end key_revoked"),
    ] {
        let mut line = Line::greeted(plan());
        line.says(Input::Audio(voice(20)));
        line.says(Input::End(reason));
        line.hears(&["audio_start", "20 ms", "audio_end", call_end]);
        assert_eq!(line.finished().unwrap().reason, reason);
    }
}

#[test]
fn a_fault_is_named_and_ends_the_call_as_error() {
    let mut line = Line::greeted(plan());
    line.says(Input::Audio(voice(20)));
    line.says(Input::Fault(Cause::of(CauseCode::ProtocolError)));
    line.hears(&["audio_start", "20 ms", "error protocol_error", "audio_end", "call_end error"]);
    assert_eq!(line.finished().unwrap().reason, EndReason::Error);
}

#[test]
fn nothing_comes_after_the_end() {
    let mut line = Line::greeted(plan());
    line.says(Input::EndCall);
    line.hears(&["call_end end_call"]);
    for input in [
        Input::Audio(voice(20)),
        Input::Dtmf('1'),
        Input::Greeting(voice(20)),
        Input::Closing(voice(20)),
        Input::EndCall,
        Input::PeerGone,
        Input::End(EndReason::Operator),
        Input::DrainBy(ANCHOR),
        Input::Fault(Cause::of(CauseCode::MessageTooSlow)),
        crate::call::line::DENIED,
        Input::Tick,
    ] {
        line.says(input);
        line.pass(s(1));
    }
    line.hears(&[]);
}

#[test]
fn silence_counts_from_the_end_of_the_greeting() {
    let mut line = Line::open(silent_after(s(2)));
    line.says(Input::Closing(voice(1_000)));
    line.says(Input::Greeting(voice(3_000)));
    line.until(ms(4_999));
    line.hears(&["assistant: Hello.", "audio_start", "3000 ms", "audio_end"]);
    line.until(ms(5_000));
    line.hears(&["assistant: Goodbye.", "audio_start", "180 ms"]);
    let finished = line.until_over();
    line.hears(&["820 ms", "audio_end", "call_end silence"]);
    assert_eq!((finished.reason, finished.talk), (EndReason::Silence, s(6)));
}

#[test]
fn a_silent_stream_is_silence_and_a_voice_is_not() {
    let mut line = Line::greeted(silent_after(s(2)));
    line.talks(&zeros(1_000));
    line.talks(&voice(20)); // plays until 1.58 s: 40 ms of silence are still before it
    line.talks(&zeros(1_960));
    assert!(line.finished().is_none());
    line.hears(&["audio_start", "2980 ms"]);
    line.talks(&zeros(200));
    line.hears(&["40 ms", "audio_end", "assistant: Goodbye.", "audio_start", "280 ms"]);
    assert_eq!(line.until_over().reason, EndReason::Silence);
}

#[test]
fn dialling_breaks_the_silence() {
    let mut line = Line::greeted(silent_after(s(2)));
    line.until(s(2));
    line.says(Input::Dtmf('5'));
    line.until(ms(3_999));
    line.hears(&[]);
    line.until(s(4));
    line.hears(&["assistant: Goodbye.", "audio_start", "180 ms"]);
}

#[test]
fn speech_that_is_still_being_echoed_is_no_silence() {
    let mut line = Line::greeted(silent_after(s(2)));
    line.until(s(1));
    line.says(Input::Audio(voice(5_000)));
    line.until(ms(7_999));
    line.hears(&["audio_start", "5000 ms", "audio_end"]);
    line.until(s(8));
    line.hears(&["assistant: Goodbye.", "audio_start", "180 ms"]);
}

#[test]
fn the_longest_duration_includes_the_closing_words() {
    let mut line = Line::greeted(CallPlan { max_duration: s(10), ..plan() });
    line.talks(&voice(8_000)); // from 0.5 s on
    line.hears(&[
        "audio_start",
        "8000 ms",
        "audio_end",
        "assistant: Goodbye.",
        "audio_start",
        "180 ms",
    ]);
    let finished = line.until_over();
    line.hears(&["820 ms", "audio_end", "call_end max_duration"]);
    assert_eq!(finished.reason, EndReason::MaxDuration);
    assert!(finished.talk >= ms(9_500) && finished.talk < s(10), "{:?}", finished.talk);
}

#[test]
fn a_duration_shorter_than_the_closing_words_cuts_them_short() {
    let mut line = Line::open(CallPlan { max_duration: s(1), ..plan() });
    line.says(Input::Greeting(voice(5_000)));
    line.pass(ms(10));
    line.says(Input::Closing(voice(5_000)));
    let finished = line.until_over();
    line.hears(&[
        "assistant: Hello.",
        "audio_start",
        "180 ms",
        "audio_end",
        "assistant: Goodbye.",
        "audio_start",
        "670 ms",
        "audio_end",
        "call_end max_duration",
    ]);
    assert_eq!(finished.talk, ms(850));
}

#[test]
fn a_closing_phrase_is_said_for_ten_seconds_at_most() {
    let mut line = Line::open(silent_after(s(1)));
    line.says(Input::Closing(voice(15_000)));
    line.says(Input::Greeting(voice(100)));
    let finished = line.until_over();
    assert_eq!(finished.talk, ms(100) + s(1) + s(10));
}

#[test]
fn a_closing_phrase_that_comes_late_is_still_said() {
    let mut line = Line::open(silent_after(s(1)));
    line.says(Input::Greeting(voice(100)));
    line.until(s(2));
    line.hears(&["assistant: Hello.", "audio_start", "100 ms", "audio_end", "assistant: Goodbye."]);
    line.says(Input::Closing(voice(1_000)));
    let finished = line.until_over();
    line.hears(&["audio_start", "1000 ms", "audio_end", "call_end silence"]);
    assert_eq!(finished.talk, s(3));
}

#[test]
fn a_closing_phrase_that_never_comes_is_a_chime_after_three_seconds() {
    let mut line = Line::open(silent_after(s(1)));
    line.says(Input::Greeting(voice(100)));
    let finished = line.until_over();
    assert!(line.audio().ends_with(&tone::chime()), "never silence");
    let talk = ms(1_100) + s(3) + ms(500);
    assert_eq!((finished.reason, finished.talk), (EndReason::Silence, talk));
}

#[test]
fn what_is_queued_is_dropped_when_the_closing_begins() {
    let mut line = Line::greeted(plan());
    line.until(s(1));
    line.says(Input::Audio(voice(60_000)));
    line.pass(s(1));
    line.hears(&["audio_start", "1180 ms"]);
    line.says(Input::DrainBy(ANCHOR + s(3)));
    line.hears(&["audio_end", "assistant: Goodbye."]);
    let finished = line.until_over();
    line.hears(&["audio_start", "670 ms", "audio_end", "call_end draining"]);
    assert_eq!((finished.reason, finished.talk), (EndReason::Draining, ms(2_850)));
}

#[test]
fn a_drain_far_away_lets_the_call_go_on() {
    let mut line = Line::greeted(plan());
    line.says(Input::DrainBy(ANCHOR + s(30)));
    line.talks(&voice(27_000));
    line.hears(&["audio_start", "27000 ms"]);
    let finished = line.until_over();
    assert_eq!(finished.reason, EndReason::Draining);
    assert!(finished.talk > s(29) && finished.talk < s(30), "{:?}", finished.talk);
}

#[test]
fn a_drain_in_the_past_ends_the_call_with_its_transcript() {
    let mut line = Line::greeted(plan());
    line.until(s(5));
    line.says(Input::DrainBy(ANCHOR + s(4)));
    line.hears(&["assistant: Goodbye.", "call_end draining"]);
}

#[test]
fn during_the_closing_words_only_an_end_at_once_changes_the_reason() {
    let closing = || {
        let mut line = Line::greeted(silent_after(s(1)));
        line.until(ms(1_600));
        line.hears(&["assistant: Goodbye.", "audio_start", "280 ms"]);
        line
    };
    let mut line = closing();
    line.says(Input::Audio(voice(20)));
    line.says(crate::call::line::DENIED);
    line.says(Input::DrainBy(ANCHOR + s(60)));
    let finished = line.until_over();
    line.hears(&["720 ms", "audio_end", "call_end silence"]);
    assert_eq!(finished.reason, EndReason::Silence);

    let mut line = closing();
    line.says(Input::EndCall);
    line.hears(&["audio_end", "call_end end_call"]);

    let mut line = closing();
    line.says(Input::End(EndReason::Operator));
    line.hears(&["audio_end", "call_end operator"]);
}

#[test]
fn the_watchdog_knows_when_a_call_is_over_without_the_machine() {
    let mut line = Line::open(CallPlan { max_duration: s(60), ..silent_after(s(5)) });
    assert_eq!(line.machine().must_end_by(), (ANCHOR + s(60), EndReason::MaxDuration));
    line.says(Input::Closing(voice(1_000)));
    line.says(Input::Greeting(voice(500)));
    line.until(ms(500));
    // Silence, closing words with their margin, and a second for the machine to do it by itself.
    let silent = ANCHOR + ms(500) + s(5) + ms(1_500) + s(1);
    assert_eq!(line.machine().must_end_by(), (silent, EndReason::Silence));

    let (mut changes, mut last) = (0, line.machine().must_end_by());
    for _ in 0..10 {
        line.talks(&voice(1_000));
        changes += usize::from(line.machine().must_end_by() != last);
        last = line.machine().must_end_by();
        assert!(last.0 > ANCHOR + line.talk() + s(5), "never while somebody speaks");
    }
    assert!(changes <= 30, "{changes}");

    line.until(s(16));
    assert_eq!(line.machine().must_end_by().1, EndReason::Silence);
    let by = line.machine().must_end_by().0;
    assert!(line.until_over().talk < by - ANCHOR);
}
