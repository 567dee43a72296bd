//! Local base images, compressed by the real tools.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hcimage::exit_class::{Classified, ExitClass};
use hcimage::progress::Silent;
use hcimage::source::SourceError;
use hcimage::source::base::{BaseSource, UnpackedBase, obtain};
use hcimage::source::copy::copy_image;
use hcimage::source::digest::Sha256Digest;

use hcimage_testkit::desk::{Desk, chain, image, pack};

fn from_file(desk: &Desk, path: PathBuf) -> Result<UnpackedBase, SourceError> {
    obtain(&desk.tools(), &BaseSource::File(path), None, "base.test", &mut desk.lock())
}

fn is_unsupported(desk: &Desk, path: PathBuf, word: &str) {
    let error = from_file(desk, path).unwrap_err();
    assert_eq!(error.class(), Some(ExitClass::Unsupported), "{word}: {error}");
    assert!(error.to_string().contains(word), "{word}: {error}");
}

#[test]
fn every_compression_unpacks_to_the_image() {
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
        // The bytes decide, not the name.
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
    assert_eq!((base.image, base.size, base.name.as_str()), (path, 1 << 20, "x.img"));
    assert!(base.sha256.is_none() && base.url.is_none());
    assert!(desk.cached().is_empty());
}

#[test]
fn an_image_is_unpacked_once_and_again_if_it_was_truncated() {
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
fn a_checksum_file_beside_the_image_must_match() {
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
        assert_eq!(from_file(&desk, path).unwrap_err().class(), Some(ExitClass::BadInput));
    }
}

#[test]
fn a_damaged_file_is_an_error_with_its_name() {
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
            ("trailing bytes", [&packed[..], b"rubbish"].concat()),
        ];
        for (case, packed) in cases {
            let desk = Desk::new();
            let path = desk.write("bad.img", packed);
            let error =
                from_file(&desk, path).map(drop).expect_err(&format!("{program} {arguments:?}: {case}"));
            assert!(matches!(error, SourceError::Damaged { .. }), "{program}: {case}: {error:?}");
            assert_eq!(error.class(), Some(ExitClass::BadInput));
            assert!(error.to_string().contains("bad.img"), "{error}");
            assert!(desk.cached().is_empty(), "{program}: {case}: {:?}", desk.cached());
        }
    }
}

#[test]
fn an_unsupported_format_is_rejected_by_name() {
    let desk = Desk::new();
    is_unsupported(&desk, desk.write("x", b""), "an empty file");
    let error = from_file(&desk, desk.path("absent.img")).unwrap_err();
    assert!(error.to_string().contains("absent.img"), "{error}");
    let error = from_file(&desk, desk.dir.path().to_owned()).unwrap_err();
    assert!(chain(&error).contains("found a directory"), "{error}");
}

/// Files of other formats, by their own tools: what they are called, and the cure.
#[test]
fn other_formats_are_called_by_name_with_the_cure() {
    let bytes = image(1 << 20);
    let desk = Desk::new();
    for (program, arguments, name) in [
        ("bzip2", &["-c"][..], "a bzip2 file is not supported; unpack it with `bzip2 -dk`"),
        ("lz4", &["-c"], "an lz4 file is not supported; unpack it with `lz4 -dk`"),
        ("lz4", &["-c", "-l"], "an lz4 file"),
        ("xz", &["--format=lzma", "-c"], "an lzma file is not supported; unpack it with `lzma -dk`"),
        ("xz", &["--format=lzma", "-9e", "-c"], "an lzma file"),
    ] {
        is_unsupported(&desk, desk.write("x", pack(program, arguments, &bytes)), name);
    }
    desk.write("disk.img", &bytes);
    run(&desk, "7z", &["a", "-bd", "x.7z", "disk.img"]);
    is_unsupported(&desk, desk.path("x.7z"), "a 7z archive is not supported; unpack it with `7z x`");
}

