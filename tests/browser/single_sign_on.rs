//! Single sign-on: to a service on another host and back, landing signed in.

use serde_json::json;

use crate::{
    browser::{
        app::{App, EMAIL, PASSWORD},
        browser::Browser,
    },
    support::openid::{OpenId, Says},
};

/// The service has another host's name, so that its page is another site's and the browser keeps the
/// session's strict cookie to itself on the way back.
#[actix_web::test]
async fn somebody_goes_away_and_comes_back_signed_in() {
    let provider = OpenId::start("localhost");
    provider.will_say(Says { asks: true, ..Says::default() });
    let app = App::start(&provider.env()).await;
    let account = app.post("/api/accounts", json!({"name": "Acme"})).await["id"].clone();
    let user = json!({"account_id": account, "email": EMAIL, "password": PASSWORD});
    app.post("/api/users", user).await;

    let browser = Browser::open(&app.base).await;
    browser.visits.replace(Some(provider.issuer.clone()));
    browser.visit("/calls?live=true").await;
    browser.arrives("/login").await;
    browser.follow("Sign in with single sign-on").await;
    browser.arrives("/authorize").await;
    browser.follow("Continue").await;
    browser.arrives("/calls").await;
    assert_eq!(browser.client.current_url().await.unwrap().query(), Some("live=true"));
    browser.the("heading", "Calls").await;
    browser.the("link", EMAIL).await;

    // And out again; somebody whom nobody knows here is told so on the page they began on.
    browser.press("Sign out").await;
    browser.arrives("/login").await;
    let claims = json!({"email": "eve@example.com", "sub": "eve"});
    provider.will_say(Says { asks: true, claims, ..Says::default() });
    browser.follow("Sign in with single sign-on").await;
    browser.arrives("/authorize").await;
    browser.follow("Continue").await;
    assert!(browser.the_alert().await.contains("No user here has your e-mail address."));
    browser.fill("E-mail", EMAIL).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.arrives("/").await;
    browser.close(&["403 (Forbidden)"]).await;
}
