//! Following a path inside the image: directories, symbolic links, and never out of the root.
//!
//! Pure over [`Tree`], so that every rule has a test without an image.

use std::collections::VecDeque;

use crate::fs::{FsError, ImagePath, Kind, Result};

/// Links that one path may pass, as in the kernel (`MAXSYMLINKS`); more is a loop.
const MAX_LINKS: u32 = 40;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    /// The inode's number.
    pub(super) inode: u32,
    /// Its kind.
    pub(super) kind: Kind,
}

/// The little that resolution asks of a file system.
pub(super) trait Tree {
    /// The root directory.
    fn root(&self) -> Node;
    /// What `name` is in `dir`; none if there is no such name.
    fn child(&self, dir: u32, name: &str) -> Result<Option<Node>>;
    /// The target of a symbolic link.
    fn target(&self, link: u32) -> Result<String>;
}

/// Whether a link in the last component is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// It is followed.
    Follow,
    /// It is the answer.
    Keep,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The components from the root on, no link among them but perhaps the last; none stands for the missing.
    steps: Vec<(String, Option<Node>)>,
    root: Node,
}

impl Place {
    /// What is there.
    pub(super) fn node(&self) -> Option<Node> {
        self.steps.last().map_or(Some(self.root), |(_, node)| *node)
    }

    /// The directory above, if it exists, and the last component; none for the root.
    pub(super) fn parent(&self) -> Option<(Option<Node>, &str)> {
        let (last, above) = self.steps.split_last()?;
        let dir = above.last().map_or(Some(self.root), |(_, node)| *node);
        Some((dir, last.0.as_str()))
    }

    /// The components from the root downwards with what each one is.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&str, Option<Node>)> {
        self.steps.iter().map(|(name, node)| (name.as_str(), *node))
    }

    /// The path without links.
    pub(super) fn path(&self) -> Result<ImagePath> {
        let text: String = self.steps.iter().flat_map(|(name, _)| ["/", name]).collect();
        let text = if text.is_empty() { "/" } else { &text };
        ImagePath::parse(text)
            .map_err(|error| FsError::BadPath { path: text.to_owned(), problem: error.to_string() })
    }
}

/// Follows `path`. Components that do not exist are kept as they are.
pub(super) fn resolve(tree: &impl Tree, path: &ImagePath, last: Last) -> Result<Place> {
    let mut place = Place { steps: Vec::new(), root: tree.root() };
    let mut ahead: VecDeque<String> = path.components().map(str::to_owned).collect();
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            climb(&mut place, path)?;
            continue;
        }
        let node = match place.node() {
            None => None,
            Some(dir) if dir.kind == Kind::Dir => tree.child(dir.inode, &name)?,
            Some(_) => return Err(not_a_dir(&place, path)),
        };
        match node {
            Some(node) if node.kind == Kind::Symlink && (last == Last::Follow || !ahead.is_empty()) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(bad(path, format!("more than {MAX_LINKS} symbolic links, probably a loop")));
                }
                let target = tree.target(node.inode)?;
                if target.contains('\0') {
                    return Err(bad(
                        path,
                        "a symbolic link on the way is damaged: its target has a NUL".to_owned(),
                    ));
                }
                follow(&mut place, &mut ahead, &target);
            }
            node => place.steps.push((name, node)),
        }
    }
    Ok(place)
}

/// Puts the components of a link's target before those that are still ahead.
fn follow(place: &mut Place, ahead: &mut VecDeque<String>, target: &str) {
    if target.starts_with('/') {
        place.steps.clear();
    }
    for component in target.split('/').filter(|c| !c.is_empty() && *c != ".").rev() {
        ahead.push_front(component.to_owned());
    }
}

/// Goes one directory up. Only links hold `..`, since an [`ImagePath`] has none. The kernel would stay at the
/// root; a link that climbs above it was made for another place, and following it would be a guess.
fn climb(place: &mut Place, path: &ImagePath) -> Result<()> {
    match place.node() {
        Some(node) if node.kind != Kind::Dir => return Err(not_a_dir(place, path)),
        _ => {}
    }
    match place.steps.pop() {
        Some(_) => Ok(()),
        None => Err(bad(path, "a symbolic link on the way leads out of the root".to_owned())),
    }
}

fn not_a_dir(place: &Place, path: &ImagePath) -> FsError {
    let at = place.path().map_or_else(|_| String::new(), |at| at.as_str().to_owned());
    bad(path, format!("{at} is not a directory"))
}

