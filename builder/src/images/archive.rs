//! The archive that the containerd of a node imports: an OCI layout in a tar, the same bytes for the same images.
//!
//! An image's entry in `index.json` has its full name in the annotation that containerd reads, and names the index of all
//! platforms where there is one: containerd takes an image whose blobs for other platforms are missing, and references by
//! the digest of the index resolve.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use tar::{Builder, EntryType, Header};

use crate::arch::Arch;
use crate::source::artifact::Artifact;
use crate::source::digest::{HashingReader, Sha256Digest};
use crate::source::made;
use crate::source::{NewFile, SourceContext, SourceError};

use super::Image;
use super::blob::Blob;
use super::error::{ImageError, Result};
use super::layout::{FULL_NAME, REF_NAME};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: String,
    size: u64,
    annotations: BTreeMap<&'static str, String>,
}

/// Writes the archive into the cache.
pub(super) fn write(cx: &SourceContext<'_>, images: &[Image], arch: Arch) -> Result<Artifact> {
    let name = format!("hcimage-images-{}.tar", arch.debian());
    let blobs: BTreeMap<Sha256Digest, &Blob> =
        images.iter().flat_map(|image| &image.blobs).map(|blob| (blob.digest, blob)).collect();
    let total = blobs.values().fold(0_u64, |total, blob| total.saturating_add(blob.size));
    let promised_by = "the archive that hcimage has written";
    let index = index(images).map_err(|error| SourceError::Io { what: name.clone(), source: error })?;
    let key = key(&name, &index, blobs.keys());
    if let Some(archive) = made::recall(cx, &key, promised_by)? {
        return Ok(archive);
    }
    let what = format!("writing {name}");
    let mut file = NewFile::create(cx, &name, total, &what)?;
    let task = cx.progress.start(&what, Some(total));
    let mut tar = Builder::new(&mut file);
    let failed = |error: io::Error| SourceError::Io { what: what.clone(), source: error };
    add(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(failed)?;
    add(&mut tar, "index.json", &index).map_err(failed)?;
    for blob in blobs.values() {
        cx.interrupt.check().map_err(SourceError::from)?;
        let mut data = HashingReader::new(blob.open().map_err(failed)?);
        let entry = format!("blobs/sha256/{}", blob.digest);
        tar.append_data(&mut header(blob.size), &entry, &mut data).map_err(failed)?;
        if data.digest().map_err(failed)? != blob.digest {
            let owner = images.iter().find(|image| image.blobs.contains(blob));
            let place = owner.map(|image| image.name.to_string()).unwrap_or_default();
            let problem = format!(
                "the blob sha256:{} is damaged: its bytes do not match its digest; get the image again",
                blob.digest
            );
            return Err(ImageError::Invalid { place, problem });
        }
        task.advance(blob.size);
    }
    tar.finish().map_err(failed)?;
    drop(tar);
    task.done();
    let archive = file.publish(cx, promised_by.to_owned())?;
    made::remember(cx, &key, &archive)?;
    Ok(archive)
}

/// What the archive is made from: the same for the same bytes. The version changes with this file.
fn key<'a>(name: &str, index: &[u8], blobs: impl Iterator<Item = &'a Sha256Digest>) -> Sha256Digest {
    const VERSION: &str = "1";
    let mut parts = format!("{VERSION} {name}\n").into_bytes();
    parts.extend_from_slice(index);
    blobs.for_each(|blob| parts.extend_from_slice(format!("\n{blob}").as_bytes()));
    Sha256Digest::of(&parts)
}

fn index(images: &[Image]) -> io::Result<Vec<u8>> {
    let names = images.iter().flat_map(|image| image.names().map(move |name| (image, name)));
    let manifests = names.map(|(image, name)| {
        let mut annotations = BTreeMap::from([(FULL_NAME, name.to_string())]);
        if let Some(tag) = name.tag() {
            annotations.insert(REF_NAME, tag.to_owned());
        }
        Entry {
            media_type: image.target.media_type.clone(),
            digest: format!("sha256:{}", image.target.digest),
            size: image.target.size,
            annotations,
        }
    });
    let index =
        Index { schema_version: 2, media_type: super::resolve::OCI_INDEX, manifests: manifests.collect() };
    serde_json::to_vec(&index).map_err(io::Error::other)
}

fn add(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let size = u64::try_from(bytes.len()).map_err(io::Error::other)?;
    tar.append_data(&mut header(size), name, bytes)
}

/// Of nobody, at no time: the same on every machine.
fn header(size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header
}
