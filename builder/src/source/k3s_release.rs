//! A k3s release: the binary and the archive of container images for one architecture.
//!
//! Their digests come from the release's checksum file or from the lock. A download is checked as it arrives; every
//! file is checked once more as it is copied into an image, which is why nothing here reads a local file for it.
//!
//! Names and layout are those of the releases of k3s-io/k3s: `k3s` (amd64), `k3s-arm64` or `k3s-armhf`,
//! `k3s-airgap-images-<arch>.tar[.zst|.gz]` and `sha256sum-<arch>.txt`, below `<releases>/<version>/`. Only the program
//! is called armhf there; its images and checksums are called arm (k3s-io/k3s issue 572 lists a release's files).

use std::path::{Path, PathBuf};

use super::SourceContext;
use super::artifact::Artifact;
use super::checksum_file::{ChecksumFile, list};
use super::error::{IoContext, Result, SourceError};
use super::input::{self, Published, bad_checksums, read_checksums};
use super::k3s_version::{K3sVersion, K3sVersionReq};
use super::lock::Lock;
use super::url::SourceUrl;
use crate::arch::Arch;

/// Where k3s comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum K3sSource {
    /// A directory with the files of a release, downloaded by hand. Its name must be the version, such as `v1.36.2+k3s1`,
    /// unless `version` tells it.
    Dir {
        /// The directory.
        path: PathBuf,
        /// The version of the files in it.
        version: Option<K3sVersion>,
    },
    /// The publisher's server, or a mirror with the same layout.
    Release {
        /// A version or channel.
        wanted: K3sVersionReq,
        /// What stands before `/<version>/<file>`: `https://github.com/k3s-io/k3s/releases/download`.
        releases_url: SourceUrl,
        /// What stands before `/<channel>`: `https://update.k3s.io/v1-release/channels`.
        channels_url: SourceUrl,
    },
}

/// What an image needs of a k3s release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct K3sBundle {
    /// The release.
    pub version: K3sVersion,
    /// The k3s program.
    pub binary: Artifact,
    /// The container images that k3s itself needs.
    pub airgap_images: Artifact,
}

/// The names of a release's files for one architecture.
#[derive(Debug, Clone, Copy)]
struct Names {
    binary: &'static str,
    /// Best first: zstd is smallest and unpacks fastest.
    airgap_images: [&'static str; 3],
    checksums: &'static str,
}

impl Names {
    fn of(arch: Arch) -> Self {
        match arch {
            Arch::Aarch64 => Self {
                binary: "k3s-arm64",
                airgap_images: [
                    "k3s-airgap-images-arm64.tar.zst",
                    "k3s-airgap-images-arm64.tar.gz",
                    "k3s-airgap-images-arm64.tar",
                ],
                checksums: "sha256sum-arm64.txt",
            },
            Arch::Armv7 => Self {
                binary: "k3s-armhf",
                airgap_images: [
                    "k3s-airgap-images-arm.tar.zst",
                    "k3s-airgap-images-arm.tar.gz",
                    "k3s-airgap-images-arm.tar",
                ],
                checksums: "sha256sum-arm.txt",
            },
            Arch::X86_64 => Self {
                binary: "k3s",
                airgap_images: [
                    "k3s-airgap-images-amd64.tar.zst",
                    "k3s-airgap-images-amd64.tar.gz",
                    "k3s-airgap-images-amd64.tar",
                ],
                checksums: "sha256sum-amd64.txt",
            },
        }
    }
}

/// Obtains k3s for `arch`. Entries in the lock file: `k3s.<channel>` and `k3s.<version>.<file>`.
pub fn obtain(cx: &SourceContext<'_>, source: &K3sSource, arch: Arch, lock: &mut Lock) -> Result<K3sBundle> {
    let names = Names::of(arch);
    match source {
        K3sSource::Dir { path, version } => from_dir(path, version.as_ref(), names),
        K3sSource::Release { wanted, releases_url, channels_url } => {
            let version = match wanted {
                K3sVersionReq::Version(version) => version.clone(),
                K3sVersionReq::Channel(channel) => resolve_channel(cx, channels_url, channel, lock)?,
            };
            let release = releases_url.below(&version.to_string());
            Release { cx, url: release, version, names, checksums: None }.obtain(lock)
        }
    }
}

fn from_dir(dir: &Path, version: Option<&K3sVersion>, names: Names) -> Result<K3sBundle> {
    let found = list_dir(dir)?;
    let version = version.cloned().map_or_else(|| version_of_dir(dir), Ok)?;
    let missing = |name: &str, hint: &str| SourceError::Missing {
        what: dir.join(name).display().to_string(),
        hint: format!("found there: {}; {hint}", list(found.iter())),
    };
    let has = |name: &&str| found.iter().any(|found| found == name);
    let fetch = "fetch it from the same k3s release";
    let checksums = has(&names.checksums).then(|| dir.join(names.checksums));
    let checksums = checksums.ok_or_else(|| {
        missing(names.checksums, "it verifies the others: fetch it from the same k3s release")
    })?;
    if !has(&names.binary) {
        return Err(missing(names.binary, fetch));
    }
    let airgap_images = names.airgap_images.into_iter().find(has);
    let airgap_images = airgap_images.ok_or_else(|| missing(names.airgap_images[0], fetch))?;
    let sums = read_checksums(&checksums)?;
    let file = |name| file_in_dir(dir, name, &sums, &checksums);
    Ok(K3sBundle { version, binary: file(names.binary)?, airgap_images: file(airgap_images)? })
}

fn list_dir(dir: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(dir).context("reading the k3s release directory", dir)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names =
        names.collect::<std::io::Result<Vec<_>>>().context("reading the k3s release directory", dir)?;
    names.sort();
    Ok(names)
}

/// Browsers and curl may leave the `+` as the address has it, `%2B`.
fn version_of_dir(dir: &Path) -> Result<K3sVersion> {
    let full = std::path::absolute(dir).context("resolving", dir)?;
    let name = super::error::file_name(&full).replace("%2B", "+");
    name.parse().map_err(|_| SourceError::Invalid {
        what: dir.display().to_string(),
        problem: "the directory's name does not tell the version of k3s in it: \
                  name it like the release, v1.36.2+k3s1, or give --k3s-version"
            .into(),
    })
}

fn file_in_dir(dir: &Path, name: &str, sums: &ChecksumFile, sums_path: &Path) -> Result<Artifact> {
    let path = dir.join(name);
    let sha256 = sums.digest_of(name).map_err(|e| bad_checksums(sums_path.display(), &e))?;
    let size = std::fs::metadata(&path).context("looking at", &path)?.len();
    Artifact::new(name, path, size, sha256, sums_path.display().to_string())
}

/// The version that a channel stands for: locked, or the last element of the address that it redirects to.
fn resolve_channel(
    cx: &SourceContext<'_>,
    channels_url: &SourceUrl,
    channel: &str,
    lock: &mut Lock,
) -> Result<K3sVersion> {
    const HOPS: usize = 5;
    let name = format!("k3s.{channel}");
    let asked = channels_url.below(channel);
    if let Some(version) = lock.channel(&name, &asked)? {
        return Ok(version);
    }
    let mut url = asked.clone();
    for _ in 0..HOPS {
        url = cx.fetcher.redirect(&url, cx.interrupt)?;
        if let Some(version) = url.file_name().ok().and_then(|name| name.parse::<K3sVersion>().ok()) {
            lock.record_channel(&name, asked, version.clone())?;
            return Ok(version);
        }
    }
    let problem = format!("it leads to {url}, which does not end with a version of k3s");
    Err(SourceError::BadAnswer { url: asked.to_string(), problem })
}

/// A release on a server.
struct Release<'a> {
    cx: &'a SourceContext<'a>,
    url: SourceUrl,
    version: K3sVersion,
    names: Names,
    /// Fetched when the first file needs it: not at all where everything is locked.
    checksums: Option<ChecksumFile>,
}

