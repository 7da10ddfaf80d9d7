//! The echo engine: every byte comes back, soon and in order.

use bytes::Bytes;
use upvoot::{
    audio::format::Format,
    call::{CallPlan, Input, TranscriptLine},
};

use crate::call::line::{BYTES_PER_MS, Line, ms, plan, s, voice, zeros};

#[test]
fn a_frame_comes_back_at_once() {
    let mut line = Line::greeted(plan());
    line.audio();
    line.says(Input::Audio(voice(20)));
    line.hears(&["audio_start", "20 ms"]);
    assert_eq!(line.audio(), voice(20));
}

#[test]
fn silence_comes_back_too() {
    let mut line = Line::greeted(plan());
    line.talks(&zeros(1_000));
    line.hears(&["audio_start", "1000 ms"]);
}

#[test]
fn a_stretch_ends_after_a_pause_of_400_ms_and_not_before() {
    let mut line = Line::greeted(plan());
    line.talks(&voice(100)); // the last frame is sent at 80 ms
    line.pass(ms(379));
    line.hears(&["audio_start", "100 ms"]);
    line.says(Input::Audio(voice(20)));
    line.pass(ms(399));
    line.hears(&["20 ms"]);
    line.pass(ms(1));
    line.hears(&["audio_end"]);
    line.says(Input::Audio(voice(20)));
    line.hears(&["audio_start", "20 ms"]);
}

#[test]
fn odd_frames_come_back_as_whole_samples() {
    let mut line = Line::greeted(plan());
    line.audio();
    let stream = voice(200);
    let mut rest = stream.clone();
    for size in [1, 1, 1, 639, 641, 3, 5, 1_001, 2_000] {
        line.says(Input::Audio(rest.split_to(size)));
        line.says(Input::Audio(Bytes::new()));
        line.pass(ms(size as u64 / BYTES_PER_MS as u64));
    }
    line.pass(s(1));
    assert_eq!(line.audio(), stream[..4_292]);
    line.says(Input::Audio(rest));
    line.pass(s(1));
    assert_eq!(line.audio(), stream[4_292..]);
}

#[test]
fn a_burst_is_queued_and_returned_in_real_time() {
    let mut line = Line::greeted(plan());
    line.audio();
    line.until(s(1));
    line.wake_ups = 0;
    let burst = voice(10_000);
    line.says(Input::Audio(burst.slice(..200_001)));
    line.says(Input::Audio(burst.slice(200_001..)));
    line.hears(&["audio_start", "180 ms"]);
    line.pass(s(5));
    line.hears(&["5000 ms"]);
    line.pass(s(6));
    line.hears(&["4820 ms", "audio_end"]);
    assert_eq!(line.audio(), burst);
    assert!(line.wake_ups <= 105, "{} wake-ups for ten seconds", line.wake_ups);
}

#[test]
fn every_byte_of_a_jittery_caller_is_back_within_300_ms() {
    let mut line = Line::greeted(plan());
    line.audio();
    let (stream, mut sent, mut back) = (voice(20_000), 0, 0);
    // 200 ms at a time, and now and then a hiccup.
    for round in 0..95 {
        let late = [0, 0, 40, 0, 80][round % 5];
        line.pass(ms(late));
        line.says(Input::Audio(stream.slice(sent..sent + 200 * BYTES_PER_MS)));
        sent += 200 * BYTES_PER_MS;
        line.pass(ms(200 - late));
        back += line.audio().len();
        assert!(sent - back <= 100 * BYTES_PER_MS, "round {round}: {} bytes kept", sent - back);
    }
}

#[test]
fn an_hour_of_echo_takes_three_wake_ups_a_second_at_most() {
    let mut line = Line::greeted(plan());
    let minute = voice(60_000);
    line.talks(&minute);
    assert!(line.wake_ups <= 180, "{} wake-ups for a minute", line.wake_ups);
}

#[test]
fn a_call_in_which_nothing_happens_sleeps() {
    let mut line = Line::greeted(plan());
    line.pass(s(500));
    assert!(line.wake_ups <= 1, "{}", line.wake_ups);
}

#[test]
fn dialling_is_noted_and_not_echoed() {
    let mut line = Line::greeted(plan());
    line.until(s(2));
    line.says(Input::Dtmf('#'));
    line.hears(&[]);
    assert_eq!(line.lines().last(), Some(&TranscriptLine::Dtmf { digit: '#', at_ms: 2_000 }));
}

#[test]
fn what_comes_faster_than_can_be_kept_is_counted() {
    let mut line = Line::greeted(plan());
    line.until(s(1));
    for _ in 0..14 {
        line.says(Input::Audio(Bytes::from(vec![0; 1 << 20])));
    }
    line.says(Input::EndCall);
    let dropped = line.finished().unwrap().dropped_bytes;
    let kept = (12 << 20) + (128 << 10) + 180 * BYTES_PER_MS as u64;
    assert_eq!(dropped, (14 << 20) - kept, "12 MiB are kept");
}

#[test]
fn a_call_in_mu_law_returns_every_byte_in_its_own_time() {
    let plan = CallPlan { format: Format::PCMU, ..plan() };
    let mut line = Line::open(plan);
    line.says(Input::Greeting(Bytes::from(vec![0x80; 4_000])));
    line.until(ms(500));
    line.hears(&["assistant: Hello.", "audio_start", "500 ms", "audio_end"]);
    line.audio();
    let burst: Bytes = (0..16_001).map(|n| (n % 256) as u8).collect();
    line.says(Input::Audio(burst.clone()));
    line.hears(&["audio_start", "180 ms"]);
    line.pass(s(3));
    assert_eq!(line.audio(), burst);
}
