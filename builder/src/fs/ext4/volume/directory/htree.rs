//! Directories with a hash tree: the path of a name from the root to its leaf, and how leaves and nodes split.

use fs_ext4::error::{Error, Result};
use fs_ext4::hash::{HashVersion, effective_version, name_hash};

use crate::fs::ext4::layout::directory_block::{self, Entry};
use crate::fs::ext4::layout::features::LARGE_DIR;
use crate::fs::ext4::layout::htree_node::Node;
use crate::fs::ext4::layout::inode::{INDEX, Inode};
use crate::fs::ext4::volume::blocks::Volume;

/// The hash of a name, and the version to compute others with.
#[derive(Clone, Copy)]
struct Hash {
    version: HashVersion,
    value: u32,
}

/// A node on the path from the root, where it lies in the directory, and which of its pairs was taken.
struct Step {
    block: u32,
    node: Node,
    taken: usize,
}

/// The result of adding a name to a leaf.
enum Added {
    /// It was added.
    Done,
    /// The leaf has no space; its bytes.
    Full(Vec<u8>),
}

impl Volume {
    /// The leaf that holds a name.
    pub(crate) fn tree_find(&self, dir: &Inode, name: &[u8]) -> Result<Option<u32>> {
        let (mut path, hash) = self.tree_path(dir, name)?;
        loop {
            let leaf = leaf_of(&path)?;
            if directory_block::find(&self.entries_block(dir, leaf)?, self.usable(), name)?.is_some() {
                return Ok(Some(leaf));
            }
            if !self.tree_continues(dir, &mut path, hash.value)? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next leaf, if names of this hash may be there too.
    fn tree_continues(&self, dir: &Inode, path: &mut Vec<Step>, hash: u32) -> Result<bool> {
        let depth = path.len();
        let up = path.iter().rposition(|step| step.taken.saturating_add(1) < step.node.len());
        let Some(step) = up.and_then(|up| path.get_mut(up)) else { return Ok(false) };
        step.taken = step.taken.saturating_add(1);
        // The lowest bit says that the block continues the one before it.
        if step.node.hash(step.taken)? != hash | 1 {
            return Ok(false);
        }
        let mut below = step.node.block(step.taken)?;
        path.truncate(up.unwrap_or(0).saturating_add(1));
        while path.len() < depth {
            let node = Node::inner(self.dir_block(dir, below)?, &self.csum, dir)?;
            let step = Step { block: below, node, taken: 0 };
            below = step.node.block(0)?;
            path.push(step);
        }
        Ok(true)
    }

    /// Adds a name, splitting the leaf and the nodes where they are full.
    pub(crate) fn tree_add(&self, dir: &mut Inode, new: Entry<'_>) -> Result<()> {
        let (mut path, hash) = self.tree_path(dir, new.name)?;
        let leaf = leaf_of(&path)?;
        let Added::Full(full) = self.leaf_add(dir, leaf, new)? else { return Ok(()) };
        while path.last().is_some_and(|step| step.node.is_full()) {
            self.make_room(dir, &path)?;
            (path, _) = self.tree_path(dir, new.name)?;
        }
        self.split_leaf(dir, path, full, hash, new)
    }

    fn leaf_add(&self, dir: &Inode, leaf: u32, new: Entry<'_>) -> Result<Added> {
        let mut bytes = self.entries_block(dir, leaf)?;
        if !directory_block::insert(&mut bytes, self.usable(), new)? {
            return Ok(Added::Full(bytes));
        }
        self.put_entries(dir, leaf, &mut bytes)?;
        Ok(Added::Done)
    }

    /// The nodes from the root to the leaf that is responsible for a name.
    fn tree_path(&self, dir: &Inode, name: &[u8]) -> Result<(Vec<Step>, Hash)> {
        let root = self.tree_root(dir)?;
        let version = effective_version(root.version()?, self.sb.unsigned_hash());
        let value = name_hash(name, version, &self.sb.hash_seed).major;
        let levels = root.levels();
        let mut path = vec![Step { block: 0, taken: root.find(value), node: root }];
        for _ in 0..levels {
            let block = leaf_of(&path)?;
            let node = Node::inner(self.dir_block(dir, block)?, &self.csum, dir)?;
            path.push(Step { block, taken: node.find(value), node });
        }
        Ok((path, Hash { version, value }))
    }

    pub(crate) fn tree_root(&self, dir: &Inode) -> Result<Node> {
        Node::root(self.dir_block(dir, 0)?, self.tree_max_levels(), &self.csum, dir)
    }

    /// Levels that a tree may have, the root included.
    fn tree_max_levels(&self) -> u8 {
        if self.features.has_incompat(LARGE_DIR) { 3 } else { 2 }
    }

    /// Makes room in the lowest node of a path, or at least one level above it: called until there is room.
    fn make_room(&self, dir: &mut Inode, path: &[Step]) -> Result<()> {
        let root = path.first().ok_or(Error::CorruptDirEntry("a hash tree without root"))?;
        // The topmost of the full nodes that are at the end of the path.
        let full =
            path.iter().rposition(|step| !step.node.is_full()).map_or(0, |free| free.saturating_add(1));
        if full == 0 {
            // All are full: what the root holds moves into a node of its own.
            if root.node.levels().saturating_add(1) >= self.tree_max_levels() {
                return Err(Error::Unsupported("one more name in a directory whose hash tree is full"));
            }
            let below = Node::new_inner(self.block_size(), &root.node.pairs(), &self.csum)?;
            let below = self.grow_dir_by(dir, &below.sealed(&self.csum, dir)?)?;
            let mut node = root.node.clone();
            node.fill(&[(0, below)]);
            node.add_level();
            return self.put_tree_node(dir, 0, &node);
        }
        let (Some(above), Some(step)) = (path.get(full.saturating_sub(1)), path.get(full)) else {
            return Err(Error::CorruptDirEntry("a hash tree without nodes"));
        };
        let pairs = step.node.pairs();
        let (lower, upper) = pairs.split_at(pairs.len() / 2);
        let hash = upper.first().map_or(0, |(hash, _)| *hash);
        let other = Node::new_inner(self.block_size(), upper, &self.csum)?;
        let other = self.grow_dir_by(dir, &other.sealed(&self.csum, dir)?)?;
        let (mut above_node, mut node) = (above.node.clone(), step.node.clone());
        node.fill(lower);
        above_node.insert_behind(above.taken, hash, other)?;
        self.put_tree_node(dir, step.block, &node)?;
        self.put_tree_node(dir, above.block, &above_node)
    }

    /// Moves the upper half of a full leaf, by hash, to a new one, and adds the name to the right one.
    fn split_leaf(
        &self,
        dir: &mut Inode,
        mut path: Vec<Step>,
        full: Vec<u8>,
        hash: Hash,
        new: Entry<'_>,
    ) -> Result<()> {
        let leaf = leaf_of(&path)?;
        let mut entries = Vec::new();
        for placed in directory_block::entries(&full, self.usable()) {
            let entry = placed?.entry;
            if entry.inode != 0 {
                entries.push((name_hash(entry.name, hash.version, &self.sb.hash_seed).major, entry));
            }
        }
        entries.sort_by_key(|(hash, _)| *hash);
        let at = half(&entries);
        let (lower, upper) = entries.split_at(at);
        let (Some((below, _)), Some((from, _))) = (lower.last(), upper.first()) else {
            return Err(Error::CorruptDirEntry("a full leaf without names"));
        };
        let continued = u32::from(below == from);
        let mut blocks = [vec![0; self.block_size()], vec![0; self.block_size()]];
        for (block, half) in blocks.iter_mut().zip([lower, upper]) {
            directory_block::fill(block, self.usable(), half.iter().map(|(_, entry)| *entry))?;
        }
        let [mut lower_block, mut upper_block] = blocks;
        let into = if hash.value >= *from { &mut upper_block } else { &mut lower_block };
        if !directory_block::insert(into, self.usable(), new)? {
            return Err(Error::CorruptDirEntry("half of a leaf without room for a name"));
        }
        let other = self.grow_dir(dir, &mut upper_block)?;
        self.put_entries(dir, leaf, &mut lower_block)?;
        let step = path.last_mut().ok_or(Error::CorruptDirEntry("a hash tree without root"))?;
        step.node.insert_behind(step.taken, from | continued, other)?;
        self.put_tree_node(dir, step.block, &step.node)
    }

    fn put_tree_node(&self, dir: &Inode, block: u32, node: &Node) -> Result<()> {
        self.write_block(self.dir_place(dir, block)?, &node.sealed(&self.csum, dir)?)
    }

    /// As [`Volume::set_parent`].
    pub(crate) fn tree_set_parent(&self, dir: &Inode, parent: u32) -> Result<()> {
        let mut root = self.tree_root(dir)?;
        root.set_parent(parent);
        self.put_tree_node(dir, 0, &root)
    }

    /// Gives a directory of one block a hash tree: its entries become the first leaf.
    pub(crate) fn tree_make(&self, dir: &mut Inode) -> Result<()> {
        let first = self.entries_block(dir, 0)?;
        let mut kept = Vec::new();
        let mut parent = None;
        for (index, placed) in directory_block::entries(&first, self.usable()).enumerate() {
            let entry = placed?.entry;
            match (index, entry.name) {
                (0, b".") => {}
                (1, b"..") => parent = Some(entry.inode),
                _ if entry.inode != 0 => kept.push(entry),
                _ => {}
            }
        }
        let parent = parent.ok_or(Error::CorruptDirEntry("a directory that does not begin with . and .."))?;
        let mut leaf = vec![0; self.block_size()];
        directory_block::fill(&mut leaf, self.usable(), kept)?;
        let leaf = self.grow_dir(dir, &mut leaf)?;
        let version = self.sb.default_hash_version;
        let root = Node::new_root(&first, parent, version, leaf, &self.csum)?;
        self.put_tree_node(dir, 0, &root)?;
        dir.set_flag(INDEX);
        self.put_inode(dir)
    }
}

/// The block that the last step of a path leads to.
fn leaf_of(path: &[Step]) -> Result<u32> {
    let step = path.last().ok_or(Error::CorruptDirEntry("a hash tree without root"))?;
    match step.node.block(step.taken)? {
        0 => Err(Error::CorruptDirEntry("a hash tree that leads to its root")),
        block => Ok(block),
    }
}

/// Where to cut so that both parts take about the same room, and neither is empty.
fn half(entries: &[(u32, Entry<'_>)]) -> usize {
    let total: usize = entries.iter().map(|(_, entry)| entry.len()).sum();
    let mut lower: usize = 0;
    // The one in the middle goes where most of it lies, so that each half has room for the longest name.
    let at = entries.iter().position(|(_, entry)| {
        let middle = lower.saturating_add(entry.len() / 2);
        lower = lower.saturating_add(entry.len());
        middle > total / 2
    });
    at.unwrap_or(0).clamp(1, entries.len().saturating_sub(1).max(1))
}
