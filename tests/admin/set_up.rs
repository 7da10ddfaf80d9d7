//! The set-up link: it makes the first operator and the first account, once.

use serde_json::{Value, json};
use upvoot::{
    auth::{offer_setup, token::Token},
    clock::wall_ms,
    store::{StoreError, setup_links},
};

use crate::admin::{
    app::{PUBLIC_URL, Reply, TestApp, string},
    people::{PASSWORD, Session, on_both},
};

on_both! { the_first_operator two_at_once }

/// What a new start prints: its path.
async fn offer(app: &TestApp) -> String {
    let link = offer_setup(&app.store).await.unwrap().expect("there is no operator");
    link.to_string().replace("/setup/", "/set-up/")
}

async fn fill_in(app: &TestApp, path: &str, body: &Value) -> Reply {
    Reply::to(app.anonymous("POST", path).header("origin", PUBLIC_URL).json(body)).await
}

fn form() -> Value {
    json!({"email": "Ada@example.com", "password": PASSWORD, "account_name": " Ada & Co "})
}

async fn the_first_operator(app: TestApp) {
    let replaced = offer(&app).await;
    let path = offer(&app).await;
    fill_in(&app, &replaced, &form()).await.refused(404, "not_found");
    let page = |path: &str| Reply::to(app.anonymous("GET", path));
    page(&replaced).await.refused(404, "not_found");
    page(&path).await.status(200);
    let elsewhere = app.anonymous("POST", &path).header("origin", "https://evil.example");
    Reply::to(elsewhere.json(&form())).await.refused(403, "cross_origin");
    // A refused form uses nothing up.
    for (field, bad) in [
        ("email", json!("nobody")),
        ("password", json!("too short")),
        ("account_name", json!("  ")),
        ("account_name", json!("a\u{0}b")),
    ] {
        let mut body = form();
        body[field] = bad;
        fill_in(&app, &path, &body).await.refused_field(field);
    }
    let reply = fill_in(&app, &path, &form()).await.status(200);
    let ada = Session::of(&reply);
    let me = ada.get(&app, "/api/me").await.status(200).json();
    assert_eq!((&me["email"], &me["role"]), (&json!("ada@example.com"), &json!("owner")));
    assert_eq!((&me["is_operator"], &me["id"]), (&json!(true), &reply.json()["user_id"]));
    let account = string(&me["account_id"]);
    let shown = ada.get(&app, &format!("/api/accounts/{account}")).await.status(200).json();
    assert_eq!((&shown["name"], &shown["points"]), (&json!("Ada & Co"), &json!(100.0)));
    let book = ada.get(&app, &format!("/api/accounts/{account}/ledger")).await.json();
    assert_eq!(book["items"].as_array().unwrap().len(), 1);
    let mut rows = app.audit().await;
    rows.reverse();
    let actions: Vec<&str> = rows.iter().map(|row| row.split(' ').next().unwrap()).collect();
    assert_eq!(actions, ["account.create", "account.topup", "user.create", "user.sign_in"]);

    // Once, and never again.
    page(&path).await.refused(404, "not_found");
    fill_in(&app, &path, &form()).await.refused(404, "not_found");
    assert!(offer_setup(&app.store).await.unwrap().is_none());
    app.sign_in("ada@example.com").await;
}

async fn two_at_once(app: TestApp) {
    let path = offer(&app).await;
    let forms = (0..4).map(|n| {
        let (mut form, app, path) = (form(), &app, &path);
        form["email"] = json!(format!("user{n}@example.com"));
        async move { fill_in(app, path, &form).await }
    });
    let replies = futures_util::future::join_all(forms).await;
    let made = replies.iter().filter(|reply| reply.header("set-cookie").is_some()).count();
    assert_eq!(made, 1);
    let users = app.get("/api/users").await.status(200).json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
    let accounts = app.get("/api/accounts").await.status(200).json();
    assert_eq!(accounts["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn an_old_link_and_a_guessed_one_do_not_work() {
    let app = TestApp::start().await;
    let token = Token::generate().unwrap();
    let (hash, now) = (token.hash(), wall_ms());
    let link = move |conn: &mut _| setup_links::replace(conn, &hash, now - 1);
    app.store.write::<_, StoreError>(link).await.unwrap();
    fill_in(&app, &format!("/set-up/{}", token.expose()), &form()).await.refused(404, "not_found");
    for _ in 0..29 {
        let guess = format!("/set-up/{}", Token::generate().unwrap().expose());
        Reply::to(app.anonymous("GET", &guess)).await.refused(404, "not_found");
    }
    let guess = format!("/set-up/{}", Token::generate().unwrap().expose());
    Reply::to(app.anonymous("GET", &guess)).await.refused(429, "too_many_attempts");
}

#[actix_web::test]
async fn an_operator_made_otherwise_makes_the_link_worthless() {
    let app = TestApp::start().await;
    let path = offer(&app).await;
    app.operator("eve@example.com").await;
    Reply::to(app.anonymous("GET", &path)).await.refused(404, "not_found");
    fill_in(&app, &path, &form()).await.refused(404, "not_found");
}
