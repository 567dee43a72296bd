//! A node of an inode's extent tree: a header and entries, twelve bytes each.
//!
//! [Extent tree](https://docs.kernel.org/filesystems/ext4/ifork.html#extent-tree). Nodes in blocks end in a checksum,
//! right behind the last entry that there is room for, which is not the end of a block of 2 KiB.

use fs_ext4::error::{Error, Result};

use super::bytes::{Field, get_u32, halves64, joined64, low16, put_u32};
use super::checksum::Checksums;
use super::inode::BLOCK_LEN;

/// The deepest tree that the kernel makes.
pub(crate) const MAX_DEPTH: u16 = 5;
/// The longest extent; one that is longer stands for blocks that were never written.
const MAX_LEN: u16 = 32768;

/// Bytes of the header and of an entry alike.
const ENTRY: usize = 12;
type U16 = Field<ENTRY, 2>;
type U32 = Field<ENTRY, 4>;

const MAGIC: u16 = 0xf30a;
const HEADER_MAGIC: U16 = Field::at(0);
const HEADER_ENTRIES: U16 = Field::at(2);
const HEADER_ROOM: U16 = Field::at(4);
const HEADER_DEPTH: U16 = Field::at(6);

/// The first block of the file below an entry, in leaves and indexes alike.
const LOGICAL: U32 = Field::at(0);
const EXTENT_LEN: U16 = Field::at(4);
const EXTENT_START: (U32, U16) = (Field::at(8), Field::at(6));
const CHILD: (U32, U16) = (Field::at(4), Field::at(8));

/// Blocks of the file system that lie one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: u64,
    /// At least one.
    pub(crate) len: u32,
}

/// Blocks of a file that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first block of the file.
    pub(crate) logical: u32,
    /// Where it lies.
    pub(crate) run: Run,
    /// Whether it was never written, and so reads as zeros.
    pub(crate) unwritten: bool,
}

/// What an entry holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    /// In a leaf: blocks of the file.
    Extent(Run),
    /// In an index: the block of a node.
    Child(u64),
}

/// A node: the root, which lies in the inode, or a block.
pub(crate) struct Node {
    /// Its block; none for the root.
    pub(crate) place: Option<u64>,
    bytes: Vec<u8>,
}

impl Node {
    /// A node without entries in `len` bytes, with room for all entries that fit behind the header. In a block the
    /// checksum has room in what is left.
    pub(crate) fn new(place: Option<u64>, len: usize, depth: u16) -> Result<Self> {
        let mut node = Self { place, bytes: vec![0; len] };
        let room = u16::try_from(len / ENTRY).map_err(|_| Error::OutOfBounds)?.saturating_sub(1);
        let header = node.entry_mut(0)?;
        HEADER_MAGIC.put(header, MAGIC);
        HEADER_ROOM.put(header, room);
        HEADER_DEPTH.put(header, depth);
        Ok(node)
    }

    /// The root of a file without blocks.
    pub(crate) fn empty_root() -> [u8; BLOCK_LEN] {
        let mut root = [0; BLOCK_LEN];
        const PLACE: Field<BLOCK_LEN, ENTRY> = Field::at(0);
        let mut header = [0; ENTRY];
        HEADER_MAGIC.put(&mut header, MAGIC);
        HEADER_ROOM.put(&mut header, ROOT_ENTRIES);
        PLACE.set_bytes(&mut root, &header);
        root
    }

    /// A node of the same depth and entries in another place. There must be room for them.
    pub(crate) fn moved(&self, place: u64, len: usize) -> Result<Self> {
        let mut node = Self::new(Some(place), len, self.depth()?)?;
        let end = Self::place_of(self.entries()?);
        let to = node.bytes.get_mut(ENTRY..end).ok_or(Error::OutOfBounds)?;
        to.copy_from_slice(self.bytes.get(ENTRY..end).ok_or(Error::OutOfBounds)?);
        HEADER_ENTRIES.put(node.entry_mut(0)?, self.entries()?);
        Ok(node)
    }