impl Release<'_> {
    fn obtain(mut self, lock: &mut Lock) -> Result<K3sBundle> {
        let binary = self.file(self.names.binary, lock)?;
        let airgap_images = self.airgap_name(lock)?;
        let airgap_images = self.file(airgap_images, lock)?;
        Ok(K3sBundle { version: self.version, binary, airgap_images })
    }

    /// The locked archive, else the best that the release has.
    fn airgap_name(&mut self, lock: &Lock) -> Result<&'static str> {
        let names = self.names.airgap_images;
        if let Some(locked) = names.into_iter().find(|name| lock.input(&self.lock_name(name)).is_some()) {
            return Ok(locked);
        }
        let sums = self.checksums()?;
        Ok(names.into_iter().find(|name| sums.lists(name)).unwrap_or(names[0]))
    }

    fn file(&mut self, name: &str, lock: &mut Lock) -> Result<Artifact> {
        let url = self.url.below(name);
        let lock_name = self.lock_name(name);
        let cx = self.cx;
        let file = input::obtain(cx, lock, &lock_name, &url, || self.published(name))?;
        Artifact::new(name, file.path, file.size, file.sha256, lock.path().display().to_string())
    }

    fn lock_name(&self, name: &str) -> String {
        format!("k3s.{}.{name}", self.version)
    }

    fn published(&mut self, name: &str) -> Result<Published> {
        let by = self.url.below(self.names.checksums);
        let sha256 = self.checksums()?.digest_of(name).map_err(|e| bad_checksums(&by, &e))?;
        Ok(Published { url: self.url.below(name), sha256, promised_by: by.to_string() })
    }

    fn checksums(&mut self) -> Result<&ChecksumFile> {
        let sums = match self.checksums.take() {
            Some(sums) => sums,
            None => input::fetch_checksums(self.cx, &self.url.below(self.names.checksums))?,
        };
        Ok(self.checksums.insert(sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dir_tells_its_version() {
        for good in ["/x/v1.36.2+k3s1", "v1.36.2%2Bk3s1/"] {
            assert_eq!(version_of_dir(Path::new(good)).unwrap().to_string(), "v1.36.2+k3s1");
        }
        let error = version_of_dir(Path::new("/x/k3s")).unwrap_err().to_string();
        assert!(error.contains("v1.36.2+k3s1"), "{error}");
    }
}
