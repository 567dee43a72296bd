//! What a phase may use: the outside world, the seed, and its own line in the state.

use std::time::Duration;

use crate::seed::Seed;
use crate::state::{self, PhaseName, State};
use crate::sys::System;
use crate::trouble::{Failure, Trouble};

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

    /// Says what a phase is doing or waiting for, where it differs from what was said last.
    pub fn progress(&mut self, name: PhaseName, text: &str) -> Result<(), Failure> {
        let record = self.state.record_mut(name);
        if record.progress.as_deref() == Some(text) {
            return Ok(());
        }
        record.progress = Some(text.to_owned());
        self.sys.tell(&format!("hcimage: {}: {text}", name.text()));
        self.save()
    }

    /// From here on, another seed is refused.
    pub fn commit(&mut self) -> Result<(), Trouble> {
        if self.state.committed {
            return Ok(());
        }
        self.state.committed = true;
        self.save().map_err(Trouble::Lasting)
    }

    /// Writes the state durably.
    pub fn save(&self) -> Result<(), Failure> {
        state::save(self.sys, &self.state)
    }
}
