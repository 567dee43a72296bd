//! What would change, by a trial of server-side apply for each object.

use hc_firstboot::kube::KubeError;
use serde_json::Value;

use crate::overlays::record::{MANAGER, Origin, Record, RecordedObject};
use crate::value::DnsLabel;

use super::cluster::{Running, images_everywhere};
use super::json::{at, list};
use super::{Api, LiveError, LiveOverlay};

/// What would happen to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It would be made.
    New,
    /// Its kind is not there yet: another part brings it.
    Later,
    /// Nothing.
    Same,
    /// These fields would change, a line each.
    Changed(Vec<String>),
    /// Somebody else decides over fields, in the words of the API.
    Conflict(String),
    /// It is no longer part of the overlay, and would be deleted.
    Gone,
}

/// How an overlay stands in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The API has it, or will have it.
    Api(Vec<(RecordedObject, Step)>),
    /// k3s applies it from files on a server, which are as they would be.
    Files,
    /// The same, with files that would be others. These are the paths.
    OtherFiles(Vec<String>),
}

/// What would change for an overlay.
#[derive(Debug)]
pub struct Preview {
    /// The overlay.
    pub overlay: DnsLabel,
    /// How it stands.
    pub standing: Standing,
    /// What would be kept of it.
    pub record: Record,
    /// What it needs that the nodes' images lack, a line each.
    pub lacking: Vec<String>,
    /// Container images that not every node says it has.
    pub pulled: Vec<String>,
}

impl Preview {
    /// Whether nothing would change.
    pub fn is_same(&self) -> bool {
        match &self.standing {
            Standing::Api(steps) => steps.iter().all(|(_, step)| *step == Step::Same),
            Standing::Files => true,
            Standing::OtherFiles(_) => false,
        }
    }

    /// The objects with this step.
    pub fn conflicts(&self) -> Vec<String> {
        let Standing::Api(steps) = &self.standing else { return Vec::new() };
        let of = |(object, step): &(RecordedObject, Step)| match step {
            Step::Conflict(why) => Some(format!("{object}: {why}")),
            _ => None,
        };
        steps.iter().filter_map(of).collect()
    }
}

/// Compares an overlay with what the cluster has. With `force`, fields of others count as changes.
///
/// # Errors
/// [`LiveError::Api`], also when the API would refuse an object.
pub fn preview(
    api: &Api,
    running: &Running,
    overlay: &LiveOverlay,
    force: bool,
) -> Result<Preview, LiveError> {
    let mut record = overlay.record.clone();
    record.origin = Origin::Api;
    let standing = match by_files(running, overlay) {
        Some(standing) => standing,
        None => Standing::Api(steps(api, running.records.get(&overlay.name), overlay, &mut record, force)?),
    };
    let has = running.host_lines();
    let is_by_files = !matches!(standing, Standing::Api(_));
    let needed = record.host.iter().filter(|line| !has.contains(line.as_str())).cloned();
    let lacking =
        if is_by_files { Vec::new() } else { needed.chain(overlay.lacking.iter().cloned()).collect() };
    let is_new =
        matches!(&standing, Standing::Api(steps) if steps.iter().any(|(_, step)| *step != Step::Same));
    let mut pulled = Vec::new();
    if is_new && !overlay.images.is_empty() {
        let there = images_everywhere(api)?;
        pulled =
            overlay.images.iter().map(ToString::to_string).filter(|name| !there.contains(name)).collect();
    }
    Ok(Preview { overlay: overlay.name.clone(), standing, record, lacking, pulled })
}

/// Where k3s applies an overlay from files: whether they are as they would be.
fn by_files(running: &Running, overlay: &LiveOverlay) -> Option<Standing> {
    let before =
        running.records.get(&overlay.name).map(|record| record.addons.as_slice()).unwrap_or_default();
    let names: Vec<String> = overlay.record.addons.iter().chain(before).cloned().collect();
    let on_disk: Vec<(&str, String)> =
        running.files(&names).map(|(name, addon)| (name, addon.source.clone())).collect();
    if on_disk.is_empty() {
        return None;
    }
    let addon = |file: &str| file.split('.').next().unwrap_or_default().to_owned();
    let mut others: Vec<String> = Vec::new();
    for (file, text) in &overlay.on_disk {
        if !running.has_applied(&addon(file), text) {
            others.push(format!("{}/{file}", super::MANIFESTS));
        }
    }
    for (name, source) in on_disk {
        if !overlay.on_disk.iter().any(|(file, _)| addon(file) == name) && !others.contains(&source) {
            others.push(source);
        }
    }
    Some(if others.is_empty() { Standing::Files } else { Standing::OtherFiles(others) })
}

fn steps(
    api: &Api,
    before: Option<&Record>,
    overlay: &LiveOverlay,
    record: &mut Record,
    force: bool,
) -> Result<Vec<(RecordedObject, Step)>, LiveError> {
    let known = before.map(|record| record.objects.as_slice()).unwrap_or_default();
    let same = |one: &RecordedObject, other: &RecordedObject| {
        RecordedObject { was_there: false, ..one.clone() }
            == RecordedObject { was_there: false, ..other.clone() }
    };
    let mut steps = Vec::new();
    for object in overlay.files.iter().flat_map(|file| &file.objects) {
        let failed = || LiveError::api(format!("comparing {}", object.id));
        let (step, is_ours) = step(api, &object.id, &object.text, force).map_err(failed())?;
        let was_there = match known.iter().find(|known| same(known, &object.id)) {
            Some(known) => known.was_there,
            None => !is_ours,
        };
        if let Some(own) = record.objects.iter_mut().find(|own| same(own, &object.id)) {
            own.was_there = was_there;
        }
        steps.push((RecordedObject { was_there, ..object.id.clone() }, step));
    }
    for known in known.iter().rev().filter(|known| !known.was_there) {
        if !record.objects.iter().any(|own| same(own, known)) {
            steps.push((known.clone(), Step::Gone));
        }
    }
    Ok(steps)
}

