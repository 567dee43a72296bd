//! What other writers of cards read beside an image: the block map by bmaptool itself, the list by the rules of Raspberry Pi Imager.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, k3s_release};
use hcimage_testkit::guest::one_server;
use hcimage_testkit::hcimage::{fail, hcimage, succeed};
use hcimage_testkit::tools::{check, partitions, run};
use hcimage_testkit::unpacked::packages;

use super::contents;

/// Debian's bmaptool.
fn bmaptool() -> Command {
    let files = packages(&["bmap-tools"]);
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", files.join("usr/lib/python3/dist-packages")).args(["-m", "bmaptools.CLI"]);
    command
}

/// The cluster's images once more, with what is beside them.
fn build(dir: &Path, more: &[&str]) -> String {
    let mut command = hcimage(dir);
    command.args(["build", "--overwrite", "--k3s"]).arg(k3s_release().join(K3S_VERSION)).args(more);
    succeed(&mut command)
}

#[test]
fn bmaptool_writes_by_the_block_map_and_finds_every_digest_right() {
    let scratch = one_server("");
    let dir = scratch.path();
    let image = dir.join("out/lab-1.img");
    // A card with something else on it, as large as the image.
    let card = dir.join("card");
    let size = fs::metadata(&image).unwrap().len();
    run(Command::new("sh")
        .args(["-c", "head -c \"$1\" /dev/zero | tr '\\0' '\\252' >\"$0\""])
        .arg(&card)
        .arg(size.to_string()));
    // It finds the map beside the image by itself.
    let said = run(bmaptool().arg("copy").arg(&image).arg(&card));
    println!("{said}");
    check(&card, dir);
    let (there, wanted) = (contents(&card, dir), contents(&image, dir));
    let differ: Vec<_> = wanted.lines().filter(|line| !there.contains(line)).collect();
    assert!(there == wanted, "{differ:?}");
    let (root, _) = partitions(&image);
    assert!(root.start > 0);

    // Its digests are of the image: one changed byte, and bmaptool says so.
    let copy = dir.join("copy.img");
    run(Command::new("cp").arg("--sparse=always").arg(&image).arg(&copy));
    fs::copy(dir.join("out/lab-1.img.bmap"), dir.join("copy.img.bmap")).unwrap();
    run(Command::new("sh")
        .args(["-c", "printf x | dd of=\"$0\" bs=1 seek=446 conv=notrunc status=none"])
        .arg(&copy));
    let refused = bmaptool().arg("copy").arg(&copy).arg(&card).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("checksum mismatch"), "{text}");
}

#[test]
fn imager_finds_each_node_with_its_digest() {
    let scratch = one_server("");
    let dir = scratch.path();
    let image = dir.join("out/lab-1.img");
    for (given, url) in [
        (vec!["--imager"], format!("file://{}", image.display())),
        (
            vec!["--imager", "https://images.example/edge/"],
            "https://images.example/edge/lab-1.img".to_owned(),
        ),
    ] {
        let said = build(dir, &given);
        assert!(said.contains("out/lab.rpi-imager-manifest"), "{said}");
        let list = File::open(dir.join("out/lab.rpi-imager-manifest")).unwrap();
        let list: serde_json::Value = serde_json::from_reader(list).unwrap();
        let entry = &list["os_list"][0];
        let digest = run(Command::new("sha256sum").arg(&image));
        assert_eq!(entry["extract_sha256"].as_str(), digest.split(' ').next());
        assert_eq!(entry["extract_size"].as_u64().unwrap(), fs::metadata(&image).unwrap().len());
        assert_eq!(entry["url"].as_str().unwrap(), url);
        // What `os-list-schema.json` of Imager demands of an entry.
        for (key, kind) in [
            ("name", "string"),
            ("description", "string"),
            ("icon", "string"),
            ("url", "string"),
            ("extract_size", "number"),
            ("extract_sha256", "string"),
            ("image_download_size", "number"),
            ("release_date", "string"),
            ("devices", "array"),
        ] {
            let is = match &entry[key] {
                serde_json::Value::String(text) if !text.is_empty() => "string",
                serde_json::Value::Number(_) => "number",
                serde_json::Value::Array(_) => "array",
                _ => "none",
            };
            assert_eq!(is, kind, "{key}: {entry}");
        }
        assert_eq!(entry["init_format"], "none");
    }
    let mut command = hcimage(dir);
    command.args(["build", "--overwrite", "--imager", "ftp://images.example"]);
    fail(&mut command, 2, &["ftp://images.example"]);
}
