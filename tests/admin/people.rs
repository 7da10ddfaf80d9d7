//! People: their verbs, and the few pages a test needs to use the ways in and out.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Json, Path},
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use upvoot::{
    auth::{self, Auth, SignedIn},
    problem::Problem,
};

use crate::admin::app::{PUBLIC_URL, Reply, TestApp};

pub const PASSWORD: &str = "correct horse battery";

/// The session's cookie, up to its value, where people reach the server by https.
const SESSION: &str = "__Host-upvoot_session=";

/// Pages that do nothing but call what the dashboard's call.
pub fn pages(config: &mut web::ServiceConfig) {
    config
        .route("/sign-in", web::post().to(sign_in))
        .route("/sign-out", web::post().to(sign_out))
        .route("/set-up/{token}", web::get().to(set_up_page))
        .route("/set-up/{token}", web::post().to(set_up))
        .route("/page", web::get().to(page));
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_default()
}

fn welcome(signed_in: SignedIn) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("cache-control", "no-store"));
    for cookie in signed_in.cookies() {
        answer.cookie(cookie.clone());
    }
    answer.json(json!({"user_id": signed_in.user.user_id}))
}

async fn sign_in(
    auth: Data<Auth>,
    request: HttpRequest,
    Json(body): Json<Value>,
) -> Result<HttpResponse, Problem> {
    let (email, password) = (text(&body, "email"), text(&body, "password").into());
    auth::sign_in(&auth, &request, email, password).await.map(welcome)
}

async fn sign_out(auth: Data<Auth>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let cookie = auth::sign_out(&auth, &request).await?;
    Ok(HttpResponse::NoContent()
        .insert_header(("cache-control", "no-store"))
        .cookie(cookie)
        .finish())
}

async fn set_up_page(
    auth: Data<Auth>,
    request: HttpRequest,
    token: Path<String>,
) -> Result<HttpResponse, Problem> {
    auth::setup_is_open(&auth, &request, &token).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).finish())
}

async fn set_up(
    auth: Data<Auth>,
    request: HttpRequest,
    token: Path<String>,
    Json(body): Json<Value>,
) -> Result<HttpResponse, Problem> {
    let (email, password) = (text(&body, "email"), text(&body, "password").into());
    let name = text(&body, "account_name");
    auth::set_up(&auth, &request, &token, email, password, name).await.map(welcome)
}

async fn page(request: HttpRequest) -> HttpResponse {
    match auth::page_user(&request).await {
        Ok(user) => {
            let shown = json!({"email": user.email.as_str()});
            HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(shown)
        }
        Err(answer) => answer,
    }
}

/// A session: the value of its cookie.
#[derive(Clone)]
pub struct Session(pub String);

impl Session {
    /// From the answer that began it.
    #[track_caller]
    pub fn of(reply: &Reply) -> Self {
        let cookie = reply.header("set-cookie").expect("a cookie is set");
        let value = cookie.strip_prefix(SESSION).unwrap().split(';').next().unwrap();
        assert_eq!(value.len(), 64);
        Self(value.to_owned())
    }

    /// What is stored of it.
    pub fn hash(&self) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(&self.0).into()
    }

    /// A request with this session, from a page of ours.
    pub fn request(&self, app: &TestApp, method: &str, path: &str) -> RequestBuilder {
        self.request_from_elsewhere(app, method, path).header("origin", PUBLIC_URL)
    }

    /// A request with this session that does not say where it is from.
    pub fn request_from_elsewhere(
        &self,
        app: &TestApp,
        method: &str,
        path: &str,
    ) -> RequestBuilder {
        app.anonymous(method, path).header("cookie", format!("a=b; {SESSION}{}", self.0))
    }

    pub async fn get(&self, app: &TestApp, path: &str) -> Reply {
        Reply::to(self.request(app, "GET", path)).await
    }

    pub async fn post(&self, app: &TestApp, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(app, "POST", path).json(body)).await
    }

    pub async fn patch(&self, app: &TestApp, path: &str, body: &Value) -> Reply {
        Reply::to(self.request(app, "PATCH", path).json(body)).await
    }

    pub async fn delete(&self, app: &TestApp, path: &str) -> Reply {
        Reply::to(self.request(app, "DELETE", path)).await
    }

    /// Whether it still lets in.
    pub async fn lives(&self, app: &TestApp) -> bool {
        let reply = self.get(app, "/api/me").await;
        if reply.json()["code"] == "unauthorized" {
            reply.refused(401, "unauthorized");
            return false;
        }
        reply.status(200);
        true
    }
}

impl TestApp {
    /// A new user of an account: its id.
    pub async fn user(&self, account: &str, email: &str, role: &str) -> String {
        let user =
            json!({"account_id": account, "email": email, "password": PASSWORD, "role": role});
        self.post("/api/users", &user).await.created_id()
    }

    /// A new operator without an account: its id.
    pub async fn operator(&self, email: &str) -> String {
        let user = json!({"email": email, "password": PASSWORD, "is_operator": true});
        self.post("/api/users", &user).await.created_id()
    }

    /// An attempt to sign in, from a page of ours.
    pub async fn try_sign_in(&self, email: &str, password: &str) -> Reply {
        let body = json!({"email": email, "password": password});
        Reply::to(self.anonymous("POST", "/sign-in").header("origin", PUBLIC_URL).json(&body)).await
    }

    pub async fn sign_in(&self, email: &str) -> Session {
        Session::of(&self.try_sign_in(email, PASSWORD).await.status(200))
    }
}

/// Makes a test of a walk two: one on each database.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        mod $name {
            #[actix_web::test]
            async fn sqlite() {
                super::$name(crate::admin::app::TestApp::start().await).await;
            }

            #[actix_web::test]
            async fn postgres() {
                let url =
                    actix_web::web::block(crate::support::postgres::fresh_database).await.unwrap();
                let (dir, token) = (tempfile::tempdir().unwrap(), Some(crate::admin::app::TOKEN));
                super::$name(crate::admin::app::TestApp::on(dir, url, token, "").await).await;
            }
        }
    )*};
}
pub(crate) use on_both;
