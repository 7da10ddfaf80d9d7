//! Screens with real data: nothing is broken, cut or too wide for three roles at three widths, and every
//! number is the API's.

use std::collections::BTreeMap;

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::browser::{
    browser::Browser,
    seeded::{NAMES, OWNER, Seeded, VIEWER},
};

/// What is wrong with the page as it is shown.
const FAULTS: &str = include_str!("faults.js");

/// The texts of what a selector finds, whether they are shown or not.
const TEXTS: &str =
    "return Array.from(document.querySelectorAll(arguments[0]), (it) => it.textContent);";

/// The rows of a table: their ids, and the texts of their cells by column.
const ROWS: &str = r#"
    return Array.from(document.querySelectorAll(arguments[0] + " tbody tr"), (row) => [row.id, Object.fromEntries(
        Array.from(row.cells, (cell) => [cell.dataset.label, cell.querySelector("time")?.dateTime ?? cell.textContent]))]);
"#;

type Rows = Vec<(String, BTreeMap<String, String>)>;

async fn texts(browser: &Browser, selector: &str) -> Vec<String> {
    let found = browser.client.execute(TEXTS, vec![json!(selector)]).await.unwrap();
    serde_json::from_value(found).unwrap()
}

async fn rows(browser: &Browser, table: &str) -> Rows {
    let found = browser.client.execute(ROWS, vec![json!(table)]).await.unwrap();
    serde_json::from_value(found).unwrap()
}

/// A number as the page writes it.
fn number(text: &str) -> f64 {
    text.trim()
        .replace(',', "")
        .replace('−', "-")
        .replace('+', "")
        .parse()
        .unwrap_or_else(|_| panic!("{text}"))
}

/// Points as the API has them, to the four decimals that are shown.
fn shown(points: &Value) -> f64 {
    format!("{:.4}", points.as_f64().unwrap()).parse().unwrap()
}

/// A length of time as the page writes it, in milliseconds: `1 h 02 min 03 s`, `4.2 s`, `640 ms`.
fn ms(text: &str) -> f64 {
    let words: Vec<&str> = text.trim().split(' ').collect();
    let value = |pair: &[&str]| {
        let unit = match pair[1] {
            "ms" => 1.0,
            "s" => 1e3,
            "min" => 60e3,
            "h" => 3_600e3,
            other => panic!("{other} in {text}"),
        };
        number(pair[0]) * unit
    };
    let sign = if text.trim().starts_with('−') { -1.0 } else { 1.0 };
    words.chunks(2).map(value).map(f64::abs).sum::<f64>() * sign
}

/// The same as lists have it, in seconds: `3:05`.
fn timer(text: &str) -> i64 {
    text.split(':').fold(0, |seconds, part| seconds * 60 + part.parse::<i64>().unwrap())
}

fn at(time: &Value) -> jiff::Timestamp {
    time.as_str().unwrap().parse().unwrap()
}

async fn looked_over(browser: &Browser, pages: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for page in pages {
        browser.visit(page).await;
        // Every part of a page is shown.
        browser
            .script(
                "for (const part of document.querySelectorAll('main details')) part.open = true;",
            )
            .await;
        for (width, height) in [(390, 844), (1280, 800), (1920, 1080)] {
            browser.size(width, height).await;
            let faults = browser.client.execute(FAULTS, vec![json!(width)]).await.unwrap();
            let faults: Vec<String> = serde_json::from_value(faults).unwrap();
            found.extend(faults.into_iter().map(|fault| format!("{page} at {width}: {fault}")));
        }
    }
    found
}

#[actix_web::test]
async fn nothing_is_broken_cut_or_too_wide_for_anybody() {
    let world = Seeded::start().await;
    let mut found = looked_over(&world.operator, &world.pages(true, true)).await;
    for (email, is_owner) in [(OWNER, true), (VIEWER, false)] {
        let browser = world.browser(email).await;
        found.extend(looked_over(&browser, &world.pages(is_owner, false)).await);
        browser.close(&[]).await;
    }
    assert!(found.is_empty(), "{} faults: {found:#?}", found.len());
    world.end().await;
}

#[actix_web::test]
async fn a_page_of_fifty_calls_is_no_longer_than_a_line_for_each() {
    let world = Seeded::start().await;
    world.operator.size(1280, 800).await;
    world.operator.visit("/calls?live=false").await;
    let heights = world.operator.script(
        "return Array.from(document.querySelectorAll('tbody tr'), (row) => row.getBoundingClientRect().height);",
    );
    let heights: Vec<f64> = serde_json::from_value(heights.await).unwrap();
    assert_eq!(heights.len(), 50);
    assert!(heights.iter().all(|height| *height < 60.0), "{heights:?}");
    world.end().await;
}

