//! A node of a directory's hash tree.
//!
//! [Hash tree directories](https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories): the first
//! block of the directory is the root, behind the entries of `.` and `..`; other nodes look like one entry that is not
//! in use and fills the block. Both hold pairs of a hash and a block, sorted; the first has no hash, since it stands
//! for all that is below the second. A hash whose lowest bit is set continues the one before: names that
//! hash alike are in both blocks. With `metadata_csum` a checksum follows the last pair that there is room for.

use fs_ext4::checksum::Checksummer;
use fs_ext4::error::{Error, Result};
use fs_ext4::hash::HashVersion;

use crate::fs::ext4::bytes::{get_u8, get_u16, get_u32, put_u16, put_u32};
use crate::fs::ext4::inode::Inode;

/// Where the pairs begin, with the numbers of those that there may be and that there are.
const ROOT: usize = 0x20;
const INNER: usize = 0x08;
/// Bytes of a pair, and of the checksum with its reserved word.
const PAIR: usize = 8;
/// Bytes of the entry of `.` in a root, behind which that of `..` begins.
const DOT_LEN: usize = 12;
/// Places in the root: hash version, length of this part (8), levels below, flags.
const VERSION: usize = 0x1c;
const INFO_LEN: usize = 0x1d;
const LEVELS: usize = 0x1e;
const INFO_FLAGS: usize = 0x1f;

/// A node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    bytes: Vec<u8>,
    head: usize,
}

impl Node {
    /// Reads the root, and refuses what does not add up.
    pub(super) fn root(bytes: Vec<u8>, max_levels: u8, csum: &Checksummer, dir: &Inode) -> Result<Self> {
        let known = get_u8(&bytes, INFO_LEN) == 8 && get_u8(&bytes, INFO_FLAGS) & 1 == 0;
        let node = Self::parse(bytes, ROOT, csum, dir)?;
        if !known || node.levels() >= max_levels {
            return Err(Error::CorruptDirEntry("the root of a hash tree"));
        }
        node.version()?;
        Ok(node)
    }

    /// Reads a node below the root.
    pub(super) fn inner(bytes: Vec<u8>, csum: &Checksummer, dir: &Inode) -> Result<Self> {
        if get_u32(&bytes, 0) != 0 || usize::from(get_u16(&bytes, 4)) != bytes.len() {
            return Err(Error::CorruptDirEntry("a node of a hash tree"));
        }
        Self::parse(bytes, INNER, csum, dir)
    }

    fn parse(bytes: Vec<u8>, head: usize, csum: &Checksummer, dir: &Inode) -> Result<Self> {
        let node = Self { bytes, head };
        if node.limit() != node.room(csum) || node.count() == 0 || node.count() > node.limit() {
            return Err(Error::CorruptDirEntry("a node of a hash tree with wrong counts"));
        }
        match csum.verify_dx_tail(dir.number, dir.generation(), &node.bytes, head) {
            Some(false) => Err(Error::BadChecksum { what: "node of a hash tree" }),
            Some(true) | None => Ok(node),
        }
    }

    /// Makes the first block of a directory the root of a tree whose only leaf is `leaf`. `.` and `..` stay.
    pub(super) fn new_root(first: &[u8], parent: u32, version: u8, leaf: u32, csum: &Checksummer) -> Self {
        let mut bytes = vec![0; first.len()];
        if let (Some(to), Some(from)) = (bytes.get_mut(..DOT_LEN), first.get(..DOT_LEN)) {
            to.copy_from_slice(from);
        }
        let rest = u16::try_from(first.len().saturating_sub(DOT_LEN)).unwrap_or(u16::MAX);
        put_u32(&mut bytes, DOT_LEN, parent);
        put_u16(&mut bytes, 16, rest);
        if let Some(place) = bytes.get_mut(18..22) {
            place.copy_from_slice(&[2, 2, b'.', b'.']);
        }
        if let Some(place) = bytes.get_mut(VERSION..=INFO_FLAGS) {
            place.copy_from_slice(&[version, 8, 0, 0]);
        }
        let mut node = Self { bytes, head: ROOT };
        node.fill(&[(0, leaf)], csum);
        node
    }

