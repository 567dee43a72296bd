//! What a base says of packages: those that it has, where it takes more from, and whose signatures it trusts.

use std::sync::Arc;

use crate::formats::apt_sources::{self, AptSource, SignedBy};
use crate::formats::dpkg_status;
use crate::fs::{FsError, ImagePath, Kind};
use crate::openpgp::Keyring;
use crate::os::Tree;

/// The largest other file.
const FILE_LIMIT: u64 = 1 << 20;

const TRUSTED: &str = "/etc/apt/trusted.gpg.d";

/// What a base says of packages.
#[derive(Debug)]
pub struct AptBase {
    /// dpkg's list.
    pub(super) status: String,
    /// As Debian names it.
    pub(super) arch: Arc<str>,
    pub(super) sources: Vec<SignedSource>,
    /// Sources that are left out, and why.
    pub(super) left_out: Vec<String>,
}

/// A source, and whose signatures count for it.
#[derive(Debug)]
pub(super) struct SignedSource {
    pub(super) source: AptSource,
    pub(super) keys: Keyring,
}

/// The files of a base, as far as packages are concerned.
pub trait BaseFiles {
    /// What a file holds, of at most `limit` bytes; none where there is no such file. Links are followed.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String>;

    /// The names in a directory; none where there is no such directory.
    fn names(&self, dir: &str) -> Result<Vec<String>, String>;
}

impl BaseFiles for Tree {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        let failed = |error: FsError| format!("{path}: {error}");
        let at = ImagePath::parse(path).map_err(|bad| format!("{path}: {bad}"))?;
        if self.kind(&self.resolve(&at).map_err(failed)?).map_err(failed)? != Some(Kind::File) {
            return Ok(None);
        }
        Tree::read(self, &at, limit).map(Some).map_err(failed)
    }

    fn names(&self, dir: &str) -> Result<Vec<String>, String> {
        let failed = |error: FsError| format!("{dir}: {error}");
        let at = ImagePath::parse(dir).map_err(|bad| format!("{dir}: {bad}"))?;
        let at = self.resolve(&at).map_err(failed)?;
        if self.kind(&at).map_err(failed)? != Some(Kind::Dir) {
            return Ok(Vec::new());
        }
        Ok(self.list(&at).map_err(failed)?.into_iter().map(|entry| entry.name).collect())
    }
}

impl AptBase {
    /// Reads a base.
    ///
    /// # Errors
    /// When a file cannot be read, or says what cannot be understood; the text follows the name of the base.
    pub fn read(files: &dyn BaseFiles, arch: &str) -> Result<Self, String> {
        let status = text(files, dpkg_status::PATH, dpkg_status::LIMIT)?;
        let (mut sources, mut left_out) = (Vec::new(), Vec::new());
        for path in listed(files, apt_sources::PATH, apt_sources::DIR, &[".list", ".sources"])? {
            for mut source in apt_sources::parse(&path, &text(files, &path, FILE_LIMIT)?)? {
                let is_other =
                    !source.architectures.is_empty() && !source.architectures.iter().any(|of| of == arch);
                if is_other {
                    continue;
                }
                source.suite = source.suite.replace("$(ARCH)", arch);
                if !source.uri.starts_with("http://") && !source.uri.starts_with("https://") {
                    left_out.push(format!("{}: {} is no address of a server", source.place, source.uri));
                    continue;
                }
                let keys = keys(files, &source)?;
                sources.push(SignedSource { source, keys });
            }
        }
        Ok(Self { status, arch: arch.into(), sources, left_out })
    }
}

fn text(files: &dyn BaseFiles, path: &str, limit: u64) -> Result<String, String> {
    let bytes = files.read(path, limit)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file, and those of a directory with one of the endings, in the order of their names.
fn listed(files: &dyn BaseFiles, file: &str, dir: &str, endings: &[&str]) -> Result<Vec<String>, String> {
    let mut names = files.names(dir)?;
    names.retain(|name| endings.iter().any(|ending| name.ends_with(ending)) && !name.starts_with('.'));
    names.sort();
    let others = names.into_iter().map(|name| format!("{dir}/{name}"));
    Ok([file.to_owned()].into_iter().chain(others).collect())
}

/// The keys whose signatures count for a source.
fn keys(files: &dyn BaseFiles, source: &AptSource) -> Result<Keyring, String> {
    let mut keys = Keyring::default();
    let paths = match &source.signed_by {
        SignedBy::Key(text) => {
            return Keyring::read(text.as_bytes()).map_err(|error| format!("{}: {error}", source.place));
        }
        SignedBy::Files(paths) => paths.clone(),
        SignedBy::Anyone => listed(files, "/etc/apt/trusted.gpg", TRUSTED, &[".gpg", ".asc"])?,
    };
    // A fingerprint in the place of a file stands for one of the keys that the system trusts: none is trusted for it.
    for path in paths.iter().filter(|path| path.starts_with('/')) {
        // What one file has that cannot be read is not trusted; another may have the key.
        if let Some(Ok(found)) = files.read(path, FILE_LIMIT)?.map(|bytes| Keyring::read(&bytes)) {
            keys.add(found);
        }
    }
    Ok(keys)
}
