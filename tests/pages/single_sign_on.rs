//! Single sign-on: away to a provider of our own and back, with the real binary. The provider lies in
//! every way it can, and then it does not.

use std::collections::BTreeMap;

use reqwest::{Client, redirect::Policy};
use serde_json::{Value, json};

use crate::{
    pages::browser::{Page, user},
    support::{
        Server, eventually,
        openid::{CLIENT_SECRET, Instead, OpenId, Says, Signed},
    },
};

/// A browser that keeps its cookies by name, and follows no redirection.
#[derive(Clone)]
pub struct Visitor {
    base: String,
    http: Client,
    pub cookies: BTreeMap<String, String>,
}

impl Visitor {
    pub fn of(server: &Server) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { base: server.base.clone(), http, cookies: BTreeMap::new() }
    }

    pub async fn get(&mut self, url: &str) -> Page {
        let ours = url.starts_with('/') || url.starts_with(&self.base);
        let url = if url.starts_with('/') { format!("{}{url}", self.base) } else { url.to_owned() };
        let mut request = self.http.get(url);
        if ours {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }

    /// Goes to the provider and does what it says, up to the address it sends back to.
    pub async fn goes_there(&mut self, next: &str) -> String {
        let away = self.get(&format!("/login/oidc?next={next}")).await;
        assert_eq!(away.status, 303, "{}", away.text);
        let sent_back = self.get(away.header("location")).await;
        assert_eq!(sent_back.status, 302, "{}", sent_back.text);
        sent_back.header("location").to_owned()
    }

    /// There and back.
    pub async fn signs_on(&mut self) -> Page {
        let back = self.goes_there("/").await;
        self.get(&back).await
    }

    /// Who the server says they are, if anybody.
    pub async fn me(&mut self) -> Option<String> {
        let me = self.get("/api/me").await;
        let me: Value = serde_json::from_str(&me.text).unwrap();
        me["email"].as_str().map(str::to_owned)
    }

    /// Takes the session of another browser over: its `Cookie` header.
    pub fn takes(&mut self, cookie: &str) {
        for (name, value) in cookie.split("; ").filter_map(|pair| pair.split_once('=')) {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    #[track_caller]
    fn is_nobody(&self) {
        assert!(!self.cookies.contains_key("upvoot_session"), "{:?}", self.cookies);
    }
}

/// The sign-in page, with this sentence on it.
#[track_caller]
pub fn turned_away(page: &Page, status: u16, words: &str) {
    assert_eq!(page.status, status, "{}", page.text);
    assert!(page.text.contains(words), "{words}: {}", page.text);
    assert!(page.text.contains("role=\"alert\"") && page.text.contains("name=\"password\""));
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
}

/// A server with Ada, whose sign-ins go to this provider.
pub async fn server(
    provider: &OpenId,
    more: &[(&str, &str)],
) -> (Server, tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    let env: Vec<_> = provider.env().into_iter().chain(more.iter().copied()).collect();
    let server = Server::process(&url, &env).await;
    let account = server.account(0.0).await;
    user(&server, &account, "ada@example.com", "owner").await;
    (server, dir, account)
}

pub const NOT_BEGUN: &str = "was started in another browser";
pub const UNPROVED: &str = "is not valid; the server's log has the cause";
pub const UNVERIFIED: &str = "has not verified your e-mail address";
pub const NOBODY: &str = "No user here has your e-mail address";
const UNREACHABLE: &str = "does not respond";
const DECLINED: &str = "refused the sign-in";

#[actix_web::test]
async fn without_settings_there_is_no_single_sign_on() {
    let server = Server::sqlite().await;
    let mut visitor = Visitor::of(&server);
    assert!(!visitor.get("/login").await.ok().contains("single sign-on"));
    for path in ["/login/oidc", "/login/oidc/callback", "/login/oidc/callback?code=1&state=1"] {
        assert_eq!(visitor.get(path).await.status, 404, "{path}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn whoever_did_not_go_away_does_not_come_back() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, _) = server(&provider, &[]).await;
    let mut ada = Visitor::of(&server);
    let back = ada.goes_there("/").await;

    // Somebody else with Ada's address, and somebody else's address with Ada.
    let mut eve = Visitor::of(&server);
    turned_away(&eve.get(&back).await, 400, NOT_BEGUN);
    let eves = eve.goes_there("/").await;
    turned_away(&eve.clone().get(&back).await, 400, NOT_BEGUN);
    turned_away(&ada.clone().get(&eves).await, 400, NOT_BEGUN);

    let (address, state) = back.split_once("&state=").unwrap();
    let other = format!("{}{}", if state.starts_with('A') { 'B' } else { 'A' }, &state[1..]);
    for wrong in [
        format!("{address}&state={other}"),
        format!("{address}&state="),
        format!("{address}&state={state}0"),
        format!("{address}&state={state}&state={state}"),
        format!("{address}&state=%ff{state}"),
        address.to_owned(),
        "/login/oidc/callback".to_owned(),
    ] {
        let mut ada = ada.clone();
        turned_away(&ada.get(&wrong).await, 400, NOT_BEGUN);
        ada.is_nobody();
    }
    let mut forged = ada.clone();
    let cookie = forged.cookies.values_mut().next().unwrap();
    cookie.replace_range(20..21, if &cookie[20..21] == "A" { "B" } else { "A" });
    turned_away(&forged.get(&back).await, 400, NOT_BEGUN);
    assert_eq!(provider.asked(), 0, "the provider is not bothered with any of it");

    // The right one is good once: the cookie is gone then, and so is the code.
    let mut thief = ada.clone();
    assert_eq!(ada.get(&back).await.status, 200);
    turned_away(&ada.get(&back).await, 400, NOT_BEGUN);
    turned_away(&thief.get(&back).await, 403, UNPROVED);
    thief.is_nobody();
    server.stop().await;
}

#[actix_web::test]
async fn what_the_provider_says_has_to_prove_a_user() {
    let provider = OpenId::start("127.0.0.1");
    let (mut server, _dir, account) = server(&provider, &[]).await;
    user(&server, &account, "off@example.com", "owner").await;
    let off = server.get("/api/users").await.body["items"][0]["id"].as_str().unwrap().to_owned();
    let off = format!("/api/users/{off}");
    let disabled = server.request("PATCH", &off, Some(json!({"is_active": false})), &[]).await;
    assert_eq!(disabled.status, 200);

    let claim = |claims: Value| Says { claims, ..Says::default() };
    let sign = |signed| Says { signed, ..Says::default() };
    let instead = |instead| Says { instead: Some(instead), ..Says::default() };
    let error = |error| Says { error: Some(error), ..Says::default() };
    let iss = |iss| Says { iss: Some(iss), ..Says::default() };
    let past = json!({"exp": 1_700_000_000, "iat": 1_699_999_000});
    let other = "an id token of another provider";
    let signature = "an id token without a right signature";
    let no_address = "no verified e-mail address";
    let no_user = "no user of this address who may sign in";
    let cases = [
        (claim(json!({"nonce": "another"})), 403, UNPROVED, "an id token of another sign-in"),
        (claim(json!({"nonce": null})), 403, UNPROVED, "an id token of another sign-in"),
        (claim(json!({"aud": "another"})), 403, UNPROVED, "an id token for another client"),
        (claim(json!({"aud": ["upvoot-test", "another"]})), 403, UNPROVED, "for another client"),
        (
            claim(json!({"aud": ["upvoot-test", "another"], "azp": "another"})),
            403,
            UNPROVED,
            "for another client",
        ),
        (claim(json!({"azp": "another"})), 403, UNPROVED, "for another client"),
        (iss("https://id.example.com"), 403, UNPROVED, "comes back from another provider"),
        (claim(json!({"iss": "https://id.example.com"})), 403, UNPROVED, other),
        (claim(past), 403, UNPROVED, "an id token that has expired"),
        (sign(Signed::ByAnother), 403, UNPROVED, signature),
        (sign(Signed::Not), 403, UNPROVED, signature),
        (sign(Signed::WithTheSecret), 403, UNPROVED, signature),
        (claim(json!({"email_verified": false})), 403, UNVERIFIED, no_address),
        (claim(json!({"email_verified": "false"})), 403, UNVERIFIED, no_address),
        (claim(json!({"email_verified": null})), 403, UNVERIFIED, no_address),
        (claim(json!({"email": null})), 403, UNVERIFIED, no_address),
        (claim(json!({"email": "eve@example.com"})), 403, NOBODY, no_user),
        (claim(json!({"email": "off@example.com"})), 403, NOBODY, no_user),
        (claim(json!({"email": "\u{0}"})), 403, NOBODY, no_user),
        (error("access_denied"), 403, DECLINED, "access_denied"),
        (error("server_error"), 403, DECLINED, "the provider gives no code"),
        (instead(Instead::Redirects), 403, UNPROVED, "an answer that holds no tokens"),
        (instead(Instead::Babbles), 403, UNPROVED, "an error that the standard does not know"),
        (instead(Instead::Floods), 503, UNREACHABLE, "too long or incomplete"),
        (instead(Instead::Fails), 503, UNREACHABLE, "it answers 503"),
        (instead(Instead::Hangs), 503, UNREACHABLE, "no answer within 5 s"),
    ];
    let mut said = 0;
    for (says, status, words, cause) in cases {
        provider.will_say(says);
        let mut visitor = Visitor::of(&server);
        turned_away(&visitor.signs_on().await, status, words);
        visitor.is_nobody();
        assert!(visitor.cookies.is_empty(), "nothing is left of it");
        said += 1;
        let lines = eventually(async || {
            let log = server.process_mut().log();
            let lines = log.lines().filter(|line| line.contains("single sign-on failed"));
            let lines: Vec<_> = lines.map(str::to_owned).collect();
            (lines.len() >= said).then_some(lines)
        })
        .await;
        assert_eq!(lines.len(), said, "it is said once");
        assert!(lines[said - 1].contains(cause), "{cause}: {}", lines[said - 1]);
    }

    provider.will_say(Says::default());
    let mut ada = Visitor::of(&server);
    assert_eq!(ada.signs_on().await.status, 200);
    let log = server.process_mut().log();
    let secrets = provider.secrets();
    assert!(secrets.len() > 20 && log.contains("/login/oidc/callback"), "it is read");
    for secret in secrets.iter().map(String::as_str).chain([CLIENT_SECRET, "code=", "state="]) {
        assert!(!log.contains(secret), "in the log");
    }
    for cookie in ada.cookies.values() {
        assert!(!log.contains(cookie));
    }
    server.stop().await;
}

#[actix_web::test]
async fn signing_on_lands_signed_in() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, _) = server(&provider, &[]).await;
    let mut ada = Visitor::of(&server);
    let login = ada.get("/login?next=/calls%3Flive%3Dtrue").await.ok();
    let link = "href=\"/login/oidc?next=/calls%3Flive%3Dtrue\"";
    assert!(login.contains(link) && login.contains(">Sign in with single sign-on</a>"));

    provider.will_claim(json!({"email": "Ada@Example.com", "email_verified": "true"}));
    let back = ada.goes_there("/calls%3Flive%3Dtrue").await;
    assert!(back.starts_with(&format!("{}/login/oidc/callback?code=", server.base)));
    let landed = ada.get(&back).await;
    assert_eq!(landed.header("refresh"), "0; url=/calls?live=true");
    assert_eq!(landed.header("referrer-policy"), "no-referrer");
    let cookies: Vec<_> = landed.headers.get_all("set-cookie").iter().collect();
    let session = cookies
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .find(|cookie| cookie.starts_with("upvoot_session=") && cookie.contains("SameSite=Strict"));
    assert!(session.unwrap().contains("HttpOnly"));
    assert!(landed.ok().contains("href=\"/calls?live=true\""));
    assert_eq!(ada.cookies.keys().collect::<Vec<_>>(), ["upvoot_browser", "upvoot_session"]);
    assert_eq!(ada.me().await.as_deref(), Some("ada@example.com"));
    assert_eq!(ada.get("/calls?live=true").await.status, 200);
    let row = server.get("/api/audit?limit=1").await.body["items"][0].clone();
    assert_eq!(
        (&row["action"], &row["actor"]),
        (&json!("user.sign_in"), &json!("ada@example.com"))
    );

    // Nothing leads to another host.
    let away = ada.goes_there("//evil.example").await;
    assert_eq!(ada.get(&away).await.header("refresh"), "0; url=/");

    // Some tell the address to whoever has the access token only.
    let info = json!({"email": "ada@example.com", "email_verified": true});
    let claims = json!({"email": null, "email_verified": null});
    provider.will_say(Says { claims: claims.clone(), info: info.clone(), ..Says::default() });
    assert_eq!(ada.signs_on().await.status, 200);
    let mut info = info;
    info["sub"] = json!("somebody else");
    provider.will_say(Says { claims, info, ..Says::default() });
    turned_away(&Visitor::of(&server).signs_on().await, 403, UNPROVED);
    server.stop().await;
}

#[actix_web::test]
async fn the_cookie_of_those_who_are_away_is_short_lived_and_theirs_alone() {
    let provider = OpenId::start("127.0.0.1");
    let public = [("UPVOOT_PUBLIC_URL", "https://voice.example.com")];
    let (server, _dir, _) = server(&provider, &public).await;
    let away = Visitor::of(&server).get("/login/oidc?next=/agents").await;
    let cookie = away.header("set-cookie");
    let attributes: Vec<_> = cookie.split("; ").collect();
    let wanted = ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=600"];
    assert!(cookie.starts_with("__Host-upvoot_single_sign_on_"), "{cookie}");
    assert!(wanted.iter().all(|wanted| attributes.contains(wanted)), "{cookie}");
    assert!(!cookie.contains("agents") && !cookie.contains("nonce"), "{cookie}");
    let to = away.header("location");
    let redirect = "redirect_uri=https%3A%2F%2Fvoice.example.com%2Flogin%2Foidc%2Fcallback";
    assert!(to.contains(redirect), "{to}");
    server.stop().await;
}

#[actix_web::test]
async fn any_node_takes_back_whoever_another_has_sent_away() {
    let provider = OpenId::start("127.0.0.1");
    let public = "https://voice.example.com";
    let env = [("UPVOOT_PUBLIC_URL", public)];
    let (one, dir, _) = server(&provider, &env).await;
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    let env: Vec<_> = provider.env().into_iter().chain(env).collect();
    let two = Server::process(&url, &env).await;
    let mut ada = Visitor::of(&one);
    let back = ada.goes_there("/").await;
    ada.base = two.base.clone();
    let landed = ada.get(back.strip_prefix(public).unwrap()).await;
    assert_eq!(landed.status, 200, "{}", landed.text);
    assert_eq!(ada.me().await.as_deref(), Some("ada@example.com"));
    two.stop().await;
    one.stop().await;
}

#[actix_web::test]
async fn an_address_that_becomes_somebody_elses_does_not_take_the_user_along() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, _) = server(&provider, &[]).await;
    assert_eq!(Visitor::of(&server).signs_on().await.status, 200);
    provider.will_claim(json!({"sub": "another Ada"}));
    turned_away(&Visitor::of(&server).signs_on().await, 403, NOBODY);

    // Whoever manages the users can say that it is right.
    let ada = server.get("/api/users").await.body["items"][0]["id"].as_str().unwrap().to_owned();
    let ada = format!("/api/users/{ada}");
    for change in [json!({"is_active": false}), json!({"is_active": true})] {
        assert_eq!(server.request("PATCH", &ada, Some(change), &[]).await.status, 200);
    }
    assert_eq!(Visitor::of(&server).signs_on().await.status, 200);
    provider.will_claim(json!({}));
    turned_away(&Visitor::of(&server).signs_on().await, 403, NOBODY);

    let change = json!({"email": "lovelace@example.com"});
    assert_eq!(server.request("PATCH", &ada, Some(change), &[]).await.status, 200);
    turned_away(&Visitor::of(&server).signs_on().await, 403, NOBODY);
    provider.will_claim(json!({"email": "lovelace@example.com"}));
    let mut lovelace = Visitor::of(&server);
    assert_eq!(lovelace.signs_on().await.status, 200);
    assert_eq!(lovelace.me().await.as_deref(), Some("lovelace@example.com"));
    server.stop().await;
}

