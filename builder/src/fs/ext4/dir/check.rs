//! Is a directory sound, tree included? Asked of every directory before the first write and after the last one.
//!
//! Checked are the checksums of all blocks, that the entries of each fill it, and that the hash tree leads to each
//! leaf exactly once, with hashes that ascend and names that belong where they are: the kernel would not find a
//! name elsewhere.

use fs_ext4::error::{Error, Result};
use fs_ext4::hash::{HashVersion, effective_version, name_hash};

use super::entry;
use super::index::Node;
use crate::fs::ext4::inode::{INDEX, Inode};
use crate::fs::ext4::volume::Volume;

/// Hashes that may be below a node: the first, and the one where the next node begins.
#[derive(Clone, Copy)]
struct Span {
    first: u32,
    next: Option<u32>,
}

impl Volume {
    /// Checks all blocks of a directory whose blocks are found by extents.
    pub(in crate::fs::ext4) fn check_dir(&self, dir: &Inode) -> Result<()> {
        let blocks = self.dir_blocks(dir);
        if !dir.has(INDEX) {
            return (0..blocks).try_for_each(|block| self.check_entries(dir, block, |_| true));
        }
        let root = self.tree_root(dir)?;
        let version = effective_version(root.version()?, self.sb.unsigned_hash());
        let mut seen = vec![false; usize::try_from(blocks).unwrap_or(0)];
        mark(&mut seen, 0)?;
        let span = Span { first: 0, next: None };
        self.check_node(dir, &root, root.levels(), span, version, &mut seen)?;
        if seen.iter().all(|seen| *seen) {
            return Ok(());
        }
        Err(Error::CorruptDirEntry("a directory block that its hash tree does not lead to"))
    }

    fn check_node(
        &self,
        dir: &Inode,
        node: &Node,
        levels: u8,
        span: Span,
        version: HashVersion,
        seen: &mut [bool],
    ) -> Result<()> {
        for index in 0..node.len() {
            let first = if index == 0 { span.first } else { node.hash(index) };
            let last = index.saturating_add(1) == node.len();
            let next = if last { span.next } else { Some(node.hash(index.saturating_add(1))) };
            if next.is_some_and(|next| next < first) {
                return Err(Error::CorruptDirEntry("hashes of a directory that do not ascend"));
            }
            let block = node.block(index);
            mark(seen, block)?;
            let span = Span { first, next };
            if let Some(below) = levels.checked_sub(1) {
                let child = Node::inner(self.dir_block(dir, block)?, &self.csum, dir)?;
                self.check_node(dir, &child, below, span, version, seen)?;
            } else {
                self.check_entries(dir, block, |name| {
                    // The lowest bit of the bounds only says that a block continues the one before it.
                    let hash = name_hash(name, version, &self.sb.hash_seed).major;
                    hash >= span.first & !1 && span.next.is_none_or(|next| hash < next | 1)
                })?;
            }
        }
        Ok(())
    }

    fn check_entries(&self, dir: &Inode, block: u32, belongs: impl Fn(&[u8]) -> bool) -> Result<()> {
        let bytes = self.entries_block(dir, block)?;
        for placed in entry::entries(&bytes) {
            let entry = placed?.entry;
            if entry.inode != 0 && !belongs(entry.name) {
                return Err(Error::CorruptDirEntry("a name where its hash does not lead to"));
            }
        }
        Ok(())
    }
}

/// Notes a block that the tree leads to; an error if it was reached before, or does not exist.
fn mark(seen: &mut [bool], block: u32) -> Result<()> {
    let place = usize::try_from(block).ok().and_then(|at| seen.get_mut(at));
    match place {
        Some(seen) if !*seen => {
            *seen = true;
            Ok(())
        }
        _ => Err(Error::CorruptDirEntry("a hash tree that leads twice to a block, or out of its directory")),
    }
}
