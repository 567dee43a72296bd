//! What an overlay brought is taken away: custom resources while their controllers run, then charts, which Helm uninstalls, then the
//! rest, the last first.

use std::collections::BTreeSet;
use std::time::Duration;

use hc_common::overlay::EMPTIED_TEXT;
use hc_firstboot::kube::{ADDONS, KubeError};
use serde_json::Value;

use crate::overlays::record::{NAMESPACE, Record, RecordedObject};
use crate::value::DnsLabel;

use super::cluster::{self, Running};
use super::json::{at, list, text};
use super::preview::{is_nobodys, is_ours};
use super::{Api, LiveError, LiveOverlay, MANIFESTS};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// The annotation by which k3s marks what it applied from a file.
const OWNER: &str = "/metadata/annotations/objectset.rio.cattle.io~1owner-name";

/// The most that is named of one sort.
const MOST: usize = 20;

/// What there is to take away.
#[derive(Debug)]
pub struct Removal {
    /// The overlay.
    pub overlay: DnsLabel,
    /// What is deleted, in this order.
    pub objects: Vec<RecordedObject>,
    /// What is lost with it, a line each.
    pub lost: Vec<String>,
    /// What stays, a line each.
    pub stays: Vec<String>,
    /// The files by which k3s would bring it back, on the server that has them.
    pub files: Vec<String>,
    /// The names of all its files that k3s knows, emptied ones too.
    addons: Vec<String>,
}

impl Removal {
    /// The command for the server with [`Removal::files`], in one line.
    pub fn command(&self) -> Option<String> {
        let plain = |path: &String| path.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c));
        // Nothing that a shell would take for something else: k3s' names have none of it, and then there is no command.
        if self.files.is_empty() || !self.files.iter().all(plain) {
            return None;
        }
        let text = EMPTIED_TEXT.trim_end();
        Some(format!("sudo sh -c 'for f in {}; do echo \"{text}\" > $f; done'", self.files.join(" ")))
    }
}

/// What an overlay brought to a cluster. `known` is the same overlay of the cluster file, for clusters that keep no record.
///
/// # Errors
/// [`LiveError::Unknown`] where there is nothing of it.
pub fn removal(
    api: &Api,
    running: &Running,
    name: &DnsLabel,
    known: Option<&LiveOverlay>,
) -> Result<Removal, LiveError> {
    let failed = || LiveError::api(format!("asking what there is of the overlay {name}"));
    let record = running.records.get(name).or(known.map(|overlay| &overlay.record));
    let Some(record) = record else {
        let others: Vec<String> = running.records.keys().map(ToString::to_string).collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        return Err(LiveError::Unknown(format!(
            "nothing is known of an overlay {name} in this cluster; it keeps records of: {others}"
        )));
    };
    let mut addons = record.addons.clone();
    addons.push(Record::name(name));
    let files: Vec<String> = running.files(&addons).map(|(_, addon)| addon.source.clone()).collect();
    let mut removal = Removal {
        overlay: name.clone(),
        objects: Vec::new(),
        lost: Vec::new(),
        stays: record.folders.iter().map(|folder| format!("folder on the data disk: {folder}")).collect(),
        addons: running.known(&addons).cloned().collect(),
        files,
    };
    for object in in_order(&record.objects) {
        // Its kind may have gone with a chart.
        let Some(path) = api.path(object).map_err(failed())? else { continue };
        let Some(live) = api.get::<Value>(&path).map_err(failed())? else { continue };
        if object.was_there {
            removal.stays.push(format!("{object}: it was there before"));
        } else if is_ours(&live) || is_of_files(&live, &addons) || is_nobodys(&live) {
            lost_with(api, object, &live, record, &mut removal.lost).map_err(failed())?;
            removal.objects.push(object.clone());
        } else {
            removal.stays.push(format!("{object}: neither hcimage nor a file of the overlay has made it"));
        }
    }
    for namespace in &record.chart_namespaces {
        if is_own_namespace(&removal.objects, namespace) {
            continue;
        }
        let path = format!("/api/v1/namespaces/{namespace}");
        if api.get::<Value>(&path).map_err(failed())?.is_some() {
            removal.stays.push(format!("Namespace {namespace}: the chart's, with what Helm leaves in it"));
            removal.lost.extend(
                claims(api, namespace)
                    .map_err(failed())?
                    .into_iter()
                    .map(|claim| format!("{claim}, if the chart has made it and does not keep it")),
            );
        }
    }
    // A claim may be an object of the overlay, and in a namespace of it.
    let mut seen = BTreeSet::new();
    removal.lost.retain(|line| seen.insert(line.clone()));
    if removal.objects.is_empty() && removal.addons.is_empty() && !running.records.contains_key(name) {
        return Err(LiveError::Unknown(format!("there is nothing of the overlay {name} in this cluster")));
    }
    Ok(removal)
}

