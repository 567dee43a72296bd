//! An inode as it lies in its table.
//!
//! [Inode table](https://docs.kernel.org/filesystems/ext4/inodes.html): 128 bytes that every inode has, and in larger
//! inodes more fields, whose number the inode itself says (`i_extra_isize`).

use fs_ext4::error::{Error, Result};

use super::bytes::{Field, get_u16, halves32, halves64, joined64, low16, put_u32};
use super::checksum::Checksums;
use crate::fs::Attributes;

/// Format bits of `i_mode`.
pub(crate) const REGULAR: u16 = 0x8000;
pub(crate) const DIR: u16 = 0x4000;
pub(crate) const SYMLINK: u16 = 0xa000;
/// FIFO, character device, block device, socket.
pub(crate) const SPECIAL: [u16; 4] = [0x1000, 0x2000, 0x6000, 0xc000];
const FORMAT: u16 = 0xf000;

/// `i_flags`: the directory has a hash tree; the blocks are found by extents; `i_blocks` counts blocks, not sectors.
pub(crate) const INDEX: u32 = 0x1000;
pub(crate) const EXTENTS: u32 = 0x8_0000;
pub(crate) const HUGE_FILE: u32 = 0x4_0000;

/// The root directory.
pub(crate) const ROOT: u32 = 2;

/// Bytes that every inode has.
pub(crate) const BASE: usize = 128;
/// Bytes of `i_block`.
pub(crate) const BLOCK_LEN: usize = 60;
/// `i_extra_isize` of new inodes: the fields that the kernel has today.
const NEW_EXTRA_SIZE: u16 = 32;

type U16 = Field<BASE, 2>;
type U32 = Field<BASE, 4>;
const MODE: U16 = Field::at(0x00);
const UID: (U16, U16) = (Field::at(0x02), Field::at(0x78));
const GID: (U16, U16) = (Field::at(0x18), Field::at(0x7a));
const SIZE: (U32, U32) = (Field::at(0x04), Field::at(0x6c));
const DTIME: U32 = Field::at(0x14);
const LINKS: U16 = Field::at(0x1a);
/// Units of 512 bytes that the inode owns.
const SECTORS: (U32, U16) = (Field::at(0x1c), Field::at(0x74));
const FLAGS: U32 = Field::at(0x20);
const BLOCK: Field<BASE, BLOCK_LEN> = Field::at(0x28);
const GENERATION: U32 = Field::at(0x64);
const ACL: (U32, U16) = (Field::at(0x68), Field::at(0x76));
const SUM_LOW: U16 = Field::at(0x7c);

/// A time: its low 32 bits of seconds, and the place of two more bits and the nanoseconds behind the base.
type TimePlace = (U32, usize);
const ATIME: TimePlace = (Field::at(0x08), 0x8c - BASE);
const CTIME: TimePlace = (Field::at(0x0c), 0x84 - BASE);
const MTIME: TimePlace = (Field::at(0x10), 0x88 - BASE);

/// Places behind the base, counted from its end.
const EXTRA_SIZE: usize = 0;
const SUM_HIGH: usize = 0x82 - BASE;
const CRTIME: usize = 0x90 - BASE;
const CRTIME_EXTRA: usize = 0x94 - BASE;

/// An inode and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inode {
    pub(crate) number: u32,
    base: [u8; BASE],
    extra: Vec<u8>,
}

impl Inode {
    /// An inode from its bytes; an error if they are fewer than every inode has.
    pub(crate) fn parse(number: u32, bytes: &[u8]) -> Result<Self> {
        let (base, extra) =
            bytes.split_first_chunk().ok_or(Error::Corrupt("an inode of less than 128 bytes"))?;
        Ok(Self { number, base: *base, extra: extra.to_vec() })
    }

