//! The files of an overlay: texts, by their names below its folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use hc_common::text::decode;

use crate::local_file;

use super::error::{OverlayError, Result};

/// The definition, which makes a folder an overlay.
pub(super) const DEFINITION: &str = "overlay.toml";

/// The most files of one overlay.
const MOST_FILES: usize = 200;

/// The longest file in bytes: a manifest that k3s takes is not longer.
const LONGEST: u64 = 1 << 20;

const LINK: &str = "it is a link, which may lead out of the overlay: copy what it leads to";

/// How deep its folders go.
const MOST_DEPTH: usize = 3;

/// The files of one overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    /// Where it is, for messages.
    pub(super) shown: String,
    /// By their names with `/`.
    pub(super) files: Arc<BTreeMap<String, String>>,
}

impl Folder {
    /// One that is compiled in.
    pub(super) fn built_in(name: &str, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned()));
        Self { shown: format!("overlays/{name} of hcimage"), files: Arc::new(files.collect()) }
    }

    /// One of this machine. A link could lead anywhere, so there may be none.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        if dir.is_symlink() {
            return Err(OverlayError::Read { path: dir.to_owned(), problem: LINK.to_owned() });
        }
        let mut files = BTreeMap::new();
        collect(dir, "", 0, &mut files)?;
        Ok(Self { shown: dir.display().to_string(), files: Arc::new(files) })
    }

    /// A file by its name in the folder.
    pub(super) fn file(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    /// What messages call a file.
    pub(super) fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.shown)
    }
}

fn collect(dir: &Path, below: &str, depth: usize, files: &mut BTreeMap<String, String>) -> Result<()> {
    let failed = |path: &Path, problem: String| OverlayError::Read { path: path.to_owned(), problem };
    if depth > MOST_DEPTH {
        return Err(failed(dir, format!("an overlay has folders in folders {MOST_DEPTH} deep at most")));
    }
    for entry in fs::read_dir(dir).map_err(|error| failed(dir, error.to_string()))? {
        let entry = entry.map_err(|error| failed(dir, error.to_string()))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(failed(&path, "its name is not UTF-8 text".to_owned()));
        };
        // Those of editors, version control and desktops.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let kind = entry.file_type().map_err(|error| failed(&path, error.to_string()))?;
        let inner = if below.is_empty() { name } else { format!("{below}/{name}") };
        if kind.is_symlink() {
            return Err(failed(&path, LINK.to_owned()));
        } else if kind.is_dir() {
            collect(&path, &inner, depth.saturating_add(1), files)?;
        } else {
            let bytes = local_file::read(&path, LONGEST).map_err(|error| failed(&path, error.to_string()))?;
            let text = decode(&bytes).map_err(|error| failed(&path, error.to_string()))?;
            files.insert(inner, text.to_owned());
        }
        if files.len() > MOST_FILES {
            return Err(failed(dir, format!("an overlay has {MOST_FILES} files at most")));
        }
    }
    Ok(())
}
