//! Why the secrets cannot be used. No message quotes the secrets file: any of its lines may be secret.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::exit_class::{Classified, ExitClass};
use crate::value::Hostname;

/// Why the secrets cannot be made, read, written or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// A file could not be read or written.
    #[error("{what}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error(
        "{}: others may read it (mode {mode:04o}), and who reads it owns the cluster: run `chmod 600 {}`; if the file \
         system knows no permissions, keep the directory on one that does",
        path.display(), path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not as hcimage wrote it.
    #[error(
        "{}: {damage}. Restore the file from a backup. Without one: nodes that run go on, but no new or newly \
         flashed card can join them; to start a new cluster instead, move the file away and build all cards again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The file was written by a later hcimage.
    #[error("{}: schema {found} is newer than this hcimage, which knows {known}: use a newer hcimage", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that is known here.
        known: u32,
    },
    /// The file belongs to another cluster.
    #[error(
        "{}: these are the secrets of the cluster {found:?}, not of {wanted:?}: if it was renamed, change the line \
         `cluster` in this file too; if it is another cluster, give it a directory of its own",
        path.display()
    )]
    OtherCluster {
        /// The file.
        path: PathBuf,
        /// The name in it.
        found: String,
        /// The name in the cluster file.
        wanted: String,
    },
    /// The build time is before the certificates begin.
    #[error(
        "the build time {build_time} is before {certificate} begins, on {begins}: a node that starts with its clock \
         there refuses the whole cluster; set SOURCE_DATE_EPOCH to a later time"
    )]
    BuildTimeTooEarly {
        /// The certificate.
        certificate: &'static str,
        /// The date of the build time.
        build_time: String,
        /// The first day of the certificate.
        begins: String,
    },
    /// A CA is over.
    #[error(
        "{certificate} ended on {ended}: no card built with it can work. Replace it on the running cluster with \
         `k3s certificate rotate-ca`, or move the secrets file away and build all cards again for a new cluster"
    )]
    Expired {
        /// The certificate.
        certificate: &'static str,
        /// Its last day.
        ended: String,
    },
    /// The clock of this machine stands wrong.
    #[error(
        "the clock of this machine says {now}, which is before {earliest}: certificates made now would end too early; \
         set the clock"
    )]
    ClockBehind {
        /// The date by the clock.
        now: String,
        /// What it must be later than.
        earliest: String,
    },
    /// A time that no calendar has.
    #[error(
        "{seconds} seconds since 1970 is no date that a certificate can carry: set the clock, or SOURCE_DATE_EPOCH"
    )]
    NoDate {
        /// Seconds since 1970.
        seconds: i64,
    },
    /// A node that the secrets were not opened for.
    #[error(
        "there is no password for the node {name} in the secrets: build with a cluster file that names it"
    )]
    UnknownNode {
        /// The node.
        name: Hostname,
    },
    /// The system gave no random numbers.
    #[error("getting random numbers from the system")]
    Random(#[source] getrandom::Error),
    /// A certificate could not be made.
    #[error("making {what}")]
    Certificate {
        /// The certificate or key.
        what: &'static str,
        /// Why.
        source: rcgen::Error,
    },
    /// The RSA key could not be made.
    #[error("making the key for service-account tokens: {cause}")]
    ServiceKey {
        /// Why.
        cause: String,
    },
}

impl Classified for SecretsError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Damaged { .. } | Self::Expired { .. } => Some(ExitClass::BadInput),
            Self::Newer { .. } => Some(ExitClass::Unsupported),
            _ => None,
        }
    }
}

/// What is wrong with a secrets file: where, and what kind of thing, never the text that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The line, counted from one, where it can be told.
    pub line: Option<usize>,
    /// What is wrong.
    pub cause: String,
}

impl Damage {
    pub(super) fn new(cause: impl Into<String>) -> Self {
        Self { line: None, cause: cause.into() }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line} {}", self.cause),
            None => f.write_str(&self.cause),
        }
    }
}
