//! Whether what a plan writes would come to lie where its mode holds, and where nobody but its owner can replace it.
//!
//! A base may have links and directories of anybody's making on the way. A link onto the FAT partition makes a secret
//! readable for whoever holds the card, and for every account of the node: FAT has neither owners nor modes. In a directory
//! that another account may write to, that account replaces files whatever their own mode is.

use crate::fs::{Attributes, FsError, ImagePath, Kind};
use crate::os::Tree;
use crate::plan::{Action, Edit};

/// Groups below this number are the same on every Debian and have no user's account in them (Debian policy, 9.2.2), but for
/// `users`, which is 100.
const FIRST_OTHER_GROUP: u32 = 100;

/// What is wrong with the place of a file.
pub(crate) struct Misplaced {
    pub(crate) problem: String,
    /// The fix.
    pub(crate) hint: &'static str,
}

/// Whether the file of an edit would be readable or replaceable by others than its plan says.
pub(crate) fn check(tree: &Tree, edit: &Edit) -> Result<Option<Misplaced>, FsError> {
    let wanted = match &edit.action {
        Action::Write(_, wanted) | Action::Link(_, wanted) | Action::Dir(wanted) => *wanted,
        Action::Remove => return Ok(None),
    };
    if is_private(&edit.action) && tree.leads_to_boot(&edit.path)? {
        let problem = "its directories lead to the boot partition, where everybody can read it".to_owned();
        return Ok(Some(Misplaced { problem, hint: "remove the link from the base" }));
    }
    let found = replaceable(tree, &edit.path, &wanted)?;
    Ok(found.map(|(dir, by)| Misplaced {
        problem: format!("{by} may replace it, by the mode or owner of {dir}"),
        hint: "give that directory to root, with mode 0755, in the base",
    }))
}

fn is_private(action: &Action) -> bool {
    matches!(action, Action::Write(_, wanted) if wanted.mode & 0o077 == 0)
}

/// The first directory on the way to a path in which another account may replace what is there, and whose that is.
fn replaceable(
    tree: &Tree,
    path: &ImagePath,
    wanted: &Attributes,
) -> Result<Option<(ImagePath, String)>, FsError> {
    for dir in above(path) {
        // A link is as safe as the directory that it lies in, which is one of those above, and as the way to its target.
        // Without a link, what is above is what comes next here.
        let real = tree.resolve(&dir)?;
        let is_moved = real != dir;
        for dir in std::iter::once(real.clone()).chain(above(&real).filter(|_| is_moved)) {
            let Some(found) = tree.stat(&dir)? else { continue };
            if found.kind != Kind::Dir || tree.on_boot(&dir)? {
                continue;
            }
            if let Some(by) = other_writer(&found.attributes, wanted.uid) {
                return Ok(Some((dir, by)));
            }
        }
    }
    Ok(None)
}

/// The directories above a path, the nearest first.
fn above(path: &ImagePath) -> impl Iterator<Item = ImagePath> {
    std::iter::successors(path.parent(), ImagePath::parent)
}

/// Who may write to a directory besides root and the owner of the file. With the sticky bit only owners may replace files.
fn other_writer(dir: &Attributes, owner: u32) -> Option<String> {
    const STICKY: u16 = 0o1000;
    if dir.uid != 0 && dir.uid != owner {
        return Some(format!("the user {}", dir.uid));
    }
    if dir.mode & STICKY != 0 {
        return None;
    }
    if dir.mode & 0o002 != 0 {
        return Some("every account".to_owned());
    }
    (dir.mode & 0o020 != 0 && dir.gid >= FIRST_OTHER_GROUP).then(|| format!("the group {}", dir.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_owner_may_write_to_a_directory_on_the_way() {
        for (mode, uid, gid, by) in [
            (0o755, 0, 0, None),
            // As /usr/local is on older Debian: root and the group `staff`.
            (0o2775, 0, 50, None),
            (0o1777, 0, 0, None),
            (0o700, 1000, 1000, None),
            (0o755, 1001, 1001, Some("the user 1001")),
            (0o777, 0, 0, Some("every account")),
            (0o775, 0, 100, Some("the group 100")),
            (0o775, 0, 1001, Some("the group 1001")),
            // The owner of a sticky directory may replace files in it.
            (0o1777, 1001, 0, Some("the user 1001")),
        ] {
            let dir = Attributes { mode, uid, gid, mtime: 0 };
            assert_eq!(other_writer(&dir, 1000).as_deref(), by, "{mode:o} {uid} {gid}");
        }
    }
}
