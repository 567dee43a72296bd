//! What a cluster has: records of overlays, files that k3s applies, container images of its nodes.

use std::collections::{BTreeMap, BTreeSet};

use hc_common::overlay::EMPTIED_TEXT;
use hc_firstboot::kube::{ADDONS, Addon, AddonSpec, Meta};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::overlays::record::{KEY, LABEL, MANAGER, NAMESPACE, Origin, Record};
use crate::value::DnsLabel;

use super::json::list;
use super::{Api, LiveError};

/// Where k3s finds its files on a server.
pub const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";

/// What a cluster has.
#[derive(Debug, Default)]
pub struct Running {
    /// What it keeps of overlays.
    pub records: BTreeMap<DnsLabel, Record>,
    /// Records that cannot be read, a line each.
    pub damaged: Vec<String>,
    /// By name.
    addons: BTreeMap<String, AddonSpec>,
}

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl Running {
    /// Asks for all of it.
    ///
    /// # Errors
    /// [`LiveError::Api`].
    pub fn read(api: &Api) -> Result<Self, LiveError> {
        let failed = || LiveError::api("asking what the cluster has");
        let mut running = Self { addons: addons(api).map_err(failed())?, ..Self::default() };
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
        let maps: Vec<ConfigMap> = api.list(&path, &format!("{LABEL}={MANAGER}")).map_err(failed())?;
        for map in maps {
            let Some(overlay) = Record::overlay_of(&map.metadata.name) else { continue };
            match map.data.get(KEY).ok_or("it has no record".to_owned()).and_then(|json| Record::parse(json))
            {
                Ok(record) => drop(running.records.insert(overlay, record)),
                Err(problem) => running.damaged.push(format!("ConfigMap {}: {problem}", map.metadata.name)),
            }
        }
        Ok(running)
    }

    /// Files of k3s alone.
    pub(super) fn of_addons(addons: BTreeMap<String, AddonSpec>) -> Self {
        Self { addons, ..Self::default() }
    }

    /// What the images of its nodes have for overlays.
    pub fn host_lines(&self) -> BTreeSet<&str> {
        let of_images = self.records.values().filter(|record| record.origin == Origin::Image);
        of_images.flat_map(|record| record.host.iter().map(String::as_str)).collect()
    }

    /// Those of these files that k3s would apply again at its next start, as far as it knows.
    pub(super) fn files<'r>(&'r self, names: &'r [String]) -> impl Iterator<Item = (&'r str, &'r AddonSpec)> {
        let known = names.iter().filter_map(|name| Some((name.as_str(), self.addons.get(name)?)));
        known.filter(|(_, addon)| addon.checksum != digest(EMPTIED_TEXT))
    }

    /// Whether k3s has applied exactly this text from the file of this name.
    pub(super) fn has_applied(&self, name: &str, text: &str) -> bool {
        self.addons.get(name).is_some_and(|addon| addon.checksum == digest(text))
    }

    /// Which of these names k3s knows at all.
    pub(super) fn known<'r>(&'r self, names: &'r [String]) -> impl Iterator<Item = &'r String> {
        names.iter().filter(|name| self.addons.contains_key(*name))
    }
}

/// All files that k3s knows.
pub(super) fn addons(api: &Api) -> Result<BTreeMap<String, AddonSpec>, hc_firstboot::kube::KubeError> {
    let all: Vec<Addon> = api.list(ADDONS, "")?;
    Ok(all.into_iter().map(|one| (one.metadata.name, one.spec)).collect())
}

/// The names of images that every node has, as far as nodes tell: each names its 50 largest.
pub(super) fn images_everywhere(api: &Api) -> Result<BTreeSet<String>, LiveError> {
    let nodes: Vec<Value> = api.list("/api/v1/nodes", "").map_err(LiveError::api("asking for the nodes"))?;
    let of = |node: &Value| -> BTreeSet<String> {
        let names = list(node, "/status/images").iter().flat_map(|image| list(image, "/names"));
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let mut sets = nodes.iter().map(of);
    let first = sets.next().unwrap_or_default();
    Ok(sets.fold(first, |all, of| all.intersection(&of).cloned().collect()))
}

/// As k3s writes it.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
