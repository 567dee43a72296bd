//! Pre-flight: all checks of an opened file system, before the first write and again after the last.
//!
//! The crate compares the checksums of what it reads, but not those of the bitmaps that it allocates from.

use fs_ext4::Filesystem;

use super::inodes::Inodes;
use super::superblock::Purpose;
use super::{bitmaps, directories};
use crate::fs::ext4::error::{FIX_DAMAGE, FIX_UNCLEAN, convert};
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::{FsError, Result};

/// Findings that an error names; the rest are counted.
const NAMED_FINDINGS: usize = 3;

/// Checks a file system whose superblock was checked.
pub(crate) fn check(fs: &Filesystem, volume: &Volume, purpose: Purpose) -> Result<()> {
    let journal =
        fs_ext4::jbd2::read_superblock(fs).map_err(|error| convert(error, "reading the journal"))?;
    if journal.is_some_and(|journal| !journal.is_clean()) {
        return Err(FsError::Dirty { what: "its journal is not empty".to_owned(), hint: FIX_UNCLEAN });
    }
    if purpose == Purpose::Write {
        bitmaps::check(fs)?;
        audit(fs)?;
        directories::check(fs, volume, &mut Inodes::read(fs)?)?;
    }
    Ok(())
}

/// Walks all directories and inodes: names, link counts, checksums of inodes and directories, free counts against bitmaps.
fn audit(fs: &Filesystem) -> Result<()> {
    let report = fs.audit(u32::MAX, u32::MAX).map_err(|error| convert(error, "checking the directories"))?;
    if report.is_clean() {
        return Ok(());
    }
    Err(findings(report.anomalies.iter().map(|anomaly| format!("{anomaly:?}"))))
}

fn findings(all: impl ExactSizeIterator<Item = String>) -> FsError {
    let count = all.len();
    let mut what = all.take(NAMED_FINDINGS).collect::<Vec<_>>().join("; ");
    if count > NAMED_FINDINGS {
        what.push_str(&format!("; and {} more", count.saturating_sub(NAMED_FINDINGS)));
    }
    FsError::Corrupt { what, hint: Some(FIX_DAMAGE) }
}
