//! The extents of an inode: which blocks of the image hold which blocks of the file.
//!
//! [Extent tree](https://docs.kernel.org/filesystems/ext4/ifork.html#extent-tree): the root lies in the inode, the
//! other nodes in blocks.

use fs_ext4::error::{Error, Result};

use super::blocks::Volume;
use crate::fs::ext4::layout::extent_node::{Entry, Extent, MAX_DEPTH, Node, Run};
use crate::fs::ext4::layout::inode::{BLOCK_LEN, EXTENTS, Inode};

/// Blocks that an inode owns.
pub(crate) struct Owned {
    pub(crate) run: Run,
    /// Whether they lead to other blocks of the file.
    pub(crate) is_structure: bool,
}

impl Volume {
    /// The block that holds a block of the file; none for a hole.
    pub(crate) fn map(&self, inode: &Inode, logical: u32) -> Result<Option<u64>> {
        if !inode.has(EXTENTS) {
            return self.map_by_pointers(inode, logical);
        }
        let mut node = root(inode)?;
        loop {
            let Some(index) = node.find(logical)? else { return Ok(None) };
            if node.depth()? == 0 {
                let extent = node.extent(index)?;
                let within = u64::from(logical.saturating_sub(extent.logical));
                let inside = within < u64::from(extent.run.len) && !extent.unwritten;
                return Ok(inside.then(|| extent.run.start.saturating_add(within)));
            }
            node = self.child_node(inode, &node, index)?;
        }
    }

    /// All blocks of an inode with extents, those of its tree among them.
    pub(crate) fn extent_blocks(&self, inode: &Inode) -> Result<Vec<Owned>> {
        let mut runs = Vec::new();
        let mut ahead = vec![root(inode)?];
        while let Some(node) = ahead.pop() {
            runs.extend(node.place.map(|start| Owned { run: Run { start, len: 1 }, is_structure: true }));
            for index in 0..node.entries()? {
                if node.depth()? == 0 {
                    runs.push(Owned { run: node.extent(index)?.run, is_structure: false });
                } else {
                    ahead.push(self.child_node(inode, &node, index)?);
                }
            }
        }
        Ok(runs)
    }

    /// Adds a run behind the last block of a file with extents. The inode is changed, but not written.
    pub(crate) fn append(&self, inode: &mut Inode, logical: u32, run: Run) -> Result<()> {
        let mut path = self.last_path(inode)?;
        if let Some(leaf) = path.last_mut()
            && leaf.lengthen(logical, run)?
        {
            self.put_node(inode, leaf)?;
            inode.add_blocks(run.len.into(), self.block_size());
            return Ok(());
        }
        let full = path.iter().map(Node::is_full).collect::<Result<Vec<_>>>()?;
        let level = full.iter().rposition(|full| !full);
        // Checked before the first block is taken: a branch that is half made would be lost.
        let nodes = level.map_or(path.len().saturating_add(1), |level| path.len().saturating_sub(level + 1));
        self.must_have_free(u64::try_from(nodes).unwrap_or(u64::MAX))?;
        if let Some(level) = level {
            // The lowest node with room gets a new branch that ends in the run.
            let mut entry = Entry::Extent(run);
            for depth in 0..path.len().saturating_sub(level).saturating_sub(1) {
                entry = Entry::Child(self.new_node(inode, depth, logical, entry, run.start)?);
            }
            if let Some(node) = path.get_mut(level) {
                node.push(logical, entry)?;
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
    pub(crate) fn end_of(&self, inode: &Inode) -> Result<Option<u64>> {
        let last = self.last_extent(inode)?;
        Ok(last.map(|extent| extent.run.start.saturating_add(extent.run.len.into())))
    }

    /// The block of a file behind the last one that it has.
    pub(crate) fn next_logical(&self, inode: &Inode) -> Result<u32> {
        let last = self.last_extent(inode)?;
        Ok(last.map_or(0, |extent| extent.logical.saturating_add(extent.run.len)))
    }

    fn last_extent(&self, inode: &Inode) -> Result<Option<Extent>> {
        let path = self.last_path(inode)?;
        let Some(leaf) = path.last() else { return Ok(None) };
        leaf.entries()?.checked_sub(1).map(|last| leaf.extent(last)).transpose()
    }

    /// The nodes from the root to the leaf of the last extent.
    fn last_path(&self, inode: &Inode) -> Result<Vec<Node>> {
        let mut path = vec![root(inode)?];
        while let Some(node) = path.last() {
            if node.depth()? == 0 {
                break;
            }
            let last = node.entries()?.checked_sub(1);
            let last = last.ok_or(Error::CorruptExtentTree("an index without entries"))?;
            let child = self.child_node(inode, node, last)?;
            path.push(child);
        }
        Ok(path)
    }

    /// Moves what the root holds into a block, so that the root has room again.
    fn deepen(&self, inode: &mut Inode, near: u64) -> Result<()> {
        let old = root(inode)?;
        if old.depth()? >= MAX_DEPTH {
            return Err(Error::CorruptExtentTree("a file with too many extents"));
        }
        let place = self.take_blocks(near, 1)?.start;
        inode.add_blocks(1, self.block_size());
        self.put_node(inode, &old.moved(place, self.block_size())?)?;
        let mut new = Node::new(None, BLOCK_LEN, old.depth()?.saturating_add(1))?;
        new.push(0, Entry::Child(place))?;
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
        let mut node = Node::new(Some(place), self.block_size(), u16::try_from(depth).unwrap_or(MAX_DEPTH))?;
        node.push(logical, entry)?;
        self.put_node(inode, &node)?;
        Ok(place)
    }

    pub(crate) fn child_node(&self, inode: &Inode, node: &Node, index: u16) -> Result<Node> {
        let place = node.child(index)?;
        let child = Node::parse(Some(place), self.read_block(place)?)?;
        if child.depth()?.saturating_add(1) != node.depth()? {
            return Err(Error::CorruptExtentTree("a node of the wrong depth"));
        }
        if !child.is_sound(inode.number, inode.generation(), self.checksums)? {
            return Err(Error::BadChecksum { what: "extent block" });
        }
        Ok(child)
    }

    fn put_node(&self, inode: &mut Inode, node: &Node) -> Result<()> {
        let bytes = node.sealed(inode.number, inode.generation(), self.checksums)?;
        if let Some(place) = node.place {
            return self.write_block(place, &bytes);
        }
        inode.set_block(bytes.first_chunk().ok_or(Error::OutOfBounds)?);
        Ok(())
    }

    /// Writes the checksums of all extent nodes of an inode. In blocks of 2 KiB the crate writes them to the wrong
    /// place.
    pub(crate) fn seal_extents(&self, number: u32) -> Result<()> {
        let mut inode = self.inode(number)?;
        if !self.csum.enabled || self.block_size() != 2048 || !inode.has(EXTENTS) {
            return Ok(());
        }
        let mut ahead = vec![root(&inode)?];
        while let Some(node) = ahead.pop() {
            if node.place.is_some() {
                self.put_node(&mut inode, &node)?;
            }
            let leaf = node.depth()? == 0;
            for index in (0..node.entries()?).filter(|_| !leaf) {
                let place = node.child(index)?;
                ahead.push(Node::parse(Some(place), self.read_block(place)?)?);
            }
        }
        Ok(())
    }
}

/// The root of an inode's extents.
pub(crate) fn root(inode: &Inode) -> Result<Node> {
    if !inode.has(EXTENTS) {
        return Err(Error::Unsupported("an inode without extents"));
    }
    Node::parse(None, inode.block().to_vec())
}
