//! Every page, light and dark, wide and on a phone: nothing serious to say against it.

use serde_json::{Value, json};
use upvoot::call::event::Role;

use crate::{
    browser::{app::App, browser::Browser},
    support::phone::Phone,
};

const AXE: &str = include_str!("vendor/axe.min.js");

/// What axe-core calls serious or critical on the page as it stands.
async fn serious(browser: &Browser) -> Vec<String> {
    browser.client.execute(AXE, Vec::new()).await.unwrap();
    let script = r#"
        const done = arguments[0];
        axe.run(document, { resultTypes: ["violations"] }).then(
            (result) => done(result.violations.filter((v) => ["serious", "critical"].includes(v.impact))
                .map((v) => `${v.id}: ${v.nodes.map((n) => n.html + " " + n.failureSummary).join(" | ")}`)),
            (error) => done([String(error)]));
    "#;
    let found = browser.client.execute_async(script, Vec::new()).await.unwrap();
    found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// What sticks out to the right of a window of this width.
async fn sticking_out(browser: &Browser, width: u32) -> Value {
    let script = r#"
        const [width] = arguments;
        const scrolls = (element) => {
            for (let at = element; at && at !== document.body; at = at.parentElement)
                if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(at).overflowX)) return true;
            return false;
        };
        const out = Array.from(document.body.querySelectorAll("*")).filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width > 0 && box.right > width + 0.5 && element.checkVisibility() && !scrolls(element);
        }).map((element) => element.outerHTML.slice(0, 120));
        if (document.documentElement.scrollWidth > width) out.push(`scrolls: ${document.documentElement.scrollWidth}`);
        return out;
    "#;
    browser.client.execute(script, vec![json!(width)]).await.unwrap()
}

/// A server where every page has something to show, with one call live; and the pages.
async fn everything(app: &App) -> (Browser, Phone, Vec<String>) {
    let browser = app.first_user().await;
    let agent = browser.new_agent("Front desk with quite a long name for a phone", "Hello.").await;
    browser.new_key("Provider that was").await;
    browser.press("Close").await;
    browser.press("Revoke").await;
    browser.sees("No live calls on this key.").await;
    browser.press("Revoke").await;
    browser.sees("Revoked").await;
    let key = browser.new_key("Provider").await;
    browser.press("Close").await;
    let relay = json!({"url": format!("wss://bot.example.com/{}", "a".repeat(200))});
    let account = app.get("/api/accounts").await["items"][0]["id"].clone();
    let bot = json!({"account_id": account, "name": "Bot", "engine": "relay", "relay": relay});
    let bot = app.post("/api/agents", bot).await["id"].as_str().unwrap().to_owned();
    let mut ended = Phone::dial(&app.voice(&key)).await.unwrap();
    ended.greeted().await;
    ended.tell(json!({"type": "dtmf", "digit": "5"})).await;
    ended.end().await;
    let mut live = Phone::dial(&app.voice(&key)).await.unwrap();
    live.greeted().await;
    let first = |list: Value| list["items"][0]["id"].as_str().unwrap().to_owned();
    let call = first(app.get("/api/calls").await);
    app.heard(&call, &[(Role::Assistant, 0, 1_200), (Role::User, 2_000, 2_900)]).await;
    let key_id = first(app.get("/api/keys").await);
    let user = first(app.get("/api/users").await);
    let account = first(app.get("/api/accounts").await);
    let pages = ["/", "/agents", "/calls", "/points", "/audit", "/users", "/accounts", "/account"]
        .into_iter()
        .map(str::to_owned)
        .chain([format!("/agents/{agent}"), format!("/agents/{agent}/try")])
        .chain([format!("/agents/{bot}")])
        .chain([format!("/agents/{agent}/keys/{key_id}/rotate")])
        .chain([
            format!("/calls/{call}"),
            format!("/users/{user}"),
            format!("/accounts/{account}"),
            format!("/agents/agt_{}", "0".repeat(32)),
        ])
        .collect();
    (browser, live, pages)
}

/// The page of the agent that there is.
fn agents_page(pages: &[String]) -> String {
    pages.iter().find(|page| page.starts_with("/agents/agt_")).unwrap().clone()
}

#[actix_web::test]
async fn axe_finds_nothing_serious_on_any_page_light_or_dark() {
    let app = App::start(&[]).await;
    let link = app.setup_path().await;
    let stranger = Browser::open(&app.base).await;
    let mut found = Vec::new();
    for page in ["/login", &link] {
        for scheme in ["light", "dark"] {
            stranger.prefers(scheme).await;
            stranger.visit(page).await;
            found.extend(
                serious(&stranger).await.into_iter().map(|v| format!("{page} {scheme}: {v}")),
            );
        }
    }
    stranger.close(&[]).await;
    let (browser, _live, pages) = everything(&app).await;
    // Now that there is a user, the page has its form.
    let stranger = Browser::open(&app.base).await;
    for scheme in ["light", "dark"] {
        stranger.prefers(scheme).await;
        stranger.visit("/login").await;
        found
            .extend(serious(&stranger).await.into_iter().map(|v| format!("sign in {scheme}: {v}")));
    }
    stranger.close(&[]).await;
    for scheme in ["light", "dark"] {
        browser.prefers(scheme).await;
        for page in &pages {
            browser.visit(page).await;
            found.extend(
                serious(&browser).await.into_iter().map(|v| format!("{page} {scheme}: {v}")),
            );
        }
        // And with its dialogs open.
        browser.visit(&agents_page(&pages)).await;
        browser.press("New key").await;
        found.extend(serious(&browser).await.into_iter().map(|v| format!("New key {scheme}: {v}")));
        browser.press("Create").await;
        browser.shown_key().await;
        found.extend(serious(&browser).await.into_iter().map(|v| format!("shown {scheme}: {v}")));
        browser.press("Close").await;
        browser.visit("/agents").await;
        browser.press("New agent").await;
        found.extend(
            serious(&browser).await.into_iter().map(|v| format!("New agent {scheme}: {v}")),
        );
    }
    assert!(found.is_empty(), "{found:#?}");
    browser.close(&["404 (Not Found)"]).await;
}

#[actix_web::test]
async fn nothing_sticks_out_on_a_phone() {
    let app = App::start(&[]).await;
    let link = app.setup_path().await;
    let stranger = Browser::open(&app.base).await;
    stranger.size(360, 740).await;
    let mut found = Vec::new();
    for page in ["/login", &link] {
        stranger.visit(page).await;
        found.push((page.to_owned(), sticking_out(&stranger, 360).await));
    }
    stranger.close(&[]).await;
    let (browser, _live, pages) = everything(&app).await;
    for width in [360, 768, 1280] {
        browser.size(width, 800).await;
        for page in &pages {
            browser.visit(page).await;
            found.push((format!("{page} {width}"), sticking_out(&browser, width).await));
        }
    }
    browser.size(360, 740).await;
    browser.visit(&agents_page(&pages)).await;
    browser.press("New key").await;
    found.push(("New key".to_owned(), sticking_out(&browser, 360).await));
    browser.press("Create").await;
    browser.shown_key().await;
    found.push(("the shown key".to_owned(), sticking_out(&browser, 360).await));
    browser.press("Close").await;
    found.retain(|(_, out)| out != &json!([]));
    assert!(found.is_empty(), "{found:#?}");
    browser.close(&["404 (Not Found)"]).await;
}
