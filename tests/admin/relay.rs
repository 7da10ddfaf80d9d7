//! Bots behind agents, pinned dialects and signatures: refused, made, changed, and who is trusted.

use serde_json::{Value, json};
use upvoot::store::calls::{self, Recognition};

use crate::admin::app::{Reply, TestApp, string};

const URL: &str = "wss://bot.example.com/calls?tenant=7";

fn new(account: &str, relay: Value) -> Value {
    json!({"account_id": account, "name": "Bot", "engine": "relay", "relay": relay})
}

/// Bad values of what stands in the objects of an agent.
fn bad_values() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    let key = format!("sk_live_{}", "ab".repeat(32));
    let timeouts = || {
        let numbers = [json!(99), json!(10_001), json!(0), json!(-1), json!(1.5), json!(i64::MAX)];
        [&numbers[..], &[json!(null), json!("3000"), json!([3000])]].concat()
    };
    let secrets = vec![
        json!(""),
        json!("BOT"),
        json!("UPVOOT_ADMIN_TOKEN"),
        json!("UPVOOT_SECRET_"),
        json!("UPVOOT_SECRET_bot"),
        json!("UPVOOT_SECRET_A B"),
        json!(format!("UPVOOT_SECRET_{}", "A".repeat(100))),
        json!(key),
        json!(1),
    ];
    vec![
        (
            "relay",
            "url",
            vec![
                json!(null),
                json!(7),
                json!(""),
                json!("bot.example.com"),
                json!("https://bot.example.com/"),
                json!("ws://bot.example.com/"),
                json!("ws://10.0.0.1/"),
                json!("ws://169.254.169.254/"),
                json!("wss://me:word@bot.example.com/"),
                json!("wss://me@bot.example.com/"),
                json!("wss://bot.example.com/#part"),
                json!("wss://bot.example.com/a b"),
                json!(format!("wss://bot.example.com/{}", "a".repeat(2_048))),
                json!(format!("wss://bot.example.com/voice/{key}")),
            ],
        ),
        ("relay", "secret", secrets.clone()),
        ("relay", "connect_timeout_ms", timeouts()),
        ("relay", "first_byte_timeout_ms", timeouts()),
        (
            "relay",
            "unreachable_phrase",
            vec![json!(null), json!(""), json!("a\u{0}"), json!("é".repeat(1_001)), json!(key)],
        ),
        ("relay", "trusted", vec![json!(true), json!(false)]),
        ("relay", "bogus", vec![json!(1)]),
        ("signature", "provider", vec![json!(null), json!("vonage"), json!("Twilio"), json!(1)]),
        ("signature", "secret", [secrets, vec![json!(null)]].concat()),
        ("signature", "bogus", vec![json!(1)]),
    ]
}

#[actix_web::test]
async fn a_fault_in_an_object_is_told_by_the_object_and_the_field() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let agent = app.post("/api/agents", &new(&account, json!({"url": URL}))).await.created_id();
    let path = format!("/api/agents/{agent}");
    let before = app.get(&path).await.json();
    let good = json!({
        "relay": {"url": URL},
        "signature": {"provider": "plivo", "secret": "UPVOOT_SECRET_PLIVO"},
    });
    for (object, field, values) in bad_values() {
        for value in values {
            let mut inner = good[object].clone();
            inner[field] = value.clone();
            let mut body = new(&account, json!({"url": URL}));
            body[object] = inner.clone();
            let named = format!("{object}.{field}");
            let reply = app.post("/api/agents", &body).await.refused_field(&named);
            assert!(!reply.text().contains("sk_live_") && !reply.text().contains("bot.example"));
            app.patch(&path, &json!({object: inner})).await.refused_field(&named);
        }
    }
    for (object, field) in [("relay", "url"), ("signature", "provider"), ("signature", "secret")] {
        let mut inner = good[object].clone();
        inner.as_object_mut().unwrap().remove(field);
        app.patch(&path, &json!({object: inner})).await.refused_field(&format!("{object}.{field}"));
    }
    for no_object in [json!(7), json!(true), json!(URL), json!([URL]), json!([])] {
        app.patch(&path, &json!({"relay": no_object})).await.refused_field("relay");
        app.patch(&path, &json!({"signature": no_object})).await.refused_field("signature");
    }
    for bad in [json!("Twilio"), json!(""), json!(1), json!(["twilio"])] {
        app.patch(&path, &json!({"dialect": bad})).await.refused_field("dialect");
    }
    assert_eq!(app.get(&path).await.json(), before, "refusing has changed nothing");
}

