//! What load balancers ask.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    admin::app::{Reply, TOKEN, TestApp},
    support::postgres,
};

#[actix_web::test]
async fn a_node_is_ready_until_it_drains() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/readyz"] {
        let reply = Reply::to(app.anonymous("GET", path)).await.status(200);
        assert_eq!(reply.json(), json!({"status": "ok"}));
    }
    app.registry.drain(Duration::from_secs(60));
    let reply = Reply::to(app.anonymous("GET", "/readyz")).await.refused(503, "draining");
    assert!(reply.header("retry-after").is_some());
    Reply::to(app.anonymous("GET", "/healthz")).await.status(200);
}

#[actix_web::test]
async fn a_node_whose_database_is_held_by_somebody_else_is_not_ready() {
    let app = TestApp::start().await;
    let (held, holding) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let store = app.store.clone();
    let blocker = actix_web::rt::spawn(async move {
        let hold = move |_: &mut upvoot::store::Conn| {
            held.send(()).unwrap();
            let _ = released.recv();
            Ok::<_, upvoot::store::StoreError>(())
        };
        let _ = store.write(hold).await;
    });
    actix_web::web::block(move || holding.recv().unwrap()).await.unwrap();
    let reply = Reply::to(app.anonymous("GET", "/readyz")).await;
    release.send(()).unwrap();
    blocker.await.unwrap();
    assert!(reply.refused(503, "unavailable").header("retry-after").is_some());
    // An answer holds for a second, and the lease waited too.
    ready_again(&app).await;
}

async fn ready_again(app: &TestApp) {
    let until = Instant::now() + Duration::from_secs(20);
    while Reply::to(app.anonymous("GET", "/readyz")).await.json() != json!({"status": "ok"}) {
        assert!(Instant::now() < until, "the node comes back with its database");
    }
}

#[actix_web::test]
async fn without_its_database_a_node_is_alive_not_ready_and_comes_back() {
    let url = actix_web::web::block(postgres::fresh_database).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let app = TestApp::on(dir, url.clone(), Some(TOKEN), "").await;
    app.account().await;
    let name = url.clone();
    actix_web::web::block(move || postgres::cut_off(&name)).await.unwrap();
    Reply::to(app.anonymous("GET", "/healthz")).await.status(200);
    for (method, path, body) in [
        ("GET", "/readyz", None),
        ("GET", "/api/accounts", None),
        ("POST", "/api/accounts", Some(json!({"name": "a"}))),
    ] {
        let request = app.request(method, path);
        let reply = Reply::to(match &body {
            Some(body) => request.json(body),
            None => request,
        });
        assert!(reply.await.refused(503, "unavailable").header("retry-after").is_some());
    }
    actix_web::web::block(move || postgres::let_in(&url)).await.unwrap();
    ready_again(&app).await;
    let accounts = app.get("/api/accounts").await.status(200).json();
    assert_eq!(accounts["items"].as_array().map(Vec::len), Some(1));
}
