//! What `docker save` and `podman save` write without an OCI layout: `manifest.json`, a configuration and the layers.
//!
//! Format: Docker's image specification 1.2, "Combined Image JSON + Filesystem Changeset Format". An OCI manifest is made for
//! each image, since containerd knows images by one.

use serde::{Deserialize, Serialize};

use crate::interrupt::Interrupt;
use crate::source::SourceError;
use crate::source::digest::Sha256Digest;
use crate::source::input::DigestStop;

use super::blob::{Blob, DOCUMENT_LIMIT, open_at};
use super::error::{ImageError, Result};
use super::layout::Files;
use super::resolve::{Descriptor, OCI_MANIFEST};
use super::tar_file::TarFile;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image of the archive, as OCI has it.
pub(super) struct Saved {
    /// The names that it was saved with; may be empty.
    pub(super) names: Vec<String>,
    pub(super) target: Descriptor,
    /// Manifest, configuration, layers.
    pub(super) blobs: Vec<Blob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Entry<'a>,
    layers: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    media_type: &'a str,
    digest: String,
    size: u64,
}

/// The images of the archive; none where this is none of Docker's.
pub(super) fn read(files: &Files, interrupt: &Interrupt) -> Result<Option<Vec<Saved>>> {
    let Files::Archive(archive) = files else { return Ok(None) };
    let Some(bytes) = files.read("manifest.json", DOCUMENT_LIMIT)? else { return Ok(None) };
    let rows: Vec<Row> = serde_json::from_slice(&bytes)
        .map_err(|error| ImageError::of_file(files.path(), format!("invalid manifest.json: {error}")))?;
    let mut known: Vec<(u64, Blob)> = Vec::new();
    rows.iter().map(|row| image(files, archive, row, &mut known, interrupt)).collect::<Result<_>>().map(Some)
}

fn image(
    files: &Files,
    archive: &TarFile,
    row: &Row,
    known: &mut Vec<(u64, Blob)>,
    interrupt: &Interrupt,
) -> Result<Saved> {
    let invalid = |problem: String| ImageError::of_file(files.path(), problem);
    let missing = |name: &str| invalid(format!("{name:?} is missing: save the image again"));
    let config = files.read(&row.config, DOCUMENT_LIMIT)?.ok_or_else(|| missing(&row.config))?;
    let parsed: Config = serde_json::from_slice(&config)
        .map_err(|error| invalid(format!("invalid configuration {:?}: {error}", row.config)))?;
    if parsed.rootfs.diff_ids.len() != row.layers.len() {
        let (wanted, found) = (parsed.rootfs.diff_ids.len(), row.layers.len());
        return Err(invalid(format!("{} has {found} layers, expected {wanted}", row.config)));
    }
    let config = Blob::of_bytes(config);
    let mut layers = Vec::new();
    for (name, diff_id) in row.layers.iter().zip(&parsed.rootfs.diff_ids) {
        let range = archive.get(name).ok_or_else(|| missing(name))?;
        let digest = match known.iter().find(|(offset, _)| *offset == range.offset) {
            Some((_, blob)) => blob.digest,
            None => digest_of(files, range.offset, range.size, interrupt)?,
        };
        if diff_id.strip_prefix("sha256:") != Some(digest.to_string().as_str()) {
            return Err(invalid(format!(
                "{name} does not match the configuration: expected {diff_id}, found sha256:{digest}; save the image again, \
                 without compressing its layers"
            )));
        }
        let blob = Blob::in_file(digest, archive.path(), range.offset, range.size);
        known.push((range.offset, blob.clone()));
        layers.push(blob);
    }
    let row_of = |media_type, blob: &Blob| Entry {
        media_type,
        digest: format!("sha256:{}", blob.digest),
        size: blob.size,
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        config: row_of(CONFIG, &config),
        layers: layers.iter().map(|layer| row_of(LAYER, layer)).collect(),
    };
    let manifest = serde_json::to_vec(&manifest).map_err(|error| invalid(error.to_string()))?;
    let manifest = Blob::of_bytes(manifest);
    let target =
        Descriptor { media_type: OCI_MANIFEST.to_owned(), digest: manifest.digest, size: manifest.size };
    let mut blobs = vec![manifest, config];
    blobs.extend(layers);
    Ok(Saved { names: row.repo_tags.clone().unwrap_or_default(), target, blobs })
}

fn digest_of(files: &Files, offset: u64, size: u64, interrupt: &Interrupt) -> Result<Sha256Digest> {
    let failed = |error: std::io::Error| ImageError::of_file(files.path(), error.to_string());
    let data = open_at(files.path(), offset).map_err(failed)?;
    Sha256Digest::of_reader::<DigestStop>(std::io::Read::take(data, size), |_| Ok(interrupt.check()?))
        .map_err(|stop| match stop {
            DigestStop::Io(error) => failed(error),
            DigestStop::Interrupted(interrupted) => SourceError::from(interrupted).into(),
        })
}
