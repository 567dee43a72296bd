//! What a phase may use: the outside world, the seed, and its own line in the state.

use std::time::Duration;

use crate::overrides::OVERRIDES_FILE;
use crate::phase_error::{Failure, PhaseError};
use crate::seed::{Network, Seed};
use crate::state::{self, PhaseName, State};
use crate::sys::System;

/// What a phase may use.
pub struct Context<'a> {
    /// The outside world.
    pub sys: &'a dyn System,
    /// What the builder asked for.
    pub seed: &'a Seed,
    /// How far the first boot has come.
    pub state: State,
    /// When the state was last written before this start; the clock cannot be earlier.
    pub last_seen: Option<Duration>,
    /// When the time of the phase under way is over, as a point of the uptime.
    pub deadline: Duration,
}

impl Context<'_> {
    /// The unit that runs k3s here.
    pub fn unit(&self) -> &'static str {
        self.seed.role.unit()
    }

    /// The name of the node, as the user may have changed it.
    pub fn hostname(&self) -> &str {
        self.state.overrides.hostname.as_ref().unwrap_or(&self.seed.node.hostname).as_str()
    }

    /// How the node is to be connected, as the user may have changed it.
    pub fn network(&self) -> Result<Network, PhaseError> {
        self.state.overrides.network(self.seed).map_err(|problem| {
            let what = format!("{}: {problem}", self.seed.report.boot_dir.join(OVERRIDES_FILE).display());
            PhaseError::abort(
                what,
                "fix the file with any text editor, or delete it, then power the node off and on",
            )
        })
    }

    /// Says what a phase is doing or waiting for, where it differs from what was said last.
    pub fn progress(&mut self, name: PhaseName, text: &str) -> Result<(), Failure> {
        let record = self.state.record_mut(name);
        if record.progress.as_deref() == Some(text) {
            return Ok(());
        }
        record.progress = Some(text.to_owned());
        self.sys.log(&format!("hcimage: {}: {text}", name.text()));
        self.save()
    }

    /// Puts something into the report that must stay there whatever happens later, and says it.
    pub fn note(&mut self, name: PhaseName, text: &str) -> Result<(), Failure> {
        if !self.state.notes.iter().any(|note| note == text) {
            self.state.notes.push(text.to_owned());
        }
        self.progress(name, text)
    }

    /// From here on, another seed is refused.
    pub fn commit(&mut self) -> Result<(), PhaseError> {
        if self.state.committed {
            return Ok(());
        }
        self.state.committed = true;
        self.save().map_err(PhaseError::Abort)
    }

    /// Writes the state durably.
    pub fn save(&self) -> Result<(), Failure> {
        state::save(self.sys, &self.state)
    }
}
