//! A node dies, or is told to stop: nothing is lost, nothing is charged twice.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Database, Server,
    phone::{FRAME, Phone, speech},
    postgres,
};

async fn killed_in_mid_call(database: Database) {
    let (url, _database) = database.empty();
    let mut server = Server::process(&url, &[]).await;
    let (account, _, key) = server.ready().await;

    let ended = Phone::dial(&server.voice(&key.key)).await.unwrap();
    ended.end().await;
    server.quiet().await;
    let (before, held) = server.books(&account).await;
    assert_eq!(held, 0);

    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let began = tokio::time::Instant::now();
    let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    call.greeted().await;
    while began.elapsed() < Duration::from_millis(6500) {
        call.say(&speech(FRAME, 1)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.process_mut().kill();
    let lasted = i64::try_from(began.elapsed().as_secs()).unwrap() + 1;

    let killed = tokio::time::Instant::now();
    let server = Server::process(&url, &[]).await;
    let settled = server.settled(&id).await;
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    assert_eq!(settled["end_reason"], "node_lost");
    let billed = settled["billed_seconds"].as_i64().unwrap();
    assert!(billed <= lasted && billed >= lasted - 6, "{billed} of {lasted} s");
    assert_eq!(server.books(&account).await, (before - billed, 0));

    // Life goes on, with the same key.
    Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
    server.quiet().await;
    let calls = server.get("/api/calls").await.body;
    let charged: i64 = calls["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["billed_seconds"].as_i64().unwrap())
        .sum();
    assert_eq!(server.books(&account).await, (600 - charged, 0));
    server.stop().await;
}

#[actix_web::test]
async fn kill_9_in_mid_call_loses_nothing_and_charges_once_on_sqlite() {
    killed_in_mid_call(Database::Sqlite).await;
}

#[actix_web::test]
async fn kill_9_in_mid_call_loses_nothing_and_charges_once_on_postgres() {
    killed_in_mid_call(Database::Postgres).await;
}

#[actix_web::test]
async fn sigterm_lets_the_call_finish_and_leaves_with_status_0() {
    let (url, _database) = Database::Sqlite.empty();
    let mut server = Server::process(&url, &[("UPVOOT_DRAIN_SECONDS", "20")]).await;
    let (_, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    server.process_mut().signal_to_stop();
    let refused =
        crate::support::eventually(async || match Phone::dial(&server.voice(&key.key)).await {
            Err(refused) => Some(refused),
            Ok(phone) => {
                phone.end().await;
                None
            }
        })
        .await;
    assert_eq!((refused.status, refused.code()), (503, "draining"));
    let said = speech(50 * FRAME, 2);
    call.say(&said).await;
    call.hear(said.len()).await;
    assert_eq!(call.heard, said);
    call.end().await;
    assert_eq!(server.process_mut().exited().await, Some(0));
}

#[actix_web::test]
async fn a_missing_database_refuses_calls_and_costs_no_running_one() {
    let (url, _database) = Database::Postgres.empty();
    let server = Server::process(&url, &[]).await;
    let (_, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    postgres::cut_off(&url);
    let refused = Phone::dial(&server.voice(&key.key)).await.err().unwrap();
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(Phone::dial(&server.voice("x")).await.err().unwrap().code(), "invalid_key");
    let said = speech(50 * FRAME, 2);
    call.say(&said).await;
    call.hear(said.len()).await;
    assert_eq!(call.heard, said);
    call.tell(json!({"type": "end_call"})).await;
    call.until("call_end").await;
    postgres::let_in(&url);
    let calls = crate::support::eventually(async || {
        let calls = server.get("/api/calls").await.body;
        calls["items"][0]["billed_seconds"].is_i64().then_some(calls)
    })
    .await;
    assert_eq!(calls["items"][0]["end_reason"], "end_call");
    Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
    server.stop().await;
}
