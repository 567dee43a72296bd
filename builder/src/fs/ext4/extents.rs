//! The extents of an inode: which blocks of the image hold which blocks of the file.
//!
//! [Extent tree](https://docs.kernel.org/filesystems/ext4/ifork.html#extent-tree): nodes of a header and entries of
//! twelve bytes each, the root in the inode. Blocks of entries end in a checksum, right behind the last entry that
//! there is room for, which is not the end of a block of 2 KiB.

use fs_ext4::checksum::linux_crc32c;
use fs_ext4::error::{Error, Result};

use super::bytes::{get_u32, put_u32};
use super::inode::{BLOCK_LEN, EXTENTS, Inode};
use super::node::{Entry, Extent, MAX_DEPTH, Node};
use super::space::Run;
use super::volume::Volume;

/// The root of a file without blocks.
pub(super) fn empty_root() -> [u8; BLOCK_LEN] {
    Node::new(None, BLOCK_LEN, 0).bytes.first_chunk().copied().unwrap_or([0; BLOCK_LEN])
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
        let level = path.iter().rposition(|node| node.entries() < node.room());
        // A branch that is half made would be lost: there must be room for all of it.
        let nodes = level.map_or(path.len().saturating_add(1), |level| path.len().saturating_sub(level + 1));
        self.must_have_free(u64::try_from(nodes).unwrap_or(u64::MAX))?;
        if let Some(level) = level {
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
        let old = root(inode)?;
        if old.depth() >= MAX_DEPTH {
            return Err(Error::CorruptExtentTree("a file with too many extents"));
        }
        let place = self.take_blocks(near, 1)?.start;
        inode.add_blocks(1, self.block_size());
        self.put_node(inode, &old.moved(place, self.block_size()))?;
        let mut new = Node::new(None, BLOCK_LEN, old.depth().saturating_add(1));
        new.push(0, Entry::Child(place));
        self.put_node(inode, &new)
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
        let mut node = Node::new(Some(place), self.block_size(), u16::try_from(depth).unwrap_or(MAX_DEPTH));
        node.push(logical, entry);
        self.put_node(inode, &node)?;
        Ok(place)
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
