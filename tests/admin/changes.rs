//! What the audit log says of a change: who by id, which fields, and of some of them the values.

use serde_json::{Value, json};

use crate::admin::app::{TestApp, string};

async fn newest(app: &TestApp) -> Value {
    app.get("/api/audit?limit=1").await.status(200).json()["items"][0].clone()
}

#[actix_web::test]
async fn an_address_that_moves_hides_nobody() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let mallory_id = app.user(&account, "mallory@example.com", "owner").await;
    let mallory = app.sign_in("mallory@example.com").await;
    let own = format!("/api/users/{mallory_id}");
    let renamed =
        |email| json!({"email": email, "current_password": crate::admin::people::PASSWORD});
    mallory.patch(&app, &own, &renamed("ceo@example.com")).await.status(200);
    let agent = json!({"account_id": account, "name": "Echo", "engine": "echo"});
    mallory.post(&app, "/api/agents", &agent).await.status(201);
    let row = newest(&app).await;
    assert_eq!((&row["actor"], &row["actor_id"]), (&json!("ceo@example.com"), &json!(mallory_id)));
    mallory.patch(&app, &own, &renamed("mallory@example.com")).await.status(200);
    let row = newest(&app).await;
    assert_eq!((&row["actor_id"], &row["changed"]), (&json!(mallory_id), &json!(["email"])));
    assert_eq!(row["values"], json!({}), "no address stands in a row but the actor's");

    // The token is no user.
    app.agent(&account).await;
    let row = newest(&app).await;
    assert_eq!((&row["actor"], &row["actor_id"]), (&json!("operator"), &Value::Null));
    assert_eq!((&row["changed"], &row["values"]), (&json!([]), &json!({})));
}

#[actix_web::test]
async fn an_update_says_what_it_changed() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.operator("boss@example.com").await;
    let user = app.user(&account, "ada@example.com", "viewer").await;
    let user = format!("/api/users/{user}");
    let from_to = |from: Value, to: Value| json!({"from": from, "to": to});
    for (change, changed, values) in [
        (
            json!({"role": "owner", "is_active": true}),
            json!(["role"]),
            json!({"role": from_to(json!("viewer"), json!("owner"))}),
        ),
        (
            json!({"is_operator": true}),
            json!(["is_operator"]),
            json!({"is_operator": from_to(json!(false), json!(true))}),
        ),
        (json!({"email": "eve@example.com"}), json!(["email"]), json!({})),
        (json!({"password": "another horse battery"}), json!(["password"]), json!({})),
        (
            json!({"is_active": false, "is_operator": false}),
            json!(["is_operator", "is_active"]),
            json!({
                "is_operator": from_to(json!(true), json!(false)),
                "is_active": from_to(json!(true), json!(false)),
            }),
        ),
    ] {
        app.patch(&user, &change).await.status(200);
        let row = newest(&app).await;
        assert_eq!(row["action"], "user.update");
        assert_eq!((&row["changed"], &row["values"]), (&changed, &values), "{change}");
    }
    let before = string(&newest(&app).await["id"]);
    app.patch(&user, &json!({"is_active": false})).await.status(200);
    assert_eq!(string(&newest(&app).await["id"]), before, "nothing changed, nothing is told");

    let agent = format!("/api/agents/{}", app.agent(&account).await);
    let change = json!({"is_active": false, "greeting": "Hi.", "max_turns": 3, "name": "Echo"});
    app.patch(&agent, &change).await.status(200);
    let row = newest(&app).await;
    assert_eq!(row["changed"], json!(["greeting", "max_turns", "is_active"]));
    let values = json!({
        "max_turns": from_to(Value::Null, json!(3)),
        "is_active": from_to(json!(true), json!(false)),
    });
    assert_eq!(row["values"], values);

    let path = format!("/api/accounts/{account}");
    app.patch(&path, &json!({"max_concurrent_calls": 7, "name": "Ours"})).await.status(200);
    let row = newest(&app).await;
    assert_eq!(row["changed"], json!(["name", "max_concurrent_calls"]));
    assert_eq!(row["values"], json!({"max_concurrent_calls": from_to(Value::Null, json!(7))}));
}
