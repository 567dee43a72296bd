//! The blobs that an image in the cache has, so that a cleaning keeps them.

use std::collections::BTreeSet;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use crate::source::cache::Cache;
use crate::source::digest::Sha256Digest;

use super::blob::DOCUMENT_LIMIT;

/// The digests of all blobs of the image `target`, as far as its documents are in the cache: of all platforms.
pub fn needed(cache: &Cache, target: Sha256Digest) -> BTreeSet<Sha256Digest> {
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
