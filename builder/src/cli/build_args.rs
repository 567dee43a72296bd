//! What is to be built, from which inputs: arguments of the commands that build and that only plan.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::board::{Board, Boards};
use crate::cluster::{Addressing, DataDir, DataDisk, ImageSource, Manifest, SingleNode};
use crate::images::LocalImages;
use crate::local_file;
use crate::overlays::Library;
use crate::session::{K3sChoice, Project, Session, Sources};
use crate::source::INPUT_FORMATS;
use crate::source::k3s_version::{K3sVersion, K3sVersionReq};
use crate::source::url::SourceUrl;
use crate::value::{
    DirMode, DirName, FsLabel, Hostname, ImageReference, InterfaceAddress, KubeconfigMode, StaticNetwork,
    TimeServer, ValueError,
};

use super::output::{self, Usage};

/// The cluster file where nobody names one.
pub(super) const CLUSTER_FILE: &str = "cluster.toml";

/// The lock file where nobody names one.
pub(super) const LOCK_FILE: &str = "hcimage.lock";

/// What is to be built, and from what.
#[derive(Debug, clap::Args)]
pub(super) struct BuildArgs {
    /// The cluster file [default: cluster.toml]
    #[arg(value_name = "CLUSTER_FILE", conflicts_with = "board")]
    cluster: Option<PathBuf>,
    /// One node alone, without a cluster file: its board, such as cm4 or pc
    #[arg(long)]
    board: Option<String>,
    #[command(flatten)]
    sources: SourceArgs,
    /// Take only what the lock has: fail where something new would be added to it
    #[arg(long)]
    locked: bool,
    /// Take everything from the cache: use no network
    #[arg(long)]
    offline: bool,
    /// A file of `hcimage vendor`, whose inputs are taken into the cache first
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// A directory with overlays of your own; those in `overlays` beside the cluster file are found without it
    #[arg(long, value_name = "DIR", conflicts_with = "board")]
    overlays: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

/// Where the inputs come from.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArgs {
    #[arg(long, value_name = "FILE", help = format!("A stock image of your own: {INPUT_FORMATS}"))]
    base: Option<PathBuf>,
    /// k3s: a channel, a version, or a directory with a release's files
    ///
    /// Without it the cluster file decides, or else the channel stable.
    #[arg(long, value_name = "WHAT")]
    k3s: Option<String>,
    /// The version of the k3s in that directory, where its name does not say
    #[arg(long, value_name = "VERSION", requires = "k3s")]
    k3s_version: Option<K3sVersion>,
    /// Where what was resolved is kept
    #[arg(long, value_name = "FILE", default_value = LOCK_FILE)]
    lock: PathBuf,
    /// A mirror of the k3s releases, laid out like the original
    #[arg(long, value_name = "URL", default_value = "https://github.com/k3s-io/k3s/releases/download")]
    k3s_releases: SourceUrl,
    /// A mirror of the k3s channel server
    #[arg(long, value_name = "URL", default_value = "https://update.k3s.io/v1-release/channels")]
    k3s_channels: SourceUrl,
}

/// What the node will be.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "One node alone, with --board")]
struct NodeArgs {
    /// The name of the node [default: hc-1]
    #[arg(long, requires = "board")]
    hostname: Option<Hostname>,
    /// A static address with its prefix length [default: DHCP]
    #[arg(long, value_name = "ADDRESS/PREFIX", requires_all = ["gateway", "board"])]
    address: Option<InterfaceAddress>,
    /// Where packets for other networks go
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    gateway: Option<IpAddr>,
    /// A name server; may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    dns: Vec<IpAddr>,
    /// The label of a data disk without which the node must not start
    ///
    /// Without this option a disk labelled k8s-data is used if it is there.
    #[arg(long, value_name = "LABEL", requires = "board")]
    data_disk: Option<FsLabel>,
    /// A directory to make on the data disk; may be given several times
    #[arg(long = "data-folder", value_name = "PATH", requires = "board")]
    data_dir: Vec<DirName>,
    /// Permissions of the kubeconfig on the node [default: k3s's own 0600]
    #[arg(long, value_name = "MODE", requires = "board")]
    kubeconfig_mode: Option<KubeconfigMode>,
    /// An NTP server, host or host:port; may be given several times
    #[arg(long, value_name = "SERVER", requires = "board")]
    ntp: Vec<TimeServer>,
    /// A YAML file that k3s applies; may be given several times
    #[arg(long, value_name = "FILE", requires = "board")]
    manifest: Vec<PathBuf>,
    /// A container image, by its name in a registry; may be given several times
    #[arg(long, value_name = "NAME", requires = "board")]
    image: Vec<ImageReference>,
    /// Container images: an archive of docker save, or the folder of an OCI layout; may be given several times
    #[arg(long, value_name = "PATH", requires = "board")]
    image_archive: Vec<PathBuf>,
    /// Let the node pull the container images that it does not have
    #[arg(long, requires = "board")]
    online: bool,
}

/// The name of one node alone.
const HOSTNAME: &str = "hc-1";

