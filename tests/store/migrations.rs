//! Migrations: each can be undone, and both databases end up with the same tables.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _, sql_query, sql_types::Text,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::{store::world::Db, support::postgres};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

#[derive(QueryableByName, Debug, PartialEq)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

const SQLITE_SCHEMA: &str = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line
    FROM sqlite_master WHERE name NOT LIKE '%diesel%' ORDER BY 1";

const POSTGRES_SCHEMA: &str = "
    SELECT 'column ' || table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable
        || ' ' || coalesce(collation_name, '') AS line
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%diesel%'
    UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '%diesel%'
    UNION ALL SELECT 'index ' || indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename NOT LIKE '%diesel%'
    UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1";

#[test]
fn up_down_and_up_again_on_sqlite() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.run_pending_migrations(SQLITE).unwrap();
    let first: Vec<Line> = sql_query(SQLITE_SCHEMA).load(&mut conn).unwrap();
    assert!(first.len() > 10, "{first:?}");
    conn.revert_all_migrations(SQLITE).unwrap();
    let none: Vec<Line> = sql_query(SQLITE_SCHEMA).load(&mut conn).unwrap();
    assert_eq!(none, []);
    conn.run_pending_migrations(SQLITE).unwrap();
    let again: Vec<Line> = sql_query(SQLITE_SCHEMA).load(&mut conn).unwrap();
    assert_eq!(again, first);
}

#[test]
fn up_down_and_up_again_on_postgres() {
    let mut conn = PgConnection::establish(&postgres::fresh_database()).unwrap();
    conn.run_pending_migrations(POSTGRES).unwrap();
    let first: Vec<Line> = sql_query(POSTGRES_SCHEMA).load(&mut conn).unwrap();
    assert!(first.len() > 50, "{first:?}");
    conn.revert_all_migrations(POSTGRES).unwrap();
    let none: Vec<Line> = sql_query(POSTGRES_SCHEMA).load(&mut conn).unwrap();
    assert_eq!(none, []);
    conn.run_pending_migrations(POSTGRES).unwrap();
    let again: Vec<Line> = sql_query(POSTGRES_SCHEMA).load(&mut conn).unwrap();
    assert_eq!(again, first);
}

#[test]
fn both_databases_have_the_same_columns_and_indexes() {
    let (sqlite, postgres) = (Db::sqlite(), Db::postgres());
    let path = sqlite.url.strip_prefix("sqlite://").unwrap();
    let mut conn = SqliteConnection::establish(path).unwrap();
    let in_sqlite: Vec<Line> = sql_query(
        "SELECT t.name || '.' || c.name || CASE c.\"notnull\" WHEN 1 THEN ' NO' ELSE ' YES' END AS line
         FROM sqlite_master t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE '%diesel%'
         UNION ALL SELECT 'index ' || name FROM sqlite_master WHERE type = 'index' AND sql <> ''
         ORDER BY 1",
    )
    .load(&mut conn)
    .unwrap();
    let mut conn = PgConnection::establish(&postgres.url).unwrap();
    let in_postgres: Vec<Line> = sql_query(
        "SELECT table_name || '.' || column_name || ' ' || is_nullable COLLATE \"C\" AS line
         FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '%diesel%'
         UNION ALL SELECT ('index ' || indexname) COLLATE \"C\" FROM pg_indexes
         WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)
         ORDER BY 1",
    )
    .load(&mut conn)
    .unwrap();
    assert_eq!(in_sqlite, in_postgres);
}

/// Undoes migrations down to and with this one.
fn revert_to<C: diesel_migrations::MigrationHarness<DB>, DB: diesel::backend::Backend>(
    conn: &mut C,
    all: fn() -> EmbeddedMigrations,
    version: &str,
) where
    EmbeddedMigrations: diesel::migration::MigrationSource<DB>,
{
    while conn.revert_last_migration(all()).unwrap().to_string() != version {}
}

