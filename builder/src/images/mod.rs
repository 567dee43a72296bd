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
pub use registry::{Credentials, Login, Mirror, NameRewrites, RegistryAccess, RegistryHosts, RewriteProblem};

use std::collections::{BTreeMap, BTreeSet};

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// The bundle of each set of sources, for one architecture; none for a set that names nothing. What several sets have is read
/// once.
///
/// # Errors
/// When an image cannot be had, is damaged, or has nothing for the architecture.
pub fn bundles(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    hosts: &RegistryHosts,
    sets: &BTreeSet<Vec<ImageSource>>,
    arch: Arch,
) -> Result<BTreeMap<Vec<ImageSource>, ImageBundle>> {
    let sources: BTreeSet<&ImageSource> = sets.iter().flatten().collect();
    let mut described = Vec::new();
    for source in &sources {
        if let ImageSource::Registry(name) = source {
            described.push((*source, registry::describe(cx, lock, hosts, name, arch)?));
        }
    }
    let mut known: BTreeMap<&ImageSource, Vec<Image>> = BTreeMap::new();
    for (source, image) in described {
        known.insert(source, vec![image.fetch(lock)?]);
    }
    for source in sources {
        if let ImageSource::Local(local) = source {
            known.insert(source, local::read(cx, local, arch)?);
        }
    }
    let mut bundles = BTreeMap::new();
    for set in sets.iter().filter(|set| !set.is_empty()) {
        let images = set.iter().filter_map(|source| known.get(source)).flatten().cloned();
        bundles.insert(set.clone(), bundle(cx, images.collect(), arch)?);
    }
    Ok(bundles)
}

/// The archive of these images.
fn bundle(cx: &SourceContext<'_>, mut images: Vec<Image>, arch: Arch) -> Result<ImageBundle> {
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
    Ok(ImageBundle { names: images.iter().flat_map(Image::names).collect(), archive })
}
