//! What is to be built, from which inputs: shared by the commands that build and that only plan.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::arch::Arch;
use crate::board::{Board, Boards};
use crate::cluster::{
    self, Addressing, Checked, Cluster, DataDir, DataDisk, Format, Manifest, Node, SingleNode, check_base,
};
use crate::interrupt::Interrupt;
use crate::payload;
use crate::pipeline::Base;
use crate::plan::{NodeSecrets, Plan, Request};
use crate::progress::{self, Progress};
use crate::secrets::{Clock, NOT_BEFORE, Secrets, store};
use crate::source::SourceContext;
use crate::source::base::{self, BaseSource};
use crate::source::cache::Cache;
use crate::source::fetch::{Fetcher, RetryPolicy};
use crate::source::k3s_release::{self, K3sBundle, K3sSource};
use crate::source::k3s_version::{K3sVersion, K3sVersionReq};
use crate::source::lock::Lock;
use crate::source::url::SourceUrl;
use crate::value::{
    DirMode, DirName, FsLabel, Hostname, InterfaceAddress, KubeconfigMode, MountPoint, StaticNetwork,
    TimeServer,
};

use super::output::Usage;

/// The cluster file where nobody names one.
pub(super) const CLUSTER_FILE: &str = "cluster.toml";

/// What is to be built, and from what.
#[derive(Debug, clap::Args)]
pub(super) struct BuildArgs {
    /// The cluster file [default: cluster.toml]
    #[arg(value_name = "CLUSTER_FILE", conflicts_with = "board")]
    cluster: Option<PathBuf>,
    /// One node alone, without a cluster file: its board, such as cm4 or pc
    #[arg(long)]
    board: Option<String>,
    /// A stock image of your own: .img, or packed as .xz, .gz or .zst
    #[arg(long, value_name = "FILE")]
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
    #[arg(long, value_name = "FILE", default_value = "hcimage.lock")]
    lock: PathBuf,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// A mirror of the k3s releases, laid out like the original
    #[arg(long, value_name = "URL", default_value = "https://github.com/k3s-io/k3s/releases/download")]
    k3s_releases: SourceUrl,
    /// A mirror of the k3s channel server
    #[arg(long, value_name = "URL", default_value = "https://update.k3s.io/v1-release/channels")]
    k3s_channels: SourceUrl,
    #[command(flatten)]
    node: NodeArgs,
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
}

/// The label that is looked for where nobody names one.
const DATA_LABEL: &str = "k8s-data";
const DATA_MOUNT: &str = "/k8s-data";
const HOSTNAME: &str = "hc-1";

/// What is to be built, checked as far as it can be without any image.
pub(super) struct Project {
    pub(super) cluster: Cluster,
    /// The cluster file; none for one node alone.
    pub(super) file: Option<PathBuf>,
}

/// What a command obtains its inputs with.
pub(super) struct Session {
    interrupt: Interrupt,
    progress: Box<dyn Progress>,
    fetcher: Fetcher,
    cache: Cache,
}

impl Session {
    /// The user's cache, progress on stderr, and Ctrl-C caught from now on.
    pub(super) fn of_user() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: Interrupt::install().context("catching Ctrl-C")?,
            progress: progress::on_stderr(),
            fetcher: Fetcher::new(RetryPolicy::default()),
            cache: Cache::of_user()?,
        })
    }

    pub(super) fn cx(&self) -> SourceContext<'_> {
        let Self { interrupt, progress, fetcher, cache } = self;
        SourceContext { fetcher, cache, progress: progress.as_ref(), interrupt }
    }
}

/// An image as it can be looked at: a raw one itself, which takes no equipment; a packed one is unpacked, once.
pub(super) fn unpacked(image: &Path) -> anyhow::Result<PathBuf> {
    if !base::is_packed(image)? {
        return Ok(image.to_owned());
    }
    Ok(base::obtain_file(&Session::of_user()?.cx(), image)?.image)
}

/// A board's inputs, on this machine and verified.
pub(super) struct BoardInputs {
    pub(super) base: Base,
    pub(super) k3s: K3sBundle,
    firstboot: &'static [u8],
    /// The build time in seconds since 1970.
    pub(super) time: i64,
}

