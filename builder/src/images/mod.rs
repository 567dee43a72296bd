//! Container images that nodes have from the start: obtained from registries, archives and folders, and written into one
//! OCI archive that the containerd of k3s imports.
//!
//! ```text
//! registry/, layout.rs, docker_save.rs   where an image comes from: blobs by their digest
//! resolve.rs                             from the target of a name to the manifest, configuration and layers of one platform
//! archive.rs                             the archive, the same bytes for the same images
//! ```
//!
//! Nothing is taken by its name alone: every blob is compared with its digest, from the index down to the layers.

mod archive;
mod blob;
mod docker_save;
mod error;
mod layout;
mod local;
mod needed;
mod registry;
mod resolve;
mod tar_file;

pub use error::{ImageError, Result};
pub use local::LocalImages;
pub use needed::needs;
pub(crate) use registry::chart;
pub use registry::{Credentials, RegistryAccess, RegistryHosts};

use crate::arch::Arch;
use crate::source::SourceContext;
use crate::source::artifact::Artifact;
use crate::source::base::UnpackedStream;
use crate::source::lock::Lock;
use crate::value::ImageReference;

use self::blob::Blob;
use self::resolve::Descriptor;

/// An image for one platform.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// What containers ask for.
    name: ImageReference,
    /// What the name stands for: the index of all platforms where there is one, so that references by its digest resolve.
    target: Descriptor,
    /// Index, manifest, configuration and layers.
    blobs: Vec<Blob>,
    /// Where the blobs lie in a copy that goes away.
    _kept: Option<UnpackedStream>,
}

impl Image {
    /// What containerd is to know it by: its tag, and its digest. The kubelet looks for a reference with both by the digest
    /// alone, and older releases of k3s give an imported image no such name.
    fn names(&self) -> impl Iterator<Item = ImageReference> {
        let tagged = self.name.without_digest();
        tagged.into_iter().chain([self.name.at_digest(&self.target.digest.to_string())])
    }
}

/// Where container images come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// From the registry in its name.
    Registry(ImageReference),
    /// From a file or folder of this machine.
    Local(LocalImages),
}

/// The images for nodes of one architecture, and the archive that has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBundle {
    /// Each by its tag, if it has one, and by its digest.
    pub names: Vec<ImageReference>,
    /// The archive.
    pub archive: Artifact,
}

/// The bundle of what `sources` name, for one architecture; none where they name nothing.
///
/// # Errors
/// When an image cannot be had, is damaged, or has nothing for the architecture.
pub fn bundle(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    hosts: &RegistryHosts,
    sources: &[ImageSource],
    arch: Arch,
) -> Result<Option<ImageBundle>> {
    let mut images: Vec<Image> = Vec::new();
    for source in sources {
        match source {
            ImageSource::Local(local) => images.extend(local::read(cx, local, arch)?),
            ImageSource::Registry(name) => images.push(registry::obtain(cx, lock, hosts, name, arch)?),
        }
    }
    if images.is_empty() {
        return Ok(None);
    }
    images.sort_by(|one, other| one.name.cmp(&other.name));
    for pair in images.windows(2) {
        if let [one, other] = pair
            && one.name == other.name
            && one.target.digest != other.target.digest
        {
            return Err(ImageError::Twice { name: one.name.to_string() });
        }
    }
    images.dedup_by(|one, other| one.name == other.name);
    let archive = archive::write(cx, &images, arch)?;
    Ok(Some(ImageBundle { names: images.iter().flat_map(Image::names).collect(), archive }))
}
