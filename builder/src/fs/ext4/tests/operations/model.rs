//! The tree as it should be, in memory.

use std::collections::BTreeMap;

use super::super::image::{DIR, NOW, PLAIN, noise};
use super::{ACL, Operation, Outcome, Seen, Sight, Stamp, TOP, What, acl_value, xattr_value};
use Outcome::{Done, NotFound, Refused};

#[derive(Debug, Clone)]
struct Node {
    what: Kind,
    mode: u16,
    uid: u32,
    gid: u32,
    modified: Stamp,
    xattrs: BTreeMap<String, Vec<u8>>,
    acl: Option<([u16; 5], u32)>,
}

#[derive(Debug, Clone)]
enum Kind {
    Dir(BTreeMap<String, usize>),
    File(Vec<u8>),
    Link(String),
}

/// Nodes by number; the root of it all is 0, which is [`TOP`].
pub(super) struct Model {
    nodes: Vec<Node>,
    block: u32,
}

impl Node {
    fn new(what: Kind, mode: u16) -> Self {
        let modified = (PLAIN.mtime, 0);
        Self { what, mode, uid: 0, gid: 0, modified, xattrs: BTreeMap::new(), acl: None }
    }

    fn is_dir(&self) -> bool {
        matches!(self.what, Kind::Dir(_))
    }

    fn is_link(&self) -> bool {
        matches!(self.what, Kind::Link(_))
    }
}

/// Where a path leads: the directory, and what has the name.
struct At<'a> {
    dir: usize,
    name: &'a str,
    node: Option<usize>,
}

impl Model {
    pub(super) fn new(block: u32) -> Self {
        Self { nodes: vec![Node::new(Kind::Dir(BTreeMap::new()), DIR.mode)], block }
    }

    fn children(&self, dir: usize) -> &BTreeMap<String, usize> {
        match &self.nodes[dir].what {
            Kind::Dir(children) => children,
            _ => panic!("no directory"),
        }
    }

    fn change(&mut self, dir: usize) -> &mut BTreeMap<String, usize> {
        self.nodes[dir].modified = (NOW, 0);
        match &mut self.nodes[dir].what {
            Kind::Dir(children) => children,
            _ => panic!("no directory"),
        }
    }

