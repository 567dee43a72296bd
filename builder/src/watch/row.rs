//! What was seen of a node, and its row.

use std::net::IpAddr;
use std::time::Instant;

use hc_firstboot::report::RunStatus;
use hc_firstboot::status::NodeStatus;

use super::Target;
use super::table::{Row, RowStatus};

/// How one round of questions to a node went.
#[derive(Debug)]
pub(super) enum Seen {
    /// There is nobody to ask; where DNS-SD does not work either, why.
    Nowhere { dns_sd: Option<String> },
    /// No answer from there, or none that a node gives.
    Silent(IpAddr, String),
    /// Somebody else is there.
    Other(IpAddr, Option<String>),
    /// It.
    Status(IpAddr, NodeStatus),
}

/// A node that is watched.
#[derive(Debug)]
pub(super) struct Node {
    row: Row,
    /// When its phase was seen first.
    since: Option<Instant>,
}

impl Node {
    pub(super) fn new(target: &Target) -> Self {
        let row = Row {
            node: target.name.clone(),
            address: target.address.map(|address| address.to_string()),
            status: RowStatus::Unasked,
            phase: None,
            seconds: None,
            reason: String::new(),
        };
        Self { row, since: None }
    }

    /// Takes what was seen at this time. A node that was Ready has nothing more to say: later its page goes off.
    pub(super) fn take(&mut self, seen: Seen, now: Instant) {
        if self.row.status == RowStatus::Ready {
            return;
        }
        let (address, status, phase, reason) = match seen {
            Seen::Nowhere { dns_sd } => (None, RowStatus::NotFound, None, nowhere(&self.row.node, dns_sd)),
            Seen::Silent(address, why) => (Some(address), RowStatus::Unreachable, None, why),
            Seen::Other(address, name) => {
                let name = name.map_or_else(|| "without a name".to_owned(), |name| format!("{name:?}"));
                (Some(address), RowStatus::Unreachable, None, format!("the node at this address is {name}"))
            }
            Seen::Status(address, status) => {
                let phase = status.phase().map(|phase| phase.name.clone());
                (Some(address), row_status(status.status), phase, reason(&status))
            }
        };
        if phase.is_none() || self.row.phase != phase {
            self.since = phase.is_some().then_some(now);
        }
        let address = address.map(|address| address.to_string());
        let node = std::mem::take(&mut self.row.node);
        self.row = Row { node, address, status, phase, seconds: None, reason };
    }

    /// The row at this time.
    pub(super) fn row(&self, now: Instant) -> Row {
        let seconds = self.since.map(|since| now.saturating_duration_since(since).as_secs());
        Row { seconds: seconds.filter(|_| self.row.status == RowStatus::Running), ..self.row.clone() }
    }
}

fn nowhere(node: &str, dns_sd: Option<String>) -> String {
    let heard = dns_sd.map_or_else(
        || "nobody answers for it by DNS-SD".to_owned(),
        |why| format!("DNS-SD does not work here ({why})"),
    );
    format!("the cluster file has no address for it, and {heard}: wait, or add --address {node}=IP")
}

fn row_status(status: RunStatus) -> RowStatus {
    match status {
        RunStatus::NotBegun => RowStatus::NotBegun,
        RunStatus::Running => RowStatus::Running,
        RunStatus::Ready => RowStatus::Ready,
        RunStatus::Failed => RowStatus::Failed,
    }
}

/// What it waits for, or what is wrong and what to do.
fn reason(status: &NodeStatus) -> String {
    match (&status.failure, status.phase()) {
        (Some(trouble), _) if trouble.advice.is_empty() => trouble.what.clone(),
        (Some(trouble), _) => format!("{}. What to do: {}", trouble.what, trouble.advice),
        (None, Some(phase)) => phase.progress.clone().unwrap_or_default(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    fn status(json: &str) -> Seen {
        Seen::Status(HERE, NodeStatus::parse(json.as_bytes()).unwrap())
    }

    fn node(address: Option<IpAddr>) -> Node {
        Node::new(&Target { name: "pi-1".to_owned(), address })
    }

    #[test]
    fn the_time_of_a_phase_begins_where_it_is_seen_first() {
        let (mut node, begun) = (node(None), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        let running = |phase: &str, waits: &str| {
            status(&format!(
                r#"{{"schema":1,"node":"pi-1","status":"running","phases":[
                {{"name":"{phase}","status":"running","progress":"{waits}"}}]}}"#
            ))
        };
        node.take(running("network", "waiting: no carrier"), at(0));
        node.take(running("network", "waiting: no address"), at(60));
        let row = node.row(at(62));
        assert_eq!(
            (row.phase.as_deref(), row.seconds, row.reason.as_str()),
            (Some("network"), Some(62), "waiting: no address")
        );
        node.take(running("k3s", ""), at(70));
        assert_eq!(node.row(at(75)).seconds, Some(5));
        // A short silence begins it anew: nobody knows what it did meanwhile.
        node.take(Seen::Silent(HERE, "no answer within 4 s".to_owned()), at(80));
        let row = node.row(at(81));
        assert_eq!((row.status, row.phase, row.seconds), (RowStatus::Unreachable, None, None));
    }

    #[test]
    fn each_row_that_is_not_ready_has_its_reason() {
        let (mut node, now) = (node(None), Instant::now());
        for (seen, state, reason) in [
            (
                Seen::Nowhere { dns_sd: None },
                RowStatus::NotFound,
                "nobody answers for it by DNS-SD: wait, or add --address pi-1=IP",
            ),
            (
                Seen::Nowhere { dns_sd: Some("no network".to_owned()) },
                RowStatus::NotFound,
                "does not work here (no network)",
            ),
            (
                Seen::Silent(HERE, "Connection refused".to_owned()),
                RowStatus::Unreachable,
                "Connection refused",
            ),
            (Seen::Other(HERE, Some("a\nb".to_owned())), RowStatus::Unreachable, r#"is "a\nb""#),
            (status(r#"{"schema":1,"node":"pi-1","status":"not-begun"}"#), RowStatus::NotBegun, ""),
            (
                status(
                    r#"{"schema":1,"node":"pi-1","status":"failed","failure":{"what":"no carrier","advice":"the cable"}}"#,
                ),
                RowStatus::Failed,
                "no carrier. What to do: the cable",
            ),
            (status(r#"{"schema":1,"node":"pi-1","status":"ready"}"#), RowStatus::Ready, ""),
            // Its page has gone off.
            (Seen::Silent(HERE, "Connection refused".to_owned()), RowStatus::Ready, ""),
        ] {
            node.take(seen, now);
            let row = node.row(now);
            assert_eq!(row.status, state);
            assert!(row.reason.contains(reason), "{row:?}");
        }
    }
}