/// What would happen to an object, and whether it is hcimage's, which one that is not there will be.
fn step(api: &Api, id: &RecordedObject, text: &str, force: bool) -> Result<(Step, bool), KubeError> {
    let Some(path) = api.path(id)? else { return Ok((Step::Later, true)) };
    let live: Option<Value> = api.get(&path)?;
    let Some(live) = live.filter(|live| at(live, "/metadata/deletionTimestamp").is_null()) else {
        return match api.apply(&path, text, force, true) {
            // Its namespace is not there yet, or a webhook is not, or allows no trials.
            Err(error @ KubeError::Refused(422, _)) => Err(error),
            _ => Ok((Step::New, true)),
        };
    };
    let is_ours = is_ours(&live);
    match api.apply(&path, text, force, true) {
        Ok(new) => {
            let secret = id.kind == "Secret";
            let changes = differences(&live, &new, secret);
            Ok((if changes.is_empty() { Step::Same } else { Step::Changed(changes) }, is_ours))
        }
        Err(KubeError::Refused(409, why)) => Ok((Step::Conflict(why), is_ours)),
        Err(error) => Err(error),
    }
}

/// Whether hcimage has applied it by the API.
pub(super) fn is_ours(object: &Value) -> bool {
    let is = |one: &Value, pointer, word| at(one, pointer).as_str() == Some(word);
    list(object, "/metadata/managedFields")
        .iter()
        .any(|one| is(one, "/manager", MANAGER) && is(one, "/operation", "Apply"))
}

/// Whether nobody is known to have made it: the API keeps no manager of an object of which nothing was said but its name, such as a
/// bare namespace.
pub(super) fn is_nobodys(object: &Value) -> bool {
    // What the API calls them when such an object is applied once more.
    let is_nobody = |one: &Value| at(one, "/manager").as_str() == Some("before-first-apply");
    list(object, "/metadata/managedFields")
        .iter()
        .all(|one| is_nobody(one) || !at(one, "/subresource").is_null())
}

/// The most lines for one object.
const MOST_LINES: usize = 8;

/// The longest value in a line, in characters.
const LONGEST_VALUE: usize = 60;

/// What differs, a line each, without what the server counts. Values of secrets are not shown.
fn differences(old: &Value, new: &Value, is_secret: bool) -> Vec<String> {
    let plain = |object: &Value| {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        if let Some(fields) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            for counted in ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"] {
                fields.remove(counted);
            }
        }
        object
    };
    let mut lines = Vec::new();
    compare(&plain(old), &plain(new), "", is_secret, &mut lines);
    if lines.len() > MOST_LINES {
        let more = lines.len().saturating_sub(MOST_LINES);
        lines.truncate(MOST_LINES);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn compare(old: &Value, new: &Value, at: &str, is_secret: bool, lines: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                compare(&of(old), &of(new), &at, is_secret, lines);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (place, (old, new)) in old.iter().zip(new).enumerate() {
                compare(old, new, &format!("{at}[{place}]"), is_secret, lines);
            }
        }
        _ if is_secret => lines.push(at.to_owned()),
        _ => lines.push(format!("{at}: {} -> {}", shown(old), shown(new))),
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() {
        return "none".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_server_counts_is_no_difference() {
        let old = json!({"metadata": {"generation": 1, "resourceVersion": "1", "labels": {"a": "b"}}, "status": {"a": 1}});
        let new = json!({"metadata": {"generation": 2, "resourceVersion": "2", "labels": {"a": "b"}}});
        assert_eq!(differences(&old, &new, false), Vec::<String>::new());
    }

    #[test]
    fn fields_are_named_and_secrets_are_not_shown() {
        let old = json!({"spec": {"list": [{"image": "a:1"}, 1], "gone": true}, "data": {"p": "QQ=="}});
        let new =
            json!({"spec": {"list": [{"image": "a:2"}, 1], "new": "x".repeat(99)}, "data": {"p": "QR=="}});
        let lines = differences(&old, &new, false);
        assert_eq!(lines[0], "data.p: \"QQ==\" -> \"QR==\"");
        assert_eq!(lines[1], "spec.gone: true -> none");
        assert_eq!(lines[2], "spec.list[0].image: \"a:1\" -> \"a:2\"");
        assert!(lines[3].starts_with("spec.new: none -> \"xxx") && lines[3].ends_with('…'), "{}", lines[3]);
        assert_eq!(differences(&old, &new, true)[0], "data.p");
        let many = json!(
            (0..20).map(|number| (number.to_string(), json!(number))).collect::<serde_json::Map<_, _>>()
        );
        assert_eq!(differences(&json!({}), &many, false).last().unwrap(), "and 12 more");
    }
}
