//! An agent that is somebody's own bot, made and changed on the page.

use fantoccini::elements::Element;
use serde_json::{Value, json};

use crate::browser::{
    app::{App, PASSWORD},
    browser::Browser,
};

const BOT: &str = "Your bot, over WebSocket";
const ADDRESS: &str = "Bot address";

impl Browser {
    /// Waits until the field is said to be wrong in these words, by a screen reader too.
    async fn is_told_at(&self, field: &Element, words: &str) {
        self.sees(words).await;
        assert_eq!(field.attr("aria-invalid").await.unwrap().as_deref(), Some("true"));
        let described = field.attr("aria-describedby").await.unwrap().unwrap();
        let place = format!(
            "document.getElementById('{}').textContent",
            described.split(' ').next_back().unwrap()
        );
        let told = self.script(&format!("return {place}")).await;
        assert!(told.as_str().unwrap().contains(words), "{told}");
    }

    async fn saved(&self) {
        self.press("Save").await;
        self.sees("Saved. Applies to new calls.").await;
    }
}

async fn agent(app: &App, id: &str) -> Value {
    app.get(&format!("/api/agents/{id}")).await
}

#[actix_web::test]
async fn a_bot_is_put_behind_an_agent_and_a_wrong_address_is_told_at_its_field() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.press("New agent").await;
    browser.fill("Name", "Bot").await;
    assert!(browser.has("textbox", "Greeting").await && !browser.has("textbox", ADDRESS).await);
    browser.choose("Engine", BOT).await;
    assert!(!browser.has("textbox", "Greeting").await, "the bot greets");
    let address = browser.write("textbox", ADDRESS, "ws://bot.example.com/").await;
    browser.press("Create").await;
    browser.is_told_at(&address, "Must be a wss:// address").await;
    browser.fill(ADDRESS, "wss://bot.example.com/calls").await;
    let secret = browser.write("textbox", "Bot secret (variable name)", "hunter2").await;
    browser.press("Create").await;
    browser.is_told_at(&secret, "Must be the name of an environment variable").await;
    browser.fill("Bot secret (variable name)", "UPVOOT_SECRET_BOT").await;
    browser.press("Create").await;
    browser.arrives_where("the agent's page", |path| path.starts_with("/agents/agt_")).await;
    let id = browser.path().await.trim_start_matches("/agents/").to_owned();
    let made = agent(&app, &id).await;
    let relay = json!({
        "url": "wss://bot.example.com/calls", "secret": "UPVOOT_SECRET_BOT",
        "connect_timeout_ms": 3_000, "first_byte_timeout_ms": 5_000, "trusted": true,
        "unreachable_phrase": "Sorry, I cannot be reached right now. Please call again later.",
    });
    assert_eq!((&made["engine"], &made["relay"]), (&json!("relay"), &relay));
    assert_eq!(made["greeting"], "");

    // Its settings, each told at its field.
    let connect = browser.write("spinbutton", "Connect timeout (ms)", "50").await;
    browser.press("Save").await;
    browser.is_told_at(&connect, "Must be a whole number of milliseconds").await;
    browser.write("spinbutton", "Connect timeout (ms)", "700").await;
    browser.write("textbox", "If the bot is unreachable", "Nobody is here.").await;
    browser.choose("Wire format", "Telnyx").await;
    assert!(!browser.has("textbox", "Signature secret (variable name)").await);
    browser.choose("Signature check", "Plivo").await;
    let signed = browser.write("textbox", "Signature secret (variable name)", "PLIVO").await;
    browser.press("Save").await;
    browser.is_told_at(&signed, "Must be the name of an environment variable").await;
    browser.fill("Signature secret (variable name)", "UPVOOT_SECRET_PLIVO").await;
    browser.saved().await;
    let changed = agent(&app, &id).await;
    assert_eq!(changed["relay"]["connect_timeout_ms"], 700);
    assert_eq!(changed["relay"]["unreachable_phrase"], "Nobody is here.");
    assert_eq!(changed["dialect"], "telnyx");
    let signature = json!({"provider": "plivo", "secret": "UPVOOT_SECRET_PLIVO"});
    assert_eq!(changed["signature"], signature);

    // An echo again, and nothing checked: the bot is out of sight, and kept.
    browser.choose("Engine", "Echo: repeats the caller").await;
    assert!(!browser.has("textbox", ADDRESS).await);
    browser.choose("Wire format", "Auto-detect").await;
    browser.choose("Signature check", "Not checked").await;
    let greeting = browser.the("textbox", "Greeting").await;
    browser.press("Save").await;
    browser.is_told_at(&greeting, "Must be 1 to 1,000 characters").await;
    browser.fill("Greeting", "Hello again.").await;
    browser.saved().await;
    let echo = agent(&app, &id).await;
    assert_eq!((&echo["engine"], &echo["greeting"]), (&json!("echo"), &json!("Hello again.")));
    assert_eq!((&echo["dialect"], &echo["signature"]), (&json!(null), &json!(null)));
    assert_eq!(echo["relay"], changed["relay"]);
    browser.visit(&format!("/agents/{id}")).await;
    browser.choose("Engine", BOT).await;
    browser.saved().await;
    assert_eq!(agent(&app, &id).await["relay"], changed["relay"]);
    browser.close(&["422 (Unprocessable"]).await;
}

#[actix_web::test]
async fn an_operator_vouches_for_an_address_only_by_changing_something_about_the_bot() {
    let app = App::start(&[]).await;
    let operator = app.first_user().await;
    let account = app.get("/api/accounts").await["items"][0]["id"].clone();
    let owner = json!({
        "account_id": account, "email": "eve@example.com", "password": PASSWORD, "role": "owner",
    });
    app.post("/api/users", owner).await;
    let browser = Browser::open(&app.base).await;
    browser.sign_in("eve@example.com", PASSWORD).await;
    browser.arrives("/").await;
    browser.visit("/agents").await;
    browser.press("New agent").await;
    browser.fill("Name", "Bot").await;
    browser.choose("Engine", BOT).await;
    browser.fill(ADDRESS, "wss://10.0.0.1/").await;
    browser.press("Create").await;
    browser.sees("Must be a public address").await;
    let path = browser.path().await;
    let id = path.trim_start_matches("/agents/");
    assert_eq!(agent(&app, id).await["relay"]["trusted"], false);

    operator.visit(&path).await;
    operator.sees("the address counts as yours").await;
    operator.fill("Name", "Renamed").await;
    operator.saved().await;
    let renamed = agent(&app, id).await;
    assert_eq!(
        (&renamed["name"], &renamed["relay"]["trusted"]),
        (&json!("Renamed"), &json!(false))
    );
    operator.write("spinbutton", "Connect timeout (ms)", "700").await;
    operator.saved().await;
    operator.sees("Set by the server's operator").await;
    assert_eq!(agent(&app, id).await["relay"]["trusted"], true);

    // What was saved is no change any more: the other's next address stays the other's.
    browser.visit(&path).await;
    browser.fill(ADDRESS, "wss://10.0.0.2/").await;
    browser.saved().await;
    operator.fill("Name", "Renamed again").await;
    operator.saved().await;
    let last = agent(&app, id).await;
    assert_eq!(last["name"], "Renamed again");
    assert_eq!(
        (&last["relay"]["url"], &last["relay"]["trusted"]),
        (&json!("wss://10.0.0.2/"), &json!(false))
    );
    browser.close(&[]).await;
    operator.close(&[]).await;
}
