//! The Windows program, cross-built and run by Wine: what it makes and says is what the Linux program makes and says.
//!
//! `make windows` builds it and runs these tests; [`wine`] says what is not Windows about them.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod wine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{fail, hcimage, names, succeed};
use hcimage_testkit::tools::{assert_same_bytes, check, run};
use tempfile::TempDir;

/// A server and two agents, with what a node may have, and the line ends of Windows.
const CLUSTER: &str = "\
schema = 1
name = \"lab\"
manifests = ['deploy\\shop.yaml']

[network]
subnet = \"192.168.7.0/24\"
gateway = \"192.168.7.1\"
dns = [\"192.168.7.1\"]

[data-disk]
label = \"k8s-data\"
folders = [{ path = \"media\", uid = 1000, gid = 1000, mode = \"0755\" }]

[[users]]
name = \"kim\"
ssh-key-files = [\"keys/kim.pub\"]

[[nodes]]
name = \"lab-1\"
role = \"server\"
board = \"cm4\"
address = \"192.168.7.11\"

[[nodes]]
name = \"lab-2\"
role = \"agent\"
board = \"cm4\"
address = \"192.168.7.12\"
labels = { disk = \"ssd\" }

[[nodes]]
name = \"lab-3\"
role = \"agent\"
board = \"cm4\"

[registries.configs.\"registry.home.lan\"]
auth = { username = \"pull\", password = { file = \"keys/pull.txt\" } }
";

const FILES: [(&str, &str); 4] = [
    ("cluster.toml", CLUSTER),
    ("deploy/shop.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"),
    (
        "keys/kim.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1lV7oZFYB1Qs0bxW2cM3V2kT1v5oY3Yl0a1oG9hJcL kim@pc\n",
    ),
    ("keys/pull.txt", "very-secret-password\n"),
];

/// Which program works.
#[derive(Clone, Copy)]
enum On {
    Linux,
    Windows,
}

/// A project, once for each program.
struct Desk {
    dir: TempDir,
    on: On,
}

impl Desk {
    fn new(on: On) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in FILES {
            // Linux has no `\` in paths.
            let text = match on {
                On::Linux => text.replace("deploy\\", "deploy/"),
                On::Windows => text.to_owned(),
            };
            let text = if name == "keys/pull.txt" || name == "cluster.toml" {
                text.replace('\n', "\r\n")
            } else {
                text
            };
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { dir, on }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn shown(&self, path: &Path) -> String {
        match self.on {
            On::Linux => path.display().to_string(),
            On::Windows => wine::path(path),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = match self.on {
            On::Linux => hcimage(self.dir.path()),
            On::Windows => wine::hcimage(self.dir.path()),
        };
        command.args(words);
        command
    }

    /// A command that takes a base and k3s.
    fn with_inputs(&self, words: &[&str], base: &Path) -> Command {
        let mut command = self.command(words);
        command.args(["--base", &self.shown(base), "--k3s", &self.shown(&k3s_release().join(K3S_VERSION))]);
        command
    }

    fn say(&self, words: &[&str]) -> String {
        succeed(&mut self.command(words))
    }
}

fn both() -> [Desk; 2] {
    [Desk::new(On::Linux), Desk::new(On::Windows)]
}

/// Both have written the same.
fn assert_same(desks: &[Desk; 2], name: &str) {
    let [linux, windows] = desks;
    assert_same_bytes(&linux.at(name), &windows.at(name));
}

#[test]
#[ignore = "needs the cross-built program and Wine: make windows"]
fn the_images_of_a_cluster_are_the_same_bytes() {
    let desks = both();
    let [linux, windows] = &desks;
    let base = base("pi-os-bullseye-like");
    succeed(&mut linux.with_inputs(&["build", "--checksums"], &base));
    // Secrets are random: those of one are taken by the other.
    fs::copy(linux.at("cluster.secrets.toml"), windows.at("cluster.secrets.toml")).unwrap();
    succeed(&mut windows.with_inputs(&["build", "--checksums"], &base));
    let made = names(&linux.at("out"));
    assert_eq!(made.len(), 3 * 4 + 2, "{made:?}");
    assert_eq!(names(&windows.at("out")), made);
    for name in &made {
        assert_same(&desks, &format!("out/{name}"));
    }
    assert_same(&desks, "cluster.secrets.toml");
    for node in ["lab-1", "lab-2", "lab-3"] {
        check(&windows.at(&format!("out/{node}.img")), windows.dir.path());
    }
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(windows.at("out")));
    // In the place of what is there, and not without being told to.
    fail(&mut windows.with_inputs(&["build", "--checksums"], &base), 1, &["exists already"]);
    succeed(&mut windows.with_inputs(&["build", "--checksums", "--overwrite"], &base));
    assert_same(&desks, "out/lab-1.img");
    assert_eq!(names(&windows.at("out")), made, "no temporary file is left");

    let image = "out/lab-1.img";
    let (etc, fstab) = (format!("{image}:/etc"), format!("{image}:/etc/fstab"));
    let (seed, boot) = (format!("{image}:/etc/hcimage/seed.toml"), format!("{image}:/boot"));
    for words in [
        &["inspect", image, "--json"][..],
        &["ls", &etc],
        &["ls", &boot],
        &["cat", &fstab],
        &["cat", &seed],
        &["diff", image, "out/lab-2.img"],
        &["boards"],
        &["overlays"],
    ] {
        let said = linux.say(words);
        assert!(!said.is_empty(), "{words:?}");
        assert_eq!(windows.say(words), said, "{words:?}");
    }
    let planned = desks.each_ref().map(|desk| succeed(&mut desk.with_inputs(&["plan", "--json"], &base)));
    assert_eq!(planned[0], planned[1]);
}

#[test]
#[ignore = "needs the cross-built program and Wine: make windows"]
fn a_packed_base_becomes_the_same_image_for_a_pc() {
    let desks = both();
    let raw = base("debian-cloud-amd64-like");
    for desk in &desks {
        let packed = desk.at("base.img.zst");
        run(Command::new("zstd").args(["-q", "-1"]).arg(&raw).arg("-o").arg(&packed));
        let words = ["build", "--board", "pc", "--hostname", "pc-1", "--output", "pc.img"];
        succeed(&mut desk.with_inputs(&words, &packed));
        // What was unpacked is known again.
        succeed(desk.with_inputs(&words, &packed).arg("--overwrite"));
        let kept = names(&desk.at("cache/images"));
        assert_eq!(kept.iter().filter(|name| name.ends_with(".img")).count(), 1, "{kept:?}");
    }
    for name in ["pc.img", "pc.img.manifest.json", "pc.img.cdx.json", "pc.img.bmap"] {
        assert_same(&desks, name);
    }
    check(&desks[1].at("pc.img"), desks[1].dir.path());
}

#[test]
#[ignore = "needs the cross-built program and Wine: make windows"]
fn secrets_that_windows_made_are_secrets_on_linux() {
    let desks = both();
    let [linux, windows] = &desks;
    let base = base("pi-os-bullseye-like");
    let (server, _agents) = CLUSTER.split_once("\n[[nodes]]\nname = \"lab-2\"").unwrap();
    for desk in &desks {
        fs::write(desk.at("cluster.toml"), server.replace("deploy\\", "deploy/")).unwrap();
    }
    succeed(&mut windows.with_inputs(&["build"], &base));
    let made = fs::read_to_string(windows.at("cluster.secrets.toml")).unwrap();
    // As an editor of Windows saves it.
    fs::write(linux.at("cluster.secrets.toml"), made.replace('\n', "\r\n")).unwrap();
    run(Command::new("chmod").args(["600", "cluster.secrets.toml"]).current_dir(linux.dir.path()));
    succeed(&mut linux.with_inputs(&["build"], &base));
    assert_same(&desks, "out/lab-1.img");
    assert_same(&desks, "out/kubeconfig");
}

#[test]
#[ignore = "needs the cross-built program and Wine: make windows"]
fn what_windows_cannot_do_is_said_before() {
    let windows = Desk::new(On::Windows);
    let base = base("pi-os-bullseye-like");
    let mut device =
        windows.with_inputs(&["build", "--board", "cm4", "--hostname", "aux", "--output", "aux.img"], &base);
    fail(&mut device, 1, &["takes aux.img for a device"]);
    let far = CLUSTER.replace("keys/kim.pub", "//nas/keys/kim.pub");
    fs::write(windows.at("cluster.toml"), far).unwrap();
    fail(&mut windows.with_inputs(&["plan"], &base), 2, &["is on another machine"]);
    fail(&mut windows.command(&["flash", "x.img", r"\\.\PhysicalDrive1"]), 2, &["Raspberry Pi Imager"]);
    // Wine's PowerShell is an empty program: no list is not taken for a list without disks.
    fail(&mut windows.command(&["flash"]), 1, &["looking for disks"]);
    fail(&mut windows.command(&["run", "x.img"]), 2, &["unrecognized subcommand"]);
}

/// Nothing has to be installed beside it.
#[test]
#[ignore = "needs the cross-built program: make windows"]
fn the_program_needs_only_libraries_of_windows() {
    const OF_WINDOWS: [&str; 12] = [
        "advapi32",
        "bcrypt",
        "bcryptprimitives",
        "crypt32",
        // The addresses of this machine, for DNS-SD.
        "iphlpapi",
        "kernel32",
        "ktmw32",
        "msvcrt",
        "ntdll",
        "oleaut32",
        "userenv",
        "ws2_32",
    ];
    let said = run(Command::new("x86_64-w64-mingw32-objdump").arg("-p").arg(wine::program()));
    let libraries: Vec<String> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("DLL Name: "))
        .map(|name| name.to_ascii_lowercase().trim_end_matches(".dll").to_owned())
        .collect();
    assert!(libraries.iter().any(|name| name == "kernel32"), "{libraries:?}");
    for name in libraries {
        // A set of Windows's own functions.
        assert!(OF_WINDOWS.contains(&name.as_str()) || name.starts_with("api-ms-win-"), "{name}.dll");
    }
}
