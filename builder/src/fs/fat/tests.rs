//! Volumes made by mkfs.vfat and mtools, edited here, checked by fsck.fat and mtools.

mod judged;
mod taken;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::layout::{Layout, Width};
use super::{FatFs, FatOptions};
use crate::disk::Window;
use crate::disk::testkit::{Scratch, run, text, tool};
use crate::fs::{Attributes, FileSystem, FsError, ImagePath, Kind, Result};

const MIB: u64 = 1 << 20;
/// 2026-01-02 03:04:06, an even second.
const TIME: i64 = 1_767_323_046;

/// Width, size and sectors per cluster of every kind of volume that the tests go through.
const VOLUMES: [(&str, u64, &str); 7] = [
    ("12", MIB, "1"),
    ("12", 4 * MIB, "4"),
    ("16", 8 * MIB, "1"),
    ("16", 32 * MIB, "4"),
    ("32", 40 * MIB, "1"),
    ("32", 256 * MIB, "1"),
    ("32", 512 * MIB, "8"),
];

fn volume((width, size, cluster): (&str, u64, &str)) -> Scratch {
    let scratch = Scratch::sized(size);
    let path = scratch.path();
    let options = ["--invariant", "-n", "bootfs", "-F", width, "-s", cluster, text(&path)];
    tool("dosfstools", "mkfs.vfat", &options, "");
    scratch
}

/// A volume with what a boot partition has, put there by mtools.
fn filled(kind: (&str, u64, &str)) -> Scratch {
    let scratch = volume(kind);
    fill(&scratch);
    scratch
}

fn fill(scratch: &Scratch) {
    if is_small_32(scratch) {
        return fill_here(scratch);
    }
    let put = |name: &str, content: &[u8]| {
        fs::write(scratch.beside("content"), content).unwrap();
        let target = format!("::{name}");
        mtools(scratch, "mcopy", &[text(&scratch.beside("content")), &target]);
    };
    put("cmdline.txt", b"console=tty1 root=PARTUUID=1234abcd-02 rootwait\n");
    put("CONFIG.TXT", b"[all]\n");
    put("a name that is long enough.conf", &[b'x'; 5000]);
    put("empty", b"");
    mtools(scratch, "mmd", &["::overlays"]);
    put("overlays/disable-bt.dtbo", &[0xd0; 70_000]);
    put("overlays/README", b"overlays\n");
}

/// Whether mtools would take it for something else.
fn is_small_32(scratch: &Scratch) -> bool {
    let layout = Layout::read(&scratch.window()).unwrap();
    layout.width == Width::Fat32 && layout.clusters < 65_525
}

/// The same, for what mtools cannot write.
fn fill_here(scratch: &Scratch) {
    let fs = open(scratch);
    fs.create_dirs(&path("/overlays"), attributes()).unwrap();
    for (name, content) in [
        ("/cmdline.txt", &b"console=tty1 root=PARTUUID=1234abcd-02 rootwait\n"[..]),
        ("/CONFIG.TXT", b"[all]\n"),
        ("/a name that is long enough.conf", &[b'x'; 5000]),
        ("/empty", b""),
        ("/overlays/disable-bt.dtbo", &[0xd0; 70_000]),
        ("/overlays/README", b"overlays\n"),
    ] {
        write(&fs, name, content).unwrap();
    }
    fs.finish().unwrap();
    assert_clean(scratch);
}

fn mtools(scratch: &Scratch, name: &str, arguments: &[&str]) -> String {
    let image = scratch.path();
    tool("mtools", name, &[&["-i", text(&image)], arguments].concat(), "")
}

fn try_open(scratch: &Scratch) -> Result<Box<FatFs>> {
    FatFs::open(scratch.window(), FatOptions { mtime: TIME }).map(Box::new)
}

fn open(scratch: &Scratch) -> Box<FatFs> {
    try_open(scratch).unwrap()
}

