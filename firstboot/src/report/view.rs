//! What a report says, as plain data: the one source of its text and its JSON.

use std::time::Duration;

use serde::Serialize;

use super::mask::STARS;
use super::own_secrets::own_secrets;
use crate::phase_error::Failure;
use crate::seed::{Role, Seed};
use crate::state::{Outcome, PhaseName, Record, State};
use crate::sys::System;

/// The version of the JSON form; other members may be added to it.
pub const SCHEMA: u32 = 1;

/// What a report says. Secrets are masked in what it is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
}

/// The cluster, and the node's place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// What the node is in it.
    pub role: RoleName,
    /// The fixed name or address of the API with its port, where there is one.
    pub api: Option<String>,
}

/// What a node is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

impl View {
    /// The view at the time `now`, counted from 1970. No state: the first boot has not begun. No seed: it cannot be read.
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
        }
    }

    /// The view now, without the node's own secrets.
    pub fn now(sys: &dyn System, state: Option<&State>, seed: Option<&Seed>) -> Self {
        Self::new(state, seed, sys.now()).without(&own_secrets(sys))
    }

    /// The view without `secrets`, wherever a program's message has brought one in.
    fn without(mut self, secrets: &[String]) -> Self {
        let texts_of = |record: &mut Record| {
            record.progress.iter_mut().chain(&mut record.notes).for_each(|text| hide(text, secrets));
        };
        self.notes.iter_mut().for_each(|text| hide(text, secrets));
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
