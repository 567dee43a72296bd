//! Disks where nothing is written yet: on macOS and Windows (docs/decisions/0031).

use std::io::Write;

use anyhow::Context;
use hc_common::text::printable::printable;
#[cfg(target_os = "macos")]
use hc_device::macos::disks;
#[cfg(windows)]
use hc_device::windows::disks;

use crate::disk::ByteSize;
use crate::flash::ELSEWHERE;

use super::super::output::{self, Usage};
use super::Args;

impl Args {
    pub(super) fn to_disk(&self) -> anyhow::Result<()> {
        if self.what.is_some() || self.disk.is_some() {
            return Err(Usage(ELSEWHERE.to_owned()).into());
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
        writeln!(out, "{ELSEWHERE}.")?;
        Ok(out.flush()?)
    }
}
