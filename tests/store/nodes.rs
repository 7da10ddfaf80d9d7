//! The ledger's worker: what it is told is written, the dead are settled, the living are not.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use upvoot::{
    call::event::{EndReason, Role, TranscriptLine},
    clock::{NodeClock, wall_ms},
    id::{CallId, NodeId, OwnedKey},
    ledger::{Extension, Finished, Ledger, Recognised, Timings},
    points::Seconds,
    store::{
        Store, calls, keys,
        nodes::{self, Node},
    },
};

use crate::{
    store::world::{Db, World, on_both},
    support::postgres,
};

const FAST: Timings = Timings {
    beat: Duration::from_millis(50),
    lease: Duration::from_millis(600),
    sweep: Duration::from_millis(50),
    retry: Duration::from_millis(50),
};

/// A node of the test: its ledger, and what its sessions are told.
struct TestNode {
    id: NodeId,
    clock: NodeClock,
    ledger: Ledger,
    ends: mpsc::UnboundedReceiver<(CallId, EndReason)>,
}

impl TestNode {
    async fn start(store: &Store) -> Self {
        Self::start_as(store, NodeId::new()).await
    }

    async fn start_as(store: &Store, id: NodeId) -> Self {
        Self::start_with(store, id, FAST).await
    }

    async fn start_with(store: &Store, id: NodeId, timings: Timings) -> Self {
        let (told, ends) = mpsc::unbounded_channel();
        let clock = NodeClock::start();
        let tell = move |call, reason| {
            let _ = told.send((call, reason));
        };
        let ledger = Ledger::start_with(store.clone(), id, clock, timings, tell).await.unwrap();
        Self { id, clock, ledger, ends }
    }

    fn stamp(&self) -> i64 {
        self.clock.stamp_ms(self.clock.now())
    }

    async fn admit(&self, world: &World) -> CallId {
        match world.ask(self.id).await.unwrap() {
            upvoot::admission::Verdict::Admitted(admitted) => admitted.call_id,
            other => panic!("{other:?}"),
        }
    }

    fn recognised(&self, world: &World, call_id: CallId, talk_started_ms: i64) {
        self.ledger.recognised(Recognised {
            call_id,
            account_id: world.account,
            talk_started_ms,
            dialect: "native",
            from: Some("+441".to_owned()),
            to: Some("+442".to_owned()),
            provider_call_id: Some("CA1".to_owned()),
            custom_parameters: [("tenant".to_owned(), "7".to_owned())].into(),
        });
    }

    fn finish(&self, world: &World, call_id: CallId, lasted: Duration, said: &[&str]) {
        self.ledger.settle(Finished {
            call_id,
            account_id: world.account,
            reason: EndReason::EndCall,
            cause: None,
            talk: lasted,
            ended_stamp_ms: self.stamp(),
            ended_at: wall_ms(),
            transcript: said.iter().map(|text| line(text)).collect(),
        });
    }
}

fn line(text: &str) -> TranscriptLine {
    TranscriptLine::Transcript { role: Role::User, text: text.to_owned(), at_ms: 1 }
}

/// Waits for a state of the database.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn node(store: &Store, id: NodeId) -> Option<Node> {
    store.write(move |conn| nodes::lock(conn, id)).await.unwrap()
}

/// Leaves behind what a node that died without a word leaves: its row, with its lease over.
async fn dead_node(store: &Store, recorded_at: i64) -> NodeId {
    let id = NodeId::new();
    let gone = Node { id, lease_until: 1, recorded_at };
    store.write(move |conn| nodes::insert(conn, &gone)).await.unwrap();
    id
}

async fn recognise(store: &Store, call: CallId, talk_started_at: i64) {
    let dialect = "native".to_owned();
    let seen = calls::Recognition { dialect, talk_started_at, ..Default::default() };
    assert!(store.write(move |conn| calls::recognise(conn, call, &seen)).await.unwrap());
}

