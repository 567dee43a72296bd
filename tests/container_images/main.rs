//! Container images: from folders, archives and registries into the archive that containerd imports. Judges are skopeo, Debian's
//! docker-registry and a real containerd; faults come from a server of the tests' own.

#![cfg(test)]

mod bad;
mod containerd;
mod docker_login;
mod local;
mod registry;
mod registry_faults;
mod registry_jwt;
mod registry_mirrors;
mod registry_server;
mod registry_tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hcimage::arch::Arch;
use hcimage::images::{ImageBundle, ImageError, ImageSource, LocalImages, RegistryHosts, bundles};
use hcimage_testkit::desk::Desk;

/// The bundle of these sources for one architecture.
fn bundle_of(desk: &Desk, sources: &[ImageSource], arch: Arch) -> Result<ImageBundle, ImageError> {
    bundle_with(desk, &RegistryHosts::default(), sources, arch)
}

fn bundle_with(
    desk: &Desk,
    hosts: &RegistryHosts,
    sources: &[ImageSource],
    arch: Arch,
) -> Result<ImageBundle, ImageError> {
    let set = BTreeSet::from([sources.to_vec()]);
    let mut made = bundles(&desk.tools(), &mut desk.lock(), hosts, &set, arch)?;
    Ok(made.remove(sources).expect("there are images"))
}

fn local(path: &Path, name: Option<&str>) -> ImageSource {
    ImageSource::Local(LocalImages { path: path.to_owned(), name: name.map(|name| name.parse().unwrap()) })
}

fn fetched(name: &str) -> ImageSource {
    ImageSource::Registry(name.parse().unwrap())
}

/// By their tags: each is there by its digest, too.
fn names(bundle: &ImageBundle) -> Vec<String> {
    let (tagged, pinned): (Vec<_>, Vec<_>) = bundle.names.iter().partition(|name| name.sha256().is_none());
    assert!(pinned.len() >= tagged.len());
    tagged.into_iter().map(ToString::to_string).collect()
}

/// The files of a tar, by name.
fn unpacked(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        assert!(files.insert(name.clone(), bytes).is_none(), "{name} is there twice");
    }
    files
}
