//! A node of a directory's hash tree.
//!
//! [Hash tree directories](https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories): the first
//! block of the directory is the root, behind the entries of `.` and `..`; the other nodes look like one unused entry
//! that fills the block. Both hold pairs of a hash and a block, sorted; the first pair has no hash, since it stands
//! for all that is below the second. A hash whose lowest bit is set continues the pair before it: names with the same
//! hash are in both blocks. With `metadata_csum` a checksum follows the last pair that there is room for.

use fs_ext4::checksum::Checksummer;
use fs_ext4::error::{Error, Result};
use fs_ext4::hash::HashVersion;

use super::bytes::{Field, get_array};
use super::directory_block::DIRECTORY;
use super::inode::Inode;

/// Where the pairs begin.
const ROOT: usize = 0x20;
const INNER: usize = 0x08;
/// Bytes of a pair, and of the checksum with its reserved word.
const PAIR: usize = 8;
/// The first pair holds, in the place of its hash, how many pairs there may be and how many there are.
const LIMIT: Field<PAIR, 2> = Field::at(0);
const COUNT: Field<PAIR, 2> = Field::at(2);
const HASH: Field<PAIR, 4> = Field::at(0);
const BLOCK: Field<PAIR, 4> = Field::at(4);
/// The block in a pair; the upper four bits are reserved.
const BLOCK_MASK: u32 = 0x0fff_ffff;

/// What a root has before its pairs: the entries of `.` and `..`, and what is said of the tree.
const DOT: Field<ROOT, 12> = Field::at(0);
const PARENT: Field<ROOT, 4> = Field::at(12);
const PARENT_LEN: Field<ROOT, 2> = Field::at(16);
const PARENT_NAME: Field<ROOT, 4> = Field::at(18);
const VERSION: Field<ROOT, 1> = Field::at(0x1c);
const INFO_LEN: Field<ROOT, 1> = Field::at(0x1d);
const LEVELS: Field<ROOT, 1> = Field::at(0x1e);
const FLAGS: Field<ROOT, 1> = Field::at(0x1f);
/// Bytes of the entry of `.`, behind which that of `..` begins.
const DOT_LEN: usize = 12;
/// Bytes of what is said of the tree.
const KNOWN_INFO_LEN: u8 = 8;

/// What an inner node has before its pairs: an unused entry.
const FAKE_INODE: Field<INNER, 4> = Field::at(0);
const FAKE_LEN: Field<INNER, 2> = Field::at(4);

/// A pair: names with this hash or a higher one, up to the next pair's, are below this block of the directory.
#[derive(Debug, Clone, Copy)]
struct Pair {
    hash: u32,
    block: u32,
}

/// What a node has before its pairs.
#[derive(Debug, Clone)]
enum Head {
    Root([u8; ROOT]),
    Inner([u8; INNER]),
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    head: Head,
    pairs: Vec<Pair>,
    /// Pairs that there is room for.
    room: usize,
    /// The block as it was read; what lies behind the pairs stays.
    bytes: Vec<u8>,
}

impl Node {
    /// Reads the root, and refuses one that contradicts itself.
    pub(crate) fn root(bytes: Vec<u8>, max_levels: u8, csum: &Checksummer, dir: &Inode) -> Result<Self> {
        let head: [u8; ROOT] = get_array(&bytes, 0)?;
        let known = INFO_LEN.get(&head) == KNOWN_INFO_LEN && FLAGS.get(&head) & 1 == 0;
        let node = Self::parse(Head::Root(head), bytes, csum, dir)?;
        if !known || node.levels() >= max_levels {
            return Err(Error::CorruptDirEntry("the root of a hash tree"));
        }
        node.version()?;
        Ok(node)
    }

    /// Reads a node below the root.
    pub(crate) fn inner(bytes: Vec<u8>, csum: &Checksummer, dir: &Inode) -> Result<Self> {
        let head: [u8; INNER] = get_array(&bytes, 0)?;
        if FAKE_INODE.get(&head) != 0 || usize::from(FAKE_LEN.get(&head)) != bytes.len() {
            return Err(Error::CorruptDirEntry("a node of a hash tree"));
        }
        Self::parse(Head::Inner(head), bytes, csum, dir)
    }

