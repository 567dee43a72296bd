//! The context of a phase: the machine, the seed, and its record in the state.

use std::time::Duration;

use crate::overrides::OVERRIDES_FILE;
use crate::phase_error::{Failure, PhaseError};
use crate::report::{Known, View, live};
use crate::seed::{Network, Seed};
use crate::state::{self, PhaseName, State};
use crate::sys::System;

/// The context of a phase.
pub struct Context<'a> {
    /// The machine.
    pub sys: &'a dyn System,
    /// The settings from the builder.
    pub seed: &'a Seed,
    /// The progress of the first boot.
    pub state: State,
    /// The latest time that the node has seen before this start; the clock cannot be earlier.
    pub last_seen: Option<Duration>,
    /// The start of the current phase, in uptime.
    pub started: Duration,
    /// The end of the current phase's time limit, in uptime.
    pub deadline: Duration,
    /// What the live report says of the node.
    pub known: Known,
}

impl Context<'_> {
    /// The k3s unit of this node.
    pub fn unit(&self) -> &'static str {
        self.seed.role.unit()
    }

    /// The name of the node, with the user's override.
    pub fn hostname(&self) -> &str {
        self.state.overrides.hostname.as_ref().unwrap_or(&self.seed.node.hostname).as_str()
    }

    /// The name of the Kubernetes node.
    pub fn node_name(&self) -> String {
        match &self.seed.node.id {
            Some(id) => format!("{}-{id}", self.hostname()),
            None => self.hostname().to_owned(),
        }
    }

    /// The network of the node, with the user's overrides.
    pub fn network(&self) -> Result<Network, PhaseError> {
        let overrides = &self.state.overrides;
        overrides.check_name(self.seed).and_then(|()| overrides.network(self.seed)).map_err(|problem| {
            let what = format!("{}: {problem}", self.seed.report.boot_dir.join(OVERRIDES_FILE).display());
            PhaseError::abort(
                what,
                "fix or delete the file with another computer, then power the node off and on",
            )
        })
    }

    /// Logs the progress of a phase, if it has changed.
    pub fn progress(&mut self, name: PhaseName, text: &str) -> Result<(), Failure> {
        let record = self.state.record_mut(name);
        if record.progress.as_deref() == Some(text) {
            return Ok(());
        }
        record.progress = Some(text.to_owned());
        record.seconds = self.sys.uptime().saturating_sub(self.started).as_secs();
        self.sys.log(&format!("hcimage: {}: {text}", name.text()));
        self.save()
    }

    /// Adds a permanent note to the report, and logs it.
    pub fn note(&mut self, name: PhaseName, text: &str) -> Result<(), Failure> {
        if !self.state.notes.iter().any(|note| note == text) {
            self.state.notes.push(text.to_owned());
        }
        self.progress(name, text)
    }

    /// Marks the commit point: from here on, another seed is rejected.
    pub fn commit(&mut self) -> Result<(), PhaseError> {
        if self.state.committed {
            return Ok(());
        }
        self.state.committed = true;
        self.save().map_err(PhaseError::Abort)
    }

    /// Writes the state durably, and shows it.
    pub fn save(&mut self) -> Result<(), Failure> {
        state::save(self.sys, &self.state)?;
        self.show();
        Ok(())
    }

    /// Tells everybody who watches the node how the first boot stands.
    pub(crate) fn show(&mut self) {
        let view = View::with(&mut self.known, self.sys, Some(&self.state), Some(self.seed));
        live::publish(self.sys, &view);
    }
}
