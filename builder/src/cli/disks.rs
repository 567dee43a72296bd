//! `hcimage flash` where nothing is written yet: on macOS and Windows (docs/decisions/0031).

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use hc_common::text::printable::printable;
#[cfg(target_os = "macos")]
use hc_device::macos::disks;
#[cfg(windows)]
use hc_device::windows::disks;

use crate::disk::ByteSize;

use super::output::{self, Usage};

/// How an image gets onto a card here.
const HOW: &str = "hcimage writes to disks on Linux only. Write the image with Raspberry Pi Imager (Choose OS, \
                              Use custom; no customisation), which reads it back too";

/// List cards and disks; on this system another program writes to them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hcimage flash   which cards and disks there are")]
pub(super) struct Args {
    /// As on Linux, where the image would be written
    #[arg(hide = true)]
    image: Option<PathBuf>,
    /// As on Linux, where it would be written to
    #[arg(hide = true)]
    disk: Option<PathBuf>,
}

/// What a person does with the images, with the last step, which is this command on Linux, as it is here.
pub(super) fn without_command(mut steps: Vec<String>) -> Vec<String> {
    steps.pop();
    steps.push(HOW.to_owned());
    steps
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.image.is_some() || self.disk.is_some() {
            return Err(Usage(HOW.to_owned()).into());
        }
        let mut out = output::stdout();
        let mut is_none = true;
        for disk in disks().context("looking for disks")? {
            let model = if disk.model.is_empty() { "unknown" } else { &disk.model };
            let path = disk.path.display().to_string();
            writeln!(out, "{}  {}  {}", printable(&path), ByteSize(disk.size), printable(model))?;
            match disk.refusal(0, false) {
                Some(why) => writeln!(out, "    not this one: {}", printable(&why.to_string()))?,
                None => is_none = false,
            }
        }
        if is_none {
            writeln!(out, "No card or disk to write to. Put one in, and look again.")?;
        }
        writeln!(out, "{HOW}.")?;
        Ok(out.flush()?)
    }
}
