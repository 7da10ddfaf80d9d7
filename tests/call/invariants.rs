//! Whatever happens, in whatever order and however late: what holds for every call. The line itself
//! checks pace, stretches, whole samples, progress and that nothing follows the end.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use upvoot::{
    audio::format::Format,
    call::{CallPlan, Cause, CauseCode, EndReason, FromAgent, Input, Reserve, Role, Tag},
    points::Seconds,
};

use crate::call::line::{ANCHOR, DENIED, Line, ms, outside, plan, s, speaks, voice};

#[derive(Debug, Clone)]
enum Act {
    Says(Input),
    Pass(u64),
    Oversleep(u64),
}

fn input() -> impl Strategy<Value = Input> {
    let sound = || (0_usize..3_000).prop_map(|bytes| voice(100).slice(..bytes));
    let phrase = || (0_usize..120_000).prop_map(|bytes| voice(4_000).slice(..bytes));
    let answer = prop_oneof![
        (0_i64..200).prop_map(|total| Reserve::Granted { total: Seconds(total) }),
        Just(Reserve::Denied),
        Just(Reserve::Unavailable),
    ];
    prop_oneof![
        20 => sound().prop_map(Input::Audio),
        1 => Just(Input::Audio(Bytes::from(vec![7; 1 << 20]))),
        2 => phrase().prop_map(Input::Greeting),
        2 => phrase().prop_map(Input::Closing),
        2 => phrase().prop_map(Input::Apology),
        2 => Just(Input::Dtmf('1')),
        2 => (0_u32..3, 0_u32..6).prop_map(|(generation, number)| {
            Input::Played(Tag { generation, number })
        }),
        8 => sound().prop_map(|sound| speaks(sound.slice(..sound.len() & !1))),
        6 => from_agent().prop_map(Input::Agent),
        4 => answer.prop_map(Input::Reservation),
        1 => (0_u64..100).prop_map(|at| Input::DrainBy(ANCHOR + s(at))),
        4 => Just(Input::Tick),
    ]
}

fn from_agent() -> impl Strategy<Value = FromAgent> {
    prop_oneof![
        8 => Just(FromAgent::Clear),
        8 => Just(FromAgent::Mark("m".to_owned())),
        2 => Just(FromAgent::Dtmf('5')),
        2 => Just(FromAgent::Said { role: Role::User, text: "Hm.".to_owned() }),
        1 => Just(FromAgent::HangUp),
        1 => Just(FromAgent::Gone(Cause::of(CauseCode::BotClosed))),
    ]
}

fn end() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::EndCall),
        Just(Input::PeerGone),
        Just(Input::End(EndReason::Operator)),
        Just(Input::Fault(Cause::of(CauseCode::ProtocolError))),
        Just(Input::Tick),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => input().prop_map(Act::Says),
        8 => (0_u64..300).prop_map(Act::Pass),
        1 => (300_u64..10_000).prop_map(Act::Pass),
        2 => (0_u64..2_000).prop_map(Act::Oversleep),
    ]
}

fn any_plan() -> impl Strategy<Value = CallPlan> {
    let limits = (1_u64..120, 1_u64..60, 1_i64..70);
    let agent = (any::<bool>(), any::<bool>(), prop::option::of(1_u32..4));
    let format = prop::sample::select(vec![Format::NATIVE, Format::PCMU]);
    (limits, agent, format).prop_map(|(limits, agent, format)| {
        let ((max_duration, silence, reserved), (is_outside, marks, max_turns)) = (limits, agent);
        CallPlan {
            max_duration: s(max_duration),
            silence_timeout: s(silence),
            reserved: Seconds(reserved),
            max_turns,
            marks,
            format,
            ..if is_outside { outside() } else { plan() }
        }
    })
}

proptest! {
    #![proptest_config(crate::properties())]

    #[test]
    fn every_call_ends_once_and_costs_no_more_than_it_may(
        plan in any_plan(),
        acts in prop::collection::vec(act(), 0..120),
        end in end(),
    ) {
        let mut line = Line::open(plan.clone());
        line.ledger = Some(Reserve::Denied);
        line.says(DENIED);
        let (mut granted, mut bridged) = (plan.reserved, Duration::ZERO);
        for act in acts {
            match act {
                Act::Says(input) => {
                    match input {
                        Input::Reservation(Reserve::Granted { total }) => granted = granted.max(total),
                        Input::Reservation(Reserve::Unavailable) => bridged = s(60),
                        _ => {}
                    }
                    line.says(input);
                }
                Act::Pass(time) => line.pass(ms(time)),
                Act::Oversleep(time) => line.oversleeps(ms(time)),
            }
        }
        line.says(end);
        let talk = line.talk();
        let finished = line.until_over();
        prop_assert!(finished.talk <= granted.duration() + bridged);
        prop_assert!(finished.talk <= plan.max_duration.max(talk), "unless woken too late");
    }

    #[test]
    fn the_echo_is_what_was_said_byte_for_byte(
        frames in prop::collection::vec((0_usize..30_000, 0_u64..400, any::<bool>()), 1..60),
    ) {
        let mut line = Line::greeted(plan());
        line.audio();
        let stream = voice(60_000);
        let mut rest = stream.clone();
        for (bytes, time, late) in frames {
            line.says(Input::Audio(rest.split_to(bytes)));
            if late { line.oversleeps(ms(time)) } else { line.pass(ms(time)) }
        }
        line.pass(s(60));
        let said = stream.len() - rest.len();
        let whole = said - said % 2;
        prop_assert!(line.audio() == stream[..whole]);
    }
}