fn path(text: &str) -> ImagePath {
    ImagePath::parse(text).unwrap()
}

fn attributes() -> Attributes {
    Attributes { mode: 0o644, uid: 0, gid: 0, mtime: TIME }
}

fn write(fs: &FatFs, name: &str, mut content: &[u8]) -> Result<u64> {
    fs.write(&path(name), &mut content, attributes())
}

fn content(fs: &FatFs, name: &str) -> Vec<u8> {
    fs.read(&path(name), u64::MAX).unwrap()
}

fn assert_clean(scratch: &Scratch) {
    let output = run("dosfstools", "fsck.fat", &["-n", "-v", text(&scratch.path())], b"");
    // Not the name of the file: its random letters may be a word as well.
    let said = String::from_utf8_lossy(&output.stdout).replace(text(&scratch.path()), "image");
    assert!(output.status.success(), "{said}");
    for complaint in ["differ", "dirty", "wrong", "Bad", "Contains", "reclaim"] {
        assert!(!said.contains(complaint), "{said}");
    }
}

/// All files as 7-Zip reads them, by path: like Linux, and unlike mtools, it takes a FAT32 for one whatever its size.
fn unpacked(scratch: &Scratch) -> BTreeMap<String, Vec<u8>> {
    let target = tempfile::tempdir().unwrap();
    let into = format!("-o{}", text(target.path()));
    tool("p7zip-full", "7z", &["x", "-y", "-bd", "-tFAT", &into, text(&scratch.path())], "");
    let mut files = BTreeMap::new();
    collect(target.path(), "", &mut files);
    files
}

/// All files as mtools reads them, by path.
fn exported(scratch: &Scratch) -> BTreeMap<String, Vec<u8>> {
    if is_small_32(scratch) {
        return unpacked(scratch);
    }
    let target = tempfile::tempdir().unwrap();
    mtools(scratch, "mcopy", &["-s", "-n", "::", text(target.path())]);
    let mut files = BTreeMap::new();
    collect(target.path(), "", &mut files);
    files
}

