//! Points, as an operator adds and corrects them.

use serde_json::json;

use crate::{browser::app::App, support::eventually};

/// Lets the next change arrive, and loses its answer.
const LOSE_THE_ANSWER: &str = "
    const real = window.fetch;
    window.fetch = async (...asked) => {
        if (asked[1]?.method !== 'POST') return real(...asked);
        window.fetch = real;
        await real(...asked);
        throw new TypeError('the answer is lost');
    };";

#[actix_web::test]
async fn points_whose_answer_was_lost_are_added_once_and_can_be_taken_back() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    let account = app.get("/api/accounts").await["items"][0]["id"].as_str().unwrap().to_owned();
    let book = format!("/api/accounts/{account}/ledger");
    let kinds = async || -> Vec<String> {
        let entries = app.get(&book).await["items"].as_array().unwrap().clone();
        entries.iter().map(|entry| format!("{} {}", entry["kind"], entry["points"])).collect()
    };
    let free = kinds().await;
    let add = async || {
        browser.press("Add points").await;
        browser.fill_number("Points", "7").await;
        browser.fill("Note", "invoice 7").await;
        browser.press("Add").await;
    };
    browser.visit("/points").await;
    browser.script(LOSE_THE_ANSWER).await;
    add().await;
    browser.sees("The server cannot be reached.").await;
    eventually(async || (kinds().await.len() == free.len() + 1).then_some(())).await;
    let kept = browser.script("return JSON.stringify(Object.entries(sessionStorage))").await;
    assert!(!kept.to_string().contains("invoice"), "what was typed is not kept: {kept}");

    // After a reload the same wish is the same.
    browser.visit("/points").await;
    add().await;
    browser.sees("Points added.").await;
    assert_eq!(kinds().await.len(), free.len() + 1);
    // Once it is answered, the next one is another.
    add().await;
    eventually(async || (kinds().await.len() == free.len() + 2).then_some(())).await;

    browser.visit("/points").await;
    browser.press("Adjust").await;
    browser.fill_number("Points", "-1000").await;
    browser.fill("Note", "twice by mistake").await;
    browser.press("Adjust").await;
    browser.sees("The account has fewer free points than that").await;
    browser.fill_number("Points", "-7").await;
    browser.press("Adjust").await;
    browser.sees("Points adjusted.").await;
    let newest = app.get(&book).await["items"][0].clone();
    assert_eq!((&newest["kind"], &newest["points"]), (&json!("adjustment"), &json!(-7.0)));
    browser.row("twice by mistake").await;
    browser.close(&["409 (Conflict)"]).await;
}
