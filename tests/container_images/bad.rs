//! Images that are damaged, of another kind or hostile: each is refused with its reason, in bounded memory.

use std::fs;

use hcimage::arch::Arch;
use hcimage_testkit::desk::{Desk, chain};
use serde_json::json;

use crate::{bundle_of, local};
use hcimage_testkit::oci_layout::{INDEX, Layout, Packed, multi, tar};

const NAME: &str = "registry.example/shop/web:1.2";

fn refused(desk: &Desk, layout: &Layout) -> String {
    chain(&bundle_of(desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap_err())
}

fn image_of(layout: &mut Layout, media_type: &str) {
    let (mut layer, diff_id) = layout.layer(Packed::Gzip, &[("x", b"x")]);
    layer["mediaType"] = json!(media_type);
    let image = layout.image("arm64", &[(layer, diff_id)]);
    layout.add(Some(NAME), image);
}

#[test]
fn a_flipped_bit_in_any_blob_is_found() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("x"));
    let base = layout.layer(Packed::Gzip, &[("base", b"base")]);
    let index = multi(&layout, &["arm64"], &[base]);
    layout.add(Some(NAME), index);
    bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64).unwrap();
    let mut found = 0;
    for entry in fs::read_dir(layout.dir.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(&path, &damaged).unwrap();
        // An archive that was made before has the right bytes, and would be taken.
        let _ = fs::remove_dir_all(desk.cache.root());
        match bundle_of(&desk, &[local(&layout.dir, None)], Arch::Aarch64) {
            Err(error) => {
                assert!(chain(&error).contains("digest"), "{}", chain(&error));
                found += 1;
            }
            // The attestation is not read.
            Ok(_) => assert!(!whole.starts_with(b"\x1f\x8b")),
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(found, 5, "index, manifest, configuration, two layers");
}

#[test]
fn a_blob_that_is_missing_or_shorter_is_named() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("x"));
    let layer = layout.layer(Packed::Gzip, &[("x", b"x")]);
    let path = layout.blob_path(layer.0["digest"].as_str().unwrap());
    let image = layout.image("arm64", &[layer]);
    layout.add(Some(NAME), image);
    fs::write(&path, b"short").unwrap();
    assert!(refused(&desk, &layout).contains("has 5 bytes, expected"));
    fs::remove_file(&path).unwrap();
    assert!(refused(&desk, &layout).contains("is missing"));
}

#[test]
fn an_image_for_other_processors_is_refused_with_those_it_is_for() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("index"));
    let index = multi(&layout, &["amd64", "arm/v7", "s390x"], &[]);
    layout.add(Some(NAME), index);
    let said = refused(&desk, &layout);
    assert!(
        said.contains("no image for linux/arm64, found linux/amd64, linux/arm/v7, linux/s390x"),
        "{said}"
    );

    let mut single = Layout::new(&desk.path("single"));
    let layer = single.layer(Packed::Gzip, &[("x", b"x")]);
    let image = single.image("amd64", &[layer]);
    single.add(Some(NAME), image);
    let said = refused(&desk, &single);
    assert!(said.contains("no image for linux/arm64, found linux/amd64"), "{said}");
}

#[test]
fn layers_that_are_none_or_lie_elsewhere_are_refused() {
    for (number, (media_type, why)) in [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "server of its own"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "server of its own"),
        ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "no image of a container"),
        ("application/vnd.wasm.content.layer.v1+wasm", "no image of a container"),
        ("text/html", "no image of a container"),
    ]
    .into_iter()
    .enumerate()
    {
        let desk = Desk::new();
        let mut layout = Layout::new(&desk.path(&format!("{number}")));
        image_of(&mut layout, media_type);
        let said = refused(&desk, &layout);
        assert!(said.contains(why), "{media_type}: {said}");
    }
}

#[test]
fn documents_that_are_no_image_are_refused() {
    for (what, document, why) in [
        ("schema 1", json!({"schemaVersion": 1, "name": "x", "fsLayers": []}), "schema 1"),
        ("nothing", json!({}), "expected an image manifest"),
        ("a list", json!([]), "expected an image manifest"),
    ] {
        let desk = Desk::new();
        let mut layout = Layout::new(&desk.path("x"));
        let blob = layout
            .blob("application/vnd.docker.distribution.manifest.v1+json", document.to_string().as_bytes());
        layout.add(Some(NAME), blob);
        let said = refused(&desk, &layout);
        assert!(said.contains(why), "{what}: {said}");
    }
}