fn collect(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &name, files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn fsck_fat_reports_damage() {
    let scratch = volume(VOLUMES[4]);
    scratch.window().write_all_at(&[1], 0x41).unwrap();
    let output = run("dosfstools", "fsck.fat", &["-n", text(&scratch.path())], b"");
    assert!(!output.status.success() || String::from_utf8_lossy(&output.stdout).contains("Dirty"));
}

/// Why `volume` fixes directories and `names` refuses a leading dot. When this fails after an upgrade of `fatfs`,
/// these can go.
#[test]
fn fatfs_alone_leaves_damage() {
    for make in [
        |root: fatfs::Dir<'_, _>| root.create_dir("folder").map(drop),
        |root: fatfs::Dir<'_, _>| root.create_file(".ssh").map(drop),
    ] {
        let scratch = volume(VOLUMES[4]);
        let raw = fatfs::FileSystem::new(scratch.window().cursor(), fatfs::FsOptions::new()).unwrap();
        make(raw.root_dir()).unwrap();
        raw.unmount().unwrap();
        let output = run("dosfstools", "fsck.fat", &["-n", text(&scratch.path())], b"");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Bad short file name") || said.contains("Expected a valid"), "{said}");
    }
}

#[test]
fn reads_what_mtools_wrote_without_writing() {
    for kind in VOLUMES {
        let scratch = filled(kind);
        // Opened for reading only, so that a write would fail.
        let window = Window::whole(Arc::new(fs::File::open(scratch.path()).unwrap())).unwrap();
        let fs = Box::new(FatFs::open(window, FatOptions { mtime: TIME }).unwrap());
        let names: Vec<_> =
            fs.list(&ImagePath::root()).unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        let want = [
            ("CONFIG.TXT", Kind::File),
            ("a name that is long enough.conf", Kind::File),
            ("cmdline.txt", Kind::File),
            ("empty", Kind::File),
            ("overlays", Kind::Dir),
        ];
        assert_eq!(names, want.map(|(name, kind)| (name.to_owned(), kind)));
        assert_eq!(content(&fs, "/config.txt"), b"[all]\n");
        assert_eq!(content(&fs, "/Overlays/Disable-BT.dtbo"), vec![0xd0; 70_000]);
        assert_eq!(content(&fs, "/empty"), b"");
        assert_eq!(fs.stat(&path("/nothing/here")).unwrap(), None);
        assert_eq!(fs.stat(&path("/cmdline.txt/x")).unwrap(), None);
        assert!(matches!(fs.read(&path("/config.txt"), 3), Err(FsError::BadPath { .. })));
        fs.finish().unwrap();
    }
}

#[test]
fn edits_are_clean_and_change_nothing_else() {
    for kind in VOLUMES {
        let scratch = filled(kind);
        let mut want = exported(&scratch);
        let fs = open(&scratch);
        let long = format!("/{}", "l".repeat(255));
        let large: Vec<u8> = (0..150_000_u32).flat_map(u32::to_le_bytes).take(250_000).collect();
        for (name, stored, bytes) in [
            ("/CMDLINE.TXT", "/cmdline.txt", b"shorter\n".as_slice()),
            ("/config.txt", "/CONFIG.TXT", &[b'#'; 9000]),
            ("/empty", "/empty", b"no longer"),
            ("/overlays/README", "/overlays/README", b""),
            ("/hcimage-status.txt", "/hcimage-status.txt", b"new\n"),
            (&long, &long, b"long name"),
            ("/ssh", "/ssh", b""),
            ("/Ünïcode näme.txt", "/Ünïcode näme.txt", b"u"),
            ("/overlays/large", "/overlays/large", &large),
        ] {
            assert_eq!(write(&fs, name, bytes).unwrap(), bytes.len() as u64);
            assert_eq!(content(&fs, name), bytes);
            assert_clean(&scratch);
            want.insert(stored.to_owned(), bytes.to_vec());
        }
        fs.remove(&path("/a name that is long enough.conf")).unwrap();
        want.remove("/a name that is long enough.conf");
        fs.create_dirs(&path("/one/Two with a long name/three"), attributes()).unwrap();
        assert_clean(&scratch);
        write(&fs, "/one/two WITH a long name/three/file", b"deep").unwrap();
        want.insert("/one/Two with a long name/three/file".to_owned(), b"deep".to_vec());
        fs.create_dirs(&path("/one"), attributes()).unwrap();
        fs.finish().unwrap();
        assert_clean(&scratch);
        assert!(exported(&scratch) == want, "{kind:?}");
    }
}

#[test]
fn the_same_edits_leave_the_same_bytes() {
    for kind in [VOLUMES[1], VOLUMES[3], VOLUMES[4]] {
        let images = [filled(kind), filled(kind)];
        // mtools stamps its own time, so both begin from one image.
        fs::copy(images[0].path(), images[1].path()).unwrap();
        let bytes = images.map(|scratch| {
            let fs = open(&scratch);
            write(&fs, "/cmdline.txt", b"same\n").unwrap();
            fs.create_dirs(&path("/a/b"), attributes()).unwrap();
            write(&fs, "/a/b/c", &[3; 10_000]).unwrap();
            fs.remove(&path("/empty")).unwrap();
            fs.finish().unwrap();
            fs::read(scratch.path()).unwrap()
        });
        assert!(bytes[0] == bytes[1]);
    }
}

#[test]
fn files_have_the_given_times() {
    let scratch = filled(VOLUMES[4]);
    let fs = open(&scratch);
    write(&fs, "/new.txt", b"x").unwrap();
    write(&fs, "/empty", b"").unwrap();
    fs.create_dirs(&path("/directory"), attributes()).unwrap();
    for name in ["/new.txt", "/empty", "/directory"] {
        assert_eq!(fs.stat(&path(name)).unwrap().unwrap().attributes.mtime, TIME, "{name}");
    }
    let listing = mtools(&scratch, "mdir", &["-a", "::"]);
    for name in ["new      txt", "empty", "folder"] {
        let line = listing.lines().find(|line| line.starts_with(name)).unwrap_or(&listing);
        assert!(line.contains("2026-01-02   3:04"), "{line}");
    }
    fs.set_attributes(&path("/directory"), Attributes { mtime: 0, ..attributes() }).unwrap();
    assert_eq!(fs.stat(&path("/directory")).unwrap().unwrap().attributes.mtime, 315_532_800);
    fs.finish().unwrap();
    assert_clean(&scratch);
}

#[test]
fn refusals_name_the_reason_and_change_nothing() {
    let scratch = filled(VOLUMES[4]);
    let before = fs::read(scratch.path()).unwrap();
    let fs = open(&scratch);
    let link = fs.symlink(&path("/link"), "target", attributes()).unwrap_err();
    assert_eq!(link.to_string(), "symbolic links on FAT is not supported");
    for name in ["/.ssh", "/a:b", "/end.", "/end ", "/tab\tbed", "/what?"] {
        let error = write(&fs, name, b"").unwrap_err().to_string();
        assert!(error.contains("FAT cannot hold a name"), "{error}");
    }
    for (error, want) in [
        (write(&fs, "/overlays", b"").unwrap_err(), "/overlays: is a directory"),
        (write(&fs, "/", b"").unwrap_err(), "/: is a directory"),
        (write(&fs, "/no/file", b"").unwrap_err(), "/no: not found"),
        (write(&fs, "/empty/file", b"").unwrap_err(), "/empty: is not a directory"),
        (fs.create_dirs(&path("/empty/x"), attributes()).unwrap_err(), "/empty: is not a directory"),
        (fs.remove(&path("/overlays")).unwrap_err(), "/overlays: is a directory"),
        (fs.remove(&path("/no")).unwrap_err(), "/no: not found"),
        (fs.list(&path("/empty")).unwrap_err(), "/empty: is not a directory"),
        (fs.read_link(&path("/empty")).unwrap_err(), "/empty: is not a symbolic link"),
        (fs.read(&path("/overlays"), 9).unwrap_err(), "/overlays: is a directory"),
    ] {
        assert_eq!(error.to_string(), want);
    }
    let mut broken = (&b"half"[..]).chain(Broken);
    let error = fs.write(&path("/cmdline.txt"), &mut broken, attributes()).unwrap_err();
    assert_eq!(error.to_string(), "reading the new content of /cmdline.txt");
    fs.finish().unwrap();
    assert!(before == fs::read(scratch.path()).unwrap());
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken source"))
    }
}

