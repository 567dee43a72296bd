//! Follows a path: directories, symbolic links, and never out of the root.
//!
//! Pure over [`Tree`], so that the same rules hold for one file system and for a tree of mounts, and every rule has a
//! test without an image.

use std::collections::VecDeque;

use super::{FsError, ImagePath, Kind, Result};

/// Most links that one path may pass, as in the kernel (`MAXSYMLINKS`); more is a loop.
const MAX_LINKS: u32 = 40;

/// What resolution asks of a file system.
pub(crate) trait Tree {
    /// What a name leads to, for example an inode.
    type Node: Clone;

    /// The root directory.
    fn root(&self) -> Self::Node;
    /// What a node is.
    fn kind(&self, node: &Self::Node) -> Kind;
    /// What `name` is in the directory `dir`; none if there is no such name.
    fn child(&self, dir: &Self::Node, name: &str) -> Result<Option<Self::Node>>;
    /// The target of a symbolic link.
    fn target(&self, link: &Self::Node) -> Result<String>;
}

/// Whether a link in the last component is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// It is followed.
    Follow,
    /// It is the answer.
    Keep,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<N> {
    /// The components from the root on, none for a missing one. Only the last may be a link.
    steps: Vec<(String, Option<N>)>,
    root: N,
}

impl<N: Clone> Place<N> {
    /// What is there.
    pub(crate) fn node(&self) -> Option<N> {
        self.steps.last().map_or_else(|| Some(self.root.clone()), |(_, node)| node.clone())
    }

    /// The directory above, if it exists, and the last component; none for the root.
    pub(crate) fn parent(&self) -> Option<(Option<N>, &str)> {
        let (last, above) = self.steps.split_last()?;
        let dir = above.last().map_or_else(|| Some(self.root.clone()), |(_, node)| node.clone());
        Some((dir, last.0.as_str()))
    }

    /// The components from the root downwards, and what each one is.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&str, Option<&N>)> {
        self.steps.iter().map(|(name, node)| (name.as_str(), node.as_ref()))
    }

    /// The path without links.
    pub(crate) fn path(&self) -> Result<ImagePath> {
        let text: String = self.steps.iter().flat_map(|(name, _)| ["/", name]).collect();
        let text = if text.is_empty() { "/" } else { &text };
        ImagePath::parse(text)
            .map_err(|error| FsError::BadPath { path: text.to_owned(), problem: error.to_string() })
    }
}

/// Follows `path`. Components that do not exist are kept as they are.
///
/// # Errors
/// `BadPath` where a link leads out of the root, for more than 40 links, for a link whose target has a NUL, and where
/// something below a file is named; and the errors of `tree`.
pub(crate) fn resolve<T: Tree>(tree: &T, path: &ImagePath, last: Last) -> Result<Place<T::Node>> {
    let mut place = Place { steps: Vec::new(), root: tree.root() };
    let mut ahead: VecDeque<String> = path.components().map(str::to_owned).collect();
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        let dir = place.node();
        if dir.as_ref().is_some_and(|dir| tree.kind(dir) != Kind::Dir) {
            return Err(not_a_dir(&place, path));
        }
        if name == ".." {
            climb(&mut place, path)?;
            continue;
        }
        let node = dir.map_or(Ok(None), |dir| tree.child(&dir, &name))?;
        let follow = last == Last::Follow || !ahead.is_empty();
        match node.as_ref().filter(|node| follow && tree.kind(node) == Kind::Symlink) {
            Some(link) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(bad(path, format!("more than {MAX_LINKS} symbolic links, probably a loop")));
                }
                put_target_ahead(&mut place, &mut ahead, &target(tree, link, path)?);
            }
            None => place.steps.push((name, node)),
        }
    }
    Ok(place)
}

fn target<T: Tree>(tree: &T, link: &T::Node, path: &ImagePath) -> Result<String> {
    let target = tree.target(link)?;
    if target.contains('\0') {
        return Err(bad(path, "a symbolic link in it is damaged: its target has a NUL".to_owned()));
    }
    Ok(target)
}

/// Puts the components of a link's target before those that are still ahead.
fn put_target_ahead<N>(place: &mut Place<N>, ahead: &mut VecDeque<String>, target: &str) {
    if target.starts_with('/') {
        place.steps.clear();
    }
    for component in target.split('/').filter(|c| !c.is_empty() && *c != ".").rev() {
        ahead.push_front(component.to_owned());
    }
}

/// Goes one directory up. Only links hold `..`, since an [`ImagePath`] has none. The kernel would stay at the root; a
/// link that climbs above it was made for another place, and following it would be a guess.
fn climb<N>(place: &mut Place<N>, path: &ImagePath) -> Result<()> {
    match place.steps.pop() {
        Some(_) => Ok(()),
        None => Err(bad(path, "a symbolic link in it leads out of the root".to_owned())),
    }
}

fn not_a_dir<N: Clone>(place: &Place<N>, path: &ImagePath) -> FsError {
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
        type Node = usize;

        fn root(&self) -> usize {
            0
        }
        fn kind(&self, node: &usize) -> Kind {
            self.nodes[*node].0
        }
        fn child(&self, dir: &usize, name: &str) -> Result<Option<usize>> {
            assert_eq!(self.kind(dir), Kind::Dir);
            Ok(self.nodes[*dir].2.get(name).copied())
        }
        fn target(&self, link: &usize) -> Result<String> {
            assert_eq!(self.kind(link), Kind::Symlink);
            Ok(self.nodes[*link].1.clone())
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
    fn forty_links_are_followed_and_one_more_is_a_loop() {
        let names: Vec<String> = (0..=41).map(|number| format!("/{number}")).collect();
        let targets: Vec<String> = (1..=42).map(|number| number.to_string()).collect();
        let entries: Vec<_> =
            names.iter().map(String::as_str).zip(targets.iter().map(String::as_str)).collect();
        let tree = Model::new(&entries);
        let follow = |path: &str| resolve(&tree, &ImagePath::parse(path).unwrap(), Last::Follow);
        assert_eq!(follow("/2").unwrap().path().unwrap().as_str(), "/42");
        let error = follow("/1").unwrap_err().to_string();
        assert!(error.contains("more than 40 symbolic links"), "{error}");
    }

    #[test]
    fn the_last_component_is_named_with_its_dir() {
        let tree = usr_merged();
        let place = resolve(&tree, &ImagePath::parse("/lib/os-release").unwrap(), Last::Keep).unwrap();
        let (dir, name) = place.parent().unwrap();
        assert_eq!(name, "os-release");
        assert_eq!(dir, tree.child(&tree.child(&0, "usr").unwrap().unwrap(), "lib").unwrap());
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
                prop_assert!(place.steps().all(|(_, node)| node.is_none_or(|node| tree.kind(node) != Kind::Symlink)));
                let again = resolve(&tree, &place.path().unwrap(), Last::Follow).unwrap();
                prop_assert_eq!(again, place);
            }
        }
    }
}