#[test]
fn an_index_in_an_index_in_an_index_ends() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("x"));
    let mut inner = multi(&layout, &["arm64"], &[]);
    for _ in 0..20 {
        inner = layout.index(&[inner]);
    }
    layout.add(Some(NAME), inner);
    assert!(refused(&desk, &layout).contains("and so on"));
}

#[test]
fn sizes_beyond_reason_are_refused_before_anything_is_read() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("x"));
    let mut index = multi(&layout, &["arm64"], &[]);
    index["size"] = json!(u64::MAX);
    layout.add(Some(NAME), index);
    assert!(refused(&desk, &layout).contains("expected at most"));

    let mut layout = Layout::new(&desk.path("y"));
    let (mut layer, diff_id) = layout.layer(Packed::Gzip, &[("x", b"x")]);
    layer["size"] = json!(1_u64 << 60);
    let image = layout.image("arm64", &[(layer, diff_id)]);
    layout.add(Some(NAME), image);
    assert!(refused(&desk, &layout).contains("expected at most"));

    // A list of images of 100 MB.
    let layout = Layout::new(&desk.path("z"));
    let long = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "x": "y".repeat(100 << 20)});
    fs::write(layout.dir.join("index.json"), long.to_string()).unwrap();
    assert!(refused(&desk, &layout).contains("expected at most"));
}

#[test]
fn an_archive_that_is_cut_off_or_no_archive_is_refused() {
    let desk = Desk::new();
    let mut layout = Layout::new(&desk.path("x"));
    let layer = layout.layer(Packed::Not, &[("x", &vec![1; 100_000])]);
    let image = layout.image("arm64", &[layer]);
    layout.add(Some(NAME), image);
    let path = desk.path("x.tar");
    layout.archive(&path);
    let whole = fs::read(&path).unwrap();
    for tenth in 0..10 {
        fs::write(&path, &whole[..whole.len() * tenth / 10]).unwrap();
        let result = bundle_of(&desk, &[local(&path, None)], Arch::Aarch64);
        let said = chain(&result.expect_err("an archive that is cut off"));
        assert!(said.contains("x.tar"), "{said}");
    }
    let nothing = "neither an archive of docker save";
    for (what, bytes, why) in [
        ("text", b"hello".to_vec(), "invalid archive"),
        ("zeros", vec![0; 10_240], nothing),
        ("a tar", tar(&[("a", b"b")]), nothing),
    ] {
        fs::write(&path, bytes).unwrap();
        let said = chain(&bundle_of(&desk, &[local(&path, None)], Arch::Aarch64).unwrap_err());
        assert!(said.contains(why), "{what}: {said}");
    }
}

/// Names and links that would leave the archive lead nowhere else: what they mean is looked up inside it.
#[test]
fn links_and_names_do_not_leave_an_archive() {
    let desk = Desk::new();
    let secret = desk.write("secret.json", br#"{"rootfs":{"type":"layers","diff_ids":[]}}"#);
    let path = desk.path("x.tar");
    for config in ["../secret.json", "link.json", secret.to_str().unwrap()] {
        let mut builder = tar::Builder::new(fs::File::create(&path).unwrap());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "link.json", &secret).unwrap();
        let list = json!([{"Config": config, "RepoTags": ["a.example/x:1"], "Layers": []}]).to_string();
        let mut header = tar::Header::new_ustar();
        header.set_size(list.len() as u64);
        builder.append_data(&mut header, "manifest.json", list.as_bytes()).unwrap();
        builder.finish().unwrap();
        let said = chain(&bundle_of(&desk, &[local(&path, None)], Arch::Aarch64).unwrap_err());
        assert!(said.contains("is missing"), "{config}: {said}");
    }
}

#[test]
fn two_images_of_one_name_are_refused_and_the_same_one_twice_is_fine() {
    let desk = Desk::new();
    let make = |dir: &str, content: &[u8]| {
        let mut layout = Layout::new(&desk.path(dir));
        let layer = layout.layer(Packed::Gzip, &[("x", content)]);
        let image = layout.image("arm64", &[layer]);
        layout.add(Some(NAME), image);
        local(&layout.dir, None)
    };
    let (one, same, other) = (make("a", b"1"), make("b", b"1"), make("c", b"2"));
    bundle_of(&desk, &[one.clone(), same], Arch::Aarch64).unwrap();
    let error = bundle_of(&desk, &[one, other], Arch::Aarch64).unwrap_err().to_string();
    assert!(error.contains(NAME) && error.contains("two different images"), "{error}");
}
