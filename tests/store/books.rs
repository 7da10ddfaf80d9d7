//! The books: whatever happens at once, the balance is the ledger's sum and nothing goes below zero.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use upvoot::{
    admission::Verdict,
    id::{AccountId, CallId, NodeId},
    ledger::{
        Extension,
        settle::{self, Settlement, Talk},
    },
    points::Seconds,
    store::{StoreError, calls, ledger::EntryKind},
};

use crate::store::world::{Db, World, on_both};

async fn extend(world: &World, call: CallId) -> Extension {
    let account = world.account;
    world.store.write(move |conn| settle::extend(conn, call, account)).await.unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

on_both! {
    async fn a_reservation_grows_as_far_as_the_balance_goes(db: Db) {
        let world = db.world(150).await;
        let call = world.admit().await.call_id;
        let granted = |seconds| Extension::Granted { reserved: Seconds(seconds) };
        assert_eq!(extend(&world, call).await, granted(120));
        assert_eq!(extend(&world, call).await, granted(150));
        assert_eq!(extend(&world, call).await, Extension::Denied);
        world.top_up(7).await;
        assert_eq!(extend(&world, call).await, granted(157), "a top-up made meanwhile");
        world.check_books().await;
        world.settle(call, SECOND).await;
        assert_eq!(extend(&world, call).await, Extension::Denied, "it is settled");
        assert_eq!(extend(&world, CallId::new()).await, Extension::Denied);
        world.check_books().await;
    }

    async fn nobody_is_charged_for_the_call_of_another(db: Db) {
        let (mine, yours) = (db.world(600).await, db.world(600).await);
        let call = mine.admit().await.call_id;
        assert_eq!(extend(&yours, call).await, Extension::Denied);
        assert_eq!(yours.settle(call, SECOND).await, None);
        assert_eq!(mine.settle(call, SECOND).await, Some(Seconds(1)));
        assert_eq!(yours.account().await.balance, Seconds(600));
    }

    async fn a_settlement_charges_once_and_releases_the_rest(db: Db) {
        let world = db.world(100).await;
        let call = world.admit().await.call_id;
        let lasted = Duration::from_millis(2_001);
        assert_eq!(world.settle(call, lasted).await, Some(Seconds(3)));
        assert_eq!(world.settle(call, 9 * lasted).await, None);
        let account = world.account().await;
        assert_eq!((account.balance, account.held), (Seconds(97), Seconds(0)));
        let settled = world.call(call).await;
        assert_eq!(settled.billed_seconds, Some(Seconds(3)));
        let charges: Vec<_> = world.entries().await.into_iter().filter(|e| e.call_id.is_some()).collect();
        assert_eq!(charges.len(), 1);
        assert_eq!((charges[0].kind, charges[0].seconds), (EntryKind::Call, Seconds(-3)));
        assert_eq!(charges[0].call_id, Some(call));
        world.check_books().await;
    }

    async fn many_settlements_of_one_call_at_once_charge_once(db: Db) {
        let world = db.world(100).await;
        let call = world.admit().await.call_id;
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.settle(call, 5 * SECOND).await })
            })
            .collect();
        let mut charged = Vec::new();
        for one in tries {
            charged.extend(one.await.unwrap());
        }
        assert_eq!(charged, [Seconds(5)]);
        assert_eq!(world.account().await.balance, Seconds(95));
    }

    async fn a_call_that_never_talked_leaves_no_row_in_the_ledger_or_among_the_calls(db: Db) {
        let world = db.world(100).await;
        let call = world.admit().await.call_id;
        assert_eq!(world.settle(call, Duration::ZERO).await, Some(Seconds(0)));
        assert_eq!(world.entries().await.len(), 1, "the top-up");
        assert_eq!(db.store.read(move |conn| calls::get(conn, call)).await.unwrap(), None);
        world.check_books().await;
    }

    async fn a_bridged_call_is_charged_as_far_as_the_balance_goes(db: Db) {
        let world = db.world(130).await;
        let (bridged, other) = (world.admit().await.call_id, world.admit().await.call_id);
        // 10 s are free; the first call ran 90 s on a reservation of 60.
        assert_eq!(world.settle(bridged, 90 * SECOND).await, Some(Seconds(70)));
        let account = world.account().await;
        assert_eq!((account.balance, account.held), (Seconds(60), Seconds(60)));
        assert_eq!(world.settle(other, 90 * SECOND).await, Some(Seconds(60)), "its own, no more");
        assert_eq!(world.account().await.balance, Seconds(0));
        world.check_books().await;
    }

    async fn a_lost_call_costs_what_is_recorded(db: Db) {
        let world = db.world(600).await;
        let lost = |call_id, stamp| Settlement {
            call_id,
            account_id: world.account,
            reason: upvoot::call::event::EndReason::NodeLost,
            cause: None,
            talk: Talk::RecordedUntil(stamp),
            ended_at: 0,
            recognition: None,
            lines: (0, Vec::new()),
            stretches: (0, Vec::new()),
        };
        let recognised = async |call| {
            let seen = upvoot::store::calls::Recognition {
                dialect: "native".to_owned(),
                talk_started_at: 10_000,
                ..Default::default()
            };
            let write = move |conn: &mut _| upvoot::store::calls::recognise(conn, call, &seen);
            assert!(db.store.write(write).await.unwrap());
        };
        for (talked, stamp, cost) in
            [(true, 12_001, 3), (true, 12_000, 2), (true, 9_000, 0), (false, 12_000, 0)]
        {
            let call = world.admit().await.call_id;
            if talked {
                recognised(call).await;
            }
            let lost = lost(call, stamp);
            let charged = db.store.write(move |conn| settle::settle(conn, &lost)).await.unwrap();
            assert_eq!(charged, Some(Seconds(cost)), "{talked} {stamp}");
            let call = world.call(call).await;
            assert_eq!(call.ended_at, Some(call.started_at), "no earlier than it started");
        }
        world.check_books().await;
    }

    async fn whatever_happens_at_once_the_books_are_right(db: Db) {
        let world = db.world(200).await;
        let players: Vec<_> = (0..10)
            .map(|seed| {
                let world = world.clone();
                tokio::spawn(async move { play(&world, StdRng::seed_from_u64(seed)).await })
            })
            .collect();
        let mut charged = 0;
        for player in players {
            charged += player.await.unwrap();
            world.check_books().await;
        }
        let entries = world.entries().await;
        let spent: i64 = entries.iter().filter(|e| e.call_id.is_some()).map(|e| e.seconds.0).sum();
        assert_eq!(spent, -charged, "each charge is in the ledger once");
    }

    async fn the_ledger_is_append_only(db: Db) {
        let world = db.world(100).await;
        let before = world.entries().await;
        let mut tampering = vec![
            "UPDATE ledger SET seconds = 1000000",
            "DELETE FROM ledger",
            "UPDATE accounts SET balance_seconds = -1",
            "UPDATE accounts SET held_seconds = balance_seconds + 1",
            "UPDATE accounts SET held_seconds = -1",
        ];
        tampering.push(match db.dir() {
            Some(_) => "INSERT OR REPLACE INTO ledger \
                SELECT id, account_id, kind, 5, call_id, note, created_at FROM ledger",
            None => "TRUNCATE ledger CASCADE",
        });
        for sql in tampering {
            assert!(db.sql(sql).await.is_err(), "{sql}");
        }
        assert_eq!(world.entries().await, before);
        assert_eq!(world.account().await.balance, Seconds(100));
    }

    async fn a_row_needs_what_it_refers_to(db: Db) {
        let world = db.world(100).await;
        let mut orphan = world.agent.clone();
        orphan.id = upvoot::id::AgentId::new();
        orphan.account_id = AccountId::new();
        let insert = db.store.write(move |conn| upvoot::store::agents::insert(conn, &orphan)).await;
        assert!(matches!(insert, Err(StoreError::Failed(_))));
    }
}

/// Twenty random moves; returns the seconds charged.
async fn play(world: &World, mut random: StdRng) -> i64 {
    let mut mine: Vec<CallId> = Vec::new();
    let mut charged = 0;
    for _ in 0..20 {
        match random.random_range(0..10) {
            0..4 => {
                if let Verdict::Admitted(call) = world.ask(NodeId::new()).await.unwrap() {
                    mine.push(call.call_id);
                }
            }
            4..6 if !mine.is_empty() => {
                extend(world, mine[random.random_range(0..mine.len())]).await;
            }
            6..9 if !mine.is_empty() => {
                let call = mine[random.random_range(0..mine.len())];
                let lasted = Duration::from_millis(random.random_range(0..150_000));
                charged += world.settle(call, lasted).await.map_or(0, |seconds| seconds.0);
            }
            _ => {
                world.top_up(random.random_range(1..100)).await;
            }
        }
    }
    charged
}
