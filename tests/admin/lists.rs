//! Pages: a cursor leads through all items once, newest first.

use serde_json::{Value, json};

use crate::admin::app::{TestApp, string};

#[actix_web::test]
async fn bad_limits_and_cursors_are_refused_on_every_list() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let book = format!("/api/accounts/{account}/ledger");
    let foreign = hex::encode(&account);
    for path in ["/api/accounts", "/api/agents", "/api/keys", "/api/calls", "/api/audit", &book] {
        for bad in ["0", "201", "-1", "1.5", "x", "", "%31%30%30%30", "99999999999999999999"] {
            app.get(&format!("{path}?limit={bad}")).await.refused_field("limit");
        }
        for bad in ["", "x", "00", &account] {
            app.get(&format!("{path}?cursor={bad}")).await.refused_field("cursor");
        }
        if path != "/api/accounts" {
            app.get(&format!("{path}?cursor={foreign}")).await.refused_field("cursor");
        }
        let list = app.get(&format!("{path}?limit=200&what=ever")).await.status(200).json();
        assert_eq!(list["next_cursor"], Value::Null);
    }
}

#[actix_web::test]
async fn a_cursor_leads_through_all_items_once() {
    let app = TestApp::start().await;
    let mut made: Vec<String> = Vec::new();
    for _ in 0..120 {
        made.push(app.account().await);
    }
    made.reverse();
    assert_eq!(app.get("/api/accounts").await.json()["items"].as_array().map(Vec::len), Some(50));
    for limit in [1, 7, 50, 60, 119, 120, 121] {
        let mut seen: Vec<String> = Vec::new();
        let mut query = format!("?limit={limit}");
        let mut pages = 0;
        loop {
            let page = app.get(&format!("/api/accounts{query}")).await.status(200).json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit && !items.is_empty());
            seen.extend(items.iter().map(|item| string(&item["id"])));
            pages += 1;
            if pages == 1 && limit == 7 {
                // What is added meanwhile neither repeats nor hides an item.
                app.post("/api/accounts", &json!({"name": "late"})).await.status(201);
            }
            match &page["next_cursor"] {
                Value::Null => break,
                cursor => query = format!("?limit={limit}&cursor={}", string(cursor)),
            }
        }
        seen.retain(|id| made.contains(id));
        assert_eq!(seen, made, "{limit}");
        assert!(pages == 120_usize.div_ceil(limit) || limit > 7, "{limit}: {pages} pages");
    }
}
