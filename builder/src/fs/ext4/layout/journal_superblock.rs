//! The superblock of a journal, the first block of its file. Its numbers are big-endian.
//!
//! [Journal](https://docs.kernel.org/filesystems/ext4/journal.html). Refused is what the kernel refuses when it loads a
//! journal (`journal_get_superblock`, `jbd2_journal_load`, `journal_reset`).

use super::checksum::crc32c;

/// Bytes of the superblock.
const SIZE: usize = 1024;
const MAGIC: u32 = 0xc03b_3998;
/// The two versions of the superblock; the older one has no features.
const VERSIONS: [u32; 2] = [3, 4];

/// Places of 32-bit numbers.
const KIND: usize = 0x04;
const BLOCK_SIZE: usize = 0x0c;
const LENGTH: usize = 0x10;
const FIRST: usize = 0x14;
const START: usize = 0x1c;
const ERROR: usize = 0x20;
const COMPAT: usize = 0x24;
const INCOMPAT: usize = 0x28;
const RO_COMPAT: usize = 0x2c;
const CHECKSUM_TYPE: usize = 0x50;
const CHECKSUM: usize = 0xfc;

/// Checksums of the first kind.
const OLD_CHECKSUMS: u32 = 0x1;
/// Checksums of the second and the third kind.
const CHECKSUMS: [u32; 2] = [0x8, 0x10];
/// revoke, 64bit, async_commit, both checksums, fast_commit.
const KNOWN: u32 = 0x3f;
const CRC32C: u8 = 4;
/// Fewest blocks of a log (`JBD2_MIN_JOURNAL_BLOCKS`).
const FEWEST_BLOCKS: u32 = 1024;

/// What the superblock of a sound journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalSuperblock {
    /// Blocks that it uses.
    pub(crate) length: u32,
    /// Whether it holds no transactions.
    pub(crate) is_empty: bool,
    /// The error with which the kernel gave it up; 0 for none.
    pub(crate) error: u32,
}

impl JournalSuperblock {
    /// Reads the first block of a journal of so many blocks in a file system with blocks of so many bytes, and with or
    /// without the feature 64bit, which the older version cannot note.
    pub(crate) fn parse(block: &[u8], blocks: u64, block_size: u32, bit64: bool) -> Result<Self, String> {
        let bytes: &[u8; SIZE] = block.first_chunk().ok_or("is cut off")?;
        let number = |at: usize| {
            bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
        };
        if number(0) != MAGIC || !VERSIONS.contains(&number(KIND)) {
            return Err("has no superblock".to_owned());
        }
        if number(BLOCK_SIZE) != block_size {
            return Err(format!("has blocks of {} bytes", number(BLOCK_SIZE)));
        }
        if bit64 && number(KIND) == VERSIONS[0] {
            return Err("has a superblock of version 1, but the file system has 64 bits".to_owned());
        }
        let (length, first) = (number(LENGTH), number(FIRST));
        if u64::from(length) > blocks {
            return Err(format!("has {blocks} blocks, by its superblock {length}"));
        }
        if first == 0 || first >= length || length - first < FEWEST_BLOCKS - 1 {
            return Err(format!("has a log from block {first} to {length}, fewer than {FEWEST_BLOCKS}"));
        }
        if number(KIND) == VERSIONS[1] {
            check_features(number(COMPAT), number(INCOMPAT), number(RO_COMPAT))?;
            check_sum(bytes, number(INCOMPAT), number(CHECKSUM))?;
        }
        Ok(Self { length, is_empty: number(START) == 0, error: number(ERROR) })
    }
}

fn check_features(compat: u32, incompat: u32, ro_compat: u32) -> Result<(), String> {
    let kinds = CHECKSUMS.iter().filter(|bit| incompat & **bit != 0).count();
    if kinds > 1 || (kinds > 0 && compat & OLD_CHECKSUMS != 0) {
        return Err("has checksums of two kinds".to_owned());
    }
    if incompat & !KNOWN != 0 || ro_compat != 0 {
        return Err(format!("has unknown features ({incompat:#x}, {ro_compat:#x})"));
    }
    Ok(())
}

fn check_sum(bytes: &[u8; SIZE], incompat: u32, stored: u32) -> Result<(), String> {
    if CHECKSUMS.iter().all(|bit| incompat & bit == 0) {
        return Ok(());
    }
    let kind = bytes[CHECKSUM_TYPE];
    if kind != CRC32C {
        return Err(format!("has checksums of the unknown kind {kind}"));
    }
    let (before, rest) = bytes.split_at(CHECKSUM);
    let (_, behind) = rest.split_at(4);
    let sum = [before, &[0; 4], behind].iter().fold(!0, |sum, part| crc32c(sum, part));
    if sum == stored { Ok(()) } else { Err("has a superblock whose checksum does not match".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: u64 = 2048;

    fn put(block: &mut [u8], at: usize, value: u32) {
        block[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    fn sound(version: u32) -> Vec<u8> {
        let mut block = vec![0; 4096];
        for (at, value) in [(0, MAGIC), (KIND, version), (BLOCK_SIZE, 4096), (LENGTH, 2048), (FIRST, 1)] {
            put(&mut block, at, value);
        }
        block
    }

    #[test]
    fn a_sound_one_is_read_in_both_versions() {
        for version in VERSIONS {
            let read = |block: &[u8]| JournalSuperblock::parse(block, BLOCKS, 4096, false);
            let mut block = sound(version);
            assert_eq!(read(&block), Ok(JournalSuperblock { length: 2048, is_empty: true, error: 0 }));
            put(&mut block, START, 7);
            put(&mut block, ERROR, 5);
            assert_eq!(read(&block), Ok(JournalSuperblock { length: 2048, is_empty: false, error: 5 }));
        }
        // The older version has no features, whatever is in their places.
        let mut old = sound(3);
        put(&mut old, INCOMPAT, 0x8000);
        assert!(JournalSuperblock::parse(&old, BLOCKS, 4096, false).is_ok());
        assert!(JournalSuperblock::parse(&old, BLOCKS, 4096, true).unwrap_err().contains("64 bits"));
    }

    #[test]
    fn what_the_kernel_does_not_load_is_refused() {
        for (at, value, words) in [
            (0, 0, "no superblock"),
            (KIND, 1, "no superblock"),
            (BLOCK_SIZE, 1024, "blocks of 1024 bytes"),
            (LENGTH, 4096, "has 2048 blocks, by its superblock 4096"),
            (LENGTH, 1000, "fewer than 1024"),
            (LENGTH, 0, "fewer than 1024"),
            (FIRST, 0, "from block 0"),
            (FIRST, 2048, "from block 2048"),
            (FIRST, 1500, "from block 1500"),
            (INCOMPAT, 0x40, "unknown features (0x40, 0x0)"),
            (RO_COMPAT, 1, "unknown features (0x0, 0x1)"),
            (INCOMPAT, 0x18, "two kinds"),
            (INCOMPAT, 0x10, "unknown kind 0"),
        ] {
            let mut block = sound(4);
            put(&mut block, at, value);
            let error = JournalSuperblock::parse(&block, BLOCKS, 4096, true).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let mut block = sound(4);
        put(&mut block, INCOMPAT, 0x10);
        block[CHECKSUM_TYPE] = CRC32C;
        let error = JournalSuperblock::parse(&block, BLOCKS, 4096, true).unwrap_err();
        assert!(error.contains("checksum does not match"), "{error}");
        assert!(JournalSuperblock::parse(&[0; 100], BLOCKS, 4096, true).is_err());
    }
}
