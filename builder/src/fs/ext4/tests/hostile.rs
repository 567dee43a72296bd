//! Damaged images: whatever they say, we answer, in bounded time, and write only inside the partition.

use proptest::prelude::*;

use super::image::{DIR, Image, PLAIN, path};
use crate::fs::ext4::Ext4;
use crate::fs::{FileSystem, Kind};

/// Reads whatever can be reached, without caring what comes of it.
fn read_all(fs: &Ext4) {
    let mut dirs = vec![path("/")];
    for _ in 0..100 {
        let Some(dir) = dirs.pop() else { return };
        for entry in fs.list(&dir).unwrap_or_default() {
            let Ok(at) = dir.join(&entry.name) else { continue };
            let _ = fs.stat(&at);
            let _ = fs.resolve(&at);
            match entry.kind {
                Kind::Dir => dirs.push(at),
                Kind::File => drop(fs.read(&at, 1 << 20)),
                Kind::Symlink => drop(fs.read_link(&at)),
                Kind::Special => {}
            }
        }
    }
}

/// Where metadata lies in the small image: superblock and descriptors, bitmaps and inodes, directories.
fn places() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let place = prop_oneof![1024_u64..2048, 2048_u64..4096, 4096_u64..200_000, 200_000_u64..400_000];
    proptest::collection::vec((place, any::<u32>()), 1..6)
}

#[test]
fn damage_never_panics_and_stays_inside() {
    for options in [&["-b", "1024"][..], &["-b", "1024", "-O", "^metadata_csum"]] {
        let image = Image::new(8, options);
        let sound = image.bytes();
        let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(damage in places())| {
            for (at, value) in &damage {
                image.patch(*at, |bytes| *bytes = value.to_le_bytes());
            }
            if let Ok(fs) = image.try_open(false) {
                read_all(&fs);
            }
            if let Ok(fs) = image.try_open(true) {
                let _ = fs.create_dirs(&path("/usr/lib/new"), DIR);
                let _ = fs.write(&path("/etc/hostname"), &mut [7; 9000].as_slice(), PLAIN);
                let _ = fs.remove(&path("/etc/hard"));
                let _ = Box::new(fs).finish();
                image.assert_edges();
            }
            image.restore(&sound);
        });
    }
}
