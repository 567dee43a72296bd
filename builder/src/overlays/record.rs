//! What a cluster keeps of an overlay: a ConfigMap that says what it brought, and what nodes have for it.
//!
//! The image of the first server has one for each of its overlays, and one that is added to a cluster that runs gets one, too. By it
//! `hcimage overlays apply` knows what the nodes have already, and `remove` what there is to take away, whatever became of the cluster
//! file.

use std::collections::BTreeSet;

use hc_common::overlay::RECORD_PREFIX;
use hc_common::text::yaml::quoted;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use yaml_rust2::Yaml;

use crate::formats::helm_chart;
use crate::value::DnsLabel;

use super::active::{ActiveOverlay, objects};
use super::needs::{NeededFolder, Needs};

/// Where records are.
pub const NAMESPACE: &str = "kube-system";

/// Who writes what hcimage writes by the API, and the label of records.
pub const MANAGER: &str = "hcimage";

/// The label by which records are found.
pub const LABEL: &str = "app.kubernetes.io/managed-by";

/// The key in the ConfigMap.
pub const KEY: &str = "record";

/// The layout of a record. Another one is not read.
const SCHEMA: u32 = 1;

/// How an overlay came to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// In the image of the first server: k3s applies its files at each start.
    #[default]
    Image,
    /// By the API.
    Api,
}

/// What a cluster keeps of an overlay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    schema: u32,
    /// How it came.
    pub origin: Origin,
    /// The names of the files that k3s would apply, up to their first dot: those of its `AddOn` objects.
    #[serde(default)]
    pub addons: Vec<String>,
    /// Its objects, in the order in which they are applied.
    #[serde(default)]
    pub objects: Vec<RecordedObject>,
    /// The namespaces of its charts.
    #[serde(default)]
    pub chart_namespaces: Vec<String>,
    /// What nodes have for it that no API can give them, a line each.
    #[serde(default)]
    pub host: Vec<String>,
    /// Its folders on the data disk.
    #[serde(default)]
    pub folders: Vec<String>,
}

/// An object of an overlay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedObject {
    /// Group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// The namespace that it names; empty where it names none.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it was there before the overlay came: then it stays when that goes.
    #[serde(default)]
    pub was_there: bool,
}

impl std::fmt::Display for RecordedObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

impl Record {
    /// What an overlay brings.
    pub fn of(active: &ActiveOverlay, origin: Origin) -> Self {
        let needs = &active.needs;
        let mut files: Vec<(String, Vec<RecordedObject>)> = Vec::new();
        for file in &active.shown.files {
            files.push((file.name.clone(), objects(&file.text).iter().map(recorded).collect()));
        }
        for chart in &needs.charts {
            let of = |api_version: &str, kind: &str, name: String| RecordedObject {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: helm_chart::NAMESPACE.to_owned(),
                name,
                was_there: false,
            };
            let values = chart.secret_values.as_ref();
            let secret =
                values.map(|_| of("v1", "Secret", helm_chart::values_secret(chart.release.as_str())));
            let release = of("helm.cattle.io/v1", "HelmChart", chart.release.to_string());
            files.push((
                format!("chart-{}.yaml", chart.release),
                secret.into_iter().chain([release]).collect(),
            ));
        }
        // As k3s sorts them.
        files.sort_by(|one, other| one.0.cmp(&other.0));
        let addon = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let namespaces: BTreeSet<String> =
            needs.charts.iter().map(|chart| chart.namespace.to_string()).collect();
        Self {
            schema: SCHEMA,
            origin,
            addons: files.iter().map(|(name, _)| addon(name)).collect(),
            objects: files.into_iter().flat_map(|(_, objects)| objects).collect(),
            chart_namespaces: namespaces.into_iter().collect(),
            host: host_lines(needs),
            folders: needs.dirs.iter().map(folder).collect(),
        }
    }

    /// The name of an overlay's record, and of the `AddOn` of the file in an image that has it.
    pub fn name(overlay: &DnsLabel) -> String {
        format!("{RECORD_PREFIX}{overlay}")
    }

    /// The overlay of a record of this name.
    pub fn overlay_of(name: &str) -> Option<DnsLabel> {
        name.strip_prefix(RECORD_PREFIX)?.parse().ok()
    }

    /// The ConfigMap.
    pub fn to_yaml(&self, overlay: &DnsLabel) -> String {
        // A record is texts and lists: it always has a form as JSON.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!(
            "# Written by hcimage: what the overlay {overlay} brought.\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n  \
             namespace: {NAMESPACE}\n  labels:\n    {LABEL}: {MANAGER}\ndata:\n  {KEY}: {}\n",
            Self::name(overlay),
            quoted(&json)
        )
    }

    /// Reads what [`Record::to_yaml`] wrote.
    ///
    /// # Errors
    /// A text, where it is damaged or of another hcimage.
    pub fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Layout {
            schema: u32,
        }
        let damaged = |error: serde_json::Error| error.to_string();
        let Layout { schema } = serde_json::from_str(json).map_err(damaged)?;
        if schema != SCHEMA {
            return Err(format!("layout {schema}, expected {SCHEMA}: another hcimage has written it"));
        }
        serde_json::from_str(json).map_err(damaged)
    }
}

