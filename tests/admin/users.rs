//! Users: made, changed, disabled, deleted, and by whom.

use std::cell::Cell;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde_json::{Value, json};

use crate::admin::{
    app::{TestApp, nobody},
    people::{PASSWORD, on_both},
};

on_both! { a_users_life two_operators_do_not_remove_each_other }

#[actix_web::test]
async fn wrong_fields_are_named() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let good = json!({"account_id": account, "email": "ada@example.com", "password": PASSWORD});
    for (field, bad) in [
        ("account_id", json!(nobody("acc_"))),
        ("account_id", json!("acc_1")),
        ("account_id", Value::Null),
        ("email", json!("ada")),
        ("email", json!("a b@example.com")),
        ("email", Value::Null),
        ("password", json!("eleven char")),
        ("password", json!("x".repeat(1025))),
        ("password", json!(123_456_789_012_i64)),
        ("role", json!("admin")),
        ("role", Value::Null),
        ("is_operator", json!("yes")),
        ("password_hash", json!("x")),
    ] {
        let mut body = good.clone();
        body[field] = bad;
        let reply = app.post("/api/users", &body).await.refused_field(field);
        assert!(!reply.text().contains("ada@"));
    }
    app.post("/api/users", &good).await.status(201);
    app.post("/api/users", &good).await.refused_field("email");
}

async fn a_users_life(app: TestApp) {
    let account = app.account().await;
    let body = json!({"account_id": account, "email": " Bob@Example.com", "password": PASSWORD});
    let made = app.post("/api/users", &body).await.status(201);
    assert!(!made.text().contains("password") && !made.text().contains("argon2"));
    let made = made.json();
    assert_eq!((&made["email"], &made["role"]), (&json!("bob@example.com"), &json!("member")));
    assert_eq!((&made["is_active"], &made["last_signed_in_at"]), (&json!(true), &Value::Null));
    let path = format!("/api/users/{}", made["id"].as_str().unwrap());
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    let bob = app.sign_in("bob@example.com").await;
    assert!(ada.get(&app, &path).await.status(200).json()["last_signed_in_at"].is_string());

    // A role takes effect at once.
    bob.get(&app, "/api/keys").await.refused(403, "forbidden");
    ada.patch(&app, &path, &json!({"role": "owner"})).await.status(200);
    bob.get(&app, "/api/keys").await.status(200);
    ada.patch(&app, &path, &json!({"email": "ADA@example.com"})).await.refused_field("email");
    let moved = ada.patch(&app, &path, &json!({"email": "Robert@example.com"})).await.status(200);
    assert_eq!(moved.json()["email"], "robert@example.com");
    assert!(bob.lives(&app).await);

    let disabled = ada.patch(&app, &path, &json!({"is_active": false})).await.status(200);
    assert_eq!(disabled.json()["is_active"], false);
    assert!(!bob.lives(&app).await);
    app.try_sign_in("robert@example.com", PASSWORD).await.refused(401, "wrong_credentials");
    ada.patch(&app, &path, &json!({"is_active": true})).await.status(200);
    assert!(!bob.lives(&app).await, "being enabled again brings no session back");

    let bob = app.sign_in("robert@example.com").await;
    let new = "another horse battery";
    ada.patch(&app, &path, &json!({"password": new})).await.status(200);
    assert!(!bob.lives(&app).await);
    app.try_sign_in("robert@example.com", PASSWORD).await.refused(401, "wrong_credentials");
    app.try_sign_in("robert@example.com", new).await.status(200);

    ada.patch(&app, &path, &json!({"role": "boss"})).await.refused_field("role");
    ada.delete(&app, &path).await.status(204);
    ada.delete(&app, &path).await.refused(404, "not_found");
    app.try_sign_in("robert@example.com", new).await.refused(401, "wrong_credentials");
    let audit = ada.get(&app, "/api/audit?limit=1").await.json();
    assert_eq!(audit["items"][0]["action"], "user.delete");
    // The address is free again.
    app.user(&account, "robert@example.com", "viewer").await;
}

async fn two_operators_do_not_remove_each_other(app: TestApp) {
    let (one, two) = (app.operator("one@example.com").await, app.operator("two@example.com").await);
    let (at_one, at_two) =
        (app.sign_in("one@example.com").await, app.sign_in("two@example.com").await);
    let (path_one, path_two) = (format!("/api/users/{one}"), format!("/api/users/{two}"));
    let removed =
        futures_util::future::join(at_one.delete(&app, &path_two), at_two.delete(&app, &path_one));
    removed.await;
    let left = app.get("/api/users").await.status(200).json()["items"].as_array().unwrap().clone();
    assert_eq!(left.len(), 1);
    let last = format!("/api/users/{}", left[0]["id"].as_str().unwrap());
    for change in [json!({"is_active": false}), json!({"is_operator": false})] {
        let refused = app.patch(&last, &change).await;
        match change.get("is_active") {
            Some(_) => refused.refused(409, "last_operator"),
            None => refused.refused_field("is_operator"),
        };
    }
    app.delete(&last).await.refused(409, "last_operator");
}

