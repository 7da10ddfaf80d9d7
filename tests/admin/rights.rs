//! Every route against everybody who may ask. A route without a row fails the first test.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::admin::{
    app::{Reply, TestApp, string},
    people::{PASSWORD, Session},
};

/// Status for nobody, viewer, member, owner, another account's owner, a signed-in operator, and the
/// bearer token. What stands in braces is an object of the account of the first three.
#[rustfmt::skip]
const TABLE: &[(&str, &str, [u16; 7])] = &[
    ("GET", "/healthz", [200; 7]),
    ("GET", "/readyz", [200; 7]),
    ("GET", "/api/accounts", [401, 200, 200, 200, 200, 200, 200]),
    ("POST", "/api/accounts", [401, 403, 403, 403, 403, 201, 201]),
    ("GET", "/api/accounts/{account}", [401, 200, 200, 200, 404, 200, 200]),
    ("PATCH", "/api/accounts/{account}", [401, 403, 403, 200, 404, 200, 200]),
    ("POST", "/api/accounts/{account}/topups", [401, 403, 403, 403, 403, 201, 201]),
    ("POST", "/api/accounts/{account}/adjustments", [401, 403, 403, 403, 403, 201, 201]),
    ("GET", "/api/accounts/{account}/ledger", [401, 200, 200, 200, 404, 200, 200]),
    ("GET", "/api/users", [401, 403, 403, 200, 200, 200, 200]),
    ("POST", "/api/users", [401, 403, 403, 201, 422, 201, 201]),
    ("GET", "/api/users/{user}", [401, 403, 403, 200, 404, 200, 200]),
    ("PATCH", "/api/users/{user}", [401, 403, 403, 200, 404, 200, 200]),
    ("DELETE", "/api/users/{user}", [401, 403, 403, 204, 404, 204, 204]),
    ("GET", "/api/agents", [401, 200, 200, 200, 200, 200, 200]),
    ("POST", "/api/agents", [401, 403, 201, 201, 422, 201, 201]),
    ("GET", "/api/agents/{agent}", [401, 200, 200, 200, 404, 200, 200]),
    ("PATCH", "/api/agents/{agent}", [401, 403, 200, 200, 404, 200, 200]),
    ("DELETE", "/api/agents/{agent}", [401, 403, 204, 204, 404, 204, 204]),
    ("POST", "/api/agents/{agent}/tickets", [401, 403, 201, 201, 404, 201, 403]),
    ("GET", "/api/keys", [401, 403, 403, 200, 200, 200, 200]),
    ("POST", "/api/keys", [401, 403, 403, 201, 422, 201, 201]),
    ("GET", "/api/keys/{key}", [401, 403, 403, 200, 404, 200, 200]),
    ("POST", "/api/keys/{key}/revoke", [401, 403, 403, 200, 404, 200, 200]),
    ("GET", "/api/calls", [401, 200, 200, 200, 200, 200, 200]),
    ("GET", "/api/calls/{call}", [401, 200, 200, 200, 404, 200, 200]),
    ("POST", "/api/calls/{call}/end", [401, 403, 202, 202, 404, 202, 202]),
    ("GET", "/api/audit", [401, 200, 200, 200, 200, 200, 200]),
    ("GET", "/api/me", [401, 200, 200, 200, 200, 200, 403]),
    ("POST", "/api/me/password", [401, 204, 204, 204, 204, 204, 403]),
    ("POST", "/api/me/sign-out-everywhere", [401, 204, 204, 204, 204, 204, 403]),
];

const NAMES: [&str; 7] =
    ["nobody", "viewer", "member", "owner", "other owner", "operator", "bearer"];

