//! The API by curl, with the warnings that the server sends beside its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::control_plane::ControlPlane;
use crate::support::tool;

/// Between the answers of one run of curl.
const MARK: &str = "\n--- answer of the overlay judge: ";

/// Kinds whose objects come and go by themselves.
const FLEETING: [&str; 4] = ["events", "leases", "endpointslices", "endpoints"];

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the server says in a refusal.
    pub(crate) fn message(&self) -> String {
        let said = self.body["message"].as_str().map(str::to_owned);
        format!("{} {}", self.status, said.unwrap_or_else(|| self.body.to_string()))
    }
}

/// A kind as the server has it.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) base: String,
    pub(crate) plural: String,
    pub(crate) is_namespaced: bool,
    is_listed: bool,
    is_preferred: bool,
}

pub(crate) struct Api {
    dir: PathBuf,
    url: String,
    /// By `apiVersion` and `kind`.
    kinds: BTreeMap<(String, String), Kind>,
}

impl Api {
    pub(crate) fn new(plane: &ControlPlane) -> Self {
        let dir = plane.path("admin.crt").parent().unwrap().to_owned();
        let mut api = Self { dir, url: format!("https://127.0.0.1:{}", plane.port), kinds: BTreeMap::new() };
        api.learn_kinds();
        api
    }

    /// Another one for the same server, which learns kinds of its own.
    #[allow(dead_code, reason = "one of two tests uses it")]
    pub(crate) fn again(other: &Self) -> Self {
        let mut api = Self { dir: other.dir.clone(), url: other.url.clone(), kinds: BTreeMap::new() };
        api.learn_kinds();
        api
    }

    fn curl(&self) -> Command {
        let mut command = tool("curl", "curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--cacert"]);
        command.arg(self.dir.join("server-ca.crt"));
        command.arg("--cert").arg(self.dir.join("admin.crt"));
        command.arg("--key").arg(self.dir.join("admin.key"));
        command
    }

    /// Asks with a text as body; none for an empty one.
    pub(crate) fn ask(&self, method: &str, path: &str, kind: &str, text: &str) -> Answer {
        let mut command = self.curl();
        command.args(["--include", "--request", method]);
        if !text.is_empty() {
            let body = self.dir.join("request");
            fs::write(&body, text).unwrap();
            command.args(["--header", &format!("Content-Type: {kind}"), "--data-binary"]);
            command.arg(format!("@{}", body.display()));
        }
        let output = command.arg(format!("{}{path}", self.url)).output().unwrap();
        assert!(output.status.success(), "{method} {path}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let is_warning = |line: &&str| line.to_ascii_lowercase().starts_with("warning:");
        Answer {
            status,
            warnings: lines.filter(is_warning).map(str::to_owned).collect(),
            body: serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())),
        }
    }

    /// An object or a list; nothing where there is none.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let answer = self.ask("GET", path, "", "");
        assert!(answer.is_good() || answer.status == 404, "GET {path}: {}", answer.message());
        answer.is_good().then_some(answer.body)
    }

    /// The objects of a list.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).unwrap_or_else(|| panic!("GET {path}: not found"));
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Writes an object by server-side apply, as what decides over its fields.
    pub(crate) fn apply(&self, path: &str, text: &str) -> Answer {
        let path = format!("{path}?fieldManager=k3s&fieldValidation=Strict&force=true");
        self.ask("PATCH", &path, "application/apply-patch+yaml", text)
    }

    pub(crate) fn delete(&self, path: &str) {
        let answer = self.ask("DELETE", &format!("{path}?propagationPolicy=Background"), "", "");
        assert!(answer.is_good() || answer.status == 404, "DELETE {path}: {}", answer.message());
    }

    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<&Kind> {
        self.kinds.get(&(api_version.to_owned(), kind.to_owned()))
    }

    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.kinds.keys().any(|(version, _)| version.split('/').next() == Some(name))
    }

    /// Asks what kinds the server has.
    pub(crate) fn learn_kinds(&mut self) {
        self.kinds.clear();
        let accept = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        for root in ["api", "apis"] {
            let mut command = self.curl();
            let output = command.args(["--header", accept]).arg(format!("{}/{root}", self.url)).output();
            let found: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
            for group in found["items"].as_array().unwrap() {
                let name = group["metadata"]["name"].as_str().unwrap_or_default();
                for (place, version) in group["versions"].as_array().unwrap().iter().enumerate() {
                    let version_name = version["version"].as_str().unwrap();
                    let api_version = match name {
                        "" => version_name.to_owned(),
                        _ => format!("{name}/{version_name}"),
                    };
                    for resource in version["resources"].as_array().into_iter().flatten() {
                        let kind = Kind {
                            base: format!("/{root}/{api_version}"),
                            plural: resource["resource"].as_str().unwrap().to_owned(),
                            is_namespaced: resource["scope"] == "Namespaced",
                            is_listed: resource["verbs"].as_array().unwrap().contains(&"list".into()),
                            is_preferred: place == 0,
                        };
                        let word = resource["responseKind"]["kind"].as_str().unwrap().to_owned();
                        self.kinds.insert((api_version.clone(), word), kind);
                    }
                }
            }
        }
    }

    /// All objects of all kinds, but those that come and go by themselves.
    pub(crate) fn everything(&self) -> BTreeSet<String> {
        loop {
            if let Some(all) = self.try_everything() {
                return all;
            }
            sleep(Duration::from_millis(500));
        }
    }

    /// None while the server begins to serve a kind.
    fn try_everything(&self) -> Option<BTreeSet<String>> {
        let listed: Vec<&Kind> = self
            .kinds
            .values()
            .filter(|kind| kind.is_listed && kind.is_preferred && !FLEETING.contains(&&*kind.plural))
            .filter(|kind| kind.plural != "componentstatuses")
            .collect();
        let mut command = self.curl();
        command.args(["--write-out", &format!("{MARK}%{{http_code}}")]);
        command
            .args(["--header", "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"]);
        command.args(listed.iter().map(|kind| format!("{}{}/{}", self.url, kind.base, kind.plural)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        // Each but the first begins with the status of the one before.
        let parts: Vec<&str> = text.split(MARK).collect();
        assert_eq!(parts.len(), listed.len() + 1);
        let mut all = BTreeSet::new();
        for (place, kind) in listed.iter().enumerate() {
            let body = if place == 0 { parts[0] } else { &parts[place][3..] };
            if parts[place + 1].starts_with("429") {
                return None;
            }
            assert!(parts[place + 1].starts_with("200"), "{}: {body}", kind.plural);
            let list: Value = serde_json::from_str(body).unwrap();
            for item in list["items"].as_array().into_iter().flatten() {
                let text = |key: &str| item["metadata"][key].as_str().unwrap_or_default();
                all.insert(format!("{} {}/{}", kind.plural, text("namespace"), text("name")));
            }
        }
        Some(all)
    }
}
