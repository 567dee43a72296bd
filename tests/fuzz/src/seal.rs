//! Makes the checksums of a damaged ext4 right again, so that the damage gets past them: superblock, bitmaps, group
//! descriptors (`uninit_bg` and `metadata_csum`) and inodes.
//!
//! [Checksums](https://docs.kernel.org/filesystems/ext4/checksums.html). Directories and extent blocks are left out: one
//! has to know whose they are.

use std::ops::Range;

use crc::{Algorithm, CRC_16_MODBUS, CRC_32_ISCSI, Crc};

use crate::sparse::Sparse;

/// CRC32C without inverting the end, as the kernel's.
const RAW_CRC32C: Algorithm<u32> = Algorithm { xorout: 0, ..CRC_32_ISCSI };
const CRC32C: Crc<u32> = Crc::<u32>::new(&RAW_CRC32C);
const CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);

const SUPERBLOCK: u64 = 1024;
const METADATA_CSUM: u64 = 0x400;
const GDT_CSUM: u64 = 0x10;
/// A damaged superblock may count any number of them.
const MOST_GROUPS: u64 = 64;
const MOST_INODES: u64 = 4096;

/// The file system as its superblock describes it, which may be nonsense.
struct Geometry {
    len: u64,
    seed: u32,
    uuid: Vec<u8>,
    sums_metadata: bool,
    sums_groups: bool,
    block: u64,
    table: u64,
    descriptor: u64,
    groups: u64,
    blocks_per_group: u64,
    inodes_per_group: u64,
    inode: u64,
}

/// Seals what can be found.
pub(crate) fn seal(content: &mut Sparse, len: u64) {
    let Some(fs) = Geometry::read(content, len) else { return };
    if fs.sums_metadata {
        let sum = crc(!0, &content.read(SUPERBLOCK, 0x3fc));
        content.write(SUPERBLOCK + 0x3fc, &sum.to_le_bytes());
    }
    for group in 0..fs.groups {
        let at = fs.table + group * fs.descriptor;
        if fs.sums_metadata {
            fs.seal_bitmaps(content, at);
            fs.seal_inodes(content, at, group);
        }
        if fs.sums_metadata || fs.sums_groups {
            fs.seal_descriptor(content, at, group);
        }
    }
}

impl Geometry {
    fn read(content: &Sparse, len: u64) -> Option<Self> {
        let raw = content.read(SUPERBLOCK, 1024);
        let field = |range: Range<usize>| number(&raw[range]);
        let (incompat, ro_compat) = (field(0x60..0x64), field(0x64..0x68));
        let block =
            1024_u64.checked_shl(u32::try_from(field(0x18..0x1c)).ok()?).filter(|size| *size <= 4096)?;
        let wide = incompat & 0x80 != 0;
        let blocks_per_group = Some(field(0x20..0x24)).filter(|blocks| *blocks > 0)?;
        let first = field(0x14..0x18);
        let uuid = raw[0x68..0x78].to_vec();
        let seed =
            if incompat & 0x2000 == 0 { crc(!0, &uuid) } else { u32::try_from(field(0x270..0x274)).ok()? };
        Some(Self {
            len,
            seed,
            uuid,
            sums_metadata: ro_compat & METADATA_CSUM != 0,
            sums_groups: ro_compat & GDT_CSUM != 0,
            block,
            table: (first + 1) * block,
            descriptor: if wide { field(0xfe..0x100).clamp(32, 1024) } else { 32 },
            groups: field(0x04..0x08).saturating_sub(first).div_ceil(blocks_per_group).min(MOST_GROUPS),
            blocks_per_group,
            inodes_per_group: field(0x28..0x2c),
            inode: field(0x58..0x5a).clamp(128, 1024),
        })
    }

    /// A 64-bit number of a descriptor whose high half may not be there.
    fn pointer(&self, content: &Sparse, at: u64, low: u64, high: u64) -> u64 {
        let low = number(&content.read(at + low, 4));
        if self.descriptor < 64 { low } else { low | number(&content.read(at + high, 4)) << 32 }
    }

    fn seal_bitmaps(&self, content: &mut Sparse, at: u64) {
        let flags = number(&content.read(at + 0x12, 2));
        for (unwritten, place, sum, bits) in [
            (2, (0x00, 0x20), (0x18, 0x38), self.blocks_per_group),
            (1, (0x04, 0x24), (0x1a, 0x3a), self.inodes_per_group),
        ] {
            if flags & unwritten != 0 {
                continue;
            }
            let block = self.pointer(content, at, place.0, place.1);
            let Some(place) = block.checked_mul(self.block).filter(|place| *place < self.len) else {
                continue;
            };
            let bytes = usize::try_from((bits / 8).min(self.block)).expect("below a block");
            let [low, high] = halves(crc(self.seed, &content.read(place, bytes)));
            content.write(at + sum.0, &low);
            if self.descriptor >= 64 {
                content.write(at + sum.1, &high);
            }
        }
    }

    fn seal_inodes(&self, content: &mut Sparse, at: u64, group: u64) {
        let table = self.pointer(content, at, 0x08, 0x28).checked_mul(self.block);
        let Some(table) = table.filter(|table| *table < self.len) else { return };
        for index in 0..self.inodes_per_group.min(MOST_INODES) {
            let place = table + index * self.inode;
            let mut raw = content.read(place, usize::try_from(self.inode).expect("a small inode"));
            if place >= self.len || raw.iter().all(|byte| *byte == 0) {
                continue;
            }
            let long = raw.len() > 128 && number(&raw[0x80..0x82]) >= 4;
            raw[0x7c..0x7e].fill(0);
            if long {
                raw[0x82..0x84].fill(0);
            }
            let own = u32::try_from(group * self.inodes_per_group + index + 1).unwrap_or(0);
            let sum = crc(self.seed, &own.to_le_bytes());
            let [low, high] = halves(crc(crc(sum, &raw[0x64..0x68]), &raw));
            content.write(place + 0x7c, &low);
            if long {
                content.write(place + 0x82, &high);
            }
        }
    }

    fn seal_descriptor(&self, content: &mut Sparse, at: u64, group: u64) {
        let mut raw = content.read(at, usize::try_from(self.descriptor).expect("a small descriptor"));
        let group = u32::try_from(group).expect("few groups").to_le_bytes();
        let sum = if self.sums_metadata {
            raw[0x1e..0x20].fill(0);
            halves(crc(crc(self.seed, &group), &raw))[0]
        } else {
            let mut digest = CRC16.digest();
            [&self.uuid[..], &group, &raw[..0x1e], &raw[0x20..]].iter().for_each(|part| digest.update(part));
            digest.finalize().to_le_bytes()
        };
        content.write(at + 0x1e, &sum);
    }
}

fn crc(initial: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC32C.digest_with_initial(initial.reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn halves(sum: u32) -> [[u8; 2]; 2] {
    let [a, b, c, d] = sum.to_le_bytes();
    [[a, b], [c, d]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::EXT4;

    #[test]
    fn sealing_what_is_sound_changes_nothing() {
        for fixture in &EXT4 {
            let image = fixture.image();
            let mut sealed = image.content.clone();
            seal(&mut sealed, image.len);
            assert!(sealed.normal() == image.content, "{}", image.name);
        }
    }
}
