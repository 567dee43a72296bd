//! The files of a machine, of a base image or of a running node.

use std::fmt;

use super::backend::Render;

/// Reads the files of a machine. A file that cannot be read is an error and never the same as a missing one.
pub trait Files {
    /// The text of a file, links followed; none where there is no such file.
    fn text(&self, path: &str) -> Result<Option<String>, FileError>;
    /// Path and text of each file directly in a directory whose name has an ending, links followed, sorted by path; empty
    /// where there is no such directory. Directories in it are left out, and so are links that lead nowhere.
    fn dir(&self, dir: &str, ending: &str) -> Result<Vec<(String, String)>, FileError>;
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// Its path.
    pub path: String,
    /// Why.
    pub problem: FileProblem,
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileProblem {
    /// It is there, and is not a text file of a sensible size.
    NotText(&'static str),
    /// It is not among the files that were read beforehand, so that nothing is known of it.
    NotTaken,
    /// The system's error; the next attempt may succeed.
    Io(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            FileProblem::NotText(found) => write!(f, "{}: expected a text file, found {found}", self.path),
            FileProblem::NotTaken => write!(f, "{} was not read from the image", self.path),
            FileProblem::Io(error) => write!(f, "reading {}: {error}", self.path),
        }
    }
}

impl std::error::Error for FileError {}

/// A machine's files once others have been written.
pub struct Written<'a> {
    /// The files before.
    pub before: &'a dyn Files,
    /// What is written.
    pub files: &'a [Render],
}

impl Files for Written<'_> {
    fn text(&self, path: &str) -> Result<Option<String>, FileError> {
        match self.files.iter().find(|file| file.path == path) {
            Some(file) => Ok(Some(file.change.text().to_owned())),
            None => self.before.text(path),
        }
    }

    fn dir(&self, dir: &str, ending: &str) -> Result<Vec<(String, String)>, FileError> {
        let mut found = self.before.dir(dir, ending)?;
        let inside = |path: &str| {
            path.ends_with(ending) && path.rsplit_once('/').is_some_and(|(parent, _)| parent == dir)
        };
        for file in self.files.iter().filter(|file| inside(&file.path)) {
            found.retain(|(path, _)| *path != file.path);
            found.push((file.path.clone(), file.change.text().to_owned()));
        }
        found.sort();
        Ok(found)
    }
}

/// Files of several directories, of which an earlier one replaces those of the same name in a later one: name, path and
/// text, sorted by name. An empty file, or a link to `/dev/null`, takes the name out.
pub(super) fn by_name(
    files: &dyn Files,
    dirs: &[&str],
    ending: &str,
) -> Result<Vec<(String, String, String)>, FileError> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    for dir in dirs {
        for (path, text) in files.dir(dir, ending)? {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            if found.iter().all(|(known, ..)| *known != name) {
                found.push((name, path, text));
            }
        }
    }
    found.retain(|(.., text)| !text.is_empty());
    found.sort();
    Ok(found)
}
