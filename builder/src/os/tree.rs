//! The file systems of an image as in the running system: each partition at its mount point.

use std::cell::Cell;
use std::io::{Read, Write};

use crate::fs::resolve::{self, Last, resolve};
use crate::fs::{Attributes, Entry, FileSystem, FsError, ImagePath, Kind, Result, Stat};

use super::image::PartitionRole;

/// The root file system, and those mounted in it.
pub struct Tree {
    root: Box<dyn FileSystem>,
    /// Parents before children.
    mounts: Vec<Mounted>,
    /// Bytes of configuration that may still be read.
    left: Cell<u64>,
}

/// The most bytes of configuration of one image: they are kept while it is planned for. Images have below 20 MiB, most of it
/// the package database.
const MOST_CONFIGURATION: u64 = 96 << 20;

struct Mounted {
    role: PartitionRole,
    at: ImagePath,
    fs: Box<dyn FileSystem>,
}

/// A path in the tree, and what it names there.
#[derive(Clone)]
pub(crate) struct Found {
    path: ImagePath,
    kind: Kind,
}

impl Tree {
    /// A tree with only the root.
    pub fn new(root: Box<dyn FileSystem>) -> Self {
        Self { root, mounts: Vec::new(), left: Cell::new(MOST_CONFIGURATION) }
    }

    /// The tree with `fs` mounted at `at`, a path without links; its parents must be mounted already.
    pub fn mount(mut self, role: PartitionRole, at: ImagePath, fs: Box<dyn FileSystem>) -> Self {
        self.mounts.push(Mounted { role, at, fs });
        self
    }

    /// The root file system itself.
    pub fn root(&self) -> &dyn FileSystem {
        self.root.as_ref()
    }

    /// The file at the path; `None` if it is missing. A link in the last component is not followed.
    pub fn stat(&self, path: &ImagePath) -> Result<Option<Stat>> {
        let (fs, path) = self.locate(path)?;
        fs.stat(&path)
    }

    /// Whether the path exists, with all links followed.
    pub fn exists(&self, path: &ImagePath) -> Result<bool> {
        let path = self.resolve(path)?;
        Ok(self.stat(&path)?.is_some())
    }

    /// The path with every link followed. Components that do not exist are kept as they are.
    pub fn resolve(&self, path: &ImagePath) -> Result<ImagePath> {
        self.walk(path, Last::Follow)
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &ImagePath) -> Result<String> {
        let (fs, path) = self.locate(path)?;
        fs.read_link(&path)
    }

    /// The names in a directory, sorted.
    pub fn list(&self, path: &ImagePath) -> Result<Vec<Entry>> {
        let (fs, path) = self.locate(path)?;
        fs.list(&path)
    }

    /// The content of a regular file of at most `limit` bytes.
    pub fn read(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
        let (fs, path) = self.locate(path)?;
        fs.read(&path, limit)
    }

    /// The same for a file that says how the system is set up; all of them together are bounded.
    pub fn read_configuration(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
        let bytes = self.read(path, limit)?;
        let left = self.left.get().checked_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.left.set(left.ok_or_else(|| FsError::BadPath {
            path: path.to_string(),
            problem: format!(
                "the files of the configuration have more than {} MiB together",
                MOST_CONFIGURATION >> 20
            ),
        })?);
        Ok(bytes)
    }

