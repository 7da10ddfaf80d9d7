//! An agent outside, such as a customer's own bot: it speaks, is interrupted, asks what was heard, hangs
//! up, or is gone.

use upvoot::{
    audio::format::Format,
    call::{CallPlan, Cause, CauseCode, EndReason, FromAgent, Input, Role, Tag, TranscriptLine},
};

use crate::call::line::{BYTES_PER_MS, Line, ms, outside, plan, s, speaks, voice, zeros};

/// A call on a line that tells what it has played.
fn telling() -> CallPlan {
    CallPlan { marks: true, ..outside() }
}

fn mark(name: &str) -> Input {
    Input::Agent(FromAgent::Mark(name.to_owned()))
}

const CLEAR: Input = Input::Agent(FromAgent::Clear);
const HANG_UP: Input = Input::Agent(FromAgent::HangUp);
const GONE: Input = Input::Agent(FromAgent::Gone(Cause::of(CauseCode::BotClosed)));

#[test]
fn the_agent_is_gone_and_the_caller_is_told() {
    let mut line = Line::open(outside());
    line.says(Input::Apology(voice(500)));
    line.says(speaks(voice(3_000)));
    line.hears(&["audio_start", "180 ms"]);
    line.says(GONE);
    line.hears(&["error bot_closed", "audio_end", "assistant: Sorry."]);
    let end = line.until_over();
    line.hears(&["audio_start", "500 ms", "audio_end", "call_end error"]);
    assert_eq!(end.reason, EndReason::Error);
}

#[test]
fn the_apology_is_waited_for_if_it_is_not_rendered_yet() {
    let mut line = Line::open(outside());
    line.says(GONE);
    line.says(Input::Closing(voice(100)));
    line.hears(&["error bot_closed", "assistant: Sorry."]);
    line.says(Input::Apology(voice(500)));
    line.until_over();
    line.hears(&["audio_start", "500 ms", "audio_end", "call_end error"]);
}

#[test]
fn after_the_end_the_agent_is_not_heard_any_more() {
    let mut line = Line::open(outside());
    line.says(Input::Closing(voice(500)));
    line.says(Input::DrainBy(crate::call::line::ANCHOR + s(1)));
    line.hears(&["assistant: Goodbye.", "audio_start", "180 ms"]);
    for late in [speaks(voice(500)), CLEAR, mark("late"), HANG_UP, GONE] {
        line.says(late);
    }
    line.until_over();
    line.hears(&["320 ms", "audio_end", "call_end draining"]);
}

#[test]
fn the_agent_speaks_faster_than_real_time_and_is_paced() {
    let mut line = Line::open(outside());
    let reply = voice(5_000);
    line.says(speaks(reply.clone()));
    line.hears(&["audio_start", "180 ms"]);
    line.pass(s(6));
    line.hears(&["4820 ms", "audio_end"]);
    assert_eq!(line.audio(), reply);
}

#[test]
fn what_the_caller_says_does_not_come_back() {
    let mut line = Line::open(outside());
    line.talks(&voice(1_000));
    line.hears(&[]);
}

#[test]
fn barge_in_takes_back_what_was_not_played() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(5_000)));
    line.pass(s(1));
    line.hears(&["audio_start", "1180 ms"]);
    line.says(CLEAR);
    line.hears(&["clear", "audio_end", "agent: cleared"]);
    line.pass(s(5));
    line.hears(&[]);
    line.says(speaks(voice(100)));
    line.hears(&["audio_start", "100 ms"]);
}

#[test]
fn a_mark_comes_when_the_peer_says_so() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(500)));
    line.says(mark("end of the sentence"));
    line.pass(ms(500));
    line.hears(&["audio_start", "500 ms", "mark"]);
    line.says(Input::Played(line.marks[0]));
    line.hears(&["agent: played end of the sentence"]);
}

#[test]
fn a_mark_that_the_peer_forgets_comes_a_second_late() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(500)));
    line.says(mark("end"));
    line.until(ms(1_499));
    line.hears(&["audio_start", "500 ms", "mark", "audio_end"]);
    line.until(ms(1_500));
    line.hears(&["agent: played end"]);
}

#[test]
fn where_no_peer_tells_a_mark_comes_when_its_sound_has_been_played() {
    let mut line = Line::open(outside());
    line.says(speaks(voice(500)));
    line.says(mark("end"));
    line.until(ms(499));
    line.hears(&["audio_start", "500 ms", "mark"]);
    line.until(ms(500));
    line.hears(&["agent: played end"]);
}

