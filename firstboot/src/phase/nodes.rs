//! On the first server: waits until all nodes of the cluster have joined and are Ready.

use std::time::Duration;

use hc_common::value::Hostname;

use super::{Phase, cluster};
use crate::context::Context;
use crate::kube::{Node, Selector};
use crate::mask::mask;
use crate::phase_error::{Failure, PhaseError};
use crate::state::{OtherNode, PhaseName};

const ADVICE: &str = "power the nodes on and see their own reports";

pub(super) struct Nodes;

impl Phase for Nodes {
    fn name(&self) -> PhaseName {
        PhaseName::Nodes
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.role.init_server().is_some_and(|first| !first.nodes.is_empty())
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        Duration::from_secs(cx.seed.role.init_server().map_or(0, |first| first.join_seconds))
    }

    fn longest_pause(&self) -> Duration {
        cluster::PAUSE
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.is_done(PhaseName::Nodes))
    }

    /// What the API says of the nodes is kept for the report too.
    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let Some(first) = cx.seed.role.init_server() else { return Ok(()) };
        let nodes: Vec<Node> = cluster::client(cx)
            .and_then(|client| client.list("/api/v1/nodes", Selector::default()))
            .map_err(|e| PhaseError::retry(mask(&e.to_string()), ADVICE))?;
        cx.state.nodes = first.nodes.iter().filter_map(|name| joined(&nodes, name)).collect();
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let Some(first) = cx.seed.role.init_server() else { return Ok(Vec::new()) };
        match missing(&cx.state.nodes, &first.nodes) {
            None => Ok(vec![format!("{} joined and Ready", first.nodes.len())]),
            Some(what) => Err(PhaseError::retry(what, ADVICE)),
        }
    }

    /// This server is Ready. The other nodes may join later, without further action.
    fn on_timeout(&self, _cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        Ok(vec![format!("{}; they may still join later", last.into_failure().what)])
    }
}

/// A node that has joined.
fn joined(nodes: &[Node], name: &Hostname) -> Option<OtherNode> {
    let node = nodes.iter().find(|node| node.metadata.name == name.as_str())?;
    Some(OtherNode { name: name.to_string(), ready: Some(node.is_ready()) })
}

/// The nodes that have not joined, and those that are not Ready; `None` if all are Ready.
fn missing(joined: &[OtherNode], wanted: &[Hostname]) -> Option<String> {
    let find = |name: &Hostname| joined.iter().find(|node| node.name == name.as_str());
    let absent: Vec<&str> = wanted.iter().filter(|name| find(name).is_none()).map(Hostname::as_str).collect();
    let unready: Vec<&str> = wanted
        .iter()
        .filter(|name| find(name).is_some_and(|node| node.ready != Some(true)))
        .map(Hostname::as_str)
        .collect();
    let parts: Vec<String> = [("not joined", absent), ("joined but not Ready", unready)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", names.join(", ")))
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