#[test]
fn a_full_volume_refuses_before_it_writes() {
    for kind in [VOLUMES[0], VOLUMES[1], VOLUMES[2], VOLUMES[4]] {
        let scratch = filled(kind);
        let fs = open(&scratch);
        let free = fs.space().unwrap().bytes;
        let before = fs::read(scratch.path()).unwrap();
        let error = fs.write(&path("/big"), &mut io::repeat(1).take(free + 1), attributes()).unwrap_err();
        let want = format!("no space: /big needs {} bytes, {free} are free", free + 1);
        assert_eq!(error.to_string(), want);
        assert!(before == fs::read(scratch.path()).unwrap());

        fs.write(&path("/big"), &mut io::repeat(1).take(free), attributes()).unwrap();
        assert_eq!(fs.space().unwrap().bytes, 0);
        assert_clean(&scratch);
        let before = fs::read(scratch.path()).unwrap();
        for refused in [write(&fs, "/more", b"x"), write(&fs, "/empty", b"x")] {
            assert!(matches!(refused, Err(FsError::NoSpace { .. })), "{refused:?}");
        }
        let refused = fs.create_dirs(&path("/directory"), attributes());
        assert!(matches!(refused, Err(FsError::NoSpace { .. })), "{refused:?}");
        assert!(before == fs::read(scratch.path()).unwrap());
        // A file in place of itself needs no more than it has.
        fs.write(&path("/big"), &mut io::repeat(2).take(free), attributes()).unwrap();
        fs.finish().unwrap();
        assert_clean(&scratch);
    }
}