fn is_own_namespace(objects: &[RecordedObject], name: &str) -> bool {
    objects.iter().any(|object| object.kind == "Namespace" && object.name == name)
}

/// Whether k3s applied it from one of these files.
fn is_of_files(object: &Value, addons: &[String]) -> bool {
    let owner = at(object, OWNER).as_str();
    owner.is_some_and(|owner| addons.iter().any(|addon| addon == owner))
}

/// The order of deletion.
fn in_order(objects: &[RecordedObject]) -> Vec<&RecordedObject> {
    let mut ordered: Vec<&RecordedObject> = objects.iter().rev().collect();
    // What was applied last goes first, within each of these.
    ordered.sort_by_key(|object| stage(object));
    ordered
}

/// Custom resources, charts, the rest, namespaces, definitions.
fn stage(object: &RecordedObject) -> u8 {
    let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, object.kind.as_str()) {
        ("helm.cattle.io", "HelmChart") => 1,
        (_, "Namespace") => 3,
        (_, "CustomResourceDefinition") => 4,
        (group, _) if group.contains('.') && !group.ends_with(".k8s.io") && group != "helm.cattle.io" => 0,
        _ => 2,
    }
}

#[derive(serde::Deserialize)]
struct Named {
    #[serde(default)]
    metadata: hc_firstboot::kube::Meta,
}

/// What goes with an object.
fn lost_with(
    api: &Api,
    object: &RecordedObject,
    live: &Value,
    record: &Record,
    lost: &mut Vec<String>,
) -> Result<(), KubeError> {
    match object.kind.as_str() {
        "Namespace" => {
            lost.extend(claims(api, &object.name)?);
            lost.extend(strangers(api, &object.name, record)?);
        }
        "PersistentVolumeClaim" => lost.push(claim(api, live)?),
        "CustomResourceDefinition" => {
            let served =
                list(live, "/spec/versions").iter().find(|one| *at(one, "/served") == Value::Bool(true));
            let Some(version) = served.map(|version| text(version, "/name")) else { return Ok(()) };
            let (group, plural) = (text(live, "/spec/group"), text(live, "/spec/names/plural"));
            let all: Vec<Named> = api.list(&format!("/apis/{group}/{version}/{plural}"), "")?;
            if !all.is_empty() {
                let names: Vec<&str> = all.iter().take(5).map(|one| one.metadata.name.as_str()).collect();
                lost.push(format!("all {} {plural} of {group}: {}", all.len(), names.join(", ")));
            }
        }
        _ => {}
    }
    Ok(())
}

