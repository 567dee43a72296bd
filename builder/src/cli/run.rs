//! `hcimage run`.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::interrupt::Interrupt;
use crate::progress;
use crate::run::junit::Case;
use crate::run::{Cluster, NodeImage, Service, Settings, Start, Status, host_memory, junit, kubeconfig};
use crate::secrets::store;
use crate::source::leftovers::RunDir;
use crate::value::Secret;

use super::build_first::BuildFirstArgs;
use super::output::Usage;
use super::run_view::View;

/// Boot images in QEMU: all nodes of a cluster file, or one image
///
/// Images of the cluster that are not there, or are older than the cluster file or the lock, are built first. The nodes get the addresses that they were built for, on a network of their own, and form the cluster as they would from
/// their cards. No root is needed, and the images are not changed: what the nodes write goes to files that are removed at
/// the end. Generic machines stand in for the boards.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The cluster file [default: cluster.toml]; with --board, the image
    #[arg(value_name = "CLUSTER_FILE|IMAGE")]
    pub(super) what: Option<PathBuf>,
    /// One image alone: the board that it was built for
    #[arg(long, requires = "what", conflicts_with_all = ["offline", "SourceArgs"])]
    board: Option<String>,
    /// Where the images of the cluster are [default: out, or else out beside the cluster file]
    #[arg(long, value_name = "DIR", conflicts_with = "board")]
    pub(super) images: Option<PathBuf>,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    pub(super) profiles: Option<PathBuf>,
    /// A directory with overlays of your own, as for the build
    #[arg(long, value_name = "DIR", conflicts_with = "board")]
    pub(super) overlays: Option<PathBuf>,
    /// A second disk for the one image; the machine writes to it
    ///
    /// Without it, each node that was built for a data disk gets a new, empty one with its label.
    #[arg(long, value_name = "FILE", requires = "board")]
    pub(super) data_disk: Option<PathBuf>,
    /// Start PCs by UEFI firmware and the image's own GRUB; else QEMU loads the image's kernel itself
    #[arg(long)]
    pub(super) uefi: bool,
    /// Memory of each node in MiB [default: 2048 for servers, 1024 for agents]
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    /// Processors of each node
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// Give the nodes a way out; they reach what this computer reaches, its own services included
    #[arg(long)]
    internet: bool,
    /// Keep disks and consoles in a new directory; they hold secrets
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Show this node's console
    #[arg(long, value_name = "NODE")]
    pub(super) console: Option<String>,
    /// When to end: `ready` once all nodes are Ready or one has failed, which the exit code says; `stopped` at Ctrl-C
    /// [default: stopped; with --board, ready]
    #[arg(long, value_name = "WHEN")]
    pub(super) until: Option<Until>,
    /// How long the nodes may take to be Ready, in seconds
    ///
    /// An hour is what a node itself allows. Without hardware help for the processor a server needs 15 to 40 minutes.
    #[arg(long, value_name = "SECONDS", alias = "wait", default_value_t = 3600)]
    timeout: u64,
    /// Write the result of each node as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten, next_help_heading = "For images that are built first")]
    pub(super) build_first: BuildFirstArgs,
}

const EXAMPLES: &str = "Examples:
  hcimage run                                until Ctrl-C; kubectl works meanwhile
  hcimage run lab.toml --until ready --timeout 1800 --junit run.xml
  hcimage run --console pi-1
  hcimage run --board cm4 hc-1-cm4.img       one image, until its report

The first Ctrl-C switches the nodes off, the second one kills them.";

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Until {
    /// Once all nodes are Ready, or one has failed
    Ready,
    /// At Ctrl-C
    Stopped,
}

/// How long nodes have to switch themselves off: k3s gives its containers time, and QEMU alone is slow.
const POWER_OFF: Duration = Duration::from_secs(180);

