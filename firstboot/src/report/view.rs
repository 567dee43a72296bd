//! What a report says, as plain data: the one source of its text and its JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::node::{Known, Versions, others};
use crate::mask::{STARS, mask};
use crate::phase_error::Failure;
use crate::seed::{Role, Seed};
use crate::state::{OtherNode, Outcome, PhaseName, Record, State};
use crate::sys::System;

/// The version of the JSON form; other members may be added to it.
pub const SCHEMA: u32 = 1;

/// The characters of a line of the log that are shown; a reason may quote a server's whole answer.
const LONGEST_LINE: usize = 400;

/// What a report says. Secrets are masked in what it is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// The node's name; none where the seed cannot be read.
    pub node: Option<String>,
    /// The static address with its prefix; none for DHCP, or where the seed cannot be read.
    pub address: Option<String>,
    /// The cluster; none where the seed cannot be read.
    pub cluster: Option<ClusterView>,
    /// When this was so, in seconds since 1970 by the node's clock.
    pub time: u64,
    /// How the first boot stands.
    pub status: RunStatus,
    /// What a person should know about the run as a whole.
    pub notes: Vec<String>,
    /// The phases that were begun, in order, without the last one, which makes the report.
    pub phases: Vec<Record>,
    /// Why the run stopped.
    pub failure: Option<Failure>,
    /// The time since power-on when this was so, in seconds: unlike the clock it never jumps.
    pub uptime: u64,
    /// The addresses at which the node can be reached, IPv4 first.
    pub addresses: Vec<String>,
    /// The versions of what runs on it.
    pub versions: Versions,
    /// The other nodes of the cluster, as far as this one knows them.
    pub nodes: Vec<OtherNode>,
    /// The last lines that the first boot has logged.
    pub log: Vec<String>,
    /// How long the node's page stays once it is Ready, in minutes; none where there is no page.
    pub page_minutes: Option<u64>,
    /// An account that logs in by SSH.
    pub ssh_user: Option<String>,
}

/// The cluster, and the node's place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// What the node is in it.
    pub role: RoleName,
    /// The fixed name or address of the API with its port, where there is one.
    pub api: Option<String>,
}

/// What a node is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleName {
    /// The server that starts the cluster.
    InitServer,
    /// A server that joins.
    JoinServer,
    /// An agent.
    Agent,
}

/// How the first boot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// It has not begun.
    NotBegun,
    /// Under way, or interrupted.
    Running,
    /// The node is Ready.
    Ready,
    /// Stopped; the next boot tries again.
    Failed,
}

impl RunStatus {
    /// The word in JSON, which is also that of DNS-SD.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotBegun => "not-begun",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

impl View {
    /// The view at the time `now`, counted from 1970, without what only the machine knows. No state: the first boot has
    /// not begun. No seed: it cannot be read.
    pub fn new(state: Option<&State>, seed: Option<&Seed>, now: Duration) -> Self {
        let (status, failure) = match state.map(|state| &state.outcome) {
            None => (RunStatus::NotBegun, None),
            Some(Outcome::Running) => (RunStatus::Running, None),
            Some(Outcome::Ready) => (RunStatus::Ready, None),
            Some(Outcome::Failed(failure)) => (RunStatus::Failed, Some(failure.clone())),
        };
        let phases = state.map(|state| state.phases.as_slice()).unwrap_or_default();
        // The report is what the last phase makes: in its own table it would always be unfinished.
        let phases = phases.iter().filter(|record| record.name != PhaseName::Finish).cloned().collect();
        Self {
            schema: SCHEMA,
            node: node(state, seed),
            address: address(state, seed),
            cluster: seed.map(ClusterView::new),
            time: now.as_secs(),
            status,
            notes: state.map(|state| state.notes.clone()).unwrap_or_default(),
            phases,
            failure,
            uptime: 0,
            addresses: Vec::new(),
            versions: Versions::default(),
            nodes: seed.map(|seed| others(seed, state.map_or(&[], |state| &state.nodes))).unwrap_or_default(),
            log: Vec::new(),
            page_minutes: seed.and_then(|seed| seed.report.page_minutes()),
            ssh_user: seed.and_then(|seed| seed.report.ssh_user.clone()),
        }
    }

    /// The view now, without the node's own secrets.
    pub fn now(sys: &dyn System, state: Option<&State>, seed: Option<&Seed>) -> Self {
        let mut known = Known::default();
        known.look(sys, seed);
        Self::with(&mut known, sys, state, seed)
    }

    /// The same with what is known of the node from before, which saves a phase the time to look for it.
    pub(crate) fn with(
        known: &mut Known,
        sys: &dyn System,
        state: Option<&State>,
        seed: Option<&Seed>,
    ) -> Self {
        let view = Self {
            uptime: sys.uptime().as_secs(),
            addresses: known.addresses.clone(),
            versions: known.versions.clone(),
            log: sys.log_tail(),
            ..Self::new(state, seed, sys.now())
        };
        let mut view = view.without(&known.secrets.now(sys));
        // Own secrets have no form, so they were taken out first, while they were whole.
        view.log.iter_mut().for_each(|line| *line = cut(&mask(line)));
        view
    }

    /// The view without `secrets`, wherever a program's message has brought one in.
    fn without(mut self, secrets: &[String]) -> Self {
        let texts_of = |record: &mut Record| {
            record.progress.iter_mut().chain(&mut record.notes).for_each(|text| hide(text, secrets));
        };
        self.notes.iter_mut().chain(&mut self.log).for_each(|text| hide(text, secrets));
        self.phases.iter_mut().for_each(texts_of);
        if let Some(Failure { what, advice, log, again: _ }) = &mut self.failure {
            [what, advice].into_iter().chain(log).for_each(|text| hide(text, secrets));
        }
        self
    }

    /// The view as indented JSON with a newline at its end.
    pub fn json(&self) -> String {
        // Serialising plain text and numbers cannot fail.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{json}\n")
    }
}

pub(super) fn hide(text: &mut String, secrets: &[String]) {
    for secret in secrets {
        *text = text.replace(secret, STARS);
    }
}

/// A line as long as a page shows it: cut after secrets were taken out, or half of one might be left.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// `hcimage.toml` on the card may have changed it.
fn node(state: Option<&State>, seed: Option<&Seed>) -> Option<String> {
    let changed = state.and_then(|state| state.overrides.hostname.clone());
    changed.or_else(|| seed.map(|seed| seed.node.hostname.clone())).map(|name| name.to_string())
}

/// Likewise.
fn address(state: Option<&State>, seed: Option<&Seed>) -> Option<String> {
    let changed = state.and_then(|state| state.overrides.address);
    changed.or_else(|| seed?.network.address()).map(|address| address.to_string())
}

impl ClusterView {
    fn new(seed: &Seed) -> Self {
        let role = match &seed.role {
            Role::InitServer(_) => RoleName::InitServer,
            Role::Server(_) => RoleName::JoinServer,
            Role::Agent(_) => RoleName::Agent,
        };
        Self {
            name: seed.cluster.name.clone(),
            role,
            api: seed.cluster.api.as_ref().map(ToString::to_string),
        }
    }
}
