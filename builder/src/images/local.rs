//! Images from files of this machine: archives of `docker save`, `podman save` and `skopeo copy`, and OCI layouts.

use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::source::{SourceContext, base};
use crate::value::ImageReference;

use super::Image;
use super::docker_save;
use super::error::{ImageError, Result};
use super::layout::Files;
use super::resolve;
use super::tar_file::TarFile;

/// Images of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalImages {
    /// An archive, packed or not, or the folder of an OCI layout.
    pub path: PathBuf,
    /// What the only image in it is called, or which of several is meant. None takes all, by their own names.
    pub name: Option<ImageReference>,
}

/// The images for nodes of one architecture.
pub(super) fn read(cx: &SourceContext<'_>, source: &LocalImages, arch: Arch) -> Result<Vec<Image>> {
    let path = &source.path;
    if path.is_dir() {
        return Reader { source, arch, files: Files::Folder(path.clone()) }.read(cx);
    }
    let failed = |error| ImageError::Source { place: path.display().to_string(), source: Box::new(error) };
    // The unpacked archive is not read after this: what is small is in memory, and layers are copied from where they lie.
    let unpacked = base::unpack_stream(cx, path).map_err(failed)?;
    let files = Files::Archive(TarFile::open(cx, unpacked.path())?);
    let images = Reader { source, arch, files }.read(cx)?;
    Ok(images.into_iter().map(|image| Image { _kept: Some(unpacked.clone()), ..image }).collect())
}

struct Reader<'a> {
    source: &'a LocalImages,
    arch: Arch,
    files: Files,
}

impl Reader<'_> {
    fn path(&self) -> &Path {
        &self.source.path
    }

    fn invalid(&self, problem: impl Into<String>) -> ImageError {
        ImageError::of_file(self.path(), problem)
    }

    fn read(mut self, cx: &SourceContext<'_>) -> Result<Vec<Image>> {
        let images = match self.files.entries()? {
            Some(entries) => self.layout(&entries)?,
            None => match docker_save::read(&self.files, cx.interrupt)? {
                Some(saved) => self.saved(saved)?,
                None => {
                    return Err(self.invalid(
                        "neither an archive of docker save, with manifest.json, nor an OCI layout, with oci-layout and \
                         index.json",
                    ));
                }
            },
        };
        if images.is_empty() {
            return Err(self.invalid("there is no image in it"));
        }
        Ok(images)
    }

    fn layout(&mut self, entries: &[super::layout::Entry]) -> Result<Vec<Image>> {
        let names: Vec<Option<ImageReference>> =
            entries.iter().map(|entry| full(entry.name.as_deref())).collect();
        let mut images = Vec::new();
        for (place, name) in self.chosen(&names)? {
            let Some(entry) = entries.get(place) else { continue };
            let shown = format!("{} in {}", name, self.path().display());
            let blobs = resolve::blobs(&mut self.files, &entry.target, self.arch, &shown)?;
            images.push(Image { name, target: entry.target.clone(), blobs, _kept: None });
        }
        Ok(images)
    }

    fn saved(&self, saved: Vec<docker_save::Saved>) -> Result<Vec<Image>> {
        let mut names = Vec::new();
        let mut of = Vec::new();
        for (place, image) in saved.iter().enumerate() {
            let own: Vec<_> = image.names.iter().map(|name| full(Some(name))).collect();
            let own = if own.is_empty() { vec![None] } else { own };
            of.extend(std::iter::repeat_n(place, own.len()));
            names.extend(own);
        }
        let mut images = Vec::new();
        for (place, name) in self.chosen(&names)? {
            let Some(image) = of.get(place).and_then(|place| saved.get(*place)) else { continue };
            let shown = format!("{} in {}", name, self.path().display());
            let mut content = Made(&image.blobs);
            let blobs = resolve::blobs(&mut content, &image.target, self.arch, &shown)?;
            images.push(Image { name, target: image.target.clone(), blobs, _kept: None });
        }
        Ok(images)
    }

    /// The place of each wanted image among `names`, and what it is called.
    fn chosen(&self, names: &[Option<ImageReference>]) -> Result<Vec<(usize, ImageReference)>> {
        let Some(wanted) = &self.source.name else {
            let named = names.iter().cloned().enumerate();
            return named
                .map(|(place, name)| {
                    let hint = "an image in it has no full name: set name beside the path";
                    Ok((place, name.ok_or_else(|| self.invalid(hint))?))
                })
                .collect();
        };
        let named = names.iter().position(|name| name.as_ref() == Some(wanted));
        match (named, names.len()) {
            (Some(place), _) => Ok(vec![(place, wanted.clone())]),
            // The only image goes by the name that the cluster file gives it.
            (None, 1) => Ok(vec![(0, wanted.clone())]),
            (None, _) => {
                let found = names.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(self.invalid(format!("no image is called {wanted}; found {found}")))
            }
        }
    }
}

/// Blobs that were made from an archive of Docker.
struct Made<'a>(&'a [super::Blob]);

impl resolve::Content for Made<'_> {
    fn blob(&mut self, descriptor: &super::Descriptor) -> Result<super::Blob> {
        let found = self.0.iter().find(|blob| blob.digest == descriptor.digest);
        found.cloned().ok_or_else(|| ImageError::Invalid {
            place: descriptor.digest.to_string(),
            problem: "a blob is missing".into(),
        })
    }
}

/// A name with a repository. What is a tag alone names no image.
fn full(name: Option<&str>) -> Option<ImageReference> {
    name.filter(|name| name.contains([':', '/']))?.parse().ok()
}
