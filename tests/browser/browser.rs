//! A person at a browser: finds things by role and name, as somebody does who reads the page or has
//! it read out.

use std::collections::BTreeSet;

use fantoccini::{Client, Locator, elements::Element, error::CmdError};
use serde_json::{Value, json};

use crate::{
    browser::driver::{Driver, Extra, say},
    support::eventually,
};

/// A browser with an empty profile.
pub struct Browser {
    driver: Driver,
    pub client: Client,
    /// What every address has to begin with.
    base: String,
    /// Another host that a test has it visit.
    pub visits: std::cell::RefCell<Option<String>>,
    /// Addresses asked for so far.
    asked: std::cell::RefCell<BTreeSet<String>>,
}

/// Candidates for a role; what role an element really has, the browser says.
fn candidates(role: &str) -> &'static str {
    match role {
        "button" => "button, summary, [role=button], input[type=submit]",
        "link" => "a[href]",
        "textbox" => "input, textarea",
        "checkbox" => "input[type=checkbox]",
        "combobox" => "select",
        "spinbutton" => "input[type=number]",
        "dialog" => "dialog, [role=dialog]",
        "region" => "section, [role=region]",
        "figure" => "figure, [role=figure]",
        "heading" => "h1, h2, h3, h4",
        "table" => "table",
        "alert" => "[role=alert]",
        "status" => "[role=status], output",
        "meter" => "meter, [role=meter]",
        other => panic!("no candidates for {other}"),
    }
}

impl Browser {
    /// Opens a browser on an empty page. It may talk to `base` and to nobody else.
    pub async fn open(base: &str) -> Self {
        let (driver, client) = Driver::start().await;
        Self {
            driver,
            client,
            base: base.to_owned(),
            visits: Default::default(),
            asked: Default::default(),
        }
    }