impl Args {
    /// The console of one of these nodes, if any: to be asked before an image is built.
    pub(super) fn check_console(&self, nodes: &[&str]) -> Result<(), Usage> {
        match self.console.as_deref().filter(|console| !nodes.contains(console)) {
            Some(console) => Err(Usage(format!("--console {console}: the nodes are {}", nodes.join(", ")))),
            None => Ok(()),
        }
    }

    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let wanted = match self.board.take() {
            Some(board) => self.one(&board)?,
            None => self.cluster()?,
        };
        let settings = self.settings();
        check_memory(&settings, &wanted.nodes)?;
        // It can be written, and one of an earlier run is not taken for this one's, whatever ends it.
        let unseen = |node: &NodeImage| Case::unseen(node.name());
        self.report(&wanted.name, 0, || wanted.nodes.iter().map(unseen).collect())?;
        let interrupt = Interrupt::install()?;
        RunDir::clear_leftovers(progress::on_stderr().as_ref());
        let temporary = RunDir::new().context("making a temporary directory")?;
        let dir = match &self.keep {
            Some(keep) => kept(keep)?,
            None => temporary.path().to_owned(),
        };
        let dir = dir.as_path();
        let (name, from) = (wanted.name, wanted.kubeconfig);
        let cluster = Cluster::start(wanted.nodes, &settings, dir, &interrupt).inspect_err(|_| {
            if self.keep.is_some() {
                // It is of this run alone.
                let _ = fs::remove_dir_all(dir);
            }
        });
        let mut cluster = cluster.with_context(|| format!("booting {name}"))?;
        let kubeconfig =
            from.and_then(|from| forward_kubeconfig(&from, &cluster, dir).transpose()).transpose()?;
        let mut view = View::new(self.console.take());
        view.introduce(&cluster, kubeconfig.as_deref())?;
        let ended = self.watch(&mut cluster, &mut view, &interrupt);
        let reported = self.report(&name, cluster.seconds(), || cluster.cases());
        // Disks that are removed need no shutdown, but Ctrl-C asks for one, to see it.
        if self.keep.is_some() || self.until == Some(Until::Stopped) {
            view.say(&format!("switching the nodes off; at most {} s, or Ctrl-C", POWER_OFF.as_secs()));
            let killed = cluster.power_off(POWER_OFF, &interrupt);
            if !killed.is_empty() {
                view.say(&format!("killed: {}", killed.join(", ")));
            }
        }
        match (ended, reported) {
            (Err(error), Err(unwritten)) => {
                view.say(&format!("{unwritten:#}"));
                Err(error)
            }
            (ended, reported) => ended.and(reported),
        }
    }

    /// Writes the JUnit file, where one is wanted.
    fn report(&self, name: &str, seconds: u64, cases: impl FnOnce() -> Vec<Case>) -> anyhow::Result<()> {
        let Some(file) = &self.junit else { return Ok(()) };
        let report = junit::render(name, seconds, &cases());
        fs::write(file, report).with_context(|| format!("writing {}", file.display()))
    }

    fn settings(&self) -> Settings {
        let start = if self.uefi { Start::Uefi } else { Start::Kernel };
        let data_disk = self.data_disk.clone();
        Settings { memory: self.memory, cpus: self.cpus, start, is_online: self.internet, data_disk }
    }

    /// Until the end that was asked for.
    fn watch(&self, cluster: &mut Cluster, view: &mut View, interrupt: &Interrupt) -> anyhow::Result<()> {
        let waits = self.until == Some(Until::Ready);
        loop {
            view.show(cluster)?;
            let statuses: Vec<_> = cluster.nodes.iter().map(|node| node.boot.status).collect();
            if waits && statuses.iter().all(|status| *status == Status::Ready) {
                return Ok(());
            }
            if waits && statuses.contains(&Status::Failed) {
                bail!("{}", view.failures(cluster));
            }
            if waits && cluster.seconds() >= self.timeout {
                bail!("not all nodes were Ready within {} seconds\n{}", self.timeout, view.failures(cluster));
            }
            if !cluster.is_running() {
                bail!("all machines have ended\n{}", view.failures(cluster));
            }
            if interrupt.take() {
                return if waits { bail!("interrupted before all nodes were Ready") } else { Ok(()) };
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Guests beyond the memory of this computer would be ended by its kernel, or swap without end.
fn check_memory(settings: &Settings, nodes: &[NodeImage]) -> anyhow::Result<()> {
    let needed: u64 = nodes.iter().map(|node| u64::from(settings.memory_of(node))).sum();
    match host_memory::available() {
        Some(available) if needed > available => Err(Usage(format!(
            "the nodes need {needed} MiB of memory, this computer has {available} MiB free: give each less with --memory"
        ))
        .into()),
        _ => Ok(()),
    }
}

/// A directory for disks that are kept: nothing that is in one is overwritten, and nobody else may read secrets.
fn kept(dir: &Path) -> anyhow::Result<PathBuf> {
    DirBuilder::new().mode(0o700).create(dir).with_context(|| {
        format!("making {}: --keep takes a directory that is not there yet", dir.display())
    })?;
    // QEMU takes a relative name with a colon for a protocol.
    std::path::absolute(dir).context("looking for the current directory")
}

/// Writes a kubeconfig for the forwarded port beside the disks.
fn forward_kubeconfig(from: &Path, cluster: &Cluster, dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    /// Certificates and keys take some KiB.
    const LARGEST: u64 = 1 << 20;
    let Some((_, port)) = cluster.port(Service::Api) else { return Ok(None) };
    let reading = || format!("reading {}", from.display());
    let text = crate::local_file::read_text(from, LARGEST).with_context(reading)?;
    let text = kubeconfig::forwarded(&text, port).map_err(anyhow::Error::msg).with_context(reading)?;
    let path = dir.join("kubeconfig");
    store::write_private(&path, &Secret::new(text))?;
    Ok(Some(path))
}
