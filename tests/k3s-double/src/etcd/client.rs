//! etcd's API, by the JSON that it serves on its client port (`/v3/...`).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Outside;

/// Without a quorum nothing comes back.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

/// An etcd.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Client {
    /// The own one. Only programs on this machine reach it, so it speaks without TLS, unlike that of k3s.
    Own(SocketAddr),
    /// Somebody else's, for as long as the program runs.
    Outside(&'static Outside),
}

/// A member as etcd lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) peer_urls: Vec<String>,
    pub(crate) learner: bool,
}

/// What etcd says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) is_leader: bool,
}

impl Client {
    /// The value of a key, by a read that needs a quorum.
    pub(crate) fn get(self, key: &str) -> Result<Option<Value>> {
        let answer = self.ask("kv/range", &json!({"key": encoded(key)}))?;
        Ok(pairs(&answer)?.pop().map(|(_, value)| value))
    }

    /// All keys that begin with a text, with their values.
    pub(crate) fn list(self, prefix: &str) -> Result<Vec<(String, Value)>> {
        let mut end = prefix.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last = last.saturating_add(1);
        }
        let end = STANDARD.encode(end);
        pairs(&self.ask("kv/range", &json!({"key": encoded(prefix), "range_end": end}))?)
    }

    /// Writes a key.
    pub(crate) fn put(self, key: &str, value: &Value) -> Result<()> {
        self.ask("kv/put", &json!({"key": encoded(key), "value": encoded(&value.to_string())})).map(drop)
    }

    /// Deletes a key; one that is not there is no error.
    pub(crate) fn delete(self, key: &str) -> Result<()> {
        self.ask("kv/deleterange", &json!({"key": encoded(key)})).map(drop)
    }

    /// All members. etcd 3.4 answers this without a quorum, that of k3s does not: so a read that needs one comes first.
    pub(crate) fn members(self) -> Result<Vec<Member>> {
        self.get("quorum")?;
        let answer = self.ask("cluster/member/list", &json!({}))?;
        let list = answer.get("members").and_then(Value::as_array).context("etcd lists no members")?;
        list.iter().map(Member::read).collect()
    }

    pub(super) fn status(self) -> Result<Status> {
        let answer = self.ask("maintenance/status", &json!({}))?;
        let own = answer.pointer("/header/member_id");
        Ok(Status { is_leader: own.is_some() && own == answer.get("leader") })
    }

    pub(super) fn add_learner(self, peer_url: &str) -> Result<()> {
        self.ask("cluster/member/add", &json!({"peerURLs": [peer_url], "isLearner": true})).map(drop)
    }

    pub(super) fn promote(self, id: u64) -> Result<()> {
        self.ask("cluster/member/promote", &json!({"ID": id.to_string()})).map(drop)
    }

    pub(super) fn remove(self, id: u64) -> Result<()> {
        self.ask("cluster/member/remove", &json!({"ID": id.to_string()})).map(drop)
    }

    /// One request; an error has etcd's own message.
    fn ask(self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.post(path, &body.to_string()).with_context(|| format!("asking etcd: {path}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").context("etcd's answer is not HTTP")?;
        let value: Value =
            serde_json::from_str(body).with_context(|| format!("etcd's answer: {body:.200}"))?;
        if head.split(' ').nth(1) != Some("200") {
            let why = ["message", "error"].into_iter().find_map(|key| value.get(key)?.as_str());
            bail!("{}", why.unwrap_or(body));
        }
        Ok(value)
    }

    fn post(self, path: &str, body: &str) -> Result<String> {
        match self {
            Self::Own(address) => {
                let socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
                socket.set_read_timeout(Some(TIMEOUT))?;
                socket.set_write_timeout(Some(TIMEOUT))?;
                exchange(socket, path, body)
            }
            Self::Outside(outside) => exchange(outside.connect()?, path, body),
        }
    }
}

/// HTTP/1.0, so that the answer ends with the connection.
fn exchange(mut socket: impl Read + Write, path: &str, body: &str) -> Result<String> {
    write!(socket, "POST /v3/{path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    socket.flush()?;
    let mut answer = Vec::new();
    match socket.take(ANSWER_LIMIT).read_to_end(&mut answer) {
        // Go's servers end a connection of HTTP/1.0 without the end of TLS.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        result => drop(result?),
    }
    ensure!(!answer.is_empty(), "etcd has closed the connection");
    String::from_utf8(answer).context("reading etcd's answer")
}

impl Member {
    fn read(from: &Value) -> Result<Self> {
        let text = |key: &str| from.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let urls = from.get("peerURLs").and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            id: text("ID").parse().context("etcd lists a member without an identifier")?,
            name: text("name"),
            peer_urls: urls.filter_map(Value::as_str).map(str::to_owned).collect(),
            learner: from.get("isLearner").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    /// As `/db/info` of k3s has it.
    pub(crate) fn json(&self) -> Value {
        let mut member = json!({"ID": self.id, "name": self.name, "peerURLs": self.peer_urls});
        if let (true, Some(map)) = (self.learner, member.as_object_mut()) {
            map.insert("isLearner".into(), json!(true));
        }
        member
    }
}

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

fn pairs(answer: &Value) -> Result<Vec<(String, Value)>> {
    let text = |pair: &Value, key: &str| -> Result<String> {
        let data = pair.get(key).and_then(Value::as_str).unwrap_or_default();
        Ok(String::from_utf8(STANDARD.decode(data)?)?)
    };
    let list = answer.get("kvs").and_then(Value::as_array).into_iter().flatten();
    list.map(|pair| Ok((text(pair, "key")?, serde_json::from_str(&text(pair, "value")?)?)))
        .collect::<Result<_>>()
        .context("reading etcd's answer")
}