#[actix_web::test]
async fn a_long_name_is_its_own_title_and_an_id_is_copied_whole() {
    let world = Seeded::start().await;
    let browser = &world.operator;
    browser.visit("/agents").await;
    let titles = browser.script(
        "return Array.from(document.querySelectorAll('#agents a.clip'), (it) => it.title);",
    );
    let mut titles: Vec<String> = serde_json::from_value(titles.await).unwrap();
    titles.reverse();
    assert_eq!(titles, NAMES);

    let origin = json!({"origin": world.app.base, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.chromium("Browser.grantPermissions", origin).await;
    browser.visit(&format!("/calls/{}", world.call)).await;
    let end = &world.call[world.call.len() - 6..];
    browser.press(&format!("Copy {}…{end}", &world.call[..9])).await;
    crate::support::eventually(async || {
        browser.client.find(Locator::Css("#call-facts .copied")).await.ok()
    })
    .await;
    let script = "const done = arguments[0]; navigator.clipboard.readText().then(done, (e) => done(String(e)));";
    assert_eq!(browser.client.execute_async(script, Vec::new()).await.unwrap(), json!(world.call));

    // Two accounts of one name are told apart.
    let choices = texts(browser, "#look option").await;
    let of_one_name = choices.iter().filter(|name| name.starts_with("Acme (…"));
    assert_eq!(of_one_name.count(), 2, "{choices:?}");
    world.end().await;
}

#[actix_web::test]
async fn a_viewer_is_led_to_nothing_that_is_not_theirs_and_sees_that_fields_are_not() {
    let world = Seeded::start().await;
    let browser = world.browser(VIEWER).await;
    let asked = "return Array.from(document.querySelectorAll('a[href]'), (link) => link.getAttribute('href'));";
    for page in world.pages(false, false) {
        browser.visit(&page).await;
        let links: Vec<String> = serde_json::from_value(browser.script(asked).await).unwrap();
        for link in links.iter().filter(|link| link.starts_with('/')) {
            let status = "const [path, done] = arguments; fetch(path).then((answer) => done(answer.status));";
            let status = browser.client.execute_async(status, vec![json!(link)]).await.unwrap();
            assert_eq!(status, json!(200), "{page} leads to {link}");
        }
    }
    browser.visit(&format!("/agents/{}", world.agents[0])).await;
    let ground = "return getComputedStyle(document.querySelector('#name')).backgroundColor;";
    let (of_viewer, of_operator) = (browser.script(ground).await, {
        world.operator.visit(&format!("/agents/{}", world.agents[0])).await;
        world.operator.script(ground).await
    });
    assert_ne!(of_viewer, of_operator);
    assert!(!browser.client.find(Locator::Css("#name")).await.unwrap().is_enabled().await.unwrap());
    browser.close(&[]).await;
    world.end().await;
}

#[actix_web::test]
async fn every_number_of_the_calls_is_the_apis() {
    let world = Seeded::start().await;
    let calls = world.all(&format!("/api/calls?account_id={}&live=false", world.account)).await;
    assert_eq!(calls.len(), 300);
    let browser = &world.operator;
    browser.visit("/calls?live=false").await;
    let mut seen: Rows = Vec::new();
    loop {
        seen.extend(rows(browser, "#calls").await);
        if !browser.has("link", "Older").await {
            break;
        }
        let first = seen[seen.len() - 50].0.clone();
        browser.follow("Older").await;
        crate::support::eventually(async || {
            let now = rows(browser, "#calls").await;
            (now.first()?.0 != first).then_some(())
        })
        .await;
    }
    assert_eq!(seen.len(), calls.len());
    for ((id, row), call) in seen.iter().zip(&calls) {
        assert_eq!(id, call["id"].as_str().unwrap());
        for (column, field) in [("From", "from"), ("To", "to")] {
            match call[field].as_str() {
                Some(number) => assert_eq!(row[column], number),
                None if field == "from" && call["key_id"].is_null() => {
                    assert_eq!(row[column], "Browser test")
                }
                None => assert!(row[column].contains("not sent by the provider"), "{row:?}"),
            }
        }
        assert_eq!(row["Started"].parse::<jiff::Timestamp>().unwrap(), at(&call["started_at"]));
        assert_eq!(timer(&row["Billed"]), call["billed_seconds"].as_i64().unwrap(), "{row:?}");
        let lasted =
            at(&call["ended_at"]).as_millisecond() - at(&call["started_at"]).as_millisecond();
        assert_eq!(timer(&row["Duration"]), lasted / 1_000, "{row:?}");
    }
    // And back, page by page, to where it began.
    for _ in 0..5 {
        let first = rows(browser, "#calls").await[0].0.clone();
        browser.follow("Newer").await;
        crate::support::eventually(async || {
            let now = rows(browser, "#calls").await;
            (now.first()?.0 != first).then_some(())
        })
        .await;
    }
    assert_eq!(rows(browser, "#calls").await[..], seen[..50]);
    assert!(!browser.has("link", "Newer").await && browser.has("link", "Older").await);

    // One of them.
    let call = world.app.get(&format!("/api/calls/{}", world.call)).await;
    browser.visit(&format!("/calls/{}", world.call)).await;
    let facts = "return Object.fromEntries(Array.from(document.querySelectorAll('#call-facts > div'), (it) =>
        [it.children[0].textContent, it.children[1].querySelector('[title]')?.title || it.children[1].textContent]));";
    let facts: BTreeMap<String, String> =
        serde_json::from_value(browser.script(facts).await).unwrap();
    let billed = call["billed_seconds"].as_i64().unwrap();
    let lasted = at(&call["ended_at"]).as_millisecond() - at(&call["started_at"]).as_millisecond();
    assert!((ms(&facts["Duration"]) - lasted as f64).abs() <= 500.0, "{facts:?}");
    let points = format!("({} points)", (billed as f64 / 60.0 * 1e4).round() / 1e4);
    assert!(facts["Billed"].ends_with(&points), "{facts:?} {points}");
    assert_eq!(facts["Provider call ID"], call["provider_call_id"].as_str().unwrap());
    assert_eq!(facts["Call ID"], world.call);
    let lines = texts(browser, "#transcript .who").await;
    assert_eq!(lines, ["Agent, 0:00.0", "Caller, 0:14.7", "Agent, 0:15.0"]);
    // The drawing, the table and the list of events agree about who spoke when.
    let turns = rows(browser, "#turns").await;
    assert_eq!(turns[0].1["Caller spoke"], "0:03.0 to 0:06.0, while the agent spoke");
    assert_eq!(turns[1].1["Caller spoke"], "0:11.6 to 0:14.0");
    assert_eq!((&*turns[1].1["Response time"], turns.len()), ("1.3 s", 2));
    let events = texts(browser, "#timeline ol.line li").await;
    assert!(events.contains(&"0:11.6Caller speaks".to_owned()), "{events:?}");
    assert!(!events.iter().any(|event| event.contains("14.7")), "{events:?}");
    world.end().await;
}

