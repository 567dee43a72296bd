//! The extents of an inode: which blocks of the image hold which blocks of the file.
//!
//! [Extent tree](https://docs.kernel.org/filesystems/ext4/ifork.html#extent-tree): nodes of a header and entries of
//! twelve bytes each, the root in the inode. Blocks of entries end in a checksum, right behind the last entry that
//! there is room for, which is not the end of a block of 2 KiB.

use fs_ext4::checksum::linux_crc32c;
use fs_ext4::error::{Error, Result};

use super::bytes::{get_u16, get_u32, low16, put_u16, put_u32};
use super::inode::{BLOCK_LEN, EXTENTS, Inode};
use super::space::Run;
use super::volume::Volume;

const MAGIC: u16 = 0xf30a;
/// Bytes of the header and of an entry alike.
const ENTRY: usize = 12;
/// Entries of the root.
const ROOT_ENTRIES: u16 = 4;
/// The deepest tree that the kernel makes.
const MAX_DEPTH: u16 = 5;
/// The longest extent; one that is longer stands for blocks that were never written.
const MAX_LEN: u16 = 32768;

/// A node: the root or a block.
struct Node {
    /// Its block; none for the root.
    place: Option<u64>,
    bytes: Vec<u8>,
}

/// Blocks of a file that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first block of the file.
    pub(super) logical: u32,
    /// Where it lies.
    pub(super) run: Run,
    /// Whether it was never written, and so reads as zeros.
    unwritten: bool,
}

/// What an entry stands for.
#[derive(Debug, Clone, Copy)]
enum Entry {
    /// In a leaf: blocks of the file.
    Extent(Run),
    /// In an index: the block of a node.
    Child(u64),
}

/// The root of a file without blocks.
pub(super) fn empty_root() -> [u8; BLOCK_LEN] {
    let mut root = [0; BLOCK_LEN];
    put_header(&mut root, 0, ROOT_ENTRIES, 0);
    root
}

fn put_header(bytes: &mut [u8], entries: u16, room: u16, depth: u16) {
    put_u16(bytes, 0, MAGIC);
    put_u16(bytes, 2, entries);
    put_u16(bytes, 4, room);
    put_u16(bytes, 6, depth);
}

