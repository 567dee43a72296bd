//! Verifies that every file from the builder is intact on the card.

use std::io::Read;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Phase;
use super::packages::is_spent;
use crate::context::Context;
use crate::phase_error::PhaseError;
use crate::seed::BundleFile;
use crate::state::PhaseName;
use crate::sys::{Kind, System};

/// The buffer size: enough for the speed of a card, with little memory.
const PIECE: usize = 256 * 1024;

pub(super) struct Bundle;

impl Phase for Bundle {
    fn name(&self) -> PhaseName {
        PhaseName::Bundle
    }

    /// A card that has read wrong data once is damaged: no retry.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::ZERO
    }

    /// Once the digests are verified, the sizes are enough.
    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        let mut files = cx.seed.bundle.iter();
        Ok(cx.state.is_done(PhaseName::Bundle)
            && files.all(|file| has_size(cx.sys, file) || is_spent(cx, file)))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let files: Vec<&BundleFile> = cx.seed.bundle.iter().filter(|file| !is_spent(cx, file)).collect();
        for (i, file) in files.iter().enumerate() {
            let progress =
                format!("file {} of {}: {}", i.saturating_add(1), files.len(), file.path.display());
            cx.progress(PhaseName::Bundle, &progress).map_err(PhaseError::Abort)?;
            check(cx.sys, file).map_err(|why| damaged(file, &why))?;
        }
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        Ok(vec![format!("{} files", cx.seed.bundle.len())])
    }
}

fn has_size(sys: &dyn System, file: &BundleFile) -> bool {
    sys.stat(&file.path).is_ok_and(|stat| stat.kind == Kind::File && stat.size == file.size)
}

fn check(sys: &dyn System, file: &BundleFile) -> Result<(), String> {
    let stat = sys.stat(&file.path).map_err(|e| e.to_string())?;
    if stat.kind != Kind::File {
        return Err("it is not a file".to_owned());
    }
    if stat.size != file.size {
        return Err(format!("expected {} bytes, found {}", file.size, stat.size));
    }
    let digest = digest(sys.open(&file.path).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    if digest == file.sha256 { Ok(()) } else { Err("its SHA-256 does not match the build".to_owned()) }
}

fn digest(mut reader: Box<dyn Read>) -> std::io::Result<String> {
    let mut sum = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            Ok(length) => sum.update(piece.get(..length).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn damaged(file: &BundleFile, why: &str) -> PhaseError {
    let what = format!("the bundle is damaged: {}: {why}", file.path.display());
    PhaseError::abort(what, "flash the card again; use another card if this happens again")
}
