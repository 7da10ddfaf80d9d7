//! How a call lives within its reservation.

use upvoot::{
    call::{CallPlan, EndReason, Input, Reserve},
    points::Seconds,
};

use crate::call::line::{ANCHOR, DENIED, Line, UNAVAILABLE, granted, ms, plan, s, voice};

fn reserved(seconds: i64) -> CallPlan {
    CallPlan { reserved: Seconds(seconds), ..plan() }
}

#[test]
fn a_call_asks_in_time_and_goes_on() {
    let mut line = Line::greeted(reserved(60));
    line.until(ms(39_999));
    assert_eq!(line.asked, 0);
    line.until(s(40));
    assert_eq!(line.asked, 1);
    line.says(granted(120));
    line.until(s(99));
    assert_eq!(line.asked, 1);
    line.until(s(101));
    assert_eq!(line.asked, 2);
    line.hears(&[]);
    assert!(line.finished().is_none());
}

#[test]
fn denied_it_says_goodbye_early_enough() {
    let mut line = Line::greeted(reserved(60));
    line.ledger = Some(Reserve::Denied);
    let finished = line.until_over();
    line.hears(&[
        "assistant: Goodbye.",
        "audio_start",
        "1000 ms",
        "audio_end",
        "call_end balance_exhausted",
    ]);
    assert_eq!((finished.reason, finished.talk), (EndReason::BalanceExhausted, ms(59_500)));
    assert_eq!(Seconds::started(finished.talk), Seconds(60));
    assert_eq!(line.asked, 19, "from 40 s to 58 s, every second");
}

#[test]
fn a_top_up_made_meanwhile_saves_the_call() {
    let mut line = Line::greeted(reserved(60));
    line.until(s(40));
    line.says(DENIED);
    line.until(s(57));
    line.says(DENIED);
    line.until(s(58));
    line.says(granted(120));
    line.until(s(90));
    line.hears(&[]);
    assert!(line.finished().is_none());
}

#[test]
fn a_small_grant_is_used_to_its_end() {
    let mut line = Line::greeted(reserved(60));
    line.until(s(40));
    line.ledger = Some(Reserve::Denied);
    line.says(granted(67));
    line.until(s(47));
    assert_eq!(line.asked, 2);
    let finished = line.until_over();
    assert_eq!((finished.reason, finished.talk), (EndReason::BalanceExhausted, ms(66_500)));
}

#[test]
fn a_reservation_shorter_than_the_closing_words_closes_at_once() {
    let mut line = Line::open(reserved(1));
    assert_eq!(line.asked, 1);
    line.says(Input::Closing(voice(2_000)));
    line.says(Input::Greeting(voice(2_000)));
    let finished = line.until_over();
    line.hears(&[
        "assistant: Goodbye.",
        "audio_start",
        "850 ms",
        "audio_end",
        "call_end balance_exhausted",
    ]);
    assert_eq!((finished.reason, finished.talk), (EndReason::BalanceExhausted, ms(850)));
}

#[test]
fn a_short_reservation_greets_and_takes_leave() {
    let mut line = Line::greeted(reserved(5));
    line.talks(&voice(5_000));
    let finished = line.until_over();
    line.hears(&[
        "audio_start",
        "3000 ms",
        "audio_end",
        "assistant: Goodbye.",
        "audio_start",
        "1000 ms",
        "audio_end",
        "call_end balance_exhausted",
    ]);
    assert_eq!((finished.reason, finished.talk), (EndReason::BalanceExhausted, ms(4_500)));
}

#[test]
fn an_outage_is_bridged_and_a_later_grant_goes_on() {
    let mut line = Line::greeted(reserved(60));
    line.ledger = Some(Reserve::Unavailable);
    line.until(s(89));
    assert_eq!(line.asked, 25, "every two seconds");
    line.ledger = Some(Reserve::Granted { total: Seconds(120) });
    line.until(s(99));
    assert_eq!(line.asked, 26);
    line.until(s(100));
    assert_eq!(line.asked, 27, "again with 20 s left");
    line.hears(&[]);
}

#[test]
fn an_outage_without_any_answer_is_bridged_for_a_minute_and_no_longer() {
    let mut line = Line::greeted(reserved(60));
    let finished = line.until_over();
    assert_eq!((finished.reason, finished.talk), (EndReason::BalanceExhausted, ms(119_500)));
    line.hears(&[
        "assistant: Goodbye.",
        "audio_start",
        "1000 ms",
        "audio_end",
        "call_end balance_exhausted",
    ]);
    // Asked at 40 s, given up at 46, asked at 48, given up at 54 ...
    assert_eq!(line.asked, 10);
}

#[test]
fn a_refusal_after_a_bridge_closes_at_once_with_all_its_words() {
    let mut line = Line::greeted(reserved(60));
    line.until(s(40));
    line.says(UNAVAILABLE);
    line.until(s(80));
    line.says(DENIED);
    line.hears(&["assistant: Goodbye.", "audio_start", "180 ms"]);
    let finished = line.until_over();
    assert_eq!((finished.reason, finished.talk), (EndReason::BalanceExhausted, s(81)));
}

#[test]
fn a_refusal_before_the_bridge_was_needed_leaves_what_is_paid_for() {
    let mut line = Line::greeted(reserved(60));
    line.until(s(40));
    line.says(UNAVAILABLE);
    line.ledger = Some(Reserve::Denied);
    line.until(s(45));
    line.hears(&[]);
    assert_eq!(line.until_over().talk, ms(59_500));
}

#[test]
fn a_call_that_is_over_before_its_reservation_asks_for_nothing() {
    let mut line = Line::greeted(CallPlan { max_duration: s(60), ..reserved(60) });
    assert_eq!(line.machine().must_end_by(), (ANCHOR + s(60), EndReason::MaxDuration));
    let finished = line.until_over();
    assert_eq!((finished.reason, line.asked), (EndReason::MaxDuration, 0));
}

#[test]
fn a_machine_that_is_woken_late_never_charges_more_than_was_reserved() {
    let mut line = Line::greeted(reserved(60));
    line.until(s(40));
    line.says(DENIED);
    line.oversleeps(s(30));
    line.hears(&["assistant: Goodbye.", "call_end balance_exhausted"]);
    assert_eq!(line.finished().unwrap().talk, s(60));
}

#[test]
fn the_watchdog_follows_the_reservation() {
    let mut line = Line::greeted(reserved(60));
    let points = EndReason::BalanceExhausted;
    assert_eq!(line.machine().must_end_by(), (ANCHOR + s(60), points));
    line.until(s(40));
    line.says(UNAVAILABLE);
    assert_eq!(line.machine().must_end_by(), (ANCHOR + s(120), points));
    line.says(granted(120));
    assert_eq!(line.machine().must_end_by(), (ANCHOR + s(120), points));
}
