//! An agent outside is never lied to: what it says is played to the last sample, however far ahead it
//! is, its marks and key tones keep their place in it, and what is not played it learns.

use std::collections::VecDeque;

use bytes::Bytes;
use upvoot::{
    audio::format::Format,
    call::{CallPlan, EndReason, FromAgent, Input},
};

use crate::call::line::{ANCHOR, BYTES_PER_MS, Line, ms, outside, s, speaks, voice, zeros};

const CLEAR: Input = Input::Agent(FromAgent::Clear);
const HANG_UP: Input = Input::Agent(FromAgent::HangUp);

fn mark(name: &str) -> Input {
    Input::Agent(FromAgent::Mark(name.to_owned()))
}

fn tone(key: char) -> Input {
    Input::Agent(FromAgent::Dtmf(key))
}

/// A line that tells what it has played, and on which the caller may be silent for long.
fn telling() -> CallPlan {
    CallPlan { marks: true, ..outside() }
}

/// A telephone line, on which nothing is at our own rate.
fn telephone() -> CallPlan {
    CallPlan { format: Format::PCMU, ..outside() }
}

/// Says all of it as fast as it is listened to, until it has been played; gives how often it waited.
fn says_all(line: &mut Line, all: impl IntoIterator<Item = Input>) -> usize {
    let mut all: VecDeque<_> = all.into_iter().collect();
    let mut waited = 0;
    while !all.is_empty() {
        while line.has_room()
            && let Some(next) = all.pop_front()
        {
            line.says(next);
        }
        if !all.is_empty() {
            waited += 1;
            line.pass(ms(200));
        }
    }
    waited
}

fn played(names: impl IntoIterator<Item = usize>) -> Vec<String> {
    names.into_iter().map(|n| format!("agent: played {n}")).collect()
}

#[test]
fn eighty_seconds_said_at_once_are_heard_and_the_mark_behind_them_comes_with_the_last() {
    let mut line = Line::open(outside());
    for n in 0..80 {
        assert!(line.has_room(), "{n} s");
        line.says(speaks(voice(60_000).slice(n * 700 * BYTES_PER_MS..).slice(..32_000)));
    }
    line.says(mark("end"));
    line.until(ms(79_990));
    line.hears(&["audio_start", "80000 ms", "mark"]);
    line.until(s(80));
    line.hears(&["agent: played end"]);
}

#[test]
fn ten_minutes_are_heard_to_the_byte_by_one_who_waits_when_there_is_no_room() {
    let mut line = Line::open(outside());
    let seconds = 600;
    let second = |n: usize| voice(60_000).slice((n % 59) * 32_000..).slice(..32_000);
    let all = (0..seconds).flat_map(|n| [speaks(second(n)), mark(&n.to_string())]);
    let waited = says_all(&mut line, all);
    assert!(waited > 2_000, "it waited while some eight minutes were played: {waited}");
    line.pass(s(600));
    let expected: Vec<u8> = (0..seconds).flat_map(|n| second(n).to_vec()).collect();
    assert!(line.audio() == expected, "nothing is lost or out of place");
    let told: Vec<_> = line.heard_of("agent: ").collect();
    assert_eq!(told, played(0..seconds));
}

#[test]
fn a_caller_who_speaks_makes_room_for_the_clear() {
    let mut line = Line::open(telling());
    while line.has_room() {
        line.says(speaks(voice(1_000)));
    }
    line.pass(s(1));
    line.says(speaks(voice(2_000)));
    assert!(!line.has_room());
    line.says(Input::Audio(zeros(20)));
    assert!(!line.has_room(), "silence interrupts nobody");
    line.says(Input::Audio(voice(20)));
    for n in 0..120 {
        assert!(line.has_room(), "{n} s more");
        line.says(speaks(voice(1_000)));
    }
    line.pass(ms(4_900));
    assert!(line.has_room());
    line.says(CLEAR);
    assert!(line.heard_of("agent: cleared").next().is_some());
    line.pass(s(200));
    line.audio();
    line.says(speaks(voice(100)));
    line.pass(s(1));
    assert_eq!(line.audio(), voice(100));
}

#[test]
fn room_for_the_clear_is_not_there_for_ever() {
    let mut line = Line::open(outside());
    line.says(Input::Dtmf('0'));
    while line.has_room() {
        line.says(speaks(voice(1_000)));
    }
    line.pass(s(10));
    assert!(!line.has_room(), "nobody has interrupted for ten seconds");
    line.says(Input::Dtmf('0'));
    assert!(line.has_room());
    line.pass(s(260));
    assert!(line.has_room());
}

#[test]
fn a_mark_behind_every_frame_comes_back_each_once_and_in_order() {
    for plan in [outside(), telling(), CallPlan { marks: true, ..telephone() }] {
        let mut line = Line::open(plan);
        for n in 0..150 {
            line.says(speaks(voice(20)));
            line.says(mark(&n.to_string()));
        }
        line.pass(s(5));
        let told: Vec<_> = line.heard_of("agent: ").collect();
        assert_eq!(told, played(0..150));
    }
}

