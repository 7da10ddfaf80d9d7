//! What somebody tries who should not get in.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::{
    browser::{
        app::{App, EMAIL, PASSWORD},
        browser::Browser,
    },
    support::{eventually, phone::Phone},
};

/// The session's cookie, as somebody would copy it who sat at the machine.
async fn cookie(browser: &Browser) -> String {
    let cookie = browser.client.get_named_cookie("upvoot_session").await.unwrap();
    assert_eq!(cookie.http_only(), Some(true));
    assert_eq!(cookie.same_site().map(|site| site.is_strict()), Some(true));
    assert!(
        !browser.script("return document.cookie;").await.to_string().contains("upvoot_session")
    );
    format!("upvoot_session={}", cookie.value())
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn status(app: &App, path: &str, cookie: &str) -> u16 {
    let asking = client().get(format!("{}{path}", app.base)).header("cookie", cookie);
    asking.send().await.unwrap().status().as_u16()
}

#[actix_web::test]
async fn a_wrong_password_says_nothing_and_many_are_throttled() {
    let app = App::start(&[]).await;
    let first = app.first_user().await;
    let browser = Browser::open(&app.base).await;
    browser.visit("/agents").await;
    browser.arrives("/login").await;
    browser.sign_in("nobody@example.com", "a wrong password").await;
    let unknown = browser.the_alert().await;
    browser.sign_in(EMAIL, "a wrong password").await;
    assert_eq!(browser.the_alert().await, unknown, "the same for a user and for nobody");
    let mut tries = 2;
    while browser.the_alert().await == unknown {
        tries += 1;
        assert!(tries < 40, "wrong passwords are throttled");
        browser.sign_in(EMAIL, "a wrong password").await;
    }
    // Then the right one is not looked at either, and whoever is in stays in.
    browser.sign_in(EMAIL, PASSWORD).await;
    assert_ne!(browser.the_alert().await, unknown);
    assert_eq!(browser.path().await, "/login");
    first.visit("/agents").await;
    first.arrives("/agents").await;
    browser.close(&["401 (Unauthorized)", "429 (Too Many Requests)"]).await;
    first.close(&[]).await;
}

#[actix_web::test]
async fn a_session_is_over_when_its_user_signs_out_and_with_it_its_stream() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    let copied = cookie(&browser).await;
    assert_eq!(status(&app, "/agents", &copied).await, 200);
    let listening = client().get(format!("{}/events", app.base)).header("cookie", &copied);
    let answer = listening.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.bytes_stream();
    let hello = stream.next().await.unwrap().unwrap();
    assert!(hello.starts_with(b"retry: 2000\nevent: hello\n"), "{hello:?}");

    browser.press("Sign out").await;
    browser.arrives("/login").await;
    let ends = async { while let Some(Ok(_)) = stream.next().await {} };
    tokio::time::timeout(Duration::from_secs(10), ends).await.expect("the stream ends");
    assert_eq!(status(&app, "/agents", &copied).await, 303);
    for path in ["/api/agents", "/events", &format!("/try/{}", "0".repeat(64))] {
        let asked = client()
            .get(format!("{}{path}", app.base))
            .header("cookie", &copied)
            .header("origin", &app.base);
        assert_eq!(asked.send().await.unwrap().status().as_u16(), 401, "{path}");
    }
    browser.client.back().await.unwrap();
    browser.client.refresh().await.unwrap();
    browser.arrives("/login").await;
    browser.close(&[]).await;
}