#[test]
fn on_the_way_back_an_agent_with_a_bot_is_switched_off() {
    const RELAY: &str = "20261125100000";
    const MADE: &str = "INSERT INTO accounts (id, name, balance_seconds, held_seconds, created_at)
            VALUES ('acc', 'Acme', 0, 0, 0);
        INSERT INTO agents (id, account_id, name, engine, greeting, closing_phrase, language,
            max_duration_seconds, silence_timeout_seconds, is_active, created_at, relay_url,
            relay_connect_timeout_ms, relay_first_byte_timeout_ms, relay_unreachable_phrase)
            VALUES ('agt', 'acc', 'Bot', 'relay', '', 'Bye.', 'en', 60, 60, 1 = 1, 0,
            'wss://bot.example.com/', 100, 100, 'Sorry.')";
    const LEFT: &str =
        "SELECT engine || CASE WHEN is_active THEN ' on' ELSE ' off' END AS line FROM agents";
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.run_pending_migrations(SQLITE).unwrap();
    conn.batch_execute(MADE).unwrap();
    revert_to(&mut conn, || SQLITE, RELAY);
    let on_sqlite: Vec<Line> = sql_query(LEFT).load(&mut conn).unwrap();
    let mut conn = PgConnection::establish(&postgres::fresh_database()).unwrap();
    conn.run_pending_migrations(POSTGRES).unwrap();
    conn.batch_execute(MADE).unwrap();
    revert_to(&mut conn, || POSTGRES, RELAY);
    let on_postgres: Vec<Line> = sql_query(LEFT).load(&mut conn).unwrap();
    assert_eq!(on_sqlite, [Line { line: "echo off".to_owned() }]);
    assert_eq!(on_sqlite, on_postgres);
}

#[test]
fn addresses_of_before_are_confirmed_where_the_operator_or_single_sign_on_vouches_for_them() {
    const PEOPLE: &str = "20261128170000";
    const MADE: &str =
        "INSERT INTO accounts (id, name, balance_seconds, held_seconds, created_at)
            VALUES ('acc', 'Acme', 0, 0, 0);
        INSERT INTO users (id, account_id, email, password_hash, role, is_operator, is_active, created_at)
            VALUES ('usr_1', 'acc', 'token', 'x', 'owner', 1 = 0, 1 = 1, 0),
            ('usr_2', 'acc', 'owner', 'x', 'owner', 1 = 0, 1 = 1, 0),
            ('usr_3', 'acc', 'changed', 'x', 'owner', 1 = 0, 1 = 1, 0),
            ('usr_4', 'acc', 'operator', 'x', 'owner', 1 = 1, 1 = 1, 0),
            ('usr_5', 'acc', 'bound', 'x', 'owner', 1 = 0, 1 = 1, 0);
        UPDATE users SET oidc_issuer = 'https://id.example.com', oidc_subject = SUBJECT
            WHERE id = 'usr_5';
        INSERT INTO audit (id, at, actor, action, object)
            VALUES ('aud_1', 0, 'operator', 'user.create', 'usr_1'),
            ('aud_2', 0, 'ada@example.com', 'user.create', 'usr_2'),
            ('aud_3', 0, 'operator', 'user.create', 'usr_3'),
            ('aud_4', 0, 'ada@example.com', 'user.update', 'usr_3'),
            ('aud_5', 0, 'ada@example.com', 'user.create', 'usr_5')";
    const CONFIRMED: &str = "SELECT email AS line FROM users WHERE email_confirmed ORDER BY id";
    let made = |subject: &str| MADE.replace("SUBJECT", subject);
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.run_pending_migrations(SQLITE).unwrap();
    revert_to(&mut conn, || SQLITE, PEOPLE);
    conn.batch_execute(&made("zeroblob(32)")).unwrap();
    conn.run_pending_migrations(SQLITE).unwrap();
    let on_sqlite: Vec<Line> = sql_query(CONFIRMED).load(&mut conn).unwrap();
    let mut conn = PgConnection::establish(&postgres::fresh_database()).unwrap();
    conn.run_pending_migrations(POSTGRES).unwrap();
    revert_to(&mut conn, || POSTGRES, PEOPLE);
    conn.batch_execute(&made("decode(repeat('00', 32), 'hex')")).unwrap();
    conn.run_pending_migrations(POSTGRES).unwrap();
    let on_postgres: Vec<Line> = sql_query(CONFIRMED).load(&mut conn).unwrap();
    let line = |email: &str| Line { line: email.to_owned() };
    assert_eq!(on_sqlite, ["token", "operator", "bound"].map(line));
    assert_eq!(on_sqlite, on_postgres);
}

#[test]
fn nodes_that_start_together_migrate_once() {
    let dir = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}/upvoot.db", dir.path().display());
    for url in [postgres::fresh_database(), sqlite] {
        let starts: Vec<_> = (0..6)
            .map(|_| {
                let url = url.clone();
                std::thread::spawn(move || upvoot::store::Store::open(&url).map(drop))
            })
            .collect();
        for start in starts {
            start.join().unwrap().unwrap();
        }
    }
}