#[test]
fn marks_with_nothing_between_them_come_back_too() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(100)));
    let waited = says_all(&mut line, (0..20_000).map(|n| mark(&n.to_string())));
    assert!(waited > 0, "there were too many at once");
    line.pass(s(5));
    let told: Vec<_> = line.heard_of("agent: ").collect();
    assert_eq!(told, played(0..20_000));
}

#[test]
fn marks_and_key_tones_keep_their_place_although_the_agent_hangs_up() {
    let mut line = Line::open(outside());
    line.says(speaks(voice(1_000)));
    line.says(mark("first"));
    line.says(tone('1'));
    line.says(speaks(voice(500)));
    line.says(tone('2'));
    line.says(mark("last"));
    line.says(HANG_UP);
    line.until(ms(999));
    line.hears(&["audio_start", "1000 ms", "mark", "tone 1", "80 ms"]);
    let end = line.until_over();
    assert_eq!((end.reason, end.talk), (EndReason::AgentHangup, ms(1_500)));
    let rest = ["agent: played first", "420 ms", "tone 2", "mark", "agent: played last"];
    line.hears(&[&rest[..], &["audio_end", "call_end agent_hangup"]].concat());
}

#[test]
fn an_agent_that_hangs_up_too_late_is_heard_as_far_as_the_call_may_last() {
    let mut line = Line::open(CallPlan { max_duration: s(10), ..outside() });
    line.says(Input::Closing(voice(1_000)));
    line.says(speaks(voice(20_000)));
    line.says(mark("never reached"));
    line.pass(s(1));
    line.says(HANG_UP);
    let end = line.until_over();
    assert_eq!(end.reason, EndReason::AgentHangup);
    assert!(end.talk > s(9) && end.talk <= s(10), "{:?}", end.talk);
    assert_eq!(line.heard_of("agent: ").count(), 0);
}

#[test]
fn an_agent_whose_words_are_cut_short_by_the_end_learns_it() {
    let mut line = Line::open(CallPlan { max_duration: s(10), ..outside() });
    line.says(Input::Closing(voice(1_000)));
    line.says(speaks(voice(20_000)));
    line.says(mark("never reached"));
    line.until_over();
    let told: Vec<_> = line.heard_of("agent: ").collect();
    assert_eq!(told, ["agent: cleared"]);
}

#[test]
fn what_is_said_during_our_greeting_is_no_silence() {
    let plan = CallPlan { greeting: Some("Hello.".into()), silence_timeout: s(5), ..outside() };
    let mut line = Line::open(plan);
    line.says(Input::Closing(voice(500)));
    line.says(Input::Greeting(voice(500)));
    line.says(speaks(voice(30_000)));
    let end = line.until_over();
    assert_eq!(end.reason, EndReason::Silence);
    assert!(end.talk > s(35), "{:?}", end.talk);
}

#[test]
fn on_a_telephone_line_the_last_sample_is_heard_at_the_end_of_a_stretch() {
    // At once, as it is spoken, less than the converter works on at a time, and with a hang-up behind.
    let mut at_once = Line::open(telephone());
    at_once.says(speaks(voice(1_000)));
    at_once.pass(s(2));
    at_once.hears(&["audio_start", "1000 ms", "audio_end"]);

    let mut short = Line::open(telephone());
    short.says(speaks(voice(100)));
    short.until(ms(301));
    short.hears(&["audio_start", "100 ms"]);

    let mut slowly = Line::open(telephone());
    for frame in voice(1_000).chunks(20 * BYTES_PER_MS) {
        slowly.says(speaks(Bytes::copy_from_slice(frame)));
        slowly.pass(ms(20));
    }
    slowly.pass(s(1));
    slowly.hears(&["audio_start", "1000 ms", "audio_end"]);

    let mut tiny = Line::open(telephone());
    tiny.says(speaks(voice(2)));
    tiny.pass(s(1));
    tiny.hears(&["audio_start", "2 ms", "audio_end"]);

    let mut hung_up = Line::open(telephone());
    hung_up.says(speaks(voice(1_000)));
    hung_up.says(HANG_UP);
    hung_up.until_over();
    hung_up.hears(&["audio_start", "1000 ms", "audio_end", "call_end agent_hangup"]);
}

#[test]
fn on_a_telephone_line_nothing_of_what_was_cleared_is_heard_after_it() {
    let loud = Bytes::from([0xff, 0x5f].repeat(16 * 5_000));
    for pause in [0, 50, 3_000] {
        let mut line = Line::open(telephone());
        line.says(speaks(loud.clone()));
        line.pass(ms(pause));
        line.says(CLEAR);
        line.audio();
        line.says(speaks(zeros(500)));
        line.pass(s(2));
        let heard = line.audio();
        assert_eq!(heard.len(), 4_000, "after {pause} ms");
        assert!(heard.iter().all(|code| *code == 0xff), "after {pause} ms: {heard:?}");
    }
}

#[test]
fn without_an_end_of_the_greeting_the_agent_waits_too() {
    let mut line = Line::open(CallPlan { greeting: Some("Hello.".into()), ..outside() });
    line.says(Input::DrainBy(ANCHOR + s(3_000)));
    let waited = says_all(&mut line, (0..200).map(|_| speaks(voice(1_000))));
    assert!(waited > 0);
    line.says(Input::PeerGone);
    assert_eq!(line.finished().unwrap().dropped_bytes, 0);
}