/// Another site, which the user visits while signed in here. It differs in its port only, so the
/// browser sends even a strict cookie along.
#[actix_web::test]
async fn another_sites_page_can_change_and_read_nothing() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    let agent = browser.new_agent("Front desk", "Hello.").await;
    let account = app.get("/api/accounts").await["items"][0]["id"].clone();
    let body = json!({"account_id": account, "name": "Stolen", "engine": "echo"}).to_string();
    let made = client()
        .post(format!("{}/api/agents/{agent}/tickets", app.base))
        .header("cookie", cookie(&browser).await)
        .header("origin", &app.base)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let ticket: Value = made.json().await.unwrap();
    let page = format!(
        r#"<!doctype html><title>evil</title>
        <form id="f" method="post" action="{base}/account/sign-out-everywhere" target="sink"></form>
        <form id="g" method="post" action="{base}/logout" target="sink"></form>
        <iframe name="sink"></iframe>
        <script>
          window.found = {{}};
          const note = (name) => (value) => (window.found[name] = value);
          fetch("{base}/api/agents", {{ method: "POST", mode: "no-cors", credentials: "include", headers: {{ "content-type": "text/plain" }}, body: {body:?} }})
            .then(() => note("post")("sent"), () => note("post")("failed"));
          fetch("{base}/api/keys", {{ credentials: "include" }}).then((a) => a.text()).then(note("read"), () => note("read")("failed"));
          const socket = new WebSocket("{ws}{ticket}", "upvoot.v1");
          socket.onmessage = () => note("socket")("open");
          socket.onclose = (event) => {{ if (!window.found.socket) note("socket")(event.code); }};
          const events = new EventSource("{base}/events", {{ withCredentials: true }});
          events.addEventListener("hello", () => note("events")("open"));
          events.onerror = () => {{ if (!window.found.events) note("events")("failed"); events.close(); }};
          document.getElementById("f").submit();
          document.getElementById("g").submit();
        </script>"#,
        base = app.base,
        ws = app.base.replacen("http", "ws", 1),
        ticket = ticket["path"].as_str().unwrap(),
    );
    let elsewhere = serve(page);
    browser.visits.replace(Some(elsewhere.clone()));
    browser.client.goto(&elsewhere).await.unwrap();
    let found = eventually(async || {
        let found = browser.script("return window.found;").await;
        (found.as_object()?.len() == 4).then_some(found)
    })
    .await;
    assert_eq!(found["read"], "failed", "{found}");
    assert_eq!(found["socket"], 1006, "{found}");
    assert_eq!(found["events"], "failed", "{found}");

    // Still signed in, and nothing was made.
    browser.visit("/agents").await;
    browser.row("Front desk").await;
    assert!(!browser.text().await.contains("Stolen"));
    let calls = app.get("/api/calls").await;
    assert_eq!(calls["items"], json!([]), "the ticket opened no call");
    // The browser says itself what it did not let that page do.
    browser
        .close(&[
            &elsewhere,
            "net::ERR_FAILED",
            "status of 403",
            "failed: Error",
            "frame-ancestors",
        ])
        .await;
}

/// A server for one page, on a port of its own.
fn serve(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut asked = [0; 4096];
            let _ = connection.read(&mut asked);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length:";
            let _ = write!(connection, "{head} {}\r\n\r\n{page}", page.len());
        }
    });
    format!("http://{address}/")
}

#[actix_web::test]
async fn another_accounts_things_are_not_there() {
    let app = App::start(&[]).await;
    let ours = app.first_user().await;
    let agent = ours.new_agent("Secret desk", "Hello.").await;
    let key = ours.new_key("Provider").await;
    ours.press("Close").await;
    let key_id = app.get("/api/keys").await["items"][0]["id"].as_str().unwrap().to_owned();

    let account = app.post("/api/accounts", json!({"name": "Other"})).await["id"].clone();
    let user = json!({"account_id": account, "email": "eve@example.com", "password": PASSWORD, "role": "owner"});
    app.post("/api/users", user).await;
    let theirs = Browser::open(&app.base).await;
    theirs.sign_in("eve@example.com", PASSWORD).await;
    theirs.arrives("/").await;
    let cookie = cookie(&theirs).await;
    let listening = client().get(format!("{}/events", app.base)).header("cookie", &cookie);
    let mut stream = listening.send().await.unwrap().bytes_stream();

    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    call.greeted().await;
    for path in [
        format!("/agents/{agent}"),
        format!("/agents/{agent}/try"),
        format!("/agents/{agent}/keys/{key_id}/rotate"),
        format!("/calls/{id}"),
        format!("/api/agents/{agent}"),
        format!("/api/keys/{key_id}"),
        format!("/api/calls/{id}"),
    ] {
        assert_eq!(status(&app, &path, &cookie).await, 404, "{path}");
    }
    for path in [
        format!("/api/agents/{agent}/tickets"),
        format!("/api/keys/{key_id}/revoke"),
        format!("/api/calls/{id}/end"),
    ] {
        let asking = client().post(format!("{}{path}", app.base)).header("cookie", &cookie);
        let answer = asking.header("origin", &app.base).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 404, "{path}");
    }
    for page in ["/", "/agents", "/calls", "/audit", "/points", "/users"] {
        theirs.visit(page).await;
        let text = theirs.text().await;
        assert!(!text.contains("Secret desk") && !text.contains(EMAIL), "{page}: {text}");
    }
    assert_eq!(status(&app, "/accounts", &cookie).await, 403);
    call.end().await;

    // Nor is a word of it in their stream, which goes on: heard until it has been asked of the store
    // twice.
    let mut told = String::new();
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    while let Ok(Some(Ok(said))) = tokio::time::timeout_at(until, stream.next()).await {
        told.push_str(std::str::from_utf8(&said).unwrap());
    }
    assert!(
        told.contains("event: hello") && !told.contains(&id) && !told.contains("agt_"),
        "{told}"
    );
    theirs.close(&[]).await;
    ours.close(&[]).await;
}
