//! Local base images, packed by the real packers.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hcimage::progress::Silent;
use hcimage::source::base::{BaseSource, UnpackedBase, obtain};
use hcimage::source::copy::copy_image;
use hcimage::source::digest::Sha256Digest;
use hcimage::source::{Class, SourceError};

use crate::desk::{Desk, image, pack};

fn from_file(desk: &Desk, path: PathBuf) -> Result<UnpackedBase, SourceError> {
    obtain(&desk.tools(), &BaseSource::File(path), "base.test", &mut desk.lock())
}

#[test]
fn every_packing_gives_the_image_back() {
    let bytes = image(6 << 20);
    let half = bytes.len() / 2 + 12_345;
    let xz = |arguments: &[&str]| pack("xz", arguments, &bytes);
    let streams = |program, padding: &[u8]| {
        [&pack(program, &["-c"], &bytes[..half])[..], padding, &pack(program, &["-c"], &bytes[half..])]
            .concat()
    };
    let packed = [
        ("single block", xz(&["-T1", "-c"])),
        ("blocks", xz(&["-T2", "--block-size=1MiB", "-c"])),
        ("blocks without sizes", xz(&["-T1", "--block-size=1MiB", "-c"])),
        ("no check", xz(&["-C", "none", "-c"])),
        ("sha256 check", xz(&["-T2", "--block-size=512KiB", "-C", "sha256", "-c"])),
        ("best", xz(&["-9e", "-c"])),
        ("two streams", streams("xz", &[])),
        ("two streams with padding", streams("xz", &[0; 8])),
        ("padding at the end", [xz(&["-T2", "--block-size=1MiB", "-c"]), vec![0; 12]].concat()),
        ("gzip", pack("gzip", &["-c"], &bytes)),
        ("two gzip members", streams("gzip", &[])),
        ("zstd", pack("zstd", &["-q", "-c"], &bytes)),
        ("two zstd frames", streams("zstd", &[])),
    ];
    for (case, packed) in packed {
        let desk = Desk::new();
        // The name says nothing: the bytes do.
        let path = desk.write("x.img", &packed);
        let base = from_file(&desk, path).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert!(std::fs::read(&base.image).unwrap() == bytes, "{case}");
        let metadata = std::fs::metadata(&base.image).unwrap();
        assert_eq!((base.size, base.sha256), (metadata.len(), Some(Sha256Digest::of(&packed))), "{case}");
        assert!(metadata.blocks() * 512 < base.size, "{case}: no holes");
        assert!(metadata.permissions().readonly(), "{case}");
        assert_eq!(desk.cached().len(), 1, "{case}: {:?}", desk.cached());
    }
}

#[test]
fn a_raw_image_is_used_in_place() {
    let desk = Desk::new();
    let path = desk.write("x.img", image(1 << 20));
    let base = from_file(&desk, path.clone()).unwrap();
    let expected = UnpackedBase { image: path, size: 1 << 20, name: "x.img".into(), sha256: None, url: None };
    assert_eq!(base, expected);
    assert!(desk.cached().is_empty());
}

#[test]
fn an_image_is_unpacked_once_and_again_where_it_was_cut_off() {
    let (desk, bytes) = (Desk::new(), image(1 << 20));
    let path = desk.write("x.img.xz", pack("xz", &["-c"], &bytes));
    let first = from_file(&desk, path.clone()).unwrap();
    let inode = |base: &UnpackedBase| std::fs::metadata(&base.image).unwrap().ino();
    let before = inode(&first);
    assert_eq!(inode(&from_file(&desk, path.clone()).unwrap()), before);
    let cut = std::fs::read(&first.image).unwrap()[..100_000].to_vec();
    std::fs::remove_file(&first.image).unwrap();
    std::fs::write(&first.image, cut).unwrap();
    let again = from_file(&desk, path).unwrap();
    assert!(std::fs::read(&again.image).unwrap() == bytes);
}

