//! From folders and archives of this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage::arch::Arch;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::external_tool::external_tool;
use hcimage_testkit::tools::run;
use serde_json::Value;

use crate::{bundle_of, local, names, unpacked};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};

const NAME: &str = "registry.example/shop/web:1.2";

/// A layout of an image for three platforms.
fn shop(desk: &Desk) -> (Layout, Value) {
    let mut layout = Layout::new(&desk.path("shop"));
    let base = layout.layer(Packed::Gzip, &[("bin/base", b"base")]);
    let index = multi(&layout, &["amd64", "arm64/v8", "arm/v7"], &[base]);
    layout.add(Some(NAME), index.clone());
    (layout, index)
}

fn digest(descriptor: &Value) -> String {
    descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned()
}

/// What skopeo says of an image in our archive.
fn inspect(archive: &Path, name: &str, arch: &str) -> Value {
    assert!(external_tool("skopeo", "skopeo"));
    let mut command = Command::new("skopeo");
    command.args(["--override-os", "linux", "--override-arch", arch]);
    if arch == "arm" {
        command.args(["--override-variant", "v7"]);
    }
    let place = format!("oci-archive:{}:{name}", archive.display());
    serde_json::from_str(&run(command.arg("inspect").arg(place))).unwrap()
}

#[test]
fn a_layout_of_three_platforms_gives_each_node_its_own_and_keeps_the_index() {
    let desk = Desk::new();
    let (layout, index) = shop(&desk);
    for (arch, go) in [(Arch::X86_64, "amd64"), (Arch::Aarch64, "arm64"), (Arch::Armv7, "arm")] {
        let made = bundle_of(&desk, &[local(&layout.dir, None)], arch).unwrap();
        assert_eq!(names(&made), [NAME]);
        let files = unpacked(&made.archive.path);
        assert!(files.contains_key(&format!("blobs/sha256/{}", digest(&index))), "{:?}", files.keys());
        // oci-layout, index.json; index, manifest, configuration, two layers.
        assert_eq!(files.len(), 7, "{:?}", files.keys());
        // skopeo takes the tag, which is what it looks for in this annotation.
        let said = inspect(&made.archive.path, "1.2", go);
        assert_eq!(
            (said["Architecture"].as_str(), said["Layers"].as_array().map(Vec::len)),
            (Some(go), Some(2))
        );
        assert!(made.archive.image_names.iter().any(|name| name == NAME));
        assert_eq!(made.archive.image_names.len(), 2);
        assert!(made.archive.unpacked_size.is_some_and(|size| size >= 8192));
    }
}

#[test]
fn what_other_tools_save_is_read_packed_or_not() {
    let desk = Desk::new();
    let (layout, _) = shop(&desk);
    let source = format!("oci:{}:{NAME}", layout.dir.display());
    let copy = |to: &str| {
        run(Command::new("skopeo").args(["--override-arch", "arm64", "copy", &source, to]));
    };
    let path = |name: &str| desk.path(name);
    copy(&format!("docker-archive:{}:{NAME}", path("docker.tar").display()));
    copy(&format!("oci-archive:{}:{NAME}", path("oci.tar").display()));
    layout.archive(&path("layout.tar"));
    for archive in ["docker.tar", "oci.tar", "layout.tar"] {
        for (packer, ending) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
            run(Command::new(packer).args(["-k", "-q"]).arg(path(archive)));
            let packed = path(&format!("{archive}.{ending}"));
            let made = bundle_of(&desk, &[local(&packed, None)], Arch::Aarch64).unwrap();
            let plain = bundle_of(&desk, &[local(&path(archive), None)], Arch::Aarch64).unwrap();
            assert_eq!(names(&made), [NAME], "{archive}.{ending}");
            assert_eq!(made.archive.sha256, plain.archive.sha256);
            let said = inspect(&made.archive.path, "1.2", "arm64");
            assert_eq!(said["Architecture"].as_str(), Some("arm64"));
        }
    }
    // Nothing that was unpacked on the way stays.
    assert!(desk.cached().iter().all(|name| name.starts_with("files/")), "{:?}", desk.cached());
}

#[test]
fn an_archive_of_several_images_gives_all_or_the_one_that_is_named() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("two"));
    for name in ["a.example/x:1", "a.example/y:2"] {
        let layer = layout.layer(Packed::Zstd, &[("name", name.as_bytes())]);
        let image = layout.image("arm64", &[layer]);
        layout.add(Some(name), image);
    }
    let all = bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap();
    assert_eq!(names(&all), ["a.example/x:1", "a.example/y:2"]);
    let one = bundle_of(&desk, &[local(&layout.dir, Some("a.example/y:2"))], Arch::Aarch64).unwrap();
    assert_eq!(names(&one), ["a.example/y:2"]);
    let error = bundle_of(&desk, &[local(&layout.dir, Some("a.example/z:3"))], Arch::Aarch64).unwrap_err();
    assert!(error.to_string().contains("no image is called a.example/z:3; found a.example/x:1"), "{error}");
}

