//! The checksums that a file system keeps over its own structures, see
//! <https://docs.kernel.org/filesystems/ext4/overview.html#checksums>.
//!
//! `metadata_csum` uses CRC-32C without the final inversion, begun from a seed that stands for the file
//! system; `gdt_csum` (once `uninit_bg`) knows only a CRC-16 over each group descriptor.

use crc::{Algorithm, CRC_16_MODBUS, CRC_32_ISCSI, Crc, Table};

use super::bytes::{get_array, get_u16, low16, put_u16};

/// CRC-32C as ext4 uses it: what goes in and comes out is the register itself.
const RAW_CRC32C: Algorithm<u32> = Algorithm { xorout: 0, ..CRC_32_ISCSI };
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&RAW_CRC32C);
static CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);

/// Place of the checksum in a group descriptor.
const DESCRIPTOR_SUM: usize = 0x1e;
/// Places of both halves of the checksum in an inode, of the generation, and of the size of its second part.
const INODE_SUM_LOW: usize = 0x7c;
const INODE_SUM_HIGH: usize = 0x82;
const INODE_GENERATION: usize = 0x64;
const INODE_EXTRA_SIZE: usize = 0x80;
/// Bytes of an inode before its second part.
const INODE_FIRST_PART: usize = 0x80;

/// Continues a CRC-32C. The first call starts from `!0`.
pub(super) fn crc32c(register: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC32C.digest_with_initial(register.reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// Which checksums the file system keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
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
    /// Whether groups may be marked as not initialised.
    pub(super) fn allow_uninitialised(self) -> bool {
        self != Self::None
    }

    /// The checksum of a group descriptor; none where none is kept.
    pub(super) fn descriptor(self, group: u32, descriptor: &[u8]) -> Option<u16> {
        let (before, rest) = descriptor.split_at_checked(DESCRIPTOR_SUM)?;
        let after = rest.get(2..)?;
        let number = group.to_le_bytes();
        match self {
            Self::None => None,
            Self::Descriptors { uuid } => {
                let mut digest = CRC16.digest();
                for part in [&uuid[..], &number, before, after] {
                    digest.update(part);
                }
                Some(digest.finalize())
            }
            Self::Metadata { seed } => {
                let sum =
                    [&number[..], before, &[0, 0], after].iter().fold(seed, |sum, part| crc32c(sum, part));
                Some(low16(sum))
            }
        }
    }

    /// Whether a group descriptor has the checksum that it should have.
    pub(super) fn descriptor_is_right(self, group: u32, descriptor: &[u8]) -> bool {
        self.descriptor(group, descriptor).is_none_or(|sum| sum == get_u16(descriptor, DESCRIPTOR_SUM))
    }

    /// Writes the checksum into a group descriptor that is complete otherwise.
    pub(super) fn seal_descriptor(self, group: u32, descriptor: &mut [u8]) {
        if let Some(sum) = self.descriptor(group, descriptor) {
            put_u16(descriptor, DESCRIPTOR_SUM, sum);
        }
    }

    /// The checksum of the meaningful bytes of a bitmap; none where none is kept.
    pub(super) fn bitmap(self, meaningful: &[u8]) -> Option<u32> {
        match self {
            Self::Metadata { seed } => Some(crc32c(seed, meaningful)),
            Self::None | Self::Descriptors { .. } => None,
        }
    }

    /// Writes the checksum into an inode that is complete otherwise.
    pub(super) fn seal_inode(self, number: u32, inode: &mut [u8]) {
        let Self::Metadata { seed } = self else { return };
        let long = keeps_long_sum(inode);
        put_u16(inode, INODE_SUM_LOW, 0);
        if long {
            put_u16(inode, INODE_SUM_HIGH, 0);
        }
        let generation: [u8; 4] = get_array(inode, INODE_GENERATION);
        let sum =
            [&number.to_le_bytes()[..], &generation, inode].iter().fold(seed, |sum, part| crc32c(sum, part));
        put_u16(inode, INODE_SUM_LOW, low16(sum));
        if long {
            put_u16(inode, INODE_SUM_HIGH, low16(sum >> 16));
        }
    }

    /// Whether an inode has the checksum that it should have.
    pub(super) fn inode_is_right(self, number: u32, inode: &[u8]) -> bool {
        let mut sealed = inode.to_vec();
        self.seal_inode(number, &mut sealed);
        sealed == inode
    }
}

/// Whether an inode's second part reaches over the high half of the checksum.
fn keeps_long_sum(inode: &[u8]) -> bool {
    inode.len() > INODE_FIRST_PART
        && INODE_FIRST_PART + usize::from(get_u16(inode, INODE_EXTRA_SIZE)) >= INODE_SUM_HIGH + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published check values of both polynomials.
    #[test]
    fn known_values() {
        assert_eq!(crc32c(!0, b"123456789") ^ !0, 0xe306_9283);
        assert_eq!(crc32c(crc32c(!0, b"1234"), b"56789") ^ !0, 0xe306_9283);
        assert_eq!(CRC16.checksum(b"123456789"), 0x4b37);
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        for sums in [Checksums::Descriptors { uuid: [7; 16] }, Checksums::Metadata { seed: 7 }] {
            for size in [32, 64] {
                let mut descriptor = vec![0x5a; size];
                sums.seal_descriptor(3, &mut descriptor);
                assert!(sums.descriptor_is_right(3, &descriptor));
                assert!(!sums.descriptor_is_right(4, &descriptor));
                descriptor[size - 1] ^= 1;
                assert!(!sums.descriptor_is_right(3, &descriptor));
            }
        }
    }

    #[test]
    fn inodes_are_sealed_in_both_sizes() {
        let sums = Checksums::Metadata { seed: 1 };
        for size in [128, 256] {
            let mut inode = vec![0; size];
            inode[INODE_EXTRA_SIZE % size] = 32;
            sums.seal_inode(7, &mut inode);
            assert!(sums.inode_is_right(7, &inode));
            assert!(!sums.inode_is_right(8, &inode));
        }
    }
}