on_both! {
    async fn what_a_session_tells_is_written_as_the_call_goes(db: Db) {
        let world = db.world(600).await;
        let node = TestNode::start(&db.store).await;
        let call = node.admit(&world).await;
        node.recognised(&world, call, node.stamp());
        node.ledger.note(call, line("one"));
        node.ledger.note(call, line("two"));
        until("the notes of a running call", async || {
            let call = world.call(call).await;
            (call.dialect.is_some() && world.said(call.id).await.len() == 2).then_some(())
        })
        .await;
        let extended = node.ledger.extend(call, world.account).await;
        assert_eq!(extended, Extension::Granted { reserved: Seconds(120) });
        node.ledger.note(call, line("three"));
        node.finish(&world, call, Duration::from_millis(1500), &["one", "two", "three", "four"]);
        assert!(node.ledger.close(Duration::from_secs(10)).await);
        let call = world.call(call).await;
        assert_eq!(world.said(call.id).await, ["one", "two", "three", "four"].map(line));
        assert_eq!((call.from.as_deref(), call.to.as_deref()), (Some("+441"), Some("+442")));
        assert_eq!(call.provider_call_id.as_deref(), Some("CA1"));
        assert_eq!(call.custom_parameters["tenant"], "7");
        assert_eq!(call.end_reason, Some(EndReason::EndCall));
        assert_eq!(call.billed_seconds, Some(Seconds(2)));
        assert!(self::node(&db.store, node.id).await.is_none(), "the lease was given back");
        world.check_books().await;
    }

    async fn a_call_that_ends_before_a_beat_is_written_whole(db: Db) {
        let world = db.world(600).await;
        let slow = Timings { beat: Duration::from_secs(600), ..FAST };
        let (id, clock) = (NodeId::new(), NodeClock::start());
        let ledger = Ledger::start_with(db.store.clone(), id, clock, slow, |_, _| {}).await.unwrap();
        let node = TestNode { id, clock, ledger, ends: mpsc::unbounded_channel().1 };
        let call = node.admit(&world).await;
        node.recognised(&world, call, node.stamp());
        node.ledger.note(call, line("hello"));
        node.finish(&world, call, Duration::from_secs(1), &[]);
        until("the settlement", async || world.call(call).await.ended_at).await;
        let call = world.call(call).await;
        assert_eq!(call.dialect.as_deref(), Some("native"));
        assert_eq!(world.said(call.id).await, [line("hello")]);
        assert!(node.ledger.close(Duration::from_secs(10)).await);
    }

    async fn a_hundred_calls_are_settled_and_none_twice(db: Db) {
        let world = db.world(60_000).await;
        let node = TestNode::start(&db.store).await;
        let mut calls = Vec::new();
        for _ in 0..100 {
            calls.push(node.admit(&world).await);
        }
        for call in &calls {
            node.recognised(&world, *call, node.stamp());
            node.finish(&world, *call, Duration::from_secs(7), &["bye"]);
            node.finish(&world, *call, Duration::from_secs(9), &["bye"]);
        }
        // A note for a call that is not there spoils nothing.
        node.ledger.note(CallId::new(), line("who?"));
        assert!(node.ledger.close(Duration::from_secs(20)).await);
        let account = world.account().await;
        assert_eq!((account.balance, account.held), (Seconds(60_000 - 700), Seconds(0)));
        world.check_books().await;
    }

    async fn an_abandoned_call_costs_nothing_and_leaves_its_keys_count_alone(db: Db) {
        let world = db.world(60).await;
        let node = TestNode::start(&db.store).await;
        let mut started_at = 0;
        for _ in 0..3 {
            let call = node.admit(&world).await;
            assert_eq!(world.account().await.free(), Seconds(0), "its first minute is held");
            started_at = world.call(call).await.started_at;
            node.ledger.abandon(call, world.account);
            node.ledger.abandon(CallId::new(), world.account);
            until("the hold to be released", async || {
                (world.account().await.free() == Seconds(60)).then_some(())
            })
            .await;
            let row = db.store.read(move |conn| calls::get(conn, call)).await.unwrap();
            assert_eq!(row, None, "it never was a call");
        }
        // One that was recognised is a call, also if it cost nothing.
        let call = node.admit(&world).await;
        node.recognised(&world, call, node.stamp());
        node.finish(&world, call, Duration::ZERO, &[]);
        assert!(node.ledger.close(Duration::from_secs(10)).await);
        assert_eq!(world.call(call).await.billed_seconds, Some(Seconds(0)));
        let id = world.key.id;
        let key = db.store.read(move |conn| keys::get(conn, id)).await.unwrap().unwrap();
        assert_eq!(key.unrecognised_calls, 3);
        assert!(key.last_used_at >= Some(started_at));
        world.check_books().await;
    }

    async fn a_session_is_told_once_that_its_end_is_wished(db: Db) {
        let world = db.world(600).await;
        let mut node = TestNode::start(&db.store).await;
        let (call, other) = (node.admit(&world).await, node.admit(&world).await);
        node.recognised(&world, call, node.stamp());
        let ask = move |conn: &mut _| calls::request_end(conn, &[call], EndReason::Operator);
        assert_eq!(db.store.write(ask).await.unwrap(), 1);
        assert_eq!(node.ends.recv().await, Some((call, EndReason::Operator)));
        // Beats go on; what comes next is the next wish, not the same again.
        let seen = self::node(&db.store, node.id).await.unwrap().recorded_at;
        until("further beats", async || {
            let now = self::node(&db.store, node.id).await.unwrap().recorded_at;
            (now > seen + 200).then_some(())
        })
        .await;
        let ask = move |conn: &mut _| calls::request_end(conn, &[call, other], EndReason::KeyRevoked);
        assert_eq!(db.store.write(ask).await.unwrap(), 1);
        assert_eq!(node.ends.recv().await, Some((other, EndReason::KeyRevoked)));
        assert!(node.ends.try_recv().is_err());
    }

    async fn refusals_are_counted_in_batches(db: Db) {
        let world = db.world(0).await;
        let node = TestNode::start(&db.store).await;
        let key = OwnedKey { key_id: world.key.id, account_id: world.account };
        for at in 0..50 {
            node.ledger.refused(key, "key_revoked", "192.0.2.1".to_owned(), at);
        }
        node.ledger.refused(key, "key_revoked", "192.0.2.2".to_owned(), 99);
        node.ledger.refused(key, "draining", "192.0.2.3".to_owned(), 7);
        assert!(node.ledger.close(Duration::from_secs(10)).await);
        let id = world.key.id;
        let view = db.store.read(move |conn| keys::get(conn, id)).await.unwrap().unwrap();
        let kept: Vec<_> =
            view.refusals.iter().map(|it| (&*it.code, it.count, it.last_at, &*it.last_from)).collect();
        assert_eq!(kept, [("key_revoked", 51, 99, "192.0.2.2"), ("draining", 1, 7, "192.0.2.3")]);
        let key = view.key;
        assert_eq!((key.refused_uses, key.last_refused_at), (51, Some(99)));
        assert_eq!(key.last_refused_from.as_deref(), Some("192.0.2.2"));
    }

    async fn the_calls_of_a_dead_node_are_settled_up_to_its_record(db: Db) {
        let world = db.world(6_000).await;
        let recorded_at = wall_ms();
        let dead = dead_node(&db.store, recorded_at).await;
        let mut calls = Vec::new();
        for _ in 0..30 {
            match world.ask(dead).await.unwrap() {
                upvoot::admission::Verdict::Admitted(admitted) => calls.push(admitted.call_id),
                other => panic!("{other:?}"),
            }
        }
        recognise(&db.store, calls[0], recorded_at - 2_500).await;
        recognise(&db.store, calls[1], recorded_at + 700).await;
        // Two sweep at once: harmless.
        let (one, two) = (TestNode::start(&db.store).await, TestNode::start(&db.store).await);
        until("the dead node's burial", async || match node(&db.store, dead).await {
            Some(_) => None,
            None => Some(()),
        })
        .await;
        for (number, call) in calls.into_iter().enumerate() {
            let call = world.call(call).await;
            assert_eq!(call.end_reason, Some(EndReason::NodeLost));
            let cost = if number == 0 { 3 } else { 0 };
            assert_eq!(call.billed_seconds, Some(Seconds(cost)), "call {number}");
        }
        let account = world.account().await;
        assert_eq!((account.balance, account.held), (Seconds(5_997), Seconds(0)));
        world.check_books().await;
        assert!(node(&db.store, one.id).await.is_some() && node(&db.store, two.id).await.is_some());
    }

    async fn a_living_node_is_left_alone(db: Db) {
        let world = db.world(600).await;
        let (one, two) = (TestNode::start(&db.store).await, TestNode::start(&db.store).await);
        let call = one.admit(&world).await;
        one.recognised(&world, call, one.stamp());
        let start = Instant::now();
        until("three leases to pass", async || (start.elapsed() > 3 * FAST.lease).then_some(())).await;
        assert_eq!(world.call(call).await.ended_at, None);
        assert!(node(&db.store, two.id).await.is_some());
    }

    async fn a_node_that_stops_beating_is_found_dead(db: Db) {
        let world = db.world(600).await;
        let survivor = TestNode::start(&db.store).await;
        let dying = TestNode::start(&db.store).await;
        let call = dying.admit(&world).await;
        let began = dying.stamp();
        dying.recognised(&world, call, began);
        let dead = dying.id;
        until("a record beyond one second", async || {
            let recorded = node(&db.store, dead).await.unwrap().recorded_at;
            (recorded > began + 1_000).then_some(())
        })
        .await;
        // Its last handle goes, unclosed: the worker ends as with the process.
        let lasted = Duration::from_millis(u64::try_from(dying.stamp() - began).unwrap());
        drop(dying);
        let billed = until("the settlement", async || world.call(call).await.billed_seconds).await;
        let most = Seconds::started(lasted + Duration::from_millis(5));
        assert!(billed >= Seconds(2) && billed <= most, "{billed} for {lasted:?}");
        assert_eq!(world.call(call).await.end_reason, Some(EndReason::NodeLost));
        world.check_books().await;
        drop(survivor);
    }

    async fn a_node_that_was_taken_for_dead_tells_its_sessions(db: Db) {
        let world = db.world(600).await;
        let mut node = TestNode::start(&db.store).await;
        let (lost, kept) = (node.admit(&world).await, node.admit(&world).await);
        node.recognised(&world, lost, node.stamp());
        node.recognised(&world, kept, node.stamp());
        until("the recognition", async || world.call(kept).await.dialect).await;
        // What another node would have done while this one was held up.
        let id = node.id;
        world.settle(lost, Duration::from_secs(1)).await;
        db.store
            .write(move |conn| {
                nodes::lock(conn, id)?;
                nodes::remove(conn, id)
            })
            .await
            .unwrap();
        assert_eq!(node.ends.recv().await, Some((lost, EndReason::NodeLost)));
        assert!(self::node(&db.store, id).await.is_some(), "written down again");
        assert_eq!(world.call(kept).await.ended_at, None);
        node.finish(&world, lost, Duration::from_secs(9), &[]);
        node.finish(&world, kept, Duration::from_secs(2), &[]);
        assert!(node.ledger.close(Duration::from_secs(10)).await);
        assert_eq!(world.account().await.balance, Seconds(597), "1 s and 2 s");
        assert!(node.ends.try_recv().is_err());
    }

    async fn calls_of_a_node_that_was_never_written_down_cost_nothing(db: Db) {
        let world = db.world(600).await;
        let call = world.admit().await.call_id;
        let _node = TestNode::start(&db.store).await;
        let billed = until("the settlement", async || world.call(call).await.billed_seconds).await;
        assert_eq!(billed, Seconds(0));
        assert_eq!(world.account().await.free(), Seconds(600));
    }

    async fn a_closed_node_leaves_what_is_live_to_the_others(db: Db) {
        let world = db.world(600).await;
        let (leaving, staying) = (TestNode::start(&db.store).await, TestNode::start(&db.store).await);
        let call = leaving.admit(&world).await;
        assert!(leaving.ledger.close(Duration::from_secs(10)).await, "nothing was left unwritten");
        until("the settlement", async || world.call(call).await.ended_at).await;
        assert!(leaving.ledger.extend(call, world.account).await == Extension::Denied);
        drop(staying);
    }
}

