//! What the front door costs, beside a bare actix-web-actors echo in the same run.
//!
//! `cargo bench --bench front_door` starts both servers as processes of their own, does the same to
//! each in turn, and prints the CPU time and memory they used, as the kernel accounts it, and the
//! ratio. It judges nothing. What is measured:
//!
//! - a refused upgrade (malformed, unknown and revoked key), each on a connection of its own;
//! - an admitted upgrade, with its call row written, before the first frame;
//! - a running call: the echo agent hears and returns 50 frames of 20 ms a second;
//! - the memory of an idle call, after its greeting;
//! - a running call in Twilio's dialect, beside a Node server on the `ws` package.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and may fail")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod bare;
mod caller;
mod server;
mod twilio;

use std::time::Duration;

use caller::Dial;
use server::{Cpu, Keys, Server};

/// Rounds of each comparison; the medians are printed.
const ROUNDS: usize = 5;
/// Upgrades in a round. All are held open until the round has been measured.
const UPGRADES: usize = 400;
/// Calls at once while running calls are measured, and for how long.
const CALLS: usize = 100;
const TALK: Duration = Duration::from_secs(10);
/// Seconds of talk in a round.
#[expect(clippy::cast_possible_truncation, reason = "ten")]
const TALKED: usize = CALLS * TALK.as_secs() as usize;
/// Idle calls whose memory is measured.
const IDLE: usize = 1000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("bare") {
        return bare::serve();
    }
    actix_web::rt::System::new().block_on(run());
}

async fn run() {
    // `cargo bench --bench front_door -- running` measures what has this word in its name.
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let wanted = |name: &str| name.contains(&word);
    let bare = Server::bare();
    let ours = Server::upvoot();
    let keys = ours.prepare().await;
    let unknown = format!("sk_live_{}", "0".repeat(64));

    println!("{:<44} {:>10} {:>10} {:>7}", "", "bare", "upvoot", "ratio");
    let upgrade = |path: String| Dial { path, native: false };
    let to_bare = upgrade("/".to_owned());
    let upgrades = [
        ("CPU per refused upgrade, malformed key", "sk_live_nonsense".to_owned()),
        ("CPU per refused upgrade, unknown key", unknown),
        ("CPU per refused upgrade, revoked key", keys.revoked.clone()),
        ("CPU per admitted upgrade", keys.good.clone()),
    ];
    for (name, key) in upgrades {
        if wanted(name) {
            let to_ours = upgrade(format!("/voice/{key}"));
            print_cpu(name, rounds(&bare, &ours, &to_bare, &to_ours).await, UPGRADES);
        }
    }

    let native = Dial { path: format!("/voice/{}", keys.good), native: true };
    let name = "CPU per running call and second, 50 frames/s";
    if wanted(name) {
        let mut talks = (Vec::new(), Vec::new());
        for _ in 0..3 {
            talks.0.push(talk(&bare, &to_bare, 0).await);
            talks.1.push(talk(&ours, &native, keys.greeting_bytes).await);
        }
        print_cpu(name, talks, TALKED);
    }

    let name = "CPU per Twilio call and second, beside Node";
    if wanted(name) {
        match Server::node() {
            Some(node) => print_cpu(name, beside_node(&node, &ours, &keys).await, TALKED),
            None => println!("{name:<44} no Node here"),
        }
    }

    let name = "memory per idle call";
    if wanted(name) {
        let a = idle(&bare, &to_bare, 0).await / 1024.0;
        let b = idle(&ours, &native, keys.greeting_bytes).await / 1024.0;
        println!("{name:<44} {a:>6.1} KiB {b:>6.1} KiB {:>7.2}", b / a);
    }
}