    /// Writes the content of a regular file to `out`.
    pub fn copy_to(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64> {
        let (fs, path) = self.locate(path)?;
        fs.copy_to(&path, out)
    }

    /// Creates a directory and its parents.
    pub fn create_dirs(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        let (fs, path) = self.locate(path)?;
        fs.create_dirs(&path, attributes)
    }

    /// Creates or replaces a regular file.
    pub fn write(&self, path: &ImagePath, content: &mut dyn Read, attributes: Attributes) -> Result<u64> {
        let (fs, path) = self.locate(path)?;
        fs.write(&path, content, attributes)
    }

    /// Creates or replaces a symbolic link.
    pub fn symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()> {
        let (fs, path) = self.locate(path)?;
        fs.symlink(&path, target, attributes)
    }

    /// Removes a file or link.
    pub fn remove(&self, path: &ImagePath) -> Result<()> {
        let (fs, path) = self.locate(path)?;
        fs.remove(&path)
    }

    /// Whether the path is on the FAT partition, which has neither owners nor modes.
    pub fn on_boot(&self, path: &ImagePath) -> Result<bool> {
        let path = self.walk(path, Last::Keep)?;
        Ok(self
            .innermost(&path)
            .is_some_and(|mounted| mounted.role == PartitionRole::Boot && path != mounted.at))
    }

    /// Whether a path that is not on the boot partition by its name leads there by a link on its way.
    pub fn leads_to_boot(&self, path: &ImagePath) -> Result<bool> {
        let mut boots = self.mounts.iter().filter(|mounted| mounted.role == PartitionRole::Boot);
        Ok(self.on_boot(path)? && !boots.any(|mounted| path.below(&mounted.at).is_some()))
    }

    /// Writes and checks all file systems, children first.
    pub fn finish(self) -> Result<()> {
        for mounted in self.mounts.into_iter().rev() {
            mounted.fs.finish()?;
        }
        self.root.finish()
    }

    /// The file system of the path, and the path inside it.
    fn locate(&self, path: &ImagePath) -> Result<(&dyn FileSystem, ImagePath)> {
        self.inside(&self.walk(path, Last::Keep)?)
    }

    /// As [`Tree::locate`] for a path without links in the directories above.
    fn inside(&self, path: &ImagePath) -> Result<(&dyn FileSystem, ImagePath)> {
        match self.innermost(path) {
            Some(mounted) => {
                let inner = path.below(&mounted.at).unwrap_or_default();
                Ok((mounted.fs.as_ref(), parse(&format!("/{inner}"))?))
            }
            None => Ok((self.root.as_ref(), path.clone())),
        }
    }

    /// The innermost file system that contains the path or is mounted there.
    fn innermost(&self, path: &ImagePath) -> Option<&Mounted> {
        let holds = |mounted: &&Mounted| *path == mounted.at || path.below(&mounted.at).is_some();
        self.mounts.iter().rev().find(holds)
    }

    /// Follows the links in the directories above, and in the last component if asked to. They may lead across mounts,
    /// in either direction.
    fn walk(&self, path: &ImagePath, last: Last) -> Result<ImagePath> {
        resolve(self, path, last)?.path()
    }
}

impl resolve::Tree for Tree {
    type Node = Found;

    fn root(&self) -> Found {
        Found { path: ImagePath::root(), kind: Kind::Dir }
    }

    fn kind(&self, node: &Found) -> Kind {
        node.kind
    }

    fn child(&self, dir: &Found, name: &str) -> Result<Option<Found>> {
        let path = parse(&format!("{}/{name}", dir.path))?;
        let (fs, inner) = self.inside(&path)?;
        Ok(fs.stat(&inner)?.map(|stat| Found { path, kind: stat.kind }))
    }

