//! Signing in and out, and what a session survives.

use serde_json::json;
use upvoot::{
    clock::wall_ms,
    store::{StoreError, sessions},
};

use crate::{
    admin::{
        app::{self, PUBLIC_URL, Reply, TestApp},
        people::{PASSWORD, Session, on_both},
    },
    support::alone::alone,
};

const HOUR_MS: i64 = 3_600_000;

on_both! { in_and_out a_new_password_ends_other_sessions a_session_grows_old }

async fn in_and_out(app: TestApp) {
    let account = app.account().await;
    app.user(&account, "Ada@Example.com", "owner").await;
    let reply = app.try_sign_in(" ADA@example.com ", PASSWORD).await.status(200);
    let cookie = reply.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=604800"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute}");
    }
    assert!(!cookie.contains("Domain") && cookie.starts_with("__Host-upvoot_session="));
    let browser = reply.headers.get_all("set-cookie").iter().nth(1).unwrap().to_str().unwrap();
    assert!(browser.starts_with("__Host-upvoot_browser=") && browser.contains("; HttpOnly"));
    let ada = Session::of(&reply);
    // What a neighbouring host could have set is no session.
    let planted = format!("upvoot_session={}", ada.0);
    let planted = Reply::to(app.anonymous("GET", "/api/me").header("cookie", planted)).await;
    planted.refused(401, "unauthorized");
    let me = ada.get(&app, "/api/me").await.status(200).json();
    assert_eq!((&me["email"], &me["role"]), (&json!("ada@example.com"), &json!("owner")));
    assert_eq!((&me["account_id"], &me["is_operator"]), (&json!(account), &json!(false)));

    // Signing in again in the same browser ends the session before it.
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let next = Session::of(&ada.post(&app, "/sign-in", &body).await.status(200));
    assert!(!ada.lives(&app).await && next.lives(&app).await);

    let elsewhere = app.sign_in("ada@example.com").await;
    Reply::to(next.request_from_elsewhere(&app, "POST", "/sign-out"))
        .await
        .refused(403, "cross_origin");
    assert!(next.lives(&app).await);
    let gone = next.post(&app, "/sign-out", &json!({})).await.status(204);
    assert!(gone.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!next.lives(&app).await && elsewhere.lives(&app).await);
    next.post(&app, "/sign-out", &json!({})).await.status(204);

    let third = app.sign_in("ada@example.com").await;
    third.post(&app, "/api/me/sign-out-everywhere", &json!({})).await.status(204);
    assert!(!third.lives(&app).await && !elsewhere.lives(&app).await);
}

async fn a_new_password_ends_other_sessions(app: TestApp) {
    let account = app.account().await;
    app.user(&account, "ada@example.com", "viewer").await;
    app.user(&account, "bob@example.com", "viewer").await;
    let (here, there) =
        (app.sign_in("ada@example.com").await, app.sign_in("ada@example.com").await);
    let bob = app.sign_in("bob@example.com").await;
    let change =
        |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let path = "/api/me/password";
    let new = "another horse battery";
    let wrong = here.post(&app, path, &change("wrong horse battery", new)).await;
    assert!(wrong.refused(401, "wrong_credentials").header("set-cookie").is_none());
    here.post(&app, path, &change(PASSWORD, "short")).await.refused_field("new_password");
    assert!(there.lives(&app).await);
    here.post(&app, path, &change(PASSWORD, new)).await.status(204);
    assert!(here.lives(&app).await && !there.lives(&app).await && bob.lives(&app).await);
    app.try_sign_in("ada@example.com", PASSWORD).await.refused(401, "wrong_credentials");
    app.try_sign_in("ada@example.com", new).await.status(200);
}

