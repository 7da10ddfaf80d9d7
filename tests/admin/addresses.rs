//! Addresses: which are one, whose they are, and what an owner learns of those of others.

use serde_json::{Value, json};

use crate::admin::{
    app::TestApp,
    people::{PASSWORD, Session, on_both},
};

on_both! { the_last_owner_stays an_owner_asks_for_others_addresses_in_the_open }

#[actix_web::test]
async fn an_address_that_looks_like_another_is_refused() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    for alike in [
        "ada\u{200b}@example.com",
        "a\u{ad}da@example.com",
        "\u{202e}ada@example.com",
        "ada\u{feff}@example.com",
        "ada@example\u{2060}.com",
        "ａda@example.com",
    ] {
        let body = json!({"account_id": account, "email": alike, "password": PASSWORD});
        app.post("/api/users", &body).await.refused_field("email");
    }
    // One letter has one spelling, so this is one address.
    app.user(&account, "jos\u{e9}@example.com", "viewer").await;
    let spelled =
        json!({"account_id": account, "email": "jose\u{301}@example.com", "password": PASSWORD});
    app.post("/api/users", &spelled).await.refused_field("email");
    app.sign_in("Jose\u{301}@example.com").await;

    for name in ["a\u{202e}nimda", "\u{200b}", "\u{2066}x\u{2069}", "\u{3164}"] {
        app.post("/api/accounts", &json!({"name": name})).await.refused_field("name");
        let agent = json!({"account_id": account, "name": name, "engine": "echo"});
        app.post("/api/agents", &agent).await.refused_field("name");
        let key = json!({"agent_id": app.agent(&account).await, "name": name});
        app.post("/api/keys", &key).await.refused_field("name");
    }
}

#[actix_web::test]
async fn a_user_whose_address_could_not_be_made_today_is_still_there() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let id = app.user(&account, "old@example.com", "member").await;
    let change = format!("UPDATE users SET email = 'old\u{200b}@example.com' WHERE id = '{id}'");
    let rename = move |conn: &mut _| {
        use diesel::connection::SimpleConnection as _;
        let conn: &mut upvoot::store::Conn = conn;
        Ok::<_, upvoot::store::StoreError>(conn.batch_execute(&change)?)
    };
    app.store.write(rename).await.unwrap();
    let listed = app.get("/api/users").await.status(200).json();
    assert_eq!(listed["items"][0]["email"], "old\u{200b}@example.com");
    app.sign_in("old\u{200b}@example.com").await;
    let path = format!("/api/users/{id}");
    app.patch(&path, &json!({"role": "viewer"})).await.status(200);
    app.patch(&path, &json!({"email": "old@example.com"})).await.status(200);
}

#[actix_web::test]
async fn ones_own_address_takes_ones_password() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let id = app.user(&account, "ada@example.com", "owner").await;
    let bob = app.user(&account, "bob@example.com", "member").await;
    let ada = app.sign_in("ada@example.com").await;
    let own = format!("/api/users/{id}");
    let email = json!({"email": "mallory@example.com"});
    ada.patch(&app, &own, &email).await.refused_field("current_password");
    let mut wrong = email.clone();
    wrong["current_password"] = json!("not my password");
    ada.patch(&app, &own, &wrong).await.refused(401, "wrong_credentials");
    app.sign_in("ada@example.com").await;
    let mut right = email;
    right["current_password"] = json!(PASSWORD);
    ada.patch(&app, &own, &right).await.status(200);
    // What changes nothing of it needs none, and neither does another's.
    ada.patch(&app, &own, &json!({"email": "Mallory@example.com"})).await.status(200);
    ada.patch(&app, &format!("/api/users/{bob}"), &json!({"email": "b@example.com"}))
        .await
        .status(200);
}

#[actix_web::test]
async fn only_the_operator_vouches_for_an_address() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    let confirmed = |user: Value| user["email_confirmed"].as_bool().unwrap();
    let body = json!({"account_id": account, "email": "ceo@other.example", "password": PASSWORD});
    let taken_first = ada.post(&app, "/api/users", &body).await.status(201).json();
    assert!(!confirmed(taken_first.clone()));
    let path = format!("/api/users/{}", taken_first["id"].as_str().unwrap());
    assert!(confirmed(app.patch(&path, &json!({"email": "ceo@other.example"})).await.json()));
    // Sent as it was, it stays what it was; another one is the owner's word again.
    let same = json!({"email": "ceo@other.example", "role": "viewer"});
    assert!(confirmed(ada.patch(&app, &path, &same).await.status(200).json()));
    let other = json!({"email": "cfo@other.example"});
    assert!(!confirmed(ada.patch(&app, &path, &other).await.status(200).json()));
}