#[test]
fn a_full_root_dir_refuses_before_it_writes() {
    let scratch = volume(VOLUMES[1]);
    let fs = open(&scratch);
    let refused = (0..600).find_map(|n| write(&fs, &format!("/file number {n}"), b"").err());
    let error = refused.unwrap().to_string();
    assert!(error.contains("the root directory, for the name /file number"), "{error}");
    assert_clean(&scratch);
    fs.remove(&path("/file number 7")).unwrap();
    write(&fs, "/file number X", b"fits").unwrap();
    fs.finish().unwrap();
    assert_clean(&scratch);
}

#[test]
fn a_full_directory_grows() {
    let scratch = volume(VOLUMES[4]);
    let fs = open(&scratch);
    fs.create_dirs(&path("/many"), attributes()).unwrap();
    for n in 0..60 {
        write(&fs, &format!("/many/a rather long name, number {n}"), &[1; 600]).unwrap();
    }
    assert_eq!(fs.list(&path("/many")).unwrap().len(), 60);
    fs.finish().unwrap();
    assert_clean(&scratch);
    assert_eq!(exported(&scratch).len(), 60);
}

#[test]
fn a_wrong_hint_is_corrected() {
    for hint in [5_u32, 0xffff_ffff, 0] {
        let scratch = filled(VOLUMES[4]);
        let free = open(&scratch).space().unwrap();
        scratch.window().write_all_at(&hint.to_le_bytes(), 512 + 488).unwrap();
        let fs = open(&scratch);
        assert_eq!(fs.space().unwrap(), free);
        write(&fs, "/new", b"x").unwrap();
        fs.finish().unwrap();
        assert_clean(&scratch);
    }
}

/// First byte of the table, and the place of the entry of `cluster`, on the 40 MiB FAT32.
fn entry(cluster: u64) -> u64 {
    32 * 512 + cluster * 4
}

fn refused(change: impl Fn(&Scratch)) -> FsError {
    let scratch = filled(VOLUMES[4]);
    change(&scratch);
    try_open(&scratch).map(drop).unwrap_err()
}

/// Writes one entry into both copies of the table.
fn link(scratch: &Scratch, cluster: u64, value: u32) {
    let window = scratch.window();
    let mut per_fat = [0; 4];
    window.read_exact_at(&mut per_fat, 36).unwrap();
    let second = u64::from(u32::from_le_bytes(per_fat)) * 512;
    for copy in [0, second] {
        window.write_all_at(&value.to_le_bytes(), entry(cluster) + copy).unwrap();
    }
}

#[test]
fn dirty_volumes_are_refused_with_the_fix() {
    for error in
        [refused(|s| s.window().write_all_at(&[1], 0x41).unwrap()), refused(|s| link(s, 1, 0x07ff_ffff))]
    {
        assert!(matches!(error, FsError::Dirty { .. }), "{error}");
        assert!(error.to_string().contains("fsck.fat -a"));
    }
}

/// The slots of the directory `overlays`.
fn overlays(scratch: &Scratch) -> u64 {
    Layout::read(&scratch.window()).unwrap().place(15).unwrap()
}