    fn parse(head: Head, bytes: Vec<u8>, csum: &Checksummer, dir: &Inode) -> Result<Self> {
        const WRONG: Error = Error::CorruptDirEntry("a node of a hash tree with wrong counts");
        let room = room(bytes.len(), head.len(), csum);
        let chunks = bytes.get(head.len()..).unwrap_or_default().as_chunks().0;
        let first = chunks.first().ok_or(WRONG)?;
        let (limit, count) = (usize::from(LIMIT.get(first)), usize::from(COUNT.get(first)));
        if limit != room || count == 0 || count > limit {
            return Err(WRONG);
        }
        if csum.verify_dx_tail(dir.number, dir.generation(), &bytes, head.len()) == Some(false) {
            return Err(Error::BadChecksum { what: "node of a hash tree" });
        }
        let mut pairs: Vec<Pair> = chunks
            .iter()
            .take(count)
            .map(|pair| Pair { hash: HASH.get(pair), block: BLOCK.get(pair) })
            .collect();
        if let Some(first) = pairs.first_mut() {
            first.hash = 0;
        }
        Ok(Self { head, pairs, room, bytes })
    }

    /// The first block of a directory as the root of a tree whose only leaf is `leaf`. `.` stays as it is in `first`.
    pub(crate) fn new_root(
        first: &[u8],
        parent: u32,
        version: u8,
        leaf: u32,
        csum: &Checksummer,
    ) -> Result<Self> {
        let rest = u16::try_from(first.len().saturating_sub(DOT_LEN)).map_err(|_| Error::OutOfBounds)?;
        let mut head = [0; ROOT];
        DOT.set_bytes(&mut head, &get_array(first, 0)?);
        PARENT.put(&mut head, parent);
        PARENT_LEN.put(&mut head, rest);
        PARENT_NAME.set_bytes(&mut head, &[2, DIRECTORY, b'.', b'.']);
        VERSION.set_bytes(&mut head, &[version]);
        INFO_LEN.set_bytes(&mut head, &[KNOWN_INFO_LEN]);
        let room = room(first.len(), ROOT, csum);
        let pairs = vec![Pair { hash: 0, block: leaf }];
        Ok(Self { head: Head::Root(head), pairs, room, bytes: vec![0; first.len()] })
    }

    /// A node below the root.
    pub(crate) fn new_inner(block_size: usize, pairs: &[(u32, u32)], csum: &Checksummer) -> Result<Self> {
        let mut head = [0; INNER];
        FAKE_LEN.put(&mut head, u16::try_from(block_size).map_err(|_| Error::OutOfBounds)?);
        let room = room(block_size, INNER, csum);
        let mut node = Self { head: Head::Inner(head), pairs: Vec::new(), room, bytes: vec![0; block_size] };
        node.fill(pairs);
        Ok(node)
    }

    /// Replaces all pairs. There must be room for them.
    pub(crate) fn fill(&mut self, pairs: &[(u32, u32)]) {
        self.pairs = pairs.iter().map(|&(hash, block)| Pair { hash, block }).collect();
    }

    /// All pairs; the hash of the first means nothing.
    pub(crate) fn pairs(&self) -> Vec<(u32, u32)> {
        self.pairs.iter().map(|pair| (pair.hash, pair.block & BLOCK_MASK)).collect()
    }

    /// The pair below which names with a hash are.
    pub(crate) fn find(&self, hash: u32) -> usize {
        let behind = self.pairs.get(1..).unwrap_or_default();
        behind.partition_point(|pair| pair.hash <= hash)
    }

    /// Adds a pair behind another one. There must be room.
    pub(crate) fn insert_behind(&mut self, index: usize, hash: u32, block: u32) -> Result<()> {
        if index >= self.pairs.len() || self.is_full() {
            return Err(Error::OutOfBounds);
        }
        self.pairs.insert(index.saturating_add(1), Pair { hash, block });
        Ok(())
    }

    /// Changes the inode of `..`, for a root.
    pub(crate) fn set_parent(&mut self, parent: u32) {
        if let Head::Root(head) = &mut self.head {
            PARENT.put(head, parent);
        }
    }

    /// Notes that there is one level more, for a root.
    pub(crate) fn add_level(&mut self) {
        let levels = self.levels().saturating_add(1);
        if let Head::Root(head) = &mut self.head {
            LEVELS.set_bytes(head, &[levels]);
        }
    }

