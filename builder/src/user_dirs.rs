//! The user's directories for hcimage, from the environment: where it keeps what can be fetched again, and what cannot.
//!
//! On Linux by the XDG Base Directory Specification, which ignores relative paths.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a directory is for: its variable on Windows, its place below the home directory on macOS, and on other systems its variable and
/// the place below the home directory without it.
struct Place {
    windows: &'static str,
    macos: &'static str,
    xdg: &'static str,
    home: &'static str,
}

const CACHE: Place =
    Place { windows: "LOCALAPPDATA", macos: "Library/Caches", xdg: "XDG_CACHE_HOME", home: ".cache" };
const SETTINGS: Place = Place {
    windows: "APPDATA",
    macos: "Library/Application Support",
    xdg: "XDG_CONFIG_HOME",
    home: ".config",
};

/// What can be fetched again; `HCIMAGE_CACHE` names another place. None where the environment says too little.
pub fn cache(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    path(&variable, "HCIMAGE_CACHE").or_else(|| below(&CACHE, variable))
}

/// What cannot. None where the environment says too little.
pub fn settings(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    below(&SETTINGS, variable)
}

fn below(place: &Place, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let home = |dir: &str| path(&variable, "HOME").map(|home| home.join(dir));
    let dir = if cfg!(windows) {
        path(&variable, place.windows)
    } else if cfg!(target_os = "macos") {
        home(place.macos)
    } else {
        path(&variable, place.xdg).filter(|path| path.is_absolute()).or_else(|| home(place.home))
    };
    dir.map(|dir| dir.join("hcimage"))
}

fn path(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    variable(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
