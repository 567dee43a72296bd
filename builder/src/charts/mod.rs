//! Helm charts that the servers have from the start: obtained from repositories, registries, archives and folders, checked,
//! and laid where the API of k3s serves them.
//!
//! ```text
//! place.rs        where a chart comes from, as the user says it
//! index.rs        the list of a repository: which file is the version, and its digest
//! repository.rs   charts of a repository, by HTTP
//! folder.rs       a folder packed, the same bytes for the same files
//! helm.rs         what a chart asks for, as the user's Helm renders it
//! kube_version.rs which versions of Kubernetes a chart wants
//! package.rs      what is in a packed chart, and whether Helm would install it
//! ```
//! Charts of registries come through [`crate::images`], which knows the protocol.

mod error;
mod folder;
mod helm;
mod index;
mod kube_version;
mod package;
mod place;
mod repository;

pub use error::{ChartError, Result};
pub use helm::{Rendering, render};
pub use place::{ChartName, ChartPlace, ChartRepo, ChartVersion, Repository};

use std::path::Path;

use crate::images::{self, RegistryHosts};
use crate::source::artifact::Artifact;
use crate::source::digest::Sha256Digest;
use crate::source::k3s_version::K3sVersion;
use crate::source::lock::Lock;
use crate::source::{SourceContext, input};

/// The largest packed chart in bytes: the largest known have two megabytes.
const LARGEST: u64 = 32 << 20;

/// A packed chart on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedChart {
    /// What goes onto the servers. Its name has the beginning of its digest: k3s installs a chart anew only where that has
    /// another address.
    pub archive: Artifact,
    /// The chart's own name.
    pub name: String,
    /// The chart's own version.
    pub version: String,
    /// The versions of Kubernetes that it wants, as it says it.
    pub kube_version: Option<String>,
}

impl PackedChart {
    /// Whether it says that it does not go with the Kubernetes of this release.
    pub fn wants_other(&self, release: &K3sVersion) -> bool {
        let Some(wanted) = &self.kube_version else { return false };
        kube_version::allows(wanted, release.kubernetes()) == Some(false)
    }
}

/// The bytes of a chart, before anybody has looked at them.
struct Obtained {
    path: std::path::PathBuf,
    size: u64,
    sha256: Sha256Digest,
    promised_by: String,
}

/// The chart for the release `release`.
///
/// # Errors
/// When it cannot be had, is damaged, is another one than was asked for, or is none that Helm installs.
pub fn obtain(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    hosts: &RegistryHosts,
    release: &str,
    place: &ChartPlace,
) -> Result<PackedChart> {
    let key = |version: &str| format!("chart.{release}:{version}");
    let (obtained, package) = match place {
        ChartPlace::Repository(repository) => {
            repository::obtain(cx, lock, release, &key(repository.version.as_str()), repository)?
        }
        ChartPlace::Registry { name, version } => {
            let failed =
                |source| ChartError::Registry { release: release.to_owned(), source: Box::new(source) };
            let promised_by = format!("the manifest of {name}");
            let key = key(version.as_str());
            let fetched = images::chart(cx, lock, hosts, &key, name).map_err(failed)?;
            let (path, size, sha256) = fetched.file();
            let package = package::read(release, &path)?;
            let chart = name.repository().rsplit('/').next().unwrap_or_default();
            package.expect(release, chart, version)?;
            fetched.pin(lock).map_err(failed)?;
            (Obtained { path, size, sha256, promised_by }, package)
        }
        ChartPlace::Local(path) if path.is_dir() => {
            let (path, size, sha256) = folder::pack(cx, release, path)?;
            let found = Obtained { path, size, sha256, promised_by: "the folder of the chart".to_owned() };
            let package = package::read(release, &found.path)?;
            (found, package)
        }
        ChartPlace::Local(path) => {
            let package = package::read(release, path)?;
            (local(cx, release, path)?, package)
        }
    };
    let Obtained { path, size, sha256, promised_by } = obtained;
    let start = sha256.to_string().get(..12).unwrap_or_default().to_owned();
    let name = format!("{release}-{start}.tgz");
    let archive =
        Artifact::new(cx, &name, path, size, sha256, promised_by).map_err(ChartError::of(release))?;
    let package::Package { name, version, kube_version } = package;
    Ok(PackedChart { archive, name, version, kube_version })
}

fn local(cx: &SourceContext<'_>, release: &str, path: &Path) -> Result<Obtained> {
    let sha256 = input::digest_file(cx, path).map_err(ChartError::of(release))?;
    let length = path.metadata().map(|found| found.len());
    let size =
        length.map_err(|error| ChartError::invalid(release, format!("{}: {error}", path.display())))?;
    Ok(Obtained {
        path: path.to_owned(),
        size,
        sha256,
        promised_by: "its bytes when the build began".to_owned(),
    })
}
