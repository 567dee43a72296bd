//! What the overlay `nfs-server` writes to its node, read by the real programs of Debian's nfs-utils.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use hcimage::cluster::Checked;
use hcimage_testkit::proof::{OverlayLevel, Proof};

use super::programs::{cluster, is_root, program};
use super::{FOUR, ONE, load};

const PACKAGES: [&str; 12] = [
    "nfs-kernel-server",
    "nfs-common",
    "libevent-core-2.1-7",
    "libdevmapper1.02.1",
    "libtirpc3",
    "libwrap0",
    "libkeyutils1",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "libcap2",
    "libnl-3-200",
    "rpcbind",
];

/// The text of a file, which `node` alone has.
fn text<'a>(checked: &'a Checked, path: &str, node: &str) -> &'a str {
    let active =
        checked.cluster.overlays.iter().find(|active| active.name().as_str() == "nfs-server").unwrap();
    let file = active.needs.files.iter().find(|file| file.path == path).unwrap();
    assert_eq!(file.node.as_ref().unwrap().to_string(), node, "{path}");
    &file.text
}

/// What exportfs makes of exports, in a mount namespace with folders of its own.
fn exported(exports: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("exports.d")).unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    fs::write(dir.path().join("exports.d/hcimage.exports"), exports).unwrap();
    for file in ["etab", "rmtab", ".etab.lock"] {
        fs::write(dir.path().join("state").join(file), "").unwrap();
    }
    fs::write(dir.path().join("exports"), "").unwrap();
    let (exportfs, _) = program(&PACKAGES, "usr/sbin/exportfs");
    // Both folders are its own: what the machine has there is neither read nor changed.
    let script = "set -e; d=$1; shift
        mount -t tmpfs tmpfs /etc; mount -t tmpfs tmpfs /var/lib
        mkdir /etc/exports.d /var/lib/nfs; cp $d/exports /etc/; cp $d/exports.d/* /etc/exports.d/; cp -a $d/state/. /var/lib/nfs/
        \"$@\" -ra || true; cat /var/lib/nfs/etab";
    let mut command = Command::new("unshare");
    command.arg(if is_root() { "-m" } else { "-Urm" }).args(["sh", "-c", script, "sh"]).arg(dir.path());
    command
        .arg(exportfs.get_program())
        .envs(exportfs.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let said = command.stderr(Stdio::piped()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    // The folder is not there on this machine, which makes it fail; anything else is a mistake.
    let others: Vec<&str> = err.lines().filter(|line| !line.contains("Failed to stat")).collect();
    assert!(others.is_empty(), "{err}");
    out.into_owned()
}

#[test]
fn a_real_exportfs_exports_the_data_disk_to_the_nodes_alone() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "nfs-server");
    let checked = cluster("[overlays.nfs-server]\nnode = \"pi-2\"\n", FOUR);
    let table = exported(text(&checked, "/etc/exports.d/hcimage.exports", "pi-2"));
    assert_eq!(table.lines().count(), 4, "{table}");
    for (line, node) in table.lines().zip(["1", "2", "3", "4"]) {
        assert!(line.starts_with(&format!("/k8s-data/nfs\t192.168.1.1{node}(")), "{line}");
        for option in ["(rw,", "sync", "no_root_squash", "no_subtree_check", "sec=sys"] {
            assert!(line.contains(option), "{option}: {line}");
        }
    }
    let checked = cluster(
        "[overlays.nfs-server]\nroot-squash = true\nclients = [\"192.168.1.0/24\", \"fd00::/64\"]\n",
        ONE,
    );
    let table = exported(text(&checked, "/etc/exports.d/hcimage.exports", "pi-1"));
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("/k8s-data/nfs\t192.168.1.0/24(") && table.contains("\tfd00::/64("), "{table}");
    assert!(table.contains(",root_squash,") && !table.contains("no_root_squash"), "{table}");
    proof.holds();
}

#[test]
fn nodes_with_addresses_by_dhcp_need_a_network() {
    let nodes = "[[nodes]]\nname = \"pi-1\"\nrole = \"server\"\nboard = \"pi4\"\n";
    let dhcp = |tables: &str| {
        load(Path::new("/nowhere"), tables, nodes).map(|_| ()).map_err(|report| report.to_string())
    };
    let said = dhcp("[overlays.nfs-server]\n").unwrap_err();
    assert!(said.contains("clients is missing"), "{said}");
    dhcp("[overlays.nfs-server]\nclients = [\"192.168.1.0/24\"]\n").unwrap();
}

/// Debian's own configuration has `manage-gids` on, and the programs read ours after it.
#[test]
fn the_real_nfsconf_reads_version_four_alone() {
    let checked = cluster("[overlays.nfs-server]\nthreads = 16\n", ONE);
    let dir = tempfile::tempdir().unwrap();
    let (_, root) = program(&PACKAGES, "usr/sbin/nfsconf");
    let main = dir.path().join("nfs.conf");
    fs::copy(root.join("usr/share/nfs-common/conffiles/nfs.conf"), &main).unwrap();
    let ask = |section: &str, key: &str| {
        let (mut nfsconf, _) = program(&PACKAGES, "usr/sbin/nfsconf");
        let said = nfsconf.arg("--file").arg(&main).args(["--get", section, key]).output().unwrap();
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    };
    assert_eq!(ask("mountd", "manage-gids"), "y", "the file that ours changes");
    fs::create_dir(dir.path().join("nfs.conf.d")).unwrap();
    fs::write(
        dir.path().join("nfs.conf.d/hcimage.conf"),
        text(&checked, "/etc/nfs.conf.d/hcimage.conf", "pi-1"),
    )
    .unwrap();
    for (section, key, value) in [
        ("mountd", "manage-gids", "n"),
        ("nfsd", "threads", "16"),
        ("nfsd", "vers2", "n"),
        ("nfsd", "vers3", "n"),
        ("nfsd", "vers4.0", "n"),
        ("nfsd", "vers4.2", "y"),
    ] {
        assert_eq!(ask(section, key), value, "{section} {key}");
    }
}

/// systemd on a root of its own: with the units of the packages, the port mapper is masked, and the server waits for the disk.
#[test]
fn the_server_starts_after_its_disk_and_without_the_port_mapper() {
    let checked = cluster("[data-disk]\nlabel = \"k8s-data\"\n[overlays.nfs-server]\n", ONE);
    let active = checked.cluster.overlays.last().unwrap();
    let (_, root) = program(&PACKAGES, "usr/sbin/nfsconf");
    let dir = tempfile::tempdir().unwrap();
    for file in active.needs.files.iter().filter(|file| file.path.contains("/systemd/")) {
        let path = dir.path().join(&file.path[1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.text).unwrap();
    }
    let units = dir.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&units).unwrap();
    for place in ["usr/lib/systemd/system", "lib/systemd/system"] {
        for unit in fs::read_dir(root.join(place)).into_iter().flatten().map(|unit| unit.unwrap().path()) {
            // Some are links to /dev/null.
            if !unit.is_file() {
                continue;
            }
            fs::copy(&unit, units.join(unit.file_name().unwrap())).unwrap();
        }
    }
    let state = |unit: &str| {
        let said = Command::new("systemctl")
            .arg("--root")
            .arg(dir.path())
            .args(["is-enabled", unit])
            .output()
            .unwrap();
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    };
    for unit in ["rpcbind.socket", "rpcbind.service", "rpc-statd.service", "rpc-statd-notify.service"] {
        assert_eq!(state(unit), "masked", "{unit}");
    }
    assert_ne!(state("nfs-server.service"), "masked");
    let server = fs::read_to_string(units.join("nfs-server.service")).unwrap();
    assert!(server.contains("rpcbind.socket"), "the server would start it");
    let path = "/etc/systemd/system/nfs-server.service.d/20-data-disk.conf";
    assert!(text(&checked, path, "pi-1").contains("RequiresMountsFor=\"/k8s-data/nfs\"\n"));
}
