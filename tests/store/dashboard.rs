//! What only the dashboard asks of the store: use by day, keys that take over, names of the deleted.

use upvoot::{
    call::event::EndReason,
    id::{CallId, KeyId, NodeId},
    key::PlainKey,
    points::Seconds,
    store::{
        StoreError, agents,
        calls::{self, DayUse, Opening},
        keys::{self, Key},
    },
};

use crate::store::world::{Db, World, on_both};

const DAY: i64 = 86_400_000;

/// A call that began then, billed so much; live if nothing.
async fn called(world: &World, started_at: i64, billed: Option<i64>) {
    let opening = Opening {
        id: CallId::new(),
        account_id: world.account,
        agent_id: world.agent.id,
        key_id: None,
        node_id: NodeId::new(),
        started_at,
        reserved: Seconds(0),
    };
    world
        .store
        .write(move |conn| {
            calls::open(conn, &opening)?;
            if let Some(billed) = billed {
                let (at, reason) = (started_at + 1, EndReason::Hangup);
                calls::close(conn, opening.id, at, reason, Seconds(billed))?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
}

on_both! {
    async fn use_is_summed_up_by_days_of_utc(db: Db) {
        let (world, other) = (db.world(0).await, db.world(0).await);
        for (at, billed) in
            [(10 * DAY - 1, Some(5)), (10 * DAY, Some(7)), (11 * DAY - 1, None), (12 * DAY, Some(i64::from(i32::MAX)))]
        {
            called(&world, at, billed).await;
            called(&world, at, billed).await;
        }
        called(&other, 10 * DAY, Some(1)).await;
        let account = world.account;
        let per_day = |since| {
            db.store.read(move |conn| {
                let mut days = calls::per_day(conn, account, since)?;
                days.sort_by_key(|used| used.day);
                Ok::<_, StoreError>(days)
            })
        };
        let used = |day, calls, seconds| DayUse { day, calls, seconds: Seconds(seconds) };
        let late = [used(10, 4, 14), used(12, 2, 2 * i64::from(i32::MAX))];
        assert_eq!(per_day(10 * DAY).await.unwrap(), late);
        assert_eq!(per_day(0).await.unwrap().first(), Some(&used(9, 2, 10)));
        assert!(per_day(13 * DAY).await.unwrap().is_empty());
    }

    async fn the_newest_key_that_takes_over_is_found(db: Db) {
        let world = db.world(0).await;
        let old = world.key.id;
        let mut made = Vec::new();
        for _ in 0..2 {
            let plain = PlainKey::generate().unwrap();
            let key = Key {
                id: KeyId::new(),
                suffix: plain.suffix(),
                replaces: Some(old),
                ..world.key.clone()
            };
            made.push(key.id);
            let hash = plain.hash();
            assert!(db.store.write(move |conn| keys::insert(conn, &key, &hash)).await.unwrap());
        }
        let found = db.store.read(move |conn| keys::successor(conn, old)).await.unwrap().unwrap();
        assert_eq!((found.key.id, found.key.replaces), (made[1], Some(old)));
        let newest = made[1];
        assert!(db.store.read(move |conn| keys::successor(conn, newest)).await.unwrap().is_none());
    }

    async fn a_deleted_agent_keeps_its_name(db: Db) {
        let world = db.world(0).await;
        let (agent, key) = (world.agent.id, world.key.id);
        let label = db
            .store
            .write(move |conn| {
                keys::revoke(conn, key, 1)?;
                agents::delete(conn, agent, 2)?;
                assert!(agents::get(conn, agent)?.is_none());
                agents::label(conn, agent)
            })
            .await
            .unwrap();
        let label = label.unwrap();
        assert_eq!((label.name.as_str(), label.is_deleted), ("Front desk", true));
    }
}
