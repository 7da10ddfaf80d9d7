//! What is kept, and comes out again.

#![allow(clippy::cast_possible_truncation, reason = "tests")]
use std::time::Duration;

use super::{super::Output, *};
use crate::audio::format::Format;

fn outbox() -> Outbox {
    Outbox::new(Format::NATIVE, Duration::from_millis(180), false)
}

fn sent(out: &mut Outbox) -> Vec<Bytes> {
    std::iter::from_fn(|| out.pop())
        .filter_map(|output| match output {
            Output::Audio(frame) => Some(frame),
            _ => None,
        })
        .collect()
}

fn counting(bytes: usize) -> Bytes {
    (0..bytes).map(|i| (i * 7 / 5) as u8).collect()
}

#[test]
fn a_frame_passes_through_without_a_copy() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    let frame = counting(640);
    playback.put(Time::ZERO, frame.clone(), &mut out);
    let sent = sent(&mut out);
    assert_eq!(sent, [&frame]);
    assert_eq!(sent[0].as_ptr(), frame.as_ptr());
    assert_eq!(playback.kept.capacity(), 0);
}

#[test]
fn an_odd_byte_is_carried_into_the_next_frame() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    let stream = counting(641 + 1 + 638);
    let frames = [stream.slice(..641), stream.slice(641..642), stream.slice(642..)];
    let mut heard = Vec::new();
    for frame in frames {
        playback.put(Time::ZERO, frame, &mut out);
        for frame in sent(&mut out) {
            assert_eq!(frame.len() % 2, 0);
            heard.extend_from_slice(&frame);
        }
    }
    assert_eq!(heard, stream);
}

#[test]
fn one_byte_is_a_sample_where_it_is_one() {
    let mut playback = Playback::default();
    let mut out = Outbox::new(Format::PCMU, Duration::from_millis(180), false);
    playback.put(Time::ZERO, counting(161), &mut out);
    assert_eq!(sent(&mut out), [counting(161)]);
    assert_eq!(playback.split_bytes(&out), 0);
}

#[test]
fn a_burst_is_kept_and_released_in_time() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    let burst = counting(32_000);
    let mut now = Time::ZERO;
    playback.put(now, burst.clone(), &mut out);
    while playback.has_samples(&out) {
        now = out.refill_at();
        playback.release(now, &mut out);
    }
    assert_eq!(sent(&mut out).concat(), burst);
    assert_eq!(out.played_at(), Duration::from_secs(1));
    assert!(playback.kept.capacity() <= 4 * 640);
}

#[test]
fn a_mark_is_sent_right_behind_what_was_put_in_before_it() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    playback.mark("at once".to_owned(), &mut out);
    playback.put(Time::ZERO, counting(9_000), &mut out);
    playback.mark("middle".to_owned(), &mut out);
    playback.put(Time::ZERO, counting(1_000), &mut out);
    let mut now = Time::ZERO;
    while playback.has_samples(&out) {
        now = out.refill_at();
        playback.release(now, &mut out);
    }
    let (mut bytes, mut marked_at) = (0, Vec::new());
    while let Some(output) = out.pop() {
        match output {
            Output::Audio(frame) => bytes += frame.len(),
            Output::Mark(_) => marked_at.push(bytes),
            _ => {}
        }
    }
    assert_eq!((marked_at, bytes), (vec![0, 9_000], 10_000));
    let late = now + Duration::from_secs(1);
    let names: Vec<_> = std::iter::from_fn(|| out.marks_mut().overdue(late)).collect();
    assert_eq!(names, ["at once", "middle"]);
}

#[test]
fn beyond_the_bound_the_newest_whole_samples_are_dropped() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    let room = out.room(Time::ZERO);
    playback.put(Time::ZERO, counting(room + MOST - 1), &mut out);
    assert_eq!((playback.kept.len(), playback.dropped_bytes()), (MOST - 1, 0));
    playback.put(Time::ZERO, counting(4), &mut out);
    assert_eq!((playback.kept.len(), playback.dropped_bytes()), (MOST + 1, 2));
    for byte in 1..=100 {
        playback.put(Time::ZERO, counting(1), &mut out);
        let in_step = usize::from(byte % 2 == 0);
        assert_eq!(playback.split_bytes(&out), in_step, "still in step");
        assert!(playback.kept.len() <= MOST + 1);
    }
}