/// Disks of other programs, by qemu-img. They are found when the table is read: the bytes may have been packed.
#[test]
fn disks_of_other_programs_are_called_by_name_with_the_cure() {
    let desk = Desk::new();
    desk.write("disk.img", image(4 << 20));
    for (format, options, name) in [
        ("vmdk", &[][..], "a VMDK image"),
        ("vmdk", &["-o", "subformat=streamOptimized"], "a VMDK image"),
        ("vmdk", &["-o", "subformat=monolithicFlat"], "the description of a VMDK image"),
        ("vmdk", &["-o", "subformat=twoGbMaxExtentSparse"], "the description of a VMDK image"),
        ("vdi", &[], "a VDI image"),
        ("vdi", &["-o", "static=on"], "a VDI image"),
        ("vhdx", &[], "a VHDX image"),
        ("vpc", &[], "a VHD image"),
        ("vpc", &["-o", "subformat=fixed"], "a VHD image"),
        ("qcow", &[], "a qcow image of version 1"),
        ("qed", &[], "a QED image"),
        ("parallels", &[], "an image of Parallels"),
    ] {
        run(
            &desk,
            "qemu-img",
            &[&["convert", "-f", "raw", "-O", format][..], options, &["disk.img", "x"]].concat(),
        );
        let found = match from_file(&desk, desk.path("x")) {
            Err(error) => chain(&error),
            Ok(base) => {
                let file = std::sync::Arc::new(std::fs::File::open(base.image).unwrap());
                let disk = hcimage::disk::Window::whole(file).unwrap();
                hcimage::disk::PartitionTable::read(&disk).unwrap_err().to_string()
            }
        };
        assert!(found.contains(name) && found.contains("qemu-img convert"), "{format} {options:?}: {found}");
        // And the cure is one.
        if format != "vpc" {
            run(&desk, "qemu-img", &["convert", "-O", "raw", "x", "raw"]);
            assert!(std::fs::read(desk.path("raw")).unwrap()[..4 << 20] == image(4 << 20), "{format}");
        }
    }
}

