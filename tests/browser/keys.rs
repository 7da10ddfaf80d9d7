//! The whole story of a key, and that it is nowhere afterwards.

use std::fs;

use fantoccini::key::Key;
use serde_json::json;

use crate::{
    browser::{app::App, browser::Browser, driver::files_below},
    support::{eventually, phone::Phone},
};

/// A piece of a key that nothing else contains, and that is not its public end.
fn secret(key: &str) -> &str {
    &key["sk_live_".len()..][..40]
}

/// Where in the page a piece of the key is: text, attributes, fields, and what scripts can reach.
async fn in_the_page(browser: &Browser, piece: &str) -> Vec<String> {
    let script = r#"
        const [piece] = arguments;
        const found = [];
        const look = (where, text) => { if (String(text ?? "").includes(piece)) found.push(where); };
        look("document", document.documentElement.outerHTML);
        for (const field of document.querySelectorAll("input, textarea")) look("field", field.value);
        for (const template of document.querySelectorAll("template")) look("template", template.innerHTML);
        look("address", location.href);
        look("title", document.title);
        look("window.name", window.name);
        look("history", JSON.stringify(history.state));
        look("cookies", document.cookie);
        look("selection", getSelection());
        for (const [name, storage] of [["local", localStorage], ["session", sessionStorage]])
            for (let i = 0; i < storage.length; i += 1) look(name, storage.key(i) + storage.getItem(storage.key(i)));
        for (const name of Object.getOwnPropertyNames(window))
            try { if (typeof window[name] === "string") look("window." + name, window[name]); } catch {}
        look("performance", JSON.stringify(performance.getEntries()));
        return found;
    "#;
    let found = browser.client.execute(script, vec![json!(piece)]).await.unwrap();
    found.as_array().unwrap().iter().map(|place| place.as_str().unwrap().to_owned()).collect()
}

/// What the browser keeps by itself for pages of ours: databases and caches.
async fn browser_stores(browser: &Browser) -> String {
    let script = r#"
        const done = arguments[0];
        Promise.all([indexedDB.databases(), caches.keys()])
            .then(([databases, caches]) => done(JSON.stringify([databases, caches])));
    "#;
    let kept = browser.client.execute_async(script, Vec::new()).await.unwrap();
    kept.as_str().unwrap().to_owned()
}

