//! What load balancers ask.

use std::time::Duration;

use serde_json::json;

use crate::app::{Reply, TestApp};

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
    Reply::to(app.anonymous("GET", "/readyz")).await.status(200);
}
