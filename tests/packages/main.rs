//! Packages of a base's distribution: what they need worked out as apt does it, from archives whose index is signed. The archive
//! is made by apt-ftparchive and signed by GnuPG, the real one is Debian's.

#![cfg(test)]

mod archive;
mod closure;
mod faults;
mod project;
mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use hcimage::packages::{
    AptBase, BaseFiles, BoardPackages, PackageError, PackageRequest, PackageSet, obtain,
};
use hcimage_testkit::desk::{Desk, chain};

/// The files of a base, by their paths.
#[derive(Clone, Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn put(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.0.insert(path.to_owned(), content.into());
    }
}

impl BaseFiles for Files {
    fn read(&self, path: &str, _limit: u64) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).cloned())
    }

    fn names(&self, dir: &str) -> Result<Vec<String>, String> {
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(&format!("{dir}/")));
        Ok(inside.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// What a base gets where it asks for these packages.
fn packages(
    desk: &Desk,
    files: &Files,
    arch: &str,
    names: &[&str],
    recommends: bool,
) -> Result<PackageSet, PackageError> {
    let base = AptBase::read(files, arch).unwrap();
    let mut requests: Vec<PackageRequest> =
        names.iter().map(|name| PackageRequest { name: name.parse().unwrap(), recommends }).collect();
    requests.sort();
    let of = BoardPackages { board: "cm4", base: &base, now: now() };
    let mut sets = obtain(&desk.tools(), &mut desk.lock(), &of, &BTreeSet::from([requests.clone()]))?;
    Ok(sets.remove(&requests).unwrap())
}

/// Names and versions, in the order of dpkg.
fn listed(set: &PackageSet) -> Vec<String> {
    set.0.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
}

/// What is said where they cannot be had.
fn refused(desk: &Desk, files: &Files, names: &[&str]) -> String {
    chain(&packages(desk, files, "arm64", names, false).expect_err("the packages are refused"))
}