/// Lets the database's clock be set, in seconds ahead of the server's: a function of its own, which is
/// found before the server's.
const STEPPING: &str = "CREATE TABLE clock_step (ahead_s BIGINT NOT NULL);
    INSERT INTO clock_step VALUES (0);
    CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
        SELECT pg_catalog.clock_timestamp() + make_interval(secs => (SELECT ahead_s FROM clock_step))
    $$;
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
    END $$";

/// A virtual machine is resumed, a standby with another clock takes over.
async fn the_clock_steps(setting: &'static str) {
    use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
    let url = postgres::fresh_database();
    // Connections that are made from then on have the other clock.
    PgConnection::establish(&url).unwrap().batch_execute(STEPPING).unwrap();
    let db = Db::on_postgres(url);
    let world = db.world(6_000).await;
    // The judge looks ten times before it beats itself, and twenty times before the other does.
    let rare =
        Timings { beat: Duration::from_millis(1_000), lease: Duration::from_secs(3), ..FAST };
    let watchful = Timings { beat: Duration::from_millis(500), ..rare };
    let living = TestNode::start_with(&db.store, NodeId::new(), rare).await;
    let judge = TestNode::start_with(&db.store, NodeId::new(), watchful).await;
    let call = living.admit(&world).await;
    living.recognised(&world, call, living.stamp());
    let lease = async || node(&db.store, living.id).await.unwrap().lease_until;
    let judged = Instant::now() + 2 * rare.beat;
    until("the judge to be a judge", async || (Instant::now() > judged).then_some(())).await;

    let before = lease().await;
    db.sql(setting).await.unwrap();
    until("a lease by the new clock", async || {
        ((lease().await - before).abs() > 15_000).then_some(())
    })
    .await;
    // Whoever dies now is found by the new time, and the living one is still let alone.
    let gone = Node { id: NodeId::new(), lease_until: before, recorded_at: 0 };
    db.store.write(move |conn| nodes::insert(conn, &gone)).await.unwrap();
    until("the burial", async || node(&db.store, gone.id).await.is_none().then_some(())).await;
    let call = world.call(call).await;
    assert_eq!((call.ended_at, call.end_reason), (None, None));
    world.check_books().await;
    assert!(judge.ledger.close(Duration::from_secs(10)).await);
}