    /// A new inode of `size` bytes: without blocks, with one name, and all times `now`.
    pub(crate) fn new(number: u32, size: usize, mode: u16, generation: u32, now: i64) -> Result<Self> {
        let mut inode = Self::parse(number, &vec![0; size])?;
        MODE.put(&mut inode.base, mode);
        LINKS.put(&mut inode.base, 1);
        GENERATION.put(&mut inode.base, generation);
        if let Some(place) = inode.extra.first_chunk_mut() {
            *place = NEW_EXTRA_SIZE.to_le_bytes();
        }
        for place in [ATIME, MTIME, CTIME] {
            inode.set_time(place, now)?;
        }
        if inode.reaches(CRTIME_EXTRA + 4) {
            let (low, extra) = time_fields(now);
            put_u32(&mut inode.extra, CRTIME, low)?;
            put_u32(&mut inode.extra, CRTIME_EXTRA, extra)?;
        }
        Ok(inode)
    }

    /// The inode's bytes, as they lie in the table.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.base, &self.extra[..]].concat()
    }

    /// Makes the inode a deleted one: all its fields but the generation go.
    pub(crate) fn clear(&mut self, now: i64) {
        let generation = self.generation();
        self.base.fill(0);
        self.extra.fill(0);
        GENERATION.put(&mut self.base, generation);
        // Never 0: that would be an inode that was not deleted.
        DTIME.put(&mut self.base, u32::try_from(now).unwrap_or(u32::MAX).max(1));
    }

    /// Writes the checksum, where one is kept.
    pub(crate) fn seal(&mut self, checksums: Checksums) {
        if !matches!(checksums, Checksums::Metadata { .. }) {
            return;
        }
        let sum = self.sum(checksums).unwrap_or(0);
        self.put_sum(sum);
    }

    /// The checksum that the inode should have.
    fn sum(&self, checksums: Checksums) -> Option<u32> {
        const LOW: usize = 0x7c;
        let (before, rest) = self.base.split_at(LOW);
        let (_, behind) = rest.split_at(2);
        let extra = if self.reaches(SUM_HIGH + 2) { self.extra.split_at_checked(SUM_HIGH) } else { None };
        let (head, tail, high) = match extra {
            Some((head, rest)) => (head, rest.get(2..).unwrap_or_default(), &[0_u8; 2][..]),
            None => (&self.extra[..], &[][..], &[][..]),
        };
        checksums.inode(self.number, self.generation(), [before, &[0; 2], behind, head, high, tail])
    }

    fn put_sum(&mut self, sum: u32) {
        let (low, high) = halves32(sum);
        SUM_LOW.put(&mut self.base, low);
        if self.reaches(SUM_HIGH + 2)
            && let Some(place) = self.extra.get_mut(SUM_HIGH..).and_then(|tail| tail.first_chunk_mut())
        {
            *place = high.to_le_bytes();
        }
    }

    /// Whether the inode has the checksum that it should have.
    pub(crate) fn is_sound(&self, checksums: Checksums) -> bool {
        let Some(sum) = self.sum(checksums) else { return true };
        let (low, high) = halves32(sum);
        let stored = get_u16(&self.extra, SUM_HIGH).ok().filter(|_| self.reaches(SUM_HIGH + 2));
        SUM_LOW.get(&self.base) == low && stored.is_none_or(|stored| stored == high)
    }

    /// Whether nothing is in it, not even a checksum.
    pub(crate) fn is_zero(&self) -> bool {
        self.base.iter().chain(&self.extra).all(|byte| *byte == 0)
    }

    pub(crate) fn mode(&self) -> u16 {
        MODE.get(&self.base)
    }

    /// One of the formats, [`REGULAR`] and so on.
    pub(crate) fn format(&self) -> u16 {
        self.mode() & FORMAT
    }

    pub(crate) fn links(&self) -> u16 {
        LINKS.get(&self.base)
    }

    pub(crate) fn set_links(&mut self, links: u16) {
        LINKS.put(&mut self.base, links);
    }

    /// Changes the number of names.
    pub(crate) fn add_link(&mut self, delta: i32) {
        let links = i32::from(self.links()).saturating_add(delta).clamp(0, i32::from(u16::MAX));
        self.set_links(low16(u32::try_from(links).unwrap_or(0)));
    }

    pub(crate) fn size(&self) -> u64 {
        joined64(SIZE.0.get(&self.base), SIZE.1.get(&self.base))
    }

    pub(crate) fn set_size(&mut self, size: u64) {
        let (low, high) = halves64(size);
        SIZE.0.put(&mut self.base, low);
        SIZE.1.put(&mut self.base, high);
    }

    pub(crate) fn generation(&self) -> u32 {
        GENERATION.get(&self.base)
    }

    /// Whether a flag of `i_flags` is set.
    pub(crate) fn has(&self, flag: u32) -> bool {
        FLAGS.get(&self.base) & flag != 0
    }

    pub(crate) fn clear_flag(&mut self, flag: u32) {
        let flags = FLAGS.get(&self.base) & !flag;
        FLAGS.put(&mut self.base, flags);
    }

    pub(crate) fn set_flag(&mut self, flag: u32) {
        let flags = FLAGS.get(&self.base) | flag;
        FLAGS.put(&mut self.base, flags);
    }

    /// `i_block`: the root of the extents, or the target of a short link.
    pub(crate) fn block(&self) -> [u8; BLOCK_LEN] {
        BLOCK.bytes(&self.base)
    }

    pub(crate) fn set_block(&mut self, block: &[u8; BLOCK_LEN]) {
        BLOCK.set_bytes(&mut self.base, block);
    }

    /// The block of extended attributes; 0 if there is none.
    pub(crate) fn acl_block(&self) -> u64 {
        joined64(ACL.0.get(&self.base), ACL.1.get(&self.base).into())
    }

    /// The units of 512 bytes that the inode owns, metadata included. Only for inodes without [`HUGE_FILE`].
    pub(crate) fn sectors(&self) -> u64 {
        joined64(SECTORS.0.get(&self.base), SECTORS.1.get(&self.base).into())
    }

    /// All of `i_flags`.
    pub(crate) fn flags(&self) -> u32 {
        FLAGS.get(&self.base)
    }

    /// How many bytes of fields the inode says it has behind its first 128; none where it has no more.
    pub(crate) fn extra_size(&self) -> Option<u16> {
        get_u16(&self.extra, EXTRA_SIZE).ok()
    }

    /// What lies behind the fields: room for extended attributes.
    pub(crate) fn behind_fields(&self) -> &[u8] {
        self.extra_size().and_then(|size| self.extra.get(usize::from(size)..)).unwrap_or_default()
    }

    /// Sets what [`Inode::sectors`] returns; the number has 48 bits.
    pub(crate) fn set_sectors(&mut self, sectors: u64) {
        let (low, high) = halves64(sectors);
        SECTORS.0.put(&mut self.base, low);
        SECTORS.1.put(&mut self.base, low16(high));
    }

    /// Adds blocks to those that the inode owns.
    pub(crate) fn add_blocks(&mut self, blocks: u64, block_size: usize) {
        let per_block = u64::try_from(block_size / 512).unwrap_or(1);
        self.set_sectors(self.sectors().saturating_add(blocks.saturating_mul(per_block)));
    }

    /// Sets the time of the last change of the inode itself.
    pub(crate) fn touch(&mut self, now: i64) -> Result<()> {
        self.set_time(CTIME, now)
    }

    /// Sets the time of the last change of the content.
    pub(crate) fn set_modified(&mut self, now: i64) -> Result<()> {
        self.set_time(MTIME, now)?;
        self.touch(now)
    }

    /// Sets owner, permissions and times; the permissions of a link stay as they are.
    pub(crate) fn set_attributes(&mut self, attributes: Attributes, now: i64) -> Result<()> {
        let Attributes { mode, uid, gid, mtime } = attributes;
        if !self.reaches(MTIME.1 + 4) && i32::try_from(mtime).is_err() {
            return Err(Error::InvalidArgument(
                "a time past 2038 (or before 1902), which inodes of 128 bytes have no room for",
            ));
        }
        if self.format() != SYMLINK {
            let mode = self.format() | mode & 0o7777;
            MODE.put(&mut self.base, mode);
        }
        for (place, id) in [(UID, uid), (GID, gid)] {
            let (low, high) = halves32(id);
            place.0.put(&mut self.base, low);
            place.1.put(&mut self.base, high);
        }
        self.set_time(ATIME, mtime)?;
        self.set_time(MTIME, mtime)?;
        self.touch(now)
    }

    /// Sets a time to whole seconds. Where the inode has no place for the upper two bits, a time that does not fit
    /// becomes the nearest one that does.
    fn set_time(&mut self, place: TimePlace, seconds: i64) -> Result<()> {
        if self.reaches(place.1 + 4) {
            let (low, extra) = time_fields(seconds);
            place.0.put(&mut self.base, low);
            put_u32(&mut self.extra, place.1, extra)
        } else {
            let (low, _) = time_fields(seconds.clamp(i32::MIN.into(), i32::MAX.into()));
            place.0.put(&mut self.base, low);
            Ok(())
        }
    }

    /// Whether the inode has the fields behind the base that end at `end`, by its own size and by what it says.
    fn reaches(&self, end: usize) -> bool {
        let said = get_u16(&self.extra, EXTRA_SIZE).unwrap_or(0);
        end <= usize::from(said) && end <= self.extra.len()
    }
}

