//! What can go wrong in a phase, in words for a person.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One sentence for a person: what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: String,
    /// The last lines of a log that tell more; already masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl Failure {
    /// A failure without a log.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into(), log: Vec::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}

/// Why a phase did not reach its goal this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhaseError {
    /// May go away by itself: tried again until the time of the phase is over.
    Retry(Failure),
    /// Will not go away: stops the run.
    Abort(Failure),
}

impl PhaseError {
    /// What it comes to when nothing more is tried.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Retry(failure) | Self::Abort(failure) => failure,
        }
    }

    /// A trouble that may go away by itself.
    pub fn retry(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Retry(Failure::new(what, advice))
    }

    /// A trouble that will not go away.
    pub fn abort(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Abort(Failure::new(what, advice))
    }
}
