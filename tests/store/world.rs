//! What the tests start from: a database of their own, and an account, an agent and a key in it.

use std::{future::Future, time::Duration};

use sha2::{Digest as _, Sha256};
use upvoot::{
    admission::{self, Admitted, Ask, Intent, NewCall, Proof, Refusal, Verdict},
    agent::profile::{Agent, Engine},
    call::event::{EndReason, TranscriptLine},
    id::{AccountId, CallId, KeyId, LedgerId, NodeId},
    key::{KeyHash, PlainKey},
    ledger::settle::{Settlement, Talk},
    points::Seconds,
    store::{
        Page, Store, StoreError,
        accounts::{self, Account},
        agents,
        calls::{self, Call, CallFilter},
        keys::{self, Key},
        ledger::{self, Entry, EntryKind, Posted, Posting},
    },
};

use crate::support::postgres;

/// Makes each test two: one on SQLite, one on PostgreSQL.
macro_rules! on_both {
    ($(async fn $name:ident($db:ident: Db) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "tests")]
            use super::*;

            async fn run($db: Db) $body

            #[test]
            fn sqlite() {
                $crate::store::world::block_on(run(Db::sqlite()));
            }

            #[test]
            fn postgres() {
                $crate::store::world::block_on(run(Db::postgres()));
            }
        }
    )*};
}
pub(crate) use on_both;

pub fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// A database of one test.
pub struct Db {
    pub store: Store,
    pub url: String,
    dir: Option<tempfile::TempDir>,
}

