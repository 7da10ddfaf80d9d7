//! What is refused before any resource is asked, and in which form.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;

use crate::admin::app::{Reply, TOKEN, TestApp, nobody};

/// Every endpoint, with an id that nobody has where one belongs.
fn endpoints() -> Vec<(&'static str, String)> {
    let (account, agent) = (nobody("acc_"), nobody("agt_"));
    let (key, call) = (nobody("key_"), nobody("call_"));
    vec![
        ("POST", "/api/accounts".to_owned()),
        ("GET", "/api/accounts".to_owned()),
        ("GET", format!("/api/accounts/{account}")),
        ("PATCH", format!("/api/accounts/{account}")),
        ("POST", format!("/api/accounts/{account}/topups")),
        ("GET", format!("/api/accounts/{account}/ledger")),
        ("POST", "/api/agents".to_owned()),
        ("GET", "/api/agents".to_owned()),
        ("GET", format!("/api/agents/{agent}")),
        ("PATCH", format!("/api/agents/{agent}")),
        ("DELETE", format!("/api/agents/{agent}")),
        ("POST", "/api/keys".to_owned()),
        ("GET", "/api/keys".to_owned()),
        ("GET", format!("/api/keys/{key}")),
        ("POST", format!("/api/keys/{key}/revoke")),
        ("GET", "/api/calls".to_owned()),
        ("GET", format!("/api/calls/{call}")),
        ("POST", format!("/api/calls/{call}/end")),
        ("GET", "/api/audit".to_owned()),
        ("GET", "/api/users".to_owned()),
        ("POST", "/api/users".to_owned()),
        ("GET", format!("/api/users/{}", nobody("usr_"))),
        ("PATCH", format!("/api/users/{}", nobody("usr_"))),
        ("DELETE", format!("/api/users/{}", nobody("usr_"))),
    ]
}

#[actix_web::test]
async fn who_has_no_credentials_learns_nothing() {
    let app = TestApp::start().await;
    let mut asked = endpoints();
    asked.extend([
        ("GET", "/api".to_owned()),
        ("GET", "/api/".to_owned()),
        ("GET", "/api/nothing".to_owned()),
        ("PUT", "/api/accounts".to_owned()),
        ("GET", "/api/accounts/acc_1".to_owned()),
        ("GET", "/api/accounts?limit=0".to_owned()),
    ]);
    let wrong = format!("Bearer {}x", &TOKEN[..TOKEN.len() - 1]);
    let mut bodies = std::collections::HashSet::new();
    for (method, path) in &asked {
        for credentials in [None, Some(wrong.as_str()), Some("Basic b3BlcmF0b3I6"), Some("Bearer ")]
        {
            let mut request = app.anonymous(method, path).body("not json");
            if let Some(credentials) = credentials {
                request = request.header("Authorization", credentials);
            }
            let reply = Reply::to(request).await.refused(401, "unauthorized");
            assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
            bodies.insert(reply.body);
        }
    }
    assert_eq!(bodies.len(), 1, "one body, whatever was asked");
}

#[actix_web::test]
async fn without_a_token_set_nobody_is_the_operator() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    let app = TestApp::on(dir, url, None, "").await;
    for (method, path) in endpoints() {
        // A token that cannot be right is told from one that is forgotten.
        Reply::to(app.request(method, &path)).await.refused(401, "bearer_disabled");
        Reply::to(app.anonymous(method, &path).bearer_auth("")).await.refused(401, "unauthorized");
        Reply::to(app.anonymous(method, &path)).await.refused(401, "unauthorized");
    }
}

#[actix_web::test]
async fn what_does_not_exist_is_404_and_not_echoed() {
    let app = TestApp::start().await;
    for path in
        ["/", "/nothing", "/apix", "/api/nothing", "/api/accounts/", "/api//accounts", "/metrics"]
    {
        app.get(path).await.refused(404, "not_found");
    }
    let account = app.account().await;
    for (path, bad) in [
        ("/api/accounts/{}", account.replace("acc_", "agt_")),
        ("/api/accounts/{}", account.to_uppercase()),
        ("/api/accounts/{}", account.replace('_', "%5F")),
        ("/api/accounts/{}", format!("{account}0")),
        ("/api/accounts/{}", "acc_".to_owned()),
        ("/api/accounts/{}", "%00".to_owned()),
        ("/api/accounts/{}", "%ff%fe".to_owned()),
        ("/api/accounts/{}/ledger", "1".to_owned()),
        ("/api/agents/{}", "agt_secret".to_owned()),
        ("/api/keys/{}", "key_secret".to_owned()),
        ("/api/calls/{}", "call_secret".to_owned()),
    ] {
        let reply = app.get(&path.replace("{}", &bad)).await.refused(404, "not_found");
        assert!(!reply.text().contains("secret"));
    }
    for (method, path) in endpoints().into_iter().filter(|(_, path)| path.contains("0190aabb")) {
        let request = app.request(method, &path).header("Idempotency-Key", "a");
        let request = if path.ends_with("topups") {
            request.json(&json!({"points": 1}))
        } else {
            request.json(&json!({}))
        };
        Reply::to(request).await.refused(404, "not_found");
    }
}

