//! What cannot be had, said in the form that was asked for: a page to people, a problem to programs,
//! and never in the framework's own words.

use reqwest::{Client, Method, redirect::Policy};
use serde_json::Value;

use crate::{
    pages::browser::{Browser, PASSWORD, Page, user},
    support::{Database, Server},
};

struct Raw<'a> {
    server: &'a Server,
    client: Client,
}

impl<'a> Raw<'a> {
    fn at(server: &'a Server) -> Self {
        Self { server, client: Client::builder().redirect(Policy::none()).build().unwrap() }
    }

    /// Sends exactly this, as a page of ours would.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Page {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.server.base));
        request = request.header("sec-fetch-site", "same-origin");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }
}

/// That it is a page of ours that says what is wrong.
#[track_caller]
fn is_trouble_page(page: &Page, status: u16, says: &str) {
    assert_eq!(page.status, status, "{}", page.text);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("connection"), "close");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(page.text.contains(says) && page.text.contains("UpVoot"), "{}", page.text);
}

#[track_caller]
fn is_problem(page: &Page, status: u16, code: &str) {
    assert_eq!(page.status, status, "{}", page.text);
    assert_eq!(page.header("content-type"), "application/problem+json");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(serde_json::from_str::<Value>(&page.text).unwrap()["code"], code);
}

#[actix_web::test]
async fn a_form_that_cannot_be_read_is_answered_by_a_page() {
    let server = Server::sqlite().await;
    let raw = Raw::at(&server);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let long = vec![b'a'; 1 << 20];
    let setup = server.setup_path();
    for path in ["/login", &setup, "/account/password", "/look"] {
        // Two of them are for those who are signed in, and may send others there first.
        for (headers, body, status, says) in [
            (&form[..], b"email=a".to_vec(), 400, "Not readable"),
            (&form, b"email=a&email=b&password=c".to_vec(), 400, "Not readable"),
            (&form, b"account=\xff&password=%ff".to_vec(), 400, "Not readable"),
            (&form, long.clone(), 413, "Too long"),
            (&[("content-type", "application/json")], b"{}".to_vec(), 415, "Not a form"),
            (&[], Vec::new(), 415, "Not a form"),
        ] {
            let page = raw.send("POST", path, headers, body).await;
            if page.status != 303 {
                is_trouble_page(&page, status, says);
            } else {
                assert!(page.header("location").starts_with("/login"), "{path}");
            }
        }
    }
    is_trouble_page(&raw.send("POST", "/login", &form, b"x".to_vec()).await, 400, "Not readable");
    let twice = raw.send("GET", "/login?next=/a&next=/b", &[], Vec::new()).await;
    is_trouble_page(&twice, 400, "Not readable");
    let foreign = Browser::new(&server).foreign_form("/logout", &[]).await;
    is_trouble_page(&foreign, 403, "did not come from a page of this server");
    server.stop().await;
}

