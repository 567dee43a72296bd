//! The disk space that a plan needs, metadata included, estimated before the first write.
//!
//! It is an upper bound: the blocks of file data are exact; what is added is for the worst case of fragmentation, and
//! is less than one percent of a large file with blocks of 4 KiB.

use std::collections::{BTreeMap, BTreeSet};

use super::handle::Ext4;
use crate::fs::resolve::{Last, resolve};
use crate::fs::{FsError, ImagePath, Result, Space};

/// Extents that the inode itself holds (`i_block` has 60 bytes: a header and four entries of 12).
const EXTENTS_IN_INODE: u64 = 4;
/// Bytes of an extent entry, and of the header of a block of them.
const EXTENT_ENTRY: u64 = 12;
/// Targets below this length live in the inode.
const FAST_SYMLINK: u64 = 60;
/// The longest entry of a directory: 8 bytes and a name of 255, rounded up to 4.
const LONGEST_ENTRY: u64 = 264;
/// Bytes at the end of a directory's block that hold its checksum.
const DIR_TAIL: u64 = 12;
/// The deepest tree of extents: as many nodes may split when a file with one grows.
const MAX_EXTENT_DEPTH: u64 = 5;
/// Leaves that a node of a directory's hash tree leads to at least: half of what fits into 1 KiB.
const PAIRS_IN_NODE: u64 = 60;

/// One step of a plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Where it goes; directories above it that are missing are counted too.
    pub path: ImagePath,
    /// What it takes.
    pub content: Content,
}

/// What a step of a plan takes. Removing takes nothing, nor do owner, permissions and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A regular file of so many bytes.
    File {
        /// Size in bytes.
        size: u64,
    },
    /// A symbolic link with a target of so many bytes.
    Symlink {
        /// Length of the target in bytes.
        target: u64,
    },
    /// A directory.
    Dir,
    /// Bytes behind the end of a file that exists.
    Appended {
        /// How many.
        size: u64,
    },
    /// A name for something that exists: a hard link, or the goal of a rename.
    Name,
    /// Extended attributes for a file, whatever their number: at most one block of its own.
    Xattrs,
}

impl Content {
    fn takes_inode(self) -> bool {
        matches!(self, Self::File { .. } | Self::Symlink { .. } | Self::Dir)
    }

    fn takes_name(self) -> bool {
        self.takes_inode() || self == Self::Name
    }
}

/// What a plan takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// Bytes in whole blocks.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

impl Need {
    /// An error for a plan that does not fit into `space`.
    pub fn check(self, space: Space) -> Result<()> {
        let what = "the plan".to_owned();
        if self.inodes > space.inodes {
            return Err(FsError::NoInodes { what, need: self.inodes, free: space.inodes });
        }
        if self.bytes > space.bytes {
            return Err(FsError::NoSpace { what, need: self.bytes, free: space.bytes });
        }
        Ok(())
    }
}

impl Ext4 {
    /// What `plan` will take at most. A file that is replaced counts in full: the old one goes when the new one is
    /// there.
    pub fn need(&self, plan: impl IntoIterator<Item = Planned>) -> Result<Need> {
        let mut dirs = BTreeSet::new();
        let mut wanted = Vec::new();
        for planned in plan {
            let place = resolve(&self.tree(), &planned.path, Last::Keep)?;
            let path = place.path()?;
            let mut above = path.parent();
            // From the file upwards: what does not exist will be made.
            let missing = place.steps().filter(|(_, node)| node.is_none()).count();
            for _ in 1..missing {
                let Some(dir) = above else { break };
                above = dir.parent();
                dirs.insert(dir);
            }
            match planned.content {
                Content::Dir if place.node().is_some() => {}
                Content::Dir => drop(dirs.insert(path)),
                content => wanted.push((path, content)),
            }
        }
        wanted.extend(dirs.into_iter().map(|dir| (dir, Content::Dir)));
        Ok(tally(u64::from(self.volume.sb.block_size()), &wanted))
    }
}

/// Sums up steps by their final paths.
fn tally(block: u64, wanted: &[(ImagePath, Content)]) -> Need {
    let mut blocks: u64 = 0;
    let mut inodes: u64 = 0;
    let mut names: BTreeMap<Option<ImagePath>, u64> = BTreeMap::new();
    for (path, content) in wanted {
        blocks = blocks.saturating_add(content_blocks(block, *content));
        inodes = inodes.saturating_add(u64::from(content.takes_inode()));
        if !content.takes_name() {
            continue;
        }
        let bytes = names.entry(path.parent()).or_default();
        *bytes = bytes.saturating_add(entry_bytes(path.name().unwrap_or_default()));
    }
    for bytes in names.values() {
        blocks = blocks.saturating_add(dir_growth(block, *bytes));
    }
    Need { bytes: blocks.saturating_mul(block), inodes }
}

