//! Two ways to do the same, in turn: how long a frame takes, and what it takes from the heap.

use std::time::Instant;

/// Frames in a round. Every dialect's longest message is made of a divisor of it.
pub const FRAMES: usize = 240;
/// Rounds that warm up, and rounds that are timed; the medians are printed. A round is short, so that
/// most are not interrupted on a machine that has other things to do.
const WARM: usize = 5;
const ROUNDS: usize = 401;

pub fn print_head() {
    println!(
        "{:<50} {:>9} {:>9} {:>7}   allocations",
        "per frame of 20 ms", "plain", "upvoot", "ratio"
    );
}

/// Times a round of each in turn, counts the allocations of one more, and prints both by the frame.
pub fn print_beside(name: &str, plain: &mut dyn FnMut(), ours: &mut dyn FnMut()) {
    let (mut a, mut b) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..WARM + ROUNDS {
        let (on_plain, on_ours) = (nanoseconds(plain), nanoseconds(ours));
        if round >= WARM {
            a.push(on_plain);
            b.push(on_ours);
        }
    }
    let mut ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b / a).collect();
    let (a, b, ratio) = (median(&mut a), median(&mut b), median(&mut ratios));
    let (on_plain, on_ours) = (allocations(plain), allocations(ours));
    println!("{name:<50} {a:>6.0} ns {b:>6.0} ns {ratio:>7.2} {on_plain:>6.2} {on_ours:>6.2}");
}

fn nanoseconds(work: &mut dyn FnMut()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_nanos() as f64 / FRAMES as f64
}

fn allocations(work: &mut dyn FnMut()) -> f64 {
    allocation_counter::measure(work).count_total as f64 / FRAMES as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
