//! Agents that are pinned to one dialect.

use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use upvoot::cli::phone::Provider;

use crate::{
    carrier::caller::{Caller, setup},
    support::{Server, phone::Phone},
};

#[actix_web::test]
async fn another_dialect_is_told_both_names_and_costs_nothing() {
    let server = Server::sqlite().await;
    let account = server.account(10.0).await;
    let agent = server.agent(&account, json!({"dialect": "twilio"})).await;
    let key = server.key(&agent).await;
    let mut socket = Phone::dial(&server.voice(&key.key)).await.unwrap().into_socket();
    let Some(Ok(Message::Close(Some(close)))) = socket.next().await else { panic!("no close") };
    assert_eq!(u16::from(close.code), 1008);
    assert_eq!(close.reason.as_str(), "this agent speaks twilio, the peer native");
    drop(socket);
    server.quiet().await;
    assert_eq!(server.get("/api/calls").await.body["items"], json!([]), "it never was a call");
    let counted = server.get(&format!("/api/keys/{}", key.id)).await.body;
    assert_eq!(counted["unrecognised_calls"], 1);
    assert_eq!(server.books(&account).await, (600, 0));
    server.stop().await;
}

#[actix_web::test]
async fn its_own_dialect_is_taken() {
    let server = Server::sqlite().await;
    let account = server.account(10.0).await;
    let agent = server.agent(&account, json!({"dialect": "twilio"})).await;
    let key = server.key(&agent).await;
    let mut caller = Caller::dial(&server.voice(&key.key), &setup(Provider::Twilio)).await.unwrap();
    caller.greeted(0.1).await;
    caller.hang_up();
    assert_eq!(caller.closed().await, Some(1000));
    assert!(caller.complaints().is_empty(), "{:?}", caller.complaints());
    server.quiet().await;
    let calls = server.get("/api/calls").await.body;
    let row = server.settled(calls["items"][0]["id"].as_str().unwrap()).await;
    assert_eq!((&row["dialect"], &row["end_reason"]), (&json!("twilio"), &json!("hangup")));
    server.stop().await;
}
