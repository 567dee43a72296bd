//! What single calls promise.

use std::io::{self, Read};

use super::image::{DIR, Image, NOW, PLAIN, noise, path};
use crate::fs::{Entry, FileSystem, FsError, Kind};

fn image() -> Image {
    Image::new(32, &["-b", "4096"])
}

#[test]
fn finishing_without_edits_changes_no_byte() {
    let image = image();
    let before = image.bytes();
    image.edit(|_| {});
    assert!(image.bytes() == before);
}

#[test]
fn links_in_the_middle_are_followed_and_at_the_end_replaced() {
    let image = image();
    image.edit(|fs| {
        assert_eq!(fs.resolve(&path("/etc/os-release")).unwrap(), path("/usr/lib/os-release"));
        assert_eq!(fs.resolve(&path("/lib/new/x")).unwrap(), path("/usr/lib/new/x"));
        assert!(matches!(fs.resolve(&path("/etc/escape")), Err(FsError::BadPath { .. })));
        let behind = fs.read(&path("/usr/lib/os-release"), 1000).unwrap();
        assert!(
            matches!(fs.read(&path("/etc/os-release"), 1000), Err(FsError::BadPath { .. })),
            "not followed"
        );
        fs.write(&path("/etc/os-release"), &mut b"own".as_slice(), PLAIN).unwrap();
        assert_eq!(fs.stat(&path("/etc/os-release")).unwrap().unwrap().kind, Kind::File);
        assert_eq!(fs.read(&path("/usr/lib/os-release"), 1000).unwrap(), behind);
        fs.create_dirs(&path("/var/run/made/deep"), DIR).unwrap();
        assert_eq!(fs.stat(&path("/run/made/deep")).unwrap().unwrap().kind, Kind::Dir);
    });
}

#[test]
fn the_wrong_kind_or_place_is_refused() {
    let image = image();
    image.edit(|fs| {
        let write = |at| fs.write(&path(at), &mut b"x".as_slice(), PLAIN).unwrap_err();
        assert!(matches!(write("/no/such/directory"), FsError::NotFound { path } if path == "/no/such"));
        assert!(matches!(write("/etc"), FsError::BadPath { .. }));
        assert!(matches!(write("/"), FsError::BadPath { .. }));
        assert!(matches!(write("/etc/hostname/x"), FsError::BadPath { .. }));
        assert!(matches!(fs.remove(&path("/etc")), Err(FsError::BadPath { .. })));
        assert!(matches!(fs.remove(&path("/etc/nothing")), Err(FsError::NotFound { .. })));
        assert!(matches!(fs.symlink(&path("/etc"), "x", PLAIN), Err(FsError::BadPath { .. })));
        assert!(matches!(fs.symlink(&path("/etc/x"), "", PLAIN), Err(FsError::BadPath { .. })));
        assert!(matches!(
            fs.symlink(&path("/etc/x"), &"x".repeat(5000), PLAIN),
            Err(FsError::BadPath { .. })
        ));
        assert!(matches!(fs.create_dirs(&path("/etc/hostname"), DIR), Err(FsError::BadPath { .. })));
        assert!(matches!(fs.list(&path("/etc/hostname")), Err(FsError::BadPath { .. })));
        assert!(matches!(fs.read(&path("/etc"), 9), Err(FsError::BadPath { .. })));
        assert!(
            matches!(fs.read(&path("/etc/hostname"), 11), Err(FsError::BadPath { .. })),
            "over the limit"
        );
        assert!(matches!(fs.read_link(&path("/etc/hostname")), Err(FsError::BadPath { .. })));
        assert!(matches!(fs.set_attributes(&path("/x"), PLAIN), Err(FsError::NotFound { .. })));
        assert_eq!(fs.stat(&path("/etc/nothing/at/all")).unwrap(), None);
    });
}

#[test]
fn dirs_that_exist_are_left_as_they_are() {
    let image = image();
    let before = image.stat("/usr/lib");
    image.edit(|fs| fs.create_dirs(&path("/lib"), crate::fs::Attributes { uid: 9, ..DIR }).unwrap());
    assert_eq!(image.stat("/usr/lib"), before);
}