#[test]
fn damage_is_refused_by_name() {
    let last = 0x0fff_ffff;
    // Clusters: 2 root, then cmdline.txt, CONFIG.TXT, the long name's 10, overlays, its files.
    for (error, want) in [
        (refused(|s| s.window().write_all_at(&[9], entry(100)).unwrap()), "copies of the FAT differ"),
        (refused(|s| link(s, 2, 2)), "has two owners"),
        (refused(|s| link(s, 6, 5)), "has two owners"),
        (refused(|s| link(s, 6, 3)), "has two owners"),
        (refused(|s| link(s, 6, 0x0800_0000)), "which does not exist"),
        (refused(|s| link(s, 3, 0)), "leads to the free cluster 3"),
        (refused(|s| link(s, 3, 0x0fff_fff7)), "leads to the bad cluster 3"),
        (refused(|s| link(s, 6, last)), "its size needs 10"),
        (refused(|s| link(s, 60_000, last)), "cluster 60000 is used, but by no file"),
        (refused(|s| s.window().write_all_at(&[9], overlays(s) + 26).unwrap()), "`.` of /OVERLAYS leads"),
        (
            refused(|s| s.window().write_all_at(&[9], overlays(s) + 32 + 26).unwrap()),
            "`..` of /OVERLAYS leads",
        ),
        (refused(|s| s.window().write_all_at(b"x", overlays(s) + 480).unwrap()), "its end"),
        (refused(|s| s.window().write_all_at(&[3], 13).unwrap()), "impossible sizes"),
        (refused(|s| s.window().write_all_at(&[0xff; 4], 32).unwrap()), "its partition has"),
        (refused(|s| s.window().write_all_at(&[1, 0, 0, 0], 36).unwrap()), "the FAT"),
        (refused(|s| s.window().write_all_at(&[0xff; 4], 44).unwrap()), "which does not exist"),
        (refused(|s| s.window().write_all_at(&[0; 512], 0).unwrap()), "not a FAT boot sector"),
    ] {
        assert!(error.to_string().contains(want), "{error}");
    }
}

#[test]
fn mutated_volumes_never_panic_or_hang() {
    let seeds = [VOLUMES[0], VOLUMES[1]].map(|kind| fs::read(filled(kind).path()).unwrap());
    let place = prop_oneof![0..64_usize, 512..700_usize, 512..64_usize << 10];
    let patches = prop::collection::vec((place, any::<u8>()), 1..6);
    proptest!(ProptestConfig::with_cases(400), |(which in 0..2_usize, patches in patches, both in any::<bool>())| {
        let mut image = seeds[which].clone();
        let per_fat = usize::from(image[22]) * 512;
        for (place, byte) in patches {
            image[place] = byte;
            if both && (512..512 + per_fat).contains(&place) {
                image[place + per_fat] = byte;
            }
        }
        let scratch = Scratch::holding(&image);
        if let Ok(fs) = try_open(&scratch) {
            let _ = fs.list(&ImagePath::root());
            let _ = fs.read(&path("/overlays/disable-bt.dtbo"), MIB);
            let _ = write(&fs, "/cmdline.txt", &[1; 4000]);
            let _ = write(&fs, "/overlays/new", &[1; 4000]);
            let _ = fs.finish();
        }
    });
}

#[derive(Debug, Clone)]
enum Op {
    Write(usize, usize, u8),
    Remove(usize),
    Dirs(usize),
    Touch(usize),
}

/// Two spellings of some names stand for one file.
const FILES: [&str; 12] = [
    "/a.txt",
    "/A.TXT",
    "/A longer name for a file.txt",
    "/a LONGER name for a file.txt",
    "/long prefix 1",
    "/long prefix 2",
    "/dir/b",
    "/dir/B",
    "/dir/sub directory/ÄÖÜ",
    "/dir/sub directory/äöü",
    "/two/x",
    "/cmdline.txt",
];
const DIRS: [&str; 4] = ["/dir", "/dir/sub directory", "/two", "/DIR"];

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..FILES.len(), 0..40_000_usize, any::<u8>()).prop_map(|(f, n, b)| Op::Write(f, n, b)),
        2 => (0..FILES.len()).prop_map(Op::Remove),
        2 => (0..DIRS.len()).prop_map(Op::Dirs),
        1 => (0..FILES.len()).prop_map(Op::Touch),
    ]
}