async fn a_session_grows_old(app: TestApp) {
    let account = app.account().await;
    app.user(&account, "ada@example.com", "viewer").await;
    let seen_at = async |ada: &Session, at: i64| {
        let hash = ada.hash();
        let set = move |conn: &mut _| sessions::seen(conn, &hash, at);
        app.store.write::<_, StoreError>(set).await.unwrap();
    };
    let last_seen = async |ada: &Session| {
        let hash = ada.hash();
        let find = move |conn: &mut _| sessions::find(conn, &hash);
        app.store.read::<_, StoreError>(find).await.unwrap().unwrap().last_seen_at
    };
    let ada = app.sign_in("ada@example.com").await;
    let now = wall_ms();
    // Within the minute its use is not written down again; after it, it is.
    seen_at(&ada, now - 20_000).await;
    assert!(ada.lives(&app).await);
    assert_eq!(last_seen(&ada).await, now - 20_000);
    seen_at(&ada, now - 61_000).await;
    assert!(ada.lives(&app).await);
    assert!(last_seen(&ada).await >= now);

    seen_at(&ada, now - 12 * HOUR_MS + 60_000).await;
    assert!(ada.lives(&app).await);
    seen_at(&ada, now - 12 * HOUR_MS - 1_000).await;
    assert!(!ada.lives(&app).await, "twelve hours idle");

    // Another one, begun long ago and used all the time.
    let me = app.get("/api/users").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    for (age, lives) in [(7 * 24 * HOUR_MS - 60_000, true), (7 * 24 * HOUR_MS + 1_000, false)] {
        let token = format!("{:064x}", age);
        let (old, user) = (Session(token), me.parse().unwrap());
        let (hash, now) = (old.hash(), wall_ms());
        let begin = move |conn: &mut _| sessions::insert(conn, &hash, user, now - age);
        app.store.write::<_, StoreError>(begin).await.unwrap();
        seen_at(&old, now).await;
        assert_eq!(old.lives(&app).await, lives, "{age} ms old");
    }
    // Signing in sweeps the user's dead sessions away.
    app.sign_in("ada@example.com").await;
    let hash = ada.hash();
    let find = move |conn: &mut _| sessions::find(conn, &hash);
    assert_eq!(app.store.read::<_, StoreError>(find).await.unwrap(), None);
}

#[actix_web::test]
async fn who_is_refused_learns_nothing() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let bob = app.user(&account, "bob@example.com", "viewer").await;
    app.user(&account, "ada@example.com", "viewer").await;
    app.patch(&format!("/api/users/{bob}"), &json!({"is_active": false})).await.status(200);
    let mut bodies = std::collections::HashSet::new();
    let long = "x".repeat(5_000);
    for (email, password) in [
        ("ada@example.com", "wrong horse battery"),
        ("ada@example.com", ""),
        ("ada@example.com", &long),
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
        (&long, PASSWORD),
        ("ada@example.com' OR 1=1 --", PASSWORD),
    ] {
        let reply = app.try_sign_in(email, password).await.refused(401, "wrong_credentials");
        assert!(reply.header("set-cookie").is_none());
        bodies.insert(reply.body);
    }
    assert_eq!(bodies.len(), 1);
}

#[actix_web::test]
async fn guessing_at_one_user_is_slowed_down_and_nobody_else_is() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "viewer").await;
    app.user(&account, "bob@example.com", "viewer").await;
    for n in 0..9 {
        let guess = format!("guess number {n} of many");
        app.try_sign_in("ada@example.com", &guess).await.refused(401, "wrong_credentials");
    }
    // The tenth is right: whoever knows the password is not counted for it.
    let ada = app.sign_in("ada@example.com").await;
    let spellings = ["ada@example.com", "ADA@example.com", " ada@example.com"];
    for n in 0..10 {
        app.try_sign_in(spellings[n % 3], "wrong").await.refused(401, "wrong_credentials");
    }
    let refused = app.try_sign_in("ada@example.com", PASSWORD).await;
    let refused = refused.refused(429, "too_many_attempts");
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(refused.header("set-cookie").is_none(), "not even with the right password");
    let change = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    ada.post(&app, "/api/me/password", &change).await.status(204);
    assert!(ada.lives(&app).await, "who is signed in stays so");
    app.sign_in("bob@example.com").await;
}