async fn the_last_owner_stays(app: TestApp) {
    let account = app.account().await;
    let id = app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    let own = format!("/api/users/{id}");
    for change in
        [json!({"role": "viewer"}), json!({"role": "member"}), json!({"is_active": false})]
    {
        ada.patch(&app, &own, &change).await.refused(409, "last_owner");
    }
    ada.delete(&app, &own).await.refused(409, "last_owner");
    assert!(ada.lives(&app).await);
    // An owner who cannot sign in, or of another account, does not count.
    let off = app.user(&account, "off@example.com", "owner").await;
    app.patch(&format!("/api/users/{off}"), &json!({"is_active": false})).await.status(200);
    app.user(&app.account().await, "far@example.com", "owner").await;
    ada.patch(&app, &own, &json!({"role": "viewer"})).await.refused(409, "last_owner");

    let second = app.user(&account, "bob@example.com", "owner").await;
    let bob = app.sign_in("bob@example.com").await;
    let path = format!("/api/users/{second}");
    let step_down = json!({"role": "member"});
    let both = futures_util::future::join(
        ada.patch(&app, &own, &step_down),
        bob.patch(&app, &path, &step_down),
    );
    let (one, two) = both.await;
    let done = [one, two].map(|reply| reply.json()["code"] != "last_owner");
    assert_ne!(done[0], done[1], "one of the two stays");
    // The operator may.
    for path in [own, path] {
        app.patch(&path, &step_down).await.status(200);
    }
}

async fn an_owner_asks_for_others_addresses_in_the_open(app: TestApp) {
    let (account, other) = (app.account().await, app.account().await);
    app.user(&account, "ada@example.com", "owner").await;
    for number in 0..12 {
        app.user(&other, &format!("user{number}@other.example"), "viewer").await;
    }
    let ada = app.sign_in("ada@example.com").await;
    let body = |email: &str| json!({"account_id": account, "email": email, "password": PASSWORD});
    let make = async |email: &str| ada.post(&app, "/api/users", &body(email)).await;
    // Their own they know anyway.
    for _ in 0..12 {
        make("ada@example.com").await.refused_field("email");
    }
    for number in 0..9 {
        make(&format!("user{number}@other.example")).await.refused_field("email");
    }
    let bob = make("bob@example.com").await.created_id();
    // A change of address asks the same.
    let path = format!("/api/users/{bob}");
    ada.patch(&app, &path, &json!({"email": "user9@other.example"})).await.refused_field("email");
    let rows = ada.get(&app, "/api/audit?limit=200").await.json()["items"].clone();
    let asked = |row: &&Value| row["action"] == "user.address_taken";
    let rows: Vec<Value> = rows.as_array().unwrap().iter().filter(asked).cloned().collect();
    assert_eq!(rows.len(), 10);
    assert_eq!(
        (&rows[0]["actor"], &rows[0]["object"]),
        (&json!("ada@example.com"), &json!(account))
    );
    assert!(!Value::from(rows).to_string().contains("other.example"));

    // From now on nothing tells what is in use from what is not.
    let taken = make("user10@other.example").await.refused(429, "too_many_addresses");
    let free = make("free@other.example").await.refused(429, "too_many_addresses");
    assert_eq!(taken.body, free.body);
    ada.patch(&app, &path, &json!({"email": "user11@other.example"}))
        .await
        .refused(429, "too_many_addresses");
    ada.patch(&app, &path, &json!({"role": "viewer"})).await.status(200);
    // Another account, and the operator, go on.
    app.user(&account, "free@other.example", "viewer").await;
    let eve: Session = {
        app.user(&other, "eve@example.com", "owner").await;
        app.sign_in("eve@example.com").await
    };
    let body = json!({"account_id": other, "email": "new@other.example", "password": PASSWORD});
    eve.post(&app, "/api/users", &body).await.status(201);
}
