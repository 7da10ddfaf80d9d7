//! Agents: made, changed, hidden.

use serde_json::{Value, json};

use crate::admin::app::{TestApp, nobody, string};

/// Bad values of each field that an agent is made with and can be changed by.
fn bad_values() -> Vec<(&'static str, Vec<Value>)> {
    let key = format!("please use sk_live_{}", "ab".repeat(32));
    let texts = |max: usize| {
        vec![
            json!(null),
            json!(""),
            json!(" "),
            json!(7),
            json!("a\u{0}"),
            json!("é".repeat(max + 1)),
            json!(key),
        ]
    };
    let numbers = |max: i64| {
        vec![
            json!(0),
            json!(-1),
            json!(max + 1),
            json!("60"),
            json!(1.5),
            json!(true),
            json!(i64::MAX),
            json!([1]),
        ]
    };
    let durations = || [numbers(86_400), vec![json!(null)]].concat();
    vec![
        ("name", texts(200)),
        ("engine", vec![json!(null), json!("pipeline"), json!("Echo"), json!(""), json!(1)]),
        ("greeting", texts(1_000)),
        ("closing_phrase", texts(1_000)),
        ("system_prompt", vec![json!(7), json!("a\u{0}"), json!("é".repeat(20_001)), json!(key)]),
        (
            "language",
            vec![json!(null), json!(""), json!("english please"), json!("en_GB"), json!("-en")],
        ),
        (
            "voice",
            vec![
                json!(""),
                json!("-v"),
                json!("a b"),
                json!("../x"),
                json!("a".repeat(65)),
                json!(1),
            ],
        ),
        ("max_turns", numbers(10_000)),
        ("max_duration_seconds", durations()),
        ("silence_timeout_seconds", durations()),
        ("max_concurrent_calls", numbers(100_000)),
        ("is_active", vec![json!(null), json!("true"), json!(1)]),
        ("stt", vec![json!({"provider": "x"})]),
        ("id", vec![json!("agt_1")]),
        ("created_at", vec![json!("2026-01-01T00:00:00Z")]),
    ]
}

#[actix_web::test]
async fn a_bad_agent_is_refused_by_the_name_of_its_field() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let agent = app.agent(&account).await;
    let good = json!({"account_id": account, "name": "a", "engine": "echo"});
    for (field, values) in bad_values() {
        for value in values {
            let mut body = good.clone();
            body[field] = value.clone();
            let reply = app.post("/api/agents", &body).await.refused_field(field);
            assert!(!reply.text().contains("sk_live_") && !reply.text().contains("pipeline"));
            let path = format!("/api/agents/{agent}");
            app.patch(&path, &json!({field: value})).await.refused_field(field);
        }
    }
    for missing in ["account_id", "name", "engine"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(missing);
        app.post("/api/agents", &body).await.refused_field(missing);
    }
    for bad in [json!(nobody("acc_")), json!("acc_1"), json!(agent), json!(null), json!(1)] {
        let mut body = good.clone();
        body["account_id"] = bad;
        app.post("/api/agents", &body).await.refused_field("account_id");
    }
    app.patch(&format!("/api/agents/{agent}"), &json!({"account_id": account}))
        .await
        .refused_field("account_id");
    assert_eq!(app.get("/api/agents").await.json()["items"].as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn a_new_agent_shows_its_defaults() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let body = json!({"account_id": account, "name": "Echo", "engine": "echo"});
    let agent = app.post("/api/agents", &body).await.status(201).json();
    assert_eq!(
        agent,
        json!({
            "id": agent["id"], "account_id": account, "name": "Echo", "engine": "echo",
            "relay": null, "dialect": null, "signature": null,
            "greeting": "Hello. You are connected.",
            "closing_phrase": "This call is about to end. Goodbye.",
            "system_prompt": null, "language": "en", "voice": null, "max_turns": null,
            "max_duration_seconds": 3600, "silence_timeout_seconds": 60,
            "max_concurrent_calls": null, "is_active": true, "created_at": agent["created_at"],
        })
    );
    let path = format!("/api/agents/{}", string(&agent["id"]));
    assert_eq!(app.get(&path).await.status(200).json(), agent);
}

