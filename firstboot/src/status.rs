//! What a node tells of itself, as others read it: the JSON form of [`View`](crate::report::View) with only the members that
//! are needed, from a program that may be newer or a machine that may be hostile.

use std::net::IpAddr;

use serde::Deserialize;

use crate::report::{RunStatus, SCHEMA};

/// More bytes than that are none of a node: the longest are its log lines.
pub const MAX_BYTES: usize = 256 << 10;

/// How the first boot of a node stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeStatus {
    schema: u32,
    /// The node's name; none where its seed cannot be read.
    pub node: Option<String>,
    cluster: Option<Cluster>,
    #[serde(default)]
    addresses: Vec<String>,
    /// How it stands as a whole.
    pub status: RunStatus,
    /// The phases that were begun, in order.
    #[serde(default)]
    pub phases: Vec<PhaseStatus>,
    /// Why it stopped.
    pub failure: Option<Trouble>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Cluster {
    name: String,
}

/// A phase that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PhaseStatus {
    /// Its name, such as `data-disk`.
    pub name: String,
    /// `running`, `done` or `failed`.
    pub status: String,
    /// How long it took, in seconds; zero while it runs.
    #[serde(default)]
    pub seconds: u64,
    /// What it waits for.
    pub progress: Option<String>,
}

/// Why a node stopped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Trouble {
    /// What is wrong.
    pub what: String,
    /// What to do.
    #[serde(default)]
    pub advice: String,
}

impl NodeStatus {
    /// Reads the JSON form. The error says in words what it is not.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        if json.len() > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
        let status: Self =
            serde_json::from_slice(json).map_err(|e| format!("it is no status of a node: {e}"))?;
        match status.schema {
            SCHEMA => Ok(status),
            other => Err(format!("it has schema {other}, and this program knows {SCHEMA}")),
        }
    }

    /// The phase that runs, or at which it stopped.
    pub fn phase(&self) -> Option<&PhaseStatus> {
        let is_over = matches!(self.status, RunStatus::Ready | RunStatus::NotBegun);
        self.phases.iter().rev().find(|phase| phase.status != "done").filter(|_| !is_over)
    }

    /// The name of its cluster.
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_ref().map(|cluster| cluster.name.as_str())
    }

    /// The same with other addresses, unless there are none.
    pub fn with_addresses(&self, addresses: &[String]) -> Self {
        let addresses = if addresses.is_empty() { self.addresses.clone() } else { addresses.to_vec() };
        Self { addresses, ..self.clone() }
    }

    /// The addresses of the node by which others reach it.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_later_versions_and_phases_of_unknown_names_are_no_error() {
        let json =
            br#"{"schema":1,"node":"pi-1","address":null,"cluster":{"name":"home","role":"agent","api":null},
            "time":5,"status":"running","notes":[],"phases":[
            {"name":"host","status":"done","seconds":1,"progress":null,"notes":[]},
            {"name":"defrost","status":"running","seconds":0,"progress":"waiting: ice","notes":[],"new":1}],
            "failure":null,"addresses":["10.0.0.7","fe80::1","eth0"],"later":{}}"#;
        let status = NodeStatus::parse(json).unwrap();
        assert_eq!(status.cluster(), Some("home"));
        assert_eq!(status.addresses().len(), 2, "what is no address is left out");
        let phase = status.phase().unwrap();
        assert_eq!((phase.name.as_str(), phase.progress.as_deref()), ("defrost", Some("waiting: ice")));
    }

    #[test]
    fn what_a_node_writes_is_read() {
        let mut state = crate::state::State::new(String::new());
        state.record_mut(crate::state::PhaseName::DataDisk);
        let view = crate::report::View::new(Some(&state), None, std::time::Duration::ZERO);
        let status = NodeStatus::parse(view.json().as_bytes()).unwrap();
        assert_eq!((status.status, status.phase().unwrap().name.as_str()), (RunStatus::Running, "data-disk"));
        for word in [RunStatus::NotBegun, RunStatus::Running, RunStatus::Ready, RunStatus::Failed] {
            assert_eq!(serde_json::to_value(word).unwrap(), word.word());
        }
    }

    #[test]
    fn what_is_no_status_is_refused() {
        let long = vec![b' '; MAX_BYTES + 1];
        let deep = [b"[".repeat(50_000), b"]".repeat(50_000)].concat();
        for (bytes, why) in [
            (&b""[..], "no status"),
            (b"<html>", "no status"),
            (br#"{"schema":2,"status":"ready"}"#, "schema 2"),
            (br#"{"schema":1,"status":"asleep"}"#, "no status"),
            (&long, "longer"),
            (&deep, "no status"),
        ] {
            let error = NodeStatus::parse(bytes).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
