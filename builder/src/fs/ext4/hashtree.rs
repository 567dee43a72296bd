//! Whether the hash tree of a folder leads every name to the block that holds it: else a name is there for whoever
//! lists the folder, but not for whoever asks for it, and can be made a second time.
//!
//! [Hash trees](https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories): pairs of a hash and
//! a block, sorted; a block holds the hashes from its own on, up to that of the next pair. The lowest bit of that
//! one says that names which hash alike go on in the next block.

use std::collections::BTreeMap;

use fs_ext4::Filesystem;
use fs_ext4::error::{Error, Result};
use fs_ext4::hash::{HashVersion, effective_version, name_hash};
use fs_ext4::htree::{DxCountLimit, DxEntry, parse_node_entries, parse_root_entries, parse_root_info};

/// `dir_index`.
pub(super) const DIR_INDEX: u32 = 0x20;
/// Levels below the root, `large_dir` included.
const MOST_LEVELS: u8 = 2;
/// Bytes before the pairs of the root and of other nodes, of a pair, and of the root's own description.
const ROOT: usize = 0x20;
const NODE: usize = 0x08;
const PAIR: usize = 8;
const INFO_LEN: u8 = 8;

/// What a block of the folder is.
#[derive(Debug, Clone, Copy)]
enum Part {
    Node,
    Leaf(Range),
}

/// Hashes from `low` on; up to `high`, as the pairs have it, or to the end.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: u32,
    high: Option<u32>,
}

/// A tree that was gone through.
pub(super) struct HashTree {
    parts: BTreeMap<u64, Part>,
    version: HashVersion,
    seed: [u32; 4],
}

impl HashTree {
    /// Goes through the tree of a folder; `block` reads one of its blocks.
    pub(super) fn read(
        fs: &Filesystem,
        root: &[u8],
        block: impl Fn(u64) -> crate::fs::Result<Vec<u8>>,
    ) -> crate::fs::Result<Self> {
        let damaged = |error| super::error::convert(error, "a hash tree");
        let info = parse_root_info(root).map_err(damaged)?;
        if info.info_length != INFO_LEN || info.unused_flags & 1 != 0 || info.indirect_levels > MOST_LEVELS {
            return Err(damaged(Error::Corrupt("the root says what no root says")));
        }
        let version = effective_version(info.hash_version, fs.sb.unsigned_hash());
        let mut tree = Self { parts: BTreeMap::new(), version, seed: fs.sb.hash_seed };
        let pairs =
            parse_root_entries(root).and_then(|found| pairs(found, root.len(), ROOT, fs.csum.enabled));
        let all = Range { low: 0, high: None };
        let mut waiting = vec![(pairs.map_err(damaged)?, all, info.indirect_levels)];
        while let Some((pairs, range, levels)) = waiting.pop() {
            for (number, range) in ranges(&pairs, range).map_err(damaged)? {
                let part = if levels == 0 { Part::Leaf(range) } else { Part::Node };
                if number == 0 || tree.parts.insert(number, part).is_some() {
                    return Err(damaged(Error::Corrupt("two pairs lead to one block")));
                }
                if let Some(levels) = levels.checked_sub(1) {
                    let bytes = block(number)?;
                    let found = parse_node_entries(&bytes);
                    let pairs = found.and_then(|found| pairs_of(found, &bytes, fs.csum.enabled));
                    waiting.push((pairs.map_err(damaged)?, range, levels));
                }
            }
        }
        Ok(tree)
    }

    /// Whether the block holds names; none if no pair leads to it.
    pub(super) fn is_leaf(&self, block: u64) -> Option<bool> {
        self.parts.get(&block).map(|part| matches!(part, Part::Leaf(_)))
    }

    /// Whether who looks for the name looks into the block.
    pub(super) fn leads(&self, block: u64, name: &[u8]) -> bool {
        let Some(Part::Leaf(range)) = self.parts.get(&block) else { return false };
        let hash = name_hash(name, self.version, &self.seed).major;
        let below = match range.high {
            Some(high) => hash < high & !1 || hash | 1 == high,
            None => true,
        };
        hash >= range.low & !1 && below
    }
}

fn pairs_of(found: (DxCountLimit, Vec<DxEntry>), bytes: &[u8], sums: bool) -> Result<Vec<DxEntry>> {
    pairs(found, bytes.len(), NODE, sums)
}

/// The pairs of a node, for as many as there is room; a checksum takes the place of one.
fn pairs(
    (counts, pairs): (DxCountLimit, Vec<DxEntry>),
    len: usize,
    at: usize,
    sums: bool,
) -> Result<Vec<DxEntry>> {
    let room = len.saturating_sub(at) / PAIR;
    let room = room.saturating_sub(usize::from(sums));
    if usize::from(counts.limit) == room { Ok(pairs) } else { Err(Error::Corrupt("a node of another size")) }
}

/// Each block with its hashes, which must be in order and inside those of the node.
fn ranges(pairs: &[DxEntry], node: Range) -> Result<Vec<(u64, Range)>> {
    let mut ranges = Vec::with_capacity(pairs.len());
    let mut low = node.low;
    for (index, pair) in pairs.iter().enumerate() {
        let next = pairs.get(index.saturating_add(1)).map(|next| next.hash);
        if next.is_some_and(|next| next <= low || node.high.is_some_and(|high| next >= high)) {
            return Err(Error::Corrupt("hashes are not in order"));
        }
        ranges.push((u64::from(pair.block), Range { low, high: next.or(node.high) }));
        low = next.unwrap_or(low);
    }
    Ok(ranges)
}