/// The same dials to both, in turn.
async fn rounds(bare: &Server, ours: &Server, a: &Dial, b: &Dial) -> (Vec<Cpu>, Vec<Cpu>) {
    let mut cpu = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (on_bare, on_ours) = (dials(bare, a).await, dials(ours, b).await);
        // The first round warms both up.
        if round > 0 {
            cpu.0.push(on_bare);
            cpu.1.push(on_ours);
        }
    }
    cpu
}

async fn dials(server: &Server, dial: &Dial) -> Cpu {
    let before = server.cpu();
    let mut held = Vec::with_capacity(UPGRADES);
    // Forty at a time: a busy minute, or somebody who guesses; too few to overflow the backlog.
    for _ in 0..UPGRADES / 40 {
        let forty = (0..40).map(|_| caller::dial(server.address, dial));
        held.extend(futures_util::future::join_all(forty).await);
    }
    let used = server.cpu() - before;
    drop(held);
    server.settle().await;
    used
}

async fn talk(server: &Server, dial: &Dial, greeting: usize) -> Cpu {
    // All at once: a caller that only waits for the others does not answer pings.
    let beginning = (0..CALLS).map(|_| caller::Call::begin(server.address, dial, greeting));
    let mut calls = futures_util::future::join_all(beginning).await;
    let before = server.cpu();
    let talking = calls.iter_mut().map(|call| call.talk(TALK));
    let lost: usize = futures_util::future::join_all(talking).await.into_iter().sum();
    let used = server.cpu() - before;
    assert_eq!(lost, 0, "every byte comes back");
    drop(calls);
    server.settle().await;
    used
}

/// The same calls to both, in turn, in Twilio's dialect.
async fn beside_node(node: &Server, ours: &Server, keys: &Keys) -> (Vec<Cpu>, Vec<Cpu>) {
    let plain = |path: String| Dial { path, native: false };
    let (to_node, to_ours) = (plain("/".to_owned()), plain(format!("/voice/{}", keys.good)));
    let greeting = Duration::from_secs_f64(keys.greeting_bytes as f64 / 32_000.0);
    let mut talks = (Vec::new(), Vec::new());
    for _ in 0..3 {
        talks.0.push(talk_twilio(node, &to_node, Duration::ZERO).await);
        talks.1.push(talk_twilio(ours, &to_ours, greeting).await);
    }
    talks
}

async fn talk_twilio(server: &Server, dial: &Dial, greeting: Duration) -> Cpu {
    let beginning = (0..CALLS).map(|_| twilio::Stream::begin(server.address, dial, greeting));
    let mut calls = futures_util::future::join_all(beginning).await;
    let before = server.cpu();
    let talking = calls.iter_mut().map(|call| call.talk(TALK));
    let lost: usize = futures_util::future::join_all(talking).await.into_iter().sum();
    let used = server.cpu() - before;
    assert_eq!(lost, 0, "every byte comes back");
    drop(calls);
    server.settle().await;
    used
}

/// Bytes of resident memory that one idle call adds.
async fn idle(server: &Server, dial: &Dial, greeting: usize) -> f64 {
    // Once for the allocator, so that what is measured is calls and not first-time growth.
    let mut calls = vec![caller::Call::begin(server.address, dial, greeting).await];
    let before = server.resident();
    for _ in 0..IDLE / 200 {
        let more = (0..200).map(|_| caller::Call::begin(server.address, dial, greeting));
        calls.extend(futures_util::future::join_all(more).await);
    }
    let after = server.resident();
    drop(calls);
    server.settle().await;
    (after - before) / f64::from(u32::try_from(IDLE).unwrap())
}

fn print_cpu(name: &str, (mut a, mut b): (Vec<Cpu>, Vec<Cpu>), per: usize) {
    let ratio = {
        let mut ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b / a).collect();
        median(&mut ratios)
    };
    let per = f64::from(u32::try_from(per).unwrap());
    let (a, b) = (median(&mut a) / per * 1e6, median(&mut b) / per * 1e6);
    println!("{name:<44} {a:>7.1} us {b:>7.1} us {ratio:>7.2}");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
