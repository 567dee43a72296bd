//! The files of the running node, as the backends of the network services read them.

use std::io;
use std::path::Path;

use hc_common::network::{FileError, FileProblem, Files};

use crate::sys::{Kind, System};

/// No configuration file is larger.
const LONGEST: u64 = 1 << 20;

/// The files of the running node.
pub(crate) struct NodeFiles<'a>(pub(crate) &'a dyn System);

impl Files for NodeFiles<'_> {
    fn text(&self, path: &str) -> Result<Option<String>, FileError> {
        let failed = |problem| Err(FileError { path: path.to_owned(), problem });
        let at = Path::new(path);
        match self.0.stat(at) {
            Ok(stat) if stat.kind == Kind::Dir => return failed(FileProblem::NotText("a directory")),
            Ok(stat) if stat.size > LONGEST => return failed(FileProblem::NotText("a very large file")),
            Ok(stat) if stat.kind == Kind::Other => {
                return failed(FileProblem::NotText("neither file nor directory"));
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return failed(FileProblem::Io(e.to_string())),
        }
        match self.0.read(at).map(String::from_utf8) {
            Ok(Ok(text)) => Ok(Some(text)),
            Ok(Err(_)) => failed(FileProblem::NotText("a binary file")),
            // A link that leads nowhere.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => failed(FileProblem::Io(e.to_string())),
        }
    }

    fn dir(&self, dir: &str, ending: &str) -> Result<Vec<(String, String)>, FileError> {
        let names = match self.0.list(Path::new(dir)) {
            Ok(names) => names,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(e) => {
                return Err(FileError { path: dir.to_owned(), problem: FileProblem::Io(e.to_string()) });
            }
        };
        let mut found = Vec::new();
        for name in names.into_iter().filter(|name| name.ends_with(ending)) {
            let path = format!("{dir}/{name}");
            let kind = self.0.stat(Path::new(&path)).map(|stat| stat.kind);
            if matches!(kind, Ok(Kind::Dir | Kind::Other)) {
                continue;
            }
            match self.text(&path) {
                Ok(Some(text)) => found.push((path, text)),
                Ok(None) => {}
                // A link to a directory is left out as a directory is.
                Err(_) if matches!(kind, Ok(Kind::Link)) && self.0.list(Path::new(&path)).is_ok() => {}
                Err(error) => return Err(error),
            }
        }
        found.sort();
        Ok(found)
    }
}