impl Node {
    fn parse(place: Option<u64>, bytes: Vec<u8>) -> Result<Self> {
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

    fn entries(&self) -> u16 {
        get_u16(&self.bytes, 2)
    }

    fn room(&self) -> u16 {
        get_u16(&self.bytes, 4)
    }

    fn depth(&self) -> u16 {
        get_u16(&self.bytes, 6)
    }

    fn place_of(index: u16) -> usize {
        usize::from(index).saturating_add(1).saturating_mul(ENTRY)
    }

    fn extent(&self, index: u16) -> Extent {
        let at = Self::place_of(index);
        let len = get_u16(&self.bytes, at + 4);
        let start = u64::from(get_u16(&self.bytes, at + 6)) << 32 | u64::from(get_u32(&self.bytes, at + 8));
        let (len, unwritten) = if len > MAX_LEN { (len - MAX_LEN, true) } else { (len, false) };
        Extent { logical: get_u32(&self.bytes, at), run: Run { start, len: len.into() }, unwritten }
    }

    /// The block of the node that an entry of an index leads to.
    fn child(&self, index: u16) -> u64 {
        let at = Self::place_of(index);
        u64::from(get_u16(&self.bytes, at + 8)) << 32 | u64::from(get_u32(&self.bytes, at + 4))
    }

    /// The last entry that begins at `logical` or before it.
    fn find(&self, logical: u32) -> Option<u16> {
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
    fn push(&mut self, logical: u32, entry: Entry) {
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
    fn lengthen(&mut self, logical: u32, run: Run) -> bool {
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
    fn tail(&self) -> usize {
        Self::place_of(self.room())
    }
}

impl Volume {
    /// The block that holds a block of the file; none for a hole.
    pub(super) fn map(&self, inode: &Inode, logical: u32) -> Result<Option<u64>> {
        let mut node = root(inode)?;
        loop {
            let Some(index) = node.find(logical) else { return Ok(None) };
            if node.depth() == 0 {
                let extent = node.extent(index);
                let within = u64::from(logical.saturating_sub(extent.logical));
                let inside = within < u64::from(extent.run.len) && !extent.unwritten;
                return Ok(inside.then(|| extent.run.start.saturating_add(within)));
            }
            node = self.child_node(inode, &node, index)?;
        }
    }

    /// Every extent of an inode, and every block that its tree takes.
    pub(super) fn extents(&self, inode: &Inode) -> Result<(Vec<Extent>, Vec<u64>)> {
        let (mut extents, mut nodes) = (Vec::new(), Vec::new());
        let mut ahead = vec![root(inode)?];
        while let Some(node) = ahead.pop() {
            nodes.extend(node.place);
            for index in 0..node.entries() {
                if node.depth() == 0 {
                    extents.push(node.extent(index));
                } else {
                    ahead.push(self.child_node(inode, &node, index)?);
                }
            }
        }
        Ok((extents, nodes))
    }

    /// Adds a run behind the last block of a file. The inode is changed, but not written.
    pub(super) fn append(&self, inode: &mut Inode, logical: u32, run: Run) -> Result<()> {
        let mut path = self.last_path(inode)?;
        if let Some(leaf) = path.last_mut()
            && leaf.lengthen(logical, run)
        {
            self.put_node(inode, leaf)?;
            inode.add_blocks(run.len.into(), self.block_size());
            return Ok(());
        }
        // A branch that is half made would be lost: there must be room for the longest one.
        self.must_have_free(u64::from(MAX_DEPTH) + 1)?;
        if let Some(level) = path.iter().rposition(|node| node.entries() < node.room()) {
            // The lowest node with room takes a new branch that ends in the run.
            let mut entry = Entry::Extent(run);
            for depth in 0..path.len().saturating_sub(level).saturating_sub(1) {
                entry = Entry::Child(self.new_node(inode, depth, logical, entry, run.start)?);
            }
            if let Some(node) = path.get_mut(level) {
                node.push(logical, entry);
                self.put_node(inode, node)?;
            }
        } else {
            self.deepen(inode, run.start)?;
            return self.append(inode, logical, run);
        }
        inode.add_blocks(run.len.into(), self.block_size());
        Ok(())
    }

    /// The block behind the last one of a file, in the image; none for a file without blocks.
    pub(super) fn end_of(&self, inode: &Inode) -> Result<Option<u64>> {
        let last = self.last_extent(inode)?;
        Ok(last.map(|extent| extent.run.start.saturating_add(extent.run.len.into())))
    }

    /// The block of a file behind the last one that it has.
    pub(super) fn next_logical(&self, inode: &Inode) -> Result<u32> {
        let last = self.last_extent(inode)?;
        Ok(last.map_or(0, |extent| extent.logical.saturating_add(extent.run.len)))
    }

    fn last_extent(&self, inode: &Inode) -> Result<Option<Extent>> {
        let path = self.last_path(inode)?;
        Ok(path.last().and_then(|leaf| Some(leaf.extent(leaf.entries().checked_sub(1)?))))
    }

    /// The nodes from the root to the leaf of the last extent.
    fn last_path(&self, inode: &Inode) -> Result<Vec<Node>> {
        let mut path = vec![root(inode)?];
        while let Some(node) = path.last().filter(|node| node.depth() > 0) {
            let last =
                node.entries().checked_sub(1).ok_or(Error::CorruptExtentTree("an index without entries"))?;
            let child = self.child_node(inode, node, last)?;
            path.push(child);
        }
        Ok(path)
    }

    /// Moves what the root holds into a block, so that the root has room again.
    fn deepen(&self, inode: &mut Inode, near: u64) -> Result<()> {
        let mut root = root(inode)?;
        if root.depth() >= MAX_DEPTH {
            return Err(Error::CorruptExtentTree("a file with too many extents"));
        }
        let place = self.take_blocks(near, 1)?.start;
        inode.add_blocks(1, self.block_size());
        let mut bytes = root.bytes.clone();
        bytes.resize(self.block_size(), 0);
        put_header(&mut bytes, root.entries(), self.node_room(), root.depth());
        self.put_node(inode, &Node { place: Some(place), bytes })?;
        let depth = root.depth().saturating_add(1);
        root.bytes = empty_root().to_vec();
        put_header(&mut root.bytes, 0, ROOT_ENTRIES, depth);
        root.push(0, Entry::Child(place));
        self.put_node(inode, &root)
    }

    fn new_node(
        &self,
        inode: &mut Inode,
        depth: usize,
        logical: u32,
        entry: Entry,
        near: u64,
    ) -> Result<u64> {
        let place = self.take_blocks(near, 1)?.start;
        inode.add_blocks(1, self.block_size());
        let mut node = Node { place: Some(place), bytes: vec![0; self.block_size()] };
        put_header(&mut node.bytes, 0, self.node_room(), u16::try_from(depth).unwrap_or(MAX_DEPTH));
        node.push(logical, entry);
        self.put_node(inode, &node)?;
        Ok(place)
    }

    /// Entries of a block: all that fit behind the header; the checksum has room in what is left.
    fn node_room(&self) -> u16 {
        u16::try_from(self.block_size() / ENTRY).unwrap_or(u16::MAX).saturating_sub(1)
    }

    fn child_node(&self, inode: &Inode, node: &Node, index: u16) -> Result<Node> {
        let place = node.child(index);
        let child = Node::parse(Some(place), self.read_block(place)?)?;
        if child.depth().saturating_add(1) != node.depth() {
            return Err(Error::CorruptExtentTree("a node of the wrong depth"));
        }
        let stored = get_u32(&child.bytes, child.tail());
        if self.csum.enabled && stored != self.node_sum(inode, &child) {
            return Err(Error::BadChecksum { what: "extent block" });
        }
        Ok(child)
    }

    fn put_node(&self, inode: &mut Inode, node: &Node) -> Result<()> {
        let Some(place) = node.place else {
            if let Some(root) = node.bytes.first_chunk() {
                inode.set_block(root);
            }
            return Ok(());
        };
        let mut bytes = node.bytes.clone();
        if self.csum.enabled {
            put_u32(&mut bytes, node.tail(), self.node_sum(inode, node));
            // The crate looks for the checksum at the end of the block. In blocks of 2 KiB, where that is another
            // place, it computes 0 for it there, since a checksum over itself is 0: so it reads what is right.
            if let Some(rest) = bytes.get_mut(node.tail().saturating_add(4)..) {
                rest.fill(0);
            }
        }
        self.write_block(place, &bytes)
    }

    fn node_sum(&self, inode: &Inode, node: &Node) -> u32 {
        let covered = node.bytes.get(..node.tail()).unwrap_or_default();
        [&inode.number.to_le_bytes()[..], &inode.generation().to_le_bytes(), covered]
            .iter()
            .fold(self.csum.seed, |sum, part| linux_crc32c(sum, part))
    }

    /// Writes the checksums of all extent blocks of an inode: for what the crate wrote into blocks of 2 KiB, where
    /// it keeps them in the wrong place.
    pub(super) fn seal_extents(&self, number: u32) -> Result<()> {
        let mut inode = self.inode(number)?;
        if !self.csum.enabled || self.block_size() != 2048 || !inode.has(EXTENTS) {
            return Ok(());
        }
        let mut ahead = vec![root(&inode)?];
        while let Some(node) = ahead.pop() {
            if node.place.is_some() {
                self.put_node(&mut inode, &node)?;
            }
            for index in (0..node.entries()).filter(|_| node.depth() > 0) {
                let place = node.child(index);
                ahead.push(Node::parse(Some(place), self.read_block(place)?)?);
            }
        }
        Ok(())
    }
}

/// The root of an inode's extents.
fn root(inode: &Inode) -> Result<Node> {
    if !inode.has(EXTENTS) {
        return Err(Error::Unsupported("an inode without extents"));
    }
    Node::parse(None, inode.block().to_vec())
}
