//! A browser without scripts: it follows no redirection and keeps its cookies.

use crate::support::Server;
use reqwest::{Client, Method, redirect::Policy};
use serde_json::json;

pub const PASSWORD: &str = "correct horse battery";

/// A browser: it keeps its cookies in a string and says where its requests come from.
pub struct Browser {
    base: String,
    http: Client,
    pub cookie: String,
}

/// An answer, read to its end.
pub struct Page {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        self.text
    }

    /// Where a form leads to.
    #[track_caller]
    pub fn leads_to(&self, path: &str) {
        assert_eq!((self.status, self.header("location")), (303, path), "{}", self.text);
    }
}

impl Browser {
    /// Signed in as nobody.
    pub fn new(server: &Server) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { base: server.base.clone(), http, cookie: String::new() }
    }

    /// Signed in.
    pub async fn signed_in(server: &Server, email: &str) -> Self {
        let mut browser = Self::new(server);
        let page = browser.form("/login", &[("email", email), ("password", PASSWORD)]).await;
        page.leads_to("/");
        browser
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, None, "same-origin").await.0
    }

    /// Sends a form of our own page; cookies that come back are kept.
    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let (page, cookie) = self.send(Method::POST, path, Some(fields), "same-origin").await;
        if let Some(cookie) = cookie {
            self.cookie = cookie;
        }
        page
    }

    /// Sends a form of somebody else's page.
    pub async fn foreign_form(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(Method::POST, path, Some(fields), "cross-site").await.0
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        form: Option<&[(&str, &str)]>,
        site: &str,
    ) -> (Page, Option<String>) {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("sec-fetch-site", site)
            .header("cookie", &self.cookie);
        if let Some(form) = form {
            let pairs = form.iter().map(|(name, value)| {
                let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
                format!("{name}={escaped}")
            });
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(pairs.collect::<Vec<_>>().join("&"));
        }
        let answer = request.send().await.unwrap();
        let cookie = answer
            .headers()
            .get("set-cookie")
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (Page { status, headers, text: answer.text().await.unwrap() }, cookie)
    }
}

/// A user of an account.
pub async fn user(server: &Server, account: &str, email: &str, role: &str) {
    let user = json!({"account_id": account, "email": email, "password": PASSWORD, "role": role});
    let answer = server.post("/api/users", user).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}
