//! What a node says of itself by DNS-SD (RFC 6763), whoever sends it.

use crate::STATUS_PORT;
use crate::status::NodeStatus;

/// The type of the service, without its domain.
pub const SERVICE_TYPE: &str = "_hcimage._tcp";

/// The node's service. What it is called on the network is the host name, which the responder may change where another machine
/// has it; `node` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// The node's name, a DNS label.
    pub node: String,
    /// The TXT record, in its order: keys with values.
    pub txt: Vec<(&'static str, String)>,
}

/// A longer value does not fit into a TXT string of 255 bytes with its key, and is none of ours.
const MAX_VALUE: usize = 200;

impl Service {
    /// What the status says to the network; none as long as the node has no name.
    pub(super) fn of(status: &NodeStatus) -> Option<Self> {
        let node = status.node.clone().filter(|name| is_label(name))?;
        let mut txt = vec![("v", "1".to_owned()), ("node", node.clone())];
        let cluster = status.cluster().map(|name| ("cluster", name.to_owned()));
        let phase = status.phase().map(|phase| ("phase", phase.name.clone()));
        txt.extend(cluster);
        txt.push(("status", status.status.word().to_owned()));
        txt.extend(phase);
        txt.retain(|(_, value)| value.len() <= MAX_VALUE && !value.chars().any(char::is_control));
        Some(Self { node, txt })
    }

    /// The port of the service.
    pub(super) fn port(&self) -> u16 {
        STATUS_PORT
    }
}

/// A host name without dots, as the seed has it.
fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn status(status: &str, phase: &str, more: &str) -> NodeStatus {
        let json = format!(
            r#"{{"schema":1,"node":"pi-1","cluster":{{"name":"home & <away>"}},"status":"{status}","failure":null,
            "phases":[{{"name":"host","status":"done"}},{{"name":"{phase}","status":"running"}}]{more}}}"#
        );
        NodeStatus::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn txt_says_who_and_how_far() {
        let text = |status| {
            let txt = Service::of(&status).unwrap().txt;
            txt.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        let running = status("running", "data-disk", "");
        assert_eq!(text(running), "v=1 node=pi-1 cluster=home & <away> status=running phase=data-disk");
        assert_eq!(text(status("ready", "x", "")), "v=1 node=pi-1 cluster=home & <away> status=ready");
        let mut odd = status("running", &"x".repeat(300), "");
        assert_eq!(text(odd.clone()), "v=1 node=pi-1 cluster=home & <away> status=running");
        odd.node = Some("a b.c".to_owned());
        assert_eq!(Service::of(&odd), None);
    }
}