fn recorded(object: &Yaml) -> RecordedObject {
    let word = |yaml: &Yaml| yaml.as_str().unwrap_or_default().to_owned();
    RecordedObject {
        api_version: word(&object["apiVersion"]),
        kind: word(&object["kind"]),
        namespace: word(&object["metadata"]["namespace"]),
        name: word(&object["metadata"]["name"]),
        was_there: false,
    }
}

fn folder(dir: &super::needs::NeededDir) -> String {
    let place = dir.node.as_ref().map_or_else(|| "every node".to_owned(), ToString::to_string);
    format!("{} on {place}", dir.path)
}

/// What an overlay needs that only the image of a node can give it.
fn host_lines(needs: &Needs) -> Vec<String> {
    let role =
        |role: Option<crate::value::Role>| role.map(|role| format!(" on each {role}")).unwrap_or_default();
    let mut lines = Vec::new();
    for package in &needs.packages {
        lines.push(format!("package {}{}", package.name, role(package.role)));
        lines.extend(package.enable.iter().map(|unit| format!("unit {unit} enabled{}", role(package.role))));
        lines
            .extend(package.disable.iter().map(|unit| format!("unit {unit} disabled{}", role(package.role))));
    }
    lines.extend(needs.modules.iter().map(|module| format!("kernel module {module}")));
    lines.extend(needs.sysctls.iter().map(|(key, value)| format!("kernel setting {key} = {value}")));
    for file in &needs.files {
        let digest: String =
            Sha256::digest(&file.text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let place = file.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        lines.push(format!("file {}{place} with the content {digest}", file.path));
    }
    for dir in &needs.dirs {
        lines.push(format!("folder {} of {}:{}, mode {}", folder(dir), dir.uid, dir.gid, dir.mode));
    }
    for NeededFolder { path, node, .. } in &needs.folders {
        let node = node.as_ref().map_or_else(|| "every node".to_owned(), ToString::to_string);
        lines.push(format!("files of yours in {path} on {node}"));
    }
    lines.extend(needs.disable.iter().map(|component| format!("k3s without {component}")));
    lines.extend(needs.flannel_backend.iter().map(|backend| format!("k3s with flannel-backend = {backend}")));
    for (of, settings) in [("servers", &needs.server), ("agents", &needs.agent)] {
        lines.extend(settings.iter().map(|(key, value)| format!("k3s on {of} with {key} = {value}")));
    }
    lines.extend(needs.tls_san.iter().map(|name| format!("certificate of the API for {name}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlays::{NeededDir, NeededPackage};

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            schema: SCHEMA,
            origin: Origin::Api,
            addons: vec!["shop-app".to_owned()],
            objects: vec![RecordedObject {
                api_version: "v1".to_owned(),
                kind: "Secret".to_owned(),
                namespace: "shop".to_owned(),
                name: "a \"b\"".to_owned(),
                was_there: true,
            }],
            chart_namespaces: vec!["shop".to_owned()],
            host: vec!["package open-iscsi".to_owned()],
            folders: vec!["shop on pi-1".to_owned()],
        };
        let name = "shop".parse().unwrap();
        let yaml = crate::formats::yaml_load::load(&record.to_yaml(&name)).unwrap();
        assert_eq!(yaml[0]["metadata"]["name"].as_str(), Some("hcimage-overlay-shop"));
        assert_eq!(Record::parse(yaml[0]["data"][KEY].as_str().unwrap()), Ok(record));
        assert_eq!(Record::overlay_of("hcimage-overlay-shop"), Some(name));
        assert_eq!(Record::overlay_of("kube-root-ca.crt"), None);
        assert!(Record::parse(r#"{"schema":2}"#).unwrap_err().contains("layout 2, expected 1"));
        assert!(Record::parse("").is_err());
    }

    #[test]
    fn what_only_an_image_can_have_is_a_line_each() {
        let package = NeededPackage {
            node: None,
            name: "nfs-common".parse().unwrap(),
            recommends: false,
            enable: Vec::new(),
            disable: vec!["rpcbind.service".parse().unwrap()],
            role: Some(crate::value::Role::Agent),
        };
        let dir = NeededDir {
            path: "shop".to_owned(),
            uid: 33,
            gid: 33,
            mode: crate::value::DirMode::DEFAULT,
            node: Some("pi-1".parse().unwrap()),
        };
        let needs = Needs {
            packages: vec![package],
            dirs: vec![dir],
            modules: vec!["dm_crypt".to_owned()],
            sysctls: [("a.b".to_owned(), "1".to_owned())].into(),
            disable: vec!["servicelb".to_owned()],
            flannel_backend: Some("none".to_owned()),
            server: [("x".to_owned(), toml::Value::Boolean(true))].into(),
            tls_san: vec!["k3s.home.lan".to_owned()],
            ..Needs::default()
        };
        assert_eq!(
            host_lines(&needs),
            [
                "package nfs-common on each agent",
                "unit rpcbind.service disabled on each agent",
                "kernel module dm_crypt",
                "kernel setting a.b = 1",
                "folder shop on pi-1 of 33:33, mode 0755",
                "k3s without servicelb",
                "k3s with flannel-backend = none",
                "k3s on servers with x = true",
                "certificate of the API for k3s.home.lan",
            ]
        );
        assert_eq!(host_lines(&Needs::default()), Vec::<String>::new());
    }
}
