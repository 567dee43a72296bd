//! What is to be built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::board::Boards;
use crate::cluster::{
    self, Checked, Cluster, ClusterError, Datastore, InvalidSingleNode, Report, SingleNode,
};
use crate::overlays::{ActiveOverlay, Library, SecretValues};
use crate::plan::{FilledOverlay, NodeSecrets};
use crate::secrets::{Clock, MemberSecrets, NOT_BEFORE, Secrets, Shape, WantedSecrets, store};
use crate::value::{BootstrapRole, DnsLabel, Hostname};

use super::SessionError;

/// What is to be built, checked as far as it can be without any image.
#[derive(Debug)]
pub struct Project {
    /// The cluster.
    pub cluster: Cluster,
    /// The cluster file; none for one node alone.
    pub file: Option<PathBuf>,
    /// The files that it names.
    named: Vec<PathBuf>,
    /// The secrets that each overlay wants made: those that the cluster file does not set.
    overlay_secrets: WantedSecrets,
}

/// The secrets of a project's nodes.
#[derive(Debug)]
pub(super) enum ProjectSecrets {
    /// Of a cluster that these nodes make.
    Own(Box<Secrets>),
    /// Of nodes that join a cluster made elsewhere.
    Member(MemberSecrets),
}

impl ProjectSecrets {
    /// What goes onto a node.
    pub(super) fn of_node(
        &self,
        cluster: &Cluster,
        node: &cluster::Node,
    ) -> Result<NodeSecrets, SessionError> {
        let (name, role) = (&node.name, node.bootstrap_role);
        match (self, &cluster.join) {
            (Self::Own(secrets), _) => {
                // Servers that share a database elsewhere are alike: whichever starts first makes the cluster with these authorities.
                let on_database = matches!(cluster.datastore, Datastore::External(_));
                let files_of = if on_database && role == BootstrapRole::JoinServer {
                    BootstrapRole::InitServer
                } else {
                    role
                };
                let mut files = secrets.node_files(name, files_of)?;
                if cluster.shares_etcd(node) {
                    files.extend(secrets.admin_files());
                }
                Ok(NodeSecrets { files, not_before: Some(NOT_BEFORE), not_after: secrets.authorities_end() })
            }
            (Self::Member(secrets), Some(existing)) => {
                let files = secrets.node_files(name, role, &existing.credentials)?;
                Ok(NodeSecrets { files, not_before: None, not_after: None })
            }
            (Self::Member(_), None) => Err(SessionError::NoSecrets),
        }
    }

    /// The texts of the cluster's overlays, with its secrets.
    pub(super) fn fill(&self, cluster: &Cluster) -> Result<Vec<FilledOverlay>, SessionError> {
        let Self::Own(secrets) = self else { return Ok(Vec::new()) };
        let filled = cluster.overlays.iter().map(|active| {
            let (mut values, salt) = secrets.overlay(active.name());
            values.extend(active.given.clone());
            let texts = active.render(SecretValues::Real { values, salt })?;
            Ok(FilledOverlay { name: active.name().clone(), texts })
        });
        filled.collect()
    }

    /// When they were made, by the clock of the machine that made them.
    pub(super) fn made_at(&self) -> Option<i64> {
        match self {
            Self::Own(secrets) => secrets.made_at(),
            Self::Member(_) => None,
        }
    }
}

impl Project {
    /// Reads and checks a cluster file. The report holds warnings only, and may be empty.
    pub fn load(file: &Path, boards: &Boards, overlays: &Library) -> Result<(Self, Report), ClusterError> {
        let Checked { cluster, warnings, files: named } = cluster::load(file, boards, overlays)?;
        let with_secrets = cluster.overlays.iter().filter(|active| !active.overlay.secrets.is_empty());
        let overlay_secrets = with_secrets.map(wanted_secrets).collect();
        Ok((Self { cluster, file: Some(file.to_owned()), named, overlay_secrets }, warnings))
    }

    /// One node alone, which is a cluster of its own.
    pub fn single_node(node: SingleNode) -> Result<Self, InvalidSingleNode> {
        let cluster = cluster::single_node(node)?;
        Ok(Self { cluster, file: None, named: Vec::new(), overlay_secrets: BTreeMap::new() })
    }

    /// The files and folders of the user's that its images are made from: the cluster file, what it names, its secrets, the
    /// overlays that are not compiled in, and folders that go onto nodes.
    pub fn inputs(&self) -> Vec<PathBuf> {
        let own = self.file.iter().cloned().chain(self.secrets_file());
        let mut inputs: Vec<PathBuf> = own.chain(self.named.iter().cloned()).collect();
        for active in &self.cluster.overlays {
            inputs.extend(active.overlay.paths());
            inputs.extend(active.needs.folders.iter().flat_map(|needed| needed.folder.paths()));
        }
        inputs
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
    pub(super) fn secrets_or_ephemeral(
        &self,
        build_time: i64,
    ) -> Result<Option<ProjectSecrets>, SessionError> {
        let Some(path) = self.secrets_file() else { return Ok(None) };
        let (wanted, nodes) = (self.wanted(), self.node_names());
        Ok(Some(match self.cluster.join {
            Some(_) => ProjectSecrets::Member(store::peek_member(&path, wanted.name, &nodes)?),
            None => ProjectSecrets::Own(Box::new(store::peek(&path, wanted, &nodes, clock(build_time)?)?)),
        }))
    }

    /// The cluster, for its secrets.
    pub(super) fn wanted(&self) -> store::Wanted<'_> {
        store::Wanted {
            name: self.cluster.name.as_str(),
            tokens: &self.cluster.k3s.tokens,
            overlays: &self.overlay_secrets,
        }
    }

    /// Whether a kubeconfig is made: not for one node alone, and not for a cluster that exists.
    pub(super) fn makes_kubeconfig(&self) -> bool {
        self.file.is_some() && self.cluster.join.is_none()
    }
}

/// What the first build makes for an overlay: what nobody else knows, and the user has not set.
fn wanted_secrets(active: &ActiveOverlay) -> (DnsLabel, BTreeMap<String, Shape>) {
    let made =
        active.overlay.secrets.iter().filter(|(name, of)| !of.given && !active.given.contains_key(*name));
    (active.name().clone(), made.map(|(name, of)| (name.clone(), of.shape())).collect())
}

/// This machine's time beside the build time, for the dates of certificates.
pub(super) fn clock(build_time: i64) -> Result<Clock, SessionError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let now = now.and_then(|now| i64::try_from(now.as_secs()).ok()).ok_or(SessionError::Clock)?;
    Ok(Clock { now, build_time })
}
