//! Who sees which page: every page against every role, and what stands on them.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    pages::browser::{Browser, PASSWORD, user},
    support::Server,
};

/// What a page answers to a viewer, a member, an owner, another account's owner and an operator who
/// are signed in. Whoever is not is led to `/login`.
const PAGES: [(&str, [u16; 5]); 16] = [
    ("/", [200; 5]),
    ("/agents", [200; 5]),
    ("/agents/{id}", [200, 200, 200, 404, 200]),
    ("/agents/{id}/try", [403, 200, 200, 404, 200]),
    ("/agents/{id}/keys/{key}/rotate", [403, 403, 200, 404, 200]),
    ("/calls", [200; 5]),
    ("/calls/{id}", [404; 5]),
    ("/points", [200; 5]),
    ("/audit", [200; 5]),
    ("/help/{page}", [200; 5]),
    ("/accounts", [403, 403, 403, 403, 200]),
    ("/accounts/{id}", [403, 403, 403, 403, 200]),
    ("/users", [403, 403, 200, 200, 200]),
    ("/users/{id}", [403, 403, 404, 404, 404]),
    ("/account", [200; 5]),
    ("/assets/{name}", [404; 5]),
];

/// Pages for whoever is not signed in, tried in `forms` and `single_sign_on`.
const OPEN: [&str; 4] = ["/login", "/login/oidc", "/login/oidc/callback", "/setup/{token}"];

struct World {
    server: Server,
    account: String,
    agent: String,
    key: crate::support::NewKey,
}

async fn world() -> World {
    let server = Server::sqlite().await;
    let (account, agent, key) = server.ready().await;
    let other = server.account(0.0).await;
    for (email, role) in [("viewer", "viewer"), ("member", "member"), ("owner", "owner")] {
        user(&server, &account, &format!("{email}@example.com"), role).await;
    }
    user(&server, &other, "stranger@example.com", "owner").await;
    let mut operator = Browser::new(&server);
    let path = server.setup_path();
    let given =
        [("email", "operator@example.com"), ("password", PASSWORD), ("account_name", "Operators")];
    operator.form(&path, &given).await.leads_to("/");
    World { server, account, agent, key }
}

#[actix_web::test]
async fn every_page_is_for_those_it_is_for() {
    let source = std::fs::read_to_string("src/dashboard/pages/mod.rs").unwrap();
    let mounted: BTreeSet<&str> = source
        .lines()
        .filter(|line| {
            line.contains("(at(\"") && (line.contains(".get(") || line.contains(".visit("))
        })
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let known: BTreeSet<&str> = PAGES.iter().map(|(path, _)| *path).chain(OPEN).collect();
    assert_eq!(mounted, known, "every page has a row");

    let World { server, account, agent, key } = world().await;
    let mut browsers = Vec::new();
    for who in ["viewer", "member", "owner", "stranger", "operator"] {
        browsers.push((who, Browser::signed_in(&server, &format!("{who}@example.com")).await));
    }
    let nobody = Browser::new(&server);
    for (pattern, statuses) in PAGES {
        let id = match pattern.split('/').nth(1) {
            Some("agents") => agent.as_str(),
            Some("accounts") => &account,
            _ => "call_1",
        };
        let path =
            pattern.replace("{id}", id).replace("{key}", &key.id).replace("{page}", "twilio");
        if !pattern.starts_with("/assets") {
            let page = nobody.get(&path).await;
            assert_eq!(page.status, 303, "{pattern}");
            assert!(page.header("location").starts_with("/login"), "{pattern}");
        }
        for ((who, browser), status) in browsers.iter().zip(statuses) {
            let page = browser.get(&path).await;
            assert_eq!(page.status, status, "{pattern} for {who}");
            if pattern.starts_with("/assets") {
                continue;
            }
            assert_eq!(page.header("cache-control"), "no-store", "{pattern} for {who}");
            assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
            assert!(!page.text.contains(&key.key), "{pattern} for {who}");
        }
    }
    server.stop().await;
}

#[actix_web::test]
async fn a_page_shows_its_own_accounts_things_and_the_buttons_of_the_role() {
    let World { server, account, agent, key } = world().await;
    let name =
        json!({"account_id": account, "name": "<script>alert(1)</script>", "engine": "echo"});
    assert_eq!(server.post("/api/agents", name).await.status, 201);
    let owner = Browser::signed_in(&server, "owner@example.com").await;
    let agents = owner.get("/agents").await.ok();
    assert!(agents.contains(&agent) && agents.contains("New agent"));
    assert!(!agents.contains("<script>alert") && agents.contains("&lt;script&gt;alert"));
    let own = owner.get(&format!("/agents/{agent}")).await.ok();
    assert!(own.contains("New key") && own.contains("Revoke") && own.contains(&key.id));

    let member = Browser::signed_in(&server, "member@example.com").await;
    let own = member.get(&format!("/agents/{agent}")).await.ok();
    assert!(own.contains("Save") && !own.contains("New key") && !own.contains(&key.id));

    let viewer = Browser::signed_in(&server, "viewer@example.com").await;
    let own = viewer.get(&format!("/agents/{agent}")).await.ok();
    assert!(!own.contains(">Save<") && !own.contains("New key") && !own.contains("/try\""));
    assert!(!viewer.get("/agents").await.ok().contains("/try\""), "it leads to nothing");
    assert!(!viewer.get("/agents").await.ok().contains("New agent"));

    let stranger = Browser::signed_in(&server, "stranger@example.com").await;
    assert!(!stranger.get("/agents").await.ok().contains(&agent));
    let filtered = stranger.get(&format!("/calls?agent_id={agent}&live=nonsense&after=x")).await;
    assert!(!filtered.ok().contains("Echo"));
    server.stop().await;
}