/// Every answer that a signed-in page can get, fetched by the page itself.
async fn answers(browser: &Browser, paths: &[String]) -> String {
    let script = r#"
        const [paths, done] = arguments;
        Promise.all(paths.map((path) => fetch(path).then((answer) => answer.text()))).then((all) => done(all.join("\n")));
    "#;
    let all = browser.client.execute_async(script, vec![json!(paths)]).await.unwrap();
    all.as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_key_is_shown_once_and_is_nowhere_afterwards() {
    let app = App::start(&[("UPVOOT_LOG", "trace")]).await;
    let browser = app.first_user().await;
    let agent = browser.new_agent("Front desk", "Hello.").await;
    let key = browser.new_key("Provider").await;
    let piece = secret(&key);
    assert!(
        !in_the_page(&browser, piece).await.is_empty(),
        "the search finds it while it is shown"
    );

    // It is one press to copy; and Escape does not lose a key that nobody has yet.
    browser.key(Key::Escape).await;
    browser.sees("cannot be shown again").await;
    let origin = json!({"origin": app.base, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.chromium("Browser.grantPermissions", origin).await;
    browser.press("Copy").await;
    let script = "const done = arguments[0]; navigator.clipboard.readText().then(done, (e) => done(String(e)));";
    let copied = browser.client.execute_async(script, Vec::new()).await.unwrap();
    assert_eq!(copied, json!(key));
    browser.press("Close").await;

    // Gone from the page, at once, and after going elsewhere and back.
    eventually(async || in_the_page(&browser, piece).await.is_empty().then_some(())).await;
    browser.row("Provider").await;
    browser.press("New key").await;
    assert_eq!(in_the_page(&browser, piece).await, Vec::<String>::new(), "not in the next dialog");
    browser.press("Cancel").await;
    browser.visit("/calls").await;
    browser.client.back().await.unwrap();
    browser.row("Provider").await;
    assert_eq!(in_the_page(&browser, piece).await, Vec::<String>::new());
    browser.client.refresh().await.unwrap();
    browser.row(&key[64..]).await;
    assert_eq!(in_the_page(&browser, piece).await, Vec::<String>::new());
    assert_eq!(browser_stores(&browser).await, "[[],[]]", "the page keeps nothing in the browser");

    // It works, and what comes of that does not show it.
    let mut call = Phone::dial(&app.voice(&key)).await.unwrap();
    call.greeted().await;
    call.end().await;
    let id = browser.row(&key[64..]).await.attr("id").await.unwrap().unwrap();
    let paths: Vec<String> =
        ["/", "/agents", "/calls", "/points", "/audit", "/users", "/accounts", "/account"]
            .into_iter()
            .chain(["/api/keys", "/api/agents", "/api/calls", "/api/audit", "/api/users"])
            .map(str::to_owned)
            .chain([
                format!("/api/keys/{id}"),
                format!("/agents/{agent}"),
                format!("/agents/{agent}/try"),
            ])
            .chain([format!("/agents/{agent}/keys/{id}/rotate")])
            .collect();
    let told = answers(&browser, &paths).await;
    assert!(told.contains(&key[64..]), "its end is public");
    assert!(!told.contains(piece));

    // Revoking asks first, and the row says so.
    browser.press("Revoke").await;
    browser.the("dialog", "Revoke this key?").await;
    browser.sees("No live calls on this key.").await;
    browser.press("Revoke").await;
    browser.sees("Revoked").await;
    eventually(async || {
        browser.row("Provider").await.text().await.ok()?.contains("Revoked").then_some(())
    })
    .await;
    assert_eq!(Phone::dial(&app.voice(&key)).await.err().unwrap().code(), "key_revoked");
    browser.client.refresh().await.unwrap();
    eventually(async || {
        browser.client.refresh().await.unwrap();
        browser.row("Provider").await.text().await.unwrap().contains("1 refused use").then_some(())
    })
    .await;

    // Nor is it in any file: the browser's profile, the database, the logs.
    let (driver, mut files) = browser.close(&[]).await;
    assert!(files.len() > 20, "a profile has many files: {}", files.len());
    files_below(app.database.path(), &mut files);
    files.extend(app.process.log_files());
    let holding: Vec<_> = files
        .iter()
        .filter(|file| {
            let bytes = fs::read(file).unwrap_or_default();
            let utf16: Vec<u8> = piece.encode_utf16().flat_map(u16::to_le_bytes).collect();
            [piece.as_bytes(), &utf16]
                .iter()
                .any(|piece| bytes.windows(piece.len()).any(|part| part == *piece))
        })
        .collect();
    assert!(holding.is_empty(), "{holding:?}");
    drop(driver);
}

#[actix_web::test]
async fn revoking_tells_of_live_calls_which_go_on_unless_they_are_to_end() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello.").await;
    let first = browser.new_key("First").await;
    browser.press("Close").await;
    let mut goes_on = Phone::dial(&app.voice(&first)).await.unwrap();
    goes_on.greeted().await;
    browser.press("Revoke").await;
    browser.sees("1 live call on this key will continue.").await;
    browser.press("Revoke").await;
    eventually(async || {
        browser.row("First").await.text().await.ok()?.contains("Revoked").then_some(())
    })
    .await;
    goes_on.end().await;

    let second = browser.new_key("Second").await;
    browser.press("Close").await;
    let mut ends = Phone::dial(&app.voice(&second)).await.unwrap();
    ends.greeted().await;
    browser.press("Revoke").await;
    browser.the("checkbox", "End its live calls too").await.click().await.unwrap();
    browser.press("Revoke").await;
    assert_eq!(ends.until("call_end").await["reason"], "key_revoked");
    browser.close(&[]).await;
}

/// The new key takes over while calls run on both, and the page can be left in between.
#[actix_web::test]
async fn a_key_is_rotated_while_calls_run() {
    let app = App::start(&[]).await;
    let browser = app.first_user().await;
    browser.new_agent("Front desk", "Hello.").await;
    let old = browser.new_key("Provider").await;
    browser.press("Close").await;
    let mut on_old = Phone::dial(&app.voice(&old)).await.unwrap();
    on_old.greeted().await;

    browser.follow("Rotate").await;
    browser.arrives_where("the rotation", |path| path.ends_with("/rotate")).await;
    let rotation = browser.path().await;
    browser.press("New key").await;
    browser.press("Create").await;
    let new = browser.shown_key().await;
    browser.press("Close").await;
    assert_ne!(old, new);
    browser.sees("No call with the new key yet.").await;

    // The page is left; what comes next is known all the same.
    browser.visit("/agents").await;
    browser.visit(&rotation).await;
    browser.sees("No call with the new key yet.").await;
    let mut on_new = Phone::dial(&app.voice(&new)).await.unwrap();
    on_new.greeted().await;
    browser.sees("1 live call on the old key.").await;
    on_old.end().await;
    browser.sees("The new key is in use, and the old key has no live calls.").await;
    browser.press("Revoke").await;
    browser.the("dialog", "Revoke this key?").await;
    browser.press("Revoke").await;
    browser.sees("The rotation is complete.").await;
    assert_eq!(Phone::dial(&app.voice(&old)).await.err().unwrap().code(), "key_revoked");
    on_new.end().await;
    Phone::dial(&app.voice(&new)).await.unwrap().end().await;
    browser.close(&[]).await;
}
