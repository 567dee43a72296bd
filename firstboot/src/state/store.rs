//! The state as a file.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::{STATE_PATH, State, VERSION};
use crate::durable;
use crate::phase_error::Failure;
use crate::sys::System;

/// What was found where the state lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// Nothing: this is the first start.
    Absent,
    /// The state of an earlier start.
    Present(Box<State>),
    /// Something that is not a state of this version, with the reason.
    Damaged(String),
}

/// The one key that every version has.
#[derive(Deserialize)]
struct OnlyVersion {
    version: u32,
}

/// Reads the state. Only a file that does not exist is absent.
pub fn load(sys: &dyn System) -> Loaded {
    match sys.read(Path::new(STATE_PATH)) {
        Ok(bytes) => parse(&bytes).map_or_else(Loaded::Damaged, |state| Loaded::Present(Box::new(state))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Loaded::Absent,
        Err(e) => Loaded::Damaged(e.to_string()),
    }
}

/// Reads the text of a state; the error says why it is none of this version.
pub fn parse(bytes: &[u8]) -> Result<State, String> {
    let OnlyVersion { version } = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if version != VERSION {
        return Err(format!("its version is {version}, this hc-firstboot reads {VERSION} only"));
    }
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

/// Writes the state durably.
pub fn save(sys: &dyn System, state: &State) -> Result<(), Failure> {
    write(sys, state).map_err(|e| Failure::new(format!("writing {STATE_PATH}: {e}"), advice(&e)))
}

/// What to do about a card that does not take a file.
pub(crate) fn advice(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "switch off whatever keeps the root read-only (an overlay by raspi-config, `ro` on the kernel's command \
             line); if it is neither, the card is damaged (dmesg): replace it"
        }
        io::ErrorKind::StorageFull => {
            "use a larger card, or free space on it, then power the node off and on"
        }
        _ => "check that the card is not full or worn out (dmesg), then power the node off and on",
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