/// A time as an inode holds it: the low 32 bits of the seconds, and the field with two bits more. The nanoseconds are 0.
fn time_fields(seconds: i64) -> (u32, u32) {
    let seconds = seconds.clamp(i32::MIN.into(), i64::from(i32::MIN) + (1 << 34) - 1);
    let [a, b, c, d, ..] = seconds.to_le_bytes();
    let low = i32::from_le_bytes([a, b, c, d]);
    let epoch = u32::try_from((seconds - i64::from(low)) >> 32).unwrap_or(0);
    (u32::from_le_bytes([a, b, c, d]), epoch & 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_are_sealed_in_both_sizes() {
        let sums = Checksums::Metadata { seed: 1 };
        for size in [128, 256] {
            let mut inode = Inode::new(7, size, REGULAR, 3, 0).unwrap();
            inode.seal(sums);
            assert!(inode.is_sound(sums));
            assert!(!Inode { number: 8, ..inode.clone() }.is_sound(sums));
            assert_eq!(Inode::parse(7, &inode.bytes()).unwrap(), inode);
        }
    }

    #[test]
    fn an_inode_that_is_too_short_is_an_error() {
        assert!(Inode::parse(7, &[0; 127]).is_err());
        assert!(Inode::new(7, 0, REGULAR, 3, 0).is_err());
    }

    /// An inode of 130 bytes that says it has more fields than it has room for.
    #[test]
    fn fields_beyond_the_inode_are_not_there() {
        let mut bytes = vec![0; 130];
        bytes[128..].copy_from_slice(&u16::MAX.to_le_bytes());
        let mut inode = Inode::parse(7, &bytes).unwrap();
        inode.touch(1 << 33).unwrap();
        inode.seal(Checksums::Metadata { seed: 1 });
        assert_eq!(inode.bytes().len(), 130);
        assert_eq!(CTIME.0.get(&inode.base), 0x7fff_ffff, "the last second that has room");
    }

    #[test]
    fn times_keep_34_bits_of_seconds() {
        for (seconds, fields) in [
            (0, (0, 0)),
            (-1, (u32::MAX, 0)),
            (1 << 31, (1 << 31, 1)),
            (i64::MAX, (0x7fff_ffff, 3)),
            (i64::MIN, (1 << 31, 0)),
        ] {
            assert_eq!(time_fields(seconds), fields, "{seconds}");
        }
    }
}
