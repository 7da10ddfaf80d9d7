//! Where a bot may be: an address in the server's own network is called only if the operator has set it,
//! or lets that network in.

use std::time::Duration;

use reqwest::{Client, redirect::Policy};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    bots::world::{call_id, relay_agent},
    relay::bot::{Place, next_text},
    support::{Database, NewKey, Server, phone::Phone},
};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";

/// An agent that an owner of a new account has made in the dashboard's way, and a key for it.
async fn made_by_an_owner(server: &Server, fields: Value) -> (String, NewKey) {
    made_by(server, EMAIL, fields).await
}

async fn made_by(server: &Server, email: &str, fields: Value) -> (String, NewKey) {
    let account = server.account(10.0).await;
    let user =
        json!({"account_id": account, "email": email, "password": PASSWORD, "role": "owner"});
    assert_eq!(server.post("/api/users", user).await.status, 201);
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let form = format!("next=/&email={email}&password={}", PASSWORD.replace(' ', "+"));
    let signed_in = client
        .post(format!("{}/login", server.base))
        .header("origin", &server.base)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().to_owned();
    let mut body = json!({"account_id": account, "name": "Bot"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let made = client
        .post(format!("{}/api/agents", server.base))
        .header("origin", &server.base)
        .header("cookie", cookie.split(';').next().unwrap())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    assert_eq!(made["relay"]["trusted"], false);
    let agent = made["id"].as_str().unwrap().to_owned();
    let key = server.key(&agent).await;
    (agent, key)
}

/// The bot gets the call.
async fn is_answered(server: &Server, key: &NewKey, place: &Place) {
    let mut phone = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let id = call_id(&mut phone).await;
    let mut bot = place.answer().await;
    assert_eq!(next_text(&mut bot).await["call_id"], id);
    phone.end().await;
}

#[actix_web::test]
async fn an_owner_has_no_bot_in_the_servers_own_network_and_the_operator_has() {
    let server = Server::sqlite().await;
    let place = Place::free().await;
    let fields = relay_agent(json!({"url": place.url()}));
    let (agent, key) = made_by_an_owner(&server, fields.clone()).await;
    let mut phone = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let id = call_id(&mut phone).await;
    assert_eq!(phone.until("error").await["code"], "bot_address_refused");
    assert_eq!(phone.until("call_end").await["reason"], "error");
    assert_eq!(phone.closed().await, 1000);
    assert_eq!(server.settled(&id).await["end_reason"], "error");
    let knock = timeout(Duration::from_millis(50), place.connection()).await;
    assert!(knock.is_err(), "nobody has knocked");

    let vouched = json!({"relay": {"url": place.url()}});
    let path = format!("/api/agents/{agent}");
    let shown = server.request("PATCH", &path, Some(vouched), &[]).await;
    assert_eq!(shown.body["relay"]["trusted"], true);
    is_answered(&server, &key, &place).await;
    server.stop().await;
}

#[actix_web::test]
async fn an_owner_does_not_learn_which_names_the_servers_network_has() {
    let server = Server::sqlite().await;
    let place = Place::free().await;
    let inside = place.url().replace("127.0.0.1", "localhost");
    let mut told = Vec::new();
    for (email, url) in [
        ("inside@example.com", inside.as_str()),
        ("nowhere@example.com", "wss://there-is-no-such-name.invalid/"),
    ] {
        let (_, key) = made_by(&server, email, relay_agent(json!({"url": url}))).await;
        let mut phone = Phone::dial(&server.voice(&key.key)).await.unwrap();
        told.push(phone.until("error").await);
        phone.until("call_end").await;
    }
    assert_eq!(told[0]["code"], "bot_unreachable");
    assert_eq!(told[0], told[1], "inside, and nowhere");
    let knock = timeout(Duration::from_millis(50), place.connection()).await;
    assert!(knock.is_err(), "nobody has knocked");
    server.stop().await;
}

#[actix_web::test]
async fn a_network_that_the_operator_lets_in_is_anybodys() {
    let flags = ["--relay-networks", "127.0.0.0/8"];
    let server = Server::start(Database::Sqlite, &flags).await;
    let place = Place::free().await;
    let fields = relay_agent(json!({"url": place.url()}));
    let (_, key) = made_by_an_owner(&server, fields).await;
    is_answered(&server, &key, &place).await;
    server.stop().await;
}
