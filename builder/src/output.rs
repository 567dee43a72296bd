//! Where an image goes. Only complete files get their final names.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::local_file::is_refused_by_windows;
use crate::progress::Progress;
use crate::source::cache::sync_dir;
use crate::source::leftovers;

/// Of the names of temporary files.
const PREFIX: &str = ".hcimage-";
const SUFFIX: &str = ".partial";

/// Where an image goes.
#[derive(Debug, Clone)]
pub struct Output {
    /// The final name.
    pub path: PathBuf,
    /// Whether files of that name, the image's and those beside it, may be replaced.
    pub overwrite: bool,
}

/// An image and what describes it, finished and synced, without their names.
#[derive(Debug)]
pub struct Files {
    /// The image.
    pub image: TempPath,
    /// The list of changes.
    pub manifest: TempPath,
    /// The bill of materials.
    pub sbom: TempPath,
    /// The block map.
    pub bmap: TempPath,
}

/// Why an output cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It exists.
    #[error("{path} exists already; choose another --output, or replace it with --overwrite")]
    Exists {
        /// The image or its manifest.
        path: PathBuf,
    },
    /// It is what the image is made from.
    #[error("{path} is the base image, which is never written; choose another --output")]
    IsBase {
        /// The output.
        path: PathBuf,
    },
    /// A directory, a device or the like has the name.
    #[error(
        "{path} is not a regular file; name a file with --output. An image is written to a card after it was built"
    )]
    NotAFile {
        /// The output.
        path: PathBuf,
    },
    /// Windows has no file of that name.
    #[error(
        "Windows takes {path} for a device, or has no such name; choose another --output, or another name for the node"
    )]
    NoName {
        /// The output.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("writing {path}")]
    Io {
        /// The output.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

type Result<T> = std::result::Result<T, OutputError>;

impl Output {
    /// Rejects early what would fail after minutes of work, and what would overwrite `base`.
    pub fn check(&self, base: Option<&Path>) -> Result<()> {
        for path in [&self.path, &self.manifest(), &self.sbom(), &self.bmap()] {
            self.check_name(path)?;
            // Not the same file where one of them does not exist.
            if base.is_some_and(|base| same_file::is_same_file(base, path).unwrap_or(false)) {
                return Err(OutputError::IsBase { path: path.clone() });
            }
        }
        self.temporary().map(drop)
    }

    /// Rejects what is in the way of a name. A link is not a regular file: what it leads to is not the output.
    pub(crate) fn check_name(&self, path: &Path) -> Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if cfg!(windows) && is_refused_by_windows(&name) {
            return Err(OutputError::NoName { path: path.to_owned() });
        }
        match path.symlink_metadata() {
            Ok(_) if !self.overwrite => Err(OutputError::Exists { path: path.to_owned() }),
            Ok(found) if !found.is_file() => Err(OutputError::NotAFile { path: path.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Removes the temporary files of builds that were killed, which [`Self::temporary`] made in the directory.
    pub(crate) fn clear_leftovers(dir: &Path, progress: &dyn Progress) {
        let is_temporary = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        leftovers::clear(dir, is_temporary, progress);
    }

    /// The name of the manifest beside the image.
    pub fn manifest(&self) -> PathBuf {
        self.beside(".manifest.json")
    }

    /// The name of the bill of materials beside the image; the ending is the one that CycloneDX registered.
    pub fn sbom(&self) -> PathBuf {
        self.beside(".cdx.json")
    }

    /// The name of the block map beside the image, as bmaptool looks for it.
    pub fn bmap(&self) -> PathBuf {
        self.beside(".bmap")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// A file in the same directory, which is removed unless it gets its final name. Only its owner may read it: an
    /// image holds the secrets of its node. While it is open, no other build takes it for left over.
    pub fn temporary(&self) -> Result<NamedTempFile> {
        let file = tempfile::Builder::new()
            .prefix(PREFIX)
            .suffix(SUFFIX)
            .tempfile_in(self.dir())
            .map_err(|source| self.failed(source))?;
        leftovers::hold(file.as_file());
        Ok(file)
    }

    /// Gives the finished and synced image and what describes it their names, durably. The image comes last: once it has its
    /// name, it is complete.
    pub fn publish(&self, Files { image, manifest, sbom, bmap }: Files) -> Result<()> {
        let mut new = Vec::new();
        let publish = || {
            for (temporary, path) in [
                (manifest, self.manifest()),
                (sbom, self.sbom()),
                (bmap, self.bmap()),
                (image, self.path.clone()),
            ] {
                let is_new = !path.exists();
                self.name(temporary, &path)?;
                if is_new {
                    new.push(path);
                }
            }
            Ok(())
        };
        let published: Result<()> = publish();
        published.inspect_err(|_| {
            // The image that they describe is not there.
            new.iter().for_each(|path| drop(std::fs::remove_file(path)));
        })?;
        sync_dir(self.dir()).map_err(|source| self.failed(source))
    }

    /// Gives a finished file its name, in the place of another one only where that may be replaced.
    pub(crate) fn name(&self, temporary: TempPath, path: &Path) -> Result<()> {
        let named = if self.overwrite { temporary.persist(path) } else { temporary.persist_noclobber(path) };
        named.map_err(|error| OutputError::Io { path: path.to_owned(), source: error.error })
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// An error while the output was written.
    pub fn failed(&self, source: io::Error) -> OutputError {
        OutputError::Io { path: self.path.clone(), source }
    }
}
