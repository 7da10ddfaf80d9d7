//! What moves: calls appear, change state, show their words and end, and nobody reloads.

use fantoccini::Locator;
use serde_json::json;

use crate::{
    app::App,
    browser::Browser,
    support::{
        eventually,
        phone::{Phone, speech},
    },
};

/// A mark that a reload would wipe off.
async fn mark(browser: &Browser) {
    browser.script("window.untouched = true;").await;
}

async fn is_untouched(browser: &Browser) {
    assert_eq!(browser.script("return window.untouched;").await, json!(true), "nobody reloaded");
}

#[actix_web::test]
async fn calls_appear_speak_and_end_without_a_reload() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello from the front desk.").await;
    let key = browser.new_key("Provider").await;
    browser.press("Close").await;

    browser.visit("/").await;
    mark(&browser).await;
    let region = browser.the("region", "Live calls").await;
    assert!(region.text().await.unwrap().contains("No call is live."));
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    call.greeted().await;
    browser.row("Listening").await;
    call.say(&speech(64_000, 3)).await;
    browser.row("Speaking").await;
    call.end().await;
    browser.sees("No call is live.").await;
    // It is billed a moment later, and the page knows.
    let points = browser.the("figure", "Points").await;
    eventually(async || points.text().await.ok()?.contains("99.").then_some(())).await;
    is_untouched(&browser).await;
    browser.close(&[]).await;
}

#[actix_web::test]
async fn one_call_shows_its_words_as_they_are_said_and_how_it_ended() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello from the front desk.").await;
    let key = browser.new_key("Provider").await;
    browser.press("Close").await;
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    browser.visit(&format!("/calls/{id}")).await;
    mark(&browser).await;
    browser.sees("Hello from the front desk.").await;
    call.greeted().await;
    call.tell(json!({"type": "dtmf", "digit": "7"})).await;
    browser.sees("pressed 7").await;

    // Ended from here.
    browser.press("End call").await;
    browser.the("dialog", "End this call?").await;
    browser.press("End call").await;
    assert_eq!(call.until("call_end").await["reason"], "operator");
    browser.sees("Ended from here").await;
    browser.sees("points)").await;
    is_untouched(&browser).await;
    browser.visit("/calls").await;
    browser.row("Ended from here").await;
    browser.close(&[]).await;
}

/// A page is told of the calls of all nodes, not only of its own.
#[actix_web::test]
async fn the_calls_of_another_node_appear_too() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello.").await;
    let key = browser.new_key("Provider").await;
    browser.press("Close").await;
    browser.visit("/").await;
    mark(&browser).await;
    let other = app.another_node().await;
    let voice = format!("ws://{}/voice/{key}", other.address());
    let mut call = Phone::dial(&voice).await.unwrap();
    call.greeted().await;
    browser.row("Front desk").await;
    call.end().await;
    browser.sees("No call is live.").await;
    is_untouched(&browser).await;
    browser.close(&[]).await;
}

#[actix_web::test]
async fn the_plot_shows_what_was_and_says_it_in_words() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello.").await;
    let key = browser.new_key("Provider").await;
    browser.press("Close").await;
    for _ in 0..2 {
        let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
        call.greeted().await;
        call.end().await;
    }
    browser.visit("/").await;
    let drawn = eventually(async || {
        let script = r#"
            return Array.from(document.querySelectorAll("svg"), (svg) => [
                svg.getAttribute("role"), svg.getAttribute("aria-label") ?? svg.querySelector("title")?.textContent ?? "",
                Math.max(0, ...Array.from(svg.querySelectorAll("rect"), (bar) => bar.getBBox().height)),
            ]).filter(([role]) => role === "img");
        "#;
        let plots = browser.script(script).await;
        let plots = plots.as_array()?.clone();
        plots.iter().any(|plot| plot[1].as_str().unwrap().contains("2 calls within")).then_some(plots)
    })
    .await;
    assert_eq!(drawn.len(), 2, "{drawn:?}");
    for plot in &drawn {
        // Two seconds of a day whose scale begins at a minute are a thin bar, but one.
        assert!(plot[2].as_f64().unwrap() >= 2.0, "there is a bar to see: {plot}");
    }
    browser.client.find(Locator::Css("summary")).await.unwrap().click().await.unwrap();
    let today = browser.row("2").await.text().await.unwrap();
    assert!(today.contains('2'), "{today}");
    browser.close(&[]).await;
}
