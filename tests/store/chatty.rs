//! Calls that never stop talking, and what another account notices of it.

use std::time::{Duration, Instant};

use upvoot::{
    call::event::{Role, TranscriptLine},
    clock::NodeClock,
    id::NodeId,
    ledger::{Ledger, Recognised, Timings},
    points::Seconds,
};

use crate::store::world::{Db, World};

/// Calls that talk, and lines that each of them says while the others are admitted.
const CALLS: i64 = 150;
const LINES: usize = 300;

/// How long each of so many admissions takes, in rising order. Each is settled again.
async fn admissions(world: &World, count: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let asked = Instant::now();
        let admitted = world.admit().await;
        took.push(asked.elapsed());
        assert_eq!(world.settle(admitted.call_id, Duration::ZERO).await, Some(Seconds(0)));
    }
    took.sort_unstable();
    took
}

#[test]
fn another_account_is_admitted_as_if_nobody_talked() {
    crate::store::world::block_on(async {
        let db = Db::sqlite();
        let (talks, quiet) = (db.world(60 * CALLS).await, db.world(600).await);
        let (node, clock) = (NodeId::new(), NodeClock::start());
        let timings = Timings { beat: Duration::from_millis(500), ..Timings::default() };
        let ledger =
            Ledger::start_with(db.store.clone(), node, clock, timings, |_, _| {}).await.unwrap();
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            let upvoot::admission::Verdict::Admitted(admitted) = talks.ask(node).await.unwrap()
            else {
                panic!("not admitted")
            };
            ledger.recognised(Recognised {
                call_id: admitted.call_id,
                account_id: talks.account,
                talk_started_ms: clock.stamp_ms(clock.now()),
                dialect: "native",
                from: None,
                to: None,
                provider_call_id: None,
                custom_parameters: Default::default(),
            });
            calls.push(admitted.call_id);
        }
        let alone = admissions(&quiet, 60).await;
        for n in 0..LINES {
            for call in &calls {
                let (role, text) = (Role::Assistant, format!("line {n:015}"));
                ledger.note(*call, TranscriptLine::Transcript { role, text, at_ms: n as u64 });
            }
        }
        // Until all of it is written another account calls and calls.
        let mut beside = Vec::new();
        loop {
            beside.extend(admissions(&quiet, 20).await);
            let last = talks.said(calls[calls.len() - 1]).await.len();
            if last == LINES {
                break;
            }
        }
        beside.sort_unstable();
        let (usual, slow) = (alone[alone.len() * 9 / 10], beside[beside.len() * 9 / 10]);
        assert!(
            slow < usual + Duration::from_millis(50),
            "nine of ten admissions within {slow:?}, alone within {usual:?}, of {}",
            beside.len()
        );
        let (usual, slow) = (alone[alone.len() - 1], beside[beside.len() - 1]);
        assert!(slow < usual + Duration::from_millis(500), "the slowest {slow:?}, alone {usual:?}");
        assert!(ledger.close(Duration::from_secs(30)).await);
    });
}
