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

/// How long an admission takes. It is settled again.
async fn admission(world: &World) -> Duration {
    let asked = Instant::now();
    let admitted = world.admit().await;
    let took = asked.elapsed();
    assert_eq!(world.settle(admitted.call_id, Duration::ZERO).await, Some(Seconds(0)));
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
        // Another database, of which nothing is asked but this, tells how busy the machine is.
        let elsewhere = Db::sqlite();
        let control = elsewhere.world(600).await;
        for n in 0..LINES {
            for call in &calls {
                let (role, text) = (Role::Assistant, format!("line {n:015}"));
                ledger.note(*call, TranscriptLine::Transcript { role, text, at_ms: n as u64 });
            }
        }
        // Until all of it is written another account calls and calls.
        let (mut beside, mut usual) = (Vec::new(), Vec::new());
        loop {
            for _ in 0..20 {
                usual.push(admission(&control).await);
                beside.push(admission(&quiet).await);
            }
            let last = talks.said(calls[calls.len() - 1]).await.len();
            if last == LINES {
                break;
            }
        }
        beside.sort_unstable();
        usual.sort_unstable();
        let asked = beside.len();
        for (which, at, slack) in [("nine of ten", asked * 9 / 10, 50), ("all", asked - 1, 500)] {
            let (slow, usual) = (beside[at], usual[at]);
            assert!(
                slow < usual + Duration::from_millis(slack),
                "{which} of {asked} admissions within {slow:?}, elsewhere within {usual:?}"
            );
        }
        assert!(ledger.close(Duration::from_secs(30)).await);
    });
}
