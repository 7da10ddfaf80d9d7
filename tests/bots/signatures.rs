//! Agents whose calls have to be signed by their provider. The secrets are in the environment of a
//! process of their own; the signatures are computed here.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha1::Sha1;
use sha2::Sha256;

use crate::support::{Database, NewKey, Server, phone::Phone};

const HOST: &str = "voice.example.com";
const TOKEN: &str = "made-up-auth-token";
const NONCE: &str = "12345678901234567890";

/// A server that providers reach as [`HOST`], with one secret, and an agent whose calls this provider
/// has to sign with the secret of this name.
async fn signed_by(provider: &str, secret: &str) -> (Server, NewKey, Box<dyn std::any::Any>) {
    let (url, keep) = Database::Sqlite.empty();
    let public = format!("https://{HOST}");
    let env = [("UPVOOT_SECRET_X", TOKEN), ("UPVOOT_PUBLIC_URL", &public), ("UPVOOT_LOG", "trace")];
    let server = Server::process(&url, &env).await;
    let account = server.account(10.0).await;
    let signature = json!({"provider": provider, "secret": secret});
    let agent = server.agent(&account, json!({ "signature": signature })).await;
    let key = server.key(&agent).await;
    (server, key, keep)
}

fn by_twilio(token: &str, key: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("wss://{HOST}/voice/{key}"));
    BASE64.encode(mac.finalize().into_bytes())
}

fn by_plivo(token: &str, key: &str, nonce: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("wss://{HOST}/voice/{key}.{nonce}"));
    BASE64.encode(mac.finalize().into_bytes())
}

async fn is_refused(
    server: &Server,
    key: &str,
    headers: &[(&'static str, &str)],
    status: u16,
    code: &str,
) {
    let Err(refused) = Phone::dial_with(&server.voice(key), headers).await else {
        panic!("admitted with {headers:?}")
    };
    assert_eq!((refused.status, refused.code()), (status, code), "{headers:?}");
}

async fn is_admitted(server: &Server, key: &str, headers: &[(&'static str, &str)]) {
    let headers = [headers, &[("sec-websocket-protocol", "upvoot.v1")]].concat();
    let phone = Phone::dial_with(&server.voice(key), &headers).await.unwrap();
    assert_eq!(phone.end().await["reason"], "end_call");
}

/// Stops the server, whose log may hold neither key nor secret: what it has logged.
async fn log_of(mut server: Server, key: &str, signatures: &[&str]) -> String {
    server.quiet().await;
    let log = server.process_mut().log();
    for hidden in [&key[8..40], &key[24..56], TOKEN].into_iter().chain(signatures.iter().copied()) {
        assert!(!log.contains(hidden), "it is in the log");
    }
    assert!(log.contains(&key[64..]) || !log.contains("call begins"), "the suffix may be");
    server.stop().await;
    log
}

#[actix_web::test]
async fn twilio_has_to_have_signed_the_call() {
    let (server, key, _keep) = signed_by("twilio", "UPVOOT_SECRET_X").await;
    let good = by_twilio(TOKEN, &key.key);
    let other_token = by_twilio("another-token", &key.key);
    let other_key = by_twilio(TOKEN, &key.key.replace(['0', '1', '2', '3'], "4"));
    let of_plivo = by_plivo(TOKEN, &key.key, NONCE);
    for headers in [
        vec![],
        vec![("x-twilio-signature", "")],
        vec![("x-twilio-signature", "AAAA")],
        vec![("x-twilio-signature", &*other_token)],
        vec![("x-twilio-signature", &*other_key)],
        vec![("x-plivo-signature-v3", &*of_plivo), ("x-plivo-signature-v3-nonce", NONCE)],
        vec![("x-plivo-signature-v3", &*good), ("x-plivo-signature-v3-nonce", NONCE)],
    ] {
        is_refused(&server, &key.key, &headers, 401, "invalid_signature").await;
    }
    let signed = vec![("x-twilio-signature", &*good)];
    is_admitted(&server, &key.key, &signed).await;
    server.post(&format!("/api/keys/{}/revoke", key.id), json!({})).await;
    is_refused(&server, &key.key, &signed, 403, "key_revoked").await;
    let log = log_of(server, &key.key, &[&good, &other_token]).await;
    assert!(log.contains("call begins"));
}

#[actix_web::test]
async fn plivo_has_to_have_signed_the_call() {
    let (server, key, _keep) = signed_by("plivo", "UPVOOT_SECRET_X").await;
    let good = by_plivo(TOKEN, &key.key, NONCE);
    let other_token = by_plivo("another-token", &key.key, NONCE);
    let of_twilio = by_twilio(TOKEN, &key.key);
    for headers in [
        vec![],
        vec![("x-plivo-signature-v3", &*good)],
        vec![("x-plivo-signature-v3-nonce", NONCE)],
        vec![("x-plivo-signature-v3", &*good), ("x-plivo-signature-v3-nonce", "1")],
        vec![("x-plivo-signature-v3", &*other_token), ("x-plivo-signature-v3-nonce", NONCE)],
        vec![("x-twilio-signature", &*of_twilio)],
    ] {
        is_refused(&server, &key.key, &headers, 401, "invalid_signature").await;
    }
    let signed = vec![("x-plivo-signature-v3", &*good), ("x-plivo-signature-v3-nonce", NONCE)];
    is_admitted(&server, &key.key, &signed).await;
    server.post(&format!("/api/keys/{}/revoke", key.id), json!({})).await;
    is_refused(&server, &key.key, &signed, 403, "key_revoked").await;
    log_of(server, &key.key, &[&good, &other_token]).await;
}

#[actix_web::test]
async fn without_its_secret_the_server_believes_no_signature_and_says_so_once() {
    let (server, key, _keep) = signed_by("twilio", "UPVOOT_SECRET_UNSET").await;
    let good = by_twilio(TOKEN, &key.key);
    for headers in [vec![], vec![("x-twilio-signature", &*good)]] {
        is_refused(&server, &key.key, &headers, 401, "invalid_signature").await;
    }
    let log = log_of(server, &key.key, &[&good]).await;
    let told: Vec<_> = log.lines().filter(|line| line.contains("UPVOOT_SECRET_UNSET")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("ERROR") && told[0].contains("is not set"), "{told:?}");
}
