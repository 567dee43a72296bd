//! Requests to the API.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::line::OnNode;
use super::{Access, KubeError, Line, Node};
use crate::http;
use crate::seed::Endpoint;
use crate::sys::{System, TlsError, TlsRequest, Trust};

/// The time limit of a request or of a whole list. The API server itself ends a request after a minute.
const LIMIT: Duration = Duration::from_secs(60);

/// Even at the very end of a phase a request gets so long.
const LEAST: Duration = Duration::from_secs(5);

/// The maximum size of an answer. A Node may have 50 images and a page 20 Nodes: a tenth of this.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Objects of a list in one answer, and the maximum of all.
const PAGE: usize = 20;
const MAX_OBJECTS: usize = 2000;

/// Which objects of a list are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selector<'a> {
    /// `name=value` of fields, separated by commas.
    pub fields: &'a str,
    /// `name=value` of labels, separated by commas.
    pub labels: &'a str,
}

/// How an object is written by server-side apply.
#[derive(Debug, Clone, Copy)]
pub struct Apply<'a> {
    /// Who wants it so.
    pub manager: &'a str,
    /// Whether fields that others have set to something else are taken from them.
    pub force: bool,
    /// Whether nothing is kept.
    pub trial: bool,
}

/// A client of the API.
pub struct Client<'a> {
    line: Box<dyn Line + 'a>,
    /// How it calls itself.
    agent: &'static str,
    access: Access,
    end: Duration,
}

impl<'a> Client<'a> {
    /// A client whose requests end before `end`, in uptime.
    pub fn new(sys: &'a dyn System, access: Access, end: Duration) -> Self {
        Self::over(Box::new(OnNode(sys)), "hc-firstboot", access, end)
    }

    /// The same for another machine than a node, under the name of its program.
    pub fn over(line: Box<dyn Line + 'a>, agent: &'static str, access: Access, end: Duration) -> Self {
        Self { line, agent, access, end }
    }