#[test]
fn a_dir_is_listed_sorted_with_kinds() {
    let fs = image().try_open(false).unwrap();
    let listed = fs.list(&path("/etc")).unwrap();
    let want = [
        ("empty", Kind::File),
        ("escape", Kind::Symlink),
        ("hard", Kind::File),
        ("hostname", Kind::File),
        ("long-link", Kind::Symlink),
        ("os-release", Kind::Symlink),
        ("systemd", Kind::Dir),
    ];
    assert_eq!(listed, want.map(|(name, kind)| Entry { name: name.to_owned(), kind }));
    assert_eq!(fs.list(&path("/run")).unwrap()[0].kind, Kind::Special);
}

#[test]
fn a_reader_that_fails_leaves_no_file() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("the source broke"));
            }
            let count = buffer.len().min(self.0);
            buffer[..count].fill(7);
            self.0 -= count;
            Ok(count)
        }
    }
    let image = image();
    let tree = image.tree();
    image.edit(|fs| {
        let error = fs.write(&path("/etc/new"), &mut Failing((4 << 20) + 1), PLAIN).unwrap_err();
        assert!(matches!(&error, FsError::Io { what, .. } if what.contains("/etc/new")), "{error:?}");
    });
    assert!(image.tree() == tree);
}

/// The crate would send every byte through the journal too.
#[test]
fn the_journal_is_not_written() {
    let image = image();
    let blocks = image.debugfs("blocks <8>");
    let blocks: Vec<u64> =
        blocks.lines().last().unwrap().split_whitespace().map(|b| b.parse().unwrap()).collect();
    assert!(blocks.len() >= 1024);
    let journal = || blocks.iter().flat_map(|b| image.partition_bytes(b * 4096, 4096)).collect::<Vec<_>>();
    let before = journal();
    image.edit(|fs| {
        fs.write(&path("/etc/new"), &mut noise(1 << 20, 1).as_slice(), PLAIN).unwrap();
    });
    assert!(journal() == before);
}

#[test]
fn new_inodes_have_the_given_times() {
    let image = image();
    image.edit(|fs| {
        fs.write(&path("/etc/new"), &mut b"x".as_slice(), PLAIN).unwrap();
    });
    let said = image.debugfs("stat /etc/new");
    let hex = |time: i64| format!("0x{time:08x}:00000000");
    for line in [
        format!("ctime: {}", hex(NOW)),
        format!("crtime: {}", hex(NOW)),
        format!("atime: {}", hex(PLAIN.mtime)),
    ] {
        assert!(said.contains(&line), "{line} is missing in {said}");
    }
}

/// The crate's call for whole files wants one free run, and fails above 128 MiB.
#[test]
fn a_file_larger_than_any_free_run_is_written() {
    let image = Image::new(300, &[]);
    let size = 150 << 20;
    image.edit(|fs| {
        let mut content = io::repeat(0x5C).take(size);
        assert_eq!(fs.write(&path("/usr/bin/k3s"), &mut content, PLAIN).unwrap(), size);
        struct Count(u64);
        impl io::Write for Count {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                assert!(bytes.iter().all(|byte| *byte == 0x5C));
                self.0 += bytes.len() as u64;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut count = Count(0);
        assert_eq!(fs.copy_to(&path("/usr/bin/k3s"), &mut count).unwrap(), size);
        assert_eq!(count.0, size);
    });
}

/// The crate searches a directory from its beginning for each new name; what it makes of it must stay sound.
#[test]
fn a_dir_of_many_files_stays_sound() {
    let image = image();
    image.edit(|fs| {
        fs.create_dirs(&path("/opt"), DIR).unwrap();
        for number in 0..1500 {
            fs.write(&path(&format!("/opt/a-name-of-usual-length-{number}")), &mut b"x".as_slice(), PLAIN)
                .unwrap();
        }
        assert_eq!(fs.list(&path("/opt")).unwrap().len(), 1500);
    });
}