#[actix_web::test]
async fn every_route_has_a_row() {
    let app = TestApp::start().await;
    let api = app.get("/api/openapi.json").await.json();
    let mut routes = BTreeSet::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let general = |path: &str| -> String {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "{id}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let rows: BTreeSet<_> =
        TABLE.iter().map(|(method, path, _)| format!("{method} {}", general(path))).collect();
    assert_eq!(rows, routes);
}

/// Fresh objects of `account`, and the body that each route takes.
async fn prepare(app: &TestApp, account: &str, path: &str, number: usize) -> (String, Value) {
    let email = format!("user{number}@example.com");
    let mut path = path.replace("{account}", account);
    if path.contains("{user}") {
        path = path.replace("{user}", &app.user(account, &email, "member").await);
    }
    let agent = app.agent(account).await;
    if path.contains("{key}") || path.contains("{call}") {
        let (key, _) = app.key(&agent).await;
        if path.contains("{call}") {
            path = path.replace("{call}", &app.open_call(&key).await);
        }
        path = path.replace("{key}", &key);
    }
    if path.ends_with("/tickets") {
        app.top_up(account, &format!("ticket {number}"), &json!({"points": 1})).await.status(201);
    }
    path = path.replace("{agent}", &agent);
    let body = match path.split('/').nth(2) {
        Some("accounts") if path.ends_with("topups") => json!({"points": 1}),
        Some("accounts") if path.ends_with("adjustments") => json!({"points": 1, "note": "a"}),
        Some("accounts") => json!({"name": "Acme"}),
        Some("users") if path == "/api/users" => {
            json!({"account_id": account, "email": email, "password": PASSWORD})
        }
        Some("users") => json!({"role": "viewer"}),
        Some("agents") if path == "/api/agents" => {
            json!({"account_id": account, "name": "Echo", "engine": "echo"})
        }
        Some("agents") => json!({"name": "Other"}),
        Some("keys") if path == "/api/keys" => json!({"agent_id": agent}),
        Some("me") if path.ends_with("password") => {
            json!({"current_password": PASSWORD, "new_password": PASSWORD})
        }
        _ => json!({}),
    };
    (path, body)
}

#[actix_web::test]
async fn every_route_answers_everybody_as_the_table_says() {
    let app = TestApp::start().await;
    let (own, other) = (app.account().await, app.account().await);
    for (account, email, role) in [
        (&own, "viewer@example.com", "viewer"),
        (&own, "member@example.com", "member"),
        (&own, "owner@example.com", "owner"),
        (&other, "other@example.com", "owner"),
    ] {
        app.user(account, email, role).await;
    }
    app.operator("operator@example.com").await;
    let emails = ["viewer", "member", "owner", "other", "operator"];
    let mut wrong = Vec::new();
    let mut sessions: Vec<Session> = Vec::new();
    for who in emails {
        sessions.push(app.sign_in(&format!("{who}@example.com")).await);
    }
    for (row, (method, path, expected)) in TABLE.iter().enumerate() {
        for (column, expected) in expected.iter().enumerate() {
            let (path, body) = prepare(&app, &own, path, row * 10 + column).await;
            let request = match column {
                0 => app.anonymous(method, &path).header("origin", crate::admin::app::PUBLIC_URL),
                6 => app.request(method, &path),
                user => sessions[user - 1].request(&app, method, &path),
            };
            let request = request.header("Idempotency-Key", format!("{row}-{column}"));
            let request = if *method == "GET" { request } else { request.json(&body) };
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            if status != *expected {
                let name = NAMES[column];
                wrong.push(format!("{method} {path} by {name}: {status}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[actix_web::test]
async fn nobody_sees_what_is_another_accounts() {
    let app = TestApp::start().await;
    let (own, other) = (app.account().await, app.account().await);
    app.user(&own, "ada@example.com", "owner").await;
    let eve_id = app.user(&other, "eve@example.com", "owner").await;
    let (ada, eve) = (app.sign_in("ada@example.com").await, app.sign_in("eve@example.com").await);
    let agent = app.agent(&own).await;
    let (key, _) = app.key(&agent).await;
    let call = app.open_call(&key).await;
    for (path, count) in
        [("agents", 1), ("keys", 1), ("calls", 1), ("users", 1), ("accounts", 1), ("audit", 5)]
    {
        let list = |reply: Reply| reply.status(200).json()["items"].as_array().unwrap().clone();
        let seen = list(ada.get(&app, &format!("/api/{path}")).await);
        assert_eq!(seen.len(), count, "{path}: {seen:?}");
        for query in
            ["?limit=200".to_owned(), format!("?account_id={own}"), format!("?agent_id={agent}")]
        {
            let theirs = list(eve.get(&app, &format!("/api/{path}{query}")).await);
            let theirs = Value::from(theirs).to_string();
            for id in [&own, &agent, &key, &call] {
                assert!(!theirs.contains(id.as_str()), "{path}{query}: {theirs}");
            }
        }
    }
    assert_eq!(string(&eve.get(&app, "/api/users").await.json()["items"][0]["id"]), eve_id);

    // Refusing changed nothing.
    eve.post(&app, &format!("/api/keys/{key}/revoke"), &json!({})).await.refused(404, "not_found");
    eve.post(&app, &format!("/api/calls/{call}/end"), &json!({})).await.refused(404, "not_found");
    eve.delete(&app, &format!("/api/agents/{agent}")).await.refused(404, "not_found");
    assert_eq!(ada.get(&app, &format!("/api/keys/{key}")).await.json()["is_active"], true);
    assert!(!crate::admin::keys::end_is_requested(&app, &call).await);
    // What is not there and what is another's are told apart by nothing.
    let nobodys = crate::admin::app::nobody("agt_");
    let not_there =
        eve.get(&app, &format!("/api/agents/{nobodys}")).await.refused(404, "not_found");
    let anothers = eve.get(&app, &format!("/api/agents/{agent}")).await.refused(404, "not_found");
    assert_eq!(not_there.body, anothers.body);
}

#[actix_web::test]
async fn a_change_is_written_down_to_whoever_made_it() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let ada_id = app.user(&account, "ada@example.com", "member").await;
    let ada = app.sign_in("ada@example.com").await;
    let agent = json!({"account_id": account, "name": "Echo", "engine": "echo"});
    let agent = ada.post(&app, "/api/agents", &agent).await.created_id();
    let rows = ada.get(&app, "/api/audit").await.status(200).json();
    let row = &rows["items"][0];
    assert_eq!((&row["action"], &row["object"]), (&json!("agent.create"), &json!(agent)));
    assert_eq!((&row["actor"], &row["from"]), (&json!("ada@example.com"), &json!("127.0.0.1")));
    assert_eq!(row["actor_id"], json!(ada_id));
    assert_eq!(rows["items"][1]["action"], "user.sign_in");
}

#[actix_web::test]
async fn the_cap_of_an_account_is_the_operators() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    let path = format!("/api/accounts/{account}");
    let change = |cap: Value| json!({"name": "Ours", "max_concurrent_calls": cap});
    ada.patch(&app, &path, &change(json!(9))).await.refused(403, "forbidden");
    ada.patch(&app, &path, &change(Value::Null)).await.refused(403, "forbidden");
    let account = ada.patch(&app, &path, &json!({"name": "Ours"})).await.status(200).json();
    assert_eq!(account["name"], "Ours");
}
