//! Whose word an address is: an owner who takes somebody's address first gets nobody by it.

use serde_json::{Value, json};

use crate::{
    pages::{
        browser::{Browser, PASSWORD},
        single_sign_on::{NOBODY, Visitor, server, turned_away},
    },
    support::{Server, openid::OpenId},
};

/// A request of a session, from a page of ours.
async fn sends(server: &Server, who: &Browser, method: &str, path: &str, body: &Value) -> Value {
    let method = method.parse().unwrap();
    let request = reqwest::Client::new()
        .request(method, format!("{}{path}", server.base))
        .header("cookie", &who.cookie)
        .header("sec-fetch-site", "same-origin")
        .json(body);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

#[actix_web::test]
async fn an_address_that_an_owner_took_lets_nobody_in_until_its_user_connects_it() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, account) = server(&provider, &[]).await;
    let mallory = Browser::signed_in(&server, "ada@example.com").await;
    let ceo = json!({"account_id": account, "email": "ceo@other.example", "password": PASSWORD});
    let made = sends(&server, &mallory, "POST", "/api/users", &ceo).await;
    assert_eq!(made["email_confirmed"], false);

    // Whose address it is does not land in Mallory's account, whose password she knows.
    provider.will_claim(json!({"sub": "the ceo", "email": "ceo@other.example"}));
    let mut visitor = Visitor::of(&server);
    turned_away(&visitor.signs_on().await, 403, NOBODY);
    assert_eq!(visitor.me().await, None);
    // Neither does it help to be signed in as somebody else meanwhile.
    let mut other = Visitor::of(&server);
    other.takes(&mallory.cookie);
    turned_away(&other.signs_on().await, 403, NOBODY);

    // The user themself connects it, signed in with the password that they were given.
    let own = Browser::signed_in(&server, "ceo@other.example").await;
    assert!(own.get("/account").await.ok().contains("/login/oidc?next=/account"));
    let mut connecting = Visitor::of(&server);
    connecting.takes(&own.cookie);
    assert_eq!(connecting.signs_on().await.status, 200);
    let mut later = Visitor::of(&server);
    assert_eq!(later.signs_on().await.status, 200);
    assert_eq!(later.me().await.as_deref(), Some("ceo@other.example"));

    // Another address is the owner's word again; the operator's word is enough.
    let user = format!("/api/users/{}", made["id"].as_str().unwrap());
    let cfo = json!({"email": "cfo@other.example"});
    sends(&server, &mallory, "PATCH", &user, &cfo).await;
    provider.will_claim(json!({"sub": "the cfo", "email": "cfo@other.example"}));
    turned_away(&Visitor::of(&server).signs_on().await, 403, NOBODY);
    assert_eq!(server.request("PATCH", &user, Some(cfo), &[]).await.status, 200);
    assert_eq!(Visitor::of(&server).signs_on().await.status, 200);
    server.stop().await;
}