#[actix_web::test]
async fn a_wrong_method_is_405_and_head_is_answered_where_get_is() {
    let server = Server::sqlite().await;
    let (account, agent, _) = server.ready().await;
    user(&server, &account, "ann@example.com", "owner").await;
    let ann = Browser::signed_in(&server, "ann@example.com").await;
    let raw = Raw::at(&server);
    for (method, path, allow) in [
        ("PUT", "/login", "GET, HEAD, POST"),
        ("GET", "/logout", "POST"),
        ("HEAD", "/login/oidc", "GET"),
        ("HEAD", "/login/oidc/callback", "GET"),
        ("POST", "/agents", "GET, HEAD"),
        ("DELETE", "/agents/agt_1", "GET, HEAD"),
        ("PATCH", "/", "GET, HEAD"),
        ("BREW", "/account/password", "POST"),
        ("OPTIONS", "/setup/0123", "GET, HEAD, POST"),
        ("POST", "/assets/app.css", "GET, HEAD"),
    ] {
        let page = raw.send(method, path, &[], Vec::new()).await;
        assert_eq!((page.status, page.header("allow")), (405, allow), "{method} {path}");
        if method != "HEAD" {
            is_trouble_page(&page, 405, "Method not allowed");
        }
    }
    for path in ["/events", "/try/0123"] {
        let refused = raw.send("POST", path, &[], Vec::new()).await;
        is_problem(&refused, 405, "method_not_allowed");
        assert_eq!(refused.header("allow"), "GET");
    }
    let cookie = [("cookie", ann.cookie.as_str())];
    let agent = format!("/agents/{agent}");
    for path in
        ["/login", "/", "/agents", &agent, "/calls", "/points", "/assets/app.css", "/calls/x"]
    {
        let (head, get) = (
            raw.send("HEAD", path, &cookie, Vec::new()).await,
            raw.send("GET", path, &cookie, Vec::new()).await,
        );
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    let monitor = raw.send("HEAD", "/login", &[], Vec::new()).await;
    assert_eq!((monitor.status, monitor.text.as_str()), (200, ""));
    server.stop().await;
}

#[actix_web::test]
async fn what_is_not_there_is_a_page_for_people_and_a_problem_for_programs() {
    let server = Server::sqlite().await;
    let raw = Raw::at(&server);
    let browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for path in ["/nope", "/agents/1/2/3/4", "/favicon.ico"] {
        let page = raw.send("GET", path, &[("accept", browsers)], Vec::new()).await;
        is_trouble_page(&page, 404, "Page not found");
        for accept in ["*/*", "application/json", "text/htmlx"] {
            let program = raw.send("GET", path, &[("accept", accept)], Vec::new()).await;
            is_problem(&program, 404, "not_found");
        }
        is_problem(&raw.send("POST", path, &[], b"x".to_vec()).await, 404, "not_found");
    }
    // Below /api and /voice programs ask, whatever they say they accept.
    let api = raw.send("GET", "/api/nope", &[("accept", browsers)], Vec::new()).await;
    is_problem(&api, 401, "unauthorized");
    let voice = raw.send("GET", "/voice/nope", &[("accept", browsers)], Vec::new()).await;
    is_problem(&voice, 401, "invalid_key");
    server.stop().await;
}

#[actix_web::test]
async fn every_answer_is_what_it_says_and_tls_stays() {
    for (flags, secure) in
        [(&["--public-url", "https://voice.example.com"][..], true), (&[], false)]
    {
        let server = Server::start(Database::Sqlite, flags).await;
        let raw = Raw::at(&server);
        let bearer = format!("Bearer {}", crate::support::TOKEN);
        let operator = [("authorization", bearer.as_str())];
        for (path, status) in [
            ("/healthz", 200),
            ("/api/openapi.json", 200),
            ("/api/accounts", 200),
            ("/api/accounts/acc_1", 404),
            ("/voice/x", 401),
            ("/events", 401),
            ("/login", 200),
            ("/nope", 404),
            ("/assets/app.css", 200),
        ] {
            let answer = raw.send("GET", path, &operator, Vec::new()).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            let tls = answer.header("strict-transport-security");
            assert_eq!(tls, if secure { "max-age=31536000" } else { "" }, "{path}");
        }
        server.stop().await;
    }
}

/// A password of 1,024 characters of four bytes each, in no simple order.
fn wide(step: u32) -> String {
    (1..=1_024).filter_map(|n| char::from_u32(0x20000 + n * step % 40_009)).collect()
}

#[actix_web::test]
async fn the_longest_passwords_that_are_allowed_fit_the_form() {
    let server = Server::sqlite().await;
    let account = server.account(0.0).await;
    user(&server, &account, "ann@example.com", "viewer").await;
    let mut ann = Browser::signed_in(&server, "ann@example.com").await;
    let (first, second) = (wide(7_919), wide(6_101));
    let path = "/account/password";
    let changed = ann.form(path, &[("current", PASSWORD), ("new", &first)]).await;
    assert!(changed.ok().contains("Changed."));
    let changed = ann.form(path, &[("current", &first), ("new", &second)]).await;
    assert!(changed.ok().contains("Changed."));
    let given = [("email", "ann@example.com"), ("password", second.as_str())];
    Browser::new(&server).form("/login", &given).await.leads_to("/");
    server.stop().await;
}
