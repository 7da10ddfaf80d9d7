//! Points: nothing is lost, nothing is charged twice, nothing goes below zero.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Server,
    phone::{FRAME, Phone, speech},
};

on_both! {
    async fn twenty_calls_on_one_minute_of_points_never_overdraw(server: Server) {
        let account = server.account(1.0).await;
        let agent = server.agent(&account, json!({})).await;
        let key = server.key(&agent).await;
        let url = server.voice(&key.key);
        let dials = (0..20).map(|_| Phone::dial(&url));
        let answers = futures_util::future::join_all(dials).await;
        let mut admitted = Vec::new();
        for answer in answers {
            match answer {
                Ok(phone) => admitted.push(phone),
                Err(refused) => assert_eq!(refused.code(), "insufficient_points"),
            }
        }
        // One call holds the whole minute.
        assert_eq!(admitted.len(), 1);
        assert_eq!(server.books(&account).await, (60, 60));
        for call in admitted {
            call.end().await;
        }
        server.quiet().await;
        let (balance, held) = server.books(&account).await;
        assert!((55..60).contains(&balance) && held == 0, "{balance} {held}");
        server.stop().await;
    }

    async fn the_last_seconds_are_spoken_and_charged_and_not_one_more(server: Server) {
        let account = server.account(0.1).await; // six seconds
        let agent = server.agent(&account, json!({"closing_phrase": "That is all."})).await;
        let key = server.key(&agent).await;
        let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
        let id = call.until("call_start").await["call_id"].as_str().unwrap().to_owned();
        call.greeted().await;
        assert_eq!(call.until("transcript").await["text"], "That is all.");
        call.until("audio_start").await;
        call.until("audio_end").await;
        assert!(call.heard.len() > FRAME, "the closing phrase can be heard");
        assert_eq!(call.until("call_end").await["reason"], "balance_exhausted");
        assert_eq!(call.closed().await, 1000);
        let billed = server.settled(&id).await["billed_seconds"].as_i64().unwrap();
        assert!((4..=6).contains(&billed), "{billed}");
        assert_eq!(server.books(&account).await, (6 - billed, 0));
        server.stop().await;
    }

    async fn a_top_up_during_the_call_carries_it_on(server: Server) {
        let account = server.account(0.15).await; // nine seconds
        let agent = server.agent(&account, json!({"closing_phrase": "Bye."})).await;
        let key = server.key(&agent).await;
        let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
        let began = tokio::time::Instant::now();
        call.greeted().await;
        server.top_up(&account, 1.0).await;
        let mut said = Vec::new();
        while began.elapsed() < Duration::from_millis(10_500) {
            let frame = speech(FRAME, 1);
            call.say(&frame).await;
            said.extend(frame);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        call.hear(said.len()).await;
        assert_eq!(call.heard, said);
        assert_eq!(call.end().await["reason"], "end_call");
        server.quiet().await;
        let (balance, held) = server.books(&account).await;
        assert!((55..=58).contains(&balance) && held == 0, "{balance} {held}");
        server.stop().await;
    }
}

#[actix_web::test]
async fn one_second_of_points_is_still_a_call_with_closing_words() {
    let server = Server::sqlite().await;
    let account = server.account(1.0 / 60.0).await;
    let agent = server.agent(&account, json!({})).await;
    let key = server.key(&agent).await;
    let mut call = Phone::dial(&server.voice(&key.key)).await.unwrap();
    call.until("transcript").await;
    assert_eq!(call.until("call_end").await["reason"], "balance_exhausted");
    server.quiet().await;
    assert_eq!(server.books(&account).await, (0, 0));
    assert_eq!(
        Phone::dial(&server.voice(&key.key)).await.err().unwrap().code(),
        "insufficient_points"
    );
    server.stop().await;
}
