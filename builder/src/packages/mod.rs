//! Packages of a base's own distribution that nodes have from the start: what they need worked out against what the base has,
//! fetched from the base's own sources, locked, and installed by dpkg itself on the first boot.
//!
//! ```text
//! apt_base.rs what the base has, where it takes packages from, and whose signatures it trusts
//! archive.rs  a suite: signed index, lists of packages
//! release.rs  the signed index: digests, and for how long it is valid
//! universe.rs all packages that the base has or could have
//! resolve.rs  which of them others need
//! order.rs    in which order dpkg takes them, and in how many calls
//! deb.rs      what a package file says of itself
//! ```
//! The lock has every package file by its digest. Where those answer what is asked, no archive is: what they need is in
//! them.

mod apt_base;
mod archive;
mod deb;
mod error;
mod order;
mod release;
mod resolve;
mod universe;

pub use apt_base::{AptBase, BaseFiles};
pub use error::{PackageError, Result};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::formats::deb822;
use crate::source::SourceContext;
use crate::source::artifact::Artifact;
use crate::source::digest::Sha256Digest;
use crate::source::expected::ExpectedDigest;
use crate::source::input::{self, CachedFile, Published};
use crate::source::lock::{Lock, LockedInput};
use crate::source::url::SourceUrl;
use crate::value::PackageName;

use archive::Suite;
use order::Step;
use resolve::resolve;
use universe::{Id, Origin, Package, Universe};

/// The largest package in bytes: Debian's largest have two gigabytes.
const LARGEST: u64 = 4 << 30;

/// A package that a user asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageRequest {
    /// Its name.
    pub name: PackageName,
    /// Whether what it recommends is installed too.
    pub recommends: bool,
}

impl fmt::Display for PackageRequest {
    /// As the lock has it: `nfs-common`, `nfs-common with recommended ones`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.recommends { " with recommended ones" } else { "" };
        write!(f, "{}{more}", self.name)
    }
}

/// Package files for a node, in an order in which dpkg takes them, stage by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageSet(pub Vec<HostPackage>);

/// A package file on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPackage {
    /// The file.
    pub file: Artifact,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `arm64`, `all`.
    pub architecture: String,
    /// Which call of dpkg installs it, from 0: what another needs before it is unpacked is in an earlier one.
    pub stage: usize,
    /// The version that the base has, which it replaces.
    pub replaces: Option<String>,
}

/// What the packages of one board are obtained from.
pub struct BoardPackages<'a> {
    /// The board's name.
    pub board: &'a str,
    /// What its base says.
    pub base: &'a AptBase,
    /// The time in seconds since 1970.
    pub now: i64,
}

/// Obtains what each of `requests` needs.
///
/// # Errors
/// When it cannot be worked out or fetched, or is damaged.
pub fn obtain(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    of: &BoardPackages<'_>,
    requests: &BTreeSet<Vec<PackageRequest>>,
) -> Result<BTreeMap<Vec<PackageRequest>, PackageSet>> {
    let invalid = |problem: String| PackageError::invalid(of.board, problem);
    let asked: BTreeSet<String> = requests.iter().flatten().map(ToString::to_string).collect();
    // What was asked for then and is not now does no harm.
    if lock.resolved(&of.group()).is_some_and(|known| asked.is_subset(known)) {
        let mut universe = Universe::of_base(&of.base.status, &of.base.arch).map_err(invalid)?;
        let locked = of.locked(cx, lock)?;
        for (key, file) in &locked {
            universe
                .extend(of.read(key, file).map_err(|problem| invalid(format!("{}: {problem}", file.url)))?);
        }
        // Another base may need more.
        if let Ok(resolved) = of.resolve(&universe, requests) {
            return of.sets(cx, &universe, resolved, &locked);
        }
    }
    of.obtain_newly(cx, lock, requests, asked)
}

/// What was found for each of the requests.
type Resolved = BTreeMap<Vec<PackageRequest>, Vec<Step>>;

