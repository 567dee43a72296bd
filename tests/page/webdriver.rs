//! As much of WebDriver as the tests need, for Debian's chromium and chromium-driver: curl sends, chromedriver does.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::server::until;

/// A browser without a window.
pub(crate) struct Browser {
    driver: Child,
    session: String,
}

/// What kind of browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Desktop,
    /// 360 pixels wide.
    Phone,
}

impl Browser {
    pub(crate) fn start(kind: Kind) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .spawn()
            .expect("chromedriver is needed: install the package chromium-driver");
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}/session") };
        until("chromedriver listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let mut options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1000,900"],
        });
        if kind == Kind::Phone {
            let metrics =
                json!({"width": 360, "height": 740, "pixelRatio": 2, "touch": true, "mobile": true});
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = json!({"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let made = browser.post("", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        browser
    }

    /// The value of the answer.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "120", "--request", method]);
        curl.arg(format!("{}{path}", self.session));
        let body = body.map(ToString::to_string);
        let file = tempfile::NamedTempFile::new().unwrap();
        if let Some(body) = &body {
            std::fs::write(file.path(), body).unwrap();
            curl.args(["--header", "Content-Type: application/json", "--data-binary"]);
            curl.arg(format!("@{}", file.path().display()));
        }
        let output = curl.output().unwrap();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(answer["value"].get("error").is_none(), "{path}: {answer}");
        answer["value"].clone()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, Some(body))
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        self.post("/execute/sync", &json!({"script": format!("return {expression}"), "args": []}))
    }

    /// Runs a script in the page, whose last argument is what to call at its end.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    pub(crate) fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// A command of Chromium's own protocol.
    pub(crate) fn chromium(&self, command: &str, params: &Value) {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": params}));
    }

    pub(crate) fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.chromium("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Presses a key, as WebDriver names it.
    pub(crate) fn press(&self, key: &str) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// A picture of the whole page, PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let params = json!({"captureBeyondViewport": true, "format": "png"});
        let made =
            self.post("/goog/cdp/execute", &json!({"cmd": "Page.captureScreenshot", "params": params}));
        decode(made["data"].as_str().unwrap())
    }

    /// What the browser complains of.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().iter().map(|line| line["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends chromium; not by `ask`, which may panic.
        let _ = Command::new("curl").args(["--silent", "--request", "DELETE", &self.session]).output();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Base64, by coreutils.
fn decode(text: &str) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Command::new("base64").arg("--decode").arg(file.path()).output().unwrap().stdout
}