#[test]
fn one_who_stops_when_there_is_no_room_is_heard_to_the_end_and_every_mark_comes() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    let (mut now, mut said, mut heard) = (Time::ZERO, 0, 0);
    let (mut asked, mut marks) = (0, 0);
    let most = 3 * ROOM;
    while said < most || playback.has_samples(&out) {
        // As much as there is room for, with a mark for every second.
        while said < most && playback.has_room(false, &out) {
            playback.put(now, Bytes::from(vec![1; 32_000]), &mut out);
            playback.mark(asked.to_string(), &mut out);
            (said, asked) = (said + 32_000, asked + 1);
        }
        assert!(playback.kept.len() <= ROOM + 32_000, "{}", playback.kept.len());
        now = out.refill_at().max(now);
        playback.release(now, &mut out);
        while let Some(output) = out.pop() {
            match output {
                Output::Audio(frame) => heard += frame.len(),
                Output::Mark(_) => marks += 1,
                _ => {}
            }
        }
        while out.marks_mut().overdue(now).is_some() {}
    }
    assert_eq!((heard, marks, playback.dropped_bytes()), (said, asked, 0));
    assert!(playback.kept.capacity() <= MOST);
}

#[test]
fn marks_without_end_leave_no_room_until_they_were_told() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    playback.put(Time::ZERO, counting(32_000), &mut out);
    let mut asked = 0;
    while playback.has_room(false, &out) {
        playback.mark("m".repeat(256), &mut out);
        asked += 1;
    }
    assert!((1_000..2_000).contains(&asked), "{asked}");
    assert!(playback.has_room(true, &out), "for one who is interrupted");
    let end = Time::from_secs(1);
    while playback.has_samples(&out) {
        playback.release(out.refill_at(), &mut out);
    }
    assert!(!playback.has_room(false, &out), "sent, and not told yet");
    let told = std::iter::from_fn(|| out.marks_mut().overdue(end)).count();
    assert_eq!((told, playback.has_room(false, &out)), (asked, true));
}

#[test]
fn a_key_tone_waits_for_the_sound_before_it() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    playback.tone('1', &mut out);
    playback.put(Time::ZERO, counting(9_000), &mut out);
    playback.tone('2', &mut out);
    playback.put(Time::ZERO, counting(1_000), &mut out);
    while playback.has_samples(&out) {
        playback.release(out.refill_at(), &mut out);
    }
    let (mut bytes, mut tones) = (0, Vec::new());
    while let Some(output) = out.pop() {
        match output {
            Output::Audio(frame) => bytes += frame.len(),
            Output::Tone(key) => tones.push((key, bytes)),
            _ => {}
        }
    }
    assert_eq!(tones, [('1', 0), ('2', 9_000)]);
}

#[test]
fn what_is_cut_takes_its_cues_with_it() {
    let (mut playback, mut out) = (Playback::default(), outbox());
    for name in ["first", "second", "third"] {
        playback.hold(&counting(1_000), &out);
        playback.mark(name.to_owned(), &mut out);
    }
    playback.cut(2_000);
    let left: Vec<_> = playback.cues.iter().map(|(before, _)| *before).collect();
    assert_eq!((playback.kept.len(), left), (2_000, vec![1_000, 2_000]));
    playback.cut(3_000);
    assert_eq!(playback.kept.len(), 2_000);
    playback.clear();
    assert_eq!((playback.cue_bytes, playback.has_samples(&out)), (0, false));
}

#[test]
fn what_is_ignored_leaves_at_most_half_a_sample() {
    let (mut playback, out) = (Playback::default(), outbox());
    playback.ignore(&[1, 2, 3], &out);
    assert_eq!((playback.split_bytes(&out), playback.has_samples(&out)), (1, false));
    playback.ignore(&[], &out);
    assert_eq!(playback.kept, [3]);
    playback.ignore(&[4, 5], &out);
    assert_eq!(playback.kept, [5]);
    playback.ignore(&[6], &out);
    assert_eq!(playback.split_bytes(&out), 0);
}
