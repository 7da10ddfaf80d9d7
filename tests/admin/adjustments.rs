//! Corrections: up and down, for the operator, never below what live calls hold.

use futures_util::future::join_all;
use serde_json::{Value, json};
use upvoot::{
    points::Seconds,
    store::{Conn, StoreError, accounts},
};

use crate::admin::{
    app::{Reply, TestApp, nobody, string},
    people::on_both,
};

on_both! { points_are_corrected_up_and_down many_at_once_take_once }

#[actix_web::test]
async fn a_refused_adjustment_moves_nothing_and_uses_nothing_up() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.top_up(&account, "top-up", &json!({"points": 10})).await.status(201);
    let path = format!("/api/accounts/{account}/adjustments");
    let send = |text: &str| {
        let request = app.request("POST", &path).header("Idempotency-Key", "k");
        Reply::to(request.header("Content-Type", "application/json").body(text.to_owned()))
    };
    for points in ["0", "-0", "0.001", "-0.01", "\"-1\"", "null", "true", "1e30", "-1e999"] {
        send(&format!("{{\"points\":{points},\"note\":\"a\"}}")).await.refused_field("points");
    }
    send("{\"note\":\"a\"}").await.refused_field("points");
    for note in ["", "\"note\":null", "\"note\":\"\"", "\"note\":\"\u{200b}\"", "\"note\":7"] {
        let comma = if note.is_empty() { "" } else { "," };
        send(&format!("{{\"points\":-1{comma}{note}}}")).await.refused_field("note");
    }
    send("{\"points\":-1,\"note\":\"a\",\"seconds\":-60}").await.refused_field("seconds");
    let body = json!({"points": -1, "note": "a"});
    app.post(&path, &body).await.refused_field("Idempotency-Key");
    app.adjust(&account, &"k".repeat(201), &body).await.refused_field("Idempotency-Key");
    app.adjust(&nobody("acc_"), "k", &body).await.refused(404, "not_found");
    app.adjust(&account, "k", &json!({"points": -11, "note": "a"}))
        .await
        .refused(409, "points_not_free");
    app.adjust(&account, "k", &json!({"points": 153_722_867_280_912_930_i64, "note": "a"}))
        .await
        .refused_field("points");
    assert_eq!(app.balance(&account).await, 600);
    app.adjust(&account, "k", &body).await.status(201);
    assert_eq!(app.balance(&account).await, 540);
}

async fn points_are_corrected_up_and_down(app: TestApp) {
    let account = app.account().await;
    app.top_up(&account, "t", &json!({"points": 500})).await.status(201);
    let wrong = json!({"points": -499, "note": " a typing error "});
    let taken = app.adjust(&account, "a", &wrong).await.status(201).json();
    assert_eq!(taken["kind"], "adjustment");
    assert_eq!((&taken["points"], &taken["seconds"]), (&json!(-499.0), &json!(-29_940)));
    assert_eq!((&taken["note"], &taken["call_id"]), (&json!("a typing error"), &Value::Null));
    assert_eq!(app.balance(&account).await, 60);

    // The same again is the same entry, something else is not, and a top-up is something else.
    assert_eq!(app.adjust(&account, "a", &wrong).await.status(201).json(), taken);
    for other in
        [json!({"points": -498, "note": "a typing error"}), json!({"points": 1, "note": "b"})]
    {
        app.adjust(&account, "a", &other).await.refused(409, "idempotency_conflict");
    }
    app.top_up(&account, "a", &json!({"points": 1})).await.refused(409, "idempotency_conflict");
    let same = json!({"points": 500, "note": "x"});
    app.adjust(&account, "t", &same).await.refused(409, "idempotency_conflict");
    app.adjust(&account, "b", &json!({"points": 2.5, "note": "a refund"})).await.status(201);
    assert_eq!(app.balance(&account).await, 210);

    // What live calls hold is not touched.
    let id = account.parse().unwrap();
    let hold = move |conn: &mut Conn| accounts::hold(conn, id, Seconds(200));
    app.store.write::<_, StoreError>(hold).await.unwrap();
    let eleven = json!({"points": -11.0 / 60.0, "note": "eleven seconds"});
    app.adjust(&account, "c", &eleven).await.refused(409, "points_not_free");
    app.adjust(&account, "c", &json!({"points": -10.0 / 60.0, "note": "ten"})).await.status(201);
    assert_eq!(app.balance(&account).await, 200);

    let book = app.get(&format!("/api/accounts/{account}/ledger")).await.json();
    let kinds: Vec<String> =
        book["items"].as_array().unwrap().iter().map(|entry| string(&entry["kind"])).collect();
    assert_eq!(kinds, ["adjustment", "adjustment", "adjustment", "topup"]);
    let of_taken = format!("account.adjustment {}", string(&taken["id"]));
    assert_eq!(app.audit().await.iter().filter(|row| **row == of_taken).count(), 1);
}

async fn many_at_once_take_once(app: TestApp) {
    let account = app.account().await;
    app.top_up(&account, "t", &json!({"points": 3})).await.status(201);
    let body = json!({"points": -2, "note": "once"});
    let replies = join_all((0..12).map(|_| app.adjust(&account, "k", &body))).await;
    let ids: std::collections::HashSet<String> =
        replies.into_iter().map(Reply::created_id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.balance(&account).await, 60);
}
