//! What is to be built.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::board::Boards;
use crate::cluster::{self, Checked, Cluster, ClusterError, InvalidSingleNode, Report, SingleNode};
use crate::secrets::{Clock, Secrets, store};
use crate::value::Hostname;

use super::SessionError;

/// What is to be built, checked as far as it can be without any image.
#[derive(Debug)]
pub struct Project {
    /// The cluster.
    pub cluster: Cluster,
    /// The cluster file; none for one node alone.
    pub file: Option<PathBuf>,
}

impl Project {
    /// Reads and checks a cluster file. The report holds warnings only, and may be empty.
    pub fn load(file: &Path, boards: &Boards) -> Result<(Self, Report), ClusterError> {
        let Checked { cluster, warnings } = cluster::load(file, boards)?;
        Ok((Self { cluster, file: Some(file.to_owned()) }, warnings))
    }

    /// One node alone, which is a cluster of its own.
    pub fn single_node(node: SingleNode) -> Result<Self, InvalidSingleNode> {
        Ok(Self { cluster: cluster::single_node(node)?, file: None })
    }

    /// The names of all nodes.
    pub fn node_names(&self) -> Vec<Hostname> {
        self.cluster.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// Where the cluster's secrets lie; none for one node alone, whose k3s makes its own.
    pub(super) fn secrets_file(&self) -> Option<PathBuf> {
        self.file.as_deref().map(store::beside)
    }

    /// The secrets as they are, completed in memory where some are missing; the file is not written. `build_time` is in
    /// seconds since 1970.
    pub(super) fn secrets_or_ephemeral(&self, build_time: i64) -> Result<Option<Secrets>, SessionError> {
        let Some(path) = self.secrets_file() else { return Ok(None) };
        let clock = clock(build_time)?;
        Ok(Some(store::peek(&path, self.cluster.name.as_str(), &self.node_names(), clock)?))
    }
}

/// This machine's time beside the build time, for the dates of certificates.
pub(super) fn clock(build_time: i64) -> Result<Clock, SessionError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let now = now.and_then(|now| i64::try_from(now.as_secs()).ok()).ok_or(SessionError::Clock)?;
    Ok(Clock { now, build_time })
}