#[actix_web::test]
async fn an_operator_looks_at_one_account_at_a_time() {
    let World { server, account, agent, .. } = world().await;
    let mut operator = Browser::signed_in(&server, "operator@example.com").await;
    assert!(!operator.get("/agents").await.ok().contains(&agent));
    let session = operator.cookie.clone();
    let looks = operator.form("/look", &[("account", &account)]).await;
    looks.leads_to(&format!("/?account={account}"));
    operator.cookie = format!("{session}; {}", operator.cookie);
    assert!(operator.get("/agents").await.ok().contains(&agent));

    let mut stranger = Browser::signed_in(&server, "stranger@example.com").await;
    assert_eq!(stranger.form("/look", &[("account", &account)]).await.status, 404);
    stranger.cookie = format!("{}; upvoot_account={account}", stranger.cookie);
    assert!(!stranger.get("/agents").await.ok().contains(&agent), "the cookie proves nothing");
    server.stop().await;
}

#[actix_web::test]
async fn a_page_is_the_account_of_its_address_and_says_so() {
    let World { server, account, agent, key } = world().await;
    let poor = server.account(1.0).await;
    let mut operator = Browser::signed_in(&server, "operator@example.com").await;
    let session = operator.cookie.clone();
    operator.form("/look", &[("account", &poor)]).await;
    operator.cookie = format!("{session}; {}", operator.cookie);
    let says = |account: &str| format!("data-account=\"{account}\"");
    // The address goes before what was chosen last, in another tab; the links stay in it.
    let rich = operator.get(&format!("/points?account={account}")).await.ok();
    assert!(rich.contains(&says(&account)) && rich.contains(">10<"), "{rich}");
    assert!(rich.contains(&format!("data-api=\"/api/accounts/{account}/topups\"")));
    assert!(rich.contains(&format!("href=\"/agents?account={account}\"")));
    let bare = operator.get("/points").await.ok();
    assert!(bare.contains(&says(&poor)) && bare.contains(">1<"));
    let agents = operator.get(&format!("/agents?account={account}&after=x")).await.ok();
    assert!(agents.contains(&format!("name=\"account_id\" value=\"{account}\"")));
    // A page about one thing is that thing's account, whatever the address says.
    for path in [format!("/agents/{agent}"), format!("/agents/{agent}/keys/{}/rotate", key.id)] {
        for query in [String::new(), format!("?account={poor}")] {
            let page = operator.get(&format!("{path}{query}")).await.ok();
            assert!(
                page.contains(&says(&account)) && !page.contains(&says(&poor)),
                "{path}{query}"
            );
        }
    }
    let nowhere = account.replace(|c: char| c.is_ascii_digit(), "0");
    for wrong in [nowhere.as_str(), "x", &agent] {
        let page = operator.get(&format!("/points?account={wrong}")).await;
        assert_eq!(page.status, 404, "{wrong}");
    }

    let owner = Browser::signed_in(&server, "owner@example.com").await;
    assert!(owner.get(&format!("/points?account={account}")).await.ok().contains(&says(&account)));
    assert_eq!(owner.get(&format!("/points?account={poor}")).await.status, 404);
    server.stop().await;
}

#[actix_web::test]
async fn among_many_accounts_the_frame_names_the_one_that_is_shown() {
    let World { server, account, .. } = world().await;
    let renamed = json!({"name": "Oldest of all"});
    let path = format!("/api/accounts/{account}");
    assert_eq!(server.request("PATCH", &path, Some(renamed), &[]).await.status, 200);
    let operator = Browser::signed_in(&server, "operator@example.com").await;
    let points = format!("/points?account={account}");
    let page = operator.get(&points).await.ok();
    assert!(page.contains(&format!("<option value=\"{account}\" selected>Oldest of all</option>")));
    for _ in 0..200 {
        server.account(0.0).await;
    }
    let page = operator.get(&points).await.ok();
    assert!(page.contains("title=\"Oldest of all\"") && page.contains("Account: Oldest of all"));
    assert!(!page.contains("<option"), "no choice that names another one");
    assert!(page.contains(&format!("href=\"/accounts?account={account}\"")));
    server.stop().await;
}

#[actix_web::test]
async fn a_rotation_stands_where_the_database_says() {
    let World { server, agent, key, .. } = world().await;
    let owner = Browser::signed_in(&server, "owner@example.com").await;
    let path = format!("/agents/{agent}/keys/{}/rotate", key.id);
    assert!(owner.get(&path).await.ok().contains("data-opens=\"new-key\""));

    let new = json!({"agent_id": agent, "replaces": key.id});
    let new = server.post("/api/keys", new).await;
    assert_eq!(new.status, 201, "{}", new.body);
    let id = new.body["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/keys/{id}")).await.body["replaces"], *key.id);
    assert!(owner.get(&path).await.ok().contains("No call with the new key yet"));
    assert!(owner.get(&format!("/agents/{agent}")).await.ok().contains("Continue rotation"));

    assert_eq!(server.post(&format!("/api/keys/{}/revoke", key.id), json!({})).await.status, 200);
    assert!(owner.get(&path).await.ok().contains("The rotation is complete"));

    // Only an active key of the same agent can be taken over from.
    for wrong in [key.id.as_str(), "key_1", &key.id.replace('0', "1")] {
        let answer = server.post("/api/keys", json!({"agent_id": agent, "replaces": wrong})).await;
        assert_eq!((answer.status, answer.body["field"].as_str()), (422, Some("replaces")));
    }
    server.stop().await;
}