#[test]
fn the_only_image_takes_the_name_of_the_cluster_file() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("one"));
    let layer = layout.layer(Packed::Not, &[("x", b"x")]);
    let image = layout.image("arm64", &[layer]);
    layout.add(Some("latest"), image);
    let made = bundle_of(&desk, &[local(&layout.dir, Some("shop:1"))], Arch::Aarch64).unwrap();
    assert_eq!(names(&made), ["docker.io/library/shop:1"]);
    // A tag alone names nothing.
    let error = bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap_err();
    assert!(error.to_string().contains("set name"), "{error}");
}

#[test]
fn images_that_share_layers_have_them_once() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("many"));
    let base = layout.layer(Packed::Not, &[("base", &vec![7; 1 << 20])]);
    for number in 0..10 {
        let name = format!("a.example/x{number}:1");
        let own = layout.layer(Packed::Not, &[("own", name.as_bytes())]);
        let image = layout.image("arm64", &[base.clone(), own]);
        layout.add(Some(&name), image);
    }
    let made = bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap();
    assert!(made.archive.size < (1 << 20) + (1 << 17), "{}", made.archive.size);
}

#[test]
fn an_image_of_two_hundred_layers_is_taken() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("deep"));
    let layers: Vec<_> =
        (0..200).map(|number| layout.layer(Packed::Gzip, &[("n", format!("{number}").as_bytes())])).collect();
    let image = layout.image("arm64", &layers);
    layout.add(Some(NAME), image);
    let made = bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap();
    assert_eq!(inspect(&made.archive.path, "1.2", "arm64")["Layers"].as_array().map(Vec::len), Some(200));
}

/// In another folder, with another clock, and the images named in another order.
#[test]
fn an_archive_is_made_once_and_again_where_it_is_no_longer_what_it_was() {
    let desk = Desk::new();
    let (layout, _) = shop(&desk);
    let of = || bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap();
    let first = of();
    let written = || fs::metadata(&first.archive.path).map(|found| found.modified().unwrap()).ok();
    let then = written();
    assert_eq!(of(), first);
    assert_eq!(written(), then, "it was written again");
    fs::remove_file(&first.archive.path).unwrap();
    assert_eq!(of(), first);
    assert!(written().is_some());
    // A flipped bit is found, and the archive is written once more.
    let good = fs::read(&first.archive.path).unwrap();
    let mut bad = good.clone();
    bad[700] ^= 1;
    fs::remove_file(&first.archive.path).unwrap();
    fs::write(&first.archive.path, &bad).unwrap();
    assert_eq!(of(), first);
    assert!(fs::read(&first.archive.path).unwrap() == good);
    // Another architecture is another archive.
    let other = bundle_of(&desk, &[local(&layout.dir, None)], Arch::X86_64).unwrap();
    assert_ne!(other.archive.sha256, first.archive.sha256);
}

#[test]
fn umoci_unpacks_what_is_written() {
    assert!(external_tool("umoci", "umoci"));
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("one"));
    let layers = [
        layout.layer(Packed::Gzip, &[("bin/base", b"base"), ("etc/name", b"old")]),
        layout.layer(Packed::Gzip, &[("etc/name", b"new")]),
    ];
    let image = layout.image("arm64", &layers);
    layout.add(Some(NAME), image);
    let made = bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap();
    let (written, root) = (desk.path("written"), desk.path("root"));
    for (name, bytes) in unpacked(&made.archive.path) {
        desk.write(&format!("written/{name}"), bytes);
    }
    let listed = run(Command::new("umoci").args(["list", "--layout"]).arg(&written));
    assert!(listed.lines().any(|line| line == "1.2"), "{listed}");
    let of = format!("{}:1.2", written.display());
    run(Command::new("umoci").args(["unpack", "--rootless", "--image", &of]).arg(&root));
    assert_eq!(fs::read(root.join("rootfs/bin/base")).unwrap(), b"base");
    assert_eq!(fs::read(root.join("rootfs/etc/name")).unwrap(), b"new");
}

#[test]
fn the_same_images_give_the_same_bytes() {
    let (one, two) = (Desk::new(), Desk::new());
    let make = |desk: &Desk, turned: bool| {
        let mut layout = Layout::new(&desk.path(if turned { "b/c/images" } else { "images" }));
        let mut order = ["a.example/x:1", "a.example/y:2", "a.example/z:3"];
        if turned {
            order.reverse();
        }
        for name in order {
            let layer = layout.layer(Packed::Gzip, &[("name", name.as_bytes())]);
            let index = multi(&layout, &["amd64", "arm64"], &[layer]);
            layout.add(Some(name), index);
        }
        if turned {
            run(Command::new("find").arg(&layout.dir).args([
                "-exec",
                "touch",
                "-d",
                "2001-01-01",
                "{}",
                "+",
            ]));
        }
        bundle_of(desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap().archive
    };
    let (first, second) = (make(&one, false), make(&two, true));
    assert_eq!((first.sha256, first.size, &first.name), (second.sha256, second.size, &second.name));
    assert_eq!(fs::read(&first.path).unwrap(), fs::read(&second.path).unwrap());
}
