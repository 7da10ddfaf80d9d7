//! Single sign-on with providers that keep to the standard in their own ways, and with people who do: in
//! two tabs, under another address.

use serde_json::json;

use crate::{
    pages::{
        browser::user,
        single_sign_on::{NOT_BEGUN, UNPROVED, UNVERIFIED, Visitor, server, turned_away},
    },
    support::openid::{OpenId, Says},
};

#[actix_web::test]
async fn providers_say_the_same_in_their_own_ways() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, _) = server(&provider, &[]).await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let own: &'static str = provider.issuer.clone().leak();
    for says in [
        // Zitadel names the project too.
        Says {
            claims: json!({"aud": ["upvoot-test", "123@project"], "azp": "upvoot-test"}),
            ..Says::default()
        },
        // Azure AD writes a text.
        Says { expires_in: json!("3599"), ..Says::default() },
        // Its clock is some seconds behind.
        Says { claims: json!({"exp": now - 3, "iat": now - 303}), ..Says::default() },
        Says { iss: Some(own), ..Says::default() },
    ] {
        provider.will_say(says);
        let mut ada = Visitor::of(&server);
        let page = ada.signs_on().await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(ada.me().await.as_deref(), Some("ada@example.com"));
    }
    server.stop().await;
}

#[actix_web::test]
async fn a_provider_that_promises_its_name_has_to_send_it() {
    let provider = OpenId::start("127.0.0.1");
    let own: &'static str = provider.issuer.clone().leak();
    provider.will_say(Says { promises_iss: true, ..Says::default() });
    let (server, _dir, _) = server(&provider, &[]).await;
    turned_away(&Visitor::of(&server).signs_on().await, 403, UNPROVED);
    assert_eq!(provider.asked(), 0, "the code stays here");
    provider.will_say(Says { promises_iss: true, iss: Some(own), ..Says::default() });
    assert_eq!(Visitor::of(&server).signs_on().await.status, 200);
    server.stop().await;
}

#[actix_web::test]
async fn a_provider_that_says_nothing_of_the_address_is_trusted_only_where_a_setting_says_so() {
    let provider = OpenId::start("127.0.0.1");
    let switch = [("UPVOOT_OIDC_TRUST_UNVERIFIED_EMAIL", "true")];
    let (mut server, _dir, _) = server(&provider, &switch).await;
    provider.will_claim(json!({"email_verified": false}));
    turned_away(&Visitor::of(&server).signs_on().await, 403, UNVERIFIED);
    provider.will_claim(json!({"email_verified": null}));
    let mut ada = Visitor::of(&server);
    assert_eq!(ada.signs_on().await.status, 200);
    assert_eq!(ada.me().await.as_deref(), Some("ada@example.com"));
    let log = server.process_mut().log();
    assert!(log.contains("WARN") && log.contains("UPVOOT_OIDC_TRUST_UNVERIFIED_EMAIL is on"));
    server.stop().await;
}

#[actix_web::test]
async fn whoever_is_bound_gets_in_whatever_the_address_is_by_now() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, account) = server(&provider, &[]).await;
    user(&server, &account, "bob@example.com", "viewer").await;
    assert_eq!(Visitor::of(&server).signs_on().await.status, 200);
    for claims in [
        json!({"email": "lovelace@example.com"}),
        json!({"email": null}),
        json!({"email_verified": false}),
        // Not even the address of another user makes another user of them.
        json!({"email": "bob@example.com"}),
    ] {
        provider.will_claim(claims);
        let mut ada = Visitor::of(&server);
        assert_eq!(ada.signs_on().await.status, 200);
        assert_eq!(ada.me().await.as_deref(), Some("ada@example.com"));
    }
    provider.will_claim(json!({"sub": "bob", "email": "bob@example.com"}));
    let mut bob = Visitor::of(&server);
    assert_eq!(bob.signs_on().await.status, 200);
    assert_eq!(bob.me().await.as_deref(), Some("bob@example.com"));
    server.stop().await;
}

#[actix_web::test]
async fn each_tab_comes_back_to_what_it_began() {
    let provider = OpenId::start("127.0.0.1");
    let (server, _dir, _) = server(&provider, &[]).await;
    let mut ada = Visitor::of(&server);
    let first = ada.goes_there("/calls").await;
    let second = ada.goes_there("/points").await;
    for (back, next) in [(first, "/calls"), (second, "/points")] {
        let landed = ada.get(&back).await;
        assert_eq!(landed.header("refresh"), format!("0; url={next}"), "{}", landed.text);
    }

    // The newest few are remembered.
    let mut tabs = Vec::new();
    for _ in 0..7 {
        tabs.push(ada.goes_there("/").await);
    }
    let away = ada.cookies.keys().filter(|name| name.starts_with("upvoot_single_sign_on"));
    assert_eq!(away.count(), 4);
    turned_away(&ada.get(&tabs[2]).await, 400, NOT_BEGUN);
    assert_eq!(ada.get(&tabs[3]).await.status, 200);
    server.stop().await;
}
