//! There is enough disk space for what k3s unpacks before its node can be Ready.

use std::path::Path;
use std::time::Duration;

use hc_common::paths::K3S_IMAGES_DIR as IMAGES;

use super::Phase;
use super::k3s::PROGRAM;
use super::packages::is_being_unpacked;
use crate::block::size;
use crate::context::Context;
use crate::phase_error::PhaseError;
use crate::seed::BundleFile;
use crate::state::PhaseName;

/// k3s unpacks further programs at its first start: those of k3s 1.36 are four times as large as it is.
const PROGRAM_FACTOR: u64 = 4;

/// How much an archive takes when it is imported, as a multiple of its own size, where the builder could not read it: its
/// content is kept as layers and unpacked, each as large as the tar. zstd makes k3s's own archive four times smaller, gzip
/// three times.
const FACTORS: [(&str, u64); 7] = [
    (".tar.zst", 8),
    (".tzst", 8),
    (".tar.gz", 6),
    (".tgz", 6),
    (".tar.bz2", 7),
    (".tar.lz4", 5),
    (".tar", 2),
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
        let sizes = cx.seed.bundle.iter().filter(|file| !is_being_unpacked(cx, file)).map(unpacked_size);
        let needed = sizes.fold(BESIDES, u64::saturating_add);
        // The directory exists if it has an archive; without one k3s pulls the images.
        let dir = [Path::new(IMAGES), Path::new("/")].into_iter().find(|path| cx.sys.stat(path).is_ok());
        let space = dir.map(|dir| cx.sys.space(dir)).transpose().map_err(|e| {
            PhaseError::abort(format!("reading the free disk space: {e}"), "power the node off and on")
        })?;
        let free = space.map_or(0, |space| space.free);
        if free < needed {
            let what = format!(
                "not enough disk space: {} free, but k3s needs about {} to unpack itself and its images",
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

fn unpacked_size(file: &BundleFile) -> u64 {
    file.unpacked_size.unwrap_or_else(|| file.size.saturating_mul(factor(&file.path)))
}

/// Other files are on the disk already.
fn factor(path: &Path) -> u64 {
    let name = path.to_string_lossy();
    match FACTORS.iter().find(|(end, _)| name.ends_with(end)) {
        _ if path == Path::new(PROGRAM) => PROGRAM_FACTOR,
        _ if !path.starts_with(IMAGES) => 0,
        Some((_, factor)) => *factor,
        None => 1,
    }
}
