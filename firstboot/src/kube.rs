//! Queries of the cluster, with k3s's own kubectl.

use serde::de::DeserializeOwned;
use std::time::Duration;

use serde::Deserialize;

use crate::context::Context;
use crate::sys::Command;
use crate::systemd;

/// The k3s binary.
pub(crate) const K3S: &str = "/usr/local/bin/k3s";

/// The time limit of a query.
const QUESTION_LIMIT: Duration = Duration::from_secs(30);

/// `k3s kubectl get … -o json`.
pub(crate) fn question<const N: usize>(what: [&str; N]) -> Command {
    let mut command = Command::new(K3S, ["kubectl", "get"]);
    command.args.extend(what.iter().map(|word| (*word).to_owned()));
    command.args.extend(["-o", "json"].map(str::to_owned));
    command.limit = QUESTION_LIMIT;
    command
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// All objects of a kind, or why the query failed.
pub(crate) fn list<T: DeserializeOwned, const N: usize>(
    cx: &Context<'_>,
    what: [&str; N],
) -> Result<Vec<T>, String> {
    let command = question(what);
    let output = cx.sys.run(&command).map_err(|e| format!("running {command}: {e}"))?;
    if !output.success {
        return Err(format!("the cluster does not answer ({})", systemd::last_line(&output.stderr)));
    }
    let list: List<T> =
        serde_json::from_str(&output.stdout).map_err(|e| format!("the answer is not a list ({e})"))?;
    Ok(list.items)
}

/// The used part of an object's metadata.
#[derive(Deserialize)]
pub(crate) struct Meta {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) generation: u64,
}

/// One condition in the status of an object.
#[derive(Deserialize)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) message: String,
}

/// The condition of a type.
pub(crate) fn condition<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    all.iter().find(|condition| condition.kind == kind)
}
