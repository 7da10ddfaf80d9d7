//! The key is in the answer that made it, and nowhere else: not in the log, the database or any body.

use serde_json::json;

use crate::{
    admin::app::{self, Reply, TestApp},
    support::alone::alone,
};

#[actix_web::test]
async fn a_key_leaves_no_trace() {
    if !alone("admin::canary::a_key_leaves_no_trace") {
        return;
    }
    let log = app::log();
    let app = TestApp::start().await;
    let account = app.account().await;
    let agent = app.agent(&account).await;
    let (id, secret) = app.key(&agent).await;
    let digits = secret.strip_prefix("sk_live_").unwrap();
    let percent: String = secret.bytes().map(|b| format!("%{b:02X}")).collect();

    // A key pasted wherever a hasty person might paste one.
    let mut requests = vec![
        app.request("GET", &format!("/api/keys/{secret}")),
        app.request("GET", &format!("/api/keys/{percent}")),
        app.request("GET", &format!("/api/keys?agent_id={secret}&cursor={secret}&{secret}=1")),
        app.request("POST", &format!("/api/keys/{secret}/revoke")).json(&json!({})),
        app.request("GET", &format!("/{secret}")),
        app.request("GET", &format!("/voice/{secret}")),
        app.request("GET", "/api/accounts")
            .header("X-Request-Id", &secret)
            .header("Cookie", &secret),
        app.request("GET", "/healthz").header("Referer", format!("wss://host/voice/{secret}")),
        app.anonymous("GET", "/api/keys").bearer_auth(&secret),
        app.request(&secret, "/api/keys"),
        app.request("POST", "/api/keys").body(secret.clone()),
        app.request("POST", &format!("/api/accounts/{account}/topups"))
            .header("Idempotency-Key", &secret)
            .json(&json!({"points": 1})),
    ];
    for (path, field) in
        [("/api/accounts", "name"), ("/api/agents", "greeting"), ("/api/keys", "name")]
    {
        requests.push(app.request("POST", path).json(&json!({field: secret})));
        requests.push(app.request("POST", path).json(&json!({&secret: field})));
        requests.push(app.request("POST", path).json(&json!({&percent: field, field: [secret]})));
    }
    for path in [
        "/api/accounts",
        "/api/agents",
        "/api/keys",
        "/api/calls",
        "/api/audit",
        &format!("/api/keys/{id}"),
    ] {
        requests.push(app.request("GET", path));
    }
    requests.push(
        app.request("POST", &format!("/api/keys/{id}/revoke")).json(&json!({"end_calls": true})),
    );
    for request in requests {
        let reply = Reply::to(request).await;
        let head = format!("{:?}", reply.headers);
        for part in [digits, &digits.to_uppercase(), &percent] {
            assert!(
                !reply.text().contains(part) && !head.contains(part),
                "{head} {}",
                reply.text()
            );
        }
    }

    let log = log.text();
    assert!(
        log.contains("\"route\":\"/api/keys/{id}\"") && log.contains("\"status\":404"),
        "it is read"
    );
    for part in [digits, &digits.to_uppercase(), percent.as_str(), app::TOKEN] {
        assert!(!log.contains(part));
    }
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object()));
    }

    let mut files = 0;
    let mut suffix_found = false;
    let contains =
        |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for file in std::fs::read_dir(app.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        files += 1;
        assert!(!contains(&bytes, &digits.as_bytes()[..56]));
        assert!(!contains(&bytes, &hex::decode(digits).unwrap()));
        suffix_found |= contains(&bytes, &digits.as_bytes()[56..]);
    }
    assert!(files > 0 && suffix_found, "the files that are searched are the database's");
}