    /// The object at a path such as `/api/v1/nodes/hc-1`.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, KubeError> {
        parse(&self.send("GET", path, "", b"", self.time_limit())?)
    }

    /// All objects at a path such as `/api/v1/nodes`, in pages: the server need not build one large answer.
    pub fn list<T: DeserializeOwned>(&self, path: &str, only: Selector<'_>) -> Result<Vec<T>, KubeError> {
        let until = self.time_limit();
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let limit = PAGE.to_string();
            let query = query(&[
                ("limit", limit.as_str()),
                ("fieldSelector", only.fields),
                ("labelSelector", only.labels),
                ("continue", next.as_str()),
            ]);
            let page: Page<T> = parse(&self.send("GET", &format!("{path}?{query}"), "", b"", until)?)?;
            objects.extend(page.items.into_iter().flatten());
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(objects);
            }
            if objects.len() >= MAX_OBJECTS {
                return Err(KubeError::Talk(format!("{path} has more than {MAX_OBJECTS} objects")));
            }
        }
    }

    /// Changes an object by a JSON merge patch (RFC 7386).
    pub fn patch(&self, path: &str, change: &Value) -> Result<(), KubeError> {
        let kind = "Content-Type: application/merge-patch+json\r\n";
        self.send("PATCH", path, kind, change.to_string().as_bytes(), self.time_limit()).map(drop)
    }

    /// Deletes an object. One with finalizers is only marked, and stays until they are removed.
    pub fn delete(&self, path: &str) -> Result<(), KubeError> {
        self.send("DELETE", path, "", b"", self.time_limit()).map(drop)
    }

    /// Writes an object by server-side apply: its YAML says which fields `manager` wants, and how. Returns what the server makes of
    /// it, which a trial does not keep.
    pub fn apply<T: DeserializeOwned>(&self, path: &str, yaml: &str, how: Apply<'_>) -> Result<T, KubeError> {
        let query = query(&[
            ("fieldManager", how.manager),
            ("force", if how.force { "true" } else { "" }),
            ("dryRun", if how.trial { "All" } else { "" }),
        ]);
        let kind = "Content-Type: application/apply-patch+yaml\r\n";
        parse(&self.send("PATCH", &format!("{path}?{query}"), kind, yaml.as_bytes(), self.time_limit())?)
    }

    /// A node by its name.
    pub fn node(&self, name: &str) -> Result<Node, KubeError> {
        self.get(&Self::node_path(name))
    }

    /// The path of a node.
    pub fn node_path(name: &str) -> String {
        format!("/api/v1/nodes/{}", encoded(name))
    }

    /// When the request that starts now must end, in uptime.
    fn time_limit(&self) -> Duration {
        let now = self.line.uptime();
        now.saturating_add(self.end.saturating_sub(now).clamp(LEAST, LIMIT))
    }

    /// The body of a good answer. The server's addresses are tried in turn until one has a connection.
    fn send(
        &self,
        method: &str,
        path: &str,
        more: &str,
        body: &[u8],
        until: Duration,
    ) -> Result<Vec<u8>, KubeError> {
        let server = self.access.server();
        let head = format!("Accept: application/json\r\nUser-Agent: {}\r\n{more}", self.agent);
        let message = http::request(method, path, &server.to_string(), &head, body);
        let bytes = self.exchange(server, &message, until)?;
        let answer = http::answer(&bytes)
            .ok_or_else(|| KubeError::Talk("it is not HTTP, or was cut off".to_owned()))?;
        match answer.status {
            200..=299 => Ok(answer.body),
            status => Err(KubeError::of_status(status, &answer.body)),
        }
    }

    fn exchange(&self, server: &Endpoint, message: &[u8], until: Duration) -> Result<Vec<u8>, KubeError> {
        let name = self.access.name();
        let trust = Trust::Ca { roots: self.access.roots().to_vec(), at: self.line.now() };
        let mut last = None;
        for address in self.line.addresses(server, until).map_err(KubeError::Name)? {
            let wait = until.saturating_sub(self.line.uptime());
            if wait.is_zero() {
                break;
            }
            let request = TlsRequest {
                server: address,
                name: &name,
                trust: &trust,
                identity: Some(self.access.identity()),
                message,
                wait,
                answer_limit: ANSWER_BYTES,
            };
            match self.line.ask(&request) {
                Err(e @ (TlsError::Refused | TlsError::Connect(_))) => last = Some(e),
                answer => return Ok(answer?),
            }
        }
        Err(last.map_or(KubeError::Timeout(LIMIT.as_secs()), KubeError::from))
    }
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMeta,
    /// An empty list may be `null`.
    items: Option<Vec<T>>,
}

#[derive(Deserialize, Default)]
struct PageMeta {
    #[serde(rename = "continue", default)]
    next: String,
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, KubeError> {
    serde_json::from_slice(body).map_err(|e| KubeError::Talk(e.to_string()))
}

/// `key=value&key=value`, without empty values.
fn query(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// Percent-encoded (RFC 3986, 2.1).
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_empty_ones_left_out() {
        let pairs = [("limit", "20"), ("fieldSelector", "a.b=c,d!=e/ä"), ("continue", "")];
        assert_eq!(query(&pairs), "limit=20&fieldSelector=a.b%3Dc%2Cd%21%3De%2F%C3%A4");
        assert_eq!(Client::node_path("../pods"), "/api/v1/nodes/..%2Fpods");
    }

    #[test]
    fn a_page_may_have_no_items() {
        let page = |text: &str| {
            parse::<Page<Value>>(text.as_bytes()).map(|page| page.items.map(|items| items.len()))
        };
        assert_eq!(page(r#"{"items":null}"#), Ok(None));
        assert_eq!(page(r#"{"metadata":{"continue":""},"items":[{}]}"#), Ok(Some(1)));
        assert!(matches!(page(r#"{"items":[{}"#), Err(KubeError::Talk(_))));
        assert!(matches!(page("<html>"), Err(KubeError::Talk(_))));
    }
}
