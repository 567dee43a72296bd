//! `hcimage run`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use hc_common::text::printable::without_sequences;
use hc_firstboot::report::ReportStatus;

use crate::board::Boards;
use crate::interrupt::Interrupt;
use crate::progress;
use crate::run::{Machine, Network, Start, Vm};
use crate::source::copy::copy_image;
use crate::source::leftovers::RunDir;

use super::output;

/// Boot a built image in QEMU and wait for the node's report
///
/// The image itself is not changed: a copy is booted and removed. QEMU has no Raspberry Pi with the image's
/// peripherals, so a generic machine with the same processor stands in.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hcimage run --board cm4 hc-1-cm4.img")]
pub(super) struct Args {
    /// The board that the image was built for
    #[arg(long)]
    board: String,
    /// The image
    image: PathBuf,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// A second disk; the machine writes to it
    #[arg(long, value_name = "FILE")]
    data_disk: Option<PathBuf>,
    /// Start a PC by UEFI firmware and the image's own GRUB; else QEMU loads the image's kernel itself
    #[arg(long)]
    uefi: bool,
    /// Memory in MiB; a server with its packaged components needs 2048
    #[arg(long, default_value_t = 2048)]
    memory: u32,
    /// How long to wait for the report, in seconds
    ///
    /// An hour is what a node itself allows. Without hardware help for the processor (another one than this computer's, or no
    /// KVM) a server needs 15 to 40 minutes: unpacking and importing alone take ten.
    #[arg(long, default_value_t = 3600)]
    wait: u64,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let boards = Boards::load(self.profiles.as_deref())?;
        let board = boards.get(&self.board)?;
        let interrupt = Interrupt::install()?;
        let progress = progress::on_stderr();
        RunDir::clear_leftovers(progress.as_ref());
        let dir = RunDir::new().context("making a temporary directory")?;
        let copy = dir.file("copy.img");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&copy)
            .with_context(|| format!("creating {}", copy.display()))?;
        let what = format!("copying {}", self.image.display());
        copy_image(progress.as_ref(), &interrupt, &what, &self.image, &file, &copy)?;
        let machine = Machine {
            board,
            image: &copy,
            start: if self.uefi { Start::Uefi } else { Start::Kernel { from: None } },
            disks: self.data_disk.into_iter().collect(),
            memory: self.memory,
            network: Network::Alone { forward: None },
            clock: None,
        };
        let vm =
            Vm::start(&machine, &interrupt).with_context(|| format!("booting {}", self.image.display()))?;
        let mut ready = false;
        vm.wait_for("report", Duration::from_secs(self.wait), |line| {
            let _ = writeln!(output::stderr(), "{}", without_sequences(line));
            ready = line.trim() == ReportStatus::Ready.sentinel();
            ready || line.trim() == ReportStatus::Failed.sentinel()
        })?;
        if !ready {
            bail!("the node reported a failure; see its report above");
        }
        Ok(())
    }
}
