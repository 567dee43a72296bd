//! What locks need of the cache: inputs, and of container images all their blobs.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use crate::source::cache::Cache;
use crate::source::digest::Sha256Digest;
use crate::source::lock::Lock;

use super::blob::DOCUMENT_LIMIT;

/// By digest, the names of the entries of `locks` that need it.
pub fn needs<'a>(
    cache: &Cache,
    locks: impl IntoIterator<Item = &'a Lock>,
) -> BTreeMap<Sha256Digest, BTreeSet<String>> {
    let mut needs: BTreeMap<Sha256Digest, BTreeSet<String>> = BTreeMap::new();
    for (name, digest) in locks.into_iter().flat_map(Lock::digests) {
        // A chart of a registry has a manifest, too.
        let digests = match name.starts_with("image.") || name.starts_with("chart.") {
            true => blobs_of(cache, digest),
            false => BTreeSet::from([digest]),
        };
        for digest in digests {
            needs.entry(digest).or_default().insert(name.clone());
        }
    }
    needs
}

/// The digests of all blobs of the image `target`, as far as its documents are in the cache: of all platforms.
fn blobs_of(cache: &Cache, target: Sha256Digest) -> BTreeSet<Sha256Digest> {
    let mut found = BTreeSet::new();
    let mut open = vec![target];
    while let Some(digest) = open.pop() {
        if !found.insert(digest) {
            continue;
        }
        let Some(bytes) = cache.document(&digest, DOCUMENT_LIMIT) else { continue };
        if let Ok(manifest) = serde_json::from_slice::<ImageManifest>(&bytes) {
            let blobs = manifest.layers().iter().chain([manifest.config()]);
            found.extend(blobs.filter_map(digest_of));
        } else if let Ok(index) = serde_json::from_slice::<ImageIndex>(&bytes) {
            open.extend(index.manifests().iter().filter_map(digest_of));
        }
    }
    found
}

fn digest_of(descriptor: &Descriptor) -> Option<Sha256Digest> {
    descriptor.digest().as_ref().strip_prefix("sha256:")?.parse().ok()
}
