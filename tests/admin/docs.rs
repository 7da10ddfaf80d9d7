//! The description says what is there, all of it, and its page loads nothing from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::admin::{
    app::{Reply, TestApp, nobody, string},
    schema,
};

async fn description(app: &TestApp) -> Value {
    Reply::to(app.anonymous("GET", "/api/openapi.json")).await.status(200).json()
}

/// Every operation: path, method, and what is said of it.
fn operations(api: &Value) -> Vec<(&str, String, &Value)> {
    let paths = api["paths"].as_object().unwrap();
    let of_path = |(path, item): (&'_ String, &'_ Value)| -> Vec<(String, String)> {
        item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())).collect()
    };
    let all: Vec<(String, String)> = paths.iter().flat_map(of_path).collect();
    all.into_iter()
        .map(|(path, method)| {
            let (path, item) = paths.get_key_value(&path).unwrap();
            (path.as_str(), method.to_uppercase(), &item[&method])
        })
        .collect()
}

#[actix_web::test]
async fn what_is_described_is_there_and_what_is_there_is_described() {
    let app = TestApp::start().await;
    let api = description(&app).await;
    assert!(string(&api["openapi"]).starts_with("3.1"));
    let mut described: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (path, method, _) in operations(&api) {
        described.entry(path).or_default().insert(method);
    }
    for (path, methods) in &described {
        let request = app.request("OPTIONS", &path.replace("{id}", &nobody("acc_")));
        let reply = Reply::to(request).await.refused(405, "method_not_allowed");
        let allowed = reply.header("allow").unwrap().split(", ").filter(|method| *method != "HEAD");
        assert_eq!(methods, &allowed.map(str::to_owned).collect::<BTreeSet<_>>(), "{path}");
    }
    let table = include_str!("../../src/api/mod.rs");
    let routes = table.split("at(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mounted: BTreeSet<String> = routes
        .filter(|path| !path.starts_with("/api"))
        .map(|path| if path.ends_with('z') { path.to_owned() } else { format!("/api{path}") })
        .collect();
    assert!(mounted.len() > 10);
    assert_eq!(mounted, described.keys().map(|path| (*path).to_owned()).collect());
}

#[actix_web::test]
async fn every_operation_says_who_may_call_and_how_it_refuses() {
    let app = TestApp::start().await;
    let api = description(&app).await;
    assert_eq!(api["components"]["securitySchemes"]["operator"]["scheme"], "bearer");
    assert_eq!(api["components"]["securitySchemes"]["session"]["in"], "cookie");
    assert_eq!(api["security"], json!([{"operator": []}, {"session": []}]));
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&api) {
        assert!(ids.insert(string(&operation["operationId"])), "{path}");
        let text = operation["summary"].as_str().or(operation["description"].as_str());
        assert!(text.is_some_and(|text| !text.is_empty()), "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with('2')) {
            let schema = &response["content"]["application/problem+json"]["schema"];
            assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{method} {path} {status}");
        }
        let open = !path.starts_with("/api/");
        assert_eq!(responses.contains_key("401"), !open, "{method} {path}");
        assert_eq!(operation.get("security").is_some(), open, "{method} {path}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
        if matches!(method.as_str(), "PATCH") || operation.get("requestBody").is_some() {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert!(body.is_object(), "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn answers_are_what_the_description_says() {
    let app = TestApp::start().await;
    let api = description(&app).await;
    let account = app.account().await;
    let agent = app.agent(&account).await;
    let (key, _) = app.key(&agent).await;
    app.top_up(&account, "k", &json!({"points": 2, "note": "a"})).await.status(201);
    let (live, ended) = (app.open_call(&key).await, app.open_call(&key).await);
    let id = ended.parse().unwrap();
    let seen = upvoot::store::calls::Recognition {
        custom_parameters: [("tenant".to_owned(), "7".to_owned())].into(),
        ..Default::default()
    };
    let recognise = move |conn: &mut _| upvoot::store::calls::recognise(conn, id, &seen);
    app.store.write(recognise).await.unwrap();
    app.close_call(&ended, upvoot::call::event::EndReason::Hangup).await;
    let check = |path: &str, method: &str, reply: &Reply, status: u16| {
        let operation = &api["paths"][path][method];
        let kind = if status < 300 { "application/json" } else { "application/problem+json" };
        let schema = &operation["responses"][status.to_string()]["content"][kind]["schema"];
        let fault = schema::fault(&api, schema, &reply.json());
        assert_eq!(fault, None, "{method} {path}: {}", reply.text());
    };
    for (path, id) in [
        ("/api/accounts", ""),
        ("/api/accounts/{id}", account.as_str()),
        ("/api/accounts/{id}/ledger", &account),
        ("/api/agents", ""),
        ("/api/agents/{id}", &agent),
        ("/api/keys", ""),
        ("/api/keys/{id}", &key),
        ("/api/calls", ""),
        ("/api/calls/{id}", &ended),
        ("/api/audit", ""),
        ("/healthz", ""),
        ("/readyz", ""),
    ] {
        let reply = app.get(&path.replace("{id}", id)).await.status(200);
        check(path, "get", &reply, 200);
    }
    let cap = json!({"max_concurrent_calls": 3});
    for (path, id, body) in
        [("/api/accounts/{id}", &account, &cap), ("/api/agents/{id}", &agent, &cap)]
    {
        check(path, "patch", &app.patch(&path.replace("{id}", id), body).await.status(200), 200);
    }
    let bad = json!({"bogus": 1});
    let bot = json!({
        "account_id": account, "name": "b", "engine": "relay", "dialect": "vonage",
        "relay": {"url": "wss://bot.example.com/"},
        "signature": {"provider": "plivo", "secret": "UPVOOT_SECRET_PLIVO"},
    });
    for (path, id, body, status) in [
        ("/api/accounts", "", json!({"name": "a"}), 201),
        ("/api/agents", "", json!({"account_id": account, "name": "a", "engine": "echo"}), 201),
        ("/api/agents", "", bot, 201),
        ("/api/keys", "", json!({"agent_id": agent}), 201),
        ("/api/calls/{id}/end", live.as_str(), json!({}), 202),
        ("/api/keys/{id}/revoke", &key, json!({"end_calls": true}), 200),
    ] {
        let path_of = path.replace("{id}", id);
        check(path, "post", &app.post(&path_of, &body).await.status(status), status);
        check(path, "post", &app.post(&path_of, &bad).await.refused_field("bogus"), 422);
        check(path, "post", &Reply::to(app.anonymous("POST", &path_of)).await, 401);
    }
    let made = app.top_up(&account, "k2", &json!({"points": 1})).await.status(201);
    check("/api/accounts/{id}/topups", "post", &made, 201);
}

#[actix_web::test]
async fn the_page_loads_nothing_from_another_host() {
    let app = TestApp::start().await;
    let get = |path: String| Reply::to(app.anonymous("GET", &path));
    let page = get("/api/docs".to_owned()).await.status(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let html = page.text();
    assert!(!html.contains("//"), "no address of another host, not even without a scheme");
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for target in html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let file = get(format!("/api/{target}")).await.status(200);
            let policy = if target.starts_with("docs/") {
                file.header("content-security-policy")
            } else {
                page.header("content-security-policy")
            };
            let policy = policy.unwrap();
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("http"),
                "{policy}"
            );
            assert!(!file.body.is_empty());
            loaded += 1;
        }
    }
    assert_eq!(loaded, 5);
    let start = get("/api/docs/start.js".to_owned()).await.text();
    assert!(start.contains("validatorUrl: null") && !start.contains("//"), "{start}");
    let style = get("/api/docs/swagger-ui.css".to_owned()).await;
    let style = String::from_utf8_lossy(&style.body).into_owned();
    for target in style.split("url(").skip(1) {
        assert!(target.trim_start_matches('"').starts_with("data:"), "{}", &target[..40]);
    }
    assert!(!style.contains("@import"));
    for none in [
        "/api/docs/",
        "/api/docs/index.html",
        "/api/docs/..%2Fopenapi.json",
        "/api/docs/swagger-ui.js",
    ] {
        Reply::to(app.request("GET", none)).await.refused(404, "not_found");
    }
}
