//! Removes secrets that are no longer needed, as far as a file system can.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::context::Context;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::sys::Kind;

pub(super) struct Secrets;

impl Phase for Secrets {
    fn name(&self) -> PhaseName {
        PhaseName::Secrets
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        !cx.seed.secrets.remove.is_empty()
    }

    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::ZERO
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.is_done(PhaseName::Secrets)
            && cx.seed.secrets.remove.iter().all(|path| is_gone(cx, path)))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        for path in &cx.seed.secrets.remove {
            remove(cx, path).map_err(|e| {
                let what = format!("removing the secret {}: {e}", path.display());
                PhaseError::abort(what, crate::state::advice(&e))
            })?;
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let left: Vec<_> = cx.seed.secrets.remove.iter().filter(|path| !is_gone(cx, path)).collect();
        if let Some(path) = left.first() {
            let what = format!("the secret {} is still there after it was removed", path.display());
            return Err(PhaseError::abort(what, "find the program that restores it, and delete the file"));
        }
        let count = cx.seed.secrets.remove.len();
        Ok(vec![format!("{count} overwritten and removed; the cells of a flash card may keep old content")])
    }

    /// The node stays Ready, but the report has a note.
    fn on_timeout(&self, _cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        let failure = last.into_failure();
        Ok(vec![format!("{}: delete the file", failure.what)])
    }
}

fn is_gone(cx: &Context<'_>, path: &Path) -> bool {
    cx.sys.stat(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// Overwrites and then removes the file, both durably. A link is only removed: its target was not listed.
fn remove(cx: &Context<'_>, path: &Path) -> io::Result<()> {
    match cx.sys.stat(path) {
        Ok(stat) if stat.kind == Kind::File => cx.sys.wipe(path)?,
        Ok(stat) if stat.kind == Kind::Link => {}
        Ok(_) => return Err(io::Error::other("it is neither a file nor a link")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return sync_above(cx, path),
        Err(e) => return Err(e),
    }
    cx.sys.remove(path)?;
    sync_above(cx, path)
}

/// Also if the file is already gone: a power cut may have come before its removal was durable.
fn sync_above(cx: &Context<'_>, path: &Path) -> io::Result<()> {
    match path.parent().filter(|dir| cx.sys.stat(dir).is_ok()) {
        Some(dir) => cx.sys.sync_dir(dir),
        None => Ok(()),
    }
}
