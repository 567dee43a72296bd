//! An OCI image layout, as a folder or as an archive of one (OCI image specification 1.1, `image-layout.md`).

use std::path::{Path, PathBuf};

use oci_spec::image::{ImageIndex, OciLayout};

use crate::local_file;
use crate::source::digest::Sha256Digest;

use super::blob::{Blob, open_at};
use super::error::{ImageError, Result};
use super::resolve::{Content, Descriptor};
use super::tar_file::TarFile;

/// What containerd and Docker write the full name into.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";
/// What the specification has: a tag, or with some tools the full name.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The longest `index.json` in bytes.
const INDEX_LIMIT: u64 = 4 << 20;

/// Where the files of a layout are.
pub(super) enum Files {
    Folder(PathBuf),
    Archive(TarFile),
}

/// An image in a layout, before it is read.
pub(super) struct Entry {
    /// What the layout calls it: a full name, a tag, or nothing.
    pub(super) name: Option<String>,
    pub(super) target: Descriptor,
}

impl Files {
    /// The folder or archive.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Archive(archive) => archive.path(),
        }
    }

    /// A file of it as a blob; none where there is no such file.
    fn file(&self, name: &str, digest: Sha256Digest) -> Result<Option<Blob>> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                if path.symlink_metadata().is_err() {
                    return Ok(None);
                }
                let length = local_file::open(&path).and_then(|file| file.metadata());
                let length = length.map_err(|error| ImageError::of_file(&path, error.to_string()))?.len();
                Ok(Some(Blob::in_file(digest, &path, 0, length)))
            }
            Self::Archive(archive) => Ok(archive
                .get(name)
                .map(|range| Blob::in_file(digest, archive.path(), range.offset, range.size))),
        }
    }

    /// A small file of it; none where there is no such file.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let failed = |error: std::io::Error| ImageError::of_file(self.path(), format!("{name}: {error}"));
        match self {
            Self::Folder(root) => match local_file::read(&root.join(name), limit) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed(error)),
            },
            Self::Archive(archive) => {
                let Some(range) = archive.get(name) else { return Ok(None) };
                if range.size > limit {
                    let problem = format!("{name} has {} bytes, expected at most {limit}", range.size);
                    return Err(ImageError::of_file(self.path(), problem));
                }
                let mut bytes = Vec::new();
                let file = open_at(archive.path(), range.offset).map_err(failed)?;
                std::io::Read::read_to_end(&mut std::io::Read::take(file, range.size), &mut bytes)
                    .map_err(failed)?;
                Ok(Some(bytes))
            }
        }
    }

    /// The images of the layout; none where this is no layout.
    pub(super) fn entries(&self) -> Result<Option<Vec<Entry>>> {
        let invalid = |problem: String| ImageError::of_file(self.path(), problem);
        let (Some(version), Some(index)) =
            (self.read("oci-layout", INDEX_LIMIT)?, self.read("index.json", INDEX_LIMIT)?)
        else {
            return Ok(None);
        };
        let version: OciLayout = serde_json::from_slice(&version)
            .map_err(|error| invalid(format!("invalid oci-layout: {error}")))?;
        if version.image_layout_version() != "1.0.0" {
            let found = version.image_layout_version();
            return Err(invalid(format!("OCI layout version {found:?} is not supported: expected 1.0.0")));
        }
        let index: ImageIndex = serde_json::from_slice(&index)
            .map_err(|error| invalid(format!("invalid index.json: {error}")))?;
        let entry = |descriptor: &oci_spec::image::Descriptor| {
            let annotation = |key: &str| descriptor.annotations().as_ref()?.get(key).cloned();
            let text = descriptor.digest().to_string();
            let digest = text.strip_prefix("sha256:").unwrap_or(&text).parse();
            let digest =
                digest.map_err(|_| invalid(format!("unsupported digest {text:?}: expected sha256")))?;
            Ok(Entry {
                name: annotation(FULL_NAME).or_else(|| annotation(REF_NAME)),
                target: Descriptor {
                    media_type: descriptor.media_type().to_string(),
                    digest,
                    size: descriptor.size(),
                },
            })
        };
        index.manifests().iter().map(entry).collect::<Result<_>>().map(Some)
    }
}

impl Content for Files {
    fn blob(&mut self, descriptor: &Descriptor) -> Result<Blob> {
        let name = format!("blobs/sha256/{}", descriptor.digest);
        let blob = self.file(&name, descriptor.digest)?.ok_or_else(|| {
            let problem =
                format!("{name} is missing: export the image again, for the processor of the nodes");
            ImageError::of_file(self.path(), problem)
        })?;
        if blob.size != descriptor.size {
            let problem = format!("{name} has {} bytes, expected {}", blob.size, descriptor.size);
            return Err(ImageError::of_file(self.path(), problem));
        }
        Ok(blob)
    }
}