#[actix_web::test]
async fn a_relay_needs_a_bot_as_long_as_it_is_one() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.post("/api/agents", &new(&account, json!(null))).await.refused_field("relay");
    let bare = json!({"account_id": account, "name": "Bot", "engine": "relay"});
    app.post("/api/agents", &bare).await.refused_field("relay");
    let echo = app.agent(&account).await;
    let path = format!("/api/agents/{echo}");
    app.patch(&path, &json!({"engine": "relay"})).await.refused_field("relay");

    // A bot can be named before it is needed, and stays named after.
    app.patch(&path, &json!({"relay": {"url": URL}})).await.status(200);
    app.patch(&path, &json!({"engine": "relay"})).await.status(200);
    app.patch(&path, &json!({"relay": null})).await.refused_field("relay");
    app.patch(&path, &json!({"engine": "echo"})).await.status(200);
    let shown = app.patch(&path, &json!({"relay": null})).await.status(200).json();
    assert_eq!((&shown["engine"], &shown["relay"]), (&json!("echo"), &json!(null)));
    let both = json!({"engine": "relay", "relay": {"url": "ws://localhost:9000"}});
    let shown = app.patch(&path, &both).await.status(200).json();
    assert_eq!(shown["relay"]["url"], "ws://localhost:9000");
    assert_eq!(app.get(&path).await.json(), shown);
}

#[actix_web::test]
async fn an_object_is_replaced_as_a_whole() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let all = json!({
        "url": URL, "secret": "UPVOOT_SECRET_BOT", "connect_timeout_ms": 100,
        "first_byte_timeout_ms": 10_000, "unreachable_phrase": "Sorry.\nLater.",
    });
    let mut body = new(&account, all.clone());
    body["dialect"] = json!("asterisk");
    body["signature"] = json!({"provider": "twilio", "secret": "UPVOOT_SECRET_TWILIO"});
    let agent = app.post("/api/agents", &body).await.status(201).json();
    let mut expected = all;
    expected["trusted"] = json!(true);
    assert_eq!(agent["relay"], expected);
    assert_eq!((&agent["dialect"], &agent["signature"]), (&body["dialect"], &body["signature"]));
    assert_eq!(agent["greeting"], "", "the bot greets");
    let path = format!("/api/agents/{}", string(&agent["id"]));
    assert_eq!(app.get(&path).await.json(), agent);

    let shown = app.patch(&path, &json!({"relay": {"url": URL}})).await.status(200).json();
    let defaults = json!({
        "url": URL, "secret": null, "connect_timeout_ms": 3_000, "first_byte_timeout_ms": 5_000,
        "unreachable_phrase": "Sorry, I cannot be reached right now. Please call again later.",
        "trusted": true,
    });
    assert_eq!(shown["relay"], defaults);
    let shown = app.patch(&path, &json!({"name": "B"})).await.status(200).json();
    assert_eq!(shown["relay"], defaults, "what is absent stays");
    assert_eq!(shown["signature"], body["signature"]);
    let cleared = json!({"dialect": null, "signature": null});
    let shown = app.patch(&path, &cleared).await.status(200).json();
    assert_eq!((&shown["dialect"], &shown["signature"]), (&json!(null), &json!(null)));
    let rows = app.audit().await;
    let updates = rows.iter().filter(|row| row.starts_with("agent.update")).count();
    assert_eq!(updates, 3, "{rows:?}");
    app.patch(&path, &json!({"relay": {"url": URL}, "signature": null})).await.status(200);
    assert_eq!(app.audit().await, rows, "what changes nothing is no change");
}

