//! The report while the first boot runs: for the page of the node, and for programs on the node.

use std::io;
use std::path::Path;

use super::view::View;
use crate::sys::System;

/// Where the report lies while the node runs; anybody on the node may read it.
pub const LIVE_PATH: &str = "/run/hcimage/status.json";

/// Tells everybody who watches the node how the first boot stands. It cannot fail: what shows a phase must not stop it.
pub(crate) fn publish(sys: &dyn System, view: &View) {
    if let Err(e) = write(sys, view) {
        let line = format!("hcimage: writing {LIVE_PATH}: {e}");
        // Once, not at each change.
        if !sys.log_tail().contains(&line) {
            sys.log(&line);
        }
    }
}

/// A reader sees the old file or the new one. Nothing is synced: the file system is in memory, and ends with the boot.
fn write(sys: &dyn System, view: &View) -> io::Result<()> {
    let path = Path::new(LIVE_PATH);
    let new = path.with_extension("json.new");
    sys.make_dirs(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    sys.write(&new, view.json().as_bytes(), 0o644)?;
    sys.rename(&new, path)
}
