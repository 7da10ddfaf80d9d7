//! The table of refusals: each line of it, before the upgrade, in its order.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    Database, Server,
    phone::{Phone, Refused},
};

const UNKNOWN: &str =
    concat!("sk_live_", "00000000000000000000000000000000", "00000000000000000000000000000000");

async fn refused(server: &Server, tail: &str) -> Refused {
    Phone::dial(&server.voice(tail)).await.err().expect("this call must be refused")
}

/// What may differ between two refusals of the same code.
fn constant(refused: &Refused) -> Vec<(String, String)> {
    let mut headers: Vec<_> = refused
        .headers
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    headers
}

/// Sends raw bytes and reads until the server closes: the whole answer.
async fn raw(server: &Server, request: &str) -> String {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(std::time::Duration::from_secs(4), socket.read_to_end(&mut answer))
        .await
        .expect("the server closes the connection after a refusal")
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const HANDSHAKE: &str = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

on_both! {
    async fn malformed_and_unknown_keys_cannot_be_told_apart(server: Server) {
        let unknown = refused(&server, UNKNOWN).await;
        assert_eq!((unknown.status, unknown.code()), (401, "invalid_key"));
        assert_eq!(unknown.headers["content-type"], "application/problem+json");
        assert_eq!(unknown.headers["cache-control"], "no-store");
        assert_eq!(unknown.headers["connection"], "close");
        assert!(unknown.headers.contains_key("x-request-id"));
        let (_, _, key) = server.ready().await;
        let malformed = [
            "x".to_owned(),
            "sk_live_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0".to_owned(),
            key.key.to_uppercase(),
            key.key.replace("sk_live_", "SK_LIVE_"),
            key.key.replace('_', "%5F"),
            format!("{}0", key.key),
            format!("{}/", key.key),
            format!("/{}", key.key),
            format!("{}/more", key.key),
            format!("./{}", key.key),
            format!("{}%20", key.key),
            key.key[..71].to_owned(),
            String::new(),
        ];
        for tail in malformed {
            let answer = refused(&server, &tail).await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.body, unknown.body);
            assert_eq!(constant(&answer), constant(&unknown));
        }
        // The same key in its one canonical form, with a query that decides nothing, is admitted.
        let url = server.voice(&format!("{}?sample-rate=8000&x=1", key.key));
        Phone::dial(&url).await.unwrap().end().await;
        server.stop().await;
    }

    async fn a_revoked_key_is_403_for_ever_and_its_uses_are_remembered(server: Server) {
        let (_, agent, key) = server.ready().await;
        let path = format!("/api/keys/{}", key.id);
        let revoked = server.post(&format!("{path}/revoke"), json!({})).await;
        assert_eq!(revoked.status, 200);
        for _ in 0..3 {
            let answer = refused(&server, &key.key).await;
            assert_eq!((answer.status, answer.code()), (403, "key_revoked"));
        }
        // The agent may go too: its key stays revoked, not unknown.
        assert_eq!(server.request("DELETE", &format!("/api/agents/{agent}"), None, &[]).await.status, 204);
        assert_eq!(refused(&server, &key.key).await.code(), "key_revoked");
        crate::support::eventually(async || {
            let key = server.get(&path).await.body;
            (key["refused_uses"] == 4).then_some(())
        })
        .await;
        server.stop().await;
    }

    async fn agent_points_and_caps_refuse_in_this_order(server: Server) {
        let account = server.account(0.0).await;
        let agent = server.agent(&account, json!({"is_active": false, "max_concurrent_calls": 1})).await;
        let key = server.key(&agent).await;
        let disabled = refused(&server, &key.key).await;
        assert_eq!((disabled.status, disabled.code()), (403, "agent_disabled"));

        let path = format!("/api/agents/{agent}");
        server.request("PATCH", &path, Some(json!({"is_active": true})), &[]).await;
        let penniless = refused(&server, &key.key).await;
        assert_eq!((penniless.status, penniless.code()), (402, "insufficient_points"));

        server.top_up(&account, 5.0).await;
        let first = Phone::dial(&server.voice(&key.key)).await.unwrap();
        let busy = refused(&server, &key.key).await;
        assert_eq!((busy.status, busy.code()), (429, "too_many_calls"));
        assert!(busy.headers.contains_key("retry-after"));
        first.end().await;
        server.quiet().await;

        let account_path = format!("/api/accounts/{account}");
        server.request("PATCH", &path, Some(json!({"max_concurrent_calls": null})), &[]).await;
        let cap = json!({"max_concurrent_calls": 1});
        server.request("PATCH", &account_path, Some(cap), &[]).await;
        let first = Phone::dial(&server.voice(&key.key)).await.unwrap();
        assert_eq!(refused(&server, &key.key).await.code(), "too_many_calls");
        first.end().await;
        server.stop().await;
    }

    /// Every refusal of a known key is counted under its reason, with the time and place of the last.
    async fn who_asks_why_a_key_is_refused_finds_it_at_the_key(server: Server) {
        let account = server.account(0.0).await;
        let off = json!({"is_active": false, "max_concurrent_calls": 1});
        let agent = server.agent(&account, off).await;
        let key = server.key(&agent).await;
        let (path, agent_path) = (format!("/api/keys/{}", key.id), format!("/api/agents/{agent}"));
        assert_eq!(server.get(&path).await.body["refusals"], json!([]));
        let change = async |fields| server.request("PATCH", &agent_path, Some(fields), &[]).await;

        refused(&server, &key.key).await;
        change(json!({"is_active": true})).await;
        refused(&server, &key.key).await;
        refused(&server, &key.key).await;
        server.top_up(&account, 5.0).await;
        let call = Phone::dial(&server.voice(&key.key)).await.unwrap();
        refused(&server, &key.key).await;
        call.end().await;
        server.quiet().await;
        raw(&server, &format!("GET /voice/{} HTTP/1.1\r\nHost: x\r\n\r\n", key.key)).await;
        server.post(&format!("{path}/revoke"), json!({})).await;
        // Of a key that does not exist nothing is written.
        refused(&server, UNKNOWN).await;
        refused(&server, &key.key).await;

        let refusals = crate::support::eventually(async || {
            let view = server.get(&path).await.body;
            let refusals = view["refusals"].as_array().unwrap().clone();
            (refusals.len() == 5).then_some(refusals)
        })
        .await;
        let count = |code: &str| {
            let of_code = refusals.iter().find(|refusal| refusal["code"] == code);
            of_code.map(|refusal| refusal["count"].clone()).unwrap_or_default()
        };
        for (code, times) in [
            ("agent_disabled", 1),
            ("insufficient_points", 2),
            ("too_many_calls", 1),
            ("upgrade_required", 1),
            ("key_revoked", 1),
        ] {
            assert_eq!(count(code), times, "{code}: {refusals:?}");
        }
        assert_eq!(refusals[0]["code"], "key_revoked", "the latest first: {refusals:?}");
        for refusal in &refusals {
            assert_eq!(refusal["last_from"], "127.0.0.1");
            assert!(refusal["last_at"].as_str().unwrap().ends_with('Z'));
        }
        server.stop().await;
    }

    async fn a_valid_key_without_a_sound_handshake_is_told_what_is_missing(server: Server) {
        let (account, _, key) = server.ready().await;
        let plain = raw(&server, &format!("GET /voice/{} HTTP/1.1\r\nHost: x\r\n\r\n", key.key)).await;
        assert!(plain.starts_with("HTTP/1.1 426 "), "{plain}");
        assert!(plain.to_ascii_lowercase().contains("upgrade: websocket"), "{plain}");
        assert!(plain.contains("upgrade_required"));

        let version = HANDSHAKE.replace("13", "8");
        let wrong = raw(&server, &format!("GET /voice/{} HTTP/1.1\r\n{version}\r\n", key.key)).await;
        assert!(wrong.starts_with("HTTP/1.1 426 "), "{wrong}");
        assert!(wrong.to_ascii_lowercase().contains("sec-websocket-version: 13"), "{wrong}");

        let nonce = HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "x");
        let bad = raw(&server, &format!("GET /voice/{} HTTP/1.1\r\n{nonce}\r\n", key.key)).await;
        assert!(bad.starts_with("HTTP/1.1 400 ") && bad.contains("bad_handshake"), "{bad}");

        // None of them, nor the answers, costs or tells anything.
        for answer in [plain, wrong, bad] {
            assert!(!answer.contains(&key.key[8..]));
        }
        let unknown = raw(&server, &format!("GET /voice/{UNKNOWN} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(unknown.starts_with("HTTP/1.1 401 "), "the key is judged before the handshake");
        assert_eq!(server.books(&account).await, (600, 0));
        assert_eq!(server.get("/api/calls").await.body["items"], json!([]));
        server.stop().await;
    }
}

#[actix_web::test]
async fn who_guesses_is_slowed_down_and_a_valid_key_is_not() {
    let server = Server::start(Database::Sqlite, &["--attempts-per-minute", "5"]).await;
    let (_, _, key) = server.ready().await;
    for _ in 0..5 {
        assert_eq!(refused(&server, UNKNOWN).await.status, 401);
    }
    let slowed = refused(&server, UNKNOWN).await;
    assert_eq!((slowed.status, slowed.code()), (429, "too_many_attempts"));
    assert_eq!(refused(&server, "nonsense").await.code(), "too_many_attempts");
    Phone::dial(&server.voice(&key.key)).await.unwrap().end().await;
    server.post(&format!("/api/keys/{}/revoke", key.id), json!({})).await;
    assert_eq!(refused(&server, &key.key).await.code(), "too_many_attempts");
    server.stop().await;
}

#[actix_web::test]
async fn a_draining_node_says_so_to_valid_keys_only_and_keeps_listening() {
    let server = Server::start(Database::Sqlite, &["--drain-seconds", "20"]).await;
    let (_, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    let (url, unknown) = (server.voice(&key.key), server.voice(UNKNOWN));
    let ready = server.base.clone() + "/readyz";
    let stopping = actix_web::rt::spawn(server.stop());
    let refused = crate::support::eventually(async || match Phone::dial(&url).await {
        Err(refused) => Some(refused),
        Ok(phone) => {
            phone.end().await;
            None
        }
    })
    .await;
    assert_eq!((refused.status, refused.code()), (503, "draining"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(Phone::dial(&unknown).await.err().unwrap().code(), "invalid_key");
    let probe = awc::Client::default().get(ready).send().await.unwrap();
    assert_eq!(probe.status(), 503);
    // The call in progress goes on until it ends by itself.
    let said = crate::support::phone::speech(6400, 1);
    call.say(&said).await;
    call.hear(6400).await;
    assert_eq!(call.heard, said);
    call.end().await;
    stopping.await.unwrap();
}