#[test]
fn a_mark_that_comes_back_because_of_a_clear_is_not_taken_for_heard() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(100)));
    line.says(mark("sent"));
    line.says(speaks(voice(1_000)));
    line.says(mark("kept"));
    line.says(CLEAR);
    line.hears(&["audio_start", "100 ms", "mark", "80 ms", "clear", "audio_end", "agent: cleared"]);
    line.says(Input::Played(line.marks[0]));
    line.pass(s(5));
    line.hears(&[]);
    line.says(mark("new"));
    assert_eq!(line.marks[1], Tag { generation: 1, number: 1 });
    line.says(Input::Played(line.marks[1]));
    line.hears(&["mark", "agent: played new"]);
}

#[test]
fn the_agent_hangs_up_once_it_has_been_heard() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(2_000)));
    line.says(HANG_UP);
    line.pass(ms(2_000));
    line.hears(&["audio_start", "2000 ms", "mark"]);
    assert!(line.finished().is_none(), "the peer has not played it yet");
    line.pass(ms(300));
    line.says(Input::Played(line.marks[0]));
    line.hears(&["audio_end", "call_end agent_hangup"]);
    assert_eq!(line.finished().unwrap().talk, ms(2_300));
}

#[test]
fn a_peer_that_never_says_so_holds_the_end_up_for_a_second_only() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(500)));
    line.says(HANG_UP);
    let end = line.until_over();
    assert_eq!((end.reason, end.talk), (EndReason::AgentHangup, ms(1_500)));
}

#[test]
fn a_mark_never_takes_a_call_beyond_what_is_paid_for() {
    let reserved = upvoot::points::Seconds(5);
    let mut line = Line::open(CallPlan { reserved, ..telling() });
    line.says(crate::call::line::DENIED);
    line.says(Input::Closing(voice(4_000)));
    line.says(speaks(zeros(500)));
    let end = line.until_over();
    assert_eq!(end.reason, EndReason::BalanceExhausted);
    assert!(end.talk <= s(5), "{:?}", end.talk);
}

#[test]
fn keys_go_to_the_agent_and_the_agents_keys_to_the_line() {
    let mut line = Line::open(outside());
    line.says(Input::Dtmf('5'));
    line.says(Input::Agent(FromAgent::Dtmf('#')));
    line.hears(&["agent: pressed 5", "tone #"]);
    assert_eq!(line.lines(), [TranscriptLine::Dtmf { digit: '5', at_ms: 0 }]);
}

#[test]
fn the_agent_says_what_was_said() {
    let mut line = Line::open(outside());
    line.pass(s(1));
    let said = FromAgent::Said { role: Role::User, text: "A table for two.".to_owned() };
    line.says(Input::Agent(said));
    line.hears(&["user: A table for two."]);
    let kept = TranscriptLine::Transcript {
        role: Role::User,
        text: "A table for two.".to_owned(),
        at_ms: 1_000,
    };
    assert_eq!(line.lines(), [kept]);
}

/// What is kept of a line, in bytes that are written; less than that is its own measure.
fn written(line: &Line) -> usize {
    line.lines().iter().map(|line| serde_json::to_string(line).unwrap().len()).sum()
}

#[test]
fn a_bot_that_never_stops_talking_fills_no_more_than_is_kept_of_a_call() {
    let plan = CallPlan { transcript_bytes: 100_000, max_duration: s(36_000), ..outside() };
    let mut line = Line::open(CallPlan { silence_timeout: s(36_000), ..plan });
    let said =
        |length| Input::Agent(FromAgent::Said { role: Role::User, text: "x".repeat(length) });
    // A burst: a minute's words are kept, and that more was said.
    for _ in 0..50 {
        line.says(said(1_000));
    }
    let kept = line.lines().len();
    assert_eq!(kept, 31, "30 lines and what stands for the others");
    assert_eq!(line.lines()[30], TranscriptLine::Truncated { at_ms: 0 });
    // Then an hour at the pace of speech, until no more is kept; and the greatest line there is.
    for _ in 0..360 {
        line.pass(s(10));
        line.says(said(1_000));
        line.says(Input::Dtmf('1'));
    }
    line.says(said(64 * 1024));
    let (bytes, lines) = (written(&line), line.lines().to_vec());
    assert!((90_000..100_000).contains(&bytes), "{bytes} bytes");
    let omissions =
        lines.iter().filter(|line| matches!(line, TranscriptLine::Truncated { .. })).count();
    assert_eq!(omissions, 2, "one for the burst and one at the end");
    assert!(matches!(lines.last(), Some(TranscriptLine::Truncated { .. })));
}

