//! Packages of a cluster file, from the user's project to the nodes' images.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{fail, hcimage, succeed};
use hcimage_testkit::tools::{check, debugfs, debugfs_put, dump, run};

use crate::archive::{Archive, TRUSTED};

const KEY: &str = "/etc/apt/trusted.gpg.d/test.asc";

/// A project with an agent that gets `shop`, whose base takes packages from the archive.
fn project(dir: &Path, archive: &Archive) {
    let image = dir.join("base.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("debian-pi-arm64")).arg(&image));
    let line = format!("deb {} stable main\n", archive.server.url("/debian"));
    debugfs_put(&image, &line, "/etc/apt/sources.list", dir);
    debugfs_put(&image, &archive.gpg.key(TRUSTED), KEY, dir);
    write(dir, "shop", "");
}

fn write(dir: &Path, package: &str, more: &str) {
    let text = format!(
        "schema = 1\nname = \"lab\"\n\n[[packages]]\nname = \"{package}\"\nrole = \"agent\"\ndisable = [\"shop.service\"]\n{more}\n\
         [boards.cm4]\nbase = \"base.img\"\n\n[network]\nsubnet = \"192.168.1.0/24\"\ngateway = \"192.168.1.1\"\ndns = \
         [\"192.168.1.1\"]\n\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\naddress = \"192.168.1.11\"\n\n\
         [[nodes]]\nname = \"lab-2\"\nrole = \"agent\"\nboard = \"cm4\"\naddress = \"192.168.1.12\"\n"
    );
    fs::write(dir.join("cluster.toml"), text).unwrap();
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = hcimage(dir);
    command.args(arguments).arg("--k3s").arg(k3s_release().join(K3S_VERSION));
    command
}

/// `lib` is new, and `shop` needs it.
fn archive() -> Archive {
    let archive = Archive::new();
    archive.package("lib", "2:2.0-1", "");
    archive.package("shop", "1.0+b1", "Depends: lib (>= 2:2)\n");
    archive.publish();
    archive
}

#[test]
fn packages_lie_on_the_nodes_that_get_them_and_firstboot_is_told() {
    let (dir, archive) = (tempfile::tempdir().unwrap(), archive());
    project(dir.path(), &archive);
    let said = succeed(&mut command(dir.path(), &["plan", "--only", "lab-2"]));
    assert!(said.contains("/var/lib/hcimage/packages/00/0002-shop.deb  create"), "{said}");
    assert!(said.contains("package lib 2:2.0-1"), "{said}");
    let said = succeed(&mut command(dir.path(), &["plan", "--only", "lab-1"]));
    assert!(!said.contains("hcimage-packages") && !said.contains("shop"), "a server gets none: {said}");

    succeed(&mut command(dir.path(), &["build", "--output", "out"]));
    let image = dir.path().join("out/lab-2.img");
    check(&image, dir.path());
    let dumped = dir.path().join("shop.deb");
    debugfs(&image, &format!("dump /var/lib/hcimage/packages/00/0002-shop.deb {}", dumped.display()));
    let field = |name: &str| run(Command::new("dpkg-deb").arg("--field").arg(&dumped).arg(name));
    assert_eq!(field("Version"), "1.0+b1\n");
    let seed = dump(&image, "/etc/hcimage/seed.toml", dir.path()).unwrap();
    assert!(seed.contains("installed = [\n    \"lib\",\n    \"shop\",\n]"), "{seed}");
    assert!(seed.contains("disable = [\"shop.service\"]"), "{seed}");
    let unit = dir.path().join("hcimage-packages.service");
    fs::write(&unit, dump(&image, "/etc/systemd/system/hcimage-packages.service", dir.path()).unwrap())
        .unwrap();
    // It knows the unit and not the script, which is on the node alone.
    let text = fs::read_to_string(&unit).unwrap();
    assert!(text.contains("ExecStart=/usr/local/lib/hcimage/install-packages\n"), "{text}");
    let script = dir.path().join("install-packages");
    fs::write(&script, dump(&image, "/usr/local/lib/hcimage/install-packages", dir.path()).unwrap()).unwrap();
    run(Command::new("dash").arg("-n").arg(&script));
    let bill = fs::read_to_string(dir.path().join("out/lab-2.img.cdx.json")).unwrap();
    assert!(bill.contains("pkg:deb/debian/shop@1.0+b1?arch=arm64"), "{bill}");
}

#[test]
fn packages_are_locked_renewed_by_name_and_carried() {
    let (dir, archive) = (tempfile::tempdir().unwrap(), archive());
    project(dir.path(), &archive);
    succeed(&mut command(dir.path(), &["plan", "--only", "lab-2"]));
    archive.package("shop", "1.1", "Depends: lib (>= 2:2)\n");
    archive.publish();
    let said = succeed(&mut command(dir.path(), &["plan", "--only", "lab-2"]));
    assert!(said.contains("package shop 1.0+b1"), "what is locked stays: {said}");

    let said = succeed(&mut command(dir.path(), &["update", "package.cm4"]));
    assert!(said.contains("package.cm4.shop") && said.contains("shop_1.1_arm64.deb"), "{said}");
    assert!(!said.contains("package.cm4.lib"), "it is the same: {said}");

    succeed(&mut command(dir.path(), &["vendor", "--output", "bundle.tar"]));
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["cluster.toml", "hcimage.lock", "base.img", "bundle.tar"] {
        run(Command::new("cp").arg("--sparse=always").arg(dir.path().join(name)).arg(elsewhere.path()));
    }
    archive.server.take_requests();
    let offline = ["plan", "--only", "lab-2", "--bundle", "bundle.tar", "--offline"];
    let said = succeed(&mut command(elsewhere.path(), &offline));
    assert!(said.contains("package shop 1.1"), "{said}");
    assert_eq!(archive.server.take_paths(), [""; 0]);

    // One that is not in the lock, and one that is nowhere.
    archive.package("tool", "1", "");
    archive.publish();
    write(dir.path(), "tool", "");
    fail(
        &mut command(dir.path(), &["plan", "--locked"]),
        1,
        &["package.cm4.", "--locked lets nothing new in"],
    );
    write(dir.path(), "toool", "");
    fail(
        &mut command(dir.path(), &["plan"]),
        4,
        &["packages for cm4", "no source of the base has a package toool"],
    );
}
