//! One browser: pages, clicks, and what it logged and asked for meanwhile.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use system_tests::scratch::Scratch;
use system_tests::wait;

use crate::driver::Driver;
use crate::webdriver::Session;

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Whether the system prefers dark colours.
    pub dark: bool,
    /// Whether the system prefers that little moves.
    pub still: bool,
}

impl Default for Look {
    fn default() -> Look {
        Look { width: 1_400, height: 900, dark: false, still: false }
    }
}

/// A Chromium of a test's own. The session ends before its driver does.
#[derive(Debug)]
pub struct Browser {
    session: Session,
    _driver: Driver,
    _profile: Scratch,
}

impl Browser {
    /// Starts one, without a window.
    pub fn start() -> Browser {
        let (driver, profile) = (Driver::start(), Scratch::new());
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--js-flags=--expose-gc".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let session = Session::open(driver.port(), &capabilities);
        let browser = Browser { session, _driver: driver, _profile: profile };
        browser.look(Look::default());
        // What the first tab asks for is none of a test's affair.
        browser.open("about:blank");
        browser.asked_for();
        browser
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.session.tell("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// From now on pages are looked at like this.
    pub fn look(&self, look: Look) {
        let Look { width, height, dark, still } = look;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let motion = if still { "reduce" } else { "no-preference" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": motion },
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.session.tell("url", &json!({ "url": url }));
    }

    /// What a script that `return`s something returns.
    pub fn run(&self, script: &str) -> Value {
        self.run_with(script, &[])
    }

    /// The same, with `arguments`.
    pub fn run_with(&self, script: &str, arguments: &[Value]) -> Value {
        self.session.tell("execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Waits until a script returns something that is true, and returns it.
    pub fn until(&self, what: &str, script: &str) -> Value {
        wait::until(what, || {
            let found = self.run(script);
            let holds = !matches!(found, Value::Null | Value::Bool(false));
            holds.then_some(found)
        })
    }

    /// Waits until `judge` takes what a script returns, and returns what it makes of it.
    pub fn until_with<T>(
        &self,
        what: &str,
        script: &str,
        judge: impl Fn(&Value) -> Option<T>,
    ) -> T {
        wait::until(what, || judge(&self.run(script)))
    }

    /// Waits until an element can be clicked, and does.
    pub fn click(&self, selector: &str) {
        self.command(selector, "click", &json!({}));
    }

    /// Types into an element, in place of what is in it.
    pub fn fill(&self, selector: &str, text: &str) {
        self.command(selector, "clear", &json!({}));
        self.command(selector, "value", &json!({ "text": text }));
    }

    /// Presses keys there; it has the focus then.
    pub fn press(&self, selector: &str, keys: &str) {
        self.command(selector, "value", &json!({ "text": keys }));
    }

    /// Waits until an element is there and takes a command. What is drawn anew between two commands
    /// is another element.
    fn command(&self, selector: &str, command: &str, body: &Value) {
        // The driver would leave it below what stands fixed at the end of the page.
        let to_middle = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'center' })";
        wait::until_true(&format!("{command} of {selector}"), || {
            self.run_with(to_middle, &[selector.into()]);
            let element = self.session.find(selector);
            element.is_some_and(|found| self.session.ask_element(&found, command, body).is_ok())
        });
    }

    /// All the text that is to be seen.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Draws the page as it is into a file.
    pub fn screenshot(&self, file: &Path) {
        let shot = self.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// What was logged since the last call: warnings and errors of scripts and of the browser.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.session.tell("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().cloned().unwrap_or_default();
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        entries.iter().filter(is_bad).map(|entry| entry["message"].to_string()).collect()
    }

    /// Every URL that was asked for since the last call.
    pub fn asked_for(&self) -> Vec<String> {
        let log = self.session.tell("se/log", &json!({ "type": "performance" }));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(asked_for).collect()
    }
}

/// The URL of a request or a WebSocket, if the entry is about the beginning of one.
fn asked_for(entry: &Value) -> Option<String> {
    let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let message = &message["message"];
    let url = match message["method"].as_str()? {
        "Network.requestWillBeSent" => &message["params"]["request"]["url"],
        "Network.webSocketCreated" => &message["params"]["url"],
        _ => return None,
    };
    url.as_str().map(str::to_owned)
}
