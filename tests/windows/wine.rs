//! `hcimage.exe` in Wine, which is Windows's interface on Linux and no Windows: it has Linux's file systems below, locks of Windows
//! that keep nobody from reading, and no PowerShell.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A path of this machine as programs in Wine have it: its drive `Z:` is our root.
pub(crate) fn path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

fn variable(name: &str) -> PathBuf {
    let value = env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run `make windows`"));
    PathBuf::from(value)
}

/// The program that was cross-built.
pub(crate) fn program() -> PathBuf {
    variable("HCIMAGE_EXE")
}

/// It in `dir`, with a cache of its own there.
pub(crate) fn hcimage(dir: &Path) -> Command {
    let mut command = Command::new(variable("HCIMAGE_WINE"));
    command.arg(program()).current_dir(dir);
    command.env("HCIMAGE_CACHE", path(&dir.join("cache"))).env_remove("SOURCE_DATE_EPOCH");
    command
}
