//! Calls: looked at and ended.

use serde_json::json;
use upvoot::call::event::{EndReason, Role, Stretch, TranscriptLine};

use crate::admin::{
    app::{Reply, TestApp, nobody, string},
    keys::end_is_requested,
};

#[actix_web::test]
async fn a_filter_that_is_none_is_refused_by_its_name() {
    let app = TestApp::start().await;
    for (query, field) in [
        ("live=1", "live"),
        ("live=", "live"),
        ("live=True", "live"),
        ("agent_id=agt_1", "agent_id"),
        ("key_id=sk_live_0", "key_id"),
        ("account_id=x", "account_id"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ] {
        app.get(&format!("/api/calls?{query}")).await.refused_field(field);
    }
    app.get("/api/calls?nonsense=1&%zz=%&=").await.status(200);
}

#[actix_web::test]
async fn calls_are_listed_by_what_they_belong_to_and_whether_they_live() {
    let app = TestApp::start().await;
    let (account, other) = (app.account().await, app.account().await);
    let (agent, other_agent) = (app.agent(&account).await, app.agent(&other).await);
    let ((key, _), (second, _)) = (app.key(&agent).await, app.key(&agent).await);
    let (foreign, _) = app.key(&other_agent).await;
    let ended = app.open_call(&key).await;
    app.close_call(&ended, EndReason::Hangup).await;
    let (live, of_second) = (app.open_call(&key).await, app.open_call(&second).await);
    let of_other = app.open_call(&foreign).await;
    for (query, expected) in [
        (String::new(), vec![&of_other, &of_second, &live, &ended]),
        ("?live=true".to_owned(), vec![&of_other, &of_second, &live]),
        ("?live=false".to_owned(), vec![&ended]),
        (format!("?key_id={key}"), vec![&live, &ended]),
        (format!("?key_id={key}&live=true"), vec![&live]),
        (format!("?agent_id={agent}"), vec![&of_second, &live, &ended]),
        (format!("?agent_id={other_agent}&key_id={key}"), vec![]),
        (format!("?account_id={other}"), vec![&of_other]),
        (format!("?account_id={}", nobody("acc_")), vec![]),
    ] {
        let list = app.get(&format!("/api/calls{query}")).await.status(200).json();
        let ids: Vec<String> =
            list["items"].as_array().unwrap().iter().map(|call| string(&call["id"])).collect();
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let shown = app.get(&format!("/api/calls/{ended}")).await.status(200).json();
    assert_eq!(
        shown,
        json!({
            "id": ended, "account_id": account, "agent_id": agent, "key_id": key, "dialect": null,
            "from": null, "to": null, "provider_call_id": null, "custom_parameters": null,
            "started_at": shown["started_at"], "ended_at": shown["ended_at"],
            "end_reason": "hangup", "end_detail": null, "billed_seconds": 7, "transcript": [],
        })
    );
    assert!(shown["ended_at"].is_string());
}

#[actix_web::test]
async fn a_transcript_is_shown_as_it_was_kept() {
    let app = TestApp::start().await;
    let (key, _) = app.key(&app.agent(&app.account().await).await).await;
    let call = app.open_call(&key).await;
    let id = call.parse().unwrap();
    let lines = [
        TranscriptLine::Transcript { role: Role::Assistant, text: "Hello.".to_owned(), at_ms: 5 },
        TranscriptLine::Dtmf { digit: '#', at_ms: 900 },
    ];
    let kept = serde_json::to_value(&lines).unwrap();
    let append = move |conn: &mut _| upvoot::store::calls::append_transcript(conn, id, 0, &lines);
    app.store.write(append).await.unwrap();
    assert_eq!(app.get(&format!("/api/calls/{call}")).await.json()["transcript"], kept);
    let list = app.get("/api/calls").await.json();
    assert_eq!(list["items"][0]["id"], json!(call));
    assert_eq!(list["items"][0].get("transcript"), None, "lists carry no transcript");
}

#[actix_web::test]
async fn who_was_heard_when_is_shown_with_one_call_where_it_is_recorded() {
    let app = TestApp::start().await;
    let (key, _) = app.key(&app.agent(&app.account().await).await).await;
    let call = app.open_call(&key).await;
    let path = format!("/api/calls/{call}");
    assert_eq!(app.get(&path).await.status(200).json().get("timeline"), None);
    let id = call.parse().unwrap();
    let heard = [
        Stretch { role: Role::Assistant, begin_ms: 0, end_ms: 1_200 },
        Stretch { role: Role::User, begin_ms: 1_900, end_ms: 2_400 },
    ];
    let append = move |conn: &mut _| upvoot::store::calls::stretches::append(conn, id, 0, &heard);
    app.store.write(append).await.unwrap();
    assert_eq!(
        app.get(&path).await.json()["timeline"],
        json!([
            {"role": "assistant", "begin_ms": 0, "end_ms": 1200},
            {"role": "user", "begin_ms": 1900, "end_ms": 2400},
        ])
    );
    let list = app.get("/api/calls").await.json();
    assert_eq!(list["items"][0].get("timeline"), None, "a list would grow without bound");
}

#[actix_web::test]
async fn a_call_is_ended_once_and_written_down_once() {
    let app = TestApp::start().await;
    let (key, _) = app.key(&app.agent(&app.account().await).await).await;
    let call = app.open_call(&key).await;
    let path = format!("/api/calls/{call}/end");
    app.post(&path, &json!({"reason": "x"})).await.refused_field("reason");
    app.post(&format!("/api/calls/{}/end", nobody("call_")), &json!({}))
        .await
        .refused(404, "not_found");
    assert!(!end_is_requested(&app, &call).await);

    assert_eq!(Reply::to(app.request("POST", &path)).await.status(202).json()["id"], json!(call));
    assert!(end_is_requested(&app, &call).await);
    let rows = app.audit().await;
    assert_eq!(rows[0], format!("call.end {call}"));
    app.post(&path, &json!({})).await.status(202);
    app.close_call(&call, EndReason::Operator).await;
    assert_eq!(app.post(&path, &json!({})).await.status(202).json()["end_reason"], "operator");
    assert_eq!(app.audit().await, rows, "an ended call is left as it is");
}
