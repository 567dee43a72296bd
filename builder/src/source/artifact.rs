//! A file of this machine that goes onto a node as it is.

use std::path::PathBuf;

use super::SourceContext;
use super::digest::Sha256Digest;
use super::error::Result;
use super::measure;

/// A file of this machine that goes onto a node, and what it must hold. Its bytes are compared with the digest once, while
/// they are copied into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name where it is published.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// The digest that its bytes must have.
    pub sha256: Sha256Digest,
    /// Who promises that digest, for messages.
    pub promised_by: String,
    /// Size in bytes of what k3s writes to the node's disk from it, where that could be read from it.
    pub unpacked_size: Option<u64>,
    /// The container images in it, as their archive names them.
    pub image_names: Vec<String>,
}

impl Artifact {
    /// The artifact at `path`, which is published as `name`.
    pub(crate) fn new(
        cx: &SourceContext<'_>,
        name: &str,
        path: PathBuf,
        size: u64,
        sha256: Sha256Digest,
        promised_by: String,
    ) -> Result<Self> {
        let measure::Content { unpacked_size, image_names } = measure::content(name, &path, cx.interrupt)?;
        Ok(Self { name: name.to_owned(), path, size, sha256, promised_by, unpacked_size, image_names })
    }
}