impl Db {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/upvoot.db", dir.path().display());
        Self { store: Store::open(&url).unwrap(), url, dir: Some(dir) }
    }

    pub fn postgres() -> Self {
        Self::on_postgres(postgres::fresh_database())
    }

    pub fn on_postgres(url: String) -> Self {
        Self { store: Store::open(&url).unwrap(), url, dir: None }
    }

    pub fn dir(&self) -> Option<&std::path::Path> {
        self.dir.as_ref().map(tempfile::TempDir::path)
    }

    pub async fn sql(&self, sql: &'static str) -> Result<(), StoreError> {
        use diesel::connection::SimpleConnection as _;
        self.store.write(move |conn| Ok(conn.batch_execute(sql)?)).await
    }

    /// An account with `seconds`, an agent without caps, an active key.
    pub async fn world(&self, seconds: i64) -> World {
        let (account, plain) = (AccountId::new(), PlainKey::generate().unwrap());
        let agent = agent_of(account);
        let key = Key {
            id: KeyId::new(),
            agent_id: agent.id,
            account_id: account,
            name: Some("main line".to_owned()),
            suffix: plain.suffix(),
            is_active: true,
            created_at: 7,
            revoked_at: None,
            refused_uses: 0,
            last_refused_at: None,
            last_refused_from: None,
            replaces: None,
        };
        let (hash, made, first) = (plain.hash(), key.clone(), agent.clone());
        self.store
            .write(move |conn| {
                accounts::insert(conn, &account_named(account, "ACME"))?;
                agents::insert(conn, &first)?;
                assert!(keys::insert(conn, &made, &hash)?);
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let world = World { store: self.store.clone(), account, agent, key, hash };
        if seconds > 0 {
            world.top_up(seconds).await;
        }
        world
    }
}

pub fn account_named(id: AccountId, name: &str) -> Account {
    let (balance, held) = (Seconds(0), Seconds(0));
    let (max_concurrent_calls, retention_days) = (None, None);
    let name = name.to_owned();
    Account { id, name, balance, held, max_concurrent_calls, created_at: 5, retention_days }
}

pub fn agent_of(account: AccountId) -> Agent {
    Agent {
        greeting: "Hello.".to_owned(),
        closing_phrase: "Goodbye.".to_owned(),
        voice: Some("en-gb".to_owned()),
        max_turns: Some(3),
        ..Agent::new(account, "Front desk".to_owned(), Engine::Echo, 6)
    }
}

/// An idempotency key's hash that no other top-up has.
pub fn once() -> [u8; 32] {
    Sha256::digest(LedgerId::new().to_string()).into()
}

/// What a test plays with; clones are the same world.
#[derive(Clone)]
pub struct World {
    pub store: Store,
    pub account: AccountId,
    pub agent: Agent,
    pub key: Key,
    pub hash: KeyHash,
}

impl World {
    pub async fn top_up(&self, seconds: i64) -> Posted {
        let wish = Posting {
            kind: EntryKind::TopUp,
            account_id: self.account,
            seconds: Seconds(seconds),
            note: None,
            idempotency_hash: once(),
            body_hash: [0; 32],
        };
        self.store.write(move |conn| ledger::post(conn, &wish)).await.unwrap()
    }

    /// Asks for a call at `node`; fails the test if an admitted call is dropped unclaimed.
    pub async fn ask(&self, node_id: NodeId) -> Result<Verdict, StoreError> {
        let intent = Intent::Admit(NewCall {
            node_id,
            now_ms: upvoot::clock::wall_ms(),
            unclaimed: std::sync::Arc::new(|_, _| {}),
        });
        admission::ask(&self.store, Ask { hash: self.hash, intent, proof: Proof::default() }).await
    }

    pub async fn admit(&self) -> Admitted {
        match self.ask(NodeId::new()).await.unwrap() {
            Verdict::Admitted(admitted) => admitted,
            other => panic!("{other:?}"),
        }
    }

    pub async fn refusal(&self) -> Option<Refusal> {
        match self.ask(NodeId::new()).await.unwrap() {
            Verdict::Refused(refusal, _) => Some(refusal),
            _ => None,
        }
    }

    pub async fn settle(&self, call_id: CallId, lasted: Duration) -> Option<Seconds> {
        let settlement = Settlement {
            call_id,
            account_id: self.account,
            reason: EndReason::EndCall,
            cause: None,
            talk: Talk::Lasted(lasted),
            ended_at: upvoot::clock::wall_ms(),
            recognition: None,
            lines: (0, Vec::new()),
            stretches: (0, Vec::new()),
        };
        let settle = move |conn: &mut _| upvoot::ledger::settle::settle(conn, &settlement);
        self.store.write(settle).await.unwrap()
    }

    pub async fn account(&self) -> Account {
        let id = self.account;
        self.store.read(move |conn| accounts::get(conn, id)).await.unwrap().unwrap()
    }

    pub async fn said(&self, id: CallId) -> Vec<TranscriptLine> {
        self.store.read(move |conn| calls::transcript(conn, id)).await.unwrap()
    }

    pub async fn call(&self, id: CallId) -> Call {
        self.store.read(move |conn| calls::get(conn, id)).await.unwrap().unwrap()
    }

    pub async fn entries(&self) -> Vec<Entry> {
        let (id, page) = (self.account, Page { after: None, limit: 100_000 });
        self.store.read(move |conn| ledger::list(conn, id, page)).await.unwrap()
    }

    /// What must be true of an account at any time. Its lock keeps everybody else still meanwhile.
    pub async fn check_books(&self) {
        let (id, filter) = (self.account, CallFilter { live: Some(true), ..CallFilter::default() });
        let filter = CallFilter { account_id: Some(id), ..filter };
        let (account, entries, live) = self
            .store
            .write(move |conn| {
                let account = accounts::lock(conn, id)?.unwrap();
                let entries = ledger::list(conn, id, Page { after: None, limit: 100_000 })?;
                let live = calls::list(conn, filter, Page { after: None, limit: 100_000 })?;
                Ok::<_, StoreError>((account, entries, live))
            })
            .await
            .unwrap();
        let sum: i64 = entries.iter().map(|entry| entry.seconds.0).sum();
        assert_eq!(account.balance.0, sum, "the balance is the sum of the ledger");
        let reserved: i64 = live.iter().map(|call| call.reserved_seconds.0).sum();
        assert_eq!(account.held.0, reserved, "what is held is what live calls have reserved");
        assert!(account.held.0 >= 0 && account.free().0 >= 0, "{account:?}");
    }
}
