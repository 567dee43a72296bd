//! Which files of a base a plan reads.

use crate::formats::accounts::passwd;
use crate::formats::authorized_keys;
use crate::fs::{FsError, ImagePath, Kind};

use super::image::fixed;
use super::snapshot::{FileState, Snapshot};
use super::tree::Tree;

/// What a plan reads of a base. Each feature of a plan names what it reads beside the code that reads it; the probe takes
/// it all, and the [`Snapshot`] answers for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// One path of the running system, well-formed; for a link also what it leads to.
    Path(&'static str),
    /// All that lies directly in a directory of the running system, what links in it lead to, and drop-ins.
    Dir(&'static str),
    /// The symbolic links that lie directly in a directory of the running system.
    Links(&'static str),
    /// A file on the boot partition, by its name there.
    Boot(&'static str),
    /// All home directories, with what decides who may log in there.
    Homes,
}

/// Where home directories usually are.
const HOME: &str = "/home";

impl Interest {
    /// Reads it into `files`; `boot_dir` is where the boot partition is mounted.
    pub(super) fn take(self, tree: &Tree, boot_dir: &ImagePath, files: &mut Snapshot) -> Result<(), FsError> {
        match self {
            Self::Path(path) => files.take_followed(tree, &fixed(path)),
            Self::Dir(dir) => files.take_config_dir(tree, &fixed(dir)),
            Self::Links(dir) => files.take_links(tree, &fixed(dir)),
            Self::Boot(name) => files.take(tree, &fixed(&format!("{boot_dir}/{name}"))).map(drop),
            Self::Homes => homes(tree, files),
        }
    }
}

fn homes(tree: &Tree, files: &mut Snapshot) -> Result<(), FsError> {
    let accounts = files.take_text(tree, &fixed(passwd::PATH))?;
    let mut homes = accounts.map(passwd::homes).unwrap_or_default();
    let usual = fixed(HOME);
    if tree.kind(&usual)? == Some(Kind::Dir) {
        let names = tree.list(&tree.resolve(&usual)?)?;
        homes.extend(names.iter().map(|entry| format!("{usual}/{}", entry.name)));
    }
    files.take_dir(tree, &usual)?;
    homes.iter().try_for_each(|home| keys(tree, files, home))
}

/// The keys of a home directory, where it and its `.ssh` are directories.
fn keys(tree: &Tree, files: &mut Snapshot, home: &str) -> Result<(), FsError> {
    let at = |path: &str| ImagePath::parse(&format!("{home}{path}"));
    for dir in ["", "/.ssh"] {
        let Ok(path) = at(dir) else { return Ok(()) };
        let FileState::Dir(_) = files.take(tree, &path)? else { return Ok(()) };
    }
    for path in authorized_keys::PATHS.into_iter().filter_map(|path| at(path).ok()) {
        files.take(tree, &path)?;
    }
    Ok(())
}