/// What the volume should hold: upper-case path to stored path and content; none for directories.
type Model = BTreeMap<String, (String, Option<Vec<u8>>)>;

fn apply(fs: &FatFs, model: &mut Model, op: &Op) {
    let key = |name: &str| name.to_uppercase();
    match op {
        Op::Write(file, size, byte) => {
            let name = FILES[*file];
            let above = path(name).parent().unwrap();
            let bytes = vec![*byte; *size];
            let room = fs.space().unwrap().bytes;
            match write(fs, name, &bytes) {
                Ok(_) => {
                    let stored = model.get(&key(name)).map_or_else(
                        // The directory's part is as the directory is stored.
                        || match model.get(&key(above.as_str())) {
                            Some((dir, _)) => format!("{dir}/{}", path(name).name().unwrap()),
                            None => name.to_owned(),
                        },
                        |(stored, _)| stored.clone(),
                    );
                    model.insert(key(name), (stored, Some(bytes)));
                }
                Err(FsError::NoSpace { .. }) => assert!(room < 50_000),
                Err(FsError::NotFound { .. }) => assert!(!model.contains_key(&key(above.as_str()))),
                Err(other) => panic!("{op:?}: {other}"),
            }
        }
        Op::Remove(file) => match fs.remove(&path(FILES[*file])) {
            Ok(()) => assert!(model.remove(&key(FILES[*file])).is_some()),
            Err(FsError::NotFound { .. }) => assert!(!model.contains_key(&key(FILES[*file]))),
            Err(other) => panic!("{op:?}: {other}"),
        },
        Op::Dirs(dir) => match fs.create_dirs(&path(DIRS[*dir]), attributes()) {
            Ok(()) => {
                let mut stored = String::new();
                for name in path(DIRS[*dir]).components() {
                    let full = format!("{stored}/{name}");
                    stored = model.entry(key(&full)).or_insert((full, None)).0.clone();
                }
            }
            Err(FsError::NoSpace { .. }) => {}
            Err(other) => panic!("{op:?}: {other}"),
        },
        Op::Touch(file) => {
            let touched = fs.set_attributes(&path(FILES[*file]), attributes()).is_ok();
            assert_eq!(touched, model.contains_key(&key(FILES[*file])));
        }
    }
}

#[test]
fn random_edits_agree_with_a_model() {
    let kinds = [("12", 256 << 10, "1"), ("12", MIB, "4"), ("16", 8 * MIB, "1"), ("32", 40 * MIB, "1")];
    let images = kinds.map(|kind| fs::read(filled_small(kind).path()).unwrap());
    let ops = prop::collection::vec(op(), 1..40);
    proptest!(ProptestConfig::with_cases(48), |(which in 0..4_usize, ops in ops)| {
        let scratch = Scratch::holding(&images[which]);
        let fs = open(&scratch);
        let mut model = Model::new();
        let line = b"console=tty1\n".to_vec();
        model.insert("/CMDLINE.TXT".to_owned(), ("/cmdline.txt".to_owned(), Some(line)));
        for op in &ops {
            apply(&fs, &mut model, op);
        }
        fs.finish().unwrap();
        assert_clean(&scratch);
        let want: BTreeMap<_, _> =
            model.into_values().filter_map(|(name, bytes)| Some((name, bytes?))).collect();
        let fs = open(&scratch);
        for (name, bytes) in &want {
            prop_assert!(&content(&fs, name) == bytes, "{}", name);
        }
        prop_assert!(exported(&scratch) == want);
    });
}

fn filled_small(kind: (&str, u64, &str)) -> Scratch {
    let scratch = volume(kind);
    fs::write(scratch.beside("content"), b"console=tty1\n").unwrap();
    mtools(&scratch, "mcopy", &[text(&scratch.beside("content")), "::cmdline.txt"]);
    scratch
}