#[actix_web::test]
async fn every_number_of_the_points_is_the_apis_and_the_eye_can_add_them_up() {
    let world = Seeded::start().await;
    let browser = &world.operator;
    let entries = world.all(&format!("/api/accounts/{}/ledger", world.account)).await;
    // What live calls hold may change between two looks.
    let facts = crate::support::eventually(async || {
        browser.visit("/points").await;
        let facts = texts(browser, "#balance dd").await;
        let figure = number(&texts(browser, "#balance .figure").await[0]);
        let account = world.app.get(&format!("/api/accounts/{}", world.account)).await;
        let free = account["points"].as_f64()? - account["held_points"].as_f64()?;
        let same =
            number(&facts[1]) == shown(&account["held_points"]) && figure == shown(&json!(free));
        let balance = number(facts[2].split_once(" (")?.0);
        (same && balance == shown(&account["points"])).then_some(facts)
    })
    .await;
    let balance = facts[2].split_once(" (").unwrap();
    let (mut read, mut seconds) = (0, 0.0);
    loop {
        let page = rows(browser, "#ledger").await;
        for ((id, row), entry) in page.iter().zip(&entries[read..]) {
            assert_eq!(id, entry["id"].as_str().unwrap());
            assert_eq!(number(&row["Points"]), shown(&entry["points"]), "{row:?}");
            assert_eq!(ms(&row["Time"]), entry["seconds"].as_f64().unwrap() * 1e3, "{row:?}");
            seconds += ms(&row["Time"]);
        }
        read += page.len();
        if !browser.has("link", "Older").await {
            break;
        }
        browser.follow("Older").await;
        crate::support::eventually(async || {
            (rows(browser, "#ledger").await.first()?.0 != page[0].0).then_some(())
        })
        .await;
    }
    assert_eq!(read, entries.len());
    assert_eq!(
        seconds,
        ms(balance.1.trim_end_matches(')')),
        "the balance is the sum of all entries"
    );

    // The days of the overview are those of the calls.
    let calls = world.all(&format!("/api/calls?account_id={}", world.account)).await;
    let mut days: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for call in &calls {
        let (count, seconds) =
            days.entry(at(&call["started_at"]).strftime("%-d %b").to_string()).or_default();
        *count += 1;
        *seconds += call["billed_seconds"].as_i64().unwrap_or(0);
    }
    browser.visit("/").await;
    for (_, row) in rows(browser, "section[aria-labelledby=lately-title]").await {
        let (count, seconds) = days.remove(&row["Day"]).unwrap_or_default();
        assert_eq!(
            (number(&row["Calls"]), ms(&row["Talk time"])),
            (count as f64, seconds as f64 * 1e3),
            "{row:?}"
        );
    }
    assert!(days.is_empty(), "{days:?}");
    // The clocks of live calls run.
    let calls = world.all(&format!("/api/calls?account_id={}&live=true", world.account)).await;
    let before = jiff::Timestamp::now();
    let live = rows(browser, "#live-calls").await;
    let after = jiff::Timestamp::now();
    assert_eq!((live.len(), calls.len()), (2, 2));
    for ((_, row), call) in live.iter().zip(&calls) {
        let lasted = |now: jiff::Timestamp| now.as_second() - at(&call["started_at"]).as_second();
        let shown = timer(&row["Duration"]);
        assert!((lasted(before) - 2..=lasted(after) + 1).contains(&shown), "{row:?}");
    }
    let first = timer(&live[0].1["Duration"]);
    crate::support::eventually(async || {
        (timer(&rows(browser, "#live-calls").await[0].1["Duration"]) > first).then_some(())
    })
    .await;
    world.end().await;
}

