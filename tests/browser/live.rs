//! What moves: calls appear, change state, show their words and end, and nobody reloads.

use fantoccini::Locator;
use serde_json::json;
use upvoot::call::event::Role;

use crate::{
    browser::{app::App, browser::Browser},
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
    assert!(region.text().await.unwrap().contains("No live calls."));
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    call.greeted().await;
    browser.row("Listening").await;
    call.say(&speech(64_000, 3)).await;
    browser.row("Speaking").await;
    call.end().await;
    browser.sees("No live calls.").await;
    // It is billed a moment later, and the page knows.
    eventually(async || {
        // The figure is another element each time it is written anew.
        let points = browser.all("figure", "Points").await.ok()?.pop()?;
        points.text().await.ok()?.contains("99.").then_some(())
    })
    .await;
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

    // Ended by an operator.
    browser.press("End call").await;
    browser.the("dialog", "End this call?").await;
    browser.press("End call").await;
    assert_eq!(call.until("call_end").await["reason"], "operator");
    browser.sees("Ended by operator").await;
    browser.sees("points)").await;
    is_untouched(&browser).await;
    browser.visit("/calls").await;
    browser.row("Ended by operator").await;
    browser.close(&[]).await;
}

/// What is recorded of who spoke when is drawn, and told to those who do not see the drawing.
#[actix_web::test]
async fn one_call_shows_who_spoke_when_and_how_long_answers_took() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello.").await;
    let key = browser.new_key("Provider").await;
    browser.press("Close").await;
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    call.greeted().await;
    call.end().await;
    let told =
        [(Role::Assistant, 0, 900), (Role::User, 2_000, 3_000), (Role::Assistant, 3_640, 5_000)];
    app.heard(&id, &told).await;
    browser.visit(&format!("/calls/{id}")).await;
    let said = "2 turns. Response time: median 640 ms, max 640 ms.";
    browser.sees(said).await;
    let drawn = browser.client.find(Locator::Css("svg[role=img]")).await.unwrap();
    assert_eq!(drawn.attr("aria-label").await.unwrap(), Some(format!("Who spoke when. {said}")));
    let widths = r#"
        return ["caller", "agent", "wait"].map((who) => Array.from(
            document.querySelectorAll(`svg .${who}`), (bar) => Math.round(bar.getBBox().width)));
    "#;
    let [caller, agent, wait] =
        serde_json::from_value::<[Vec<u32>; 3]>(browser.script(widths).await).unwrap();
    assert!(caller.len() == 1 && agent.len() == 2 && wait.len() == 1);
    assert!(
        agent[1] > caller[0] && caller[0] > wait[0] && wait[0] > 5,
        "{caller:?} {agent:?} {wait:?}"
    );
    browser.unfold("Show as table").await;
    let turn = browser.row("0:02.0 to 0:03.0").await.text().await.unwrap();
    assert!(turn.contains("640 ms") && turn.contains("0:03.6 to 0:05.0"), "{turn}");
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
    browser.sees("No live calls.").await;
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
        plots.iter().any(|plot| plot[1].as_str().unwrap().contains("2 calls in")).then_some(plots)
    })
    .await;
    assert_eq!(drawn.len(), 2, "{drawn:?}");
    for plot in &drawn {
        assert!(plot[2].as_f64().unwrap() > 5.0, "there is a bar to see: {plot}");
    }
    browser.unfold("Show as table").await;
    let today = browser.row("2").await.text().await.unwrap();
    assert!(today.contains('2'), "{today}");
    browser.close(&[]).await;
}
