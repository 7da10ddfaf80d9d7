//! Admission end to end: every refusal in its order, and no way around it at the same moment.

use std::{sync::Arc, time::Duration};

use upvoot::{
    admission::{self, Ask, Intent, NewCall, Proof, Refusal, Verdict},
    agent::profile::Agent,
    id::NodeId,
    key::PlainKey,
    points::Seconds,
    store::{Backend, accounts, agents, calls, keys},
};

use crate::store::world::{Db, World, on_both};

async fn change_agent(world: &World, change: impl FnOnce(&mut Agent)) {
    let mut agent = world.agent.clone();
    change(&mut agent);
    assert!(world.store.write(move |conn| agents::update(conn, &agent)).await.unwrap());
}

async fn cap_account(world: &World, cap: Option<i32>) {
    let id = world.account;
    let capped = world.store.write(move |conn| accounts::update(conn, id, "ACME", cap)).await;
    assert!(capped.unwrap());
}

async fn probe(world: &World) -> Verdict {
    let ask = Ask { hash: world.hash, intent: Intent::Probe, proof: Proof::default() };
    admission::ask(&world.store, ask).await.unwrap()
}

on_both! {
    async fn a_look_is_certain_only_of_a_key_that_does_not_exist(db: Db) {
        let world = db.world(60).await;
        let unknown = PlainKey::generate().unwrap().hash();
        let is_embedded = world.store.backend() == Backend::Sqlite;
        assert_eq!(world.store.knows_no_key(&unknown), is_embedded, "a server is not looked into");
        assert!(!world.store.knows_no_key(&world.hash));
        // Also on a thread that has looked before: a key that was made just now is seen.
        assert!(!world.store.knows_no_key(&db.world(0).await.hash));
    }

    async fn each_refusal_in_its_order(db: Db) {
        let world = db.world(60).await;
        let mut stranger = world.clone();
        stranger.hash = PlainKey::generate().unwrap().hash();
        assert_eq!(stranger.refusal().await, Some(Refusal::InvalidKey));
        assert!(matches!(probe(&stranger).await, Verdict::Refused(Refusal::InvalidKey, None)));

        // Everything is wrong at once; then one thing after the other is put right.
        let first = world.admit().await;
        cap_account(&world, Some(1)).await;
        change_agent(&world, |agent| {
            agent.is_active = false;
            agent.max_concurrent_calls = Some(1);
        })
        .await;
        assert_eq!(world.refusal().await, Some(Refusal::AgentDisabled));
        change_agent(&world, |agent| agent.max_concurrent_calls = Some(1)).await;
        assert_eq!(world.refusal().await, Some(Refusal::InsufficientPoints));
        world.top_up(120).await;
        assert_eq!(world.refusal().await, Some(Refusal::TooManyCalls), "both caps");
        change_agent(&world, |_| {}).await;
        assert_eq!(world.refusal().await, Some(Refusal::TooManyCalls), "the account's");
        cap_account(&world, None).await;
        change_agent(&world, |agent| agent.max_concurrent_calls = Some(1)).await;
        assert_eq!(world.refusal().await, Some(Refusal::TooManyCalls), "the agent's");
        assert_eq!(world.settle(first.call_id, Duration::ZERO).await, Some(Seconds(0)));
        assert!(matches!(probe(&world).await, Verdict::WouldAdmit(_)));
        let second = world.admit().await;
        assert_eq!((second.agent.id, second.account_id), (world.agent.id, world.account));
        assert_eq!(second.key, Some((world.key.id, world.key.suffix)));
        world.check_books().await;

        let key = world.key.id;
        world.store.write(move |conn| keys::revoke(conn, key, 9)).await.unwrap();
        assert_eq!(world.refusal().await, Some(Refusal::KeyRevoked), "before any other reason");
        let Verdict::Refused(Refusal::KeyRevoked, Some(known)) = probe(&world).await else {
            panic!("a revoked key is known");
        };
        assert_eq!((known.key_id, known.account_id), (key, world.account));
        assert_eq!(world.call(second.call_id).await.ended_at, None, "the running call goes on");

        world.settle(second.call_id, Duration::ZERO).await;
        let agent = world.agent.id;
        world.store.write(move |conn| agents::delete(conn, agent, 9)).await.unwrap();
        assert_eq!(world.refusal().await, Some(Refusal::KeyRevoked), "of a hidden agent too");
    }

    async fn a_probe_writes_nothing(db: Db) {
        let world = db.world(60).await;
        assert!(matches!(probe(&world).await, Verdict::WouldAdmit(_)));
        assert_eq!(world.account().await.held, Seconds(0));
    }

    async fn an_admission_opens_the_row_and_holds_a_minute_at_most(db: Db) {
        let world = db.world(70).await;
        let (first, second) = (world.admit().await, world.admit().await);
        assert_eq!((first.reserved, second.reserved), (Seconds(60), Seconds(10)));
        let call = world.call(first.call_id).await;
        assert_eq!((call.key_id, call.agent_id), (Some(world.key.id), world.agent.id));
        assert_eq!((call.reserved_seconds, call.ended_at), (Seconds(60), None));
        assert_eq!(world.refusal().await, Some(Refusal::InsufficientPoints));
        world.check_books().await;
    }

    async fn twenty_calls_at_once_share_one_minute(db: Db) {
        let world = db.world(60).await;
        let asks: Vec<_> = (0..20)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.ask(NodeId::new()).await.unwrap() })
            })
            .collect();
        let mut reserved = Vec::new();
        for ask in asks {
            match ask.await.unwrap() {
                Verdict::Admitted(admitted) => reserved.push(admitted.reserved),
                Verdict::Refused(refusal, _) => assert_eq!(refusal, Refusal::InsufficientPoints),
                Verdict::WouldAdmit(_) => panic!("this was no probe"),
            }
        }
        assert_eq!(reserved, [Seconds(60)]);
        world.check_books().await;
    }

    async fn a_cap_holds_however_many_ask_at_once(db: Db) {
        let world = db.world(60_000).await;
        change_agent(&world, |agent| agent.max_concurrent_calls = Some(3)).await;
        let asks: Vec<_> = (0..40)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.ask(NodeId::new()).await.unwrap() })
            })
            .collect();
        let mut admitted = 0;
        for ask in asks {
            match ask.await.unwrap() {
                Verdict::Admitted(_) => admitted += 1,
                Verdict::Refused(refusal, _) => assert_eq!(refusal, Refusal::TooManyCalls),
                Verdict::WouldAdmit(_) => panic!("this was no probe"),
            }
        }
        assert_eq!(admitted, 3);
    }

    async fn nobody_is_admitted_after_a_revocation_was_answered(db: Db) {
        for _ in 0..5 {
            let world = db.world(600_000).await;
            let revoked = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let askers: Vec<_> = (0..8)
                .map(|_| {
                    let (world, revoked) = (world.clone(), Arc::clone(&revoked));
                    tokio::spawn(async move {
                        let mut admitted = 0;
                        loop {
                            let after = revoked.load(std::sync::atomic::Ordering::SeqCst);
                            match world.ask(NodeId::new()).await.unwrap() {
                                Verdict::Admitted(_) if after => panic!("admitted afterwards"),
                                Verdict::Admitted(_) => admitted += 1,
                                Verdict::Refused(Refusal::KeyRevoked, _) => return admitted,
                                other => panic!("{other:?}"),
                            }
                        }
                    })
                })
                .collect();
            // Another node's store revokes, in the middle of it.
            while world.account().await.held < Seconds(60 * 20) {
                tokio::task::yield_now().await;
            }
            let key = world.key.id;
            let done = world.store.write(move |conn| keys::revoke(conn, key, 9)).await.unwrap();
            revoked.store(true, std::sync::atomic::Ordering::SeqCst);
            assert!(done.unwrap().newly);
            let mut admitted = 0;
            for asker in askers {
                admitted += asker.await.unwrap();
            }
            let live = world.store.read(move |conn| calls::live_of_key(conn, key)).await.unwrap();
            assert_eq!(live.len(), admitted, "calls in progress go on, and no other began");
        }
    }

    async fn an_admission_that_nobody_claims_is_reported(db: Db) {
        let world = db.world(600).await;
        let (reported, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let ask = || {
            let reported = reported.clone();
            let unclaimed: admission::Unclaimed =
                Arc::new(move |call, account| reported.send((call, account)).unwrap());
            let intent =
                Intent::Admit(NewCall { node_id: NodeId::new(), now_ms: 1, unclaimed });
            let (store, ask) = (world.store.clone(), Ask { hash: world.hash, intent, proof: Proof::default() });
            async move { admission::ask(&store, ask).await }
        };
        // The answer is dropped whole, as when a client vanishes before the upgrade.
        drop(ask().await.unwrap());
        let (dropped, account) = reports.recv().await.unwrap();
        assert_eq!(account, world.account);
        // The future is dropped when its row is there already, and perhaps its answer too.
        let mut asking = Box::pin(ask());
        assert!(futures_util::poll!(asking.as_mut()).is_pending());
        let until = std::time::Instant::now() + Duration::from_secs(10);
        let key = world.key.id;
        let live = || world.store.read(move |conn| calls::live_of_key(conn, key));
        let lost = loop {
            let live: Vec<_> = live().await.unwrap();
            if let Some(lost) = live.into_iter().find(|call| *call != dropped) {
                break lost;
            }
            assert!(std::time::Instant::now() < until);
        };
        drop(asking);
        assert_eq!(reports.recv().await, Some((lost, world.account)));
        // A claimed one is its claimer's.
        let Verdict::Admitted(admitted) = ask().await.unwrap() else {
            panic!("admitted")
        };
        admitted.claim.take();
        drop(reported);
        assert!(reports.try_recv().is_err());
    }

    async fn admission_fails_closed(db: Db) {
        let world = db.world(600).await;
        db.sql("ALTER TABLE calls RENAME TO elsewhere").await.unwrap();
        assert!(world.ask(NodeId::new()).await.is_err());
        db.sql("ALTER TABLE elsewhere RENAME TO calls").await.unwrap();
        assert_eq!(world.account().await.held, Seconds(0), "nothing is held for nobody");
        world.admit().await;
    }
}
