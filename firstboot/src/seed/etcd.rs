//! The etcd that the servers of a cluster share.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Join;

/// On a server whose k3s runs etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Etcd {
    /// How long no other server may answer before the first server begins a new cluster, in seconds. Servers that start
    /// again after a power cut must answer within this time.
    pub silence_seconds: u64,
    /// On the first server: the other servers. It asks them before it begins a cluster, and joins theirs if they have
    /// one. None where it is the only server.
    #[serde(default)]
    pub partners: Option<Join>,
    /// The administrator's credentials, by which a server that was flashed again removes its own old member. None: the
    /// report names the command.
    #[serde(default)]
    pub admin: Option<Admin>,
}

/// A certificate of the cluster's administrator, with its key; both PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The file with the certificate.
    pub certificate: PathBuf,
    /// The file with the key.
    pub key: PathBuf,
}
