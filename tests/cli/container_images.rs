//! Container images of the cluster file and the command line, from a user's files to the node image.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::external_tool::external_tool;
use hcimage_testkit::hcimage::{build, fail, hcimage, names, succeed};
use hcimage_testkit::tools::{debugfs, run};

/// Of nobody's registry: it would have to be pulled.
const NAME: &str = "registry.example/shop/web:1.2";
const IN_IMAGE: &str = "/var/lib/rancher/k3s/agent/images/hcimage-images-arm64.tar";

fn manifest(dir: &Path, image: &str) {
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{template: {{spec: {{containers: [{{name: web, \
         image: {image:?}}}]}}}}}}\n"
    );
    fs::write(dir.join("shop.yaml"), text).unwrap();
}

/// An archive with the image for a CM4, made by umoci and skopeo.
fn archive(dir: &Path) {
    assert!(external_tool("umoci", "umoci") && external_tool("skopeo", "skopeo"));
    let umoci = |arguments: &[&str]| run(Command::new("umoci").current_dir(dir).args(arguments));
    umoci(&["init", "--layout", "layout"]);
    umoci(&["new", "--image", "layout:web"]);
    fs::write(dir.join("program"), "a program").unwrap();
    umoci(&["insert", "--image", "layout:web", "program", "/bin/program"]);
    umoci(&["config", "--image", "layout:web", "--architecture", "arm64", "--os", "linux"]);
    run(Command::new("skopeo").current_dir(dir).args([
        "--override-arch",
        "arm64",
        "copy",
        "oci:layout:web",
        &format!("docker-archive:shop.tar:{NAME}"),
    ]));
}

#[test]
fn a_manifest_whose_image_nobody_brings_is_refused_with_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let with = |arguments: &[&str]| {
        let mut command = build(dir.path(), "cm4", &base("debian-pi-arm64"));
        command.args(["--manifest", "shop.yaml"]).args(arguments);
        command
    };
    for (image, words) in [
        (NAME, vec!["shop.yaml", "Deployment web", NAME, "[[images]]", "--online"]),
        ("nginx", vec!["nginx:latest", "no fixed version"]),
    ] {
        manifest(dir.path(), image);
        fail(&mut with(&[]), 2, &words);
        let left: Vec<String> = names(dir.path()).into_iter().filter(|name| name.ends_with(".img")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    succeed(&mut with(&["--online"]));
}

#[test]
fn an_archive_of_the_user_is_on_the_node_and_in_the_list_of_changes() {
    let dir = tempfile::tempdir().unwrap();
    manifest(dir.path(), NAME);
    archive(dir.path());
    let mut command = build(dir.path(), "cm4", &base("debian-pi-arm64"));
    succeed(command.args(["--manifest", "shop.yaml", "--image-archive", "shop.tar", "--output", "node.img"]));
    let copy = dir.path().join("copy.tar");
    debugfs(&dir.path().join("node.img"), &format!("dump {IN_IMAGE} {}", copy.display()));
    let said = run(Command::new("skopeo")
        .args(["--override-arch", "arm64", "inspect"])
        .arg(format!("oci-archive:{}:1.2", copy.display())));
    assert!(said.contains("\"arm64\""), "{said}");
    let changes = fs::read_to_string(dir.path().join("node.img.manifest.json")).unwrap();
    assert!(changes.contains(IN_IMAGE), "{changes}");
    // Built once more: the same bytes.
    let mut command = build(dir.path(), "cm4", &base("debian-pi-arm64"));
    succeed(command.args([
        "--manifest",
        "shop.yaml",
        "--image-archive",
        "shop.tar",
        "--output",
        "again.img",
    ]));
    let bytes = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert!(bytes("node.img") == bytes("again.img"));
}

#[test]
fn images_of_some_nodes_are_on_these_only_and_pods_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path());
    let cluster = |more: &str| {
        let node = |name: &str, role: &str| {
            format!("[[nodes]]\nname = \"{name}\"\nrole = \"{role}\"\nboard = \"cm4\"\n{more}\n")
        };
        let text = format!(
            "schema = 1\nname = \"lab\"\napi = \"192.168.1.9\"\nmanifests = [\"shop.yaml\"]\n\n[[images]]\narchive = \
             \"shop.tar\"\nrole = \"agent\"\n\n[boards.cm4]\nbase = {:?}\n\n{}{}",
            base("debian-pi-arm64"),
            node("lab-1", "server"),
            node("lab-2", "agent"),
        );
        fs::write(dir.path().join("cluster.toml"), text).unwrap();
    };
    let asked = |arguments: &[&str]| {
        let mut command = hcimage(dir.path());
        command.args(arguments).arg("--k3s").arg(k3s_release().join(K3S_VERSION));
        command
    };
    cluster("");
    manifest(dir.path(), NAME);
    fail(
        &mut asked(&["build"]),
        2,
        &["Deployment web", NAME, "is not on lab-1", "kubernetes.io/hostname: lab-2"],
    );
    assert!(!dir.path().join("out").exists());
    let listed = succeed(&mut asked(&["images"]));
    assert!(listed.contains(&format!("{NAME}  arm64  [[images]]  only lab-2")), "{listed}");
    assert!(listed.contains("would be pulled: shop.yaml"), "{listed}");

    let bound = fs::read_to_string(dir.path().join("shop.yaml")).unwrap();
    let bound = bound.replace("{containers:", "{nodeSelector: {kubernetes.io/hostname: lab-2}, containers:");
    fs::write(dir.path().join("shop.yaml"), bound).unwrap();
    succeed(&mut asked(&["build"]));
    let out = |name: &str| dir.path().join("out").join(name);
    let listed = |node: &str| debugfs(&out(&format!("{node}.img")), &format!("stat {IN_IMAGE}"));
    assert!(listed("lab-2").contains("Type: regular") && !listed("lab-1").contains("Type: regular"));
    let bill = |node: &str| fs::read_to_string(out(&format!("{node}.img.cdx.json"))).unwrap();
    assert!(
        bill("lab-2").contains("registry.example/shop/web") && !bill("lab-1").contains("registry.example")
    );
}