fn content_blocks(block: u64, content: Content) -> u64 {
    match content {
        Content::File { size } => {
            let data = size.div_ceil(block);
            data.saturating_add(extent_blocks(block, data))
        }
        Content::Symlink { target } => u64::from(target >= FAST_SYMLINK),
        // One more than the bytes fill, where they begin in the middle of a block of a hole.
        Content::Appended { size } => {
            let data = size.div_ceil(block).saturating_add(1);
            let tree = extent_blocks(block, data.saturating_add(EXTENTS_IN_INODE));
            data.saturating_add(tree).saturating_add(MAX_EXTENT_DEPTH)
        }
        Content::Name => 0,
        Content::Dir | Content::Xattrs => 1,
    }
}

/// Blocks of the extent tree of a file whose every block lies apart, in nodes that splitting left half full.
fn extent_blocks(block: u64, data: u64) -> u64 {
    if data <= EXTENTS_IN_INODE {
        return 0;
    }
    let half = (block / EXTENT_ENTRY / 2).saturating_sub(1).max(2);
    let mut total: u64 = 0;
    let mut level = data;
    while level > EXTENTS_IN_INODE {
        level = level.div_ceil(half);
        total = total.saturating_add(level);
    }
    total.saturating_add(1)
}

fn entry_bytes(name: &str) -> u64 {
    u64::try_from(name.len()).unwrap_or(u64::MAX).saturating_add(8).next_multiple_of(4)
}

/// Blocks by which a directory may grow: those of a hash tree are half full after a split, the tree has its own, and
/// so have the directory's extents.
fn dir_growth(block: u64, bytes: u64) -> u64 {
    let usable = block.saturating_sub(DIR_TAIL).saturating_sub(LONGEST_ENTRY).max(1);
    let leaves = bytes.saturating_mul(2).div_ceil(usable).saturating_add(1);
    leaves.saturating_add(leaves / PAIRS_IN_NODE).saturating_add(extent_blocks(block, leaves))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(block: u64, wanted: &[(&str, Content)]) -> Need {
        tally(
            block,
            &wanted
                .iter()
                .map(|(path, content)| (ImagePath::parse(path).unwrap(), *content))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn small_things_take_little() {
        let file = |size| Content::File { size };
        for (wanted, blocks) in [
            (vec![], 0),
            (vec![("/a", file(0))], 2),
            (vec![("/a", file(1))], 3),
            (vec![("/a", file(4 * 4096))], 6),
            (vec![("/a", Content::Symlink { target: 59 })], 2),
            (vec![("/a", Content::Symlink { target: 60 })], 3),
            (vec![("/a", Content::Dir), ("/a/b", file(1))], 6),
        ] {
            let got = need(4096, &wanted);
            assert_eq!(got, Need { bytes: blocks * 4096, inodes: wanted.len() as u64 }, "{wanted:?}");
        }
        for (content, blocks) in [
            (Content::Name, 2),
            (Content::Xattrs, 1),
            (Content::Appended { size: 0 }, 1 + 2 + 5),
            (Content::Appended { size: 4096 }, 2 + 2 + 5),
        ] {
            assert_eq!(
                need(4096, &[("/a", content)]),
                Need { bytes: blocks * 4096, inodes: 0 },
                "{content:?}"
            );
        }
    }

    #[test]
    fn the_bound_is_tight_for_large_files() {
        for (block, percent) in [(4096, 1), (1024, 3)] {
            for size in [75 << 20, 200 << 20, 4 << 30] {
                let bytes = need(block, &[("/a", Content::File { size })]).bytes;
                assert!(bytes > size && bytes <= size + size * percent / 100, "{block} {size}: {bytes}");
            }
        }
        assert_eq!(need(4096, &[("/a", Content::File { size: u64::MAX })]).inodes, 1);
    }

    #[test]
    fn a_plan_that_does_not_fit_says_what_is_missing() {
        let space = Space { bytes: 4096, inodes: 1 };
        assert!(Need { bytes: 4096, inodes: 1 }.check(space).is_ok());
        let error = Need { bytes: 4097, inodes: 1 }.check(space).unwrap_err();
        assert!(matches!(error, FsError::NoSpace { need: 4097, free: 4096, .. }));
        let error = Need { bytes: 0, inodes: 2 }.check(space).unwrap_err();
        assert!(matches!(error, FsError::NoInodes { need: 2, free: 1, .. }));
    }
}
