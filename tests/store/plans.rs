//! How the hot statements are carried out among 100,000 calls, with the planner's statistics and without.
//!
//! The statements are those of the verbs themselves, overheard while they run. None of them may read
//! the table of calls as a whole, nor an index of it that holds one account's whole history where only
//! what is live counts; and where it matters which index it is, that index is named.

use std::sync::{Arc, Mutex};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::{InstrumentationEvent, SimpleConnection as _},
    sql_query,
    sql_types::Text,
};
use upvoot::{
    call::event::EndReason,
    id::{CallId, NodeId},
    key::KeyHash,
    ledger::settle::{self, Settlement, Talk},
    points::Seconds,
    store::{
        Conn, Page, StoreError,
        calls::{self, CallFilter},
        keys::{self, KeyFilter},
        ledger, nodes,
    },
};

use crate::store::world::{Db, World, on_both};

/// Calls that have ended; a few are live besides.
const CALLS: i64 = 100_000;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    detail: String,
}

/// A statement with its values, as diesel prints it for people: `SELECT … -- binds: [...]`.
type Overheard = Arc<Mutex<Vec<String>>>;

/// Runs a verb and gives the plan of each statement that it ran.
async fn plans(
    db: &Db,
    verb: impl Fn(&mut Conn) -> Result<(), StoreError> + Send + 'static,
) -> Vec<(String, String)> {
    db.store
        .write(move |conn| {
            let heard = Overheard::default();
            let ear = Arc::clone(&heard);
            conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    ear.lock().unwrap().push(query.to_string());
                }
            });
            let done = verb(conn);
            conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});
            done?;
            let statements: Vec<String> = heard.lock().unwrap().clone();
            let wanted = ["SELECT", "UPDATE", "DELETE"];
            let mut plans = Vec::new();
            for statement in statements {
                let statement = statement.replace('\n', " ");
                if wanted.iter().any(|verb| statement.starts_with(verb)) {
                    plans.push((plan(conn, &statement)?, statement));
                }
            }
            Ok::<_, StoreError>(plans)
        })
        .await
        .unwrap()
}

fn plan(conn: &mut Conn, statement: &str) -> Result<String, StoreError> {
    let (sql, binds) = statement.split_once(" -- binds: ").unwrap_or((statement, "[]"));
    match conn {
        Conn::Sqlite(conn) => {
            // No plan of SQLite depends on the values.
            let lines: Vec<Line> = sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(conn)?;
            Ok(lines.into_iter().map(|line| line.detail).collect::<Vec<_>>().join("\n"))
        }
        Conn::Postgres(conn) => {
            // As it is planned for these values, and as it is once for all values.
            conn.batch_execute(&format!("PREPARE overheard AS {sql}"))?;
            let execute = match values(binds) {
                values if values.is_empty() => "overheard".to_owned(),
                values => format!("overheard({values})"),
            };
            let mut all = Vec::new();
            for mode in ["force_custom_plan", "force_generic_plan"] {
                conn.batch_execute(&format!("SET LOCAL plan_cache_mode = {mode}"))?;
                let lines: Vec<PostgresLine> =
                    sql_query(format!("EXPLAIN (COSTS OFF) EXECUTE {execute}")).load(conn)?;
                all.extend(lines.into_iter().map(|line| line.detail));
            }
            conn.batch_execute("DEALLOCATE overheard")?;
            Ok(all.join("\n"))
        }
    }
}

/// diesel's list of values as SQL: texts in quotes, numbers, bytes as lists of numbers.
fn values(binds: &str) -> String {
    let values: Vec<serde_json::Value> = serde_json::from_str(binds).expect(binds);
    let literal = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        serde_json::Value::Array(bytes) => {
            let hex: String =
                bytes.iter().map(|byte| format!("{:02x}", byte.as_u64().unwrap())).collect();
            format!("'\\x{hex}'")
        }
        other => other.to_string(),
    };
    values.iter().map(literal).collect::<Vec<_>>().join(", ")
}