    /// A node below the root.
    pub(super) fn new_inner(block_size: usize, pairs: &[(u32, u32)], csum: &Checksummer) -> Self {
        let mut bytes = vec![0; block_size];
        put_u16(&mut bytes, 4, u16::try_from(block_size).unwrap_or(u16::MAX));
        let mut node = Self { bytes, head: INNER };
        node.fill(pairs, csum);
        node
    }

    /// Replaces all pairs. There must be room for them.
    pub(super) fn fill(&mut self, pairs: &[(u32, u32)], csum: &Checksummer) {
        let room = self.room(csum);
        put_u16(&mut self.bytes, self.head, room);
        put_u16(&mut self.bytes, self.head + 2, u16::try_from(pairs.len()).unwrap_or(u16::MAX));
        for (index, (hash, block)) in pairs.iter().enumerate() {
            self.put(index, *hash, *block);
        }
    }

    /// All pairs; the hash of the first means nothing.
    pub(super) fn pairs(&self) -> Vec<(u32, u32)> {
        (0..usize::from(self.count())).map(|index| (self.hash(index), self.block(index))).collect()
    }

    /// The pair that is responsible for a hash.
    pub(super) fn find(&self, hash: u32) -> usize {
        let (mut low, mut high) = (1, usize::from(self.count()));
        while low < high {
            let middle = low.midpoint(high);
            if self.hash(middle) <= hash { low = middle + 1 } else { high = middle }
        }
        low.saturating_sub(1)
    }

    /// Adds a pair behind another one. There must be room.
    pub(super) fn insert_behind(&mut self, index: usize, hash: u32, block: u32) {
        let count = usize::from(self.count());
        let at = self.place(index.saturating_add(1));
        let end = self.place(count);
        self.bytes.copy_within(at..end, at.saturating_add(PAIR));
        self.put(index.saturating_add(1), hash, block);
        let count = self.count().saturating_add(1);
        put_u16(&mut self.bytes, self.head + 2, count);
    }

    /// Changes the inode of `..`, for a root.
    pub(super) fn set_parent(&mut self, parent: u32) {
        put_u32(&mut self.bytes, DOT_LEN, parent);
    }

    /// Notes that there is one level more, for a root.
    pub(super) fn add_level(&mut self) {
        let levels = self.levels().saturating_add(1);
        if let Some(place) = self.bytes.get_mut(LEVELS) {
            *place = levels;
        }
    }

    /// The whole block with its checksum.
    pub(super) fn sealed(&self, csum: &Checksummer, dir: &Inode) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        csum.patch_dx_tail(dir.number, dir.generation(), &mut bytes, self.head);
        bytes
    }

    /// Levels of nodes between the root and the leaves, for a root.
    pub(super) fn levels(&self) -> u8 {
        get_u8(&self.bytes, LEVELS)
    }

    /// The hash of the tree as its root names it.
    pub(super) fn version(&self) -> Result<HashVersion> {
        HashVersion::from_u8(get_u8(&self.bytes, VERSION))
            .ok_or(Error::Unsupported("the hash of a directory"))
    }

    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.limit()
    }

    pub(super) fn len(&self) -> usize {
        self.count().into()
    }

    pub(super) fn hash(&self, index: usize) -> u32 {
        if index == 0 { 0 } else { get_u32(&self.bytes, self.place(index)) }
    }

    /// The block of the directory that a pair leads to; the upper four bits are reserved.
    pub(super) fn block(&self, index: usize) -> u32 {
        get_u32(&self.bytes, self.place(index) + 4) & 0x0fff_ffff
    }

    fn limit(&self) -> u16 {
        get_u16(&self.bytes, self.head)
    }

    fn count(&self) -> u16 {
        get_u16(&self.bytes, self.head + 2)
    }

    /// Pairs that the block has room for.
    fn room(&self, csum: &Checksummer) -> u16 {
        let tail = if csum.enabled { PAIR } else { 0 };
        let bytes = self.bytes.len().saturating_sub(self.head).saturating_sub(tail);
        u16::try_from(bytes / PAIR).unwrap_or(u16::MAX)
    }

    fn place(&self, index: usize) -> usize {
        self.head.saturating_add(index.saturating_mul(PAIR))
    }

    fn put(&mut self, index: usize, hash: u32, block: u32) {
        let at = self.place(index);
        if index > 0 {
            put_u32(&mut self.bytes, at, hash);
        }
        put_u32(&mut self.bytes, at + 4, block);
    }
}