    fn target(&self, link: &Found) -> Result<String> {
        let (fs, inner) = self.inside(&link.path)?;
        fs.read_link(&inner)
    }
}

fn parse(path: &str) -> Result<ImagePath> {
    ImagePath::parse(path).map_err(|bad| FsError::BadPath { path: path.to_owned(), problem: bad.to_string() })
}

impl Tree {
    /// The kind of the file at the path, with all links followed.
    pub fn kind(&self, path: &ImagePath) -> Result<Option<Kind>> {
        let path = self.resolve(path)?;
        Ok(self.stat(&path)?.map(|stat| stat.kind))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fs::Space;

    /// Links and files by path; their parents are directories.
    struct Fake(BTreeMap<&'static str, &'static str>);

    /// The target that marks a regular file.
    const FILE: &str = "";

    impl FileSystem for Fake {
        fn stat(&self, path: &ImagePath) -> Result<Option<Stat>> {
            let dir = |path: &str| self.0.keys().any(|key| key.starts_with(&format!("{path}/")));
            let kind = match self.0.get(path.as_str()) {
                Some(&FILE) => Kind::File,
                Some(_) => Kind::Symlink,
                None if path.as_str() == "/" || dir(path.as_str()) => Kind::Dir,
                None => return Ok(None),
            };
            let attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
            Ok(Some(Stat { kind, size: 0, attributes }))
        }
        fn read_link(&self, path: &ImagePath) -> Result<String> {
            Ok(self.0[path.as_str()].to_owned())
        }
        fn resolve(&self, _: &ImagePath) -> Result<ImagePath> {
            unreachable!("the tree follows links itself")
        }
        fn list(&self, _: &ImagePath) -> Result<Vec<Entry>> {
            unreachable!()
        }
        fn copy_to(&self, _: &ImagePath, _: &mut dyn Write) -> Result<u64> {
            unreachable!()
        }
        fn read(&self, _: &ImagePath, _: u64) -> Result<Vec<u8>> {
            unreachable!()
        }
        fn create_dirs(&self, _: &ImagePath, _: Attributes) -> Result<()> {
            unreachable!()
        }
        fn write(&self, _: &ImagePath, _: &mut dyn Read, _: Attributes) -> Result<u64> {
            unreachable!()
        }
        fn symlink(&self, _: &ImagePath, _: &str, _: Attributes) -> Result<()> {
            unreachable!()
        }
        fn remove(&self, _: &ImagePath) -> Result<()> {
            unreachable!()
        }
        fn set_attributes(&self, _: &ImagePath, _: Attributes) -> Result<()> {
            unreachable!()
        }
        fn space(&self) -> Result<Space> {
            unreachable!()
        }
        fn finish(self: Box<Self>) -> Result<()> {
            unreachable!()
        }
    }

    fn path(text: &str) -> ImagePath {
        ImagePath::parse(text).unwrap()
    }

    /// The layout of an Ubuntu cloud image, with links of every kind.
    fn tree() -> Tree {
        let fake = |entries: &[(&'static str, &'static str)]| {
            Box::new(Fake(entries.iter().copied().collect())) as Box<dyn FileSystem>
        };
        let root = fake(&[
            ("/lib", "usr/lib"),
            ("/usr/lib/x", FILE),
            ("/vmlinuz", "boot/vmlinuz"),
            ("/firmware", "/boot/efi/EFI"),
            ("/boot/hidden", FILE),
            ("/loop", "loop"),
            ("/out", "../../etc"),
        ]);
        let kernels = fake(&[
            ("/vmlinuz", "vmlinuz-6"),
            ("/vmlinuz-6", FILE),
            ("/back", "/usr/lib/x"),
            ("/up", "../lib/x"),
        ]);
        let esp = fake(&[("/EFI/grub.cfg", FILE)]);
        let tree = Tree::new(root).mount(PartitionRole::Kernels, path("/boot"), kernels);
        tree.mount(PartitionRole::Boot, path("/boot/efi"), esp)
    }

    #[test]
    fn links_cross_mounts_in_both_directions() {
        let tree = tree();
        for (from, to) in [
            ("/lib/x", "/usr/lib/x"),
            ("/vmlinuz", "/boot/vmlinuz-6"),
            ("/boot/vmlinuz", "/boot/vmlinuz-6"),
            ("/boot/back", "/usr/lib/x"),
            ("/boot/up", "/usr/lib/x"),
            ("/firmware/grub.cfg", "/boot/efi/EFI/grub.cfg"),
            ("/lib/none/y", "/usr/lib/none/y"),
        ] {
            assert_eq!(tree.resolve(&path(from)).unwrap(), path(to), "{from}");
        }
        for (there, exists) in
            [("/boot/vmlinuz", true), ("/boot/hidden", false), ("/boot/efi/EFI/grub.cfg", true)]
        {
            assert_eq!(tree.exists(&path(there)).unwrap(), exists, "{there}");
        }
    }

    #[test]
    fn only_a_path_on_the_fat_partition_is_on_boot() {
        let tree = tree();
        for (at, on_boot) in [
            ("/boot/efi/new", true),
            ("/firmware/new", true),
            ("/boot/grub.cfg", false),
            ("/boot/efi", false),
            ("/etc/new", false),
        ] {
            assert_eq!(tree.on_boot(&path(at)).unwrap(), on_boot, "{at}");
        }
    }

    #[test]
    fn a_loop_and_a_link_out_of_the_root_are_errors() {
        let tree = tree();
        for (from, word) in
            [("/loop", "loop"), ("/loop/x", "loop"), ("/out", "leads out"), ("/out/x", "leads out")]
        {
            let error = tree.resolve(&path(from)).unwrap_err().to_string();
            assert!(error.contains(word), "{from}: {error}");
        }
        assert!(tree.stat(&path("/loop")).unwrap().is_some(), "the link itself");
    }
}
