//! Where overlays are. A folder of the user's comes before those that are compiled in.

use std::path::{Path, PathBuf};

use crate::value::DnsLabel;

use super::definition::Overlay;
use super::error::Result;
use super::folder::{DEFINITION, Folder};

include!(concat!(env!("OUT_DIR"), "/overlays.rs"));

/// Folders with overlays, and those that are compiled in.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The first one that has an overlay of a name wins.
    dirs: Vec<PathBuf>,
}

/// The name of an overlay, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: DnsLabel,
    /// Its folder; none where it is compiled in.
    pub dir: Option<PathBuf>,
}

impl Library {
    /// The overlays of these folders, where they exist, and those that are compiled in.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self { dirs }
    }

    /// The folder `overlays` beside a cluster file.
    pub fn beside(cluster_file: &Path) -> PathBuf {
        cluster_file.parent().unwrap_or(Path::new("")).join("overlays")
    }

    /// All names, sorted, each once.
    pub fn list(&self) -> Vec<Listed> {
        let mut found: Vec<Listed> = Vec::new();
        for dir in &self.dirs {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            let named = entries.filter(|entry| entry.path().join(DEFINITION).is_file());
            found.extend(named.filter_map(|entry| {
                let name = entry.file_name().to_str()?.parse().ok()?;
                Some(Listed { name, dir: Some(entry.path()) })
            }));
        }
        let built_in = BUILT_IN.iter().filter_map(|(name, _)| name.parse().ok());
        found.extend(built_in.map(|name| Listed { name, dir: None }));
        // Stable: the first of a name stays.
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found.dedup_by(|later, first| later.name == first.name);
        found
    }

    /// The overlay of a name; none where there is none.
    ///
    /// # Errors
    /// When its files cannot be read, or its definition is invalid.
    pub fn get(&self, name: &DnsLabel) -> Result<Option<Overlay>> {
        for dir in &self.dirs {
            let dir = dir.join(name.as_str());
            if dir.join(DEFINITION).symlink_metadata().is_ok() {
                let shown = dir.display().to_string();
                return Overlay::parse(name, Folder::read(&dir)?, Some(shown)).map(Some);
            }
        }
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name.as_str());
        built_in
            .map(|(_, files)| Overlay::parse(name, Folder::built_in(name.as_str(), files), None))
            .transpose()
    }

    /// All overlays that are compiled in.
    ///
    /// # Errors
    /// When one is invalid: a fault of hcimage, which its tests find.
    pub fn built_in() -> Result<Vec<Overlay>> {
        let library = Self::default();
        library.list().iter().filter_map(|listed| library.get(&listed.name).transpose()).collect()
    }
}
