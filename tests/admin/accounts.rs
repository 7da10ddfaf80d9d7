//! Accounts: made, listed, changed.

use serde_json::{Value, json};

use crate::admin::app::{TestApp, string};

#[actix_web::test]
async fn a_bad_account_is_refused_by_the_name_of_its_field() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let key = format!("sk_live_{}", "ab".repeat(32));
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": null}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": " \t "}), "name"),
        (json!({"name": "a\u{0}b"}), "name"),
        (json!({"name": "a".repeat(201)}), "name"),
        (json!({"name": key}), "name"),
        (json!({"name": "a", "max_concurrent_calls": 0}), "max_concurrent_calls"),
        (json!({"name": "a", "max_concurrent_calls": -1}), "max_concurrent_calls"),
        (json!({"name": "a", "max_concurrent_calls": 100_001}), "max_concurrent_calls"),
        (json!({"name": "a", "max_concurrent_calls": "5"}), "max_concurrent_calls"),
        (json!({"name": "a", "max_concurrent_calls": 1.5}), "max_concurrent_calls"),
        (json!({"name": "a", "max_concurrent_calls": true}), "max_concurrent_calls"),
        (json!({"name": "a", "retention_days": 0}), "retention_days"),
        (json!({"name": "a", "retention_days": 36_501}), "retention_days"),
        (json!({"name": "a", "retention_days": "7"}), "retention_days"),
        (json!({"name": "a", "points": 5}), "points"),
        (json!({"name": "a", "Name": "b"}), "Name"),
    ] {
        let reply = app.post("/api/accounts", &body).await.refused_field(field);
        assert!(!reply.text().contains("sk_live_"));
        let unknown_or_null = body.get("name") != Some(&json!("a")) && body != json!({});
        if unknown_or_null || body.as_object().is_some_and(|fields| fields.len() > 1) {
            app.patch(&format!("/api/accounts/{account}"), &body).await.refused_field(field);
        }
    }
    let reply = app.post("/api/accounts", &json!({"name": "a", &key: 1})).await;
    assert!(!reply.refused_field("?").text().contains("sk_live_"));
    assert_eq!(app.get("/api/accounts").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.audit().await.len(), 1, "a refusal is no change");
}

#[actix_web::test]
async fn an_account_is_made_and_found_again() {
    let app = TestApp::start().await;
    let body = json!({"name": " Zoë & Söhne ", "max_concurrent_calls": 100_000});
    let made = app.post("/api/accounts", &body).await.status(201).json();
    let id = string(&made["id"]);
    assert_eq!(
        made,
        json!({
            "id": id, "name": "Zoë & Söhne", "points": 0.0, "held_points": 0.0,
            "max_concurrent_calls": 100_000, "retention_days": null,
            "created_at": made["created_at"],
        })
    );
    let created_at: jiff::Timestamp = string(&made["created_at"]).parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(created_at).as_secs().abs() < 60);
    assert!(string(&made["created_at"]).ends_with('Z'));
    assert_eq!(app.get(&format!("/api/accounts/{id}")).await.status(200).json(), made);
    assert_eq!(app.get("/api/accounts").await.status(200).json()["items"], json!([made]));
    assert_eq!(app.audit().await, [format!("account.create {id}")]);
    let row = &app.get("/api/audit").await.json()["items"][0];
    assert_eq!((&row["actor"], &row["from"]), (&json!("operator"), &json!("127.0.0.1")));
    assert_eq!(row["account_id"], json!(id));
}

#[actix_web::test]
async fn a_change_changes_what_it_names_and_a_null_lifts_the_cap() {
    let app = TestApp::start().await;
    let id = app.account().await;
    let path = format!("/api/accounts/{id}");
    let change = async |body: Value| app.patch(&path, &body).await.status(200).json();
    assert_eq!(change(json!({"max_concurrent_calls": 5})).await["max_concurrent_calls"], 5);
    assert_eq!(change(json!({"name": "New"})).await["max_concurrent_calls"], 5);
    assert_eq!(
        change(json!({"max_concurrent_calls": null})).await["max_concurrent_calls"],
        Value::Null
    );
    assert_eq!(change(json!({"retention_days": 7})).await["retention_days"], 7);
    assert_eq!(change(json!({"name": "Newer"})).await["retention_days"], 7);
    assert_eq!(app.get(&path).await.status(200).json()["retention_days"], 7);
    let forever = change(json!({"name": "New", "retention_days": null})).await;
    assert_eq!(forever["retention_days"], Value::Null);
    let rows = app.audit().await;
    assert_eq!(rows.iter().filter(|row| **row == format!("account.update {id}")).count(), 6);
    assert_eq!(change(json!({})).await["name"], "New");
    assert_eq!(change(json!({"name": "New", "max_concurrent_calls": null})).await["name"], "New");
    assert_eq!(app.audit().await, rows, "what changes nothing is no change");
}

#[actix_web::test]
async fn the_audit_log_has_the_address_that_a_trusted_proxy_forwards() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    let app = TestApp::on(dir, url, Some(crate::admin::app::TOKEN), "127.0.0.0/8").await;
    let request = app.request("POST", "/api/accounts").json(&json!({"name": "a"}));
    let request = request.header("X-Forwarded-For", "6.6.6.6, 192.0.2.7");
    crate::admin::app::Reply::to(request).await.status(201);
    assert_eq!(app.get("/api/audit").await.json()["items"][0]["from"], "192.0.2.7");
}
