//! The checksums that a file system keeps over its own structures, see
//! <https://docs.kernel.org/filesystems/ext4/overview.html#checksums>.
//!
//! `metadata_csum` uses CRC-32C without the final inversion, begun from a seed that stands for the file
//! system; `gdt_csum` (once `uninit_bg`) knows only a CRC-16 over each group descriptor.

use crc::{CRC_16_MODBUS, Crc};

use super::bytes::{Field, low16};
use super::features::{Features, METADATA_CSUM, METADATA_CSUM_SEED, UNINIT_BG};

static CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);

/// The checksum in a group descriptor (`bg_checksum`).
pub(crate) const DESCRIPTOR_SUM: Field<32, 2> = Field::at(DESCRIPTOR_SUM_AT);
const DESCRIPTOR_SUM_AT: usize = 0x1e;

/// Continues a CRC-32C as ext4 uses it: what goes in and comes out is the register itself. The first call starts from
/// `!0`.
pub(crate) fn crc32c(register: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!register, bytes)
}

/// Which checksums the file system keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksums {
    /// None at all.
    None,
    /// `gdt_csum`: group descriptors only.
    Descriptors {
        /// Identity of the file system, part of every checksum.
        uuid: [u8; 16],
    },
    /// `metadata_csum`: everything.
    Metadata {
        /// Stands for the file system in every checksum but the superblock's.
        seed: u32,
    },
}

impl Checksums {
    /// The checksums of a file system. `stored_seed` is `s_checksum_seed`, which counts only with its feature.
    pub(crate) fn new(features: Features, uuid: [u8; 16], stored_seed: u32) -> Self {
        if features.has_ro_compat(METADATA_CSUM) {
            let stored = features.has_incompat(METADATA_CSUM_SEED);
            return Self::Metadata { seed: if stored { stored_seed } else { crc32c(!0, &uuid) } };
        }
        if features.has_ro_compat(UNINIT_BG) { Self::Descriptors { uuid } } else { Self::None }
    }

    /// Whether groups may be marked as not initialised.
    pub(crate) fn allow_uninitialised(self) -> bool {
        self != Self::None
    }

    /// The checksum of a group descriptor, whose own checksum field counts as zero; none where none is kept. `rest`
    /// is what the descriptor has behind its first 32 bytes.
    pub(crate) fn descriptor(self, group: u32, descriptor: &[u8; 32], rest: &[u8]) -> Option<u16> {
        let number = group.to_le_bytes();
        let mut base = *descriptor;
        DESCRIPTOR_SUM.put(&mut base, 0);
        match self {
            Self::None => None,
            Self::Descriptors { uuid } => {
                // The checksum field is left out, not counted as zero: it is the end of these 32 bytes.
                let (before, _) = base.split_at(DESCRIPTOR_SUM_AT);
                let mut digest = CRC16.digest();
                for part in [&uuid[..], &number, before, rest] {
                    digest.update(part);
                }
                Some(digest.finalize())
            }
            Self::Metadata { seed } => {
                Some(low16([&number[..], &base, rest].iter().fold(seed, |sum, part| crc32c(sum, part))))
            }
        }
    }

    /// The checksum of an extent node in a block, over the bytes before it; none where none is kept.
    pub(crate) fn extent_node(self, inode: u32, generation: u32, covered: &[u8]) -> Option<u32> {
        let prefix = [inode.to_le_bytes(), generation.to_le_bytes()].concat();
        self.bitmap(&prefix).map(|sum| crc32c(sum, covered))
    }

    /// The checksum of the covered bytes of a bitmap; none where none is kept.
    pub(crate) fn bitmap(self, covered: &[u8]) -> Option<u32> {
        match self {
            Self::Metadata { seed } => Some(crc32c(seed, covered)),
            Self::None | Self::Descriptors { .. } => None,
        }
    }

    /// The checksum of an inode, given in parts, in which its own checksum fields hold zeros; none where none is kept.
    pub(crate) fn inode<const N: usize>(
        self,
        number: u32,
        generation: u32,
        parts: [&[u8]; N],
    ) -> Option<u32> {
        let Self::Metadata { seed } = self else { return None };
        let own = [number.to_le_bytes(), generation.to_le_bytes()];
        let sum = own.iter().fold(seed, |sum, part| crc32c(sum, part));
        Some(parts.iter().fold(sum, |sum, part| crc32c(sum, part)))
    }

    /// The checksum of a block of the orphan file, over its entries; none where none is kept.
    pub(crate) fn orphan_block(self, file: u32, generation: u32, place: u64, entries: &[u8]) -> Option<u32> {
        self.inode(file, generation, [&place.to_le_bytes(), entries])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_choose_the_checksums() {
        let sums =
            |incompat, ro_compat| Checksums::new(Features { compat: 0, incompat, ro_compat }, [1; 16], 5);
        assert_eq!(sums(METADATA_CSUM_SEED, METADATA_CSUM), Checksums::Metadata { seed: 5 });
        assert_eq!(sums(0, METADATA_CSUM | UNINIT_BG), Checksums::Metadata { seed: crc32c(!0, &[1; 16]) });
        assert_eq!(sums(0, UNINIT_BG), Checksums::Descriptors { uuid: [1; 16] });
        assert_eq!(sums(0, 0), Checksums::None);
    }

    /// The published check values of both polynomials.
    #[test]
    fn known_values() {
        assert_eq!(crc32c(!0, b"123456789") ^ !0, 0xe306_9283);
        assert_eq!(crc32c(crc32c(!0, b"1234"), b"56789") ^ !0, 0xe306_9283);
        assert_eq!(CRC16.checksum(b"123456789"), 0x4b37);
    }
}
