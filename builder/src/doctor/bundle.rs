//! Whether the files that the builder vouches for have the digests of the build.

use std::collections::BTreeSet;
use std::path::Path;

use hc_firstboot::seed::{BundleFile, PACKAGES_DIR, Seed};

use super::facts::Bundle;
use super::files::path;
use crate::fs::ext4::Ext4;
use crate::fs::{FileSystem, Kind};
use crate::source::digest::Hasher;

/// More bytes than the files of any build have.
const MOST: u64 = 256 << 30;

/// Reads all of them. Packages are removed once they are installed, so those may be missing from a card that was started.
pub(super) fn check(root: &Ext4, seed: &Seed, started: bool) -> Bundle {
    let mut bundle = Bundle::default();
    // The seed is the card's own: each file once, and together no more than an image has.
    let mut seen = BTreeSet::new();
    let mut left = MOST;
    for file in seed.bundle.iter().filter(|file| seen.insert(&file.path)) {
        if file.size > left {
            bundle.bad.push((
                file.path.display().to_string(),
                "the seed names more than an image can have".to_owned(),
            ));
            break;
        }
        left = left.saturating_sub(file.size);
        match check_file(root, file) {
            Ok(true) => bundle.good = bundle.good.saturating_add(1),
            Ok(false) if started && file.path.starts_with(Path::new(PACKAGES_DIR)) => {}
            Ok(false) => bundle.bad.push((file.path.display().to_string(), "it is missing".to_owned())),
            Err(why) => bundle.bad.push((file.path.display().to_string(), why)),
        }
    }
    bundle
}

/// False where it is missing.
fn check_file(root: &Ext4, file: &BundleFile) -> Result<bool, String> {
    let at = file.path.to_str().and_then(path).ok_or("its path is not one")?;
    let at = root.resolve(&at).map_err(|e| e.to_string())?;
    let Some(stat) = root.stat(&at).map_err(|e| e.to_string())? else { return Ok(false) };
    if stat.kind != Kind::File || stat.size != file.size {
        return Err(format!("expected {} bytes, found {}", file.size, stat.size));
    }
    let mut hasher = Hasher::default();
    root.copy_to(&at, &mut hasher).map_err(|e| e.to_string())?;
    if hasher.digest().to_string() == file.sha256 {
        Ok(true)
    } else {
        Err("its SHA-256 does not match the build".to_owned())
    }
}
