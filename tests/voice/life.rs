//! The life of a call: key made, call admitted, agent speaks, points charged, key revoked.

use std::time::Duration;

use serde_json::json;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Database, Server,
    phone::{FRAME, Next, PATIENCE, Phone, speech},
};

on_both! {
    /// The main job, in one line.
    async fn key_made_call_admitted_agent_speaks_points_charged_key_revoked(server: Server) {
        let (account, agent, key) = server.ready().await;

        let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
        assert_eq!(call.protocol.as_deref(), Some("upvoot.v1"));
        let start = call.until("call_start").await;
        let id = start["call_id"].as_str().unwrap().to_owned();
        let greeting = call.until("transcript").await;
        assert_eq!((greeting["role"].as_str(), greeting["text"].as_str()), (Some("assistant"), Some("Hi.")));
        call.until("audio_end").await;
        assert_eq!(call.story, ["call_start", "transcript", "audio_start", "audio", "audio_end"]);
        assert!(call.heard.len() > FRAME, "a greeting can be heard");
        assert!(call.heard.iter().any(|byte| *byte != 0));
        call.heard.clear();

        let live = server.get(&format!("/api/calls/{id}")).await.body;
        assert_eq!((live["agent_id"].as_str(), live["key_id"].as_str()), (Some(&*agent), Some(&*key.id)));
        assert!(live["ended_at"].is_null());
        assert_eq!(server.get(&format!("/api/keys/{}", key.id)).await.body["live_calls"], 1);
        assert_eq!(server.books(&account).await, (600, 60));

        // Both ways in real time, while the key is revoked: not a byte is lost.
        let said = speech(100 * FRAME, 7);
        let mut clock = interval(Duration::from_millis(20));
        for (n, frame) in said.chunks(FRAME).enumerate() {
            clock.tick().await;
            call.say(frame).await;
            if n == 50 {
                let revoked = server.post(&format!("/api/keys/{}/revoke", key.id), json!({})).await;
                assert_eq!(revoked.body["is_active"], false);
                let next = Phone::dial(&server.voice(&key.key)).await.err().unwrap();
                assert_eq!((next.status, next.code()), (403, "key_revoked"));
            }
        }
        call.hear(said.len()).await;
        assert_eq!(call.heard, said);

        let end = call.end().await;
        assert_eq!(end["reason"], "end_call");
        let settled = server.settled(&id).await;
        assert_eq!(settled["end_reason"], "end_call");
        assert_eq!(settled["dialect"], "native");
        let billed = settled["billed_seconds"].as_i64().unwrap();
        assert!((2..=15).contains(&billed), "{billed}");
        assert_eq!(server.books(&account).await, (600 - billed, 0));
        let lines = settled["transcript"].as_array().unwrap();
        assert_eq!(lines[0]["text"], "Hi.");
        server.stop().await;
    }

    async fn two_keys_of_one_agent_live_and_die_apart(server: Server) {
        let (_, agent, first) = server.ready().await;
        let second = server.key(&agent).await;
        let on_first = Phone::dial(&server.voice(&first.key)).await.unwrap();
        let on_second = Phone::dial(&server.voice(&second.key)).await.unwrap();
        server.post(&format!("/api/keys/{}/revoke", first.id), json!({})).await;
        assert_eq!(Phone::dial(&server.voice(&first.key)).await.err().unwrap().code(), "key_revoked");
        Phone::dial(&server.voice(&second.key)).await.unwrap().end().await;
        on_first.end().await;
        on_second.end().await;
        server.stop().await;
    }

    async fn a_revoker_may_end_the_calls_of_that_key_and_of_no_other(server: Server) {
        let (_, agent, first) = server.ready().await;
        let second = server.key(&agent).await;
        let mut ended = Phone::dial(&server.voice(&first.key)).await.unwrap();
        let mut other = Phone::dial(&server.voice(&second.key)).await.unwrap();
        ended.greeted().await;
        other.greeted().await;
        let revoke = json!({"end_calls": true});
        let answer = server.post(&format!("/api/keys/{}/revoke", first.id), revoke).await;
        assert_eq!(answer.status, 200);
        assert_eq!(ended.until("call_end").await["reason"], "key_revoked");
        assert_eq!(ended.closed().await, 1000);
        let said = speech(FRAME, 1);
        other.say(&said).await;
        other.hear(said.len()).await;
        assert_eq!(other.heard, said);
        other.end().await;
        server.stop().await;
    }

    async fn accounts_do_not_touch_each_other(server: Server) {
        let (ours, _, our_key) = server.ready().await;
        let (theirs, their_agent, _) = server.ready().await;
        server.request("PATCH", &format!("/api/agents/{their_agent}"), Some(json!({"is_active": false})), &[]).await;
        Phone::dial(&server.voice(&our_key.key)).await.unwrap().end().await;
        server.quiet().await;
        assert!(server.books(&ours).await.0 < 600);
        assert_eq!(server.books(&theirs).await, (600, 0));
        let theirs = server.get(&format!("/api/calls?agent_id={their_agent}")).await;
        assert_eq!(theirs.body["items"], json!([]));
        server.stop().await;
    }

    async fn an_operator_ends_a_call(server: Server) {
        let (_, _, key) = server.ready().await;
        let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
        let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
        call.greeted().await;
        assert_eq!(server.post(&format!("/api/calls/{id}/end"), json!({})).await.status, 202);
        assert_eq!(call.until("call_end").await["reason"], "operator");
        assert_eq!(call.closed().await, 1000);
        assert_eq!(server.settled(&id).await["end_reason"], "operator");
        server.stop().await;
    }
}

