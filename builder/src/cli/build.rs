//! `hcimage build`.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hc_firstboot::sntp;
use serde_json::json;

use crate::board::{Board, Boards};
use crate::card;
use crate::interrupt::Interrupt;
use crate::os::Facts;
use crate::output::Output;
use crate::pipeline::{Built, Prepared};
use crate::plan::{DataDisk, Manifest, Request};
use crate::progress;
use crate::source::Tools;
use crate::source::base::{self, BaseSource};
use crate::source::cache::Cache;
use crate::source::fetch::{Fetcher, Patience};
use crate::source::k3s_release::{self, K3sBundle, K3sSource};
use crate::source::k3s_version::{K3sVersion, K3sWanted};
use crate::source::lock::Lock;
use crate::source::url::SourceUrl;
use crate::value::{
    FolderName, FsLabel, Hostname, InterfaceAddress, KubeconfigMode, MountPoint, StaticNetwork,
};

use super::output::{self, Usage};

/// Make a node's image from a stock image
///
/// Without --base the board's own default is downloaded, and k3s with it; both are verified, and what was found
/// is kept in hcimage.lock, so that the next build takes the same. The base image is never written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The board, such as cm4 or pc
    #[arg(long)]
    board: String,
    /// A stock image of your own: .img, or packed as .xz, .gz or .zst
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// k3s: a channel, a version, or a folder with a release's files
    #[arg(long, value_name = "WHAT", default_value = "stable")]
    k3s: String,
    /// The version of the k3s in that folder, where its name does not say
    #[arg(long, value_name = "VERSION")]
    k3s_version: Option<K3sVersion>,
    /// The image to make [default: <hostname>-<board>.img]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    node: NodeArgs,
    /// Where what was resolved is kept
    #[arg(long, value_name = "FILE", default_value = "hcimage.lock")]
    lock: PathBuf,
    /// A folder with board profiles of your own
    #[arg(long, value_name = "FOLDER")]
    profiles: Option<PathBuf>,
    /// A mirror of the k3s releases, laid out like the original
    #[arg(long, value_name = "URL", default_value = "https://github.com/k3s-io/k3s/releases/download")]
    k3s_releases: SourceUrl,
    /// A mirror of the k3s channel server
    #[arg(long, value_name = "URL", default_value = "https://update.k3s.io/v1-release/channels")]
    k3s_channels: SourceUrl,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the node will be.
#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The name of the node
    #[arg(long, default_value = "hc-1")]
    hostname: Hostname,
    /// A static address with its prefix length [default: DHCP]
    #[arg(long, value_name = "ADDRESS/PREFIX", requires = "gateway")]
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
    #[arg(long, value_name = "LABEL")]
    data_disk: Option<FsLabel>,
    /// A folder to make on the data disk; may be given several times
    #[arg(long, value_name = "PATH")]
    data_folder: Vec<FolderName>,
    /// Permissions of the kubeconfig on the node [default: k3s's own 0600]
    #[arg(long, value_name = "MODE")]
    kubeconfig_mode: Option<KubeconfigMode>,
    /// An NTP server, host or host:port; may be given several times
    #[arg(long, value_name = "SERVER")]
    ntp: Vec<sntp::Server>,
    /// A YAML file that k3s applies; may be given several times
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  hcimage build --board cm4
  hcimage build --board cm4 --base raspios.img.xz --hostname pi-1 \\
      --address 192.168.1.10/24 --gateway 192.168.1.1 --dns 192.168.1.1
  hcimage build --board pc --base debian-12.img --k3s ./v1.36.2+k3s1 \\
      --manifest shop.yaml --data-disk k8s-data";

