//! The file of the state.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::{STATE_PATH, State, VERSION};
use crate::durable;
use crate::phase_error::Failure;
use crate::sys::System;

/// The result of loading the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// Missing: this is the first start.
    Absent,
    /// The state of an earlier start.
    Present(Box<State>),
    /// Not a valid state of this version, with the reason.
    Damaged(String),
}

/// The key that every version has.
#[derive(Deserialize)]
struct OnlyVersion {
    version: u32,
}

/// Reads the state. Only a missing file is absent.
pub fn load(sys: &dyn System) -> Loaded {
    match sys.read(Path::new(STATE_PATH)) {
        Ok(bytes) => parse(&bytes).map_or_else(Loaded::Damaged, |state| Loaded::Present(Box::new(state))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Loaded::Absent,
        Err(e) => Loaded::Damaged(e.to_string()),
    }
}

/// Parses a state; the error is the reason why it is not a valid state of this version.
pub fn parse(bytes: &[u8]) -> Result<State, String> {
    let OnlyVersion { version } = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if version != VERSION {
        return Err(format!("unsupported version {version}: this hc-firstboot supports version {VERSION}"));
    }
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

/// Writes the state durably.
pub fn save(sys: &dyn System, state: &State) -> Result<(), Failure> {
    write(sys, state).map_err(|e| Failure::new(format!("writing {STATE_PATH}: {e}"), advice(&e)))
}

/// The advice for a failed write.
pub(crate) fn advice(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "disable the read-only root (an overlay by raspi-config, or `ro` on the kernel command line); if neither is \
            used, the card is damaged (see dmesg): replace it"
        }
        io::ErrorKind::StorageFull => "use a larger card, or free disk space, then power the node off and on",
        _ => "check whether the card is full or worn out (see dmesg), then power the node off and on",
    }
}

fn write(sys: &dyn System, state: &State) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(state)?;
    text.push(b'\n');
    let path = Path::new(STATE_PATH);
    if let Some(dir) = path.parent() {
        sys.make_dirs(dir)?;
        if let Some(above) = dir.parent() {
            sys.sync_dir(above)?;
        }
    }
    durable::replace(sys, path, &text, 0o600)
}
