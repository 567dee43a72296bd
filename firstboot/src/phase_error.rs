//! Errors of a phase, with their advice.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failure for the report: cause and fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The cause.
    pub what: String,
    /// The fix.
    pub advice: String,
    /// The last lines of a log with details; already masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Whether the node tries again without anybody's help, after a pause.
    #[serde(default)]
    pub again: bool,
}

impl Failure {
    /// A failure without a log.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into(), log: Vec::new(), again: false }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}

/// Why a phase did not reach its goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhaseError {
    /// Temporary: retried until the time limit of the phase.
    Retry(Failure),
    /// Permanent: stops the run.
    Abort(Failure),
}

impl PhaseError {
    /// The failure, once there are no more retries.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Retry(failure) | Self::Abort(failure) => failure,
        }
    }

    /// A temporary error.
    pub fn retry(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Retry(Failure::new(what, advice))
    }

    /// A permanent error.
    pub fn abort(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Abort(Failure::new(what, advice))
    }
}
