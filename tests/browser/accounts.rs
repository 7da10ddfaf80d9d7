//! Accounts, as an operator keeps them.

use serde_json::json;

use crate::{browser::app::App, support::eventually};

#[actix_web::test]
async fn an_account_is_renamed_and_its_cap_set_and_taken_away() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    let made = app.post("/api/accounts", json!({"name": "Globex"})).await;
    let path = format!("/api/accounts/{}", made["id"].as_str().unwrap());
    browser.visit("/accounts").await;
    browser.follow("Globex").await;
    browser.arrives(&path.replacen("/api", "", 1)).await;

    // What is refused says so at its field, and changes nothing.
    browser.fill_number("Max concurrent calls", "0").await;
    browser.press("Save").await;
    eventually(async || {
        let field = browser.the("spinbutton", "Max concurrent calls").await;
        (field.attr("aria-invalid").await.ok()??.as_str() == "true").then_some(())
    })
    .await;
    browser.sees("Must be a whole number from 1 to 100,000, or empty.").await;
    assert_eq!(app.get(&path).await["max_concurrent_calls"], json!(null));

    browser.fill("Name", "Globex Ltd").await;
    browser.fill_number("Max concurrent calls", "7").await;
    browser.press("Save").await;
    browser.sees("Saved. Live calls continue.").await;
    let account = app.get(&path).await;
    assert_eq!(
        (&account["name"], &account["max_concurrent_calls"]),
        (&json!("Globex Ltd"), &json!(7))
    );
    browser.visit("/accounts").await;
    let row = browser.row("Globex Ltd").await.text().await.unwrap();
    assert!(row.contains('7'), "{row}");

    browser.follow("Globex Ltd").await;
    browser.fill_number("Max concurrent calls", "").await;
    browser.press("Save").await;
    browser.sees("Saved.").await;
    assert_eq!(app.get(&path).await["max_concurrent_calls"], json!(null));

    // From here one looks at what belongs to it.
    browser.press("Switch to Globex Ltd").await;
    browser.arrives("/").await;
    let looked_at = browser.the("combobox", "Account shown").await;
    assert_eq!(looked_at.prop("value").await.unwrap(), made["id"].as_str().map(str::to_owned));
    browser.close(&["422 (Unprocessable"]).await;
}