#[actix_web::test]
async fn a_wrong_method_is_405_with_those_that_are_right() {
    let app = TestApp::start().await;
    for (method, path, allow) in [
        ("DELETE", "/api/accounts", "GET, HEAD, POST"),
        ("PUT", "/api/accounts/acc_1", "GET, HEAD, PATCH"),
        ("GET", "/api/accounts/acc_1/topups", "POST"),
        ("POST", "/api/agents/agt_1", "GET, HEAD, PATCH, DELETE"),
        ("GET", "/api/keys/key_1/revoke", "POST"),
        ("OPTIONS", "/api/audit", "GET, HEAD"),
        ("BREW", "/api/audit", "GET, HEAD"),
        ("POST", "/api/openapi.json", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/readyz", "GET, HEAD"),
    ] {
        let reply = Reply::to(app.request(method, path)).await.refused(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    let account = app.account().await;
    for path in
        ["/api/accounts", "/healthz", "/api/openapi.json", &format!("/api/accounts/{account}")]
    {
        let (head, get) =
            (Reply::to(app.request("HEAD", path)).await.status(200), app.get(path).await);
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
    }
}

#[actix_web::test]
async fn a_body_that_is_not_json_is_refused_for_what_it_is() {
    let app = TestApp::start().await;
    let send = |content_type: Option<&str>, body: Vec<u8>| {
        let mut request = app.request("POST", "/api/accounts").body(body);
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        Reply::to(request)
    };
    let good = br#"{"name":"a"}"#.to_vec();
    for wrong in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/json; charset=utf-16"),
        Some("multipart/form-data"),
    ] {
        send(wrong, good.clone()).await.refused(415, "unsupported_media_type");
    }
    let gzip =
        app.request("POST", "/api/accounts").header("Content-Encoding", "gzip").json(&json!({}));
    Reply::to(gzip).await.refused(415, "unsupported_media_type");
    for wrong in ["", "{", "[]", "null", "{\"name\":\"a\"}}", "{\"name\":\"\u{0}\"}", "name=a"] {
        send(Some("application/json"), wrong.into()).await.refused(400, "bad_json");
    }
    send(Some("application/json"), b"{\"name\":\"\xc3\"}".to_vec()).await.refused(400, "bad_json");
    let mut padded = good.clone();
    padded.resize(1 << 20, b' ');
    send(Some("application/json"), padded.clone()).await.status(201);
    padded.push(b' ');
    send(Some("application/json"), padded).await.refused(413, "too_large");
    send(Some("application/json; charset=utf-8"), good).await.status(201);
    assert_eq!(app.get("/api/accounts").await.json()["items"].as_array().unwrap().len(), 2);
}

/// Sends bytes and reads until the server closes, which it has to do by itself.
fn until_closed(app: &TestApp, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(app.address()).unwrap();
    // An unread body is waited for a little, so that the client can read the answer.
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the server closes the connection");
    String::from_utf8(answer).unwrap()
}

#[actix_web::test]
async fn a_refusal_closes_the_connection() {
    let app = TestApp::start().await;
    let refused = |request: String, status: &str| {
        let answer = until_closed(&app, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    };
    refused("GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n".to_owned(), "404");
    refused(
        "PATCH /api/accounts HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{".to_owned(),
        "401",
    );
    let head = format!(
        "POST /api/accounts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    );
    refused(format!("{head}Content-Length: 99999999\r\n\r\n{{"), "413");
    let chunk = format!("{:x}\r\n{}\r\n", 200_000, " ".repeat(200_000));
    refused(format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(6)), "413");
    refused(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "400");
}