#[actix_web::test]
async fn a_client_that_declares_nothing_is_greeted_after_its_first_audio_or_after_silence() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let mut speaks = Phone::dial_as(&server.voice(&key.key), None).await.unwrap();
    assert_eq!(speaks.protocol, None);
    speaks.say(&[0; FRAME]).await;
    speaks.until("call_start").await;
    let mut waits = Phone::dial_as(&server.voice(&key.key), None).await.unwrap();
    assert_eq!(waits.protocol, None);
    let before = tokio::time::Instant::now();
    waits.until("call_start").await;
    assert!(before.elapsed() >= Duration::from_millis(1400), "nothing is sent before it is known");
    speaks.end().await;
    waits.end().await;
    server.stop().await;
}

#[actix_web::test]
async fn odd_bytes_are_carried_and_fragments_put_together() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    let said = speech(3000, 3);
    for piece in [&said[..1], &said[1..334], &said[334..1001]] {
        call.say(piece).await;
    }
    let fragment = |bytes: &[u8], code, last| {
        Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(code), last))
    };
    call.send(fragment(&said[1001..2000], Data::Binary, false)).await;
    call.send(Message::Ping(b"between".to_vec().into())).await;
    call.send(fragment(&said[2000..2001], Data::Continue, false)).await;
    call.send(fragment(&said[2001..], Data::Continue, true)).await;
    call.hear(said.len()).await;
    assert_eq!(call.heard, said);
    call.end().await;
    server.stop().await;
}

#[actix_web::test]
async fn what_is_said_over_the_greeting_is_dropped_and_what_follows_comes_back_soon() {
    let server = Server::sqlite().await;
    let account = server.account(5.0).await;
    let agent =
        server.agent(&account, json!({"greeting": "Please hold the line for a moment."})).await;
    let key = server.key(&agent).await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.until("audio_start").await;
    call.say(&speech(FRAME, 9)).await;
    call.greeted().await;
    let said = speech(FRAME, 10);
    call.say(&said).await;
    call.hear(FRAME).await;
    assert_eq!(call.heard, said);
    call.end().await;
    server.stop().await;
}

#[actix_web::test]
async fn the_keypad_is_kept_in_the_transcript_and_unknown_messages_are_ignored() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    call.greeted().await;
    call.tell(json!({"type": "dtmf", "digit": "5"})).await;
    call.tell(json!({"type": "hello", "version": 2})).await;
    call.send(Message::text("not even JSON")).await;
    call.tell(json!({"type": "dtmf", "digit": "#"})).await;
    call.tell(json!({"type": "dtmf", "digit": "nine"})).await;
    call.end().await;
    let settled = server.settled(&id).await;
    let digits: Vec<_> = settled["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["type"] == "dtmf")
        .map(|line| line["digit"].as_str().unwrap())
        .collect();
    assert_eq!(digits, ["5", "#"]);
    server.stop().await;
}