#[test]
fn a_checksum_file_beside_it_must_agree() {
    let desk = Desk::new();
    for (name, bytes) in [("x.img", image(1 << 20)), ("x.img.xz", pack("xz", &["-c"], &image(1 << 20)))] {
        let path = desk.write(name, &bytes);
        let sums = desk.write(&format!("{name}.sha256"), format!("{}  {name}\n", Sha256Digest::of(&bytes)));
        assert_eq!(from_file(&desk, path.clone()).unwrap().sha256, Some(Sha256Digest::of(&bytes)));
        std::fs::write(&sums, format!("{}  {name}\n", Sha256Digest::of(b"other"))).unwrap();
        let error = from_file(&desk, path.clone()).unwrap_err();
        assert!(matches!(error, SourceError::WrongDigest(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("{name}.sha256")), "{error}");
        std::fs::write(&sums, format!("{}  other.img\n", Sha256Digest::of(&bytes))).unwrap();
        assert_eq!(from_file(&desk, path).unwrap_err().class(), Class::Unverified);
    }
}

#[test]
fn damaged_files_are_refused_with_name_and_place() {
    let bytes = image(4 << 20);
    for (program, arguments) in [
        ("xz", &["-T1", "-c"][..]),
        ("xz", &["-T2", "--block-size=1MiB", "-c"]),
        ("gzip", &["-c"]),
        ("zstd", &["-q", "-c"]),
    ] {
        let packed = pack(program, arguments, &bytes);
        let middle = packed.len() / 2;
        let mut flipped = packed.clone();
        flipped[middle] ^= 0x55;
        let cases = [
            ("cut in the middle", packed[..middle].to_vec()),
            ("cut at the end", packed[..packed.len() - 2].to_vec()),
            ("one byte changed", flipped),
            ("rubbish behind", [&packed[..], b"rubbish"].concat()),
        ];
        for (case, packed) in cases {
            let desk = Desk::new();
            let path = desk.write("bad.img", packed);
            let error =
                from_file(&desk, path).map(drop).expect_err(&format!("{program} {arguments:?}: {case}"));
            assert!(matches!(error, SourceError::Damaged { .. }), "{program}: {case}: {error:?}");
            assert_eq!(error.class(), Class::Unverified);
            assert!(error.to_string().contains("bad.img"), "{error}");
            assert!(desk.cached().is_empty(), "{program}: {case}: {:?}", desk.cached());
        }
    }
}

#[test]
fn what_we_do_not_unpack_is_refused_by_name() {
    let desk = Desk::new();
    for (bytes, name) in
        [(&b"PK\x03\x04rest"[..], "a zip archive"), (b"BZh9rest", "a bzip2 file"), (b"", "an empty file")]
    {
        let error = from_file(&desk, desk.write("x", bytes)).unwrap_err();
        assert_eq!(error.class(), Class::Unsupported);
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = from_file(&desk, desk.path("absent.img")).unwrap_err();
    assert!(error.to_string().contains("absent.img"), "{error}");
    let error = from_file(&desk, desk.folder.path().to_owned()).unwrap_err();
    assert!(error.to_string().contains("a folder"), "{error}");
}

#[test]
fn an_interrupt_leaves_no_half_image() {
    for arguments in [&["-T1", "-c"][..], &["-T2", "--block-size=1MiB", "-c"]] {
        let desk = Desk::new();
        let path = desk.write("x.img.xz", pack("xz", arguments, &image(4 << 20)));
        let sums = AfterVerifying(desk.interrupt.clone());
        let tools = hcimage::source::Tools { progress: &sums, ..desk.tools() };
        let error = obtain(&tools, &BaseSource::File(path), "base.test", &mut desk.lock()).unwrap_err();
        assert!(matches!(error, SourceError::Interrupted(_)), "{error:?}");
        assert!(desk.cached().is_empty(), "{:?}", desk.cached());
    }
}

/// Raises the interrupt as soon as the unpacking begins.
struct AfterVerifying(hcimage::interrupt::Interrupt);

impl hcimage::progress::Progress for AfterVerifying {
    fn start(&self, what: &str, _total: Option<u64>) -> Box<dyn hcimage::progress::Task> {
        if what.starts_with("unpacking") {
            self.0.raise();
        }
        Box::new(Silent)
    }
}

#[test]
fn two_builds_at_once_unpack_one_image() {
    let (desk, bytes) = (Desk::new(), image(4 << 20));
    let path = desk.write("x.img.xz", pack("xz", &["-c"], &bytes));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let base = from_file(&desk, path.clone()).unwrap();
                assert!(std::fs::read(base.image).unwrap() == bytes);
            });
        }
    });
    assert_eq!(desk.cached().len(), 1);
}

#[test]
fn a_copy_has_the_same_bytes_and_keeps_the_holes() {
    let (desk, bytes) = (Desk::new(), image(6 << 20));
    let sparse = from_file(&desk, desk.write("x.img.xz", pack("xz", &["-c"], &bytes))).unwrap().image;
    let dense = desk.write("dense.img", &bytes);
    let all_hole = desk.path("hole.img");
    std::fs::File::create(&all_hole).unwrap().set_len(1 << 20).unwrap();
    for (index, source) in [sparse, dense, all_hole, desk.write("empty.img", "")].iter().enumerate() {
        let target_path = desk.path(&format!("copy-{index}"));
        let target = std::fs::File::create_new(&target_path).unwrap();
        copy_image(desk.tools().progress, desk.tools().interrupt, "copying", source, &target, &target_path)
            .unwrap();
        assert!(std::fs::read(source).unwrap() == std::fs::read(&target_path).unwrap(), "{source:?}");
        let blocks = |path| std::fs::metadata(path).unwrap().blocks();
        assert!(blocks(&target_path) <= blocks(source), "{source:?}");
    }
}

#[test]
fn a_copy_to_another_file_system_works_too() {
    let (desk, bytes) = (Desk::new(), image(2 << 20));
    let source = desk.write("x.img", &bytes);
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let target_path = folder.path().join("copy.img");
    let target = std::fs::File::create_new(&target_path).unwrap();
    copy_image(desk.tools().progress, desk.tools().interrupt, "copying", &source, &target, &target_path)
        .unwrap();
    assert!(std::fs::read(&target_path).unwrap() == bytes);
}
