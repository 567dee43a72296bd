//! The hash tree of a directory.
//!
//! Checked are the checksums of all nodes, and that the tree leads to each leaf exactly once, with ascending hashes and
//! each name in the leaf of its hash: the kernel finds it nowhere else.

use fs_ext4::error::Error;
use fs_ext4::hash::{HashVersion, effective_version, name_hash};

use crate::fs::Result;
use crate::fs::ext4::error::convert;
use crate::fs::ext4::layout::directory_block;
use crate::fs::ext4::layout::htree_node::Node;
use crate::fs::ext4::layout::inode::Inode;
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
    found: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

/// Checks the tree of a directory, and calls `found` with the bytes of each leaf.
pub(super) fn for_each_leaf(
    volume: &Volume,
    dir: &Inode,
    found: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let converted = |error| convert(error, &format!("directory inode {}", dir.number));
    let root = volume.tree_root(dir).map_err(converted)?;
    let version = effective_version(root.version().map_err(converted)?, volume.sb.unsigned_hash());
    let seen = vec![false; usize::try_from(volume.dir_blocks(dir)).unwrap_or(0)];
    let mut tree = Tree { volume, dir, version, seen, found };
    tree.mark(0)?;
    tree.node(&root, root.levels(), Span { first: 0, next: None })?;
    if tree.seen.iter().all(|seen| *seen) {
        return Ok(());
    }
    Err(converted(Error::CorruptDirEntry("a directory block that its hash tree does not lead to")))
}

impl Tree<'_> {
    fn node(&mut self, node: &Node, levels: u8, span: Span) -> Result<()> {
        let dir = self.dir;
        let converted = |error| convert(error, &format!("directory inode {}", dir.number));
        for index in 0..node.len() {
            let first = if index == 0 { span.first } else { node.hash(index).map_err(converted)? };
            let behind = index.saturating_add(1);
            let next =
                if behind == node.len() { span.next } else { Some(node.hash(behind).map_err(converted)?) };
            if next.is_some_and(|next| next < first) {
                return Err(converted(Error::CorruptDirEntry("hashes of a directory that do not ascend")));
            }
            let block = node.block(index).map_err(converted)?;
            self.mark(block)?;
            let span = Span { first, next };
            if let Some(below) = levels.checked_sub(1) {
                let bytes = self.volume.dir_block(dir, block).map_err(converted)?;
                let child = Node::inner(bytes, &self.volume.csum, dir).map_err(converted)?;
                self.node(&child, below, span)?;
            } else {
                self.leaf(block, span)?;
            }
        }
        Ok(())
    }

    fn leaf(&mut self, block: u32, span: Span) -> Result<()> {
        let (volume, dir) = (self.volume, self.dir);
        let converted = |error| convert(error, &format!("directory inode {}", dir.number));
        let bytes = volume.entries_block(dir, block).map_err(converted)?;
        for placed in directory_block::entries(&bytes, volume.usable()) {
            let entry = placed.map_err(converted)?.entry;
            // The lowest bit of the bounds only says that a block continues the one before it.
            let hash = name_hash(entry.name, self.version, &volume.sb.hash_seed).major;
            let belongs = hash >= span.first & !1 && span.next.is_none_or(|next| hash < next | 1);
            if entry.inode != 0 && !belongs {
                return Err(converted(Error::CorruptDirEntry("a name outside of the leaf of its hash")));
            }
        }
        (self.found)(&bytes)
    }

    /// Notes a block that the tree leads to; an error if it did so before, or if there is no such block.
    fn mark(&mut self, block: u32) -> Result<()> {
        let place = usize::try_from(block).ok().and_then(|at| self.seen.get_mut(at));
        match place {
            Some(seen) if !*seen => {
                *seen = true;
                Ok(())
            }
            _ => Err(convert(
                Error::CorruptDirEntry("a hash tree that leads twice to a block, or out of its directory"),
                &format!("directory inode {}", self.dir.number),
            )),
        }
    }
}
