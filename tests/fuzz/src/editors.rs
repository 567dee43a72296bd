//! The text editors and readers of the builder: an editor that ran once has nothing left to do.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::path::Path;

use hcimage::formats::kernel_args::CGROUP_MEMORY;
use hcimage::formats::kernel_modules::KernelModules;
use hcimage::formats::os_release::OsRelease;
use hcimage::formats::{
    DebianVersion, cmdline, dhcpcd_conf, dphys_swapfile, dpkg_status, fstab, grub_cfg, hosts, iptables,
    modules_load, raspi_extra_cmdline,
};
use hcimage::source::checksum_file::ChecksumFile;
use hcimage::source::digest::Sha256Digest;
use hcimage::source::k3s_version::K3sVersion;
use hcimage::source::lock::Lock;
use hcimage::source::url::SourceUrl;
use hcimage::value::{FsLabel, Hostname, InterfaceName, MountPoint, StaticNetwork};

/// See the module. The first byte says which editor or reader the rest is for.
pub fn run(input: &[u8]) {
    let Some((which, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match which % 14 {
        0 => once(text, |text| cmdline::edit(text, &CGROUP_MEMORY).ok()),
        1 => once(text, |text| raspi_extra_cmdline::edit(text, &CGROUP_MEMORY).ok()),
        2 => once(text, |text| grub_cfg::edit(text, &CGROUP_MEMORY).ok()),
        3 => fstab_rules(text),
        4 => once(text, |text| Some(hosts::edit(text, "raspberrypi", &parsed("pi-1")))),
        5 => once(text, |text| dhcpcd_conf::edit(text, &parsed("eth0"), Some(&network()), None).ok()),
        6 => once(text, |text| Some(dphys_swapfile::edit(text))),
        7 => drop(OsRelease::parse(text).map(|release| release.get("ID").map(str::to_owned))),
        8 => drop((dpkg_status::installed_version(text, "iptables"), iptables::needs_bundled(text))),
        9 => order(text),
        10 => modules(text),
        11 => drop(ChecksumFile::<Sha256Digest>::parse(text).map(|file| file.digest_of("image.img.xz"))),
        12 => drop(Lock::parse(Path::new("hcimage.lock"), text)),
        _ => values(text),
    }
}

/// Editing twice is editing once.
fn once(text: &str, edit: impl Fn(&str) -> Option<String>) {
    if let Some(first) = edit(text) {
        assert_eq!(edit(&first).as_ref(), Some(&first), "edited again");
    }
}

fn fstab_rules(text: &str) {
    let (label, mount): (FsLabel, MountPoint) = (parsed("k8s-data"), parsed("/srv/data"));
    let wanted =
        fstab::LabelMount { label: &label, mount: &mount, fstype: "ext4", options: "defaults,nofail" };
    once(text, |text| fstab::ensure_mount_by_label(text, wanted).ok());
    once(text, |text| Some(fstab::remove_swap(text)));
    assert!(fstab::swaps(&fstab::remove_swap(text)).is_empty());
    let _ = fstab::mounts(text);
}

/// Versions are in one order.
fn order(text: &str) {
    let versions: Vec<DebianVersion> = text.lines().take(6).filter_map(|line| line.parse().ok()).collect();
    for a in &versions {
        assert_eq!(a.cmp(a), Ordering::Equal);
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse(), "{a} and {b}");
            assert_eq!(a == b, a.cmp(b) == Ordering::Equal, "{a} and {b}");
            for c in versions.iter().filter(|c| a <= b && b <= *c) {
                assert!(a <= c, "{a}, {b}, {c}");
            }
        }
    }
}

fn modules(text: &str) {
    let (dep, builtin) = text.split_once("\n\n").unwrap_or((text, ""));
    let kernel = KernelModules::parse(dep, builtin);
    let _ = (
        hcimage::formats::config_txt::settings(text, &|name| (name != "none").then(|| text.to_owned())),
        hcimage::formats::grub_boot::default_entry(text),
        hcimage::formats::device::DeviceName::parse(text),
        hcimage::formats::cloud_cfg::datasources([text]),
        kernel.has("br_netfilter"),
        modules_load::render(&kernel),
        modules_load::missing(&kernel, &modules_load::REQUIRED),
    );
}

/// What is printed reads back as the same.
fn values(text: &str) {
    if let Ok(url) = text.parse::<SourceUrl>() {
        assert_eq!(url.to_string().parse::<SourceUrl>().ok(), Some(url.clone()));
        let _ = (url.file_name(), url.beside(".sha256"), url.sibling("SHA256SUMS"), url.below("k3s"));
    }
    if let Ok(version) = text.parse::<K3sVersion>() {
        assert_eq!(version.to_string().parse::<K3sVersion>().ok(), Some(version));
    }
    if let Ok(hostname) = text.parse::<Hostname>() {
        assert_eq!(hostname.to_string().parse::<Hostname>().ok(), Some(hostname));
    }
    if let Ok(mount) = text.parse::<MountPoint>() {
        assert_eq!(mount.to_string().parse::<MountPoint>().ok(), Some(mount));
    }
    let _ = (text.parse::<FsLabel>(), text.parse::<InterfaceName>());
}

fn network() -> StaticNetwork {
    let (gateway, dns) = ("192.168.1.1".parse().expect("an address"), "9.9.9.9".parse().expect("an address"));
    StaticNetwork::new(parsed("192.168.1.10/24"), Some(gateway), vec![dns]).expect("a network")
}

fn parsed<T: std::str::FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a value that is right")
}
