//! Errors of secrets. No message quotes the secrets file: any of its lines may be secret.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::exit_class::{Classified, ExitClass};
use crate::value::Hostname;

/// Why the secrets cannot be created, read, written or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// A file could not be read or written.
    #[error("{what}")]
    Io {
        /// The operation, with the path.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// Other users can read the file.
    #[error(
        "{}: other users can read this file (mode {mode:04o}), which gives full access to the cluster: run \
        `chmod 600 {}`; if the file system does not support permissions, move the directory to one that does",
        path.display(), path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is damaged.
    #[error(
        "{}: damaged: {damage}. Restore the file from a backup. Without a backup, running nodes continue to work, but \
        no new or newly flashed node can join; to set up a new cluster, move the file away and build all images again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        damage: Damage,
    },
    /// The file was written by a newer hcimage.
    #[error("{}: unsupported schema {found}: this hcimage supports schema {known}; use a newer hcimage", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest supported schema.
        known: u32,
    },
    /// The file belongs to another cluster.
    #[error(
        "{}: expected the secrets of cluster {wanted:?}, found those of {found:?}: if you renamed the cluster, change \
        `cluster` in this file too; if it is another cluster, use a separate directory",
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
    /// The file has the secrets of a cluster made here, or those of nodes that join another, and the cluster file wants the
    /// other kind.
    #[error(
        "{}: with [join] in the cluster file, the secrets file has only the passwords of the nodes; without it, it has all \
        secrets of a cluster. This is the other kind: if [join] was added or removed by mistake, undo that; otherwise use a \
        separate directory",
        path.display()
    )]
    OtherKind {
        /// The file.
        path: PathBuf,
    },
    /// The cluster file has another token than the cluster.
    #[error(
        "`{key}` in [k3s] is not the token of this cluster, which {} has: nodes with another one cannot join. Undo the change; to \
        give the cluster the new token, run `hcimage rotate {item}` and follow its steps",
        path.display()
    )]
    OtherToken {
        /// The file.
        path: PathBuf,
        /// The key of the cluster file.
        key: &'static str,
        /// The item for `hcimage rotate`.
        item: &'static str,
    },
    /// The build time is before the start of the certificates.
    #[error(
        "the build time {build_time} is before the start of {certificate}, {begins}: a node whose clock starts there \
        cannot verify certificates; set SOURCE_DATE_EPOCH to a later time"
    )]
    BuildTimeTooEarly {
        /// The certificate.
        certificate: &'static str,
        /// The date of the build time.
        build_time: String,
        /// The first day of the certificate.
        begins: String,
    },
    /// A CA has expired.
    #[error(
        "{certificate} expired on {ended}: nodes built with it cannot join. Replace it on the running cluster with \
        `k3s certificate rotate-ca`, or move the secrets file away and build all images again for a new cluster"
    )]
    Expired {
        /// The certificate.
        certificate: &'static str,
        /// Its last day.
        ended: String,
    },
    /// The clock of this machine is wrong.
    #[error(
        "the clock of this machine is wrong: it shows {now}, which is before {earliest}, and certificates would expire \
        too early; set the clock"
    )]
    ClockBehind {
        /// The date by the clock.
        now: String,
        /// The earliest plausible date.
        earliest: String,
    },
    /// A time outside of the calendar.
    #[error(
        "time {seconds} (seconds since 1970) is out of range for a certificate: fix the clock or SOURCE_DATE_EPOCH"
    )]
    NoDate {
        /// Seconds since 1970.
        seconds: i64,
    },
    /// A node without a password in the secrets.
    #[error("missing password of node {name} in the secrets: build with a cluster file that has this node")]
    UnknownNode {
        /// The node.
        name: Hostname,
    },
    /// The system's random number generator failed.
    #[error("getting random numbers from the system")]
    Random(#[source] getrandom::Error),
    /// A certificate could not be created.
    #[error("creating {what}")]
    Certificate {
        /// The certificate or key.
        what: &'static str,
        /// Why.
        source: rcgen::Error,
    },
    /// The RSA key could not be created.
    #[error("creating the key for service-account tokens: {cause}")]
    ServiceKey {
        /// Why.
        cause: String,
    },
}

impl Classified for SecretsError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Damaged { .. } | Self::Expired { .. } => Some(ExitClass::BadInput),
            Self::OtherToken { .. } => Some(ExitClass::Usage),
            Self::Newer { .. } => Some(ExitClass::Unsupported),
            _ => None,
        }
    }
}

/// Damage of a secrets file: position and cause, never the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The line, counted from 1, if known.
    pub line: Option<usize>,
    /// The cause.
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
