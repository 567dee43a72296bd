//! The bill of materials and the checksums beside an image.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build, fail, succeed};
use hcimage_testkit::tools::{debugfs, run};
use serde_json::Value;

fn node(dir: &Path, name: &str, more: &[&str]) -> Command {
    let mut command = build(dir, "cm4", &base("debian-pi-arm64"));
    command.args(["--hostname", name, "--output"]).arg(format!("{name}.img")).args(more);
    command
}

fn bill(dir: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(dir.join(format!("{name}.img.cdx.json"))).unwrap()).unwrap()
}

#[test]
fn all_that_is_in_an_image_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("shop.yaml"), "apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\n")
        .unwrap();
    succeed(&mut node(dir.path(), "pi-1", &["--manifest", "shop.yaml"]));
    let bill = bill(dir.path(), "pi-1");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "pi-1");
    let components = bill["components"].as_array().unwrap();
    let purls: BTreeSet<&str> = components.iter().filter_map(|found| found["purl"].as_str()).collect();
    // As dpkg itself lists the packages of the image.
    let status = dir.path().join("dpkg/status");
    fs::create_dir(dir.path().join("dpkg")).unwrap();
    debugfs(&dir.path().join("pi-1.img"), &format!("dump /var/lib/dpkg/status {}", status.display()));
    let said = run(Command::new("dpkg-query").arg("--admindir").arg(dir.path().join("dpkg")).args([
        "--show",
        "--showformat",
        "${db:Status-Status} ${Package} ${Version} ${Architecture}\\n",
    ]));
    let installed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    assert!(installed.len() > 20, "{said}");
    for line in &installed {
        let [name, version, arch] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let purl = format!("pkg:deb/debian/{name}@{version}?arch={arch}");
        assert!(purls.contains(purl.as_str()), "{purl} is missing in {purls:?}");
    }
    assert_eq!(purls.iter().filter(|purl| purl.starts_with("pkg:deb/")).count(), installed.len());
    assert!(purls.iter().any(|purl| purl.starts_with("pkg:github/k3s-io/k3s@v1.36")), "{purls:?}");
    assert!(
        purls.iter().any(|purl| purl.starts_with("pkg:oci/") && purl.contains("repository_url=")),
        "{purls:?}"
    );
    let files: Vec<&Value> = components.iter().filter(|found| found["type"] == "file").collect();
    let hostname = files.iter().find(|found| found["name"] == "/etc/hostname").unwrap();
    let expected = run(Command::new("sh").args(["-c", "printf 'pi-1\\n' | sha256sum"]));
    assert_eq!(hostname["hashes"][0]["content"].as_str(), expected.split(' ').next());
    // A manifest may hold secrets: a digest of it would let a short one be guessed.
    assert!(!files.iter().any(|found| found["name"].as_str().unwrap().ends_with("shop.yaml")));
}

#[test]
fn a_bill_is_the_same_for_the_same_image_and_says_its_serial_number() {
    let dir = tempfile::tempdir().unwrap();
    let read = || fs::read(dir.path().join("pi-1.img.cdx.json")).unwrap();
    succeed(&mut node(dir.path(), "pi-1", &[]));
    let first = read();
    fail(&mut node(dir.path(), "pi-1", &[]), 1, &["exists already"]);
    succeed(&mut node(dir.path(), "pi-1", &["--overwrite"]));
    assert!(read() == first);
    succeed(&mut node(dir.path(), "pi-2", &[]));
    let serial = |name: &str| bill(dir.path(), name)["serialNumber"].as_str().unwrap().to_owned();
    assert!(serial("pi-1").starts_with("urn:uuid:") && serial("pi-1") != serial("pi-2"));
}

#[test]
fn sha256sum_verifies_what_was_built() {
    let dir = tempfile::tempdir().unwrap();
    succeed(&mut node(dir.path(), "pi-1", &["--checksums"]));
    let check = |arguments: &[&str]| {
        Command::new("sha256sum").current_dir(dir.path()).args(arguments).output().unwrap().status.success()
    };
    assert!(check(&["--check", "--strict", "pi-1.img.sha256"]));
    let text = fs::read_to_string(dir.path().join("pi-1.img.sha256")).unwrap();
    let names: Vec<&str> = text.lines().map(|line| line.split("  ").nth(1).unwrap()).collect();
    assert_eq!(names, ["pi-1.img", "pi-1.img.manifest.json", "pi-1.img.cdx.json", "pi-1.img.bmap"]);
    // An image that is a base again is compared with it.
    fs::write(dir.path().join("pi-1.img.sha256"), text.replacen(char::is_numeric, "x", 1)).unwrap();
    assert!(!check(&["--check", "--strict", "pi-1.img.sha256"]));
    fail(&mut node(dir.path(), "pi-1", &["--checksums"]), 1, &["exists already"]);
}
