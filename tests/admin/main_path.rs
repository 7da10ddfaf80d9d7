//! The operator's main job from end to end, and each conflict on its way, on both databases.

use futures_util::future::join_all;
use serde_json::{Value, json};
use upvoot::call::event::EndReason;

use crate::{
    admin::{
        app::{Reply, TOKEN, TestApp, string},
        keys::end_is_requested,
    },
    support::postgres,
};

#[actix_web::test]
async fn on_sqlite() {
    walk(TestApp::start().await).await;
}

#[actix_web::test]
async fn on_postgresql() {
    let url = actix_web::web::block(postgres::fresh_database).await.unwrap();
    walk(TestApp::on(tempfile::tempdir().unwrap(), url, Some(TOKEN), "").await).await;
}

async fn walk(app: TestApp) {
    let account = app.account().await;
    let path = format!("/api/accounts/{account}");
    let renamed = app.patch(&path, &json!({"name": "Ünïcode ☎", "max_concurrent_calls": 2})).await;
    assert_eq!(renamed.status(200).json()["name"], "Ünïcode ☎");

    let body = json!({"points": 2.5, "note": "May"});
    let entries = join_all((0..8).map(|_| app.top_up(&account, "k", &body))).await;
    let ids: Vec<String> = entries.into_iter().map(Reply::created_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one entry for all");
    app.top_up(&account, "k", &json!({"points": 3})).await.refused(409, "idempotency_conflict");
    assert_eq!(app.get(&path).await.json()["points"], 2.5);
    let book = app.get(&format!("{path}/ledger")).await.status(200).json();
    assert_eq!(
        (&book["items"][0]["seconds"], &book["items"][0]["note"]),
        (&json!(150), &json!("May"))
    );

    let agent = app.agent(&account).await;
    let agent_path = format!("/api/agents/{agent}");
    app.patch(&agent_path, &json!({"voice": "en-us+f3", "max_turns": 9})).await.status(200);
    let shown = app.patch(&agent_path, &json!({"voice": null})).await.status(200).json();
    assert_eq!((&shown["voice"], &shown["max_turns"]), (&Value::Null, &json!(9)));

    let (key, _) = app.key(&agent).await;
    let call = app.open_call(&key).await;
    assert_eq!(app.get(&format!("/api/keys/{key}")).await.json()["live_calls"], 1);
    let live =
        app.get(&format!("/api/calls?live=true&key_id={key}&limit=1")).await.status(200).json();
    assert_eq!(live["items"][0]["id"], json!(call));
    app.delete(&agent_path).await.refused(409, "agent_in_use");
    app.post(&format!("/api/keys/{key}/revoke"), &json!({})).await.status(200);
    assert!(!end_is_requested(&app, &call).await);
    app.post(&format!("/api/keys/{key}/revoke"), &json!({"end_calls": true})).await.status(200);
    assert!(end_is_requested(&app, &call).await);
    app.close_call(&call, EndReason::KeyRevoked).await;
    let ended = app.post(&format!("/api/calls/{call}/end"), &json!({})).await.status(202).json();
    assert_eq!(
        (&ended["end_reason"], &ended["billed_seconds"]),
        (&json!("key_revoked"), &json!(7))
    );
    app.delete(&agent_path).await.status(204);
    app.get(&agent_path).await.refused(404, "not_found");
    Reply::to(app.anonymous("GET", "/readyz")).await.status(200);

    let mut rows: Vec<String> = app.audit().await;
    rows.reverse();
    let expected = [
        ("account.create", &account),
        ("account.update", &account),
        ("account.topup", &ids[0]),
        ("agent.create", &agent),
        ("agent.update", &agent),
        ("agent.update", &agent),
        ("key.create", &key),
        ("key.revoke", &key),
        ("call.end", &call),
        ("agent.delete", &agent),
    ];
    assert_eq!(rows, expected.map(|(action, object)| format!("{action} {object}")));

    // Walked through one by one, the log is the same.
    let mut walked = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = app.get(&format!("/api/audit{query}")).await.status(200).json();
        walked.push(string(&page["items"][0]["object"]));
        let Value::String(cursor) = &page["next_cursor"] else { break };
        query = format!("?limit=1&cursor={cursor}");
    }
    walked.reverse();
    assert_eq!(walked, expected.map(|(_, object)| object.clone()));
}
