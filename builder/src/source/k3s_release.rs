//! A k3s release: the binary and the archive of container images for one architecture.
//!
//! Their digests come from the release's checksum file or from the lock. A download is verified as it arrives; every
//! file is verified again as it is copied into an image, so local files are not verified here.
//!
//! Names and layout are those of the releases of k3s-io/k3s: `k3s` (amd64), `k3s-arm64` or `k3s-armhf`,
//! `k3s-airgap-images-<arch>.tar[.zst|.gz]` and `sha256sum-<arch>.txt`, below `<releases>/<version>/`. Only the binary
//! uses the name armhf; images and checksums use arm (k3s-io/k3s issue 572 lists a release's files).

use std::path::{Path, PathBuf};

use super::SourceContext;
use super::artifact::Artifact;
use super::checksum_file::{ChecksumFile, list};
use super::error::{IoContext, Result, SourceError};
use super::expected::ExpectedDigest;
use super::input::{self, Published, bad_checksums, read_checksums};
use super::k3s_version::{K3sVersion, K3sVersionReq};
use super::lock::Lock;
use super::url::SourceUrl;
use crate::arch::Arch;
use crate::local_file;

/// The largest file of a release in bytes: archives that are not packed have below 1 GiB.
const LARGEST: u64 = 2 << 30;

/// The source of k3s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum K3sSource {
    /// A local directory with the files of a release. Its name must be the version, such as `v1.36.2+k3s1`, unless
    /// `version` is given.
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
        /// The address before `/<version>/<file>`: `https://github.com/k3s-io/k3s/releases/download`.
        releases_url: SourceUrl,
        /// The address before `/<channel>`: `https://update.k3s.io/v1-release/channels`.
        channels_url: SourceUrl,
    },
}

/// The files of a k3s release that an image needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct K3sBundle {
    /// The release.
    pub version: K3sVersion,
    /// The k3s binary.
    pub binary: Artifact,
    /// The container images that k3s itself needs.
    pub airgap_images: Artifact,
}

/// The names of a release's files for one architecture.
#[derive(Debug, Clone, Copy)]
struct Names {
    binary: &'static str,
    /// Best first: zstd is the smallest and unpacks fastest.
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
        K3sSource::Dir { path, version } => from_dir(cx, path, version.as_ref(), names),
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

fn from_dir(
    cx: &SourceContext<'_>,
    dir: &Path,
    version: Option<&K3sVersion>,
    names: Names,
) -> Result<K3sBundle> {
    let found = list_dir(dir)?;
    let version = version.cloned().map_or_else(|| version_of_dir(dir), Ok)?;
    let missing = |name: &str, hint: &str| SourceError::Missing {
        what: dir.join(name).display().to_string(),
        hint: format!("found: {}; {hint}", list(found.iter())),
    };
    let has = |name: &&str| found.iter().any(|found| found == name);
    let fetch = "fetch it from the same k3s release";
    let checksums = has(&names.checksums).then(|| dir.join(names.checksums));
    let checksums = checksums.ok_or_else(|| {
        missing(names.checksums, "it verifies the other files: fetch it from the same k3s release")
    })?;
    if !has(&names.binary) {
        return Err(missing(names.binary, fetch));
    }
    let airgap_images = names.airgap_images.into_iter().find(has);
    let airgap_images = airgap_images.ok_or_else(|| missing(names.airgap_images[0], fetch))?;
    let sums = read_checksums(&checksums)?;
    let file = |name| file_in_dir(cx, dir, name, &sums, &checksums);
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

/// Browsers and curl may keep the `+` encoded as `%2B`, as in the address.
fn version_of_dir(dir: &Path) -> Result<K3sVersion> {
    let full = std::path::absolute(dir).context("resolving", dir)?;
    let name = super::error::file_name(&full).replace("%2B", "+");
    name.parse().map_err(|_| SourceError::Invalid {
        what: dir.display().to_string(),
        problem: "the directory's name is not a k3s version: \
        rename it to the version, such as v1.36.2+k3s1, or use --k3s-version"
            .into(),
    })
}

fn file_in_dir(
    cx: &SourceContext<'_>,
    dir: &Path,
    name: &str,
    sums: &ChecksumFile,
    sums_path: &Path,
) -> Result<Artifact> {
    let path = dir.join(name);
    let sha256 = sums.digest_of(name).map_err(|e| bad_checksums(sums_path.display(), &e))?;
    let file = local_file::open(&path).context("opening", &path)?;
    let size = file.metadata().context("looking at", &path)?.len();
    Artifact::new(cx, name, path, size, sha256, sums_path.display().to_string())
}

/// The version of a channel: the locked one, or the last element of the address that it redirects to.
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
    let problem = format!("it redirects to {url}, which does not end with a k3s version");
    Err(SourceError::BadAnswer { url: asked.to_string(), problem })
}

/// A release on a server.
struct Release<'a> {
    cx: &'a SourceContext<'a>,
    url: SourceUrl,
    version: K3sVersion,
    names: Names,
    /// Fetched for the first file that needs it: never if all files are locked.
    checksums: Option<ChecksumFile>,
}

impl Release<'_> {
    fn obtain(mut self, lock: &mut Lock) -> Result<K3sBundle> {
        let binary = self.file(self.names.binary, lock)?;
        let airgap_images = self.airgap_name(lock)?;
        let airgap_images = self.file(airgap_images, lock)?;
        Ok(K3sBundle { version: self.version, binary, airgap_images })
    }

    /// The locked archive, otherwise the best one of the release.
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
        let file = input::obtain(cx, lock, &lock_name, &url, LARGEST, || self.published(name))?;
        Artifact::new(cx, name, file.path, file.size, file.sha256, lock.path().display().to_string())
    }

    fn lock_name(&self, name: &str) -> String {
        format!("k3s.{}.{name}", self.version)
    }

    fn published(&mut self, name: &str) -> Result<Published> {
        let by = self.url.below(self.names.checksums);
        let sha256 = self.checksums()?.digest_of(name).map_err(|e| bad_checksums(&by, &e))?;
        Ok(Published::new(self.url.below(name), ExpectedDigest::Sha256(sha256), by.to_string()))
    }

    fn checksums(&mut self) -> Result<&ChecksumFile> {
        let sums = match self.checksums.take() {
            Some(sums) => sums,
            None => {
                let url = self.url.below(self.names.checksums);
                input::parse_checksums(&url, &input::fetch_checksums(self.cx, &url)?)?
            }
        };
        Ok(self.checksums.insert(sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_name_of_the_directory() {
        for good in ["/x/v1.36.2+k3s1", "v1.36.2%2Bk3s1/"] {
            assert_eq!(version_of_dir(Path::new(good)).unwrap().to_string(), "v1.36.2+k3s1");
        }
        let error = version_of_dir(Path::new("/x/k3s")).unwrap_err().to_string();
        assert!(error.contains("v1.36.2+k3s1"), "{error}");
    }
}
