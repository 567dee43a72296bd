//! A stand-in for the files of a machine.

use std::collections::BTreeMap;

use hc_common::network::{FileError, FileProblem, Files};

/// Files in memory; a text of `None` is a file that cannot be read.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(BTreeMap<String, Option<String>>);

impl MemoryFiles {
    /// Files by their paths.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
        Self(files.collect())
    }

    /// One file more, or another text of it.
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.to_owned(), Some(text.to_owned()));
        self
    }

    /// One file more that cannot be read.
    #[must_use]
    pub fn with_unreadable(mut self, path: &str) -> Self {
        self.0.insert(path.to_owned(), None);
        self
    }
}

impl Files for MemoryFiles {
    fn text(&self, path: &str) -> Result<Option<String>, FileError> {
        match self.0.get(path) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text.clone())),
            Some(None) => {
                let problem = FileProblem::Io("Input/output error (os error 5)".to_owned());
                Err(FileError { path: path.to_owned(), problem })
            }
        }
    }

    fn dir(&self, dir: &str, ending: &str) -> Result<Vec<(String, String)>, FileError> {
        let is_inside = |path: &&String| {
            path.ends_with(ending) && path.rsplit_once('/').is_some_and(|(parent, _)| parent == dir)
        };
        self.0
            .keys()
            .filter(is_inside)
            .map(|path| Ok((path.clone(), self.text(path)?.unwrap_or_default())))
            .collect()
    }
}