/// Two accounts: one made all calls of the first tenth and nothing since, the other all the rest. A few
/// of each are live, on one node.
async fn crowd(db: &Db, analyzed: bool) -> (World, World, NodeId) {
    let (old, busy) = (db.world(100_000).await, db.world(100_000).await);
    let node = NodeId::new();
    let numbers = match db.url.starts_with("sqlite") {
        true => format!(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {CALLS})"
        ),
        false => format!("WITH numbers(n) AS (SELECT generate_series(1, {CALLS}))"),
    };
    let hex = match db.url.starts_with("sqlite") {
        true => "printf('%032x', n)",
        false => "lpad(to_hex(n), 32, '0')",
    };
    // No row of a real call is smaller than these: their ids begin with the time.
    let insert = |of: &World, range: String, live: bool| {
        let (ended, reason, billed) =
            if live { ("NULL", "NULL", "NULL") } else { ("n + 1", "'hangup'", "n % 90") };
        format!(
            "INSERT INTO calls (id, account_id, agent_id, key_id, node_id, started_at, ended_at, \
             end_reason, reserved_seconds, billed_seconds) {numbers} SELECT 'call_' || {hex}, '{}', \
             '{}', '{}', '{node}', n * 1000, {ended}, {reason}, 0, {billed} FROM numbers WHERE {range}",
            of.account, of.agent.id, of.key.id,
        )
    };
    let sql = [
        insert(&old, format!("n <= {CALLS} / 10 AND n % 5000 > 0"), false),
        insert(&old, format!("n <= {CALLS} / 10 AND n % 5000 = 0"), true),
        insert(&busy, format!("n > {CALLS} / 10 AND n % 5000 > 0"), false),
        insert(&busy, format!("n > {CALLS} / 10 AND n % 5000 = 0"), true),
    ];
    // On a connection of its own: the store's have less patience.
    let mut conn = match db.url.strip_prefix("sqlite://") {
        Some(path) => Conn::Sqlite(SqliteConnection::establish(path).unwrap()),
        None => Conn::Postgres(PgConnection::establish(&db.url).unwrap()),
    };
    // Each call that ended was charged: the book is as long.
    let book = "INSERT INTO ledger (id, account_id, kind, seconds, call_id, created_at) \
         SELECT 'led_' || substr(id, 6), account_id, 'call', -1, id, started_at FROM calls \
         WHERE ended_at IS NOT NULL"
        .to_owned();
    for sql in sql.iter().chain([&book]) {
        conn.batch_execute(sql).unwrap();
    }
    if analyzed {
        conn.batch_execute("ANALYZE").unwrap();
    }
    (old, busy, node)
}

/// Fails if a plan reads the calls as a whole, or any of what `never` names.
fn judge(what: &str, plans: &[(String, String)], index: &str, never: &[&str]) {
    assert!(!plans.is_empty(), "{what}: no statement was overheard");
    for (plan, statement) in plans {
        let scans = plan.lines().any(|line| {
            let line = line.trim_start_matches([' ', '-', '>']);
            line == "SCAN calls" || line.starts_with("Seq Scan on calls")
                // A walk down an index that nothing bounds, unless it holds live calls only.
                || (line.starts_with("SCAN calls USING") && !line.contains("calls_live"))
        });
        assert!(!scans, "{what}: reads all calls:\n{plan}\n{statement}");
        for never in never {
            assert!(!plan.contains(never), "{what}: takes {never}:\n{plan}\n{statement}");
        }
    }
    let named = plans.iter().any(|(plan, _)| plan.contains(index));
    assert!(named, "{what}: does not take {index}: {plans:#?}");
}

/// The indices that hold the whole history of something.
const HISTORY: [&str; 5] = [
    "calls_of_account",
    "calls_by_agent",
    "calls_by_key",
    "calls_by_day",
    // The primary key, walked down: `Index Scan Backward using calls_pkey`, or with `id<?` on SQLite.
    "Backward using calls_pkey",
];
const NOTHING: [&str; 0] = [];