/// An attempt to sign in from this address, with this cookie.
async fn attempt(app: &TestApp, from: &str, cookie: &str, email: &str, password: &str) -> Reply {
    let request = app.anonymous("POST", "/sign-in").header("origin", PUBLIC_URL);
    let request = request.header("x-forwarded-for", from).header("cookie", cookie);
    Reply::to(request.json(&json!({"email": email, "password": password}))).await
}

/// The cookie of the browser that has just signed in.
fn browser_of(reply: &Reply) -> String {
    let cookies = reply.headers.get_all("set-cookie").iter();
    let browser = cookies.map(|cookie| cookie.to_str().unwrap()).find(|it| it.contains("browser"));
    browser.expect("it is known from now on").split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn strangers_who_guess_at_a_user_do_not_keep_the_user_out() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    let app = TestApp::on(dir, url, Some(app::TOKEN), "127.0.0.1").await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "viewer").await;
    app.user(&account, "bob@example.com", "viewer").await;
    let (ada, bob, home) = ("ada@example.com", "bob@example.com", "192.0.2.1");
    let adas = browser_of(&attempt(&app, home, "", ada, PASSWORD).await.status(200));
    let bobs = browser_of(&attempt(&app, home, "", bob, PASSWORD).await.status(200));
    let here = Session::of(&attempt(&app, home, &adas, ada, PASSWORD).await.status(200));

    for n in 0..12 {
        let reply = attempt(&app, "203.0.113.1", "", ada, "a wrong password").await;
        reply.refused(
            if n < 10 { 401 } else { 429 },
            if n < 10 { "wrong_credentials" } else { "too_many_attempts" },
        );
    }
    // Neither another user's browser nor one that is made up gets past it, from there.
    let made_up = format!("__Host-upvoot_browser={}", "0".repeat(64));
    for cookie in ["", bobs.as_str(), made_up.as_str()] {
        let reply = attempt(&app, "203.0.113.1", cookie, ada, PASSWORD).await;
        reply.refused(429, "too_many_attempts");
    }
    // Her own does, even from the same address; a new one gets in from elsewhere, later.
    let known = attempt(&app, "203.0.113.1", &adas, ada, PASSWORD).await.status(200);
    assert_eq!(known.headers.get_all("set-cookie").iter().count(), 1, "it is known already");
    attempt(&app, "198.51.100.1", "", ada, PASSWORD).await.status(200);

    // What is known guesses no more often than others.
    for n in 0..12 {
        let reply = attempt(&app, home, &adas, ada, "a wrong password").await;
        reply.refused(
            if n < 10 { 401 } else { 429 },
            if n < 10 { "wrong_credentials" } else { "too_many_attempts" },
        );
    }
    // A new password makes every other browser a stranger.
    let new = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
    here.post(&app, "/api/me/password", &new).await.status(204);
    let reply = attempt(&app, "203.0.113.1", &adas, ada, "another horse battery").await;
    reply.refused(429, "too_many_attempts");
}

#[actix_web::test]
async fn the_log_names_who_was_tried_and_never_what_may_be_a_password() {
    if !alone("admin::sessions::the_log_names_who_was_tried_and_never_what_may_be_a_password") {
        return;
    }
    let log = app::log();
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "logged@localhost", "viewer").await;
    for email in
        ["nobody-logged@example.com", "logged@localhost", "hunter2@typed!here", "sesame open"]
    {
        app.try_sign_in(email, "a wrong password").await.refused(401, "wrong_credentials");
    }
    let asks = app.anonymous("GET", "/api/agents").bearer_auth("wrong-token-to-look-for");
    Reply::to(asks).await.refused(401, "unauthorized");
    let log = log.text();
    let refused: Vec<&str> =
        log.lines().filter(|line| line.contains("a sign-in was refused")).collect();
    let told = |email: &str| {
        let line = refused.iter().find(|line| line.contains(&format!("\"{email}\"")));
        line.is_some_and(|line| line.contains("WARN") && line.contains("127.0.0.1"))
    };
    assert!(
        told("nobody-logged@example.com") && told("logged@localhost") && told("not an address")
    );
    let tokens = log
        .lines()
        .any(|line| line.contains("a bearer token was refused") && line.contains("127.0.0.1"));
    assert!(tokens);
    for secret in ["typed!here", "sesame open", "wrong-token-to-look-for"] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[actix_web::test]