fn bad(path: &ImagePath, problem: String) -> FsError {
    FsError::BadPath { path: path.as_str().to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A tree in memory: absolute path to target of a link, or none for a directory; `F` marks a file.
    #[derive(Default)]
    struct Model {
        nodes: Vec<(Kind, String, BTreeMap<String, usize>)>,
    }

    impl Model {
        fn new(entries: &[(&str, &str)]) -> Self {
            let mut model = Self { nodes: vec![(Kind::Dir, String::new(), BTreeMap::new())] };
            for (path, what) in entries {
                let mut at = 0;
                let names: Vec<_> = path.split('/').filter(|c| !c.is_empty()).collect();
                for (depth, name) in names.iter().enumerate() {
                    let last = depth + 1 == names.len();
                    let known = model.nodes[at].2.get(*name).copied();
                    at = known.unwrap_or_else(|| {
                        let (kind, target) = match (last, *what) {
                            (false, _) | (true, "") => (Kind::Dir, ""),
                            (true, "F") => (Kind::File, ""),
                            (true, target) => (Kind::Symlink, target),
                        };
                        model.nodes.push((kind, target.to_owned(), BTreeMap::new()));
                        let new = model.nodes.len() - 1;
                        model.nodes[at].2.insert((*name).to_owned(), new);
                        new
                    });
                }
            }
            model
        }
    }

    impl Tree for Model {
        fn root(&self) -> Node {
            Node { inode: 0, kind: Kind::Dir }
        }
        fn child(&self, dir: u32, name: &str) -> Result<Option<Node>> {
            assert_eq!(self.nodes[dir as usize].0, Kind::Dir);
            Ok(self.nodes[dir as usize]
                .2
                .get(name)
                .map(|at| Node { inode: u32::try_from(*at).unwrap(), kind: self.nodes[*at].0 }))
        }
        fn target(&self, link: u32) -> Result<String> {
            Ok(self.nodes[link as usize].1.clone())
        }
    }

    fn usr_merged() -> Model {
        Model::new(&[
            ("/usr/lib/systemd", ""),
            ("/lib", "usr/lib"),
            ("/etc/os-release", "../usr/lib/os-release"),
            ("/usr/lib/os-release", "F"),
            ("/var/run", "/run"),
            ("/run", ""),
            ("/etc/dangling", "/nowhere/at/all"),
            ("/self", "."),
            ("/loop/a", "b"),
            ("/loop/b", "a"),
            ("/out", "../../etc/passwd"),
            ("/usr/out", "../.."),
            ("/top", "/"),
            ("/through-file", "usr/lib/os-release/../x"),
            ("/nul", "usr/l\0b"),
        ])
    }

    #[test]
    fn links_are_followed_in_the_middle_and_at_the_end() {
        let tree = usr_merged();
        for (path, keep, follow) in [
            ("/", "/", "/"),
            ("/lib/systemd", "/usr/lib/systemd", "/usr/lib/systemd"),
            ("/lib", "/lib", "/usr/lib"),
            ("/lib/new/file", "/usr/lib/new/file", "/usr/lib/new/file"),
            ("/etc/os-release", "/etc/os-release", "/usr/lib/os-release"),
            ("/var/run/x", "/run/x", "/run/x"),
            ("/etc/dangling", "/etc/dangling", "/nowhere/at/all"),
            ("/self/self/lib", "/lib", "/usr/lib"),
            ("/top/top/usr", "/usr", "/usr"),
        ] {
            let path = ImagePath::parse(path).unwrap();
            let place = |last| resolve(&tree, &path, last).unwrap().path().unwrap().as_str().to_owned();
            assert_eq!(place(Last::Keep), keep, "{path} kept");
            assert_eq!(place(Last::Follow), follow, "{path} followed");
        }
    }

    #[test]
    fn escapes_loops_and_files_in_the_middle_are_refused() {
        let tree = usr_merged();
        for (path, problem) in [
            ("/out", "out of the root"),
            ("/usr/out", "out of the root"),
            ("/loop/a", "loop"),
            ("/usr/lib/os-release/x", "/usr/lib/os-release is not a directory"),
            ("/through-file", "/usr/lib/os-release is not a directory"),
            ("/nul", "NUL"),
        ] {
            let error = resolve(&tree, &ImagePath::parse(path).unwrap(), Last::Follow).unwrap_err();
            assert!(matches!(error, FsError::BadPath { .. }), "{error:?}");
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn the_last_component_is_named_with_its_dir() {
        let tree = usr_merged();
        let place = resolve(&tree, &ImagePath::parse("/lib/os-release").unwrap(), Last::Keep).unwrap();
        let (dir, name) = place.parent().unwrap();
        assert_eq!(name, "os-release");
        assert_eq!(dir, tree.child(tree.child(0, "usr").unwrap().unwrap().inode, "lib").unwrap());
        let place = resolve(&tree, &ImagePath::parse("/no/such").unwrap(), Last::Keep).unwrap();
        assert_eq!(place.parent(), Some((None, "such")));
        assert!(resolve(&tree, &ImagePath::root(), Last::Keep).unwrap().parent().is_none());
    }

    proptest! {
        /// Whatever the links say, an answer comes and holds no link, or it is refused.
        #[test]
        fn resolution_always_ends(
            targets in proptest::collection::vec("(/|\\.\\./|\\./|[abc]/){0,6}[abc.]{0,2}", 3),
            path in "(/[abc]){1,6}",
        ) {
            let names: Vec<String> = ["/a", "/b", "/a2/c"].map(str::to_owned).to_vec();
            let entries: Vec<_> = names
                .iter()
                .zip(&targets)
                .map(|(name, target)| (name.as_str(), target.as_str()))
                .collect();
            let tree = Model::new(&entries);
            if let Ok(place) = resolve(&tree, &ImagePath::parse(&path).unwrap(), Last::Follow) {
                prop_assert!(place.steps().all(|(_, node)| node.is_none_or(|n| n.kind != Kind::Symlink)));
                let again = resolve(&tree, &place.path().unwrap(), Last::Follow).unwrap();
                prop_assert_eq!(again, place);
            }
        }
    }
}
