//! Who was heard when: kept in order, once, and never without bound.

use upvoot::{
    call::event::{Role, Stretch},
    id::CallId,
    store::{
        StoreError,
        calls::stretches::{self, MOST},
    },
};

use crate::store::world::{Db, World, on_both};

fn stretch(role: Role, begin_ms: u64, end_ms: u64) -> Stretch {
    Stretch { role, begin_ms, end_ms }
}

async fn append(
    world: &World,
    call: CallId,
    first: i32,
    told: &[Stretch],
) -> Result<(), StoreError> {
    let told = told.to_vec();
    world.store.write(move |conn| stretches::append(conn, call, first, &told)).await
}

async fn kept(world: &World, call: CallId) -> Vec<Stretch> {
    world.store.read(move |conn| stretches::of(conn, call)).await.unwrap()
}

on_both! {
    async fn stretches_are_kept_in_order_and_once(db: Db) {
        let world = db.world(600).await;
        let (call, other) = (world.admit().await.call_id, world.admit().await.call_id);
        let told = [
            stretch(Role::Assistant, 0, 1_999),
            stretch(Role::User, 2_500, 3_000),
            stretch(Role::Assistant, 3_640, 5_000),
        ];
        append(&world, call, 0, &told[..2]).await.unwrap();
        append(&world, call, 1, &told[1..]).await.unwrap();
        append(&world, call, 0, &[]).await.unwrap();
        assert_eq!(kept(&world, call).await, told);
        assert_eq!(kept(&world, other).await, []);
        assert!(append(&world, CallId::new(), 0, &told).await.is_err(), "there is no such call");
    }

    async fn a_call_has_so_many_and_further_ones_are_dropped(db: Db) {
        let world = db.world(600).await;
        let call = world.admit().await.call_id;
        let told: Vec<Stretch> =
            (0..MOST.unsigned_abs() + 5).map(|n| stretch(Role::User, n.into(), n.into())).collect();
        append(&world, call, 0, &told).await.unwrap();
        append(&world, call, MOST, &told[..1]).await.unwrap();
        append(&world, call, i32::MAX, &told).await.unwrap();
        let most = usize::try_from(MOST).unwrap();
        assert_eq!(kept(&world, call).await, told[..most]);
        assert!(db.sql("UPDATE stretches SET seq = seq + 1 WHERE seq = 1999").await.is_err());
    }

    async fn no_time_makes_a_write_fail(db: Db) {
        let world = db.world(600).await;
        let call = world.admit().await.call_id;
        let told = [stretch(Role::User, 9, 3), stretch(Role::Assistant, u64::MAX, u64::MAX)];
        append(&world, call, 0, &told).await.unwrap();
        let most = i64::MAX.unsigned_abs();
        let right = [stretch(Role::User, 9, 9), stretch(Role::Assistant, most, most)];
        assert_eq!(kept(&world, call).await, right);
    }
}