/// The label that is looked for where nobody names one.
const DATA_LABEL: &str = "k8s-data";
const DATA_MOUNT: &str = "/k8s-data";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let boards = Boards::load(self.profiles.as_deref())?;
        let board = boards.get(&self.board)?;
        let firstboot = card::firstboot(board.architecture)?;
        let network = self.node.network()?;
        let time = source_date_epoch()?;
        let manifests =
            self.node.manifest.iter().map(|path| read_manifest(path)).collect::<Result<_, _>>()?;
        let output = self.output(board);
        output.check(self.base.as_deref())?;

        let interrupt = Interrupt::install().context("catching Ctrl-C")?;
        let progress = progress::on_stderr();
        let (fetcher, cache) = (Fetcher::new(Patience::default()), Cache::of_user()?);
        let tools =
            Tools { fetcher: &fetcher, cache: &cache, progress: progress.as_ref(), interrupt: &interrupt };
        let mut lock = Lock::load(&self.lock)?;
        let base =
            base::obtain(&tools, &self.base_source(board)?, &format!("base.{}", board.name), &mut lock)?;
        // Before k3s is fetched: a base that cannot be used is known in a second.
        let facts = Prepared::probe(&base.image)?;
        let k3s = k3s_release::obtain(&tools, &self.k3s_source()?, board.architecture, &mut lock)?;

        let request = Request {
            board: board.name.clone(),
            arch: board.architecture,
            hostname: self.node.hostname.clone(),
            network,
            data_disk: self.node.data_disk()?,
            kubeconfig_mode: self.node.kubeconfig_mode,
            ntp: self.node.ntp.clone(),
            manifests,
            k3s,
            firstboot,
            time: time.unwrap_or(facts.written),
        };
        let prepared = Prepared::new(&base.image, facts, &request)?;
        let built = prepared.build(&tools, &output)?;
        self.report(&prepared, &request.k3s, board, &built)
    }

    fn output(&self, board: &Board) -> Output {
        let default = || PathBuf::from(format!("{}-{}.img", self.node.hostname, board.name));
        Output { path: self.output.clone().unwrap_or_else(default), overwrite: self.overwrite }
    }

    fn base_source(&self, board: &Board) -> anyhow::Result<BaseSource> {
        match (&self.base, &board.base) {
            (Some(path), _) => Ok(BaseSource::File(path.clone())),
            (None, Some(base)) => Ok(BaseSource::Url(base.url.clone())),
            (None, None) => {
                Err(Usage(format!("the board {} has no default base; name one with --base", board.name))
                    .into())
            }
        }
    }

    /// A folder that exists is one; everything else must be a version or a channel.
    fn k3s_source(&self) -> anyhow::Result<K3sSource> {
        let path = Path::new(&self.k3s);
        if path.is_dir() {
            return Ok(K3sSource::Folder { path: path.to_owned(), version: self.k3s_version.clone() });
        }
        let wanted: K3sWanted =
            self.k3s.parse().map_err(|bad| Usage(format!("--k3s: no folder, and {bad}")))?;
        let (releases_url, channels_url) = (self.k3s_releases.clone(), self.k3s_channels.clone());
        Ok(K3sSource::Release { wanted, releases_url, channels_url })
    }

    fn report(
        &self,
        prepared: &Prepared,
        k3s: &K3sBundle,
        board: &Board,
        built: &Built,
    ) -> anyhow::Result<()> {
        let mut out = output::stdout();
        if self.json {
            let summary = json!({
                "image": built.image,
                "manifest": built.manifest,
                "size": built.size.0,
                "grown": built.grown.0,
                "changes": built.changes.len(),
                "hostname": self.node.hostname.as_str(),
                "k3s": k3s.version.to_string(),
            });
            serde_json::to_writer_pretty(&mut out, &summary)?;
            writeln!(out)?;
            return Ok(out.flush()?);
        }
        let facts: &Facts = prepared.facts();
        writeln!(out, "{}  {}", built.image.display(), built.size)?;
        writeln!(out, "  node {} from {}, k3s {}", self.node.hostname, facts.system, k3s.version)?;
        writeln!(out, "  {} changes, each listed in {}", built.changes.len(), built.manifest.display())?;
        if let Some(flash) = &board.flash {
            writeln!(out, "  {}", flash.notes)?;
        }
        writeln!(
            out,
            "flash it: sudo dd if={} of=/dev/sdX bs=4M conv=fsync status=progress",
            shell_word(&built.image.display().to_string())
        )?;
        Ok(out.flush()?)
    }
}

impl NodeArgs {
    fn network(&self) -> anyhow::Result<Option<StaticNetwork>> {
        let Some(address) = self.address else { return Ok(None) };
        if address.ip().is_ipv6() {
            let problem = "k3s on IPv6 alone needs address ranges of its own, which hcimage does not set yet";
            return Err(Usage(format!("--address {address}: {problem}; give an IPv4 address")).into());
        }
        let network = StaticNetwork::new(address, self.gateway, self.dns.clone());
        Ok(Some(network.map_err(|bad| Usage(bad.to_string()))?))
    }

    fn data_disk(&self) -> anyhow::Result<DataDisk> {
        let default = || DATA_LABEL.parse::<FsLabel>();
        Ok(DataDisk {
            label: self.data_disk.clone().map_or_else(default, Ok)?,
            mount: DATA_MOUNT.parse::<MountPoint>()?,
            required: self.data_disk.is_some(),
            folders: self.data_folder.clone(),
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

/// A word as a shell reads it back.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
