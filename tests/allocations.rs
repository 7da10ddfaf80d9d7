//! What a call may not do fifty times a second: take memory. A thread's allocations are counted while
//! it converts frames, in the steady state that a call is in for all its length.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

use allocation_counter::measure;
use bytes::BytesMut;
use upvoot::audio::{
    format::{Encoding, Format, SERVED_RATES},
    level::is_voiced,
    transcode::Transcoder,
};

fn formats() -> impl Iterator<Item = Format> {
    let encodings = [Encoding::Pcm16, Encoding::Mulaw, Encoding::Alaw];
    encodings.into_iter().flat_map(|encoding| {
        SERVED_RATES.into_iter().map(move |rate| Format::new(encoding, rate).unwrap())
    })
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(std::hint::black_box(vec![0; 100]))).count_total, 1);
}

#[test]
fn a_frame_is_converted_without_allocating() {
    for from in formats() {
        for to in formats() {
            let mut transcoder = Transcoder::new(from, to);
            let mut out = BytesMut::new();
            let frame = vec![0x2a; from.frame_bytes() + 1];
            let mut convert = |bytes: usize| {
                out.clear();
                transcoder.convert(&frame[..bytes], &mut out);
            };
            // The first frames fill what is kept; an odd one is the longest there will be.
            (0..3).for_each(|_| convert(frame.len()));
            let counted = measure(|| (0..20).for_each(|n| convert(frame.len() - n % 4)));
            assert_eq!(counted.count_total, 0, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn a_frame_is_listened_to_without_allocating() {
    for format in formats() {
        let frame = vec![0x2a; format.frame_bytes()];
        assert_eq!(measure(|| assert!(is_voiced(format, &frame))).count_total, 0, "{format:?}");
    }
}