#[actix_web::test]
async fn nobody_makes_oneself_an_operator() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let ada_id = app.user(&account, "ada@example.com", "owner").await;
    let boss = app.user(&account, "boss@example.com", "owner").await;
    let boss_path = format!("/api/users/{boss}");
    app.patch(&boss_path, &json!({"is_operator": true})).await.status(200);
    let ada = app.sign_in("ada@example.com").await;
    let own = format!("/api/users/{ada_id}");
    ada.patch(&app, &own, &json!({"is_operator": true})).await.refused(403, "forbidden");
    ada.patch(&app, &own, &json!({"password": PASSWORD})).await.refused(403, "forbidden");
    let helper = json!({"account_id": account, "email": "eve@example.com", "password": PASSWORD,
        "is_operator": true});
    ada.post(&app, "/api/users", &helper).await.refused(403, "forbidden");
    // An operator of the same account is seen, but not touched: that would be one's way to become one.
    ada.get(&app, &boss_path).await.status(200);
    for change in [
        json!({"password": "another horse battery"}),
        json!({"email": "mine@example.com"}),
        json!({"is_operator": false}),
        json!({"is_active": false}),
        json!({}),
    ] {
        ada.patch(&app, &boss_path, &change).await.refused(403, "forbidden");
    }
    ada.delete(&app, &boss_path).await.refused(403, "forbidden");
    app.sign_in("boss@example.com").await;
    let operator = app.operator("far@example.com").await;
    ada.get(&app, &format!("/api/users/{operator}")).await.refused(404, "not_found");
}

#[actix_web::test]
async fn a_guessable_password_is_refused_for_whoever_it_is() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let made = |password: &str| json!({"account_id": account, "email": "lovelace@example.com", "password": password});
    for guessable in ["password1234", "qwertyuiop12", "lovelace@example.com", "lovelace1815"] {
        app.post("/api/users", &made(guessable)).await.refused_field("password");
    }
    let path = format!("/api/users/{}", app.post("/api/users", &made(PASSWORD)).await.created_id());
    app.patch(&path, &json!({"password": "lovelace1815"})).await.refused_field("password");
    app.try_sign_in("lovelace@example.com", PASSWORD).await.status(200);
}

#[actix_web::test]
async fn one_owners_many_new_users_keep_nobody_else_from_signing_in() {
    let app = TestApp::start().await;
    let (account, other) = (app.account().await, app.account().await);
    app.user(&account, "ada@example.com", "owner").await;
    app.user(&other, "bob@example.com", "viewer").await;
    let ada = app.sign_in("ada@example.com").await;
    let one = |n: usize| {
        let body = json!({"account_id": account, "email": format!("user{n}@example.com"),
            "password": PASSWORD});
        let request = ada.request(&app, "POST", "/api/users").json(&body);
        async move { request.send().await.unwrap() }
    };

    // As many as may wait. The first answer says that the others do.
    let mut all: FuturesUnordered<_> = (0..30).map(one).collect();
    assert_eq!(all.next().await.unwrap().status().as_u16(), 201);
    let left = Cell::new(all.len());
    let ended = async {
        while let Some(answer) = all.next().await {
            assert_eq!(answer.status().as_u16(), 201, "its own go on, in their turn");
            left.set(left.get() - 1);
        }
    };
    let signed_in = async {
        app.sign_in("bob@example.com").await;
        left.get()
    };
    let ((), left_then) = futures_util::future::join(ended, signed_in).await;
    assert!(left_then >= 5, "he came after all but {left_then} that had come before him");

    // More than that are refused at once, whatever else goes on.
    let many = (30..150).map(one);
    let mut refused = 0;
    for answer in futures_util::future::join_all(many).await {
        if answer.status().as_u16() != 201 {
            assert_eq!(answer.status().as_u16(), 429);
            assert!(answer.headers().contains_key("retry-after"));
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["code"], "too_many_passwords");
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[actix_web::test]
async fn who_may_not_have_a_user_made_has_no_password_hashed() {
    let app = TestApp::start().await;
    let (account, other) = (app.account().await, app.account().await);
    app.user(&account, "ada@example.com", "owner").await;
    app.user(&account, "vic@example.com", "viewer").await;
    let ada = app.sign_in("ada@example.com").await;
    let taken = json!({"account_id": account, "email": "vic@example.com", "password": PASSWORD});
    let foreign = json!({"account_id": other, "email": "new@example.com", "password": PASSWORD});
    // More at once than may wait for a hash: none of them is refused for that.
    for (body, field) in [(taken, "email"), (foreign, "account_id")] {
        let many = (0..60).map(|_| ada.post(&app, "/api/users", &body));
        for reply in futures_util::future::join_all(many).await {
            reply.refused_field(field);
        }
    }
}
