//! What is old is deleted, a little at a time; what is live, young or money is not.

use std::time::Duration;

use upvoot::{
    call::event::{Role, Stretch, TranscriptLine},
    clock::wall_ms,
    id::{AccountId, AuditId, CallId, UserId},
    retention::{Rules, delete_old},
    store::{
        Page, Store, StoreError, accounts, audit,
        calls::{self, stretches},
        keys, sessions, setup_links, tickets,
        tickets::Ticket,
        users::{self, User},
    },
    user::{Email, PasswordHash, Role as Rank},
};

use crate::store::world::{Db, World, on_both};

const HOUR: Duration = Duration::from_secs(3600);
const DAY_MS: i64 = 86_400_000;

/// Server-wide days.
fn rules(days: Option<u32>) -> Rules {
    Rules { days, session_idle: 12 * HOUR, session_in_all: 7 * 24 * HOUR }
}

/// Deletes what is old `days` from now.
async fn delete_in(store: &Store, rules: Rules, days: i64) -> i64 {
    delete_old(store, rules, wall_ms() + days * DAY_MS, Duration::ZERO).await.unwrap()
}

/// A call that has just ended, in which this many lines were said.
async fn ended(world: &World, lines: usize) -> CallId {
    let call = world.admit().await.call_id;
    let said: Vec<_> = (0..lines)
        .map(|n| TranscriptLine::Transcript { role: Role::User, text: n.to_string(), at_ms: 1 })
        .collect();
    let heard = vec![Stretch { role: Role::User, begin_ms: 1, end_ms: 2 }; 3];
    let write = move |conn: &mut _| {
        calls::append_transcript(conn, call, 0, &said)?;
        stretches::append(conn, call, 0, &heard)
    };
    world.store.write(write).await.unwrap();
    world.settle(call, Duration::from_secs(5)).await;
    call
}

async fn exists(store: &Store, call: CallId) -> bool {
    store.read(move |conn| calls::get(conn, call)).await.unwrap().is_some()
}

async fn keeps(world: &World, days: Option<i32>) {
    let id = world.account;
    world.store.write(move |conn| accounts::set_retention(conn, id, days)).await.unwrap();
}

async fn audit_rows(store: &Store) -> usize {
    let page = Page { after: None, limit: 10_000 };
    store.read(move |conn| audit::list(conn, None, page)).await.unwrap().len()
}

