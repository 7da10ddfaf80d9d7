//! Every verb of the store does what it says.

use upvoot::{
    agent::profile::Engine,
    call::event::{EndReason, Role, TranscriptLine},
    id::{AccountId, AgentId, AuditId, CallId, KeyId, LedgerId, NodeId, UserId},
    key::PlainKey,
    points::Seconds,
    store::{
        Page, StoreError, accounts,
        agents::{self, Deleted},
        audit,
        calls::{self, CallFilter, Opening, Recognition},
        keys::{self, Key, KeyFilter},
        ledger::{self, EntryKind, Posted, Posting},
        refusals::{self, Refused},
    },
};

use crate::store::world::{Db, account_named, agent_of, on_both};

const ALL: i64 = 1000;

fn of(agent_id: Option<AgentId>) -> KeyFilter {
    KeyFilter { agent_id, account_id: None }
}

on_both! {
    async fn accounts_are_kept(db: Db) {
        let ids: Vec<AccountId> = (0..5).map(|_| AccountId::new()).collect();
        let made = ids.clone();
        db.store
            .write(move |conn| {
                for id in &made {
                    accounts::insert(conn, &account_named(*id, "ACME"))?;
                }
                assert!(accounts::update(conn, made[0], "Ajax", Some(7))?);
                assert!(!accounts::update(conn, AccountId::new(), "nobody", None)?);
                let locked = accounts::lock(conn, made[0])?;
                assert_eq!(locked, accounts::get(conn, made[0])?);
                assert_eq!(accounts::lock(conn, AccountId::new())?, None);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let first = ids[0];
        let account = db.store.read(move |conn| accounts::get(conn, first)).await.unwrap().unwrap();
        let mut expected = account_named(first, "Ajax");
        expected.max_concurrent_calls = Some(7);
        assert_eq!(account, expected);

        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = Page { after, limit: 2 };
            let found = db.store.read(move |conn| accounts::list(conn, None, page)).await.unwrap();
            after = found.last().map(|account| account.id);
            if after.is_none() {
                break;
            }
            listed.extend(found.iter().map(|account| account.id));
        }
        assert_eq!(listed, ids.into_iter().rev().collect::<Vec<_>>(), "newest first, each once");
    }

    async fn agents_are_kept_and_hidden(db: Db) {
        let world = db.world(600).await;
        let (id, account) = (world.agent.id, world.account);
        let mut changed = world.agent.clone();
        changed.name = "Night desk".to_owned();
        changed.engine = Engine::Echo;
        changed.voice = None;
        changed.system_prompt = Some("Be brief.".to_owned());
        changed.max_turns = None;
        changed.max_concurrent_calls = Some(9);
        changed.is_active = false;
        let expected = changed.clone();
        db.store
            .write(move |conn| {
                assert_eq!(agents::get(conn, id)?, Some(world.agent));
                assert!(agents::update(conn, &changed)?);
                assert_eq!(agents::get(conn, id)?, Some(expected));
                assert!(!agents::update(conn, &agent_of(account))?);
                let page = Page { after: None, limit: ALL };
                assert_eq!(agents::list(conn, Some(account), page)?.len(), 1);
                assert_eq!(agents::list(conn, None, page)?.len(), 1);
                assert_eq!(agents::list(conn, Some(AccountId::new()), page)?.len(), 0);

                assert_eq!(agents::delete(conn, AgentId::new(), 9)?, Deleted::NotFound);
                assert_eq!(agents::delete(conn, id, 9)?, Deleted::Busy, "an active key");
                keys::revoke(conn, world.key.id, 9)?;
                assert_eq!(agents::delete(conn, id, 9)?, Deleted::Done);
                assert_eq!(agents::delete(conn, id, 9)?, Deleted::NotFound);
                assert_eq!(agents::get(conn, id)?, None);
                assert_eq!(agents::list(conn, None, page)?, []);
                let key = Key { id: KeyId::new(), ..world.key.clone() };
                let hash = PlainKey::generate().unwrap().hash();
                assert!(!keys::insert(conn, &key, &hash)?, "no key for a hidden agent");
                let mut revived = agent_of(account);
                revived.id = id;
                assert!(!agents::update(conn, &revived)?);
                assert_eq!(keys::get(conn, world.key.id)?.unwrap().key.agent_id, id);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn a_live_call_keeps_its_agent(db: Db) {
        let world = db.world(600).await;
        let call = world.admit().await.call_id;
        let (key, agent) = (world.key.id, world.agent.id);
        let revoke_and_delete = move |conn: &mut _| {
            keys::revoke(conn, key, 9)?;
            agents::delete(conn, agent, 9)
        };
        assert_eq!(db.store.write(revoke_and_delete).await.unwrap(), Deleted::Busy);
        world.settle(call, std::time::Duration::from_secs(1)).await;
        assert_eq!(db.store.write(revoke_and_delete).await.unwrap(), Deleted::Done);
        assert_eq!(world.call(call).await.agent_id, agent, "its calls stay listed");
    }

    async fn keys_are_kept_and_revoked(db: Db) {
        let world = db.world(600).await;
        let (id, hash, agent) = (world.key.id, world.hash, world.agent.id);
        let other = Key { id: KeyId::new(), name: None, ..world.key.clone() };
        let clash = Key { id: KeyId::new(), ..world.key.clone() };
        let other_hash = PlainKey::generate().unwrap().hash();
        let newest = other.clone();
        db.store
            .write(move |conn| {
                assert!(keys::insert(conn, &other, &other_hash)?);
                let fresh = keys::get(conn, id)?.unwrap();
                assert_eq!(fresh.key, world.key);
                assert_eq!((fresh.last_used_at, fresh.live_calls), (None, 0));
                assert_eq!(keys::get(conn, KeyId::new())?, None);

                let page = Page { after: None, limit: 1 };
                let listed = keys::list(conn, of(Some(agent)), page)?;
                assert_eq!(listed.iter().map(|v| &v.key).collect::<Vec<_>>(), [&newest]);
                let page = Page { after: Some(newest.id), limit: ALL };
                let listed = keys::list(conn, of(None), page)?;
                assert_eq!(listed.iter().map(|v| v.key.id).collect::<Vec<_>>(), [id]);
                assert_eq!(keys::list(conn, of(Some(AgentId::new())), page)?, []);
                let of_account = |account| KeyFilter { account_id: Some(account), agent_id: None };
                let page = Page { after: None, limit: ALL };
                assert_eq!(keys::list(conn, of_account(world.account), page)?.len(), 2);
                assert_eq!(keys::list(conn, of_account(AccountId::new()), page)?, []);

                let standing = keys::find_by_hash(conn, &hash)?.unwrap();
                assert_eq!((standing.key_id, standing.hash), (id, hash));
                assert_eq!(standing.agent, world.agent);
                assert_eq!(standing.account.balance, Seconds(600));
                assert!(standing.key_is_active && !standing.agent_is_deleted);
                assert_eq!(keys::lock_by_hash(conn, &hash)?.unwrap().key_id, id);
                let unknown = PlainKey::generate().unwrap().hash();
                assert!(keys::find_by_hash(conn, &unknown)?.is_none());
                assert!(keys::lock_by_hash(conn, &unknown)?.is_none());

                let first = keys::revoke(conn, id, 11)?.unwrap();
                let second = keys::revoke(conn, id, 12)?.unwrap();
                assert!(first.newly && !second.newly);
                assert_eq!(first.hash, hash);
                assert_eq!(first.view, second.view, "the second time changes nothing");
                assert_eq!(second.view.key.revoked_at, Some(11));
                assert!(!second.view.key.is_active);
                assert!(keys::revoke(conn, KeyId::new(), 11)?.is_none());

                let uses = |count, last_at, from: &str| Refused {
                    key_id: id,
                    code: refusals::KEY_REVOKED,
                    count,
                    last_at,
                    last_from: from.to_owned(),
                };
                let nobody = Refused { key_id: KeyId::new(), ..uses(1, 1, "::1") };
                let poor = Refused { code: "insufficient_points", ..uses(7, 25, "::2") };
                let noted = refusals::note(conn, &[uses(3, 20, "192.0.2.1"), nobody, poor])?;
                let (codes, whose): (Vec<_>, Vec<_>) =
                    noted.iter().map(|(refused, whose)| (refused.code, whose.agent_id)).unzip();
                assert_eq!(codes, ["insufficient_points", "key_revoked"], "and nobody's is not");
                assert_eq!(whose, [world.agent.id; 2]);
                refusals::note(conn, &[uses(2, 30, "192.0.2.2")])?;
                let view = keys::get(conn, id)?.unwrap();
                let kept: Vec<_> =
                    view.refusals.iter().map(|it| (&*it.code, it.count, &*it.last_from)).collect();
                let expected = [("key_revoked", 5, "192.0.2.2"), ("insufficient_points", 7, "::2")];
                assert_eq!(kept, expected, "the latest first");
                let key = view.key;
                assert_eq!((key.refused_uses, key.last_refused_at), (5, Some(30)));
                assert_eq!(key.last_refused_from.as_deref(), Some("192.0.2.2"));
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        // A second key of the same hash cannot be.
        let twice = db.store.write(move |conn| keys::insert(conn, &clash, &hash)).await;
        assert!(matches!(twice, Err(StoreError::Failed(_))));
    }

    async fn calls_are_kept(db: Db) {
        let world = db.world(600).await;
        let (account_id, agent_id, key_id) = (world.account, world.agent.id, world.key.id);
        let node_id = NodeId::new();
        let ids: Vec<CallId> = (0..3).map(|_| CallId::new()).collect();
        let said = |text: &str| TranscriptLine::Transcript {
            role: Role::User,
            text: text.to_owned(),
            at_ms: 3,
        };
        let lines = [said("one"), said("two"), TranscriptLine::Dtmf { digit: '#', at_ms: 5 }];
        db.store
            .write(move |conn| {
                for (number, id) in (100..).zip(&ids) {
                    let opening = Opening {
                        id: *id,
                        account_id,
                        agent_id,
                        key_id: Some(key_id),
                        node_id,
                        started_at: number,
                        reserved: Seconds(0),
                    };
                    calls::open(conn, &opening)?;
                }
                let view = keys::get(conn, key_id)?.unwrap();
                assert_eq!((view.last_used_at, view.live_calls), (Some(102), 3));
                assert_eq!(calls::live_of_key(conn, key_id)?, ids);
                assert_eq!(calls::live_of_key(conn, KeyId::new())?, []);
                assert_eq!(calls::count_live(conn, account_id, None)?, 3);
                assert_eq!(calls::count_live(conn, account_id, Some(agent_id))?, 3);
                assert_eq!(calls::count_live(conn, account_id, Some(AgentId::new()))?, 0);
                assert_eq!(calls::live_of_node(conn, node_id)?.len(), 3);

                let seen = Recognition {
                    dialect: "native".to_owned(),
                    from: Some("+441".to_owned()),
                    talk_started_at: 150,
                    ..Recognition::default()
                };
                assert!(calls::recognise(conn, ids[0], &seen)?);
                assert!(!calls::recognise(conn, CallId::new(), &seen)?);
                calls::append_transcript(conn, ids[0], 0, &lines[..2])?;
                calls::append_transcript(conn, ids[0], 1, &lines[1..])?;
                let live = calls::lock_live(conn, ids[0])?.unwrap();
                assert_eq!((live.account_id, live.talk_started_at), (account_id, Some(150)));

                let wish = |conn: &mut _, reason| calls::request_end(conn, &ids[..2], reason);
                assert_eq!(wish(conn, EndReason::Operator)?, 2);
                assert_eq!(wish(conn, EndReason::KeyRevoked)?, 0, "the first reason stays");
                let mut asked = calls::ends_requested(conn, node_id)?;
                asked.sort_unstable_by_key(|(id, _)| *id);
                let operator = EndReason::Operator;
                assert_eq!(asked, [(ids[0], operator), (ids[1], operator)]);
                assert_eq!(calls::ends_requested(conn, NodeId::new())?, []);

                calls::close(conn, ids[0], 200, EndReason::Operator, Seconds(4))?;
                assert!(calls::lock_live(conn, ids[0])?.is_none());
                assert!(!calls::recognise(conn, ids[0], &seen)?, "it is over");
                assert_eq!(calls::request_end(conn, &ids[..1], EndReason::Operator)?, 0);
                let call = calls::get(conn, ids[0])?.unwrap();
                assert_eq!(calls::transcript(conn, ids[0])?, lines);
                assert_eq!((call.started_at, call.ended_at), (100, Some(200)));
                assert_eq!(call.end_reason, Some(EndReason::Operator));
                assert_eq!(call.billed_seconds, Some(Seconds(4)));
                assert_eq!((call.from.as_deref(), call.to), (Some("+441"), None));
                assert_eq!(call.dialect.as_deref(), Some("native"));
                assert_eq!(calls::get(conn, CallId::new())?, None);

                let mut list = |filter, after| -> Result<Vec<CallId>, StoreError> {
                    let found = calls::list(conn, filter, Page { after, limit: ALL })?;
                    Ok(found.into_iter().map(|call| call.id).collect())
                };
                let (all, none) = (CallFilter::default(), Vec::<CallId>::new());
                assert_eq!(list(all, None)?, [ids[2], ids[1], ids[0]]);
                assert_eq!(list(all, Some(ids[1]))?, [ids[0]]);
                assert_eq!(list(CallFilter { live: Some(true), ..all }, None)?, [ids[2], ids[1]]);
                assert_eq!(list(CallFilter { live: Some(false), ..all }, None)?, [ids[0]]);
                assert_eq!(list(CallFilter { key_id: Some(key_id), ..all }, None)?.len(), 3);
                assert_eq!(list(CallFilter { key_id: Some(KeyId::new()), ..all }, None)?, none);
                assert_eq!(list(CallFilter { agent_id: Some(agent_id), ..all }, None)?.len(), 3);
                assert_eq!(list(CallFilter { agent_id: Some(AgentId::new()), ..all }, None)?, none);
                let of = |id| CallFilter { account_id: Some(id), ..all };
                assert_eq!(list(of(account_id), None)?.len(), 3);
                assert_eq!(list(of(AccountId::new()), None)?, none);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn a_top_up_is_made_once_per_idempotency_key(db: Db) {
        let world = db.world(0).await;
        let wish = Posting {
            kind: EntryKind::TopUp,
            account_id: world.account,
            seconds: Seconds(60),
            note: Some("invoice 7".to_owned()),
            idempotency_hash: [1; 32],
            body_hash: [2; 32],
        };
        let post = |wish: Posting| {
            let store = db.store.clone();
            async move { store.write(move |conn| ledger::post(conn, &wish)).await }
        };
        // Many at once, as an impatient client would.
        let tries = (0..20).map(|_| tokio::spawn(post(wish.clone())));
        let mut entries = Vec::new();
        let mut made = 0;
        for one in tries.collect::<Vec<_>>() {
            match one.await.unwrap().unwrap() {
                Posted::Made(entry) => {
                    made += 1;
                    entries.push(entry);
                }
                Posted::Same(entry) => entries.push(entry),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(made, 1);
        entries.dedup();
        assert_eq!(entries.len(), 1, "all were answered with the same entry");
        assert_eq!((entries[0].kind, entries[0].seconds), (EntryKind::TopUp, Seconds(60)));
        assert_eq!(entries[0].note.as_deref(), Some("invoice 7"));
        assert_eq!(world.entries().await, entries);

        let again = |change: fn(&mut Posting)| {
            let mut wish = wish.clone();
            change(&mut wish);
            wish
        };
        let other = post(again(|wish| wish.body_hash = [3; 32])).await.unwrap();
        assert_eq!(other, Posted::Conflict);
        let nobody = post(again(|wish| wish.account_id = AccountId::new())).await.unwrap();
        assert_eq!(nobody, Posted::NoAccount);
        let too_much = again(|wish| {
            wish.idempotency_hash = [4; 32];
            wish.seconds = Seconds(i64::MAX);
        });
        assert_eq!(post(too_much).await.unwrap(), Posted::OutOfRange);
        let used_up = again(|wish| wish.idempotency_hash = [4; 32]);
        assert!(matches!(post(used_up).await.unwrap(), Posted::Made(_)));
        assert_eq!(world.account().await.balance, Seconds(120));
        world.check_books().await;
    }

    async fn an_adjustment_never_takes_what_is_held(db: Db) {
        let world = db.world(100).await;
        let held = world.admit().await;
        let adjust = async |seconds: i64, key: u8| {
            let wish = Posting {
                kind: EntryKind::Adjustment,
                account_id: world.account,
                seconds: Seconds(seconds),
                note: Some("refund".to_owned()),
                idempotency_hash: [key; 32],
                body_hash: [key; 32],
            };
            db.store.write(move |conn| ledger::post(conn, &wish)).await.unwrap()
        };
        // 60 of the 100 are held.
        assert_eq!(adjust(-41, 1).await, Posted::NotFree);
        assert_eq!(adjust(i64::MIN, 1).await, Posted::NotFree);
        assert_eq!(adjust(i64::MAX, 1).await, Posted::OutOfRange);
        let Posted::Made(entry) = adjust(-40, 1).await else { panic!("40 are free") };
        assert_eq!((entry.kind, entry.seconds), (EntryKind::Adjustment, Seconds(-40)));
        assert_eq!(adjust(-1, 2).await, Posted::NotFree);
        assert!(matches!(adjust(25, 3).await, Posted::Made(_)));
        assert_eq!(world.account().await.free(), Seconds(25));
        world.settle(held.call_id, std::time::Duration::from_secs(5)).await;
        held.claim.take();
        assert_eq!(world.account().await.balance, Seconds(80));
        world.check_books().await;
    }

    async fn no_entry_comes_below_one_that_was_listed(db: Db) {
        let world = db.world(0).await;
        let posts = (0..40u8).map(|key| {
            let (store, account_id) = (db.store.clone(), world.account);
            let wish = Posting {
                kind: EntryKind::TopUp,
                account_id,
                seconds: Seconds(1),
                note: None,
                idempotency_hash: [key; 32],
                body_hash: [key; 32],
            };
            tokio::spawn(async move { store.write(move |conn| ledger::post(conn, &wish)).await })
        });
        let posts: Vec<_> = posts.collect();
        let mut seen: Vec<LedgerId> = Vec::new();
        while seen.len() < posts.len() {
            let listed: Vec<_> = world.entries().await.iter().rev().map(|entry| entry.id).collect();
            assert_eq!(listed[..seen.len()], seen, "what was listed stays below what comes");
            seen = listed;
        }
        for post in posts {
            assert!(matches!(post.await.unwrap().unwrap(), Posted::Made(_)));
        }
    }

    async fn the_audit_log_is_kept(db: Db) {
        let world = db.world(0).await;
        let rows: Vec<audit::Row> = (0..3)
            .map(|number| audit::Row {
                id: AuditId::new(),
                at: number,
                actor: "operator".to_owned(),
                action: "key.revoke".to_owned(),
                object: world.key.id.to_string(),
                account_id: (number > 0).then_some(world.account),
                from: (number > 1).then(|| "192.0.2.9".to_owned()),
                actor_id: (number > 0).then(UserId::new),
                changes: (number > 1).then(|| {
                    audit::Changes::default()
                        .value("role", "viewer", "owner")
                        .value("is_active", true, true)
                        .field("email", &1, &2)
                }),
            })
            .collect();
        let written = rows.clone();
        let page = Page { after: Some(rows[2].id), limit: 1 };
        let (account, since) = (world.account, upvoot::clock::wall_ms() - 60_000);
        let (all, one) = db
            .store
            .write(move |conn| {
                for row in &written {
                    audit::insert(conn, row)?;
                }
                assert_eq!(audit::count_since(conn, account, "key.revoke", since)?, 2);
                assert_eq!(audit::count_since(conn, account, "key.create", since)?, 0);
                assert_eq!(audit::count_since(conn, account, "key.revoke", since + 120_000)?, 0);
                assert_eq!(audit::count_since(conn, AccountId::new(), "key.revoke", since)?, 0);
                let all = audit::list(conn, None, Page { after: None, limit: ALL })?;
                Ok::<_, StoreError>((all, audit::list(conn, None, page)?))
            })
            .await
            .unwrap();
        assert_eq!(all, rows.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(one, [rows[1].clone()]);
    }
}