#[actix_web::test]
async fn a_bot_may_greet_and_an_echo_has_to() {
    let app = TestApp::start().await;
    let account = app.account().await;
    for (given, shown) in [(json!(null), ""), (json!(""), ""), (json!(" Hi. "), "Hi.")] {
        let mut body = new(&account, json!({"url": URL}));
        body["greeting"] = given;
        let agent = app.post("/api/agents", &body).await.status(201).json();
        assert_eq!(agent["greeting"], shown);
    }
    let mut body = new(&account, json!({"url": URL}));
    body["greeting"] = json!("é".repeat(1_001));
    app.post("/api/agents", &body).await.refused_field("greeting");

    let agent = app.post("/api/agents", &new(&account, json!({"url": URL}))).await.created_id();
    let path = format!("/api/agents/{agent}");
    let wish = |greeting: Value| json!({"engine": "echo", "greeting": greeting});
    app.patch(&path, &wish(json!(""))).await.refused_field("greeting");
    app.patch(&path, &wish(json!(null))).await.refused_field("greeting");
    let echo = app.patch(&path, &json!({"engine": "echo"})).await.status(200).json();
    assert_eq!(echo["greeting"], "Hello. You are connected.", "an echo greets");
    app.patch(&path, &json!({"greeting": null})).await.refused_field("greeting");
    let relay = app.patch(&path, &json!({"engine": "relay"})).await.status(200).json();
    assert_eq!(relay["greeting"], "Hello. You are connected.", "what is absent stays");
    let quiet = app.patch(&path, &json!({"greeting": null})).await.status(200).json();
    assert_eq!(quiet["greeting"], "");
}

#[actix_web::test]
async fn who_may_not_change_an_agent_reads_no_value_of_its_bots_query() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    app.user(&account, "vic@example.com", "viewer").await;
    let (ada, vic) = (app.sign_in("ada@example.com").await, app.sign_in("vic@example.com").await);
    let (url, masked) = ("wss://b.example/a?token=s3cret&n", "wss://b.example/a?token=***&***");
    let made = ada.post(&app, "/api/agents", &new(&account, json!({"url": url}))).await;
    let made = made.status(201).json();
    assert_eq!(made["relay"]["url"], url, "who sets it sees it");
    let path = format!("/api/agents/{}", string(&made["id"]));
    assert_eq!(vic.get(&app, &path).await.json()["relay"]["url"], masked);
    let listed = vic.get(&app, "/api/agents").await.json();
    assert_eq!(listed["items"][0]["relay"]["url"], masked);
    assert_eq!(ada.get(&app, &path).await.json()["relay"]["url"], url);

    // What a viewer was shown comes back from an owner: it means the address that is there.
    let same = json!({"relay": {"url": masked, "connect_timeout_ms": 500}});
    let kept = ada.patch(&app, &path, &same).await.status(200).json();
    assert_eq!(
        (&kept["relay"]["url"], &kept["relay"]["connect_timeout_ms"]),
        (&json!(url), &json!(500))
    );
    let other = json!({"relay": {"url": "wss://b.example/b?token=***"}});
    let changed = ada.patch(&app, &path, &other).await.status(200).json();
    assert_eq!(
        changed["relay"]["url"], "wss://b.example/b?token=***",
        "another one is as it is sent"
    );
}

#[actix_web::test]
async fn a_phrase_that_only_repeats_is_refused() {
    let app = TestApp::start().await;
    let account = app.account().await;
    let mad = "㍻".repeat(990);
    for field in ["greeting", "closing_phrase"] {
        let mut body = new(&account, json!({"url": URL}));
        body[field] = json!(mad);
        app.post("/api/agents", &body).await.refused_field(field);
    }
    let relay = json!({"url": URL, "unreachable_phrase": mad});
    app.post("/api/agents", &new(&account, relay)).await.refused_field("relay.unreachable_phrase");
}

