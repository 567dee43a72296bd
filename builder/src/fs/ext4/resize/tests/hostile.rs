//! Any bytes at all: no panic, no write outside, no allocation that the image's size does not bound.

use proptest::prelude::*;

use super::super::superblock::Superblock;
use super::*;
use crate::fs::ext4::layout::superblock::{RawSuperblock, SIZE};

/// An ext4 file system without checksums, so that changed bytes pass them.
fn without_checksums() -> (Image, Vec<u8>) {
    let image = Image::make(1024, "-O ^metadata_csum -g 2048 -N 64", 3000);
    let bytes = fs::read(&image.path).unwrap();
    (image, bytes)
}

#[test]
fn changed_bytes_never_panic_or_write_outside() {
    let (image, bytes) = without_checksums();
    let old = superblock_bytes(&bytes);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let superblock_byte = 1024..2048usize;
    let other_byte = 2048..600_000usize;
    let changed = prop::collection::vec((prop_oneof![superblock_byte, other_byte], any::<u8>()), 1..6);
    runner
        .run(&changed, |changed| {
            let mut bytes = bytes.clone();
            changed.iter().for_each(|(place, value)| bytes[*place] = *value);
            bytes.resize(7000 * 1024, 0);
            fs::write(&image.path, &bytes).unwrap();
            let _ = image.grow(7000, 1024);
            let _ = super::super::limit(&image.open());
            prop_assert_eq!(fs::metadata(&image.path).unwrap().len(), 7000 * 1024);
            Ok(())
        })
        .unwrap();
    assert!(Superblock::parse(old).is_ok(), "the unchanged one is accepted");
}

fn superblock_bytes(image: &[u8]) -> RawSuperblock {
    RawSuperblock(image[1024..2048].try_into().unwrap())
}

proptest! {
    /// The right magic number, revision and no features, everything else at random.
    #[test]
    fn random_superblocks_never_panic(mut raw in prop::collection::vec(any::<u8>(), SIZE)) {
        raw[0x38..0x3a].copy_from_slice(&[0x53, 0xef]);
        raw[0x4c..0x50].copy_from_slice(&[1, 0, 0, 0]);
        raw[0x5c..0x68].fill(0);
        let log = raw[0x18] % 4;
        raw[0x18..0x1c].copy_from_slice(&[log, 0, 0, 0]);
        let _ = Superblock::parse(RawSuperblock(raw.try_into().unwrap()));
    }
}

/// Features, block size, size before and after at random; checked by e2fsck.
#[test]
fn random_growth_passes_e2fsck() {
    growth_runs(12);
}

#[test]
#[ignore = "500 file systems: the long form of random_growth_passes_e2fsck"]
fn random_growth_passes_e2fsck_often() {
    growth_runs(500);
}

fn growth_runs(cases: u32) {
    let features = prop::collection::vec(any::<bool>(), 5);
    let inputs = (0..3u32, features, 1..5u64, 300..4096u64, 0..60_000u64, 0..40_000u64);
    let config = ProptestConfig { cases, max_shrink_iters: 20, ..ProptestConfig::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&inputs, |(log, features, groups, rest, more, again)| {
            let block_size = 1024 << log;
            let names = ["64bit", "flex_bg", "metadata_csum", "resize_inode", "has_journal"];
            let off: Vec<String> = names
                .iter()
                .zip(&features)
                .filter(|(_, on)| !**on)
                .map(|(name, _)| format!("^{name}"))
                .collect();
            let off = if off.is_empty() { String::new() } else { format!("-O {}", off.join(",")) };
            let blocks = groups * 4096 + rest;
            let image = Image::make(block_size, &format!("-g 4096 -m 1 {off}"), blocks);
            for to in [blocks + more, blocks + more + again] {
                match image.grow(to, block_size) {
                    Ok(grown) => image.check(&format!("{off} {block_size} {blocks} {grown:?}")),
                    Err(error) => prop_assert!(error.to_string().contains("beyond"), "{}", error),
                }
            }
            image.check_files();
            Ok(())
        })
        .unwrap();
}