    pub async fn visit(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    pub async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// Waits until the page's path is this.
    pub async fn arrives(&self, path: &str) {
        self.arrives_where(path, |now| now == path).await;
    }

    pub async fn arrives_where(&self, what: &str, right: impl Fn(&str) -> bool) {
        let mut last = String::new();
        for _ in 0..500 {
            last = self.path().await;
            if right(&last) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("never came to {what}, but to {last}: {}", self.text().await);
    }

    /// Everything that is shown.
    pub async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until this text is shown.
    pub async fn sees(&self, text: &str) {
        for _ in 0..500 {
            if self.text().await.contains(text) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("never saw {text:?} on {}:\n{}", self.path().await, self.text().await);
    }

    /// Waits until this text is not shown.
    pub async fn no_longer_sees(&self, text: &str) {
        eventually(async || (!self.text().await.contains(text)).then_some(())).await;
    }

    /// The things of this role and name that are shown now.
    pub async fn all(&self, role: &str, name: &str) -> Result<Vec<Element>, CmdError> {
        let mut found = Vec::new();
        for element in self.client.find_all(Locator::Css(candidates(role))).await? {
            if self.is(&element, role, name).await? {
                found.push(element);
            }
        }
        Ok(found)
    }

    async fn is(&self, element: &Element, role: &str, name: &str) -> Result<bool, CmdError> {
        let id = element.element_id().to_string();
        let label = say(&self.client, Extra::Label(id.clone())).await?;
        if label.as_str().map(str::trim) != Some(name) {
            return Ok(false);
        }
        let has = say(&self.client, Extra::Role(id)).await?;
        Ok(has == role && element.is_displayed().await?)
    }

    /// Whether there is a thing of this role and name now.
    pub async fn has(&self, role: &str, name: &str) -> bool {
        self.all(role, name).await.is_ok_and(|found| !found.is_empty())
    }

    /// The one thing of this role and name; waits for it. In a dialog that is open, what is behind it
    /// does not count.
    pub async fn the(&self, role: &str, name: &str) -> Element {
        let mut last = 0;
        for _ in 0..400 {
            if let Ok(mut found) = self.all(role, name).await {
                last = found.len();
                if last == 1 {
                    return found.remove(0);
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!(
            "{last} instead of one {role} {name:?} on {}:\n{}",
            self.path().await,
            self.text().await
        );
    }

    /// Presses a button, or follows a link.
    pub async fn press(&self, name: &str) {
        self.click("button", name).await;
    }

    pub async fn follow(&self, name: &str) {
        self.click("link", name).await;
    }

    /// A page that changes by itself may change under the pointer: then it is pointed at again.
    pub async fn click(&self, role: &str, name: &str) {
        for attempt in 0.. {
            match self.the(role, name).await.click().await {
                Ok(()) => return,
                Err(error) => assert!(attempt < 20, "cannot click {role} {name:?}: {error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Opens what stands folded under this name, after scrolling to it.
    pub async fn unfold(&self, name: &str) {
        let path = format!("//summary[normalize-space()='{name}']");
        let folded = self.client.find(Locator::XPath(&path)).await.unwrap();
        let script = "arguments[0].scrollIntoView({ block: 'center' });";
        let there = serde_json::to_value(&folded).unwrap();
        self.client.execute(script, vec![there]).await.unwrap();
        folded.click().await.unwrap();
    }

    /// Writes into a field.
    pub async fn fill(&self, field: &str, text: &str) {
        self.write("textbox", field, text).await;
    }

    /// Writes into a field for numbers.
    pub async fn fill_number(&self, field: &str, number: &str) {
        self.write("spinbutton", field, number).await;
    }

    /// Writes into a field of this role, and gives it.
    pub async fn write(&self, role: &str, field: &str, text: &str) -> Element {
        let field = self.the(role, field).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
        field
    }

    /// Chooses what is called so.
    pub async fn choose(&self, choice: &str, option: &str) {
        self.the("combobox", choice).await.select_by_label(option).await.unwrap();
    }

    /// What the page says is wrong; waits for it.
    pub async fn the_alert(&self) -> String {
        eventually(async || {
            let alert = self.client.find(Locator::Css("[role=alert]")).await.ok()?;
            alert.text().await.ok().filter(|text| !text.is_empty())
        })
        .await
    }

    /// The row of a table that says this; waits for it.
    pub async fn row(&self, says: &str) -> Element {
        let mut rows = Vec::new();
        for _ in 0..400 {
            rows.clear();
            for row in self.client.find_all(Locator::Css("tbody tr")).await.unwrap_or_default() {
                let text = row.text().await.unwrap_or_default();
                if text.contains(says) && row.is_displayed().await.unwrap_or(false) {
                    return row;
                }
                rows.push(text);
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("no row says {says:?}: {rows:#?}");
    }

    /// Runs a script and gives what it returns.
    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Types as somebody does without a mouse.
    pub async fn key(&self, key: fantoccini::key::Key) {
        let active = self.client.active_element().await.unwrap();
        active.send_keys(&char::from(key).to_string()).await.unwrap();
    }

    pub async fn chromium(&self, command: &'static str, params: Value) -> Value {
        say(&self.client, Extra::Chromium(command, params)).await.unwrap()
    }

    /// A window of this size; at phone size, a phone.
    pub async fn size(&self, width: u32, height: u32) {
        let phone = width < 600;
        let params =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.chromium("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// Light or dark, as the system would prefer it.
    pub async fn prefers(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.chromium("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// What the browser complained about since the last time.
    pub async fn complaints(&self) -> Vec<String> {
        let log = say(&self.client, Extra::Log("browser")).await.unwrap();
        let lines = log.as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter(|line| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING")))
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Every address the browser has asked for.
    pub async fn asked(&self) -> BTreeSet<String> {
        let log = say(&self.client, Extra::Log("performance")).await.unwrap();
        for line in log.as_array().cloned().unwrap_or_default() {
            let message: Value =
                serde_json::from_str(line["message"].as_str().unwrap_or_default()).unwrap();
            let message = &message["message"];
            let url = match message["method"].as_str() {
                Some("Network.requestWillBeSent") => &message["params"]["request"]["url"],
                Some("Network.webSocketCreated") => &message["params"]["url"],
                _ => continue,
            };
            self.asked.borrow_mut().insert(url.as_str().unwrap().to_owned());
        }
        self.asked.borrow().clone()
    }

    /// Closes the browser, after checking that it had nothing to complain of but what the test expects,
    /// and asked nobody else for anything. Gives the files it leaves behind.
    pub async fn close(self, expected: &[&str]) -> (Driver, Vec<std::path::PathBuf>) {
        let complaints: Vec<String> = self.complaints().await;
        let unexpected: Vec<&String> = complaints
            .iter()
            .filter(|line| !expected.iter().any(|expected| line.contains(expected)))
            .collect();
        assert!(unexpected.is_empty(), "the browser complains: {unexpected:#?}");
        let (ours, socket) =
            (format!("{}/", self.base), format!("{}/", self.base.replacen("http", "ws", 1)));
        for url in self.asked().await {
            let inside =
                ["data:", "about:", "blob:", "chrome:"].iter().any(|own| url.starts_with(own));
            let visited = self.visits.borrow().as_ref().is_some_and(|other| url.starts_with(other));
            assert!(
                inside || visited || url.starts_with(&ours) || url.starts_with(&socket),
                "a request to another host: {url}"
            );
        }
        self.client.close().await.unwrap();
        let files = self.driver.profile_files();
        (self.driver, files)
    }
}
