//! Objects are written as k3s writes them: file by file in the order of their names, and those whose kinds are not there yet again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hc_firstboot::kube::KubeError;

use crate::interrupt::Interrupted;
use crate::overlays::record::{NAMESPACE, Record};
use crate::value::Secret;

use super::manifest::{ManifestFile, Object};
use super::preview::{Preview, Standing, Step};
use super::{Api, LiveError, LiveOverlay};

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(3);

/// Applies overlays that the API is to have, each with its preview, until all is written or `seconds` are over. `tell` is told what
/// is being waited for.
///
/// # Errors
/// When the API refuses an object for good, or the time is over. What was written stays, and the same again goes on from there.
pub fn apply(
    api: &Api,
    wanted: &[(&LiveOverlay, &Preview)],
    force: bool,
    seconds: u64,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LiveError> {
    let end = api.uptime().saturating_add(Duration::from_secs(seconds));
    let by_api = wanted.iter().filter(|(_, preview)| matches!(preview.standing, Standing::Api(_)));
    // First what is kept of them: whatever happens from now on, it can be taken away.
    let mut files = Vec::new();
    for (overlay, preview) in by_api.clone() {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{}", Record::name(&overlay.name));
        let failed = LiveError::api(format!("keeping what the overlay {} brings", overlay.name));
        api.apply(&path, &preview.record.to_yaml(&overlay.name), true, false).map_err(failed)?;
        files.extend(&overlay.files);
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let mut last = String::new();
    loop {
        let mut missing = Vec::new();
        let mut left = Vec::new();
        for file in files {
            if let Err(why) = apply_file(api, file, force)? {
                missing.push(format!("{}: {why}", file.name));
                left.push(file);
            }
        }
        if left.is_empty() {
            break;
        }
        if api.uptime() >= end {
            return Err(LiveError::NotThere { seconds, missing });
        }
        let now = missing.join("; ");
        if now != last {
            missing.iter().for_each(|line| tell(&format!("waiting: {line}")));
            last = now;
        }
        api.pause(PAUSE)?;
        files = left;
    }
    for (_, preview) in by_api {
        let Standing::Api(steps) = &preview.standing else { continue };
        for (object, _) in steps.iter().filter(|(_, step)| *step == Step::Gone) {
            let failed = || LiveError::api(format!("deleting {object}"));
            if let Some(path) = api.path(object).map_err(failed())? {
                api.delete(&path).map_err(failed())?;
            }
        }
    }
    Ok(())
}

/// Applies a file; a text says why it must be tried again.
fn apply_file(api: &Api, file: &ManifestFile, force: bool) -> Result<Result<(), String>, LiveError> {
    for object in &file.objects {
        if let Err(error) = apply_object(api, object, force) {
            match error {
                Failure::Again(why) => return Ok(Err(format!("{}: {why}", object.id))),
                Failure::ForGood(error) => return Err(error),
            }
        }
    }
    Ok(Ok(()))
}

enum Failure {
    Again(String),
    ForGood(LiveError),
}

impl From<Interrupted> for Failure {
    fn from(interrupted: Interrupted) -> Self {
        Self::ForGood(interrupted.into())
    }
}

fn apply_object(api: &Api, object: &Object, force: bool) -> Result<(), Failure> {
    api.pause(Duration::ZERO)?;
    let failed = |error: KubeError| match error {
        KubeError::Refused(409, why) if why.starts_with("Apply failed") => {
            Failure::ForGood(LiveError::Conflicts { all: vec![format!("{}: {why}", object.id)] })
        }
        KubeError::Refused(422, _)
        | KubeError::Access(_)
        | KubeError::Unauthorized(_)
        | KubeError::Untrusted(_) => {
            Failure::ForGood(LiveError::Api { what: format!("applying {}", object.id), source: error })
        }
        other => Failure::Again(other.to_string()),
    };
    let Some(path) = api.path(&object.id).map_err(failed)? else {
        let kind = &object.id;
        return Err(Failure::Again(format!("there is no kind {} in {} yet", kind.kind, kind.api_version)));
    };
    api.apply(&path, &object.text, force, false).map(drop).map_err(failed)
}

/// Writes the files of an image into a directory, for their server: only their owner can read them.
///
/// # Errors
/// [`LiveError::Write`].
pub fn write_files(overlays: &[&LiveOverlay], dir: &Path) -> Result<Vec<String>, LiveError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LiveError::Write { path, source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let mut written = Vec::new();
    for (name, text) in overlays.iter().flat_map(|overlay| &overlay.on_disk) {
        let path = dir.join(name);
        crate::secrets::store::write_private(&path, &Secret::new(text.clone()))
            .map_err(|error| LiveError::Unknown(format!("writing {}: {error}", path.display())))?;
        written.push(name.clone());
    }
    Ok(written)
}