#[actix_web::test]
async fn new_keys_of_the_provider_are_found() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, _) = server(&provider, &[]).await;
    assert_eq!(Visitor::of(&server).signs_on().await.status, 200);
    provider.rotate();
    assert_eq!(Visitor::of(&server).signs_on().await.status, 200);
    server.stop().await;
}

#[actix_web::test]
async fn a_provider_that_is_away_keeps_nobody_from_starting_and_is_found_again() {
    let provider = OpenId::start("127.0.0.1");
    let port = provider.port;
    provider.stop().await;
    let (server, _dir, _) = server(&provider, &[]).await;
    let mut ada = Visitor::of(&server);
    let page = ada.get("/login/oidc?next=/calls").await;
    turned_away(&page, 503, UNREACHABLE);
    assert!(page.header("retry-after") == "5" && page.text.contains("value=\"/calls\""));

    let provider = OpenId::on("127.0.0.1", port);
    eventually(async || {
        let away = ada.get("/login/oidc").await;
        (away.status == 303).then_some(())
    })
    .await;
    assert_eq!(ada.signs_on().await.status, 200);

    // Away again while somebody is there: their browser comes back, and they are told.
    let mut ada = Visitor::of(&server);
    let back = ada.goes_there("/").await;
    provider.stop().await;
    turned_away(&ada.get(&back).await, 503, UNREACHABLE);
    ada.is_nobody();
    server.stop().await;
}

#[actix_web::test]
async fn coming_back_is_counted_like_a_password() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, _) = server(&provider, &[]).await;
    let mut ada = Visitor::of(&server);
    for _ in 0..30 {
        let mut guesser = Visitor::of(&server);
        turned_away(&guesser.get("/login/oidc/callback?code=1&state=1").await, 400, NOT_BEGUN);
    }
    let page = ada.signs_on().await;
    let wait = page.header("retry-after").to_owned();
    assert!((1..=60).contains(&wait.parse::<u32>().unwrap()), "{wait}");
    turned_away(&page, 429, "Too many attempts. Try again in");
    assert!(page.text.contains(&format!("in {wait} second")) || wait == "1", "{}", page.text);
    assert_eq!(provider.asked(), 0);
    server.stop().await;
}
