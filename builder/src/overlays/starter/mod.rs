//! The beginning of an overlay: an example that builds.

use std::fs;
use std::path::Path;

use crate::value::DnsLabel;

use super::error::{OverlayError, Result};

/// Each file with its name; the word `NAME` stands for that of the overlay.
const FILES: [(&str, &str); 3] = [
    ("overlay.toml", include_str!("overlay.toml")),
    ("manifests/app.yaml", include_str!("app.yaml")),
    ("README.md", include_str!("README.md")),
];

/// k3s takes names of 63 characters, and those of the manifests are longer.
const LONGEST: usize = 50;

/// Writes the files into `folder`, which must not be there.
///
/// # Errors
/// When the folder is there, or a file cannot be written.
pub fn write(name: &DnsLabel, folder: &Path) -> Result<()> {
    let failed = |path: &Path, problem: String| OverlayError::Read { path: path.to_owned(), problem };
    if name.as_str().len() > LONGEST {
        let problem = format!("a name of at most {LONGEST} characters: those of its manifests begin with it");
        return Err(failed(folder, problem));
    }
    if folder.symlink_metadata().is_ok() {
        return Err(failed(folder, "it is there already: choose another name, or remove it".to_owned()));
    }
    for (file, text) in FILES {
        let path = folder.join(file);
        let dir = path.parent().unwrap_or(folder);
        fs::create_dir_all(dir).map_err(|error| failed(dir, error.to_string()))?;
        fs::write(&path, text.replace("NAME", name.as_str()))
            .map_err(|error| failed(&path, error.to_string()))?;
    }
    Ok(())
}