    /// The whole block with its checksum.
    pub(crate) fn sealed(&self, csum: &Checksummer, dir: &Inode) -> Result<Vec<u8>> {
        let number = |count: usize| u16::try_from(count).map_err(|_| Error::OutOfBounds);
        let (limit, count) = (number(self.room)?, number(self.pairs.len())?);
        if count > limit {
            return Err(Error::OutOfBounds);
        }
        let mut bytes = self.bytes.clone();
        let (head, rest) = bytes.split_at_mut_checked(self.head.len()).ok_or(Error::OutOfBounds)?;
        head.copy_from_slice(self.head.bytes());
        for (index, (place, pair)) in rest.as_chunks_mut().0.iter_mut().zip(&self.pairs).enumerate() {
            BLOCK.put(place, pair.block);
            if index == 0 {
                LIMIT.put(place, limit);
                COUNT.put(place, count);
            } else {
                HASH.put(place, pair.hash);
            }
        }
        csum.patch_dx_tail(dir.number, dir.generation(), &mut bytes, self.head.len());
        Ok(bytes)
    }

    /// Levels of nodes between the root and the leaves, for a root.
    pub(crate) fn levels(&self) -> u8 {
        self.root_head().map_or(0, |head| LEVELS.get(head))
    }

    /// The hash of the tree as its root names it.
    pub(crate) fn version(&self) -> Result<HashVersion> {
        let version = self.root_head().and_then(|head| HashVersion::from_u8(VERSION.get(head)));
        version.ok_or(Error::Unsupported("the hash of a directory"))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.pairs.len() >= self.room
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The hash of a pair; 0 for the first.
    pub(crate) fn hash(&self, index: usize) -> Result<u32> {
        Ok(self.pair(index)?.hash)
    }

    /// The block of the directory that a pair leads to.
    pub(crate) fn block(&self, index: usize) -> Result<u32> {
        Ok(self.pair(index)?.block & BLOCK_MASK)
    }

    fn pair(&self, index: usize) -> Result<&Pair> {
        self.pairs.get(index).ok_or(Error::CorruptDirEntry("a pair outside of a hash tree's node"))
    }

    fn root_head(&self) -> Option<&[u8; ROOT]> {
        match &self.head {
            Head::Root(head) => Some(head),
            Head::Inner(_) => None,
        }
    }
}

impl Head {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Root(head) => head,
            Self::Inner(head) => head,
        }
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }
}

/// Pairs that a block has room for.
fn room(block: usize, head: usize, csum: &Checksummer) -> usize {
    let tail = if csum.enabled { PAIR } else { 0 };
    block.saturating_sub(head).saturating_sub(tail) / PAIR
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSUM: Checksummer = Checksummer { seed: 7, enabled: true };

    fn dir() -> Inode {
        Inode::parse(12, &[0; 128]).unwrap()
    }

    #[test]
    fn a_node_reads_back_as_it_was_written() {
        let mut node = Node::new_inner(1024, &[(0, 1), (10, 2), (20, 3)], &CSUM).unwrap();
        node.insert_behind(1, 15, 4).unwrap();
        let node = Node::inner(node.sealed(&CSUM, &dir()).unwrap(), &CSUM, &dir()).unwrap();
        assert_eq!(node.pairs(), [(0, 1), (10, 2), (15, 4), (20, 3)]);
        for (hash, index) in [(0, 0), (9, 0), (10, 1), (14, 1), (15, 2), (20, 3), (u32::MAX, 3)] {
            assert_eq!(node.find(hash), index, "{hash}");
        }
        assert!(node.hash(4).is_err() && node.block(4).is_err());
    }

    #[test]
    fn a_full_node_takes_no_pair() {
        let pairs: Vec<_> = (0..126).map(|number| (number, number)).collect();
        let mut node = Node::new_inner(1024, &pairs, &CSUM).unwrap();
        assert!(node.is_full() && node.insert_behind(0, 1, 1).is_err());
        node.fill(&[&pairs[..], &[(1000, 1)]].concat());
        assert!(node.sealed(&CSUM, &dir()).is_err());
    }

    #[test]
    fn a_block_that_is_too_short_or_counts_wrong_is_an_error() {
        assert!(Node::root(vec![0; 31], 2, &CSUM, &dir()).is_err());
        assert!(Node::inner(vec![0; 7], &CSUM, &dir()).is_err());
        assert!(Node::new_root(&[0; 11], 2, 1, 1, &CSUM).is_err());
        let root = Node::new_root(&[0; 1024], 2, 1, 1, &CSUM).unwrap().sealed(&CSUM, &dir()).unwrap();
        assert_eq!(Node::root(root.clone(), 2, &CSUM, &dir()).unwrap().pairs(), [(0, 1)]);
        for (at, byte) in [(0x20, 9), (0x22, 0), (0x22, 200), (0x1d, 7), (0x1c, 99), (0x24, 9)] {
            let mut wrong = root.clone();
            wrong[at] = byte;
            assert!(Node::root(wrong, 2, &CSUM, &dir()).is_err(), "byte {at:#x}");
        }
    }
}
