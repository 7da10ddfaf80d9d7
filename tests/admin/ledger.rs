//! Top-ups and the book they stand in.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::admin::app::{Reply, TestApp, nobody, string};

#[actix_web::test]
async fn a_refused_top_up_moves_nothing_and_uses_nothing_up() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let path = format!("/api/accounts/{account}/topups");
    let send = |text: &str| {
        let request = app.request("POST", &path).header("Idempotency-Key", "k");
        Reply::to(request.header("Content-Type", "application/json").body(text.to_owned()))
    };
    for points in [
        "0",
        "-1",
        "0.0",
        "0.001",
        "1.00001",
        "0.01",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "1e30",
        "1e999",
        "153722867280912931",
        "99999999999999999999999",
        "-9223372036854775808",
        "1e-9",
    ] {
        send(&format!("{{\"points\":{points}}}")).await.refused_field("points");
    }
    send("{}").await.refused_field("points");
    send("{\"points\":1,\"note\":\"\"}").await.refused_field("note");
    send("{\"points\":1,\"note\":7}").await.refused_field("note");
    send(&format!("{{\"points\":1,\"note\":\"{}\"}}", "a".repeat(501))).await.refused_field("note");
    send("{\"points\":1,\"seconds\":60}").await.refused_field("seconds");
    send("{\"points\":NaN}").await.refused(400, "bad_json");
    let long = "k".repeat(201);
    let key = format!("sk_live_{}", "ab".repeat(32));
    for bad in ["", " ", long.as_str(), key.as_str()] {
        app.top_up(&account, bad, &json!({"points": 1})).await.refused_field("Idempotency-Key");
    }
    app.post(&path, &json!({"points": 1})).await.refused_field("Idempotency-Key");
    app.top_up(&nobody("acc_"), "k", &json!({"points": 1})).await.refused(404, "not_found");
    assert_eq!(app.balance(&account).await, 0);

    app.top_up(&account, "k", &json!({"points": 1})).await.status(201);
    assert_eq!(app.balance(&account).await, 60);
}

#[actix_web::test]
async fn points_are_kept_to_the_second() {
    let app = TestApp::start().await;
    for (points, seconds) in [
        (json!(1), 60),
        (json!(2.5), 150),
        (json!(0.05), 3),
        (json!(61.0 / 60.0), 61),
        (json!(1e6), 60_000_000),
    ] {
        let account = app.account().await;
        let entry = app.top_up(&account, "k", &json!({"points": points, "note": " paid "})).await;
        let entry = entry.status(201).json();
        assert_eq!(
            entry,
            json!({
                "id": entry["id"], "kind": "topup", "points": points.as_f64(), "seconds": seconds,
                "call_id": null, "note": "paid", "created_at": entry["created_at"],
            })
        );
        let book = app.get(&format!("/api/accounts/{account}/ledger")).await.status(200).json();
        assert_eq!(book, json!({"items": [entry], "next_cursor": null}));
        let account = app.get(&format!("/api/accounts/{account}")).await.json();
        assert_eq!(account["points"].as_f64(), points.as_f64());
    }
    app.get(&format!("/api/accounts/{}/ledger", nobody("acc_"))).await.refused(404, "not_found");
}

#[actix_web::test]
async fn a_balance_that_would_not_fit_is_refused() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let path = format!("/api/accounts/{account}/topups");
    let request = |key: &str| {
        let request = app.request("POST", &path).header("Idempotency-Key", key);
        request.header("Content-Type", "application/json").body("{\"points\":153722867280912930}")
    };
    Reply::to(request("a")).await.status(201);
    assert_eq!(app.balance(&account).await, 9_223_372_036_854_775_800);
    Reply::to(request("b")).await.refused_field("points");
    Reply::to(request("a")).await.status(201);
}

#[actix_web::test]
async fn the_same_again_is_the_same_entry_and_another_body_a_conflict() {
    let app = TestApp::start().await;
    let (account, other) = (app.account().await, app.account().await);
    let body = json!({"points": 10, "note": "May"});
    let first = app.top_up(&account, "k", &body).await.status(201).json();
    assert_eq!(app.top_up(&account, "k", &body).await.status(201).json(), first);
    assert_eq!(
        app.top_up(&account, "k", &json!({"note": "May", "points": 10.0})).await.status(201).json(),
        first
    );
    for another in [
        json!({"points": 11, "note": "May"}),
        json!({"points": 10}),
        json!({"points": 10, "note": "June"}),
    ] {
        app.top_up(&account, "k", &another).await.refused(409, "idempotency_conflict");
    }
    assert_eq!(app.balance(&account).await, 600);
    let elsewhere = app.top_up(&other, "k", &json!({"points": 1})).await.status(201).json();
    assert_ne!(elsewhere["id"], first["id"], "the key is the account's own");
    let rows = app.audit().await;
    let of_first = format!("account.topup {}", string(&first["id"]));
    assert_eq!(rows.iter().filter(|row| **row == of_first).count(), 1);
}

#[actix_web::test]
async fn many_at_once_make_one_entry() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let body = json!({"points": 3});
    let replies = join_all((0..20).map(|_| app.top_up(&account, "k", &body))).await;
    let ids: std::collections::HashSet<String> =
        replies.into_iter().map(Reply::created_id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.balance(&account).await, 180);
    let book = app.get(&format!("/api/accounts/{account}/ledger")).await.json();
    assert_eq!(book["items"].as_array().map(Vec::len), Some(1));
    let topups = |row: &String| row.starts_with("account.topup");
    assert_eq!(app.audit().await.iter().filter(|row| topups(row)).count(), 1);
    assert_eq!(book["next_cursor"], Value::Null);
}
