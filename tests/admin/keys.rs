//! Keys: shown once, revoked for ever.

use serde_json::{Value, json};
use upvoot::{call::event::EndReason, key::PlainKey, store::keys};

use crate::admin::app::{Reply, TestApp, nobody, string};

#[actix_web::test]
async fn a_bad_key_is_refused_by_the_name_of_its_field() {
    let app = TestApp::start().await;
    let agent = app.agent(&app.account().await).await;
    let key = format!("sk_live_{}", "ab".repeat(32));
    for (body, field) in [
        (json!({}), "agent_id"),
        (json!({"agent_id": null}), "agent_id"),
        (json!({"agent_id": nobody("agt_")}), "agent_id"),
        (json!({"agent_id": agent.to_uppercase()}), "agent_id"),
        (json!({"agent_id": key}), "agent_id"),
        (json!({"agent_id": agent, "name": ""}), "name"),
        (json!({"agent_id": agent, "name": key}), "name"),
        (json!({"agent_id": agent, "name": 1}), "name"),
        (json!({"agent_id": agent, "key": key}), "key"),
        (json!({"agent_id": agent, &key: true}), "?"),
    ] {
        let reply = app.post("/api/keys", &body).await.refused_field(field);
        assert!(!reply.text().contains("sk_live_"), "{}", reply.text());
    }
    assert_eq!(app.get("/api/keys").await.json()["items"], json!([]));
    app.get("/api/keys?agent_id=agt_1").await.refused_field("agent_id");
}

#[actix_web::test]
async fn a_key_is_shown_once() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let agent = app.agent(&account).await;
    let made = app.post("/api/keys", &json!({"agent_id": agent, "name": " main "})).await;
    let made = made.status(201).json();
    let (id, secret) = (string(&made["id"]), string(&made["key"]));
    let plain = PlainKey::parse(secret.as_bytes()).expect("one canonical key");
    assert_eq!(
        made,
        json!({
            "id": id, "agent_id": agent, "name": "main", "suffix": &secret[64..], "is_active": true,
            "created_at": made["created_at"], "key": secret,
        })
    );
    let hash = plain.hash();
    let found = app.store.read(move |conn| keys::find_by_hash(conn, &hash)).await.unwrap();
    assert_eq!(found.unwrap().key_id.to_string(), id);

    let shown = app.get(&format!("/api/keys/{id}")).await.status(200).json();
    assert_eq!(
        shown,
        json!({
            "id": id, "agent_id": agent, "account_id": account, "name": "main", "suffix": &secret[64..],
            "is_active": true, "created_at": made["created_at"], "age_days": 0, "revoked_at": null,
            "last_used_at": null, "live_calls": 0, "unrecognised_calls": 0, "refused_uses": 0, "last_refused_at": null,
            "last_refused_from": null, "refusals": [], "replaces": null,
        })
    );
    let list = app.get(&format!("/api/keys?agent_id={agent}")).await.status(200).json();
    assert_eq!(list["items"], json!([shown]));
    assert!(app.audit().await.contains(&format!("key.create {id}")));
}

#[actix_web::test]
async fn two_keys_of_one_agent_show_which_is_in_use() {
    let app = TestApp::start().await;
    let agent = app.agent(&app.account().await).await;
    let ((old, _), (new, _)) = (app.key(&agent).await, app.key(&agent).await);
    let call = app.open_call(&old).await;
    app.close_call(&call, EndReason::Hangup).await;
    let call = app.open_call(&new).await;
    let key = async |id: &str| app.get(&format!("/api/keys/{id}")).await.json();
    let started_at = app.get(&format!("/api/calls/{call}")).await.json()["started_at"].clone();
    assert_eq!(
        (&key(&new).await["live_calls"], &key(&new).await["last_used_at"]),
        (&json!(1), &started_at)
    );
    assert_eq!(key(&old).await["live_calls"], 0);
    assert!(key(&old).await["last_used_at"].is_string());
}

