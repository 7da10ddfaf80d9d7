//! Tickets end to end: one call for one user, once, in time, by the rule that keys follow.

use std::sync::Arc;

use upvoot::{
    admission::{self, NewCall, Refusal, Verdict},
    auth::token::{Token, TokenHash},
    id::{AuditId, CallId, NodeId, UserId},
    points::Seconds,
    store::{
        Page, StoreError, agents, audit, calls,
        tickets::{self, Ticket},
    },
};

use crate::store::world::{Db, World, on_both};

const NOW: i64 = 1_000_000;

async fn ticket(world: &World, user_id: UserId, expires_at: i64) -> TokenHash {
    let hash = Token::generate().unwrap().hash();
    let ticket = Ticket { hash, agent_id: world.agent.id, user_id, expires_at };
    let made = world.store.write(move |conn| tickets::insert(conn, &ticket, NOW)).await;
    made.unwrap();
    hash
}

async fn ask(world: &World, hash: TokenHash, user: UserId) -> Result<Verdict, StoreError> {
    let call = NewCall { node_id: NodeId::new(), now_ms: NOW, unclaimed: Arc::new(|_, _| {}) };
    let told = move |call: CallId, account| audit::Row {
        id: AuditId::new(),
        at: NOW,
        actor: "ada@example.com".to_owned(),
        action: "call.try".to_owned(),
        object: call.to_string(),
        account_id: Some(account),
        from: None,
        actor_id: Some(user),
        changes: None,
    };
    admission::ask_by_ticket(&world.store, hash, user, call, told).await
}

/// Who made which call, by the audit log.
async fn tried(world: &World) -> Vec<(Option<UserId>, String)> {
    let account = Some(world.account);
    let list = move |conn: &mut _| audit::list(conn, account, Page { after: None, limit: 10 });
    let rows = world.store.read(list).await.unwrap();
    rows.into_iter().map(|row| (row.actor_id, row.object)).collect()
}

async fn refusal(world: &World, hash: TokenHash, user: UserId) -> Option<Refusal> {
    match ask(world, hash, user).await.unwrap() {
        Verdict::Refused(refusal, None) => Some(refusal),
        _ => None,
    }
}

on_both! {
    async fn a_ticket_opens_one_call_without_a_key(db: Db) {
        let world = db.world(600).await;
        let user = UserId::new();
        let hash = ticket(&world, user, NOW + 1).await;
        let Verdict::Admitted(admitted) = ask(&world, hash, user).await.unwrap() else {
            panic!("admitted")
        };
        assert_eq!((admitted.key, admitted.reserved), (None, Seconds(60)));
        let id = admitted.call_id;
        let row = world.store.read(move |conn| calls::get(conn, id)).await.unwrap().unwrap();
        assert_eq!((row.key_id, row.agent_id, row.ended_at), (None, world.agent.id, None));
        assert_eq!(tried(&world).await, [(Some(user), id.to_string())], "who made it is told");
        assert_eq!(world.account().await.held, Seconds(60));
        assert_eq!(refusal(&world, hash, user).await, Some(Refusal::InvalidTicket), "once");
        world.check_books().await;
    }

    async fn it_is_its_own_users_and_in_time(db: Db) {
        let world = db.world(600).await;
        let user = UserId::new();
        let hash = ticket(&world, user, NOW + 1).await;
        assert_eq!(refusal(&world, hash, UserId::new()).await, Some(Refusal::InvalidTicket));
        assert_eq!(refusal(&world, hash, user).await, None, "a stranger's try uses nothing up");
        let late = ticket(&world, user, NOW).await;
        assert_eq!(refusal(&world, late, user).await, Some(Refusal::InvalidTicket));
        let unknown = Token::generate().unwrap().hash();
        assert_eq!(refusal(&world, unknown, user).await, Some(Refusal::InvalidTicket));
        assert_eq!(tried(&world).await.len(), 1, "a refused try is no call");
    }

    async fn old_ones_are_cleared_away_by_the_next(db: Db) {
        let world = db.world(0).await;
        let user = UserId::new();
        for _ in 0..3 {
            ticket(&world, user, NOW - 1).await;
        }
        ticket(&world, user, NOW + 1).await;
        db.sql("CREATE TABLE one (n INTEGER PRIMARY KEY)").await.unwrap();
        db.sql("INSERT INTO one SELECT 1 FROM tickets").await.expect("a single ticket is left");
    }

    async fn the_rule_is_the_one_for_keys_and_a_refused_ticket_is_used_up(db: Db) {
        let world = db.world(0).await;
        let user = UserId::new();
        let agent = world.agent.id;
        let told = world.store.write(move |conn| admission::refusal(conn, agent)).await;
        assert_eq!(told.unwrap(), Some(Refusal::InsufficientPoints));
        let hash = ticket(&world, user, NOW + 1).await;
        assert_eq!(refusal(&world, hash, user).await, Some(Refusal::InsufficientPoints));
        assert_eq!(refusal(&world, hash, user).await, Some(Refusal::InvalidTicket));
        world.top_up(60).await;
        let told = world.store.write(move |conn| admission::refusal(conn, agent)).await;
        assert_eq!(told.unwrap(), None);
        let hash = ticket(&world, user, NOW + 1).await;
        let mut off = world.agent.clone();
        off.is_active = false;
        world.store.write(move |conn| agents::update(conn, &off)).await.unwrap();
        assert_eq!(refusal(&world, hash, user).await, Some(Refusal::AgentDisabled));
    }

    async fn of_many_who_show_it_at_once_one_is_admitted(db: Db) {
        let world = db.world(600).await;
        let user = UserId::new();
        let hash = ticket(&world, user, NOW + 1).await;
        let asking = (0..8).map(|_| ask(&world, hash, user));
        let verdicts = futures_util::future::join_all(asking).await;
        let admitted =
            verdicts.iter().filter(|verdict| matches!(verdict, Ok(Verdict::Admitted(_)))).count();
        assert_eq!(admitted, 1);
        world.check_books().await;
    }
}