#[actix_web::test]
async fn end_call_is_heard_while_the_agent_speaks() {
    let server = Server::sqlite().await;
    let account = server.account(5.0).await;
    let long = "This greeting goes on and on. ".repeat(10);
    let agent = server.agent(&account, json!({ "greeting": long })).await;
    let key = server.key(&agent).await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.until("audio_start").await;
    call.tell(json!({"type": "end_call"})).await;
    assert_eq!(call.until("call_end").await["reason"], "end_call");
    // The greeting takes a quarter of a minute.
    assert!(call.heard.len() < 5 * 50 * FRAME, "{} bytes", call.heard.len());
    assert_eq!(call.story[call.story.len() - 2..], ["audio_end", "call_end"]);
    server.stop().await;
}

#[actix_web::test]
async fn a_caller_who_hangs_up_or_vanishes_is_charged_for_the_time_there_was() {
    let server = Server::sqlite().await;
    let (account, _, key) = server.ready().await;
    let mut polite = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let id = polite.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    polite.send(Message::Close(None)).await;
    polite.closed().await;
    assert_eq!(server.settled(&id).await["end_reason"], "hangup");

    let mut gone = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let id = gone.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    gone.greeted().await;
    gone.drop_line();
    let settled = server.settled(&id).await;
    assert_eq!(settled["end_reason"], "hangup");
    assert!(settled["billed_seconds"].as_i64().unwrap() >= 1);
    let (balance, held) = server.books(&account).await;
    assert!(balance < 600 && held == 0);
    server.stop().await;
}

#[actix_web::test]
async fn a_call_in_which_nobody_speaks_ends_of_silence_and_one_too_long_of_its_duration() {
    let server = Server::sqlite().await;
    let account = server.account(5.0).await;
    let fields = json!({"silence_timeout_seconds": 1, "closing_phrase": "Bye."});
    let agent = server.agent(&account, fields).await;
    let key = server.key(&agent).await;
    let mut quiet = Phone::dial(&server.voice(&key.key)).await.unwrap();
    quiet.greeted().await;
    assert_eq!(quiet.until("transcript").await["text"], "Bye.");
    assert_eq!(quiet.until("call_end").await["reason"], "silence");
    assert_eq!(quiet.closed().await, 1000);

    let fields = json!({"max_duration_seconds": 3, "closing_phrase": "Bye."});
    let agent = server.agent(&account, fields).await;
    let key = server.key(&agent).await;
    let mut long = Phone::dial(&server.voice(&key.key)).await.unwrap();
    let id = long.until("call_start").await["call_id"].as_str().unwrap().to_owned();
    long.greeted().await;
    assert_eq!(long.until("transcript").await["text"], "Bye.");
    assert_eq!(long.until("call_end").await["reason"], "max_duration");
    assert_eq!(server.settled(&id).await["billed_seconds"], 3);
    server.stop().await;
}

#[actix_web::test]
async fn draining_ends_the_calls_that_are_left_with_closing_words() {
    let server = Server::start(Database::Sqlite, &["--drain-seconds", "4"]).await;
    let account = server.account(5.0).await;
    let agent = server.agent(&account, json!({"closing_phrase": "We are closing."})).await;
    let key = server.key(&agent).await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    let stopping = actix_web::rt::spawn(server.stop());
    assert_eq!(call.until("transcript").await["text"], "We are closing.");
    assert_eq!(call.until("call_end").await["reason"], "draining");
    assert_eq!(call.closed().await, 1000);
    stopping.await.unwrap();
}

/// A burst far faster than real time comes back whole, in order, at the pace of speech.
#[actix_web::test]
async fn speech_is_paced_at_real_time() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.greeted().await;
    let said = speech(64_000, 5);
    let before = tokio::time::Instant::now();
    call.say(&said).await;
    let mut most_ahead = 0.0_f64;
    while call.heard.len() < said.len() {
        let Next::Audio(_) = timeout(PATIENCE, call.next()).await.unwrap() else { continue };
        let ahead = call.heard.len() as f64 / 32_000.0 - before.elapsed().as_secs_f64();
        most_ahead = most_ahead.max(ahead);
    }
    assert_eq!(call.heard, said);
    assert!(most_ahead <= 0.25, "{most_ahead} s ahead of real time");
    call.end().await;
    server.stop().await;
}