on_both! {
    async fn old_calls_go_with_all_that_was_said_and_the_books_stay(db: Db) {
        let world = db.world(6_000).await;
        // More than one transaction deletes.
        let (long, short) = (ended(&world, 450).await, ended(&world, 2).await);
        let live = world.admit().await.call_id;
        let key = world.key.id;
        let before = db.store.read(move |conn| keys::get(conn, key)).await.unwrap().unwrap();
        assert!(before.last_used_at.is_some());

        assert_eq!(delete_in(&db.store, rules(Some(30)), 29).await, 0, "not yet");
        assert!(exists(&db.store, long).await && exists(&db.store, short).await);
        let rows = delete_in(&db.store, rules(Some(30)), 31).await;
        assert_eq!(rows, 450 + 3 + 1 + 2 + 3 + 1, "lines, stretches, calls");
        assert!(!exists(&db.store, long).await && !exists(&db.store, short).await);
        assert!(exists(&db.store, live).await, "however old, a live call stays");
        assert_eq!(world.call(live).await.ended_at, None);

        let charged: Vec<_> = world.entries().await.into_iter().filter_map(|e| e.call_id).collect();
        assert!(charged.contains(&long) && charged.contains(&short), "the ledger keeps its rows");
        world.check_books().await;
        world.settle(live, Duration::from_secs(5)).await;
        world.check_books().await;
        // When the key was used last is known though the calls are gone.
        delete_in(&db.store, rules(Some(30)), 62).await;
        assert!(!exists(&db.store, live).await);
        let after = db.store.read(move |conn| keys::get(conn, key)).await.unwrap().unwrap();
        assert!(after.last_used_at >= before.last_used_at, "{after:?}");
    }

    async fn an_account_may_keep_its_calls_for_less_time_than_the_server(db: Db) {
        let (short, long, plain) =
            (db.world(600).await, db.world(600).await, db.world(600).await);
        keeps(&short, Some(7)).await;
        keeps(&long, Some(90)).await;
        let old = [ended(&short, 1).await, ended(&long, 1).await, ended(&plain, 1).await];
        let left = async || {
            let mut left = Vec::new();
            for call in old {
                left.push(exists(&db.store, call).await);
            }
            left
        };
        delete_in(&db.store, rules(Some(30)), 6).await;
        assert_eq!(left().await, [true, true, true]);
        delete_in(&db.store, rules(None), 8).await;
        assert_eq!(left().await, [false, true, true], "seven days; the others for ever");
        delete_in(&db.store, rules(Some(30)), 29).await;
        assert_eq!(left().await, [false, true, true]);
        delete_in(&db.store, rules(Some(30)), 31).await;
        assert_eq!(left().await, [false, false, false], "the server's days are the most");
    }

    async fn the_audit_log_is_the_servers(db: Db) {
        let world = db.world(600).await;
        keeps(&world, Some(1)).await;
        let account = Some(world.account);
        let row = |_| audit::Row {
            id: AuditId::new(),
            at: wall_ms(),
            actor: "ada@example.com".to_owned(),
            action: "key.revoke".to_owned(),
            object: "key".to_owned(),
            account_id: account,
            from: None,
            actor_id: None,
            changes: None,
        };
        let rows: Vec<_> = (0..450).map(row).collect();
        let insert = move |conn: &mut _| rows.iter().try_for_each(|row| audit::insert(conn, row));
        db.store.write(insert).await.unwrap();
        delete_in(&db.store, rules(None), 400).await;
        assert_eq!(audit_rows(&db.store).await, 450, "an account cannot have it forgotten");
        delete_in(&db.store, rules(Some(30)), 29).await;
        assert_eq!(audit_rows(&db.store).await, 450);
        assert_eq!(delete_in(&db.store, rules(Some(30)), 31).await, 450);
        assert_eq!(audit_rows(&db.store).await, 0);
    }

    async fn what_lets_people_in_goes_when_it_lets_nobody_in(db: Db) {
        let world = db.world(0).await;
        let (now, user) = (wall_ms(), UserId::new());
        let (unused, agent_id, account) = ([1; 32], world.agent.id, world.account);
        let expires_at = now + 60_000;
        let made = move |conn: &mut _| {
            let hash = PasswordHash::from_stored("hash".to_owned());
            assert_eq!(users::insert(conn, &somebody(user, account), &hash)?, Ok(()));
            sessions::insert(conn, &unused, user, now)?;
            setup_links::replace(conn, &[2; 32], expires_at)?;
            tickets::insert(conn, &Ticket { hash: [3; 32], agent_id, user_id: user, expires_at }, now)
        };
        db.store.write(made).await.unwrap();
        let left = async || {
            let look = move |conn: &mut _| {
                let session = sessions::find(conn, &unused)?.is_some();
                let link = setup_links::is_good(conn, &[2; 32], now)?;
                Ok::<_, StoreError>((session, link))
            };
            db.store.read(look).await.unwrap()
        };
        delete_old(&db.store, rules(None), now, Duration::ZERO).await.unwrap();
        assert_eq!(left().await, (true, true));
        delete_old(&db.store, rules(None), expires_at, Duration::ZERO).await.unwrap();
        assert_eq!(left().await, (true, false));
        delete_in(&db.store, rules(None), 1).await;
        assert_eq!(left().await, (false, false), "no sign-in of this user was needed");
        let take = move |conn: &mut _| tickets::take(conn, &[3; 32], user, now);
        assert_eq!(db.store.write(take).await.unwrap(), None);
    }

    async fn nodes_may_delete_at_the_same_time(db: Db) {
        let world = db.world(6_000).await;
        let mut old = Vec::new();
        for _ in 0..20 {
            old.push(ended(&world, 30).await);
        }
        let rules = rules(Some(1));
        let (one, two) = tokio::join!(
            delete_in(&db.store, rules, 2),
            delete_in(&db.store, rules, 2),
        );
        assert_eq!(one + two, 20 * (30 + 3 + 1), "each row once");
        for call in old {
            assert!(!exists(&db.store, call).await);
        }
        world.check_books().await;
    }
}

fn somebody(id: UserId, account: AccountId) -> User {
    User {
        id,
        account_id: Some(account),
        email: Email::parse("ada@example.com").unwrap(),
        role: Rank::Owner,
        is_operator: false,
        is_active: true,
        created_at: 1,
        last_signed_in_at: None,
        email_confirmed: true,
    }
}