#[test]
fn a_cluster_file_names_images_and_says_what_is_wrong_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = |images: &str| {
        let text = format!(
            "schema = 1\nname = \"lab\"\n\n{images}\n[boards.cm4]\nbase = {:?}\n\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\n\
             board = \"cm4\"\naddress = \"dhcp\"\n",
            base("debian-pi-arm64")
        );
        fs::write(dir.path().join("cluster.toml"), text).unwrap();
        let mut command = hcimage(dir.path());
        command.args(["plan", "--k3s"]).arg(k3s_release().join(K3S_VERSION));
        command
    };
    archive(dir.path());
    let said = succeed(&mut cluster("[[images]]\narchive = \"shop.tar\"\n"));
    assert!(said.contains(IN_IMAGE), "{said}");
    for (images, words) in [
        ("[[images]]\nname = \"nginx\"\n", vec!["nginx:latest", "no fixed version"]),
        ("[[images]]\nname = \"Nginx:1\"\n", vec!["Nginx:1", "invalid"]),
        ("[[images]]\narchive = \"a.tar\"\nlayout = \"b\"\n", vec!["not from both"]),
        ("[[images]]\n", vec!["neither"]),
        (
            "[[images]]\nname = \"a:1\"\n[[images]]\nname = \"docker.io/library/a:1\"\n",
            vec!["duplicate image"],
        ),
        ("[[images]]\nnmae = \"a:1\"\n", vec!["nmae", "name"]),
    ] {
        fail(&mut cluster(images), 2, &words);
    }
    fail(&mut cluster("[[images]]\narchive = \"none.tar\"\n"), 1, &["none.tar"]);
}