    /// Reads a node, and refuses one that contradicts itself.
    pub(crate) fn parse(place: Option<u64>, bytes: Vec<u8>) -> Result<Self> {
        let node = Self { place, bytes };
        let fits = Self::place_of(node.room()?) <= node.bytes.len();
        if HEADER_MAGIC.get(node.entry(0)?) != MAGIC
            || node.entries()? > node.room()?
            || !fits
            || node.depth()? > MAX_DEPTH
        {
            return Err(Error::CorruptExtentTree("a node that contradicts itself"));
        }
        Ok(node)
    }

    /// The node's bytes with its checksum, where one is kept.
    pub(crate) fn sealed(&self, inode: u32, generation: u32, checksums: Checksums) -> Result<Vec<u8>> {
        let mut bytes = self.bytes.clone();
        if self.place.is_none() {
            return Ok(bytes);
        }
        if let Some(sum) = self.sum(inode, generation, checksums)? {
            let tail = self.tail()?;
            put_u32(&mut bytes, tail, sum)?;
            // The crate looks for the checksum at the end of the block. In blocks of 2 KiB, where that is another
            // place, it computes 0 for it there, since a checksum over itself is 0: so it reads what is right.
            if let Some(rest) = bytes.get_mut(tail.saturating_add(4)..) {
                rest.fill(0);
            }
        }
        Ok(bytes)
    }

    /// Whether a node in a block has the checksum that it should have.
    pub(crate) fn is_sound(&self, inode: u32, generation: u32, checksums: Checksums) -> Result<bool> {
        match self.sum(inode, generation, checksums)? {
            Some(sum) => Ok(get_u32(&self.bytes, self.tail()?)? == sum),
            None => Ok(true),
        }
    }

    fn sum(&self, inode: u32, generation: u32, checksums: Checksums) -> Result<Option<u32>> {
        let covered = self.bytes.get(..self.tail()?).ok_or(Error::OutOfBounds)?;
        Ok(checksums.extent_node(inode, generation, covered))
    }

    /// Where the checksum of a block is (`EXT4_EXTENT_TAIL_OFFSET` of the kernel).
    fn tail(&self) -> Result<usize> {
        Ok(Self::place_of(self.room()?))
    }

    pub(crate) fn entries(&self) -> Result<u16> {
        Ok(HEADER_ENTRIES.get(self.entry(0)?))
    }

    pub(crate) fn room(&self) -> Result<u16> {
        Ok(HEADER_ROOM.get(self.entry(0)?))
    }

    pub(crate) fn depth(&self) -> Result<u16> {
        Ok(HEADER_DEPTH.get(self.entry(0)?))
    }

    pub(crate) fn is_full(&self) -> Result<bool> {
        Ok(self.entries()? >= self.room()?)
    }

    /// The first block of the file below an entry.
    pub(crate) fn logical(&self, index: u16) -> Result<u32> {
        Ok(LOGICAL.get(self.entry_at(index)?))
    }

    /// The extent of an entry of a leaf.
    pub(crate) fn extent(&self, index: u16) -> Result<Extent> {
        let entry = self.entry_at(index)?;
        let len = EXTENT_LEN.get(entry);
        let start = joined64(EXTENT_START.0.get(entry), EXTENT_START.1.get(entry).into());
        let (len, unwritten) = if len > MAX_LEN { (len - MAX_LEN, true) } else { (len, false) };
        Ok(Extent { logical: LOGICAL.get(entry), run: Run { start, len: len.into() }, unwritten })
    }

    /// The block of the node that an entry of an index leads to.
    pub(crate) fn child(&self, index: u16) -> Result<u64> {
        let entry = self.entry_at(index)?;
        Ok(joined64(CHILD.0.get(entry), CHILD.1.get(entry).into()))
    }

    /// The last entry that begins at `logical` or before it.
    pub(crate) fn find(&self, logical: u32) -> Result<Option<u16>> {
        let (mut low, mut high) = (0, self.entries()?);
        while low < high {
            let middle = low.midpoint(high);
            if LOGICAL.get(self.entry_at(middle)?) <= logical { low = middle + 1 } else { high = middle }
        }
        Ok(low.checked_sub(1))
    }

