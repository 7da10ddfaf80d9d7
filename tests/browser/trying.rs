//! The call from the page itself: sound both ways, states, words, and no key anywhere.

use serde_json::{Value, json};

use crate::{
    browser::{app::App, browser::Browser},
    support::eventually,
};

/// The loudest that a meter has been over some time.
async fn loudest(browser: &Browser, meter: &str) -> f64 {
    let script = r#"
        const [name, done] = arguments;
        const meter = document.querySelector(`meter[aria-label^="${name}"]`);
        let loudest = 0;
        const began = Date.now();
        const look = () => {
            loudest = Math.max(loudest, meter.value);
            if (loudest > 0.3 || Date.now() - began > 8000) done(loudest);
            else setTimeout(look, 20);
        };
        look();
    "#;
    browser.client.execute_async(script, vec![json!(meter)]).await.unwrap().as_f64().unwrap()
}

/// The loudest that any meter is from now on, within so many milliseconds.
async fn loudest_within(browser: &Browser, ms: u64) -> f64 {
    let script = r#"
        const [ms, done] = arguments;
        let loudest = 0;
        const began = Date.now();
        const look = () => {
            for (const meter of document.querySelectorAll("meter")) loudest = Math.max(loudest, meter.value);
            if (Date.now() - began > ms) done(loudest);
            else setTimeout(look, 10);
        };
        look();
    "#;
    browser.client.execute_async(script, vec![json!(ms)]).await.unwrap().as_f64().unwrap()
}

async fn at_the_try_page(app: &App) -> (Browser, String) {
    let browser = app.first_user().await;
    let agent = browser.new_agent("Front desk", "Hello from the front desk.").await;
    browser.follow("Try it").await;
    browser.arrives(&format!("/agents/{agent}/try")).await;
    (browser, agent)
}

#[actix_web::test]
async fn microphone_and_speaker_work_and_the_call_is_like_any_other() {
    let app = App::start(&[]).await;
    let (browser, agent) = at_the_try_page(&app).await;
    browser.press("Start call").await;
    browser.sees("The agent hears your microphone.").await;
    browser.sees("Hello from the front desk.").await;
    assert!(loudest(&browser, "Agent").await > 0.3, "the greeting is heard");
    assert!(loudest(&browser, "You").await > 0.3, "the microphone beeps");
    // The echo agent plays it back: whatever is heard now is ours.
    browser.sees("Speaking").await;
    assert!(loudest(&browser, "Agent").await > 0.3, "the echo is heard");
    browser.press("End call").await;
    browser.sees("You ended the call.").await;
    assert!(browser.has("button", "Start call").await && !browser.has("button", "End call").await);
    assert_eq!(loudest_within(&browser, 600).await, 0.0, "no meter moves after the end");

    let rows = app.get(&format!("/api/calls?agent_id={agent}")).await;
    let row = &rows["items"][0];
    assert_eq!((&row["key_id"], &row["dialect"]), (&Value::Null, &json!("native")));
    eventually(async || {
        let id = row["id"].as_str().unwrap();
        let call = app.get(&format!("/api/calls/{id}")).await;
        (call["end_reason"] == "end_call" && call["billed_seconds"].as_i64()? >= 1).then_some(())
    })
    .await;
    browser.close(&[]).await;
}

#[actix_web::test]
async fn without_a_microphone_there_is_a_tone() {
    let app = App::start(&[]).await;
    let (browser, _) = at_the_try_page(&app).await;
    browser
        .script("navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('none'));")
        .await;
    browser.press("Start call").await;
    browser.sees("No microphone (none found)").await;
    assert!(loudest(&browser, "You").await > 0.3, "the tone is sent");
    browser.sees("Speaking").await;
    browser.press("End call").await;
    browser.sees("You ended the call.").await;

    // Not allowed is another thing than not there.
    let denied = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));";
    browser.script(denied).await;
    browser.press("Start call").await;
    browser.sees("No microphone (permission denied: allow it in the address bar).").await;
    browser.press("End call").await;
    browser.sees("You ended the call.").await;

    // Or because somebody likes it better.
    browser
        .the("checkbox", "Use a test tone instead of the microphone")
        .await
        .click()
        .await
        .unwrap();
    browser.press("Start call").await;
    browser.sees("The agent hears a test tone.").await;
    browser.sees("Speaking").await;
    browser.press("End call").await;
    browser.sees("You ended the call.").await;
    browser.close(&[]).await;
}

#[actix_web::test]
async fn why_a_call_cannot_be_had_is_said_and_the_ticket_opens_one_call_only() {
    let app = App::start(&[]).await;
    let (browser, agent) = at_the_try_page(&app).await;
    let ticket = |path: String| {
        let script = r#"
            const [path, done] = arguments;
            fetch(path, { method: "POST" }).then((answer) => answer.json()).then(done);
        "#;
        let client = browser.client.clone();
        async move { client.execute_async(script, vec![json!(path)]).await.unwrap() }
    };
    let made = ticket(format!("/api/agents/{agent}/tickets")).await;
    let path = made["path"].as_str().unwrap().to_owned();
    // How a page's own socket fares: "open", or closed with this code.
    let dial = r#"
        const [path, done] = arguments;
        const socket = new WebSocket(`ws://${location.host}${path}`, "upvoot.v1");
        socket.onmessage = () => { socket.close(); done("open"); };
        socket.onclose = (event) => done(event.code);
    "#;
    let fares = |path: String| {
        let client = browser.client.clone();
        async move { client.execute_async(dial, vec![json!(path)]).await.unwrap() }
    };
    assert_eq!(fares(path.clone()).await, json!("open"));
    assert_eq!(fares(path).await, json!(1006), "once");
    assert_eq!(fares(format!("/try/{}", "0".repeat(64))).await, json!(1006));

    let patch = json!({"is_active": false});
    app.patch(&format!("/api/agents/{agent}"), patch).await;
    browser.press("Start call").await;
    browser.sees("The agent is disabled.").await;
    assert!(browser.has("button", "Start call").await);
    browser.close(&["HTTP Authentication failed", "403 (Forbidden)"]).await;
}
