use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::call::event::{EndReason, Role};

fn line(digit: char) -> TranscriptLine {
    TranscriptLine::Dtmf { digit, at_ms: 0 }
}

fn said(bytes: usize) -> TranscriptLine {
    TranscriptLine::Transcript { role: Role::User, text: "x".repeat(bytes), at_ms: 7 }
}

fn finished(call_id: CallId, transcript: Vec<TranscriptLine>) -> Finished {
    Finished {
        call_id,
        account_id: AccountId::new(),
        reason: EndReason::EndCall,
        cause: None,
        talk: Duration::from_secs(1),
        ended_stamp_ms: 0,
        ended_at: 0,
        transcript,
    }
}

fn recognised(call_id: CallId, account_id: AccountId) -> Recognised {
    Recognised {
        call_id,
        account_id,
        talk_started_ms: 0,
        dialect: "native",
        from: None,
        to: None,
        provider_call_id: None,
        custom_parameters: BTreeMap::new(),
    }
}

/// So many calls of a new account, each with so many lines to be written.
fn chatty(live: &mut LiveCalls, calls: usize, lines: usize) -> Vec<CallId> {
    let (account, calls) =
        (AccountId::new(), (0..calls).map(|_| CallId::new()).collect::<Vec<_>>());
    for call in &calls {
        live.recognised(recognised(*call, account));
        (0..lines).for_each(|_| live.note(*call, line('1')));
    }
    calls
}

#[test]
fn noted_lines_are_known_by_their_position() {
    let (mut live, call) = (LiveCalls::default(), CallId::new());
    live.note(call, line('1'));
    live.note(call, line('2'));
    let (_, notes) = live.next_piece().remove(0);
    live.note(call, line('3'));
    live.written(call, &notes);
    let whole = ['1', '2', '3', '4'].map(line).to_vec();
    let (settlement, _) = live.finish(finished(call, whole));
    assert_eq!(settlement.lines, (2, vec![line('3'), line('4')]));
    assert!(!live.is_unwritten() && live.next_piece().is_empty());
}

#[test]
fn notes_alone_make_a_transcript_too() {
    let (mut live, call) = (LiveCalls::default(), CallId::new());
    live.note(call, line('1'));
    assert_eq!(live.finish(finished(call, Vec::new())).0.lines, (0, vec![line('1')]));
}

#[test]
fn a_piece_is_bounded_and_all_of_them_make_the_whole() {
    let mut live = LiveCalls::default();
    let calls = chatty(&mut live, 3, 400);
    let mut written: HashMap<CallId, usize> = HashMap::new();
    let mut pieces = 0;
    loop {
        let piece = live.next_piece();
        if piece.is_empty() {
            break;
        }
        let rows: usize = piece.iter().map(|(_, notes)| notes.rows()).sum();
        assert!(rows <= ROWS_AT_ONCE + piece.len(), "{rows} rows");
        for (call, notes) in piece {
            let before = written.entry(call).or_default();
            assert_eq!(notes.first, i32::try_from(*before).unwrap(), "in order");
            *before += notes.lines.len();
            live.written(call, &notes);
        }
        pieces += 1;
    }
    assert_eq!(calls.iter().map(|call| written[call]).sum::<usize>(), 1_200);
    assert!(pieces >= 1_200 / ROWS_AT_ONCE);
    assert_eq!(live.memory.taken(), 0);
}

#[test]
fn long_lines_make_a_piece_of_few_rows() {
    let (mut live, call) = (LiveCalls::default(), CallId::new());
    (0..20).for_each(|_| live.note(call, said(30_000)));
    assert_eq!(live.next_piece()[0].1.lines.len(), 3);
}

#[test]
fn an_account_that_never_stops_talking_holds_up_its_own_notes_and_no_others() {
    let mut live = LiveCalls::default();
    chatty(&mut live, 150, 400);
    let modest = chatty(&mut live, 1, 1);
    let first = live.next_piece();
    assert!(first.iter().any(|(call, _)| *call == modest[0]), "it is in the very first piece");
    assert!(first.len() > 1, "and another is in it too");
}

#[test]
fn a_piece_that_could_not_be_written_comes_again_and_nothing_comes_twice_at_once() {
    let (mut live, call) = (LiveCalls::default(), CallId::new());
    live.note(call, line('1'));
    let (_, notes) = live.next_piece().remove(0);
    live.note(call, line('2'));
    assert!(live.next_piece().is_empty(), "its first piece is on its way");
    live.not_written(call);
    let (_, again) = live.next_piece().remove(0);
    assert_eq!((again.first, again.lines.len()), (notes.first, 2));
}

#[test]
fn while_nothing_can_be_written_memory_is_bounded_and_one_account_leaves_room_for_another() {
    let mut live = LiveCalls::default();
    let greedy = chatty(&mut live, 100, 0);
    for _ in 0..20 {
        greedy.iter().for_each(|call| live.note(*call, said(32 * 1024)));
    }
    assert!(live.memory.taken() <= BYTES_OF_ACCOUNT, "of 64 MB that were said");
    let modest = chatty(&mut live, 1, 3);
    assert_eq!(live.finish(finished(modest[0], Vec::new())).0.lines.1, vec![line('1'); 3]);
    // What was left out is one line, and ended calls take their memory until they are settled.
    let mut held = Vec::new();
    for call in greedy {
        let (settlement, bytes) = live.finish(finished(call, Vec::new()));
        let lines = settlement.lines.1;
        assert!(lines.len() < 20 && lines.last() == Some(&TranscriptLine::Truncated { at_ms: 7 }));
        held.push(bytes);
    }
    assert!(live.memory.taken() > BYTES_OF_ACCOUNT - 64 * 1024);
    held.into_iter().for_each(|held| live.settled(held));
    assert!(live.memory.taken() < 1_000, "the modest call is not settled yet");
}

#[test]
fn stretches_beyond_those_that_are_stored_are_not_kept() {
    let (mut live, call) = (LiveCalls::default(), CallId::new());
    for ms in 0..5_000 {
        live.heard(call, Stretch { role: Role::User, begin_ms: ms, end_ms: ms });
    }
    let (settlement, _) = live.finish(finished(call, Vec::new()));
    assert_eq!(settlement.stretches.1.len(), usize::try_from(stretches::MOST).unwrap());
}