    /// Adds an entry behind the last one. There must be room.
    pub(crate) fn push(&mut self, logical: u32, entry: Entry) -> Result<()> {
        let index = self.entries()?;
        if index >= self.room()? {
            return Err(Error::OutOfBounds);
        }
        let place = self.entry_mut(usize::from(index).saturating_add(1))?;
        LOGICAL.put(place, logical);
        match entry {
            Entry::Extent(run) => {
                let (low, high) = halves64(run.start);
                EXTENT_LEN.put(place, low16(run.len));
                EXTENT_START.1.put(place, low16(high));
                EXTENT_START.0.put(place, low);
            }
            Entry::Child(block) => {
                const RESERVED: U16 = Field::at(10);
                let (low, high) = halves64(block);
                CHILD.0.put(place, low);
                CHILD.1.put(place, low16(high));
                RESERVED.put(place, 0);
            }
        }
        HEADER_ENTRIES.put(self.entry_mut(0)?, index.saturating_add(1));
        Ok(())
    }

    /// Adds a run to the last extent of a leaf, where it continues it in the file and in the image.
    pub(crate) fn lengthen(&mut self, logical: u32, run: Run) -> Result<bool> {
        let Some(index) = self.entries()?.checked_sub(1) else { return Ok(false) };
        let last = self.extent(index)?;
        let len = last.run.len.saturating_add(run.len);
        let continues = last.run.start.saturating_add(last.run.len.into()) == run.start
            && last.logical.saturating_add(last.run.len) == logical;
        if !continues || last.unwritten || len > u32::from(MAX_LEN) {
            return Ok(false);
        }
        EXTENT_LEN.put(self.entry_mut(usize::from(index).saturating_add(1))?, low16(len));
        Ok(true)
    }

    fn place_of(index: u16) -> usize {
        usize::from(index).saturating_add(1).saturating_mul(ENTRY)
    }

    /// An entry in use.
    fn entry_at(&self, index: u16) -> Result<&[u8; ENTRY]> {
        if index >= self.entries()? {
            return Err(MISSING);
        }
        self.entry(usize::from(index).saturating_add(1))
    }

    /// The header at 0, the entries from 1 on.
    fn entry(&self, index: usize) -> Result<&[u8; ENTRY]> {
        self.bytes.as_chunks().0.get(index).ok_or(MISSING)
    }

    fn entry_mut(&mut self, index: usize) -> Result<&mut [u8; ENTRY]> {
        self.bytes.as_chunks_mut().0.get_mut(index).ok_or(MISSING)
    }
}

const MISSING: Error = Error::CorruptExtentTree("an entry outside of its node");
/// Entries of the root, behind the header.
const ROOT_ENTRIES: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_outside_of_the_node_are_errors() {
        assert!(Node::parse(None, vec![0; 11]).is_err());
        assert!(Node::new(None, 11, 0).is_err());
        let mut node = Node::new(None, BLOCK_LEN, 0).unwrap();
        assert!(node.extent(0).is_err() && node.child(0).is_err());
        for index in 0..4 {
            node.push(index, Entry::Extent(Run { start: u64::from(100 + 2 * index), len: 1 })).unwrap();
        }
        assert!(node.push(4, Entry::Child(9)).is_err());
        assert!(node.is_full().unwrap() && node.extent(4).is_err());
        assert_eq!(node.find(7).unwrap(), Some(3));
        assert_eq!(node.extent(2).unwrap().run, Run { start: 104, len: 1 });
        assert!(node.moved(5, 48).is_err(), "four entries do not fit");
    }

    #[test]
    fn a_node_that_claims_more_than_its_bytes_is_refused() {
        let root = Node::empty_root();
        assert_eq!(Node::new(None, BLOCK_LEN, 0).unwrap().bytes, root);
        for (at, byte) in [(0, 0), (2, 5), (4, 5), (6, 6)] {
            let mut bytes = root.to_vec();
            bytes[at] = byte;
            assert!(Node::parse(None, bytes).is_err(), "byte {at}");
        }
    }
}