#[test]
fn a_caller_who_leans_on_a_key_fills_no_transcript_and_the_agent_hears_of_it_all() {
    let mut line = Line::open(outside());
    for _ in 0..2_000 {
        line.says(Input::Dtmf('5'));
    }
    assert_eq!(line.lines().len(), 513, "512 keys at once, and that there were more");
    line.hears(&["agent: pressed 5"; 2_000]);
    line.pass(s(60));
    line.says(Input::Dtmf('6'));
    let last = TranscriptLine::Dtmf { digit: '6', at_ms: 60_000 };
    assert_eq!(line.lines().last(), Some(&last));
}

#[test]
fn a_greeting_of_ours_comes_first_and_what_the_agent_says_meanwhile_follows() {
    let mut line = Line::open(CallPlan { greeting: Some("Hello.".into()), ..outside() });
    line.says(Input::Greeting(voice(500)));
    line.says(speaks(zeros(200)));
    line.pass(s(2));
    let greeting = ["assistant: Hello.", "audio_start", "500 ms", "audio_end"];
    line.hears(&[&greeting[..], &["audio_start", "200 ms", "audio_end"]].concat());
}

#[test]
fn a_greeting_can_be_interrupted() {
    let mut line = Line::open(CallPlan { greeting: Some("Hello.".into()), ..outside() });
    line.says(Input::Greeting(voice(5_000)));
    line.says(CLEAR);
    line.pass(s(1));
    let heard = ["assistant: Hello.", "audio_start", "180 ms", "clear", "audio_end"];
    line.hears(&[&heard[..], &["agent: cleared"]].concat());
}

#[test]
fn after_its_last_turn_the_agent_takes_its_leave() {
    let mut line = Line::open(CallPlan { max_turns: Some(2), ..outside() });
    line.says(Input::Closing(voice(500)));
    for _ in 0..2 {
        line.talks(&voice(500));
        line.says(speaks(voice(1_000)));
        line.pass(s(2));
    }
    let end = line.until_over();
    assert_eq!(end.reason, EndReason::MaxTurns);
}

#[test]
fn silence_ends_the_call_although_the_bot_streams_zeros() {
    let plan = CallPlan { silence_timeout: s(5), ..outside() };
    let mut line = Line::open(plan);
    line.says(Input::Closing(voice(500)));
    for _ in 0..20 {
        line.says(speaks(zeros(500)));
        line.pass(ms(500));
    }
    assert_eq!(line.until_over().reason, EndReason::Silence);
}

#[test]
fn the_echo_engine_listens_to_no_agent_outside() {
    let mut line = Line::greeted(CallPlan { format: Format::NATIVE, ..plan() });
    line.says(Input::Dtmf('1'));
    line.hears(&[]);
}

#[test]
fn the_timeline_tells_who_was_heard_when() {
    let mut line = Line::open(outside());
    line.talks(&voice(1_000));
    line.pass(ms(500));
    line.says(speaks(voice(2_000)));
    line.pass(s(3));
    line.talks(&voice(200));
    line.says(Input::PeerGone);
    let told: Vec<_> =
        line.stretches.iter().map(|heard| (heard.role, heard.begin_ms, heard.end_ms)).collect();
    let expected =
        [(Role::Assistant, 1_500, 3_500), (Role::User, 0, 980), (Role::User, 4_500, 4_680)];
    assert_eq!(told, expected);
}

/// Many bots stream all the time: their silence is no speech, and answers have waits all the same.
#[test]
fn silence_that_a_bot_sends_is_not_heard() {
    let mut line = Line::open(outside());
    let streams = |line: &mut Line, sound: &[u8]| {
        for frame in sound.chunks(20 * BYTES_PER_MS) {
            line.says(speaks(frame.to_vec().into()));
            line.pass(ms(20));
        }
    };
    streams(&mut line, &zeros(2_000));
    line.says(Input::Audio(voice(20)));
    streams(&mut line, &zeros(1_000));
    streams(&mut line, &voice(600));
    streams(&mut line, &zeros(1_000));
    line.says(Input::PeerGone);
    let told: Vec<_> =
        line.stretches.iter().map(|heard| (heard.role, heard.begin_ms, heard.end_ms)).collect();
    assert_eq!(told, [(Role::Assistant, 3_000, 3_600), (Role::User, 2_000, 2_000)]);

    let mut silent = Line::open(outside());
    streams(&mut silent, &zeros(3_000));
    silent.says(Input::PeerGone);
    assert_eq!(silent.stretches, []);
}

#[test]
fn what_was_taken_back_was_not_heard() {
    let mut line = Line::open(telling());
    line.says(speaks(voice(5_000)));
    line.pass(s(1));
    line.says(CLEAR);
    let heard = &line.stretches[0];
    assert_eq!((heard.begin_ms, heard.end_ms), (0, 1_000));
}