#[actix_web::test]
async fn a_revocation_is_for_ever_and_leaves_calls_alone() {
    let app = TestApp::start().await;
    let agent = app.agent(&app.account().await).await;
    let (id, secret) = app.key(&agent).await;
    let call = app.open_call(&id).await;
    let path = format!("/api/keys/{id}/revoke");
    app.post(&path, &json!({"end_calls": "no"})).await.refused_field("end_calls");
    app.post(&path, &json!({"end_calls": null})).await.refused_field("end_calls");
    app.post(&path, &json!({"force": true})).await.refused_field("force");
    assert_eq!(app.get(&format!("/api/keys/{id}")).await.json()["is_active"], true);

    let revoked = Reply::to(app.request("POST", &path)).await.status(200).json();
    assert_eq!((&revoked["is_active"], &revoked["live_calls"]), (&json!(false), &json!(1)));
    assert!(revoked["revoked_at"].is_string());
    let hash = PlainKey::parse(secret.as_bytes()).unwrap().hash();
    assert!(app.registry.is_revoked(&hash).is_some());
    assert!(!end_is_requested(&app, &call).await);

    let rows = app.audit().await;
    assert_eq!(rows[0], format!("key.revoke {id}"));
    assert_eq!(app.post(&path, &json!({})).await.status(200).json(), revoked);
    assert_eq!(app.audit().await, rows, "a second time changes nothing");
}

#[actix_web::test]
async fn the_calls_of_a_key_end_when_asked_also_when_it_was_revoked_before() {
    let app = TestApp::start().await;
    let agent = app.agent(&app.account().await).await;
    let ((id, _), (other, _)) = (app.key(&agent).await, app.key(&agent).await);
    let (call, of_other) = (app.open_call(&id).await, app.open_call(&other).await);
    let path = format!("/api/keys/{id}/revoke");
    app.post(&path, &json!({"end_calls": false})).await.status(200);
    assert!(!end_is_requested(&app, &call).await);
    app.post(&path, &json!({"end_calls": true})).await.status(200);
    assert!(end_is_requested(&app, &call).await);
    assert!(!end_is_requested(&app, &of_other).await);
    let rows = app.audit().await;
    assert_eq!(rows[0], format!("call.end {call}"));
    app.post(&path, &json!({"end_calls": true})).await.status(200);
    assert_eq!(app.audit().await, rows);
}

/// Whether the call's node would be told to end it: the same wish again finds nothing left to ask.
pub async fn end_is_requested(app: &TestApp, call: &str) -> bool {
    let id = call.parse().unwrap();
    let ask = move |conn: &mut upvoot::store::Conn| {
        let asked = upvoot::store::calls::request_end(conn, &[id], EndReason::Operator)?;
        // Undone by the error, so that looking changes nothing.
        Err::<(), Looked>(Looked::At(asked == 0))
    };
    match app.store.write(ask).await {
        Err(Looked::At(requested)) => requested,
        other => panic!("{other:?}"),
    }
}

#[derive(Debug)]
enum Looked {
    At(bool),
    Failed,
}

impl From<upvoot::store::StoreError> for Looked {
    fn from(_: upvoot::store::StoreError) -> Self {
        Self::Failed
    }
}

#[actix_web::test]
async fn keys_of_other_agents_are_other_keys() {
    let app = TestApp::start().await;
    let (one, two) = (app.agent(&app.account().await).await, app.agent(&app.account().await).await);
    let ((of_one, _), (of_two, _)) = (app.key(&one).await, app.key(&two).await);
    let ids = async |agent: &str| -> Vec<Value> {
        let list = app.get(&format!("/api/keys?agent_id={agent}")).await.json();
        list["items"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect()
    };
    assert_eq!(ids(&one).await, [json!(of_one)]);
    assert_eq!(ids(&two).await, [json!(of_two)]);
    app.post(&format!("/api/keys/{of_one}/revoke"), &json!({})).await.status(200);
    assert_eq!(app.get(&format!("/api/keys/{of_two}")).await.json()["is_active"], true);
}
