//! Looking up paths.

use fs_ext4::inode::{Inode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};

use super::directory_entries::NameAt;
use super::handle::Ext4;
use crate::fs::ext4::error::convert;
use crate::fs::ext4::layout::inode::ROOT;
use crate::fs::resolve::{Last, Place, Tree, resolve};
use crate::fs::{FsError, ImagePath, Kind, Result};

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// The inode's number.
    pub(crate) inode: u32,
    /// Its kind.
    pub(crate) kind: Kind,
}

/// The file system as path resolution sees it.
pub(crate) struct Ext4Tree<'a>(&'a Ext4);

impl Tree for Ext4Tree<'_> {
    type Node = Node;

    fn root(&self) -> Node {
        Node { inode: ROOT, kind: Kind::Dir }
    }

    fn kind(&self, node: &Node) -> Kind {
        node.kind
    }

    fn child(&self, dir: &Node, name: &str) -> Result<Option<Node>> {
        let dir = dir.inode;
        let found = self.0.name_lookup(NameAt { dir, name: name.as_bytes() });
        let found =
            found.map_err(|error| convert(error, &format!("looking up {name:?} in directory inode {dir}")));
        let Some(inode) = found? else { return Ok(None) };
        let kind = kind_of(&self.0.inode(inode, name)?);
        Ok(Some(Node { inode, kind }))
    }

    fn target(&self, link: &Node) -> Result<String> {
        let link = link.inode;
        let bytes = self.0.fs().read_link_ino(link);
        let bytes = bytes.map_err(|error| convert(error, &format!("reading the link in inode {link}")))?;
        String::from_utf8(bytes).map_err(|error| FsError::BadPath {
            path: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            problem: "the target of a symbolic link is not UTF-8".to_owned(),
        })
    }
}

impl Ext4 {
    pub(crate) fn tree(&self) -> Ext4Tree<'_> {
        Ext4Tree(self)
    }

    pub(crate) fn place(&self, path: &ImagePath, last: Last) -> Result<Place<Node>> {
        resolve(&self.tree(), path, last)
    }

    /// What is at `path`, which must exist and, where `kind` is given, be of that kind.
    pub(crate) fn existing(&self, path: &ImagePath, last: Last, kind: Option<Kind>) -> Result<Node> {
        let Some(node) = self.place(path, last)?.node() else {
            return Err(FsError::NotFound { path: path.as_str().to_owned() });
        };
        match kind {
            Some(kind) if kind != node.kind => Err(FsError::BadPath {
                path: path.as_str().to_owned(),
                problem: format!("expected {}, found {}", name_of(kind), name_of(node.kind)),
            }),
            _ => Ok(node),
        }
    }

    pub(crate) fn inode(&self, number: u32, name: &str) -> Result<Inode> {
        self.fs()
            .stat_ino(number)
            .map_err(|error| convert(error, &format!("reading inode {number} of {name}")))
    }

    /// What an inode is.
    pub(crate) fn kind(&self, inode: u32, name: &str) -> Result<Kind> {
        Ok(kind_of(&self.inode(inode, name)?))
    }
}

pub(crate) fn kind_of(inode: &Inode) -> Kind {
    match inode.mode & S_IFMT {
        S_IFREG => Kind::File,
        S_IFDIR => Kind::Dir,
        S_IFLNK => Kind::Symlink,
        _ => Kind::Special,
    }
}

pub(crate) fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a regular file",
        Kind::Dir => "a directory",
        Kind::Symlink => "a symbolic link",
        Kind::Special => "a device, socket or FIFO",
    }
}
