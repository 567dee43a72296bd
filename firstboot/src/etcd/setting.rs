//! What k3s is told about joining, beside the settings of the build: the server that accepted this node.

use std::io;
use std::path::Path;

use crate::durable;
use crate::seed::Endpoint;
use crate::sys::System;

/// Read after all files of the build: the last value of a key counts.
pub(crate) const PATH: &str = "/etc/rancher/k3s/config.yaml.d/90-hcimage-join.yaml";

/// Tells k3s to join at `server`. k3s ignores it once this server has the data of a member.
pub(crate) fn join(sys: &dyn System, server: &Endpoint, is_agent: bool) -> io::Result<()> {
    let text = text(server, is_agent);
    if sys.read(Path::new(PATH)).is_ok_and(|old| old == text.as_bytes()) {
        // The power may have failed before it was durable.
        return sync(sys);
    }
    if let Some(dir) = Path::new(PATH).parent() {
        sys.make_dirs(dir)?;
        if let Some(above) = dir.parent() {
            sys.sync_dir(above)?;
        }
    }
    durable::replace(sys, Path::new(PATH), text.as_bytes(), 0o600)
}

/// Leaves k3s with the settings of the build.
pub(crate) fn none(sys: &dyn System) -> io::Result<()> {
    match sys.remove(Path::new(PATH)) {
        Ok(()) => sync(sys),
        Err(e) if e.kind() == io::ErrorKind::NotFound => sync(sys),
        Err(e) => Err(e),
    }
}

/// A directory that is missing has nothing to be made durable.
fn sync(sys: &dyn System) -> io::Result<()> {
    match Path::new(PATH).parent() {
        Some(dir) if sys.stat(dir).is_ok() => sys.sync_dir(dir),
        _ => Ok(()),
    }
}

/// An agent stops on keys that only servers have.
fn text(server: &Endpoint, is_agent: bool) -> String {
    let mut text = format!(
        "# Written by hc-firstboot on the first boot: the server that accepted this node.\nserver: \"https://{server}\"\n"
    );
    if !is_agent {
        text.push_str("cluster-init: false\n");
    }
    text
}