async fn guessing_at_many_users_from_one_address_is_slowed_down() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "viewer").await;
    for n in 0..30 {
        let reply = app.try_sign_in(&format!("user{n}@example.com"), PASSWORD).await;
        reply.refused(401, "wrong_credentials");
    }
    app.try_sign_in("ada@example.com", PASSWORD).await.refused(429, "too_many_attempts");
}

#[actix_web::test]
async fn a_change_comes_from_a_page_of_ours() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    let path = format!("/api/accounts/{account}");
    let change = json!({"name": "Changed"});
    let here = format!("http://{}", app.address());
    let ask = async |headers: &[(&'static str, &str)]| {
        let mut request = ada.request_from_elsewhere(&app, "PATCH", &path).json(&change);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::to(request).await
    };
    let evil = "https://evil.example";
    for headers in [
        &[][..],
        &[("origin", evil)],
        &[("origin", "null")],
        &[("origin", "http://voice.example.com")],
        &[("origin", "https://voice.example.com.evil.example")],
        &[("referer", PUBLIC_URL)],
        &[("sec-fetch-site", "cross-site"), ("origin", PUBLIC_URL)],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", evil), ("x-forwarded-host", "evil.example")],
    ] {
        ask(headers).await.refused(403, "cross_origin");
    }
    assert_eq!(ada.get(&app, &path).await.json()["name"], "Acme");
    for headers in [
        &[("origin", PUBLIC_URL)][..],
        &[("origin", here.as_str())],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-origin"), ("origin", "null")],
    ] {
        ask(headers).await.status(200);
    }
    // Reading needs no origin, a bearer token neither; a form from elsewhere signs nobody in.
    Reply::to(ada.request_from_elsewhere(&app, "GET", &path)).await.status(200);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let stolen = app.anonymous("POST", "/sign-in").header("origin", evil).json(&body);
    let stolen = Reply::to(stolen).await.refused(403, "cross_origin");
    assert!(stolen.header("set-cookie").is_none());
}

#[actix_web::test]
async fn a_wrong_token_is_not_mended_by_a_session() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    let both = ada.request(&app, "GET", "/api/agents").bearer_auth("wrong");
    Reply::to(both).await.refused(401, "unauthorized");
    for wrong in ["", "0", &"0".repeat(64), &ada.0.to_uppercase(), &format!("{}0", ada.0)] {
        Session(wrong.to_owned()).get(&app, "/api/me").await.refused(401, "unauthorized");
    }
}

#[actix_web::test]
async fn a_page_leads_to_signing_in_and_back() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = format!("http://{}/page?live=true&x=//evil.example", app.address());
    let answer = Reply::to(client.get(url)).await.status(303);
    let location = "/login?next=/page%3Flive%3Dtrue%26x%3D//evil.example";
    assert_eq!(answer.header("location"), Some(location));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let ada = app.sign_in("ada@example.com").await;
    assert_eq!(ada.get(&app, "/page").await.status(200).json()["email"], "ada@example.com");
}

#[actix_web::test]
async fn neither_token_nor_password_is_kept_or_logged() {
    if !alone("admin::sessions::neither_token_nor_password_is_kept_or_logged") {
        return;
    }
    let log = app::log();
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    app.try_sign_in("ada@example.com", "a password to look for").await;
    ada.get(&app, "/api/agents").await.status(200);
    let setup = upvoot::auth::offer_setup(&app.store).await.unwrap().unwrap().to_string();
    let token = setup.strip_prefix("/setup/").unwrap();
    Reply::to(app.anonymous("GET", &format!("/set-up/{token}"))).await.status(200);
    let secrets = [ada.0.as_str(), token, PASSWORD, "a password to look for"];
    let log = log.text();
    assert!(log.contains("/sign-in") && log.contains("/set-up/{token}"), "it is read");
    let mut files = 0;
    for secret in secrets {
        assert!(!log.contains(secret), "in the log");
        for file in std::fs::read_dir(app.dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            files += 1;
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
    assert!(files > 0);
}
