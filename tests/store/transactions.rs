//! Transactions: durable when answered, alone in their failures, and never begun for nobody.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use upvoot::{
    id::AccountId,
    store::{Page, Store, StoreError, accounts},
};

use crate::{
    store::world::{Db, account_named, on_both},
    support::{alone::alone, postgres},
};

async fn count(store: &Store) -> usize {
    let page = Page { after: None, limit: 1000 };
    store.read(move |conn| accounts::list(conn, None, page)).await.unwrap().len()
}

on_both! {
    async fn one_that_fails_or_panics_takes_no_other_along(db: Db) {
        let writes: Vec<_> = (0..200)
            .map(|number| {
                let store = db.store.clone();
                tokio::spawn(async move {
                    store
                        .write(move |conn| {
                            accounts::insert(conn, &account_named(AccountId::new(), "one"))?;
                            match number % 4 {
                                0 => Err(StoreError::Failed("meant to".into())),
                                1 => panic!("meant to"),
                                // A row that the database refuses.
                                2 => accounts::hold(conn, AccountId::new(), upvoot::points::Seconds(0))
                                    .and_then(|()| {
                                        let twice = account_named(AccountId::new(), "twice");
                                        accounts::insert(conn, &twice)?;
                                        accounts::insert(conn, &twice)
                                    }),
                                _ => Ok(()),
                            }
                        })
                        .await
                })
            })
            .collect();
        for (number, write) in writes.into_iter().enumerate() {
            let done = write.await.unwrap();
            match number % 4 {
                3 => assert!(done.is_ok(), "{number}: {done:?}"),
                _ => assert!(matches!(done, Err(StoreError::Failed(_))), "{number}: {done:?}"),
            }
        }
        assert_eq!(count(&db.store).await, 50);
    }

    async fn what_is_answered_is_there_for_another_connection(db: Db) {
        db.store
            .write(|conn| accounts::insert(conn, &account_named(AccountId::new(), "kept")))
            .await
            .unwrap();
        let other = Store::open(&db.url).unwrap();
        assert_eq!(count(&other).await, 1);
    }

    async fn work_for_nobody_does_not_begin(db: Db) {
        let begun = Arc::new(AtomicUsize::new(0));
        let (entered, wait) = std::sync::mpsc::channel::<()>();
        // Occupies every writer there may be.
        let (started, mut all) = tokio::sync::mpsc::unbounded_channel();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let writers = if db.url.starts_with("sqlite") { 1 } else { 8 };
        let busy: Vec<_> = (0..writers)
            .map(|_| {
                let (store, wait, started) = (db.store.clone(), Arc::clone(&wait), started.clone());
                tokio::spawn(async move {
                    store
                        .write(move |_| {
                            started.send(()).unwrap();
                            let _ = wait.lock().unwrap().recv();
                            Ok::<_, StoreError>(())
                        })
                        .await
                })
            })
            .collect();
        for _ in 0..writers {
            all.recv().await.unwrap();
        }
        let counter = Arc::clone(&begun);
        let store = db.store.clone();
        let gone = tokio::spawn(async move {
            store
                .write(move |_| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, StoreError>(())
                })
                .await
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(entered);
        for one in busy {
            one.await.unwrap().unwrap();
        }
        assert_eq!(count(&db.store).await, 0);
        db.store.write(|_| Ok::<_, StoreError>(())).await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }

    async fn a_read_cannot_write(db: Db) {
        let written = db
            .store
            .read(|conn| accounts::insert(conn, &account_named(AccountId::new(), "sly")))
            .await;
        assert!(written.is_err());
        assert_eq!(count(&db.store).await, 0);
        // And a read that panics is an error of that read.
        let panicked = db.store.read::<(), StoreError>(|_| panic!("meant to")).await;
        assert!(matches!(panicked, Err(StoreError::Failed(_))));
        assert_eq!(count(&db.store).await, 0);
    }
}

#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let db = Db::sqlite();
    crate::store::world::block_on(async {
        db.world(60).await;
    });
    let files: Vec<_> = std::fs::read_dir(db.dir().unwrap()).unwrap().flatten().collect();
    assert!(files.len() >= 2, "the database and its log: {files:?}");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?} is readable by others: {mode:o}");
    }
}

#[test]
fn a_url_that_leads_nowhere_is_told_without_its_password() {
    for url in [
        "postgres://someone:hunter2@127.0.0.1:1/db",
        // No name at all, so that no name server is asked.
        "postgres://someone:hunter2@no..such.host/db",
        "postgres://someone:hunter2@127.0.0.1:port/db",
        "sqlite:///no/such/directory/upvoot.db",
    ] {
        let error = Store::open(url).map(drop).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.len() > 30, "{said}");
    }
}

#[test]
fn the_log_span_goes_with_the_work() {
    if !alone("store::transactions::the_log_span_goes_with_the_work") {
        return;
    }
    // Nothing is written anywhere.
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    for db in [Db::sqlite(), Db::postgres()] {
        let span = tracing::info_span!("call");
        let id = span.id();
        assert!(id.is_some());
        let here = |_: &mut _| Ok::<_, StoreError>(tracing::Span::current().id());
        crate::store::world::block_on(tracing::Instrument::instrument(
            async {
                assert_eq!(db.store.write(here).await.unwrap(), id);
                assert_eq!(db.store.read(here).await.unwrap(), id);
            },
            span,
        ));
    }
}

/// The database as a user may see it who gets this many connections and no more.
fn limited(connections: u32) -> String {
    use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
    let url = postgres::fresh_database();
    let name = url.rsplit('/').next().unwrap();
    let limit = format!(
        "CREATE ROLE few_{name} LOGIN CONNECTION LIMIT {connections};
         ALTER DATABASE {name} OWNER TO few_{name}; ALTER SCHEMA public OWNER TO few_{name}"
    );
    PgConnection::establish(&url).unwrap().batch_execute(&limit).unwrap();
    url.replace("//postgres@", &format!("//few_{name}@"))
}

/// Reads and writes, more of them at once than there are connections.
async fn works(store: &Store) {
    let write =
        |_| store.write(|conn| accounts::insert(conn, &account_named(AccountId::new(), "a")));
    let read = |_| store.read(|conn| accounts::get(conn, AccountId::new()));
    let (written, read) = tokio::join!(
        futures_util::future::try_join_all((0..30).map(write)),
        futures_util::future::try_join_all((0..30).map(read)),
    );
    written.unwrap();
    read.unwrap();
}

#[test]
fn a_server_that_gives_few_connections_is_used_with_those() {
    crate::store::world::block_on(async {
        for given in [2, 5] {
            let store = Store::open(&limited(given)).unwrap();
            works(&store).await;
        }
        let store = Store::open_with(&postgres::fresh_database(), Some(2)).unwrap();
        works(&store).await;
        let refused = Store::open(&limited(1)).map(drop).unwrap_err().to_string();
        assert!(refused.contains("gives 1 connections"), "{refused}");
    });
}
