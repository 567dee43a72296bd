//! Manifests: whether k3s has applied each of them, and left it applied.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::context::Context;
use crate::digest::sha256;
use crate::kube::{ADDONS, Addon, Client, KubeError, Selector, bounded};
use crate::phase_error::PhaseError;
use crate::sys::{Kind, System};

/// The directory that k3s applies (`pkg/deploy/controller.go`).
const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";

/// k3s walks through the directory every 15 seconds, and may prune in one walk what an earlier one applied. So a manifest
/// counts as applied when it is still so after this time.
const SETTLED: Duration = Duration::from_secs(20);

/// Bounds of the walk through the directory.
const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 10_000;

/// Since when each manifest has been seen applied as it is now.
pub(super) type Seen = RefCell<BTreeMap<String, Sighting>>;

/// An applied manifest: the object's own number, the digest of what was applied, and the uptime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    uid: String,
    checksum: String,
    since: Duration,
}

/// All that k3s knows.
pub(super) fn list(client: &Client<'_>) -> Result<Vec<Addon>, KubeError> {
    match client.list(ADDONS, Selector::default()) {
        // k3s defines the kind when it starts.
        Err(e) if e.is_not_found() => Ok(Vec::new()),
        found => found,
    }
}

/// What is not applied, with the cluster's reason for the first; `None` if there is nothing.
pub(super) fn missing(
    cx: &Context<'_>,
    client: &Client<'_>,
    addons: &[Addon],
    wanted: &[String],
    seen: &Seen,
) -> Result<Option<String>, PhaseError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let files = manifests(cx.sys)?;
    let (mut absent, mut fresh) = (Vec::new(), Vec::new());
    for name in wanted {
        let file = the_file(files.get(name).map_or(&[], Vec::as_slice), name)?;
        let checksum = digest(cx.sys, file)?;
        let addon =
            addons.iter().find(|addon| addon.metadata.name == *name && addon.spec.checksum == checksum);
        let Some(addon) = addon else {
            seen.borrow_mut().remove(name);
            absent.push(name.as_str());
            continue;
        };
        let now = cx.sys.uptime();
        let sighting = Sighting { uid: addon.metadata.uid.clone(), checksum, since: now };
        let mut seen = seen.borrow_mut();
        let known = seen.entry(name.clone()).or_insert_with(|| sighting.clone());
        if (&known.uid, &known.checksum) != (&sighting.uid, &sighting.checksum) {
            *known = sighting;
        }
        if now.saturating_sub(known.since) < SETTLED {
            fresh.push(name.as_str());
        }
    }
    if let Some(first) = absent.first() {
        let reason = complaint(client, first).map(|why| format!(" ({first}: {why})")).unwrap_or_default();
        return Ok(Some(format!("manifests not applied: {}{reason}", absent.join(", "))));
    }
    let again = || format!("manifests applied less than {} s ago: {}", SETTLED.as_secs(), fresh.join(", "));
    Ok((!fresh.is_empty()).then(again))
}

/// The one file of a manifest. k3s deletes a file with the name of a disabled component, and of two files with one name it
/// prunes what the other applied.
fn the_file<'a>(files: &'a [PathBuf], name: &str) -> Result<&'a Path, PhaseError> {
    let advice =
        "give the manifest a name that neither another manifest nor a component of k3s has, and flash again";
    match files {
        [file] => Ok(file),
        [] => Err(PhaseError::abort(
            format!(
                "the manifest {name} is no longer in {MANIFESTS}: k3s deletes a file with the name of a disabled component"
            ),
            advice,
        )),
        [first, second, ..] => Err(PhaseError::abort(
            format!(
                "two manifests are called {name}, so that k3s applies one and prunes the other: {} and {}",
                first.display(),
                second.display()
            ),
            advice,
        )),
    }
}

/// The manifests below the directory by the name of their addon: the file's name up to its first dot.
fn manifests(sys: &dyn System) -> Result<BTreeMap<String, Vec<PathBuf>>, PhaseError> {
    let failed = |dir: &Path, e: &std::io::Error| {
        PhaseError::retry(format!("reading {}: {e}", dir.display()), "check the card (see dmesg)")
    };
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut dirs = vec![(PathBuf::from(MANIFESTS), 0)];
    let mut files: usize = 0;
    while let Some((dir, depth)) = dirs.pop() {
        for name in sys.list(&dir).map_err(|e| failed(&dir, &e))? {
            files = files.saturating_add(1);
            let path = dir.join(&name);
            if name.starts_with('.') || files > MAX_FILES {
                continue;
            }
            match sys.stat(&path) {
                Ok(stat) if stat.kind == Kind::Dir && depth < MAX_DEPTH => dirs.push((path, depth + 1)),
                Ok(stat) if stat.kind != Kind::Dir && is_manifest(&name) => {
                    let addon = name.split('.').next().unwrap_or_default().to_owned();
                    found.entry(addon).or_default().push(path);
                }
                // k3s may have deleted it just now.
                _ => {}
            }
        }
    }
    Ok(found)
}

fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

fn digest(sys: &dyn System, file: &Path) -> Result<String, PhaseError> {
    let bytes = sys.read(file).map_err(|e| {
        PhaseError::retry(format!("reading {}: {e}", file.display()), "check the card (see dmesg)")
    })?;
    Ok(sha256(&bytes))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    message: String,
    /// In a form that sorts by time.
    last_timestamp: Option<String>,
}

/// The last warning of k3s about a manifest. It is only a hint: the run continues without it.
fn complaint(client: &Client<'_>, addon: &str) -> Option<String> {
    let fields = format!("involvedObject.kind=Addon,involvedObject.name={addon},type=Warning");
    let only = Selector { fields: &fields, ..Selector::default() };
    let events: Vec<Event> = client.list("/api/v1/namespaces/kube-system/events", only).ok()?;
    let last = events.into_iter().max_by(|a, b| a.last_timestamp.cmp(&b.last_timestamp))?;
    Some(bounded(&last.message))
}
