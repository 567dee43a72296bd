//! A folder of the user's that an overlay puts onto nodes: the names and sizes of its files. Their bytes are read when an image is
//! built.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::disk::ByteSize;
use crate::local_file::paths_in;

/// The most files of a folder.
const MOST_FILES: usize = 10_000;

/// The most bytes of a folder: a card has to hold it, and every build reads it.
const MOST_BYTES: u64 = 4 << 30;

/// The deepest folder in it.
const DEEPEST: usize = 32;

/// The longest name in bytes, as file systems of Linux have it.
const LONGEST_NAME: usize = 255;

/// The longest path of a file in it: with what is above it on the node, below the 4096 bytes of Linux.
const LONGEST_PATH: usize = 3072;

/// What begins with a dot is of tools, but for this one, which RFC 8615 gives to websites.
const WELL_KNOWN: &str = ".well-known";

/// A folder of the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFolder {
    path: PathBuf,
    files: Arc<Vec<UserFile>>,
}

/// A file in such a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserFile {
    /// Its path below the folder, with `/`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

impl UserFolder {
    /// A folder with these files.
    pub fn new(path: PathBuf, mut files: Vec<UserFile>) -> Self {
        files.sort();
        Self { path, files: Arc::new(files) }
    }

    /// Looks at a folder of this machine; no file of it is opened.
    ///
    /// # Errors
    /// With place, cause and fix, where it cannot be read or is empty, where something in it is neither a file nor a folder, and
    /// where it is larger than is thought of.
    pub fn list(path: &Path) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("{}: {error}", path.display());
        let kind = fs::symlink_metadata(path).map_err(fail)?.file_type();
        if kind.is_symlink() {
            return Err(format!("{} is a link: name the folder that it leads to", path.display()));
        }
        if !kind.is_dir() {
            return Err(format!("{} is no folder", path.display()));
        }
        let mut listing = Listing::default();
        listing.collect(path, "", DEEPEST)?;
        if listing.files.is_empty() {
            return Err(format!("{}: there is no file in it", path.display()));
        }
        Ok(Self::new(path.to_owned(), listing.files))
    }

    /// Whether it is one that nobody has named.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Its files, sorted.
    pub fn files(&self) -> &[UserFile] {
        &self.files
    }

    /// Its files and folders on this machine.
    pub fn paths(&self) -> BTreeSet<PathBuf> {
        paths_in(&self.path, self.files.iter().map(|file| file.name.as_str()))
    }

    /// Where a file of it is on this machine.
    pub fn path_of(&self, file: &UserFile) -> PathBuf {
        file.name.split('/').fold(self.path.clone(), |path, part| path.join(part))
    }

    /// How many files it has and how large they are together, for people.
    pub fn summary(&self) -> String {
        let count = self.files.len();
        let size = self.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        format!("{count} file{} ({})", if count == 1 { "" } else { "s" }, ByteSize(size))
    }
}

/// What templates know: the names at its top.
impl Serialize for UserFolder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Top<'a> {
            files: Vec<&'a str>,
            folders: BTreeSet<&'a str>,
        }
        let mut top = Top { files: Vec::new(), folders: BTreeSet::new() };
        for file in self.files.iter() {
            match file.name.split_once('/') {
                Some((folder, _)) => drop(top.folders.insert(folder)),
                None => top.files.push(&file.name),
            }
        }
        top.serialize(serializer)
    }
}

#[derive(Default)]
struct Listing {
    files: Vec<UserFile>,
    size: u64,
}

