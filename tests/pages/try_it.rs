//! A call from the dashboard: it is its user's, by the audit log, and ends with the user's rights.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::{
    pages::browser::{Browser, user},
    support::Server,
};

type Line = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longer than the two seconds within which a user's rights are asked for again, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// The next event of this type.
async fn event(line: &mut Line, kind: &str) -> Value {
    let heard = async {
        while let Some(frame) = line.next().await {
            if let Message::Text(text) = frame.unwrap() {
                let event: Value = serde_json::from_str(&text).unwrap();
                if event["type"] == kind {
                    return event;
                }
            }
        }
        panic!("the line closed without {kind}")
    };
    timeout(SOON, heard).await.unwrap_or_else(|_| panic!("no {kind}"))
}

/// Opens a call to the agent as this browser, and gives its id.
async fn tries(server: &Server, who: &Browser, agent: &str) -> (Line, String) {
    let ticket = reqwest::Client::new()
        .post(format!("{}/api/agents/{agent}/tickets", server.base))
        .header("cookie", &who.cookie)
        .header("sec-fetch-site", "same-origin");
    let ticket: Value = ticket.send().await.unwrap().json().await.unwrap();
    let path = ticket["path"].as_str().unwrap_or_else(|| panic!("{ticket}"));
    let url = format!("{}{path}", server.base.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("cookie", who.cookie.parse().unwrap());
    headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
    headers.insert("sec-websocket-protocol", "upvoot.v1".parse().unwrap());
    let (mut line, _) = connect_async(request).await.unwrap();
    let started = event(&mut line, "call_start").await;
    (line, started["call_id"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_call_from_the_dashboard_ends_when_its_user_may_no_longer_make_it() {
    let server = Server::sqlite().await;
    let account = server.account(100.0).await;
    let agent = server.agent(&account, json!({})).await;
    for (name, change) in [
        ("disabled", Some(json!({"is_active": false}))),
        ("demoted", Some(json!({"role": "viewer"}))),
        ("deleted", None),
    ] {
        let email = format!("{name}@example.com");
        user(&server, &account, &email, "member").await;
        let newest = server.get("/api/users?limit=1").await.body["items"][0]["id"].clone();
        let path = format!("/api/users/{}", newest.as_str().unwrap());
        let who = Browser::signed_in(&server, &email).await;
        let (mut line, call) = tries(&server, &who, &agent).await;
        let row = server.get("/api/audit?limit=1").await.body["items"][0].clone();
        assert_eq!((&row["action"], &row["object"]), (&json!("call.try"), &json!(call)), "{name}");
        assert_eq!((&row["actor"], &row["actor_id"]), (&json!(email), &newest), "{name}");
        let method = if change.is_some() { "PATCH" } else { "DELETE" };
        let changed = server.request(method, &path, change, &[]).await;
        assert!(changed.status < 300, "{name}: {}", changed.body);
        assert_eq!(event(&mut line, "call_end").await["reason"], "operator", "{name}");
    }

    // Who signs out goes too; who gains rights stays.
    user(&server, &account, "promoted@example.com", "member").await;
    let newest = server.get("/api/users?limit=1").await.body["items"][0]["id"].clone();
    let path = format!("/api/users/{}", newest.as_str().unwrap());
    let mut who = Browser::signed_in(&server, "promoted@example.com").await;
    let (mut line, call) = tries(&server, &who, &agent).await;
    let owner = json!({"role": "owner"});
    assert_eq!(server.request("PATCH", &path, Some(owner), &[]).await.status, 200);
    // Longer than it takes for the rights to be asked for.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let there = server.get(&format!("/api/calls/{call}")).await.body;
    assert_eq!(there["ended_at"], Value::Null, "{there}");
    who.form("/logout", &[]).await.leads_to("/login");
    assert_eq!(event(&mut line, "call_end").await["reason"], "operator");
    server.stop().await;
}