/// The claims of a namespace.
fn claims(api: &Api, namespace: &str) -> Result<Vec<String>, KubeError> {
    let all: Vec<Value> = api.list(&format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims"), "")?;
    all.iter().map(|one| claim(api, one)).collect()
}

/// A claim, its size, and what becomes of its volume.
fn claim(api: &Api, claim: &Value) -> Result<String, KubeError> {
    let (namespace, name) = (text(claim, "/metadata/namespace"), text(claim, "/metadata/name"));
    let size = text(claim, "/spec/resources/requests/storage");
    let volume = text(claim, "/spec/volumeName");
    let mut fate = "";
    if !volume.is_empty() {
        let path = format!("/api/v1/persistentvolumes/{}", hc_firstboot::kube::encoded(&volume));
        let volume: Option<Value> = api.get(&path)?;
        let policy = volume.map(|volume| text(&volume, "/spec/persistentVolumeReclaimPolicy"));
        fate = if policy.as_deref() == Some("Retain") { " (its volume stays)" } else { " with its data" };
    }
    Ok(format!("claim {namespace}/{name} of {size}{fate}"))
}

/// Workloads in a namespace that are neither the overlay's nor those of its charts.
fn strangers(api: &Api, namespace: &str, record: &Record) -> Result<Vec<String>, KubeError> {
    let mut found = Vec::new();
    for (kind, plural) in
        [("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")]
    {
        let all: Vec<Named> = api.list(&format!("/apis/apps/v1/namespaces/{namespace}/{plural}"), "")?;
        for one in all {
            let name = &one.metadata.name;
            let release = one.metadata.annotations.get("meta.helm.sh/release-name");
            let is_known = record.objects.iter().any(|object| match (object.kind.as_str(), release) {
                ("HelmChart", Some(release)) => object.name == *release,
                (of, None) => of == kind && object.namespace == namespace && object.name == *name,
                _ => false,
            });
            if !is_known {
                found.push(format!(
                    "{kind} {namespace}/{name}, which is not the overlay's, with its namespace"
                ));
            }
        }
    }
    found.truncate(MOST);
    Ok(found)
}

/// Takes it away. Where k3s applies files, it then waits until they are emptied on their server, unless `files_are_gone`.
///
/// # Errors
/// [`LiveError::NotGone`] when something is still there after `seconds`; the same again goes on from there.
pub fn remove(
    api: &Api,
    removal: &Removal,
    files_are_gone: bool,
    seconds: u64,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LiveError> {
    let end = api.uptime().saturating_add(Duration::from_secs(seconds));
    let stages: BTreeSet<u8> = removal.objects.iter().map(stage).collect();
    for current in stages {
        let mut left: Vec<&RecordedObject> =
            removal.objects.iter().filter(|one| stage(one) == current).collect();
        let mut why = String::new();
        let mut asked = false;
        loop {
            let mut still = Vec::new();
            for object in left {
                api.pause(Duration::ZERO)?;
                match gone(api, object, !asked) {
                    Ok(true) => tell(&format!("deleted: {object}")),
                    Ok(false) => still.push(object),
                    Err(error @ (KubeError::Unauthorized(_) | KubeError::Untrusted(_))) => {
                        return Err(LiveError::Api { what: format!("deleting {object}"), source: error });
                    }
                    Err(error) => {
                        why = format!(" ({error})");
                        still.push(object);
                    }
                }
            }
            if still.is_empty() {
                break;
            }
            if !asked {
                still.iter().for_each(|object| tell(&format!("waiting: {object} goes")));
            }
            // A request that was lost is made again.
            asked = why.is_empty();
            if api.uptime() >= end {
                let left = still.iter().map(|object| format!("{object}{why}")).collect();
                return Err(LiveError::NotGone { seconds, left });
            }
            api.pause(PAUSE)?;
            why.clear();
            left = still;
        }
    }
    if !files_are_gone {
        files_emptied(api, removal, end, seconds, tell)?;
    }
    forget(api, removal)
}

/// Asks for its deletion where `ask` says so; says whether it is gone.
fn gone(api: &Api, object: &RecordedObject, ask: bool) -> Result<bool, KubeError> {
    let Some(path) = api.path(object)? else { return Ok(true) };
    if ask && !api.delete(&path)? {
        return Ok(true);
    }
    Ok(api.get::<Value>(&path)?.is_none())
}

/// Waits until k3s has seen that the files have nothing in them any more.
fn files_emptied(
    api: &Api,
    removal: &Removal,
    end: Duration,
    seconds: u64,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LiveError> {
    let mut told = false;
    loop {
        let running =
            Running::of_addons(cluster::addons(api).map_err(LiveError::api("asking for files of k3s"))?);
        let left: Vec<String> =
            running.files(&removal.addons).map(|(_, addon)| addon.source.clone()).collect();
        if left.is_empty() {
            return Ok(());
        }
        if !told {
            tell("k3s would bring it back at its next start, from files on the server; run there:");
            tell(&removal.command().unwrap_or_else(|| {
                format!("write `{}` into each file in {MANIFESTS}", EMPTIED_TEXT.trim_end())
            }));
            left.iter().for_each(|file| tell(&format!("waiting: {file} is emptied")));
            told = true;
        }
        if api.uptime() >= end {
            return Err(LiveError::NotGone { seconds, left });
        }
        api.pause(PAUSE)?;
    }
}

/// What is kept of it, last.
fn forget(api: &Api, removal: &Removal) -> Result<(), LiveError> {
    let record = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{}", Record::name(&removal.overlay));
    let addons = removal.addons.iter().map(|name| format!("{ADDONS}/{name}"));
    for path in addons.chain([record]) {
        api.delete(&path).map_err(LiveError::api("deleting what was kept of it"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(api_version: &str, kind: &str) -> RecordedObject {
        RecordedObject {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: "shop".to_owned(),
            name: "a".to_owned(),
            was_there: false,
        }
    }

    #[test]
    fn what_others_need_goes_last() {
        let objects = [
            object("v1", "Namespace"),
            object("v1", "Secret"),
            object("helm.cattle.io/v1", "HelmChart"),
            object("helm.cattle.io/v1", "HelmChartConfig"),
            object("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            object("apps/v1", "Deployment"),
            object("metallb.io/v1beta1", "IPAddressPool"),
            object("networking.k8s.io/v1", "Ingress"),
        ];
        let kinds: Vec<&str> = in_order(&objects).iter().map(|object| object.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "IPAddressPool",
                "HelmChart",
                "Ingress",
                "Deployment",
                "HelmChartConfig",
                "Secret",
                "Namespace",
                "CustomResourceDefinition"
            ]
        );
    }

    #[test]
    fn the_command_names_files_that_a_shell_takes_as_they_are() {
        let removal = |files: &[&str]| Removal {
            overlay: "shop".parse().unwrap(),
            objects: Vec::new(),
            lost: Vec::new(),
            stays: Vec::new(),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            addons: Vec::new(),
        };
        assert_eq!(
            removal(&["/m/shop-app.yaml", "/m/b.yaml"]).command().unwrap(),
            "sudo sh -c 'for f in /m/shop-app.yaml /m/b.yaml; do echo \"# removed\" > $f; done'"
        );
        assert_eq!(removal(&["/m/a'; reboot.yaml"]).command(), None);
        assert_eq!(removal(&[]).command(), None);
    }
}
