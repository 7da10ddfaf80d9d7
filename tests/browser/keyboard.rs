//! Without a mouse: from signing in to a key and its revocation, by keyboard alone.

use fantoccini::key::Key;

use crate::browser::{
    app::{App, EMAIL, PASSWORD},
    browser::Browser,
    driver::{Extra, say},
};

/// The accessible name of what has the focus.
async fn focused(browser: &Browser) -> String {
    let Ok(active) = browser.client.active_element().await else { return String::new() };
    let label = say(&browser.client, Extra::Label(active.element_id().to_string())).await;
    label.ok().and_then(|label| Some(label.as_str()?.trim().to_owned())).unwrap_or_default()
}

/// Presses Tab until this has the focus, and checks that it shows.
async fn tab_to(browser: &Browser, name: &str) {
    let mut passed = Vec::new();
    for _ in 0..60 {
        let now = focused(browser).await;
        if now == name {
            let script = r#"
                const style = getComputedStyle(document.activeElement);
                return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
            "#;
            assert_eq!(browser.script(script).await, true, "the focus on {name:?} shows");
            return;
        }
        passed.push(now);
        browser.key(Key::Tab).await;
    }
    panic!("Tab never came to {name:?}, but to {passed:?}");
}

async fn types(browser: &Browser, text: &str) {
    browser.client.active_element().await.unwrap().send_keys(text).await.unwrap();
}

#[actix_web::test]
async fn everything_about_a_key_can_be_done_without_a_mouse() {
    let app = App::start(&[]).await;
    app.first_user().await.close(&[]).await;

    let browser = Browser::open(&app.base).await;
    browser.visit("/login").await;
    tab_to(&browser, "E-mail").await;
    types(&browser, EMAIL).await;
    tab_to(&browser, "Password").await;
    types(&browser, PASSWORD).await;
    browser.key(Key::Enter).await;
    browser.arrives("/").await;

    // The first stop is the way past the navigation.
    browser.key(Key::Tab).await;
    assert_eq!(focused(&browser).await, "Skip to content");
    browser.key(Key::Enter).await;
    tab_to(&browser, "New agent").await;
    browser.key(Key::Enter).await;
    browser.the("dialog", "New agent").await;
    tab_to(&browser, "Name").await;
    types(&browser, "Front desk").await;
    tab_to(&browser, "Create").await;
    browser.key(Key::Enter).await;
    browser.arrives_where("the agent", |path| path.starts_with("/agents/agt_")).await;

    tab_to(&browser, "New key").await;
    browser.key(Key::Enter).await;
    browser.the("dialog", "New key").await;
    tab_to(&browser, "Name").await;
    types(&browser, "Provider").await;
    browser.key(Key::Enter).await;
    browser.shown_key().await;
    tab_to(&browser, "Copy").await;
    browser.key(Key::Enter).await;
    tab_to(&browser, "Close").await;
    browser.key(Key::Enter).await;
    browser.row("Provider").await;
    assert_eq!(focused(&browser).await, "New key", "the focus is back where it was");

    tab_to(&browser, "Revoke").await;
    browser.key(Key::Enter).await;
    browser.the("dialog", "Revoke this key?").await;
    browser.key(Key::Escape).await;
    assert_eq!(focused(&browser).await, "Revoke", "and after Escape too");
    browser.key(Key::Enter).await;
    browser.the("dialog", "Revoke this key?").await;
    tab_to(&browser, "Revoke").await;
    browser.key(Key::Enter).await;
    browser.sees("Revoked").await;
    browser.close(&[]).await;
}
