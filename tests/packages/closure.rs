//! Against Debian's real archive: the packages are those that apt would install on the same root.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage_testkit::base::base;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::tools::{debugfs, dump, run};

use crate::{Files, listed, packages};

const NAMES: [&str; 3] = ["open-iscsi", "nfs-common", "wireguard-tools"];
const KEYS: &str = "/etc/apt/trusted.gpg.d";

/// What the base says of packages.
fn files(image: &Path, scratch: &Path) -> Files {
    let mut files = Files::default();
    for path in ["/var/lib/dpkg/status", "/etc/apt/sources.list"] {
        files.put(path, dump(image, path, scratch).unwrap());
    }
    let names = debugfs(image, &format!("ls -p {KEYS}"));
    for name in names.split('/').filter(|name| name.ends_with(".asc")) {
        let path = format!("{KEYS}/{name}");
        files.put(&path, dump(image, &path, scratch).unwrap());
    }
    files
}

/// apt with a root of its own.
struct Apt<'a> {
    root: &'a Path,
    arch: &'a str,
}

impl<'a> Apt<'a> {
    fn new(root: &'a Path, arch: &'a str, files: &Files) -> Self {
        for dir in ["apt.conf.d", "preferences.d", "sources.list.d"] {
            fs::create_dir_all(root.join("etc/apt").join(dir)).unwrap();
        }
        for dir in ["lib/apt/lists/partial", "cache/apt/archives/partial"] {
            fs::create_dir_all(root.join("var").join(dir)).unwrap();
        }
        for (path, content) in &files.0 {
            let path = root.join(&path[1..]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let apt = Self { root, arch };
        apt.run(&["update"]);
        apt
    }

    fn run(&self, arguments: &[&str]) -> String {
        let (root, arch) = (self.root.display(), self.arch);
        let mut command = Command::new("apt-get");
        for option in [
            format!("Dir={root}"),
            format!("Dir::State::status={root}/var/lib/dpkg/status"),
            format!("APT::Architecture={arch}"),
            format!("APT::Architectures={arch}"),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        run(command.args(arguments))
    }

    /// Names and versions of what it would install.
    fn simulate(&self, recommends: bool) -> BTreeSet<String> {
        let option = format!("APT::Install-Recommends={recommends}");
        let said = self.run(&[&["-o", &option, "--simulate", "install"], &NAMES[..]].concat());
        let lines = said.lines().filter_map(|line| line.strip_prefix("Inst "));
        lines
            .map(|line| {
                let (name, rest) = line.split_once(' ').unwrap();
                let (_, version) = rest.split_once('(').unwrap();
                format!("{name} {}", version.split(' ').next().unwrap())
            })
            .collect()
    }
}

#[test]
fn the_closure_is_that_of_apt() {
    for (name, arch) in [("debian-pi-arm64", "arm64"), ("debian-pc-amd64", "amd64")] {
        let (scratch, desk) = (tempfile::tempdir().unwrap(), Desk::new());
        let files = files(&base(name), scratch.path());
        let root = scratch.path().join("root");
        let apt = Apt::new(&root, arch, &files);
        for recommends in [false, true] {
            let of_apt = apt.simulate(recommends);
            assert!(of_apt.len() > 10, "{of_apt:?}");
            let _ = fs::remove_file(desk.path("hcimage.lock"));
            let ours = packages(&desk, &files, arch, &NAMES, recommends).unwrap();
            let ours: BTreeSet<String> = listed(&ours).into_iter().collect();
            assert_eq!(ours, of_apt, "{name}, recommends: {recommends}");
        }
    }
}
