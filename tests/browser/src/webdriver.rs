//! One session of the WebDriver protocol (W3C): commands are POSTs of JSON, answers have a `value`.

use std::cell::RefCell;

use serde_json::{Value, json};
use system_tests::http::Http;

/// A session. Dropped, it ends, and its browser with it.
#[derive(Debug)]
pub(crate) struct Session {
    http: RefCell<Http>,
    id: String,
}

/// What the protocol calls the reference of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// An element of the page as it was when it was found.
#[derive(Debug)]
pub(crate) struct Element(String);

impl Session {
    /// Has the driver at `port` start a browser that can what `capabilities` say.
    pub(crate) fn open(port: u16, capabilities: &Value) -> Session {
        let mut http = Http::new(port);
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let answer = http.request("POST", "/session", &wanted.to_string()).unwrap().json();
        let id = answer["value"]["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("chromium is installed, and starts: {answer}"));
        Session { id: id.to_owned(), http: RefCell::new(http) }
    }

    /// What a command comes to, or what the driver has against it.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let target = format!("/session/{}/{path}", self.id);
        let answer = self.http.borrow_mut().request(method, &target, &body.to_string()).unwrap();
        match answer.status {
            200 => Ok(answer.json()["value"].take()),
            _ => Err(answer.body),
        }
    }

    /// A command that must not fail.
    pub(crate) fn tell(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, body).unwrap_or_else(|why| panic!("{path} {body}: {why}"))
    }

    /// The first element, if there is one.
    pub(crate) fn find(&self, selector: &str) -> Option<Element> {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", "element", &by).ok()?;
        Some(Element(found[ELEMENT].as_str()?.to_owned()))
    }

    /// A command of an element. It may be gone from the page by now.
    pub(crate) fn ask_element(
        &self,
        element: &Element,
        command: &str,
        body: &Value,
    ) -> Result<Value, String> {
        self.ask("POST", &format!("element/{}/{command}", element.0), body)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let target = format!("/session/{}", self.id);
        // If it fails the browser is gone already.
        self.http.borrow_mut().request("DELETE", &target, "").ok();
    }
}
