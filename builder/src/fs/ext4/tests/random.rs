//! Random operations against a model; e2fsck and debugfs have the last word.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::image::{FOLDER, Image, PLAIN, Tree, noise, path};
use crate::fs::{FileSystem, FsError};

#[derive(Debug, Clone)]
enum Operation {
    Write(String, usize),
    Link(String, usize),
    Remove(String),
    Folder(String),
}

/// What an operation comes to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    NotFound,
    BadPath,
}

/// Few names, so that they meet: two levels of folders, names short and long.
fn some_path() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a".to_owned()), Just("b".to_owned()), "[cd]", Just("long".repeat(50))];
    proptest::collection::vec(name, 1..4).prop_map(|names| format!("/srv/{}", names.join("/")))
}

fn operation() -> impl Strategy<Value = Operation> {
    let size = prop_oneof![Just(0), 1_usize..5000, 60_000_usize..400_000];
    prop_oneof![
        4 => (some_path(), size).prop_map(|(at, size)| Operation::Write(at, size)),
        2 => (some_path(), 1_usize..200).prop_map(|(at, len)| Operation::Link(at, len)),
        2 => some_path().prop_map(Operation::Remove),
        3 => some_path().prop_map(Operation::Folder),
    ]
}

/// Files, links and folders below `/srv`, as in [`Tree`].
struct Model(BTreeMap<String, Vec<u8>>);

impl Model {
    fn is_folder(&self, at: &str) -> bool {
        self.0.get(at).is_some_and(|what| what == b"d")
    }

    fn ancestors(at: &str) -> impl Iterator<Item = &str> {
        at.match_indices('/').skip(1).map(|(end, _)| &at[..end])
    }

    /// Why nothing can be at this path, if so. A link in the middle leads to nowhere: see [`target`].
    fn blocked(&self, at: &str) -> Option<Outcome> {
        for folder in Self::ancestors(at) {
            match self.0.get(folder).map(|what| what[0]) {
                Some(b'd') => {}
                Some(b'f') => return Some(Outcome::BadPath),
                _ => return Some(Outcome::NotFound),
            }
        }
        None
    }

    fn apply(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Folder(at) => {
                let mut above: Vec<_> = Self::ancestors(at).map(str::to_owned).collect();
                above.push(at.clone());
                if above.iter().any(|at| self.0.get(at).is_some_and(|what| what[0] == b'f')) {
                    return Outcome::BadPath;
                }
                self.0.extend(above.into_iter().map(|at| (at, b"d".to_vec())));
                Outcome::Done
            }
            Operation::Write(at, _) | Operation::Link(at, _) | Operation::Remove(at) => {
                if let Some(outcome) = self.blocked(at) {
                    return outcome;
                }
                if self.is_folder(at) {
                    return Outcome::BadPath;
                }
                match operation {
                    Operation::Write(_, size) => {
                        self.0.insert(at.clone(), [b"f ".as_slice(), &noise(*size, *size as u32)].concat());
                    }
                    Operation::Link(_, len) => {
                        self.0.insert(at.clone(), format!("l {}", target(*len)).into_bytes());
                    }
                    _ if self.0.remove(at).is_none() => return Outcome::NotFound,
                    _ => {}
                }
                Outcome::Done
            }
        }
    }

    /// Whether a link would be followed on the way, which the model does not do for folders.
    fn passes_link(&self, operation: &Operation) -> bool {
        let Operation::Folder(at) = operation else { return false };
        let is_link = |at: &str| self.0.get(at).is_some_and(|what| what[0] == b'l');
        Self::ancestors(at).any(is_link) || is_link(at)
    }
}

/// A target that never exists.
fn target(len: usize) -> String {
    format!("/none/{}", "t".repeat(len))
}

fn act(fs: &dyn FileSystem, operation: &Operation) -> Outcome {
    let done = match operation {
        Operation::Write(at, size) => {
            fs.write(&path(at), &mut noise(*size, *size as u32).as_slice(), PLAIN).map(drop)
        }
        Operation::Link(at, len) => fs.symlink(&path(at), &target(*len), PLAIN),
        Operation::Remove(at) => fs.remove(&path(at)),
        Operation::Folder(at) => fs.create_folders(&path(at), FOLDER),
    };
    match done {
        Ok(()) => Outcome::Done,
        Err(FsError::NotFound { .. }) => Outcome::NotFound,
        Err(FsError::BadPath { .. }) => Outcome::BadPath,
        Err(error) => panic!("{operation:?}: {error:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_operations_agree_with_the_model(
        operations in proptest::collection::vec(operation(), 60..100),
        options in prop_oneof![
            Just(&["-b", "4096"][..]),
            Just(&["-b", "1024"][..]),
            Just(&["-b", "1024", "-O", "^metadata_csum,uninit_bg,^flex_bg,^64bit", "-I", "128"][..]),
            Just(&["-O", "orphan_file,metadata_csum_seed"][..]),
        ],
    ) {
        let image = Image::new(40, options);
        let untouched = image.tree();
        let mut model = Model(BTreeMap::from([("/srv".to_owned(), b"d".to_vec())]));
        image.edit(|fs| {
            fs.create_folders(&path("/srv"), FOLDER).unwrap();
            for operation in &operations {
                if !model.passes_link(operation) {
                    assert_eq!(act(fs, operation), model.apply(operation), "{operation:?}");
                }
            }
        });
        let mut want: Tree = untouched;
        want.extend(model.0);
        prop_assert!(image.tree() == want);
    }
}
