//! A key that somebody pastes into the wrong address comes back in nothing: every route, every method,
//! every place in a request, signed in and not.

use reqwest::{Client, Method, redirect::Policy};
use upvoot::key::PlainKey;

use crate::{
    pages::browser::{Browser, PASSWORD, user},
    support::Server,
};

/// The patterns of all routes.
async fn patterns(server: &Server) -> Vec<String> {
    let pages = std::fs::read_to_string("src/dashboard/pages/mod.rs").unwrap();
    let pages = pages
        .lines()
        .filter(|line| line.contains(".service(at(") || line.contains("app.service(at("));
    let mut patterns: Vec<String> =
        pages.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect();
    assert!(patterns.len() > 20, "{patterns:?}");
    let api = server.get("/api/openapi.json").await.body;
    patterns.extend(api["paths"].as_object().unwrap().keys().cloned());
    let others = [
        "/voice/{key}",
        "/voice/{key}/{key}",
        "/try/{ticket}",
        "/events",
        "/api/docs/{file}",
        "/{a}",
        "/{a}/{b}",
        "/api/{a}",
    ];
    patterns.extend(others.map(str::to_owned));
    patterns
}

/// The pattern with this in all its places.
fn filled(pattern: &str, with: &str) -> String {
    let mut path = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        path.push_str(with);
        rest = after.split_once('}').unwrap().1;
    }
    path + rest
}

#[actix_web::test]
async fn nothing_of_a_key_in_a_request_comes_back() {
    let server = Server::sqlite().await;
    let (account, _, _) = server.ready().await;
    user(&server, &account, "ann@example.com", "owner").await;
    let setup = server.setup_path();
    let ann = Browser::signed_in(&server, "ann@example.com").await;
    let key = PlainKey::generate().unwrap();
    let key = key.expose();
    let digits = key["sk_live_".len()..].to_owned();
    let escaped: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let pieces =
        [&digits[..16], &digits[24..40], &digits[40..56], &escaped[..48], &escaped[96..144]];
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let looked_at = async |what: String, answer: reqwest::Response| {
        assert!(answer.status().as_u16() < 500, "{what}");
        let headers = format!("{:?}", answer.headers());
        let said = format!(
            "{headers}
{}",
            answer.text().await.unwrap()
        )
        .to_lowercase();
        for piece in pieces {
            assert!(!said.contains(&piece.to_lowercase()), "{what} says {piece}: {said}");
        }
    };
    let names = [
        "next", "after", "account", "agent_id", "key_id", "live", "cursor", "limit", "state",
        "code", "error", "call", key,
    ];
    for pattern in patterns(&server).await {
        for written in [key, &escaped, &key.to_uppercase()] {
            let pairs: Vec<String> =
                names.iter().map(|name| format!("{name}=/calls/{written}")).collect();
            let (path, pairs) = (filled(&pattern, written), pairs.join("&"));
            for (method, target) in [
                ("GET", path.clone()),
                ("GET", format!("{path}?{pairs}")),
                ("HEAD", path.clone()),
                ("POST", path.clone()),
                ("PUT", format!("{path}?{pairs}")),
            ] {
                // Streams go on until their listener goes.
                let signed_in =
                    pattern != "/events" && !pattern.contains("sign-out") && pattern != "/logout";
                for cookie in
                    [Some(""), signed_in.then_some(ann.cookie.as_str())].into_iter().flatten()
                {
                    let what = format!("{method} {target} ({cookie})");
                    let asking = client
                        .request(
                            Method::from_bytes(method.as_bytes()).unwrap(),
                            format!("{}{target}", server.base),
                        )
                        .header("cookie", cookie)
                        .header("sec-fetch-site", "same-origin")
                        .header("accept", "text/html")
                        .header("referer", format!("{}{target}", server.base));
                    looked_at(what, asking.send().await.unwrap()).await;
                }
            }
        }
    }

    // Forms, whose fields come back so that they need not be written again.
    let mut nobody = Browser::new(&server);
    for (path, fields) in [
        ("/login", vec![("email", key), ("password", key), ("next", key)]),
        (
            "/login",
            vec![("email", "a@example.com"), ("password", key), ("next", &format!("/{key}"))],
        ),
        (&setup, vec![("email", key), ("password", PASSWORD), ("account_name", "A")]),
        (&setup, vec![("email", "a@example.com"), ("password", PASSWORD), ("account_name", key)]),
    ] {
        let page = nobody.form(path, &fields).await;
        let said = format!("{:?}\n{}", page.headers, page.text);
        assert!((400..500).contains(&page.status), "{path}: {said}");
        assert!(!pieces.iter().any(|piece| said.contains(*piece)), "{path}: {said}");
    }
    // What leads on after signing in leads somewhere all the same.
    let page = Browser::new(&server).get(&format!("/calls/{key}")).await;
    page.leads_to("/login");
    server.stop().await;
}