impl BuildArgs {
    /// Reads what is to be built. Warnings go to stderr.
    pub(super) fn project(&self) -> anyhow::Result<Project> {
        let boards = Boards::load(self.profiles.as_deref())?;
        if let Some(name) = &self.board {
            let cluster = cluster::single_node(self.node.single_node(boards.get(name)?.clone())?);
            let cluster = cluster.map_err(|bad| Usage(bad.to_string()))?;
            return Ok(Project { cluster, file: None });
        }
        let file = self.cluster.clone().unwrap_or_else(|| CLUSTER_FILE.into());
        if self.cluster.is_none() && !file.exists() {
            return Err(Usage(format!(
                "there is no {CLUSTER_FILE} here: `hcimage init` writes one; or name another file, or build one \
                 node alone with --board"
            ))
            .into());
        }
        let Checked { cluster, warnings } = cluster::load(&file, &boards)?;
        if !warnings.is_empty() {
            writeln!(io::stderr().lock(), "{warnings}")?;
        }
        Ok(Project { cluster, file: Some(file) })
    }

    /// The base image that is given on the command line.
    pub(super) fn given_base(&self) -> Option<&Path> {
        self.base.as_deref()
    }

    /// Obtains what each board of the cluster is built from. Bases first: one that cannot be used is known in a second.
    pub(super) fn obtain(
        &self,
        project: &Project,
        cx: &SourceContext<'_>,
    ) -> anyhow::Result<BTreeMap<String, BoardInputs>> {
        let mut lock = Lock::load(&self.lock)?;
        let epoch = source_date_epoch()?;
        let mut bases = Vec::new();
        for (name, choice) in &project.cluster.boards {
            let board = &choice.profile;
            let source = self.base_source(board, choice.base.as_ref())?;
            let obtained = base::obtain(cx, &source, &format!("base.{name}"), &mut lock)?;
            let shown = match &source {
                BaseSource::File(path) => path.display().to_string(),
                BaseSource::Url(_) => obtained.name,
            };
            bases.push((board, Base::probe(obtained.image, shown)?));
        }
        let k3s = self.k3s_source(&project.cluster)?;
        let mut releases: BTreeMap<&'static str, K3sBundle> = BTreeMap::new();
        let mut all = BTreeMap::new();
        for (board, base) in bases {
            let arch: Arch = board.architecture;
            let k3s = match releases.get(arch.debian()) {
                Some(k3s) => k3s.clone(),
                None => {
                    let obtained = k3s_release::obtain(cx, &k3s, arch, &mut lock)?;
                    releases.insert(arch.debian(), obtained.clone());
                    obtained
                }
            };
            check_base(&k3s.version, base.facts())?;
            let time = epoch.unwrap_or(base.facts().written);
            let firstboot = payload::firstboot(arch)?;
            all.insert(board.name.clone(), BoardInputs { base, k3s, firstboot, time });
        }
        Ok(all)
    }

    fn base_source(&self, board: &Board, chosen: Option<&cluster::Base>) -> anyhow::Result<BaseSource> {
        match (chosen, &self.base, &board.base) {
            (Some(cluster::Base::File(path)), _, _) | (None, Some(path), _) => {
                Ok(BaseSource::File(path.clone()))
            }
            (Some(cluster::Base::Url(url)), _, _) => Ok(BaseSource::Url(url.clone())),
            (None, None, Some(base)) => Ok(BaseSource::Url(base.url.clone())),
            (None, None, None) => {
                Err(Usage(format!("the board {} has no default base; name one with --base", board.name))
                    .into())
            }
        }
    }

    /// A directory that exists is one; everything else must be a version or a channel.
    fn k3s_source(&self, cluster: &Cluster) -> anyhow::Result<K3sSource> {
        let (releases_url, channels_url) = (self.k3s_releases.clone(), self.k3s_channels.clone());
        let release = |wanted| K3sSource::Release { wanted, releases_url, channels_url };
        let Some(given) = &self.k3s else { return Ok(release(cluster.k3s.version.clone())) };
        let path = Path::new(given);
        if path.is_dir() {
            return Ok(K3sSource::Dir { path: path.to_owned(), version: self.k3s_version.clone() });
        }
        let wanted: K3sVersionReq =
            given.parse().map_err(|bad| Usage(format!("--k3s: no directory, and {bad}")))?;
        Ok(release(wanted))
    }
}

