//! Which cluster is meant: arguments of what changes one that runs.

use std::io::Write;
use std::path::PathBuf;

use hc_common::text::printable::printable;

use crate::board::Boards;
use crate::interrupt::Interrupt;
use crate::live::{Api, LiveError, LiveOverlay, Running, read_access};
use crate::session::{Project, Session};
use crate::value::DnsLabel;

use super::super::build_args::{CLUSTER_FILE, LOCK_FILE, library};
use super::super::output;

/// The cluster, and how its API is reached.
#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// The cluster file
    #[arg(long, value_name = "FILE", default_value = CLUSTER_FILE)]
    cluster: PathBuf,
    /// The administrator's kubeconfig, as `hcimage build` writes it
    #[arg(long, value_name = "FILE", default_value = "out/kubeconfig")]
    kubeconfig: PathBuf,
    /// How long to wait for the cluster, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(super) timeout: u64,
    /// Where versions of charts are kept
    #[arg(long, value_name = "FILE", default_value = LOCK_FILE)]
    lock: PathBuf,
    /// Take charts from the cache: use no network but that to the cluster
    #[arg(long)]
    offline: bool,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
}

/// A cluster that runs, beside its cluster file.
pub(super) struct Cluster {
    pub(super) project: Project,
    session: Session,
    pub(super) api: Api,
    lock: PathBuf,
    kubeconfig: PathBuf,
}

impl ClusterArgs {
    pub(super) fn open(&self, dir: Option<PathBuf>) -> anyhow::Result<Cluster> {
        let boards = Boards::load(self.profiles.as_deref())?;
        // Its warnings are for a build.
        let (project, _warnings) = Project::load(&self.cluster, &boards, &library(&self.cluster, dir))?;
        let session = super::super::session()?.offline(self.offline);
        let interrupt: Interrupt = session.cx().interrupt.clone();
        let api = Api::new(read_access(&self.kubeconfig)?, interrupt);
        Ok(Cluster { project, session, api, lock: self.lock.clone(), kubeconfig: self.kubeconfig.clone() })
    }
}

impl Cluster {
    /// The overlays of the cluster file with these names, or all. Where `keep`, passwords that are made are kept.
    ///
    /// # Errors
    /// Also when the kubeconfig is of another cluster.
    pub(super) fn overlays(&self, only: &[DnsLabel], keep: bool) -> anyhow::Result<Vec<LiveOverlay>> {
        self.check_authority()?;
        Ok(self.session.live_overlays(&self.project, &self.lock, only, keep)?)
    }

    /// Refuses the kubeconfig of another cluster.
    pub(super) fn check_authority(&self) -> anyhow::Result<()> {
        let (authority, secrets) = self.project.authority()?;
        if self.api.is_verified_by(&authority) {
            return Ok(());
        }
        let kubeconfig = self.kubeconfig.clone();
        let cluster = self.project.cluster.name.to_string();
        Err(LiveError::OtherCluster { kubeconfig, cluster, secrets }.into())
    }

    /// What the cluster has. Tells what it does not understand of it.
    pub(super) fn running(&self) -> anyhow::Result<Running> {
        let running = Running::read(&self.api)?;
        for line in &running.damaged {
            say(&format!("warning: {line}"));
        }
        Ok(running)
    }
}

/// A line for the user, on stderr: it is no result.
pub(super) fn say(line: &str) {
    // Without stderr nobody reads it.
    let _ = writeln!(output::stderr(), "{}", printable(line));
}
