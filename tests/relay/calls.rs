//! A call to a bot that behaves, and how calls end.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use upvoot::{
    agent::relay::{Dropped, FromBot, Gone, Names, Opening, Relay, ToBot},
    call::{EndReason, Role},
};

use crate::relay::bot::{
    Call, PATIENCE, Place, next, next_text, opening, say, trusted, with_secret,
};

fn noise(len: usize, seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| step()).collect()
}

fn close(code: CloseCode) -> Message {
    Message::Close(Some(CloseFrame { code, reason: "".into() }))
}

#[tokio::test]
#[allow(clippy::result_large_err, reason = "the library's callback has that type")]
async fn the_upgrade_carries_the_secret_and_the_first_frame_the_call() {
    let place = Place::free().await;
    let opening = Opening {
        call_id: "call_01900000000070008000000000000001".parse().unwrap(),
        agent_id: "agt_01900000000070008000000000000002".parse().unwrap(),
        dialect: "twilio",
        from: Some("+15550001".to_owned()),
        to: None,
        params: [("b", "\"2\""), ("a", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    };
    let target = with_secret(&place.url(), "made-up-secret");
    let (_relay, mut events) = Relay::open(target, opening, &[], &Names::new(Vec::new()));
    let check = |request: &Request, mut response: Response| {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(request.uri().to_string(), "/bot?x=1");
        assert_eq!(header("host"), place.address().to_string());
        assert_eq!(header("authorization"), "Bearer made-up-secret");
        assert_eq!(header("sec-websocket-protocol"), "upvoot.v1");
        assert!(!request.headers().contains_key("sec-websocket-extensions"));
        let agreed = "upvoot.v1".parse().unwrap();
        response.headers_mut().insert("sec-websocket-protocol", agreed);
        Ok(response)
    };
    let mut bot = accept_hdr_async(place.connection().await, check).await.unwrap();
    let first = next(&mut bot).await;
    assert_eq!(
        first.to_text().unwrap(),
        concat!(
            r#"{"type":"call_start","call_id":"call_01900000000070008000000000000001","#,
            r#""agent_id":"agt_01900000000070008000000000000002","dialect":"twilio","#,
            r#""from":"+15550001","to":null,"params":{"a":"1","b":"\"2\""}}"#,
        )
    );
    assert_eq!(events.recv().await, Some(FromBot::Connected));
}

#[tokio::test]
async fn without_a_secret_there_is_no_authorization() {
    let place = Place::free().await;
    let _call = Call::open(trusted(&place.url()));
    let mut request = vec![0; 4096];
    let read = place.connection().await.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
    assert!(request.ends_with("\r\n\r\n") && !request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn sound_goes_both_ways_byte_by_byte() {
    let (mut call, mut bot) = Call::answered().await;
    let caller = noise(64_000, 1);
    for frame in caller.chunks(640) {
        call.relay.hear(Bytes::copy_from_slice(frame));
    }
    let mut heard = Vec::new();
    while heard.len() < caller.len() {
        heard.extend_from_slice(&next(&mut bot).await.into_data());
    }
    assert!(heard == caller, "the bot hears the caller");
    assert_eq!(call.relay.dropped(), Dropped::default());

    // Frames of any length: odd ones, an empty one, half a minute at once, and in fragments.
    let agent = noise(960_000, 2);
    let (small, big) = agent.split_at(10_001);
    for frame in small.chunks(333) {
        bot.send(Message::binary(frame.to_vec())).await.unwrap();
    }
    bot.send(Message::binary(Vec::new())).await.unwrap();
    let sending = tokio::spawn({
        let big = big.to_vec();
        async move {
            bot.send(Message::binary(big)).await.unwrap();
            bot
        }
    });
    let mut heard = Vec::new();
    while heard.len() < agent.len() {
        let FromBot::Audio(piece) = call.event().await else { panic!("not audio") };
        assert!(piece.len().is_multiple_of(2) && piece.len() <= 32_000);
        heard.extend_from_slice(&piece);
    }
    assert!(heard == agent, "the bot is heard");
    sending.await.unwrap();
}

#[tokio::test]
async fn words_go_both_ways_in_their_order() {
    let (mut call, mut bot) = Call::answered().await;
    call.relay.hear(Bytes::from_static(&[1, 2]));
    call.relay.tell(ToBot::Dtmf('#'));
    call.relay.hear(Bytes::from_static(&[3, 4]));
    call.relay.tell(ToBot::Clear);
    call.relay.tell(ToBot::Mark("m1".to_owned()));
    assert_eq!(next(&mut bot).await, Message::binary(vec![1, 2]));
    assert_eq!(next_text(&mut bot).await, json!({"type": "dtmf", "digit": "#"}));
    assert_eq!(next(&mut bot).await, Message::binary(vec![3, 4]));
    assert_eq!(next_text(&mut bot).await, json!({"type": "clear"}));
    assert_eq!(next_text(&mut bot).await, json!({"type": "mark", "name": "m1"}));

    bot.send(Message::binary(vec![5, 6])).await.unwrap();
    for text in [
        r#"{"type":"mark","name":"m1"}"#,
        r#"{"type":"clear"}"#,
        r#"{"type":"news_from_the_future","name":"x"}"#,
        "no JSON at all",
        r#"{"type":"dtmf","digits":"12#"}"#,
        r#"{"type":"dtmf","digit":"x"}"#,
        r#"{"type":"mark","name":7}"#,
        r#"{"type":"dtmf","digit":7}"#,
        r#"{"type":"transcript","role":"assistant","text":"Good morning."}"#,
        r#"{"type":"end_call"}"#,
    ] {
        say(&mut bot, text).await;
    }
    for expected in [
        FromBot::Audio(Bytes::from_static(&[5, 6])),
        FromBot::Mark("m1".to_owned()),
        FromBot::Clear,
        FromBot::Dtmf("12#".to_owned()),
        FromBot::Dtmf("7".to_owned()),
        FromBot::Said { role: Role::Assistant, text: "Good morning.".to_owned() },
        FromBot::EndCall,
    ] {
        assert_eq!(call.event().await, expected);
    }
    // What it meant, and what is not done, it is told.
    for code in ["dtmf_invalid", "mark_invalid"] {
        let told = next_text(&mut bot).await;
        assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!(code)), "{told}");
        assert!(told["message"].as_str().unwrap().ends_with('.'), "{told}");
    }
}

#[tokio::test]
async fn a_burst_reaches_a_bot_that_reads_at_once_whole() {
    let (call, mut bot) = Call::answered().await;
    // Thirty seconds, before the line has its first turn.
    let caller = noise(960_000, 1);
    for frame in caller.chunks(640) {
        call.relay.hear(Bytes::copy_from_slice(frame));
    }
    let mut heard = Vec::new();
    while heard.len() < caller.len() {
        heard.extend_from_slice(&next(&mut bot).await.into_data());
    }
    assert!(heard == caller);
    assert_eq!(call.relay.dropped(), Dropped::default());
}

#[tokio::test]
async fn keys_without_end_reach_a_bot_that_reads_at_once() {
    let (call, mut bot) = Call::answered().await;
    for _ in 0..6_000 {
        call.relay.tell(ToBot::Dtmf('5'));
    }
    for _ in 0..6_000 {
        assert_eq!(next_text(&mut bot).await, json!({"type": "dtmf", "digit": "5"}));
    }
}

#[tokio::test]
async fn a_call_that_is_over_is_told_and_closed_with_1000() {
    let (call, mut bot) = Call::answered().await;
    call.relay.tell(ToBot::EndCall(EndReason::BalanceExhausted));
    let end = json!({"type": "end_call", "reason": "balance_exhausted"});
    assert_eq!(next_text(&mut bot).await, end);
    assert_eq!(next(&mut bot).await, close(CloseCode::Normal));
    assert_eq!(call.gone().await, Gone::Closed(Some(1000)));
}

#[tokio::test]
async fn what_was_told_before_the_relay_is_dropped_is_sent_although_the_bot_speaks() {
    for _ in 0..20 {
        let (call, mut bot) = Call::answered().await;
        for _ in 0..100 {
            bot.send(Message::binary(vec![0; 640])).await.unwrap();
        }
        call.relay.hear(Bytes::from_static(&[1, 2]));
        call.relay.tell(ToBot::Dtmf('1'));
        call.relay.tell(ToBot::EndCall(EndReason::Hangup));
        drop(call);
        assert_eq!(next(&mut bot).await, Message::binary(vec![1, 2]));
        assert_eq!(next_text(&mut bot).await, json!({"type": "dtmf", "digit": "1"}));
        assert_eq!(next_text(&mut bot).await, json!({"type": "end_call", "reason": "hangup"}));
        assert_eq!(next(&mut bot).await, close(CloseCode::Normal));
    }
}

#[tokio::test]
async fn dropping_the_relay_hangs_up() {
    let (call, mut bot) = Call::answered().await;
    drop(call);
    assert_eq!(next(&mut bot).await, close(CloseCode::Normal));

    // Also while it is being connected.
    let place = Place::free().await;
    let call = Call::open(trusted(&place.url()));
    let mut stream = place.connection().await;
    drop(call);
    let mut request = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut request)).await;
    assert!(ended.is_ok(), "the connection is dropped");
}

