//! A newcomer: from an empty directory to a call, reading nothing but the page.

use std::time::{Duration, Instant};

use crate::{
    browser::app::App,
    support::phone::{Phone, speech},
};

#[actix_web::test]
async fn from_an_empty_directory_to_a_call_on_a_key_of_ones_own() {
    let app = App::start(&[]).await;
    let began = Instant::now();
    let browser = app.first_user().await;
    let agent = browser.new_agent("Front desk", "Hello from the front desk.").await;
    let key = browser.new_key("First").await;
    assert!(browser.text().await.contains(&format!("/voice/{key}")), "the address is ready-made");
    // What to paste where is there too, with the key in it.
    for (provider, says) in [
        ("No provider: a terminal", format!("upvoot call \"{}\"", app.voice(&key))),
        ("Twilio", format!("<Stream url=\"{}\">", app.voice(&key))),
        ("jambonz", format!("\"url\": \"{}\"", app.voice(&key))),
    ] {
        browser.unfold(provider).await;
        browser.sees(&says).await;
    }

    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    call.greeted().await;
    let said = speech(6_400, 1);
    call.say(&said).await;
    call.hear(said.len()).await;
    assert_eq!(call.heard, said);
    call.end().await;
    browser.press("Close").await;

    // And without a provider, from the page itself.
    browser.follow("Try it").await;
    browser.arrives(&format!("/agents/{agent}/try")).await;
    browser.press("Start call").await;
    browser.sees("Hello from the front desk.").await;
    browser.sees("Speaking").await;
    browser.press("End call").await;
    browser.sees("You ended the call.").await;
    assert!(began.elapsed() < Duration::from_secs(120), "within two minutes");
    browser.follow("Open this call").await;
    browser.sees("Browser test").await;
    browser.close(&[]).await;
}

#[actix_web::test]
async fn the_set_up_link_works_once_and_leads_nowhere_else() {
    let app = App::start(&[]).await;
    let link = app.setup_path().await;
    let browser = app.first_user().await;
    browser.visit(&link).await;
    browser.sees("This link does not work").await;
    browser.visit(&format!("/setup/{}", "0".repeat(64))).await;
    browser.sees("This link does not work").await;
    browser.visit("/").await;
    browser.the("region", "Live calls").await;
    browser.the("figure", "Points").await;
    browser.close(&["404 (Not Found)"]).await;
}
