//! The stream that open pages listen to: who hears what, and for how long.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde_json::json;

use crate::{
    pages::browser::{Browser, PASSWORD},
    support::{Server, phone::Phone},
};

/// What somebody hears who listens.
struct Heard {
    stream: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<bytes::Bytes>>>>,
    text: String,
}

impl Heard {
    /// Listens with a browser's session, on the server at `base`.
    async fn at(base: &str, browser: &Browser) -> Self {
        let asking = reqwest::Client::new().get(format!("{base}/events"));
        let answer = asking.header("cookie", &browser.cookie).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let mut heard = Self { stream: Box::pin(answer.bytes_stream()), text: String::new() };
        heard.until("event: hello").await;
        heard
    }

    /// Listens until this is said.
    async fn until(&mut self, said: &str) {
        while !self.text.contains(said) {
            let next = tokio::time::timeout(Duration::from_secs(15), self.stream.next()).await;
            let next = next.unwrap_or_else(|_| panic!("{said:?} is never said: {}", self.text));
            let next = next.unwrap_or_else(|| panic!("{said:?} is not said: {}", self.text));
            self.text.push_str(std::str::from_utf8(&next.unwrap()).unwrap());
        }
    }

    /// Listens until the stream ends, and gives all that was said.
    async fn heard_out(mut self) -> String {
        let rest = async {
            while let Some(Ok(said)) = self.stream.next().await {
                self.text.push_str(std::str::from_utf8(&said).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(15), rest).await.expect("the stream ends");
        self.text
    }
}

/// A user of an account who is an operator or not; the id.
async fn made(server: &Server, account: &str, email: &str, role: &str, operator: bool) -> String {
    let user = json!({"account_id": account, "email": email, "password": PASSWORD, "role": role, "is_operator": operator});
    let answer = server.post("/api/users", user).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn press(call: &mut Phone, digit: &str) {
    call.tell(json!({"type": "dtmf", "digit": digit})).await;
}

/// How a digit that was pressed is told.
fn pressed(digit: &str) -> String {
    format!("\"digit\":\"{digit}\"")
}

#[actix_web::test]
async fn who_may_hear_less_hears_no_more_from_the_moment_that_is_answered() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    let own = server.account(0.0).await;
    made(&server, &own, "bob@example.com", "owner", true).await;
    let ann = made(&server, &own, "ann@example.com", "owner", true).await;
    let eve = made(&server, &account, "eve@example.com", "viewer", false).await;
    let (ann_there, bob_there, eve_there) = (
        Browser::signed_in(&server, "ann@example.com").await,
        Browser::signed_in(&server, "bob@example.com").await,
        Browser::signed_in(&server, "eve@example.com").await,
    );
    let mut demoted = Heard::at(&server.base, &ann_there).await;
    let mut operator = Heard::at(&server.base, &bob_there).await;
    let mut viewer = Heard::at(&server.base, &eve_there).await;

    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    press(&mut call, "1").await;
    for listener in [&mut demoted, &mut operator, &mut viewer] {
        listener.until(&pressed("1")).await;
    }
    // A change that takes no right ends no stream.
    let same = json!({"email": "eve2@example.com"});
    let answer = server.request("PATCH", &format!("/api/users/{eve}"), Some(same), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let demotion = json!({"is_operator": false});
    let answer = server.request("PATCH", &format!("/api/users/{ann}"), Some(demotion), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    press(&mut call, "2").await;
    for listener in [&mut operator, &mut viewer] {
        listener.until(&pressed("2")).await;
    }
    let told = demoted.heard_out().await;
    assert!(!told.contains(&pressed("2")), "{told}");

    // Who has another role now, or is gone, comes back and is judged afresh.
    let role = json!({"role": "member"});
    let answer = server.request("PATCH", &format!("/api/users/{eve}"), Some(role), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    press(&mut call, "3").await;
    operator.until(&pressed("3")).await;
    assert!(!viewer.heard_out().await.contains(&pressed("3")));
    let viewer = Heard::at(&server.base, &eve_there).await;
    let answer = server.request("DELETE", &format!("/api/users/{eve}"), None, &[]).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    press(&mut call, "4").await;
    operator.until(&pressed("4")).await;
    assert!(!viewer.heard_out().await.contains(&pressed("4")));
    call.end().await;

    // The demoted operator hears their own account's calls, and no other's.
    let mut demoted = Heard::at(&server.base, &ann_there).await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    press(&mut call, "5").await;
    operator.until(&pressed("5")).await;
    server.top_up(&own, 1.0).await;
    let agent = server.agent(&own, json!({})).await;
    let mut own_call = Phone::dial(&server.voice(&server.key(&agent).await.key)).await.unwrap();
    own_call.greeted().await;
    press(&mut own_call, "6").await;
    demoted.until(&pressed("6")).await;
    assert!(!demoted.text.contains(&pressed("5")), "{}", demoted.text);
    own_call.end().await;
    call.end().await;
    drop((demoted, operator));
    server.stop().await;
}

#[actix_web::test]
async fn another_nodes_change_ends_a_stream_too() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    let (here, there) = (Server::process(&url, &[]).await, Server::process(&url, &[]).await);
    let account = here.account(0.0).await;
    made(&here, &account, "bob@example.com", "owner", true).await;
    let ann = made(&here, &account, "ann@example.com", "owner", true).await;
    let listener =
        Heard::at(&there.base, &Browser::signed_in(&there, "ann@example.com").await).await;
    let demotion = json!({"is_operator": false});
    let answer = here.request("PATCH", &format!("/api/users/{ann}"), Some(demotion), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    listener.heard_out().await;
    there.stop().await;
    here.stop().await;
}

#[actix_web::test]
async fn the_page_that_loses_its_seat_is_told_so_and_the_newer_ones_listen_on() {
    let server = Server::sqlite().await;
    let account = server.account(0.0).await;
    made(&server, &account, "ann@example.com", "viewer", false).await;
    let ann = Browser::signed_in(&server, "ann@example.com").await;
    let oldest = Heard::at(&server.base, &ann).await;
    let mut newer = Vec::new();
    for _ in 0..16 {
        newer.push(Heard::at(&server.base, &ann).await);
    }
    let told = oldest.heard_out().await;
    assert!(told.ends_with("event: crowded\ndata: {}\n\n"), "{told}");
    for listener in &mut newer {
        listener.until("event: missed").await;
        assert!(!listener.text.contains("crowded"));
    }
    drop(newer);
    server.stop().await;
}