#[actix_web::test]
async fn only_an_address_that_the_operator_set_is_trusted() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    app.operator("root@example.com").await;
    let ada = app.sign_in("ada@example.com").await;
    let root = app.sign_in("root@example.com").await;
    let trusted = |reply: Reply| reply.status(200).json()["relay"]["trusted"].clone();

    let made = ada.post(&app, "/api/agents", &new(&account, json!({"url": URL}))).await;
    let made = made.status(201).json();
    assert_eq!(made["relay"]["trusted"], false, "an owner is no operator");
    let path = format!("/api/agents/{}", string(&made["id"]));
    let relay = |url: &str, ms: i64| json!({"relay": {"url": url, "connect_timeout_ms": ms}});

    // Whatever else the operator changes, it is not theirs.
    assert_eq!(trusted(app.patch(&path, &json!({"name": "B"})).await), false);
    assert_eq!(trusted(root.patch(&app, &path, &json!({"max_turns": 3})).await), false);
    // Set by the operator, by token or as a person, it is.
    assert_eq!(trusted(app.patch(&path, &relay("wss://10.0.0.1/", 500)).await), true);
    // It stays while others change what is not the address.
    assert_eq!(trusted(ada.patch(&app, &path, &json!({"name": "C"})).await), true);
    assert_eq!(trusted(ada.patch(&app, &path, &relay("wss://10.0.0.1/", 600)).await), true);
    // Any other address is theirs, and so is the first one when they come back to it.
    assert_eq!(trusted(ada.patch(&app, &path, &relay("wss://10.0.0.2/", 600)).await), false);
    assert_eq!(trusted(ada.patch(&app, &path, &relay("wss://10.0.0.1/", 600)).await), false);
    assert_eq!(trusted(root.patch(&app, &path, &relay("wss://10.0.0.1/", 600)).await), true);
    // Also when it was gone meanwhile.
    let without = json!({"engine": "echo", "relay": null});
    ada.patch(&app, &path, &without).await.status(200);
    assert_eq!(trusted(ada.patch(&app, &path, &relay("wss://10.0.0.1/", 600)).await), false);
    assert_eq!(trusted(app.get(&path).await), false);
}