    /// Links point to nowhere, so what is behind them is not found.
    fn find<'a>(&self, path: &'a str) -> Result<At<'a>, Outcome> {
        let names: Vec<&str> = path.strip_prefix(TOP).unwrap().split('/').skip(1).collect();
        let (name, above) = names.split_last().expect("a path below the top");
        let mut dir = 0;
        for name in above {
            dir = *self.children(dir).get(*name).ok_or(NotFound)?;
            match self.nodes[dir].what {
                Kind::Dir(_) => {}
                Kind::File(_) => return Err(Refused),
                Kind::Link(_) => return Err(NotFound),
            }
        }
        Ok(At { dir, name, node: self.children(dir).get(*name).copied() })
    }

    fn existing(&self, path: &str) -> Result<usize, Outcome> {
        self.find(path)?.node.ok_or(NotFound)
    }

    /// Whether a link would be followed on the way.
    pub(super) fn passes_link(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]).skip(2);
        ends.into_iter().any(|end| {
            let node = self.find(&path[..end]).ok().and_then(|at| at.node);
            node.is_some_and(|node| self.nodes[node].is_link())
        })
    }

    fn put(&mut self, path: &str, node: Node) -> Result<(), Outcome> {
        let At { dir, name, node: old } = self.find(path)?;
        if old.is_some_and(|old| self.nodes[old].is_dir()) {
            return Err(Refused);
        }
        self.nodes.push(node);
        let new = self.nodes.len() - 1;
        self.change(dir).insert(name.to_owned(), new);
        Ok(())
    }

    pub(super) fn apply(&mut self, operation: &Operation) -> Outcome {
        self.try_apply(operation).err().unwrap_or(Done)
    }

    fn try_apply(&mut self, operation: &Operation) -> Result<(), Outcome> {
        match operation {
            Operation::Write { at, size, with } => {
                self.put(at, Node::new(Kind::File(noise(*size, *with)), PLAIN.mode))
            }
            Operation::WriteBroken { .. } => Err(Refused),
            Operation::Symlink { at, target } => self.put(at, Node::new(Kind::Link(target.clone()), 0o777)),
            Operation::Replace { at, size, with } => {
                let old = self.nodes[self.existing(at)?].clone();
                let Kind::File(_) = old.what else { return Err(Refused) };
                let what = Kind::File(noise(*size, *with));
                self.put(at, Node { what, modified: (PLAIN.mtime, 0), ..old })
            }
            Operation::Append { at, size, with } => {
                let node = self.existing(at)?;
                let Kind::File(content) = &mut self.nodes[node].what else { return Err(Refused) };
                content.extend(noise(*size, *with));
                self.nodes[node].modified = (NOW, 0);
                Ok(())
            }
            Operation::Dir { at } => self.make_dirs(at),
            Operation::HardLink { from, to } => {
                let node = self.existing(from)?;
                let At { dir, name, node: taken } = self.find(to).map_err(|error| {
                    // What is wrong with the first one is told first.
                    if self.nodes[node].is_dir() { Refused } else { error }
                })?;
                if self.nodes[node].is_dir() || taken.is_some() {
                    return Err(Refused);
                }
                self.change(dir).insert(name.to_owned(), node);
                Ok(())
            }
            Operation::Rename { from, to } => self.rename(from, to),
            Operation::Remove { at } => self.remove(at, |node, _| !node.is_dir()),
            Operation::RemoveDir { at } => self.remove(at, |node, empty| node.is_dir() && empty),
            Operation::RemoveTree { at } => self.remove(at, |_, _| true),
            attributes => self.set(attributes),
        }
    }

    fn make_dirs(&mut self, path: &str) -> Result<(), Outcome> {
        let ends: Vec<_> = path.match_indices('/').map(|(end, _)| end).chain([path.len()]).skip(2).collect();
        for &end in &ends {
            match self.find(&path[..end])?.node {
                Some(node) if self.nodes[node].is_dir() => {}
                Some(_) => return Err(Refused),
                None => break,
            }
        }
        for end in ends {
            if self.find(&path[..end])?.node.is_none() {
                self.put(&path[..end], Node::new(Kind::Dir(BTreeMap::new()), DIR.mode))?;
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Outcome> {
        let source = self.find(from)?;
        let node = source.node.ok_or(NotFound)?;
        let target = self.find(to)?;
        if target.node == Some(node) {
            return Ok(());
        }
        let moves_dir = self.nodes[node].is_dir();
        if let Some(old) = target.node {
            let old_is_dir = self.nodes[old].is_dir();
            if moves_dir != old_is_dir || (old_is_dir && !self.children(old).is_empty()) {
                return Err(Refused);
            }
        }
        if moves_dir && to.starts_with(&format!("{from}/")) {
            return Err(Refused);
        }
        self.change(source.dir).remove(source.name);
        self.change(target.dir).insert(target.name.to_owned(), node);
        Ok(())
    }

    fn remove(&mut self, path: &str, may: fn(&Node, bool) -> bool) -> Result<(), Outcome> {
        let At { dir, name, node } = self.find(path)?;
        let node = &self.nodes[node.ok_or(NotFound)?];
        let empty = matches!(&node.what, Kind::Dir(children) if children.is_empty());
        if !may(node, empty) {
            return Err(Refused);
        }
        self.change(dir).remove(name);
        Ok(())
    }

    fn set(&mut self, operation: &Operation) -> Result<(), Outcome> {
        let (Operation::Mode { at, .. }
        | Operation::Owner { at, .. }
        | Operation::Times { at, .. }
        | Operation::SetXattr { at, .. }
        | Operation::SetAcl { at, .. }
        | Operation::RemoveXattr { at, .. }) = operation
        else {
            unreachable!("{operation:?}");
        };
        let at = self.existing(at)?;
        let room = self.block as usize;
        let node = &mut self.nodes[at];
        match operation {
            Operation::Mode { .. } | Operation::SetAcl { .. } if node.is_link() => return Err(Refused),
            Operation::Mode { mode, .. } => {
                node.mode = *mode;
                if let Some((bits, _)) = &mut node.acl {
                    (bits[0], bits[3], bits[4]) = (mode >> 6 & 7, mode >> 3 & 7, mode & 7);
                }
            }
            Operation::Owner { uid, gid, .. } => (node.uid, node.gid) = (*uid, *gid),
            Operation::Times { modified, .. } => node.modified = *modified,
            Operation::SetXattr { name, size, .. } => {
                if *size > room || (node.is_link() && name.starts_with("user.")) {
                    return Err(Refused);
                }
                node.xattrs.insert(name.clone(), xattr_value(name, *size));
            }
            Operation::SetAcl { bits, user, .. } => {
                node.acl = Some((*bits, *user));
                node.mode = node.mode & 0o7000 | bits[0] << 6 | bits[3] << 3 | bits[4];
            }
            Operation::RemoveXattr { name, .. } if node.is_link() && name.starts_with("user.") => {
                return Err(Refused);
            }
            Operation::RemoveXattr { name, .. } => drop(node.xattrs.remove(name).ok_or(NotFound)?),
            _ => {}
        }
        Ok(())
    }

    /// Names that exist, for a generator that wants to meet them.
    pub(super) fn names(&self) -> Vec<String> {
        self.sight().into_keys().filter(|name| name != TOP).collect()
    }

    /// What everybody should see.
    pub(super) fn sight(&self) -> Sight {
        let mut links: BTreeMap<usize, u64> = BTreeMap::new();
        let mut found: BTreeMap<String, usize> = BTreeMap::from([(TOP.to_owned(), 0)]);
        let mut ahead = vec![(TOP.to_owned(), 0)];
        while let Some((path, dir)) = ahead.pop() {
            for (name, &node) in self.children(dir) {
                let path = format!("{path}/{name}");
                *links.entry(node).or_default() += 1;
                if self.nodes[node].is_dir() {
                    *links.entry(dir).or_default() += 1;
                    ahead.push((path.clone(), node));
                }
                found.insert(path, node);
            }
        }
        let mut gathered = super::Gathered::default();
        for (path, number) in found {
            let node = &self.nodes[number];
            // A directory has a link to itself; the top one has its own name too.
            let own = u64::from(node.is_dir()) + u64::from(number == 0);
            let mut xattrs = node.xattrs.clone();
            xattrs.extend(node.acl.map(|(bits, user)| (ACL.to_owned(), acl_value(bits, user))));
            let seen = Seen {
                what: match &node.what {
                    Kind::Dir(_) => What::Dir,
                    Kind::File(bytes) => What::File(bytes.clone()),
                    Kind::Link(target) => What::Link(target.clone()),
                },
                mode: node.mode,
                uid: node.uid,
                gid: node.gid,
                links: links.get(&number).copied().unwrap_or(0) + own,
                modified: node.modified,
                xattrs,
                first_name: String::new(),
            };
            gathered.add(path, number as u64, seen);
        }
        gathered.sight
    }
}
