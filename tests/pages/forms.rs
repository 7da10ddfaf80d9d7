//! The plain forms: setting up, signing in and out, one's own password; and how files leave.

use crate::{
    pages::browser::{Browser, PASSWORD, user},
    support::Server,
};

#[actix_web::test]
async fn the_set_up_link_makes_the_operator_once() {
    let server = Server::sqlite().await;
    let path = server.setup_path();
    let mut browser = Browser::new(&server);
    assert!(browser.get(&path).await.ok().contains("Account name"));
    assert_eq!(browser.get("/setup/0123").await.status, 404);

    let given = |password| {
        [("email", "ann@example.com"), ("password", password), ("account_name", "Miller & Co")]
    };
    let guessable = browser.form(&path, &given("password1234")).await;
    assert_eq!(guessable.status, 422);
    let refused = browser.form(&path, &given("short")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("ann@example.com") && !refused.text.contains("value=\"short\""));
    assert_eq!(browser.foreign_form(&path, &given(PASSWORD)).await.status, 403);

    browser.form(&path, &given(PASSWORD)).await.leads_to("/");
    let overview = browser.get("/").await.ok();
    assert!(overview.contains("Your first call") && overview.contains("Miller &amp; Co"));
    assert!(overview.contains(">100<"), "the first points are there");
    let points = browser.get("/points").await.ok();
    assert!(points.contains("+100") && points.contains("Free points to begin with"), "{points}");
    let again = Browser::new(&server).get(&path).await;
    assert_eq!(again.status, 404, "it works once");
    server.stop().await;
}

#[actix_web::test]
async fn signing_in_goes_on_to_the_page_that_was_wanted_and_nowhere_else() {
    let server = Server::sqlite().await;
    let account = server.account(0.0).await;
    user(&server, &account, "ann@example.com", "owner").await;
    let mut browser = Browser::new(&server);
    browser.get("/calls?live=true").await.leads_to("/login?next=/calls%3Flive%3Dtrue");
    assert!(browser.get("/login?next=/calls").await.ok().contains("value=\"/calls\""));

    let mut given =
        [("email", "ann@example.com"), ("password", "wrong wrong wrong"), ("next", "/calls")];
    let refused = browser.form("/login", &given).await;
    assert_eq!(refused.status, 401);
    assert!(refused.text.contains("ann@example.com") && !refused.text.contains("wrong wrong"));
    given[1].1 = PASSWORD;
    assert_eq!(browser.foreign_form("/login", &given).await.status, 403);
    given[2].1 = "//evil.example";
    browser.form("/login", &given).await.leads_to("/");
    browser.get("/login?next=/points").await.leads_to("/points");

    let session = browser.cookie.clone();
    assert_eq!(browser.foreign_form("/logout", &[]).await.status, 403);
    browser.form("/logout", &[]).await.leads_to("/login");
    browser.cookie = session;
    assert_eq!(browser.get("/").await.status, 303, "the session is over");
    server.stop().await;
}

#[actix_web::test]
async fn as_long_as_there_is_no_user_the_sign_in_page_says_what_to_do() {
    let server = Server::sqlite().await;
    let browser = Browser::new(&server);
    let page = browser.get("/login").await.ok();
    assert!(page.contains("Not set up yet") && page.contains("printed a link"), "{page}");
    assert!(!page.contains("name=\"password\"") && !page.contains("/setup/"));
    let account = server.account(0.0).await;
    user(&server, &account, "ann@example.com", "owner").await;
    assert!(browser.get("/login").await.ok().contains("name=\"password\""));
    server.stop().await;
}

#[actix_web::test]
async fn who_was_guessed_at_reads_it_and_who_guesses_reads_how_long_to_wait() {
    let server = Server::sqlite().await;
    let account = server.account(0.0).await;
    user(&server, &account, "ann@example.com", "owner").await;
    let given = |password| [("email", "ann@example.com"), ("password", password)];
    for _ in 0..3 {
        let page = Browser::new(&server).form("/login", &given("a wrong password")).await;
        assert_eq!(page.status, 401);
    }
    let ann = Browser::signed_in(&server, "ann@example.com").await;
    let own = ann.get("/account").await.ok();
    assert!(own.contains("3 sign-ins as you were refused") && own.contains("127.0.0.1"), "{own}");
    let again = Browser::signed_in(&server, "ann@example.com").await;
    assert!(!again.get("/account").await.ok().contains("refused"), "nothing since");
    let rows = server.get("/api/audit?limit=200").await.body["items"].clone();
    let rows = rows.as_array().unwrap().iter();
    let rows: Vec<_> = rows.filter(|row| row["action"] == "user.sign_in_refused").collect();
    assert_eq!(rows.len(), 1, "one row for all of them: {rows:?}");
    assert_eq!((&rows[0]["from"], &rows[0]["account_id"]), (&"127.0.0.1".into(), &account.into()));

    for _ in 0..10 {
        Browser::new(&server).form("/login", &given("a wrong password")).await;
    }
    let locked = Browser::new(&server).form("/login", &given(PASSWORD)).await;
    let wait: u32 = locked.header("retry-after").parse().unwrap();
    assert_eq!((locked.status, (1..=60).contains(&wait)), (429, true));
    assert!(locked.text.contains("Too many attempts. Try again in"), "{}", locked.text);
    server.stop().await;
}

#[actix_web::test]
async fn a_new_password_ends_the_other_sessions() {
    let server = Server::sqlite().await;
    let account = server.account(0.0).await;
    user(&server, &account, "ann@example.com", "viewer").await;
    let mut here = Browser::signed_in(&server, "ann@example.com").await;
    let elsewhere = Browser::signed_in(&server, "ann@example.com").await;
    let path = "/account/password";
    let refused =
        here.form(path, &[("current", "not the password"), ("new", "a quiet new phrase")]).await;
    assert!((400..500).contains(&refused.status) && refused.text.contains("role=\"alert\""));
    assert_eq!(here.form(path, &[("current", PASSWORD), ("new", "short")]).await.status, 422);
    let page = here.form(path, &[("current", PASSWORD), ("new", "a quiet new phrase")]).await;
    assert!(page.ok().contains("Changed."));
    assert_eq!(elsewhere.get("/").await.status, 303);
    assert_eq!(here.get("/").await.status, 200);

    let session = here.cookie.clone();
    here.form("/account/sign-out-everywhere", &[]).await.leads_to("/login");
    here.cookie = session;
    assert_eq!(here.get("/").await.status, 303);
    server.stop().await;
}

#[actix_web::test]
async fn files_are_kept_for_as_long_as_the_release_lasts() {
    let server = Server::sqlite().await;
    let browser = Browser::new(&server);
    let login = browser.get("/login").await.ok();
    let css = login.split('"').find(|part| part.starts_with("/assets/app.css?v=")).unwrap();
    let file = browser.get(css).await;
    assert_eq!(file.header("content-type"), "text/css; charset=utf-8");
    assert!(file.header("cache-control").contains("immutable"));
    let bare = browser.get("/assets/app.css?v=another").await;
    assert_eq!(bare.header("cache-control"), "no-cache");
    let script = browser.get("/assets/app.js").await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(browser.get("/assets/..%2fmod.rs").await.status, 404);
    server.stop().await;
}
