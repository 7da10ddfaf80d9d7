//! How much an account's own people may make: users, agents and keys are bounded, for them.

use serde_json::json;
use upvoot::api::Limits;

use crate::admin::{
    app::TestApp,
    people::{PASSWORD, Session},
};

async fn owned(limits: Limits) -> (TestApp, String, Session) {
    let app = TestApp::limited(limits).await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    (app, account, ada)
}

#[actix_web::test]
async fn users_are_bounded() {
    let (app, account, ada) = owned(Limits { users: 3, ..Limits::default() }).await;
    let user = |email: &str| json!({"account_id": account, "email": email, "password": PASSWORD});
    let second = ada.post(&app, "/api/users", &user("b@example.com")).await.created_id();
    let third = ada.post(&app, "/api/users", &user("c@example.com")).await.created_id();
    ada.post(&app, "/api/users", &user("d@example.com")).await.refused(409, "limit_reached");
    // The operator is no tenant, another account has its own, and who goes makes room.
    app.user(&account, "d@example.com", "viewer").await;
    app.user(&app.account().await, "far@example.com", "viewer").await;
    ada.post(&app, "/api/users", &user("e@example.com")).await.refused(409, "limit_reached");
    ada.delete(&app, &format!("/api/users/{second}")).await.status(204);
    ada.delete(&app, &format!("/api/users/{third}")).await.status(204);
    ada.post(&app, "/api/users", &user("e@example.com")).await.status(201);
}

#[actix_web::test]
async fn agents_are_bounded_also_those_that_were_deleted() {
    let limits = Limits { agents: 2, agents_ever: 3, ..Limits::default() };
    let (app, account, ada) = owned(limits).await;
    let agent = json!({"account_id": account, "name": "Echo", "engine": "echo"});
    let make = async || ada.post(&app, "/api/agents", &agent).await;
    let first = make().await.created_id();
    make().await.status(201);
    make().await.refused(409, "limit_reached");
    ada.delete(&app, &format!("/api/agents/{first}")).await.status(204);
    let third = make().await.created_id();
    ada.delete(&app, &format!("/api/agents/{third}")).await.status(204);
    make().await.refused(409, "limit_reached");
    app.agent(&account).await;
}

#[actix_web::test]
async fn keys_are_bounded_also_those_that_were_revoked() {
    let (app, account, ada) = owned(Limits { keys: 2, keys_ever: 3, ..Limits::default() }).await;
    let (one, two) = (app.agent(&account).await, app.agent(&account).await);
    let make = async |agent: &str| ada.post(&app, "/api/keys", &json!({"agent_id": agent})).await;
    let first = make(&one).await.created_id();
    make(&two).await.status(201);
    make(&one).await.refused(409, "limit_reached");
    let revoke = async |key: &str| {
        ada.post(&app, &format!("/api/keys/{key}/revoke"), &json!({})).await.status(200)
    };
    revoke(&first).await;
    let third = make(&two).await.created_id();
    revoke(&third).await;
    make(&two).await.refused(409, "limit_reached");
    app.key(&one).await;
}