#[actix_web::test]
async fn points_that_end_soon_are_warned_of_and_a_forecast_is_told_only_from_use() {
    let world = Seeded::start().await;
    let browser = &world.operator;
    // 300 calls within ten days: there is a rate to tell, of the last seven days of UTC.
    let calls = world.all(&format!("/api/calls?account_id={}", world.account)).await;
    let today = jiff::Timestamp::now().as_second() / 86_400;
    let recent =
        calls.iter().filter(|call| at(&call["started_at"]).as_second() / 86_400 > today - 7);
    let spent: i64 = recent.filter_map(|call| call["billed_seconds"].as_i64()).sum();
    let within = jiff::Timestamp::now().as_second() - (today - 6) * 86_400;
    browser.visit("/").await;
    let free = number(&texts(browser, "#points-figure .figure").await[0]) * 60.0;
    let days = (free * within as f64 / spent as f64 / 86_400.0).floor();
    assert!((20.0..80.0).contains(&days), "{days}");
    browser.sees(&format!("About {days} days left at last week's usage.")).await;
    browser.sees("Live calls hold ").await;
    let poor = world.app.post("/api/accounts", json!({"name": "Poor"})).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for page in ["/", "/points"] {
        browser.visit(&format!("{page}?account={poor}")).await;
        browser.sees("No points left: new calls are refused.").await;
    }
    let top_up = |points: f64, key: &'static str| {
        reqwest::Client::new()
            .post(format!("{}/api/accounts/{poor}/topups", world.app.base))
            .bearer_auth(crate::support::TOKEN)
            .header("idempotency-key", key)
            .json(&json!({"points": points}))
            .send()
    };
    assert!(top_up(0.5, "a").await.unwrap().status().is_success());
    for page in ["/", "/points"] {
        browser.visit(&format!("{page}?account={poor}")).await;
        browser.sees("Low balance: the next call ends after 30 s, when the points run out.").await;
        assert!(!browser.text().await.contains("usage"));
    }
    assert!(top_up(10.0, "b").await.unwrap().status().is_success());
    browser.visit(&format!("/points?account={poor}")).await;
    browser.the("figure", "Points").await;
    assert!(
        !browser.text().await.contains("Low balance") && !browser.text().await.contains("usage")
    );
    world.end().await;
}