impl BoardPackages<'_> {
    /// The name of a package in the lock.
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.group())
    }

    /// What the names of all of them begin with, up to a dot.
    fn group(&self) -> String {
        format!("package.{}", self.board)
    }

    /// The package in a file of the lock.
    fn read(&self, key: &str, file: &CachedFile) -> std::result::Result<Option<Package>, String> {
        let control = deb::control(&file.path)?;
        let paragraph = deb822::paragraphs(&control).next().ok_or("its control file is empty")?;
        let package = Package::of(paragraph, &self.base.arch, Origin::Locked)?;
        match &package {
            Some(package) if self.key(&package.name) != key => {
                Err(format!("it is {}, and the lock has it as {key}", package.name))
            }
            _ => Ok(package),
        }
    }

    fn resolve(
        &self,
        universe: &Universe,
        requests: &BTreeSet<Vec<PackageRequest>>,
    ) -> std::result::Result<Resolved, String> {
        requests.iter().map(|wanted| Ok((wanted.clone(), resolve(universe, wanted)?))).collect()
    }

    /// The package files of the lock, by their entries.
    fn locked(&self, cx: &SourceContext<'_>, lock: &Lock) -> Result<BTreeMap<String, CachedFile>> {
        let mut found = BTreeMap::new();
        for (name, LockedInput { url, size, sha256, .. }) in lock.group(&self.group()) {
            let file = fetch(cx, url.clone(), *size, *sha256, "the lock file")
                .map_err(|error| PackageError::of(self.board)(input::as_mismatch(error, lock, name)))?;
            found.insert(name.clone(), file);
        }
        Ok(found)
    }

    /// By the archives of the base, as they are now. The lock has what they give, in the place of what it had.
    fn obtain_newly(
        &self,
        cx: &SourceContext<'_>,
        lock: &mut Lock,
        requests: &BTreeSet<Vec<PackageRequest>>,
        asked: BTreeSet<String>,
    ) -> Result<BTreeMap<Vec<PackageRequest>, PackageSet>> {
        let invalid = |problem: String| PackageError::invalid(self.board, problem);
        lock.require_thawed(&self.key("*")).map_err(PackageError::of(self.board))?;
        for left_out in &self.base.left_out {
            cx.progress.message(&format!("warning: packages for {}: {left_out}: it is left out", self.board));
        }
        let mut universe = Universe::of_base(&self.base.status, &self.base.arch).map_err(invalid)?;
        let mut suites = Vec::new();
        for (place, signed) in self.base.sources.iter().enumerate() {
            let suite = Suite::open(cx, self.board, signed, self.now)?;
            suite.is_current(self.now, lock.release(&suite.name()))?;
            suite.read_into(cx, &mut universe, place)?;
            suites.push(suite);
        }
        if suites.is_empty() {
            return Err(invalid("the base has no sources of packages (/etc/apt/sources.list)".to_owned()));
        }
        let resolved = self.resolve(&universe, requests).map_err(invalid)?;
        let mut files = BTreeMap::new();
        for id in resolved.values().flatten().map(|step| step.id).collect::<BTreeSet<Id>>() {
            let package = universe.get(id);
            if let Origin::Archive { archive, filename, size, sha256 } = &package.origin
                && let Some(suite) = suites.get(*archive)
            {
                let url = suite.url.below_path(filename);
                let file = fetch(cx, url, *size, *sha256, "the signed index");
                files.insert(self.key(&package.name), file.map_err(PackageError::of(self.board))?);
            }
        }
        let entries = files.iter().map(|(key, file)| {
            let (url, size, sha256) = (file.url.clone(), file.size, file.sha256);
            (key.clone(), LockedInput { asked: url.clone(), url, size, sha256 })
        });
        let releases = suites.iter().map(|suite| (suite.name(), suite.release.date));
        lock.replace(&self.group(), asked, entries.collect(), releases.collect())
            .map_err(PackageError::of(self.board))?;
        self.sets(cx, &universe, resolved, &files)
    }

    fn sets(
        &self,
        cx: &SourceContext<'_>,
        universe: &Universe,
        resolved: Resolved,
        files: &BTreeMap<String, CachedFile>,
    ) -> Result<BTreeMap<Vec<PackageRequest>, PackageSet>> {
        let mut sets = BTreeMap::new();
        for (wanted, steps) in resolved {
            let mut set = Vec::new();
            for (place, step) in (1..).zip(steps) {
                let package = universe.get(step.id);
                let key = self.key(&package.name);
                let file = files.get(&key).ok_or_else(|| {
                    PackageError::invalid(
                        self.board,
                        format!("{} was not fetched: this is a bug of hcimage", package.name),
                    )
                })?;
                set.push(self.host_package(cx, universe, step, place, file)?);
            }
            sets.insert(wanted, PackageSet(set));
        }
        Ok(sets)
    }

    fn host_package(
        &self,
        cx: &SourceContext<'_>,
        universe: &Universe,
        step: Step,
        place: usize,
        file: &CachedFile,
    ) -> Result<HostPackage> {
        let package = universe.get(step.id);
        // The order is that of the names: dpkg is given all files of a stage's directory.
        let name = format!("{place:04}-{}.deb", package.name);
        let promised_by = "the lock file".to_owned();
        let file = Artifact::new(cx, &name, file.path.clone(), file.size, file.sha256, promised_by)
            .map_err(PackageError::of(self.board))?;
        let file = Artifact { unpacked_size: Some(package.installed_size), ..file };
        let replaces = universe.installed(&package.name).map(|old| universe.get(old).version.to_string());
        Ok(HostPackage {
            file,
            name: package.name.to_string(),
            version: package.version.to_string(),
            architecture: package.arch.to_string(),
            stage: step.stage,
            replaces,
        })
    }
}

/// A package file, from the cache or from its archive.
fn fetch(
    cx: &SourceContext<'_>,
    url: SourceUrl,
    size: u64,
    sha256: Sha256Digest,
    promised_by: &str,
) -> crate::source::Result<CachedFile> {
    let published = Published::new(url, ExpectedDigest::Sha256(sha256), promised_by.to_owned());
    input::obtain_published(cx, &published, Some(size), LARGEST)
}