#[actix_web::test]
async fn every_field_can_be_given_and_changed() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let all = json!({
        "account_id": account, "name": "A", "engine": "echo", "greeting": "Hi.\nWelcome.",
        "closing_phrase": "Bye.", "system_prompt": "Be kind.", "language": "en-GB", "voice": "en-us+f3",
        "max_turns": 10_000, "max_duration_seconds": 86_400, "silence_timeout_seconds": 1,
        "max_concurrent_calls": 1, "is_active": false,
    });
    let agent = app.post("/api/agents", &all).await.status(201).json();
    for (field, value) in all.as_object().unwrap() {
        assert_eq!(&agent[field], value, "{field}");
    }
    let path = format!("/api/agents/{}", string(&agent["id"]));
    let mut expected = agent.clone();
    for (field, value) in [
        ("name", json!("B")),
        ("greeting", json!("Hello.")),
        ("closing_phrase", json!("See you.")),
        ("system_prompt", json!(null)),
        ("language", json!("de")),
        ("voice", json!(null)),
        ("max_turns", json!(null)),
        ("max_duration_seconds", json!(1)),
        ("silence_timeout_seconds", json!(86_400)),
        ("max_concurrent_calls", json!(null)),
        ("is_active", json!(true)),
    ] {
        expected[field] = value.clone();
        assert_eq!(app.patch(&path, &json!({field: value})).await.status(200).json(), expected);
    }
    assert_eq!(app.get(&path).await.json(), expected);
    let rows = app.audit().await;
    assert_eq!(rows.iter().filter(|row| row.starts_with("agent.update")).count(), 11);
    app.patch(&path, &json!({"engine": "echo", "name": "B"})).await.status(200);
    assert_eq!(app.audit().await, rows, "what changes nothing is no change");
}

#[actix_web::test]
async fn agents_are_listed_by_account() {
    let app = TestApp::start().await;
    let (one, two) = (app.account().await, app.account().await);
    let (of_one, of_two) = (app.agent(&one).await, app.agent(&two).await);
    let ids = async |query: &str| {
        let list = app.get(&format!("/api/agents{query}")).await.status(200).json();
        list["items"].as_array().unwrap().iter().map(|a| string(&a["id"])).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [of_two.clone(), of_one.clone()]);
    assert_eq!(ids(&format!("?account_id={one}")).await, [of_one]);
    assert_eq!(ids(&format!("?account_id={two}")).await, [of_two]);
    assert!(ids(&format!("?account_id={}", nobody("acc_"))).await.is_empty());
    app.get("/api/agents?account_id=acc_1").await.refused_field("account_id");
}

#[actix_web::test]
async fn an_agent_in_use_stays_and_one_that_goes_is_only_hidden() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let agent = app.agent(&account).await;
    let path = format!("/api/agents/{agent}");
    let (key, _) = app.key(&agent).await;
    app.delete(&path).await.refused(409, "agent_in_use");
    let call = app.open_call(&key).await;
    app.post(&format!("/api/keys/{key}/revoke"), &json!({})).await.status(200);
    app.delete(&path).await.refused(409, "agent_in_use");
    app.get(&path).await.status(200);
    app.close_call(&call, upvoot::call::event::EndReason::Hangup).await;

    assert!(app.delete(&path).await.status(204).body.is_empty());
    app.delete(&path).await.refused(404, "not_found");
    app.get(&path).await.refused(404, "not_found");
    app.patch(&path, &json!({"name": "back"})).await.refused(404, "not_found");
    app.post("/api/keys", &json!({"agent_id": agent})).await.refused_field("agent_id");
    assert_eq!(app.get("/api/agents").await.json()["items"], json!([]));
    assert_eq!(app.get(&format!("/api/keys/{key}")).await.status(200).json()["is_active"], false);
    assert_eq!(
        app.get(&format!("/api/calls/{call}")).await.status(200).json()["agent_id"],
        json!(agent)
    );
    let rows = app.audit().await;
    assert_eq!(rows.iter().filter(|row| **row == format!("agent.delete {agent}")).count(), 1);
}
