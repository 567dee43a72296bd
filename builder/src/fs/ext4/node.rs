//! A node of an inode's extents: a header and entries of twelve bytes each.
//!
//! [Extent tree](https://docs.kernel.org/filesystems/ext4/ifork.html#extent-tree).

use fs_ext4::error::{Error, Result};

use super::bytes::{get_u16, get_u32, low16, put_u16, put_u32};
use super::space::Run;

const MAGIC: u16 = 0xf30a;
/// Bytes of the header and of an entry alike.
const ENTRY: usize = 12;
/// The deepest tree that the kernel makes.
pub(super) const MAX_DEPTH: u16 = 5;
/// The longest extent; one that is longer stands for blocks that were never written.
const MAX_LEN: u16 = 32768;

/// A node: the root or a block.
pub(super) struct Node {
    /// Its block; none for the root.
    pub(super) place: Option<u64>,
    pub(super) bytes: Vec<u8>,
}

/// Blocks of a file that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first block of the file.
    pub(super) logical: u32,
    /// Where it lies.
    pub(super) run: Run,
    /// Whether it was never written, and so reads as zeros.
    pub(super) unwritten: bool,
}

/// What an entry stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry {
    /// In a leaf: blocks of the file.
    Extent(Run),
    /// In an index: the block of a node.
    Child(u64),
}

impl Node {
    /// A node without entries, in as many bytes: there is room for all that fit behind the header. In a block
    /// the checksum has room in what is left.
    pub(super) fn new(place: Option<u64>, len: usize, depth: u16) -> Self {
        let mut node = Self { place, bytes: vec![0; len] };
        let room = u16::try_from(len / ENTRY).unwrap_or(u16::MAX).saturating_sub(1);
        for (at, value) in [(0, MAGIC), (4, room), (6, depth)] {
            put_u16(&mut node.bytes, at, value);
        }
        node
    }

    /// A node of the same depth in another place, with the same entries. There must be room for them.
    pub(super) fn moved(&self, place: u64, len: usize) -> Self {
        let mut node = Self::new(Some(place), len, self.depth());
        put_u16(&mut node.bytes, 2, self.entries());
        let entries = ENTRY..Self::place_of(self.entries());
        if let (Some(to), Some(from)) = (node.bytes.get_mut(entries.clone()), self.bytes.get(entries)) {
            to.copy_from_slice(from);
        }
        node
    }

    pub(super) fn parse(place: Option<u64>, bytes: Vec<u8>) -> Result<Self> {
        let node = Self { place, bytes };
        let fits = usize::from(node.room()).saturating_add(1).saturating_mul(ENTRY) <= node.bytes.len();
        if get_u16(&node.bytes, 0) != MAGIC
            || node.entries() > node.room()
            || !fits
            || node.depth() > MAX_DEPTH
        {
            return Err(Error::CorruptExtentTree("a node that contradicts itself"));
        }
        Ok(node)
    }

    pub(super) fn entries(&self) -> u16 {
        get_u16(&self.bytes, 2)
    }

    pub(super) fn room(&self) -> u16 {
        get_u16(&self.bytes, 4)
    }

    pub(super) fn depth(&self) -> u16 {
        get_u16(&self.bytes, 6)
    }

    fn place_of(index: u16) -> usize {
        usize::from(index).saturating_add(1).saturating_mul(ENTRY)
    }

    pub(super) fn extent(&self, index: u16) -> Extent {
        let at = Self::place_of(index);
        let len = get_u16(&self.bytes, at + 4);
        let start = u64::from(get_u16(&self.bytes, at + 6)) << 32 | u64::from(get_u32(&self.bytes, at + 8));
        let (len, unwritten) = if len > MAX_LEN { (len - MAX_LEN, true) } else { (len, false) };
        Extent { logical: get_u32(&self.bytes, at), run: Run { start, len: len.into() }, unwritten }
    }

    /// The block of the node that an entry of an index leads to.
    pub(super) fn child(&self, index: u16) -> u64 {
        let at = Self::place_of(index);
        u64::from(get_u16(&self.bytes, at + 8)) << 32 | u64::from(get_u32(&self.bytes, at + 4))
    }

    /// The last entry that begins at `logical` or before it.
    pub(super) fn find(&self, logical: u32) -> Option<u16> {
        let (mut low, mut high) = (0, self.entries());
        while low < high {
            let middle = low.midpoint(high);
            if get_u32(&self.bytes, Self::place_of(middle)) <= logical {
                low = middle + 1
            } else {
                high = middle
            }
        }
        low.checked_sub(1)
    }

    /// Adds an entry behind the last one.
    pub(super) fn push(&mut self, logical: u32, entry: Entry) {
        let at = Self::place_of(self.entries());
        put_u32(&mut self.bytes, at, logical);
        let low_and_high = |block: u64| {
            let [a, b, c, d, e, f, ..] = block.to_le_bytes();
            (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]))
        };
        match entry {
            Entry::Extent(run) => {
                let (low, high) = low_and_high(run.start);
                put_u16(&mut self.bytes, at + 4, low16(run.len));
                put_u16(&mut self.bytes, at + 6, high);
                put_u32(&mut self.bytes, at + 8, low);
            }
            Entry::Child(block) => {
                let (low, high) = low_and_high(block);
                put_u32(&mut self.bytes, at + 4, low);
                put_u16(&mut self.bytes, at + 8, high);
                put_u16(&mut self.bytes, at + 10, 0);
            }
        }
        let entries = self.entries().saturating_add(1);
        put_u16(&mut self.bytes, 2, entries);
    }

    /// Adds a run to the last extent of a leaf, where it continues it in the file and in the image.
    pub(super) fn lengthen(&mut self, logical: u32, run: Run) -> bool {
        let Some(index) = self.entries().checked_sub(1) else { return false };
        let last = self.extent(index);
        let len = last.run.len.saturating_add(run.len);
        let continues = last.run.start.saturating_add(last.run.len.into()) == run.start
            && last.logical.saturating_add(last.run.len) == logical;
        if !continues || last.unwritten || len > u32::from(MAX_LEN) {
            return false;
        }
        put_u16(&mut self.bytes, Self::place_of(index) + 4, low16(len));
        true
    }

    /// Where the checksum of a block is.
    pub(super) fn tail(&self) -> usize {
        Self::place_of(self.room())
    }
}