impl Project {
    /// Where the cluster's secrets lie; none for one node alone, whose k3s makes its own.
    pub(super) fn secrets_file(&self) -> Option<PathBuf> {
        self.file.as_deref().map(store::beside)
    }

    /// The secrets as they are, or throw-away ones where there are none yet: for looking at plans, which hide them.
    pub(super) fn secrets_or_ephemeral(
        &self,
        inputs: &BTreeMap<String, BoardInputs>,
    ) -> anyhow::Result<Option<Secrets>> {
        let Some(path) = self.secrets_file() else { return Ok(None) };
        let clock = clock(earliest(inputs))?;
        Ok(Some(store::peek(&path, self.cluster.name.as_str(), &self.names(), clock)?))
    }

    /// The names of all nodes.
    pub(super) fn names(&self) -> Vec<Hostname> {
        self.cluster.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// The node's plan, and what it is made from.
    pub(super) fn plan<'i>(
        &self,
        node: &Node,
        inputs: &'i BTreeMap<String, BoardInputs>,
        secrets: Option<&Secrets>,
    ) -> anyhow::Result<(&'i BoardInputs, Plan)> {
        // The cluster has a board for each node, and there are ingredients for each of its boards.
        let found = inputs.get(&node.board).zip(self.cluster.boards.get(&node.board));
        let (made_from, choice) =
            found.with_context(|| format!("nothing was obtained for {}", node.board))?;
        let secrets = secrets
            .map(|secrets| secrets.node_files(&node.name, node.bootstrap_role))
            .transpose()?
            .map(|files| NodeSecrets { files, not_before: NOT_BEFORE });
        let request = Request {
            cluster: &self.cluster,
            node,
            board: &choice.profile,
            secrets: secrets.as_ref(),
            k3s: &made_from.k3s,
            firstboot: made_from.firstboot,
            time: made_from.time,
        };
        let plan = made_from.base.plan(&request).with_context(|| format!("the node {}", node.name))?;
        Ok((made_from, plan))
    }
}

/// The clock that secrets are held against.
pub(super) fn clock(build_time: i64) -> anyhow::Result<Clock> {
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).context("the clock of this machine is before 1970")?;
    Ok(Clock { now: i64::try_from(now.as_secs())?, build_time })
}

/// The earliest build time: what the certificates must have begun at.
pub(super) fn earliest(inputs: &BTreeMap<String, BoardInputs>) -> i64 {
    inputs.values().map(|board| board.time).min().unwrap_or_default()
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
            k3s: K3sVersionReq::Channel("stable".to_owned()),
        })
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

    fn data_disk(&self) -> anyhow::Result<DataDisk> {
        let default = || DATA_LABEL.parse::<FsLabel>();
        let dir = |path: &DirName| DataDir { path: path.clone(), mode: DirMode::DEFAULT, uid: 0, gid: 0 };
        Ok(DataDisk {
            label: self.data_disk.clone().map_or_else(default, Ok)?,
            mount: DATA_MOUNT.parse::<MountPoint>()?,
            required: self.data_disk.is_some(),
            format: Format::Never,
            dirs: self.data_dir.iter().map(dir).collect(),
        })
    }
}

/// Where it is set, it is the time of everything that is made (reproducible-builds.org).
fn source_date_epoch() -> anyhow::Result<Option<i64>> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let seconds = value.to_str().and_then(|text| text.parse::<u32>().ok());
    let bad = || Usage(format!("SOURCE_DATE_EPOCH is {value:?}, not a number of seconds since 1970"));
    Ok(Some(seconds.ok_or_else(bad)?.into()))
}

fn read_manifest(path: &Path) -> anyhow::Result<Manifest> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Manifest::new(name, text).map_err(|bad| Usage(format!("--manifest {}: {bad}", path.display())).into())
}