#[tokio::test]
async fn a_bot_that_closes_is_gone_with_its_code() {
    for code in [1000, 1001, 1011, 4321] {
        let (call, mut bot) = Call::answered().await;
        bot.send(close(code.into())).await.unwrap();
        assert_eq!(call.gone().await, Gone::Closed(Some(code)));
        // Its close is answered.
        assert_eq!(next(&mut bot).await, close(code.into()));
    }
    let (call, mut bot) = Call::answered().await;
    bot.send(Message::Close(None)).await.unwrap();
    assert_eq!(call.gone().await, Gone::Closed(Some(1005)));
}

#[tokio::test]
async fn a_bot_that_dies_in_the_middle_of_a_call_is_gone() {
    let (mut call, mut bot) = Call::answered().await;
    bot.send(Message::binary(vec![1, 2])).await.unwrap();
    drop(bot);
    assert_eq!(call.event().await, FromBot::Audio(Bytes::from_static(&[1, 2])));
    for _ in 0..100 {
        call.relay.hear(Bytes::from_static(&[0; 640]));
    }
    assert_eq!(call.gone().await, Gone::Closed(None));
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_a_code_that_says_so() {
    let huge = {
        let mut frame = vec![0x82, 127];
        frame.extend((1024u64 * 1024 + 1).to_be_bytes());
        frame
    };
    for (bytes, code) in [
        (vec![0xf2, 0x01, 0x00], CloseCode::Protocol),
        (vec![0x83, 0x00], CloseCode::Protocol),
        (vec![0x81, 0x02, 0xc3, 0x28], CloseCode::Invalid),
        (huge, CloseCode::Size),
    ] {
        let (call, mut bot) = Call::answered().await;
        bot.get_mut().write_all(&bytes).await.unwrap();
        assert_eq!(call.gone().await, Gone::Protocol, "{bytes:?}");
        assert_eq!(next(&mut bot).await, close(code), "{bytes:?}");
        assert!(timeout(PATIENCE, bot.next()).await.is_ok());
    }
}

#[tokio::test]
async fn two_calls_have_ids_of_their_own() {
    let place = Place::free().await;
    let (first, second) = (opening(), opening());
    let ids = [first.call_id.to_string(), second.call_id.to_string()];
    let _calls = [first, second]
        .map(|opening| Relay::open(trusted(&place.url()), opening, &[], &Names::new(Vec::new())));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut bot = place.answer().await;
        seen.push(next_text(&mut bot).await["call_id"].as_str().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ids);
}
