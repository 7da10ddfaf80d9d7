//! Several tabs of one browser, servers that go and come, and forms that are left.

use std::time::Duration;

use fantoccini::wd::WindowHandle;
use futures_util::StreamExt;
use serde_json::json;

use crate::{
    browser::{app::App, browser::Browser},
    support::{eventually, phone::Phone, process::Process},
};

/// Another tab of the same browser, at this path: a window of its own, so that all of them are shown.
async fn tab(browser: &Browser, path: &str) -> WindowHandle {
    let window = browser.client.new_window(false).await.unwrap().handle;
    browser.client.switch_to_window(window.clone()).await.unwrap();
    browser.visit(path).await;
    window
}

/// A key of a new agent of the account.
async fn key(app: &App, account: &str) -> String {
    let agent =
        json!({"account_id": account, "name": "Front desk", "engine": "echo", "greeting": "Hi."});
    let agent = app.post("/api/agents", agent).await["id"].clone();
    app.post("/api/keys", json!({"agent_id": agent})).await["key"].as_str().unwrap().to_owned()
}

async fn shown_account(browser: &Browser) -> String {
    browser
        .script("return document.body.dataset.account;")
        .await
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn calls_once(app: &App, key: &str) {
    let mut call = Phone::dial(&app.voice(key)).await.unwrap();
    call.greeted().await;
    call.end().await;
}

#[actix_web::test]
async fn two_tabs_of_an_operator_keep_their_accounts() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    let rich = app.get("/api/accounts").await["items"][0]["id"].as_str().unwrap().to_owned();
    let poor =
        app.post("/api/accounts", json!({"name": "Poor"})).await["id"].as_str().unwrap().to_owned();
    let key = key(&app, &rich).await;
    browser.follow("Points").await;
    browser.arrives("/points").await;
    browser.script("window.untouched = true;").await;
    let first = browser.client.window().await.unwrap();

    tab(&browser, "/accounts").await;
    browser.press("Switch to Poor").await;
    browser.arrives("/").await;
    eventually(async || (shown_account(&browser).await == poor).then_some(())).await;

    browser.client.switch_to_window(first).await.unwrap();
    calls_once(&app, &key).await;
    browser.sees("99.").await;
    assert_eq!(browser.script("return window.untouched;").await, json!(true));
    assert_eq!(shown_account(&browser).await, rich);
    browser.press("Add points").await;
    browser.sees("Account: Acme").await;
    browser.press("Cancel").await;
    browser.follow("Agents").await;
    browser.row("Front desk").await;
    assert_eq!(shown_account(&browser).await, rich, "links stay with the account");

    // Should a page be asked for again and be another account's, then as a whole.
    browser.follow("Points").await;
    browser.arrives("/points").await;
    browser.script("history.replaceState(null, '', '/points');").await;
    calls_once(&app, &key).await;
    eventually(async || (shown_account(&browser).await == poor).then_some(())).await;
    browser.press("Add points").await;
    browser.sees("Account: Poor").await;
    browser.close(&[]).await;
}

#[actix_web::test]
async fn eight_tabs_load_and_all_are_told() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    let account = app.get("/api/accounts").await["items"][0]["id"].as_str().unwrap().to_owned();
    let key = key(&app, &account).await;
    calls_once(&app, &key).await;
    browser.visit("/").await;
    browser.sees("No live calls.").await;
    let mut tabs = vec![browser.client.window().await.unwrap()];
    for _ in 0..7 {
        tabs.push(tab(&browser, "/").await);
        browser.sees("No live calls.").await;
    }
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    call.greeted().await;
    for tab in tabs {
        browser.client.switch_to_window(tab).await.unwrap();
        browser.row("Listening").await;
    }
    call.end().await;
    browser.sees("No live calls.").await;
    browser.close(&[]).await;
}

#[actix_web::test]
async fn a_page_that_loses_its_seat_asks_from_time_to_time_and_does_not_come_back() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    let account = app.get("/api/accounts").await["items"][0]["id"].as_str().unwrap().to_owned();
    let key = key(&app, &account).await;
    calls_once(&app, &key).await;
    browser.visit("/").await;
    // It listens: who speaks now is told by the stream alone.
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    call.greeted().await;
    browser.row("Listening").await;
    call.end().await;
    browser.sees("No live calls.").await;
    let session = browser.client.get_named_cookie("upvoot_session").await.unwrap();
    let cookie = format!("upvoot_session={}", session.value());
    let mut others = Vec::new();
    for _ in 0..16 {
        let asking = reqwest::Client::new().get(format!("{}/events", app.base));
        let mut stream = asking.header("cookie", &cookie).send().await.unwrap().bytes_stream();
        assert!(stream.next().await.unwrap().unwrap().starts_with(b"retry"));
        others.push(stream);
    }
    // It is not told of this call, and yet it shows.
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    call.greeted().await;
    eventually(async || {
        let rows = browser.text().await;
        rows.contains("Front desk").then_some(())
    })
    .await;
    call.end().await;
    for mut stream in others {
        // All that it has been told so far; it goes on.
        while let Ok(told) = tokio::time::timeout(Duration::from_millis(20), stream.next()).await {
            let told = told.expect("its seat was taken back").unwrap();
            assert!(!String::from_utf8_lossy(&told).contains("crowded"), "its seat was taken back");
        }
    }
    browser.close(&[]).await;
}

#[actix_web::test]
async fn a_page_says_that_its_server_is_gone_and_recovers_by_itself() {
    let mut app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.visit("/").await;
    browser.the("region", "Your first call").await;
    let dimmed = "return getComputedStyle(document.querySelector('[data-live]')).opacity;";
    assert_eq!(browser.script(dimmed).await, "1");
    let listen = app.process.address().to_string();
    let url = format!("sqlite://{}", app.database.path().join("test.db").display());
    assert!(!browser.text().await.contains("Connection lost"));
    app.process.kill();
    browser.sees("Connection lost, retrying.").await;
    assert_ne!(browser.script(dimmed).await, "1", "what was true before is greyed");
    browser.script("window.untouched = true;").await;

    app.process = Process::serve(&url, &[("UPVOOT_LISTEN", &listen)]).await;
    browser.no_longer_sees("Connection lost").await;
    assert_eq!(browser.script(dimmed).await, "1");
    assert_eq!(browser.script("return window.untouched;").await, json!(true));
    browser.close(&["net::ERR_"]).await;
}

#[actix_web::test]
async fn a_form_that_is_left_with_changes_asks() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello.").await;
    let asks = "return !dispatchEvent(new Event('beforeunload', { cancelable: true }));";
    assert_eq!(browser.script(asks).await, false);
    browser.fill("Closing phrase", "So long.").await;
    assert_eq!(browser.script(asks).await, true);
    browser.press("Save").await;
    browser.sees("Saved.").await;
    assert_eq!(browser.script(asks).await, false, "what is saved is not lost");
    browser.choose("Wire format", "Twilio").await;
    assert_eq!(browser.script(asks).await, true);
    browser.choose("Wire format", "Auto-detect").await;
    assert_eq!(browser.script(asks).await, false);

    // Nor is a key that nobody has yet.
    browser.new_key("Provider").await;
    assert_eq!(browser.script(asks).await, true);
    browser.press("Copy").await;
    eventually(async || (browser.script(asks).await == false).then_some(())).await;
    browser.press("Close").await;
    browser.close(&[]).await;
}