fn run(desk: &Desk, program: &str, arguments: &[&str]) {
    let mut command = std::process::Command::new(program);
    let output = command.current_dir(desk.dir.path()).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// How much memory is needed, how much there may be, and the cure; with more streams or frames before it, the first is known.
#[test]
fn what_needs_much_memory_says_how_much() {
    let bytes = image(1 << 20);
    let xz = |options: &[&str]| pack("xz", &[options, &["-c"]].concat(), &bytes);
    let zstd = |options: &[&str]| pack("zstd", &[options, &["-q", "-c"]].concat(), &bytes);
    for (packed, words) in [
        (xz(&["--lzma2=dict=512MiB"]), "a dictionary of 512 MiB, which must lie in memory (at most 256 MiB)"),
        (xz(&["--lzma2=dict=1536MiB"]), "a dictionary of 1536 MiB"),
        (xz(&["--arm64", "--lzma2=dict=384MiB"]), "a dictionary of 384 MiB"),
        (xz(&["--block-size=256KiB", "-T2", "--lzma2=dict=512MiB"]), "a dictionary of 512 MiB"),
        ([xz(&["-6"]), xz(&["--lzma2=dict=512MiB"])].concat(), "a dictionary of more than 256 MiB"),
        (
            zstd(&["--long=31", "--no-content-size"]),
            "a window of 2048 MiB, which must lie in memory (at most 128 MiB)",
        ),
        (zstd(&["--long=28", "--no-content-size"]), "a window of 256 MiB"),
        (
            [zstd(&["-3"]), zstd(&["--long=30", "--no-content-size"])].concat(),
            "a window of more than 128 MiB",
        ),
    ] {
        let desk = Desk::new();
        let path = desk.write("x", packed);
        let error = from_file(&desk, path).map(drop).expect_err(words);
        assert_eq!(error.class(), Some(ExitClass::Unsupported), "{words}: {error}");
        assert!(chain(&error).contains(words), "{words}: {}", chain(&error));
        assert!(
            error.to_string().contains("--memlimit=max") || error.to_string().contains("--long=31"),
            "{error}"
        );
        assert!(desk.cached().is_empty());
    }
    for packed in [
        xz(&["--lzma2=dict=192MiB"]),
        xz(&["-9e"]),
        [xz(&["-0"]), xz(&["-9"]), xz(&["-T2", "--block-size=256KiB"])].concat(),
        zstd(&["--long=27", "--no-content-size"]),
        zstd(&["--ultra", "-22"]),
        [zstd(&["--long=27", "--no-content-size"]), zstd(&["-1"])].concat(),
    ] {
        let desk = Desk::new();
        let base = from_file(&desk, desk.write("x", packed.clone())).unwrap();
        assert!(std::fs::read(base.image).unwrap().chunks(1 << 20).all(|part| part == bytes));
        let cut = from_file(&desk, desk.write("cut", &packed[..packed.len() - 3])).map(drop).unwrap_err();
        assert!(matches!(cut, SourceError::Damaged { .. }), "{cut:?}");
    }
}

#[test]
fn an_interrupt_leaves_no_partial_image() {
    for arguments in [&["-T1", "-c"][..], &["-T2", "--block-size=1MiB", "-c"]] {
        let desk = Desk::new();
        let path = desk.write("x.img.xz", pack("xz", arguments, &image(4 << 20)));
        let sums = AfterVerifying(desk.interrupt.clone());
        let tools = hcimage::source::SourceContext { progress: &sums, ..desk.tools() };
        let error = obtain(&tools, &BaseSource::File(path), None, "base.test", &mut desk.lock()).unwrap_err();
        assert!(matches!(error, SourceError::Interrupted(_)), "{error:?}");
        assert!(desk.cached().is_empty(), "{:?}", desk.cached());
    }
}

/// Raises the interrupt as soon as the unpacking begins.
struct AfterVerifying(hcimage::interrupt::Interrupt);

impl hcimage::progress::Progress for AfterVerifying {
    fn message(&self, _text: &str) {}

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
fn a_copy_to_another_file_system_has_the_same_bytes() {
    let (desk, bytes) = (Desk::new(), image(2 << 20));
    let source = desk.write("x.img", &bytes);
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let target_path = dir.path().join("copy.img");
    let target = std::fs::File::create_new(&target_path).unwrap();
    copy_image(desk.tools().progress, desk.tools().interrupt, "copying", &source, &target, &target_path)
        .unwrap();
    assert!(std::fs::read(&target_path).unwrap() == bytes);
}

/// An image in another format, by the format's own tool.
fn convert(desk: &Desk, bytes: &[u8], name: &str, options: &[&str]) -> PathBuf {
    let (raw, out) = (desk.write("raw.img", bytes), desk.path(name));
    let mut command = std::process::Command::new("qemu-img");
    command.args(["convert", "-f", "raw", "-O", "qcow2"]).args(options).arg(&raw).arg(&out);
    assert!(command.status().expect("qemu-img").success(), "{options:?}");
    std::fs::remove_file(raw).unwrap();
    out
}

#[test]
fn every_kind_of_qcow2_image_unpacks_to_the_disk() {
    // Not a multiple of any cluster size.
    let bytes = image((6 << 20) + 512);
    for options in [
        &[][..],
        &["-c"],
        &["-o", "compat=0.10"],
        &["-c", "-o", "compat=0.10"],
        &["-c", "-o", "compression_type=zstd"],
        &["-o", "cluster_size=512"],
        &["-c", "-o", "cluster_size=4096"],
        &["-c", "-o", "cluster_size=2M"],
        &["-S", "0"],
        &["-o", "preallocation=metadata"],
        &["-o", "lazy_refcounts=on,refcount_bits=64"],
    ] {
        let desk = Desk::new();
        let packed = convert(&desk, &bytes, "x.img", options);
        let base = from_file(&desk, packed).unwrap_or_else(|e| panic!("{options:?}: {e}"));
        assert!(std::fs::read(&base.image).unwrap() == bytes, "{options:?}");
    }
}

#[test]
fn an_incomplete_qcow2_image_is_rejected() {
    let bytes = image(2 << 20);
    let desk = Desk::new();
    let whole = convert(&desk, &bytes, "whole.img", &[]);
    let qemu_img = |arguments: &[&str]| {
        let mut command = std::process::Command::new("qemu-img");
        assert!(command.current_dir(desk.dir.path()).args(arguments).status().unwrap().success());
    };
    qemu_img(&["create", "-q", "-f", "qcow2", "-b", "whole.img", "-F", "qcow2", "difference.img"]);
    qemu_img(&["create", "-q", "-f", "qcow2", "-o", "extended_l2=on", "sub.img", "1M"]);
    qemu_img(&["create", "-q", "-f", "qcow2", "-o", "data_file=other.raw", "outside.img", "1M"]);
    // qemu-img measures its key derivation when it encrypts, and fails on a busy machine: the field in the header decides
    // (crypt_method at byte 32; 2 is LUKS).
    let mut locked = std::fs::read(&whole).unwrap();
    locked[32..36].copy_from_slice(&2_u32.to_be_bytes());
    desk.write("locked.img", &locked);
    for (name, word) in [
        ("difference.img", "backing file"),
        ("sub.img", "subclusters"),
        ("outside.img", "another file"),
        ("locked.img", "encrypted"),
    ] {
        is_unsupported(&desk, desk.path(name), word);
    }
    let packed = std::fs::read(&whole).unwrap();
    let cut = desk.write("cut.img", &packed[..packed.len() / 2]);
    let error = from_file(&desk, cut).unwrap_err();
    assert!(matches!(error, SourceError::Damaged { .. }), "{error:?}");
    assert!(desk.cached().is_empty(), "{:?}", desk.cached());
}

/// An archive made by Info-ZIP's zip.
fn zipped(desk: &Desk, files: &[(&str, &[u8])], options: &[&str]) -> PathBuf {
    let dir = tempfile::tempdir_in(desk.dir.path()).unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let mut command = std::process::Command::new("zip");
    command.current_dir(dir.path()).arg("-q").args(options).arg("../packed.zip");
    assert!(command.args(files.iter().map(|(name, _)| name)).status().expect("zip").success());
    desk.path("packed.zip")
}

#[test]
fn the_only_image_in_a_zip_archive_is_used() {
    let bytes = image(3 << 20);
    let files = [("README.txt", &b"text"[..]), ("x.img", &bytes[..])];
    for options in [&[][..], &["-0"], &["-9"]] {
        let desk = Desk::new();
        let base = from_file(&desk, zipped(&desk, &files, options)).unwrap();
        assert!(std::fs::read(&base.image).unwrap() == bytes, "{options:?}");
    }
    // Written as a stream, with the sizes after the data.
    let desk = Desk::new();
    let script = "import sys, zipfile\n\
                  class Pipe:\n    def write(self, b): return sys.stdout.buffer.write(b)\n    \
                  def flush(self): sys.stdout.buffer.flush()\n\
                  with zipfile.ZipFile(Pipe(), 'w', zipfile.ZIP_DEFLATED) as z:\n    \
                  z.writestr('x.img', sys.stdin.buffer.read())\n";
    let path = desk.write("streamed.zip", pack("python3", &["-c", script], &bytes));
    assert!(std::fs::read(from_file(&desk, path).unwrap().image).unwrap() == bytes);
}

/// An archive by GNU's tar; the image has holes in its own file.
fn tarred(desk: &Desk, files: &[(&str, &[u8])], options: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir_in(desk.dir.path()).unwrap();
    for (name, bytes) in files {
        let sparse = "cp --sparse=always /dev/stdin \"$0\"";
        let path = dir.path().join(name);
        assert_eq!(pack("sh", &["-c", sparse, path.to_str().unwrap()], bytes), b"");
    }
    let names = files.iter().map(|(name, _)| *name);
    let mut command = std::process::Command::new("tar");
    let output = command.current_dir(dir.path()).args(options).arg("-c").args(names).output().expect("tar");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Debian's cloud images are such archives, compressed with xz, with the name `disk.raw`.
#[test]
fn the_only_image_in_a_tar_archive_is_used() {
    let bytes = image(3 << 20);
    let files = [("README.txt", &b"text"[..]), ("disk.raw", &bytes[..]), ("SHA256SUMS", b"text")];
    for options in [
        &["--format=gnu"][..],
        &["--format=gnu", "-S"],
        &["--format=posix"],
        &["--format=ustar"],
        &["--format=v7"],
    ] {
        let desk = Desk::new();
        let archive = tarred(&desk, &files, options);
        for (packer, arguments) in
            [("cat", &[][..]), ("xz", &["-c"]), ("gzip", &["-c"]), ("zstd", &["-q", "-c"])]
        {
            let desk = Desk::new();
            let path = desk.write("x", pack(packer, arguments, &archive));
            let base = from_file(&desk, path).unwrap_or_else(|e| panic!("{packer} {options:?}: {e}"));
            assert!(std::fs::read(&base.image).unwrap() == bytes, "{packer} {options:?}");
            let blocks = std::fs::metadata(&base.image).unwrap().blocks();
            assert!(blocks * 512 < base.size, "{packer} {options:?}: no holes");
        }
    }
}

#[test]
fn a_tar_archive_without_exactly_one_intact_image_is_rejected() {
    let bytes = image(1 << 20);
    for (files, options, word) in [
        (&[("a.img", &bytes[..]), ("b.raw", &bytes[..])][..], &[][..], "2 files"),
        (&[("a.txt", &bytes[..])], &[], "0 files"),
        (&[("a.img", &bytes[..])], &["--format=posix", "-S"], "in the posix format with holes"),
    ] {
        let desk = Desk::new();
        let path = desk.write("x.tar.xz", pack("xz", &["-c"], &tarred(&desk, files, options)));
        is_unsupported(&desk, path, word);
        assert!(desk.cached().is_empty(), "{word}: {:?}", desk.cached());
    }
    let desk = Desk::new();
    let whole = tarred(&desk, &[("a.img", &bytes[..])], &["--format=gnu"]);
    let packed = pack("xz", &["-c"], &whole);
    let mut flipped = packed.clone();
    flipped[packed.len() / 2] ^= 0x40;
    for (case, archive) in [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("cut in its compressed form", packed[..packed.len() / 2].to_vec()),
        // The last bytes of xz are its index: the image has been read completely by then.
        ("cut after the image", packed[..packed.len() - 8].to_vec()),
        ("flipped", flipped),
    ] {
        let desk = Desk::new();
        let error = from_file(&desk, desk.write("x.tar", archive)).unwrap_err();
        assert!(matches!(error, SourceError::Damaged { .. }), "{case}: {error:?}");
        assert!(desk.cached().is_empty(), "{case}: {:?}", desk.cached());
    }
}

#[test]
fn a_zip_archive_without_exactly_one_intact_image_is_rejected() {
    let bytes = image(1 << 20);
    for (files, options, word) in [
        (&[("a.img", &bytes[..]), ("b.img", &bytes[..])][..], &[][..], "2 files"),
        (&[("a.txt", &bytes[..])], &[], "0 files"),
        (&[("a.img", &bytes[..])], &["-P", "secret"], "encrypted"),
        (&[("a.img", &bytes[..])], &["-Z", "bzip2"], "deflate"),
    ] {
        let desk = Desk::new();
        is_unsupported(&desk, zipped(&desk, files, options), word);
    }
    let desk = Desk::new();
    let packed = std::fs::read(zipped(&desk, &[("a.img", &bytes[..])], &[])).unwrap();
    let mut flipped = packed.clone();
    flipped[packed.len() / 2] ^= 0x55;
    for (name, packed) in [("cut.img", &packed[..packed.len() / 2]), ("flipped.img", &flipped[..])] {
        let error = from_file(&desk, desk.write(name, packed)).unwrap_err();
        assert!(matches!(error, SourceError::Damaged { .. }), "{name}: {error:?}");
    }
    assert!(desk.cached().is_empty(), "{:?}", desk.cached());
}