impl Listing {
    fn collect(&mut self, dir: &Path, below: &str, depth: usize) -> Result<(), String> {
        let fail = |error: std::io::Error| format!("{}: {error}", dir.display());
        for entry in fs::read_dir(dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let path = entry.path();
            let shown = path.display();
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_| format!("{shown}: the name is not UTF-8 text"))?;
            // Those of version control, editors and desktops, and often of passwords.
            if (name.starts_with('.') && name != WELL_KNOWN) || name.ends_with('~') {
                continue;
            }
            if name.chars().any(char::is_control) {
                return Err(format!("{shown:?}: the name has a control character: rename it"));
            }
            let inner = format!("{below}{name}");
            if name.len() > LONGEST_NAME || inner.len() > LONGEST_PATH {
                return Err(format!("{shown}: the name is too long for Linux: rename it"));
            }
            let found = fs::symlink_metadata(&path).map_err(|error| format!("{shown}: {error}"))?;
            if found.is_dir() {
                let left = depth
                    .checked_sub(1)
                    .ok_or_else(|| format!("{shown}: more than {DEEPEST} folders deep"))?;
                self.collect(&path, &format!("{inner}/"), left)?;
            } else if found.is_symlink() {
                return Err(format!("{shown} is a link, which may lead anywhere: put a copy in its place"));
            } else if found.is_file() {
                self.add(inner, found.len(), dir)?;
            } else {
                return Err(format!("{shown} is neither a file nor a folder: remove it"));
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, size: u64, dir: &Path) -> Result<(), String> {
        self.files.push(UserFile { name, size });
        self.size = self.size.saturating_add(size);
        if self.files.len() > MOST_FILES {
            return Err(format!("{}: the folder has more than {MOST_FILES} files", dir.display()));
        }
        if self.size > MOST_BYTES {
            let most = ByteSize(MOST_BYTES);
            return Err(format!(
                "{}: the folder has more than {most}: copy it to the data disk",
                dir.display()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        dir
    }

    fn names(folder: &UserFolder) -> Vec<&str> {
        folder.files().iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn files_are_listed_in_order_and_those_of_tools_are_left_out() {
        let files = [
            "index.html",
            "css/a.css",
            ".git/config",
            ".env",
            "index.html~",
            ".well-known/security.txt",
            "css/.DS_Store",
        ];
        let dir = folder(&files);
        let found = UserFolder::list(dir.path()).unwrap();
        assert_eq!(names(&found), [".well-known/security.txt", "css/a.css", "index.html"]);
        assert_eq!(found.path_of(&found.files()[1]), dir.path().join("css").join("a.css"));
        assert_eq!(found.files()[1].size, 9);
        assert_eq!(found.summary(), format!("3 files ({})", ByteSize(24 + 9 + 10)));
    }

    #[test]
    fn templates_know_the_names_at_the_top() {
        let dir = folder(&["index.html", "a.example/index.html", "a.example/x/y", "b.example/index.html"]);
        let known = serde_json::to_value(UserFolder::list(dir.path()).unwrap()).unwrap();
        assert_eq!(
            known,
            serde_json::json!({ "files": ["index.html"], "folders": ["a.example", "b.example"] })
        );
        let nothing = serde_json::to_value(UserFolder::default()).unwrap();
        assert_eq!(nothing, serde_json::json!({ "files": [], "folders": [] }));
    }

    #[cfg(unix)]
    #[test]
    fn links_pipes_and_sockets_are_refused_wherever_they_are() {
        use std::os::unix::fs::symlink;
        let refused = |make: &dyn Fn(&Path), words: &str| {
            let dir = folder(&["index.html", "inner/x"]);
            make(&dir.path().join("inner/bad"));
            let said = UserFolder::list(dir.path()).unwrap_err();
            assert!(said.contains("bad") && said.contains(words), "{said}");
        };
        refused(&|path| symlink("/etc/shadow", path).unwrap(), "is a link");
        refused(&|path| symlink("/etc", path).unwrap(), "is a link");
        refused(&|path| symlink("nowhere", path).unwrap(), "is a link");
        refused(&|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()), "neither a file");
        let pipe = |path: &Path| {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        };
        refused(&pipe, "neither a file");
        let dir = folder(&["site/index.html"]);
        let link = dir.path().join("link");
        symlink(dir.path().join("site"), &link).unwrap();
        assert!(UserFolder::list(&link).unwrap_err().contains("name the folder that it leads to"));
        assert!(UserFolder::list(Path::new("/dev/null")).unwrap_err().contains("is no folder"));
    }

    #[test]
    fn what_is_empty_missing_too_deep_or_strangely_named_is_refused() {
        let dir = folder(&[".hidden"]);
        assert!(UserFolder::list(dir.path()).unwrap_err().contains("no file in it"));
        assert!(UserFolder::list(&dir.path().join("none")).unwrap_err().contains("none"));
        let deep = "d/".repeat(DEEPEST);
        assert_eq!(UserFolder::list(folder(&[&format!("{deep}x")]).path()).unwrap().files().len(), 1);
        let said = UserFolder::list(folder(&[&format!("{deep}d/x")]).path()).unwrap_err();
        assert!(said.contains("32 folders deep"), "{said}");
        #[cfg(unix)]
        {
            let said = UserFolder::list(folder(&["a\u{1b}[31m"]).path()).unwrap_err();
            assert!(said.contains("control character") && !said.contains('\u{1b}'), "{said}");
        }
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::ffi::OsStrExt as _;
            let dir = folder(&["x"]);
            fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"a\xff")), "").unwrap();
            assert!(UserFolder::list(dir.path()).unwrap_err().contains("not UTF-8"));
        }
    }

    #[test]
    fn a_folder_has_as_many_files_and_bytes_as_it_may() {
        let mut listing = Listing::default();
        for _ in 0..MOST_FILES {
            listing.add("x".to_owned(), 0, Path::new("d")).unwrap();
        }
        assert!(listing.add("x".to_owned(), 0, Path::new("d")).unwrap_err().contains("10000 files"));
        let mut listing = Listing::default();
        listing.add("x".to_owned(), MOST_BYTES, Path::new("d")).unwrap();
        assert!(listing.add("x".to_owned(), 1, Path::new("d")).unwrap_err().contains("data disk"));
        assert!(Listing::default().add("x".to_owned(), u64::MAX, Path::new("d")).is_err());
    }
}