#[test]
fn a_clock_that_steps_ahead_ends_no_nodes_calls() {
    let ahead = "UPDATE clock_step SET ahead_s = 20";
    crate::store::world::block_on(the_clock_steps(ahead));
}

#[test]
fn a_clock_that_steps_back_ends_no_nodes_calls_and_keeps_no_dead_node() {
    let back = "UPDATE clock_step SET ahead_s = -3600";
    crate::store::world::block_on(the_clock_steps(back));
}

/// An outage: calls go on, nothing is lost, nothing is charged twice, nobody is buried for it.
#[test]
fn an_outage_is_survived() {
    crate::store::world::block_on(async {
        let db = Db::postgres();
        let world = db.world(6_000).await;
        let (one, two) = (TestNode::start(&db.store).await, TestNode::start(&db.store).await);
        let mut calls = Vec::new();
        for _ in 0..10 {
            let call = one.admit(&world).await;
            one.recognised(&world, call, one.stamp());
            calls.push(call);
        }
        let (others, retried) = (two.admit(&world).await, two.admit(&world).await);
        until("the recognitions", async || world.call(calls[9]).await.dialect).await;

        postgres::cut_off(&db.url);
        assert_eq!(one.ledger.extend(calls[0], world.account).await, Extension::Unavailable);
        for call in &calls {
            one.finish(&world, *call, Duration::from_secs(4), &["bye"]);
        }
        two.finish(&world, retried, Duration::from_secs(5), &["bye"]);
        assert!(!one.ledger.close(Duration::from_millis(300)).await, "nothing could be written");
        // Longer than a lease, so that all leases are over when the database is back.
        tokio::time::sleep(2 * FAST.lease).await;
        postgres::let_in(&db.url);

        // The first node gave up with its settlements unwritten: the second settles them in its
        // stead, for no more than is recorded, and what it was told itself as it was told.
        for call in &calls {
            until("the settlement", async || world.call(*call).await.ended_at).await;
            let call = world.call(*call).await;
            assert_eq!(call.end_reason, Some(EndReason::NodeLost));
            assert!(call.billed_seconds <= Some(Seconds(4)), "{call:?}");
        }
        until("the retry", async || world.call(retried).await.ended_at).await;
        let retried = world.call(retried).await;
        assert_eq!(retried.end_reason, Some(EndReason::EndCall));
        assert_eq!(retried.billed_seconds, Some(Seconds(5)));
        assert_eq!(world.said(retried.id).await, [line("bye")]);
        assert_eq!(world.call(others).await.ended_at, None);
        two.finish(&world, others, Duration::from_secs(2), &[]);
        assert!(two.ledger.close(Duration::from_secs(10)).await);
        world.check_books().await;
    });
}
