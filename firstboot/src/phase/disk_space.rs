//! There is enough disk space for what k3s unpacks before its node can be Ready.

use std::path::Path;
use std::time::Duration;

use hc_common::paths::K3S_IMAGES_DIR as IMAGES;

use super::Phase;
use crate::block::size;
use crate::context::Context;
use crate::phase_error::PhaseError;
use crate::seed::BundleFile;
use crate::state::PhaseName;

/// How often the content of an archive is on the disk once it is imported: as layers and unpacked, each as large as the
/// tar.
const COPIES: u64 = 2;

/// How much an archive takes when it is imported, as a multiple of its own size, where the size of the tar is not known.
/// zstd makes k3s's own archive four times smaller, gzip three times.
const FACTORS: [(&str, u64); 7] = [
    (".tar.zst", 8),
    (".tzst", 8),
    (".tar.gz", 6),
    (".tgz", 6),
    (".tar.bz2", 7),
    (".tar.lz4", 5),
    (".tar", COPIES),
];

/// The reserve for logs, the datastore and pods.
const BESIDES: u64 = 200_000_000;

pub(super) struct DiskSpace;

impl Phase for DiskSpace {
    fn name(&self) -> PhaseName {
        PhaseName::DiskSpace
    }

    /// Waiting frees no space.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::ZERO
    }

    /// After the start of k3s they may be unpacked already.
    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.committed)
    }

    fn apply(&self, _cx: &mut Context<'_>) -> Result<(), PhaseError> {
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let archives = cx.seed.bundle.iter().filter(|file| file.path.starts_with(IMAGES));
        let sizes = archives.map(imported_size);
        let needed = sizes.fold(BESIDES, u64::saturating_add);
        // The directory exists if it has an archive; without one k3s pulls the images.
        let dir = [Path::new(IMAGES), Path::new("/")].into_iter().find(|path| cx.sys.stat(path).is_ok());
        let space = dir.map(|dir| cx.sys.space(dir)).transpose().map_err(|e| {
            PhaseError::abort(format!("reading the free disk space: {e}"), "power the node off and on")
        })?;
        let free = space.map_or(0, |space| space.free);
        if free < needed {
            let what = format!(
                "not enough disk space: {} free, but k3s needs about {} to unpack its images",
                size(free),
                size(needed)
            );
            return Err(PhaseError::abort(
                what,
                "use a larger card; if the card is large, see the phase root",
            ));
        }
        Ok(vec![format!("{} free", size(free))])
    }
}

fn imported_size(file: &BundleFile) -> u64 {
    match file.unpacked_size {
        Some(size) => size.saturating_mul(COPIES),
        None => file.size.saturating_mul(factor(&file.path)),
    }
}

fn factor(path: &Path) -> u64 {
    let name = path.to_string_lossy();
    FACTORS.iter().find(|(end, _)| name.ends_with(end)).map_or(1, |(_, factor)| *factor)
}
