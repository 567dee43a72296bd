//! A directory's blocks and its hash tree.
//!
//! Checked are the checksums of all blocks, that the entries of each fill it, and that the hash tree leads to each
//! leaf exactly once, with ascending hashes and each name in the leaf of its hash: the kernel finds it nowhere else.
//!
//! The blocks are read with `Volume`, as `ops` reads them, so that what was checked is what will be edited.

use fs_ext4::error::{Error, Result};
use fs_ext4::hash::{HashVersion, effective_version, name_hash};

use crate::fs::ext4::layout::directory_block;
use crate::fs::ext4::layout::htree_node::Node;
use crate::fs::ext4::layout::inode::{INDEX, Inode};
use crate::fs::ext4::volume::blocks::Volume;

/// Hashes that may be below a node: the first, and the one where the next node begins.
#[derive(Clone, Copy)]
struct Span {
    first: u32,
    next: Option<u32>,
}

/// What stays the same for the whole tree.
struct Tree<'a> {
    volume: &'a Volume,
    dir: &'a Inode,
    version: HashVersion,
    /// Blocks of the directory that the tree has led to.
    seen: Vec<bool>,
}

/// Checks all blocks of a directory whose blocks are found by extents.
pub(crate) fn check(volume: &Volume, dir: &Inode) -> Result<()> {
    let blocks = volume.dir_blocks(dir);
    if !dir.has(INDEX) {
        return (0..blocks).try_for_each(|block| check_entries(volume, dir, block, |_| true));
    }
    let root = volume.tree_root(dir)?;
    let version = effective_version(root.version()?, volume.sb.unsigned_hash());
    let seen = vec![false; usize::try_from(blocks).unwrap_or(0)];
    let mut tree = Tree { volume, dir, version, seen };
    tree.mark(0)?;
    tree.check_node(&root, root.levels(), Span { first: 0, next: None })?;
    if tree.seen.iter().all(|seen| *seen) {
        return Ok(());
    }
    Err(Error::CorruptDirEntry("a directory block that its hash tree does not lead to"))
}

impl Tree<'_> {
    fn check_node(&mut self, node: &Node, levels: u8, span: Span) -> Result<()> {
        for index in 0..node.len() {
            let first = if index == 0 { span.first } else { node.hash(index)? };
            let behind = index.saturating_add(1);
            let next = if behind == node.len() { span.next } else { Some(node.hash(behind)?) };
            if next.is_some_and(|next| next < first) {
                return Err(Error::CorruptDirEntry("hashes of a directory that do not ascend"));
            }
            let block = node.block(index)?;
            self.mark(block)?;
            let span = Span { first, next };
            if let Some(below) = levels.checked_sub(1) {
                let (volume, dir) = (self.volume, self.dir);
                let child = Node::inner(volume.dir_block(dir, block)?, &volume.csum, dir)?;
                self.check_node(&child, below, span)?;
            } else {
                self.check_leaf(block, span)?;
            }
        }
        Ok(())
    }

    fn check_leaf(&self, block: u32, span: Span) -> Result<()> {
        check_entries(self.volume, self.dir, block, |name| {
            // The lowest bit of the bounds only says that a block continues the one before it.
            let hash = name_hash(name, self.version, &self.volume.sb.hash_seed).major;
            hash >= span.first & !1 && span.next.is_none_or(|next| hash < next | 1)
        })
    }

    /// Notes a block that the tree leads to; an error if it did so before, or if there is no such block.
    fn mark(&mut self, block: u32) -> Result<()> {
        let place = usize::try_from(block).ok().and_then(|at| self.seen.get_mut(at));
        match place {
            Some(seen) if !*seen => {
                *seen = true;
                Ok(())
            }
            _ => Err(Error::CorruptDirEntry(
                "a hash tree that leads twice to a block, or out of its directory",
            )),
        }
    }
}

fn check_entries(volume: &Volume, dir: &Inode, block: u32, belongs: impl Fn(&[u8]) -> bool) -> Result<()> {
    let bytes = volume.entries_block(dir, block)?;
    for placed in directory_block::entries(&bytes) {
        let entry = placed?.entry;
        if entry.inode != 0 && !belongs(entry.name) {
            return Err(Error::CorruptDirEntry("a name outside of the leaf of its hash"));
        }
    }
    Ok(())
}
