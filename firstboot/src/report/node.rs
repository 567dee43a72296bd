//! What a report says of the node itself: its addresses, the versions of its parts, the nodes beside it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::own_secrets::OwnSecrets;
use crate::links;
use crate::seed::{Role, Seed};
use crate::state::OtherNode;
use crate::sys::System;

/// The versions of what runs on the node; none where a file does not say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// This program.
    pub hcimage: String,
    /// k3s, as the builder put it into the image.
    pub k3s: Option<String>,
    /// The kernel that runs.
    pub kernel: Option<String>,
    /// The distribution.
    pub os: Option<String>,
}

/// What a report says of the node itself, and hides of it. It is looked for when a phase begins, since that starts a program; what a
/// phase changes is news at the next one.
#[derive(Debug, Default)]
pub struct Known {
    pub(super) addresses: Vec<String>,
    pub(super) versions: Versions,
    pub(super) secrets: OwnSecrets,
}

impl Known {
    /// Looks for what is so now; for secrets it is looked each time.
    pub(crate) fn look(&mut self, sys: &dyn System, seed: Option<&Seed>) {
        (self.addresses, self.versions) = (addresses(sys, seed), versions(sys, seed));
    }
}

/// The versions now.
fn versions(sys: &dyn System, seed: Option<&Seed>) -> Versions {
    let read = |path: &str| {
        let bytes = sys.read(Path::new(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    Versions {
        hcimage: env!("CARGO_PKG_VERSION").to_owned(),
        k3s: seed.and_then(|seed| seed.k3s.version.clone()),
        kernel: read("/proc/sys/kernel/osrelease"),
        os: read("/etc/os-release").and_then(|text| pretty_name(&text)),
    }
}

/// The distribution's name in os-release(5).
fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// The addresses at which the node can be reached, best first; none where that cannot be asked.
fn addresses(sys: &dyn System, seed: Option<&Seed>) -> Vec<String> {
    let links = links::all(sys).unwrap_or_default();
    links::reachable(&links, seed.map(|seed| &seed.network)).iter().map(ToString::to_string).collect()
}

/// The other nodes, as far as this one knows them: the first server knows all, and has `asked` for them; the others know the
/// servers that they join.
pub(super) fn others(seed: &Seed, asked: &[OtherNode]) -> Vec<OtherNode> {
    let names: Vec<String> = match &seed.role {
        Role::InitServer(first) => first.nodes.iter().map(ToString::to_string).collect(),
        Role::Server(join) | Role::Agent(join) => {
            join.servers.iter().map(|at| at.host().to_string()).collect()
        }
    };
    let ready = |name: &str| asked.iter().find(|node| node.name == name).and_then(|node| node.ready);
    names.into_iter().map(|name| OtherNode { ready: ready(&name), name }).collect()
}