#[actix_web::test]
async fn only_the_operator_says_which_secret_goes_where() {
    let app = TestApp::start().await;
    let account = app.account().await;
    app.user(&account, "ada@example.com", "owner").await;
    let ada = app.sign_in("ada@example.com").await;
    let relay = |url: &str, secret: Value| json!({"url": url, "secret": secret});
    let signed = |provider: &str, secret: &str| json!({"provider": provider, "secret": secret});
    let (other, bot) = (json!("UPVOOT_SECRET_OTHER"), json!("UPVOOT_SECRET_BOT"));
    let is_told = |reply: Reply, field: &str| {
        let reply = reply.refused_field(field);
        let detail = string(&reply.json()["detail"]);
        assert!(detail.contains("is set by the server's operator"), "{detail}");
        assert!(!detail.contains("UPVOOT_SECRET_"), "{detail}");
    };

    // Nobody makes an agent with a secret of the server's.
    let made = ada.post(&app, "/api/agents", &new(&account, relay(URL, other.clone()))).await;
    is_told(made, "relay.secret");
    let mut body = new(&account, relay(URL, json!(null)));
    body["signature"] = signed("twilio", "UPVOOT_SECRET_OTHER");
    is_told(ada.post(&app, "/api/agents", &body).await, "signature.secret");
    body["signature"] = json!(null);
    let made = ada.post(&app, "/api/agents", &body).await.status(201).json();
    let path = format!("/api/agents/{}", string(&made["id"]));

    // Nor sets one later, nor changes what the operator has set, nor takes it to another address.
    let elsewhere = "wss://bot.example.com/elsewhere";
    let with = |relay: Value| json!({ "relay": relay });
    is_told(ada.patch(&app, &path, &with(relay(URL, bot.clone()))).await, "relay.secret");
    let by_twilio = json!({"signature": signed("twilio", "UPVOOT_SECRET_TWILIO")});
    is_told(ada.patch(&app, &path, &by_twilio).await, "signature.secret");
    app.patch(&path, &with(relay(URL, bot.clone()))).await.status(200);
    app.patch(&path, &by_twilio).await.status(200);
    let before = app.get(&path).await.json();
    let by_other = json!({"signature": signed("twilio", "UPVOOT_SECRET_OTHER")});
    for (change, field) in [
        (with(relay(URL, other)), "relay.secret"),
        (with(relay(elsewhere, bot.clone())), "relay.secret"),
        (by_other, "signature.secret"),
    ] {
        is_told(ada.patch(&app, &path, &change).await, field);
    }
    assert_eq!(app.get(&path).await.json(), before, "refusing has changed nothing");

    // What is sent as it was stays, whatever else changes.
    let mut slower = relay(URL, bot.clone());
    slower["connect_timeout_ms"] = json!(900);
    let kept = json!({"relay": slower, "signature": signed("twilio", "UPVOOT_SECRET_TWILIO")});
    let shown = ada.patch(&app, &path, &kept).await.status(200).json();
    assert_eq!((&shown["relay"]["secret"], &shown["relay"]["trusted"]), (&bot, &json!(true)));
    // Another address is a bot without a secret, and its old address does not bring it back.
    for gone in [relay(elsewhere, json!(null)), json!({"url": elsewhere})] {
        let shown = ada.patch(&app, &path, &with(gone)).await.status(200).json();
        assert_eq!(shown["relay"]["secret"], json!(null));
        is_told(ada.patch(&app, &path, &with(relay(URL, bot.clone()))).await, "relay.secret");
    }
    // And who has dropped the signature cannot name its secret again.
    ada.patch(&app, &path, &json!({"signature": null})).await.status(200);
    is_told(ada.patch(&app, &path, &by_twilio).await, "signature.secret");
    let shown = app.patch(&path, &with(relay(elsewhere, bot.clone()))).await.status(200).json();
    assert_eq!(shown["relay"]["secret"], bot, "the operator takes it anywhere");
}

#[actix_web::test]
async fn a_call_shows_what_its_provider_told() {
    let app = TestApp::start().await;
    let (key, _) = app.key(&app.agent(&app.account().await).await).await;
    let call = app.open_call(&key).await;
    let path = format!("/api/calls/{call}");
    let shown = app.get(&path).await.status(200).json();
    assert_eq!(shown["provider_call_id"], json!(null));
    assert_eq!(shown["custom_parameters"], json!(null));
    let secret = format!("sk_live_{}", "cd".repeat(32));
    let seen = Recognition {
        dialect: "twilio".to_owned(),
        from: Some("+441".to_owned()),
        to: Some("+442".to_owned()),
        provider_call_id: Some("CA1".to_owned()),
        custom_parameters: [("tenant", "7"), ("note", &secret)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        talk_started_at: 1,
    };
    let id = call.parse().unwrap();
    app.store.write(move |conn| calls::recognise(conn, id, &seen)).await.unwrap();
    let mut shown = app.get(&path).await.status(200).json();
    assert_eq!(shown["dialect"], "twilio");
    assert_eq!(shown["provider_call_id"], "CA1");
    assert_eq!(shown["custom_parameters"], json!({"note": "[redacted]", "tenant": "7"}));
    // A list has all of it but what was said.
    assert_eq!(shown.as_object_mut().unwrap().remove("transcript"), Some(json!([])));
    assert_eq!(app.get("/api/calls").await.json()["items"][0], shown);
}