async fn every_hot_statement(db: &Db, analyzed: bool) {
    let (old, busy, node) = crowd(db, analyzed).await;
    let hash: KeyHash = old.hash;
    let page = Page { after: None, limit: 51 };
    let next: Page<CallId> =
        Page { after: Some(format!("call_{:032x}", 5_000).parse().unwrap()), limit: 51 };
    for world in [&old, &busy] {
        let (account, agent, key) = (world.account, world.agent.id, world.key.id);
        let of = CallFilter::of(account);

        let counts = plans(db, move |conn| calls::count_live(conn, account, None).map(drop)).await;
        judge("admission: live calls of an account", &counts, "calls_live", &HISTORY);
        let counts =
            plans(db, move |conn| calls::count_live(conn, account, Some(agent)).map(drop)).await;
        judge("admission: live calls of an agent", &counts, "calls_live", &HISTORY);

        for (what, filter, index, never) in [
            ("all of an account", of, "calls_of_account", &NOTHING[..]),
            (
                "live ones of an account",
                CallFilter { live: Some(true), ..of },
                "calls_live",
                &HISTORY[..],
            ),
            (
                "ended ones of an account",
                CallFilter { live: Some(false), ..of },
                "calls_of_account",
                &NOTHING[..],
            ),
            (
                "all of an agent",
                CallFilter { agent_id: Some(agent), ..of },
                "calls_by_agent",
                &NOTHING[..],
            ),
            (
                "live ones of an agent",
                CallFilter { agent_id: Some(agent), live: Some(true), ..CallFilter::default() },
                "calls_live",
                &HISTORY[..],
            ),
            ("all of a key", CallFilter { key_id: Some(key), ..of }, "calls_by_key", &NOTHING[..]),
            (
                "live ones of a key",
                CallFilter { key_id: Some(key), live: Some(true), ..CallFilter::default() },
                "calls_live",
                &HISTORY[..],
            ),
            (
                "live ones of all",
                CallFilter { live: Some(true), ..CallFilter::default() },
                "calls_live",
                &HISTORY[..],
            ),
        ] {
            for page in [page, next] {
                let list = move |conn: &mut Conn| calls::list(conn, filter, page).map(drop);
                judge(what, &plans(db, list).await, index, never);
            }
        }
        let newest = plans(db, move |conn| calls::newest(conn, Some(account)).map(drop)).await;
        judge("the newest call", &newest, "calls_of_account", &NOTHING);
        let last = plans(db, move |conn| calls::last_failure(conn, agent).map(drop)).await;
        judge("the last call of an agent", &last, "calls_by_agent", &["Backward using calls_pkey"]);
        for of in [Some(account), None] {
            let live = plans(db, move |conn| calls::ongoing(conn, of, 500).map(drop)).await;
            judge("what is live", &live, "calls_live", &HISTORY);
        }
        let days = plans(db, move |conn| calls::per_day(conn, account, 90_000_000).map(drop)).await;
        judge("the sums of days", &days, "calls_by_day", &NOTHING);
        let filter = KeyFilter { account_id: Some(account), ..KeyFilter::default() };
        let list = move |conn: &mut Conn| {
            keys::list(conn, filter, Page { after: None, limit: 51 }).map(drop)
        };
        judge("keys with their uses", &plans(db, list).await, "calls_by_key", &NOTHING);
        let live = plans(db, move |conn| calls::live_of_key(conn, key).map(drop)).await;
        judge("what a revocation ends", &live, "calls_live", &HISTORY);
        let book = move |conn: &mut Conn| {
            ledger::list(conn, account, Page { after: None, limit: 51 }).map(drop)
        };
        judge("an account's book", &plans(db, book).await, "ledger_by_account", &["ledger_pkey"]);
    }

    let locked = plans(db, move |conn| keys::lock_by_hash(conn, &hash).map(drop)).await;
    judge("admission: the look-up", &locked, "", &HISTORY);
    let nodes = plans(db, move |conn| calls::live_of_node(conn, node).map(drop)).await;
    judge("the sweep: calls of a node", &nodes, "calls_live", &HISTORY);
    let asked = plans(db, move |conn| calls::ends_requested(conn, node).map(drop)).await;
    judge("the beat: who is to end", &asked, "calls_live", &HISTORY);
    let unknown = plans(db, move |conn| nodes::unknown(conn, 1).map(drop)).await;
    judge("the sweep: unknown nodes", &unknown, "calls_live", &HISTORY);
    let (account_id, call_id) = (old.account, format!("call_{:032x}", 5_000).parse().unwrap());
    let settlement = Settlement {
        call_id,
        account_id,
        reason: EndReason::Hangup,
        cause: None,
        talk: Talk::Lasted(std::time::Duration::from_secs(1)),
        ended_at: 10_000_000,
        recognition: None,
        lines: (0, Vec::new()),
        stretches: (0, Vec::new()),
    };
    let settle = move |conn: &mut Conn| {
        let charged = settle::settle(conn, &settlement)?;
        assert_eq!(charged, Some(Seconds(1)));
        Ok(())
    };
    judge("a settlement", &plans(db, settle).await, "", &HISTORY);
}

on_both! {
    async fn without_statistics(db: Db) {
        every_hot_statement(&db, false).await;
    }

    async fn with_statistics(db: Db) {
        every_hot_statement(&db, true).await;
    }
}
