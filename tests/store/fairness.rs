//! One account does its worst, and another's call begins all the same.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use tokio::task::JoinSet;
use upvoot::{
    admission::Verdict,
    id::{AccountId, NodeId},
    store::{
        Page, StoreError,
        calls::{self, CallFilter},
        ledger,
    },
};

use crate::store::world::{Db, World, block_on, on_both};

/// How long anything that is awaited may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for calls, and counts those that were answered, either way.
fn dial(world: &World, count: usize, answered: &Arc<AtomicUsize>) -> JoinSet<bool> {
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let (world, answered) = (world.clone(), Arc::clone(answered));
        asking.spawn(async move {
            let verdict = world.ask(NodeId::new()).await;
            answered.fetch_add(1, Ordering::SeqCst);
            matches!(verdict, Ok(Verdict::Admitted(_)))
        });
    }
    asking
}

on_both! {
    async fn a_thousand_dials_of_one_account_go_before_no_other_call(db: Db) {
        let (loud, quiet) = (db.world(1_000_000).await, db.world(1_000).await);
        loud.admit().await;
        quiet.admit().await;
        // No writer takes anything before all have asked, the quiet one last.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (held, (began, mut all)) =
            (Arc::new(Mutex::new(held)), tokio::sync::mpsc::unbounded_channel());
        let writers = if db.url.starts_with("sqlite") { 1 } else { 8 };
        for _ in 0..writers {
            let (store, held, began) = (db.store.clone(), Arc::clone(&held), began.clone());
            tokio::spawn(async move {
                let wait = move |_: &mut _| {
                    began.send(()).unwrap();
                    let _ = held.lock().unwrap().recv();
                    Ok::<_, StoreError>(())
                };
                store.write(wait).await
            });
        }
        for _ in 0..writers {
            all.recv().await.unwrap();
        }
        let answered = Arc::new(AtomicUsize::new(0));
        let asking = dial(&loud, 1_000, &answered);
        // Whoever is too many is told at once; the others wait.
        while answered.load(Ordering::SeqCst) < 400 {
            tokio::task::yield_now().await;
        }
        let mut last = Box::pin(quiet.admit());
        assert!(futures_util::poll!(last.as_mut()).is_pending());
        drop(release);
        let call = last.await.call_id;
        let (filter, before) = (CallFilter::of(loud.account), Page { after: Some(call), limit: 999 });
        let first = db.store.read(move |conn| calls::list(conn, filter, before)).await.unwrap();
        // In the order of their coming it would have been all of them.
        assert!(first.len() < 50, "{} began first", first.len());
        let results = asking.join_all().await;
        let admitted = results.iter().filter(|admitted| **admitted).count();
        assert!(admitted > 400, "those who could wait were served: {admitted}");
        assert!(admitted < 600, "there is a bound on who waits: {admitted}");
        quiet.check_books().await;
        loud.check_books().await;
    }

    async fn a_row_comes_after_one_of_a_node_whose_clock_is_ahead(db: Db) {
        let world = db.world(60).await;
        let ahead = ("led_0fffffffffff7fffbfffffffffffff0f", 99_999_999_999_999_i64);
        let account = world.account;
        db.store
            .write(move |conn| {
                let sql = format!(
                    "INSERT INTO ledger (id, account_id, kind, seconds, created_at) \
                     VALUES ('{}', '{account}', 'topup', 1, {}); \
                     UPDATE accounts SET balance_seconds = balance_seconds + 1 WHERE id = '{account}'",
                    ahead.0, ahead.1
                );
                Ok::<_, StoreError>(conn.batch_execute(&sql)?)
            })
            .await
            .unwrap();
        world.top_up(7).await;
        let entries = world.entries().await;
        assert_eq!((entries[0].seconds.0, entries[1].id.to_string().as_str()), (7, ahead.0));
        assert_eq!(entries[0].created_at, ahead.1);
        world.check_books().await;
    }
}

/// Somebody's open transaction that holds an account's row.
fn locked(url: &str, account: AccountId) -> PgConnection {
    let mut conn = PgConnection::establish(url).unwrap();
    let lock = format!("BEGIN; SELECT 1 FROM accounts WHERE id = '{account}' FOR UPDATE");
    conn.batch_execute(&lock).unwrap();
    conn
}

#[test]
fn a_locked_row_of_one_account_stops_no_other() {
    block_on(async {
        let db = Db::postgres();
        let (stuck, other) = (db.world(100_000).await, db.world(1_000).await);
        stuck.admit().await;
        other.admit().await;
        let mut conn = locked(&db.url, stuck.account);
        let answered = Arc::new(AtomicUsize::new(0));
        let asking = dial(&stuck, 24, &answered);
        tokio::task::yield_now().await;
        for _ in 0..10 {
            // One that waited for the row would wait for as long as the row is held.
            let admitted = tokio::time::timeout(PATIENCE, other.admit());
            admitted.await.expect("another account is admitted");
        }
        assert_eq!(answered.load(Ordering::SeqCst), 0, "all of these wait for the row");
        // So do those of a store that is asked for the account by people, and money too.
        let (of, page) = (stuck.account, Page { after: None, limit: 1 });
        let book = db.store.of(of).read(move |conn| ledger::list(conn, of, page)).await;
        assert_eq!(book.unwrap().len(), 1, "a read waits for no lock");
        conn.batch_execute("ROLLBACK").unwrap();
        assert!(asking.join_all().await.into_iter().all(|admitted| admitted));
    });
}

#[test]
fn whose_a_key_is_is_asked_once() {
    block_on(async {
        for db in [Db::sqlite(), Db::postgres()] {
            let (world, store) = (db.world(600).await, db.store.clone());
            assert_eq!(store.owner_of_key(&world.hash).await.unwrap(), Some(world.account));
            db.sql("DROP INDEX keys_by_agent").await.unwrap();
            db.sql("ALTER TABLE keys RENAME TO elsewhere").await.unwrap();
            assert_eq!(store.owner_of_key(&world.hash).await.unwrap(), Some(world.account));
            assert!(!store.knows_no_key(&world.hash));
            let other = upvoot::key::PlainKey::generate().unwrap().hash();
            assert!(store.owner_of_key(&other).await.is_err(), "what is not known is asked for");
        }
    });
}