impl BuildArgs {
    /// Reads what is to be built. Warnings go to stderr.
    pub(super) fn project(&self) -> anyhow::Result<Project> {
        let boards = Boards::load(self.profiles.as_deref())?;
        if let Some(name) = &self.board {
            let node = self.node.single_node(boards.get(name)?.clone())?;
            return Project::single_node(node).map_err(|bad| Usage(bad.to_string()).into());
        }
        let file = self.cluster.clone().unwrap_or_else(|| CLUSTER_FILE.into());
        if self.cluster.is_none() && !file.exists() {
            return Err(Usage(format!(
                "there is no {CLUSTER_FILE} here: `hcimage init` writes one; or name another file, or build one \
                 node alone with --board"
            ))
            .into());
        }
        let (project, warnings) = Project::load(&file, &boards, &library(&file, self.overlays.clone()))?;
        if !warnings.is_empty() {
            writeln!(output::stderr(), "{warnings}")?;
        }
        Ok(project)
    }

    /// Where the inputs come from.
    pub(super) fn sources(&self) -> anyhow::Result<Sources> {
        Ok(Sources { locked: self.locked, ..self.sources.sources()? })
    }

    /// A session as the arguments have it.
    pub(super) fn session(&self) -> anyhow::Result<Session> {
        let session = super::session()?.offline(self.offline);
        if let Some(bundle) = &self.bundle {
            session.take_bundle(bundle)?;
        }
        Ok(session)
    }
}

/// The overlays that a cluster file may switch on. Those of `dir` come first.
pub(super) fn library(cluster_file: &Path, dir: Option<PathBuf>) -> Library {
    Library::new(dir.into_iter().chain([Library::beside(cluster_file)]).collect())
}

impl SourceArgs {
    /// Where the inputs come from.
    pub(super) fn sources(&self) -> anyhow::Result<Sources> {
        Ok(Sources {
            base: self.base.clone(),
            k3s: self.k3s.as_deref().map(|given| self.k3s_choice(given)).transpose()?,
            lock: self.lock.clone(),
            locked: false,
            k3s_releases: self.k3s_releases.clone(),
            k3s_channels: self.k3s_channels.clone(),
            build_time: source_date_epoch()?,
        })
    }

    /// A directory that exists is one; everything else must be a version or a channel.
    fn k3s_choice(&self, given: &str) -> anyhow::Result<K3sChoice> {
        let path = Path::new(given);
        if path.is_dir() {
            return Ok(K3sChoice::Dir { path: path.to_owned(), version: self.k3s_version.clone() });
        }
        let release: K3sVersionReq =
            given.parse().map_err(|bad| Usage(format!("--k3s: not a directory, and {bad}")))?;
        Ok(K3sChoice::Release(release))
    }

    /// The lock file.
    pub(super) fn lock(&self) -> &Path {
        &self.lock
    }
}

impl NodeArgs {
    fn single_node(&self, board: Board) -> anyhow::Result<SingleNode> {
        let default_name = || HOSTNAME.parse::<Hostname>();
        Ok(SingleNode {
            board,
            hostname: self.hostname.clone().map_or_else(default_name, Ok)?,
            addressing: self.addressing()?,
            data_disk: self.data_disk()?,
            kubeconfig_mode: self.kubeconfig_mode,
            ntp: self.ntp.clone(),
            manifests: self.manifest.iter().map(|path| read_manifest(path)).collect::<Result<_, _>>()?,
            images: self.images(),
            online: self.online,
            k3s: K3sVersionReq::Channel("stable".to_owned()),
        })
    }

    fn images(&self) -> Vec<ImageSource> {
        let fetched = self.image.iter().cloned().map(ImageSource::Registry);
        let local = |path: &PathBuf| ImageSource::Local(LocalImages { path: path.clone(), name: None });
        fetched.chain(self.image_archive.iter().map(local)).collect()
    }

    fn addressing(&self) -> anyhow::Result<Addressing> {
        let Some(address) = self.address else { return Ok(Addressing::Dhcp) };
        if address.ip().is_ipv6() {
            let problem = "k3s on IPv6 alone needs address ranges of its own, which hcimage does not set yet";
            return Err(Usage(format!("--address {address}: {problem}; give an IPv4 address")).into());
        }
        let network = StaticNetwork::new(address, self.gateway, self.dns.clone());
        Ok(Addressing::Static(network.map_err(|bad| Usage(bad.to_string()))?))
    }

    fn data_disk(&self) -> Result<DataDisk, ValueError> {
        let dir = |path: &DirName| DataDir { path: path.clone(), mode: DirMode::DEFAULT, uid: 0, gid: 0 };
        let mut disk = DataDisk::optional()?;
        if let Some(label) = &self.data_disk {
            (disk.label, disk.required) = (label.clone(), true);
        }
        disk.dirs = self.data_dir.iter().map(dir).collect();
        Ok(disk)
    }
}

/// The build time, where it is set (reproducible-builds.org).
fn source_date_epoch() -> anyhow::Result<Option<i64>> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let seconds = value.to_str().and_then(|text| text.parse::<u32>().ok());
    let bad = || Usage(format!("SOURCE_DATE_EPOCH is {value:?}, not a number of seconds since 1970"));
    Ok(Some(seconds.ok_or_else(bad)?.into()))
}

fn read_manifest(path: &Path) -> anyhow::Result<Manifest> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let text = local_file::read_text(path, Manifest::LONGEST)
        .with_context(|| format!("reading {}", path.display()))?;
    Manifest::new(name, text).map_err(|bad| Usage(format!("--manifest {}: {bad}", path.display())).into())
}
