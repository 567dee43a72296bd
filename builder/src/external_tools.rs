//! Other people's tools, for the unit tests.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// A tool by its whole path.
///
/// Debian keeps some judges where a plain user does not look. Giving the child another `PATH` would help too, but
/// then the standard library copies the whole test process for each of thousands of calls.
pub(crate) fn program(name: &str) -> Command {
    let usual = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&usual).chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.is_file());
    Command::new(found.unwrap_or_else(|| name.into()))
}
