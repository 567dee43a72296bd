//! What a cluster gets from an overlay besides manifests: as `overlay.toml` has it, with expressions, and as it is once the
//! parameters are known.
//!
//! Names, versions, paths and settings in these tables may hold `{{ expressions }}`; a table with `when` counts only where that expression is true.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use hc_firstboot::seed::NamespacedName;
use serde::Deserialize;

use crate::charts::{ChartName, ChartRepo, ChartVersion};
use crate::formats::helm_chart::FailurePolicy;
use crate::value::{DirMode, DnsLabel, Hostname, ImageReference, PackageName, Quantity, Role, UnitName};

use super::parameter::ParameterValue;
use super::template::Templates;
use super::user_folder::UserFolder;

/// What `overlay.toml` asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wants {
    pub(super) images: Vec<ImageWant>,
    pub(super) charts: Vec<ChartWant>,
    pub(super) packages: Vec<PackageWant>,
    pub(super) directories: Vec<DirWant>,
    pub(super) folders: Vec<FolderWant>,
    pub(super) k3s: Vec<K3sWant>,
    pub(super) provides: Vec<Word>,
    pub(super) modules: Vec<Word>,
    pub(super) sysctls: BTreeMap<String, String>,
    pub(super) files: Vec<FileWant>,
    pub(super) ready: Vec<ReadyWant>,
}

/// A word, which may count only where an expression is true.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Word {
    Always(String),
    Sometimes { name: String, when: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FileWant {
    /// On the node, below `/etc`.
    path: String,
    /// A template in the folder.
    template: String,
    mode: Option<String>,
    /// The node that has it; none is every node.
    node: Option<String>,
    when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ImageWant {
    name: String,
    when: Option<String>,
    role: Option<Role>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ChartWant {
    name: DnsLabel,
    chart: Option<String>,
    repo: String,
    version: String,
    namespace: DnsLabel,
    /// A template in the folder.
    values: Option<String>,
    /// A template in the folder that names secrets.
    secret_values: Option<String>,
    failure_policy: Option<String>,
    #[serde(default)]
    bootstrap: bool,
    memory: Option<String>,
    memory_each_node: Option<String>,
    when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PackageWant {
    name: String,
    #[serde(default)]
    recommends: bool,
    #[serde(default)]
    enable: Vec<UnitName>,
    #[serde(default)]
    disable: Vec<UnitName>,
    role: Option<Role>,
    /// The node that gets it; none is any.
    node: Option<String>,
    when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DirWant {
    /// Below the mount point of the data disk.
    path: String,
    uid: u32,
    gid: u32,
    mode: String,
    /// The node that has it; none is every node.
    node: Option<String>,
    when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FolderWant {
    /// A parameter of the type `folder`. No path: which files of a machine an overlay gets is for its user to say.
    from: String,
    /// Below the overlay's own place on the node.
    path: String,
    /// The node that has it; none is every node.
    node: Option<String>,
    when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct K3sWant {
    #[serde(default)]
    disable: Vec<String>,
    flannel_backend: Option<String>,
    #[serde(default)]
    server: BTreeMap<String, toml::Value>,
    #[serde(default)]
    agent: BTreeMap<String, toml::Value>,
    #[serde(default)]
    tls_san: Vec<String>,
    when: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ReadyWant {
    kind: PromiseKind,
    /// `namespace/name`.
    name: String,
    when: Option<String>,
}

/// What a cluster gets from an overlay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// Container images.
    pub images: Vec<NeededImage>,
    /// Helm charts.
    pub charts: Vec<NeededChart>,
    /// Packages of the base's distribution.
    pub packages: Vec<NeededPackage>,
    /// Directories on the data disk.
    pub dirs: Vec<NeededDir>,
    /// Folders of the user's on nodes.
    pub folders: Vec<NeededFolder>,
    /// Components of k3s that it takes the place of.
    pub disable: Vec<String>,
    /// The `flannel-backend` that it needs.
    pub flannel_backend: Option<String>,
    /// Settings of k3s on servers.
    pub server: BTreeMap<String, toml::Value>,
    /// Settings of k3s on agents.
    pub agent: BTreeMap<String, toml::Value>,
    /// More names and addresses of the API.
    pub tls_san: Vec<String>,
    /// What there can be only one of in a cluster, such as `pod network`, and this overlay is one.
    pub provides: Vec<String>,
    /// Files of nodes.
    pub files: Vec<NeededFile>,
    /// Kernel modules, each on every node.
    pub modules: Vec<String>,
    /// Kernel settings by their names, such as `net.ipv4.ip_forward`.
    pub sysctls: BTreeMap<String, String>,
    /// What firstboot waits for.
    pub promises: Vec<Promise>,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededImage {
    /// Its name.
    pub name: ImageReference,
    /// The role of the nodes that get it; none is any.
    pub role: Option<Role>,
}

/// A Helm chart.
#[derive(Debug, Clone, PartialEq)]
pub struct NeededChart {
    /// The name of the release.
    pub release: DnsLabel,
    /// Where it comes from.
    pub repo: ChartRepo,
    /// What it is called there.
    pub chart: ChartName,
    /// Its version.
    pub version: ChartVersion,
    /// The namespace of its objects.
    pub namespace: DnsLabel,
    /// The template of its values.
    pub values: Option<String>,
    /// The template of those that are secret.
    pub secret_values: Option<String>,
    /// What k3s does where Helm fails.
    pub failure_policy: Option<FailurePolicy>,
    /// Whether the cluster needs it to begin with.
    pub bootstrap: bool,
    /// What its pods ask for together, of which there are so many, whatever nodes there are.
    pub memory: Option<Quantity>,
    /// What its pods ask for on each node.
    pub memory_each_node: Option<Quantity>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededPackage {
    /// Its name.
    pub name: PackageName,
    /// Whether what it recommends is installed too.
    pub recommends: bool,
    /// Units that are enabled and started.
    pub enable: Vec<UnitName>,
    /// Units that are neither.
    pub disable: Vec<UnitName>,
    /// The role of the nodes that get it; none is any.
    pub role: Option<Role>,
    /// The node that gets it; none is any.
    pub node: Option<Hostname>,
}

/// A directory on the data disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededDir {
    /// Below the mount point.
    pub path: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions.
    pub mode: DirMode,
    /// The node that has it; none is every node.
    pub node: Option<Hostname>,
}

/// A folder of the user's on nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFolder {
    /// Where it is on the node.
    pub path: String,
    /// The node that has it; none is every node.
    pub node: Option<Hostname>,
    /// What is in it.
    pub folder: UserFolder,
}

/// A file of a node, or of every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFile {
    /// Its path, below `/etc`.
    pub path: String,
    /// Its permissions.
    pub mode: DirMode,
    /// What is in it.
    pub text: String,
    /// The node that has it; none is every node.
    pub node: Option<Hostname>,
}

/// What firstboot waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Promise {
    /// What it is.
    pub kind: PromiseKind,
    /// Which one.
    pub name: NamespacedName,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromiseKind {
    /// A Deployment with all its replicas available.
    Deployment,
    /// A StatefulSet with all its replicas ready.
    StatefulSet,
    /// A DaemonSet that runs on all nodes it is for.
    DaemonSet,
    /// A Service that has its address.
    LoadBalancer,
    /// A Certificate of cert-manager that is ready.
    Certificate,
}

impl fmt::Display for PromiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "stateful set",
            Self::DaemonSet => "daemon set",
            Self::LoadBalancer => "load balancer",
            Self::Certificate => "certificate",
        })
    }
}

/// The result of reading a text of `overlay.toml`, or what is wrong with it.
type Read<T> = Result<T, String>;

impl Wants {
    /// The templates of charts' values.
    pub(super) fn values(&self) -> impl Iterator<Item = &String> {
        self.charts.iter().flat_map(|chart| chart.values.iter().chain(&chart.secret_values))
    }

    /// The parameters whose folders go onto nodes.
    pub(super) fn folder_parameters(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(|want| want.from.as_str())
    }

    /// With all expressions evaluated. `parameters` are those of the overlay `name`.
    pub(super) fn resolve(
        &self,
        name: &DnsLabel,
        parameters: &BTreeMap<String, ParameterValue>,
        templates: &Templates<'_>,
    ) -> Read<Needs> {
        let mut needs = Needs::default();
        let counts = |when: &Option<String>, what: String| match when {
            Some(when) => {
                templates.holds(when).map_err(|problem| format!("{what}: when = {when:?}: {problem}"))
            }
            None => Ok(true),
        };
        let text = |text: &str, what: &str| {
            templates.text(text).map_err(|problem| format!("{what}: {text:?}: {problem}"))
        };
        let of_node = |node: &Option<String>, what: &str| {
            node.as_ref().map(|node| parse(&text(node, what)?, what)).transpose()
        };
        for want in &self.images {
            let what = format!("image {}", want.name);
            if counts(&want.when, what.clone())? {
                let name: ImageReference = parse(&text(&want.name, &what)?, &what)?;
                if name.floats() {
                    return Err(format!(
                        "{what}: it has no fixed version: name a tag other than latest, or a digest"
                    ));
                }
                needs.images.push(NeededImage { name, role: want.role });
            }
        }
        for want in &self.charts {
            let what = format!("chart {}", want.name);
            if counts(&want.when, what.clone())? {
                needs.charts.push(want.resolve(&what, text)?);
            }
        }
        for want in &self.packages {
            let what = format!("package {}", want.name);
            if counts(&want.when, what.clone())? {
                needs.packages.push(NeededPackage {
                    name: parse(&text(&want.name, &what)?, &what)?,
                    recommends: want.recommends,
                    enable: want.enable.clone(),
                    disable: want.disable.clone(),
                    role: want.role,
                    node: of_node(&want.node, &what)?,
                });
            }
        }
        for want in &self.directories {
            let what = format!("directory {}", want.path);
            if counts(&want.when, what.clone())? {
                let node = of_node(&want.node, &what)?;
                let path = text(&want.path, &what)?;
                let mode = parse(&want.mode, &what)?;
                needs.dirs.push(NeededDir { path, uid: want.uid, gid: want.gid, mode, node });
            }
        }
        for want in &self.folders {
            let what = format!("folder {}", want.path);
            let folder = match parameters.get(&want.from) {
                Some(ParameterValue::Folder(folder)) if counts(&want.when, what.clone())? => folder,
                _ => continue,
            };
            // One that is optional, and that nobody has named.
            if folder.is_empty() {
                continue;
            }
            let given = text(&want.path, &what)?;
            let path = path_of(&given, "").ok_or_else(|| format!("{what}: expected a path such as site"))?;
            let path = format!("{}/{path}", folders_of(name));
            if let Some(other) = needs.folders.iter().find(|other| is_in(&other.path, &path)) {
                return Err(format!("{what}: it is in {}, where another folder goes", other.path));
            }
            let node = want.node.as_ref().map(|node| parse(&text(node, &what)?, &what)).transpose()?;
            needs.folders.push(NeededFolder { path, node, folder: folder.clone() });
        }
        for want in &self.k3s {
            if counts(&want.when, "k3s".to_owned())? {
                needs.disable.extend(want.disable.iter().cloned());
                needs.flannel_backend = want.flannel_backend.clone().or(needs.flannel_backend);
                for (from, to) in [(&want.server, &mut needs.server), (&want.agent, &mut needs.agent)] {
                    for (key, value) in from {
                        let value = evaluated(value, &|given| text(given, key))?;
                        match (to.get_mut(key), value) {
                            // As between overlays: lists of several tables add up.
                            (Some(toml::Value::Array(known)), toml::Value::Array(more)) => known.extend(more),
                            (_, value) => {
                                to.insert(key.clone(), value);
                            }
                        }
                    }
                }
                for name in &want.tls_san {
                    needs.tls_san.push(text(name, "tls-san")?);
                }
            }
        }
        for want in &self.ready {
            let what = format!("{} {}", want.kind, want.name);
            if counts(&want.when, what.clone())? {
                let name = parse(&text(&want.name, &what)?, &what)?;
                needs.promises.push(Promise { kind: want.kind, name });
            }
        }
        for want in &self.files {
            let what = format!("file {}", want.path);
            if counts(&want.when, what.clone())? {
                let path = path_of(&want.path, "/etc/");
                let path = path.ok_or_else(|| format!("{what}: expected a path below /etc"))?;
                let mode = parse(want.mode.as_deref().unwrap_or("0644"), &what)?;
                let node = of_node(&want.node, &what)?;
                let text = templates.file(&want.template);
                let text = text.map_err(|problem| format!("{what}: {}: {problem}", want.template))?;
                needs.files.push(NeededFile { path, mode, text, node });
            }
        }
        for (words, into) in [(&self.provides, &mut needs.provides), (&self.modules, &mut needs.modules)] {
            for word in words {
                match word {
                    Word::Always(name) => into.push(name.clone()),
                    Word::Sometimes { name, when } => {
                        if counts(&Some(when.clone()), name.clone())? {
                            into.push(name.clone());
                        }
                    }
                }
            }
        }
        needs.sysctls.clone_from(&self.sysctls);
        Ok(needs)
    }
}

impl ChartWant {
    fn resolve(&self, what: &str, text: impl Fn(&str, &str) -> Read<String>) -> Read<NeededChart> {
        let chart = self.chart.as_deref().unwrap_or(self.name.as_str());
        let policy = self.failure_policy.as_deref();
        let quantity =
            |given: &Option<String>| given.as_ref().map(|given| parse(&text(given, what)?, what)).transpose();
        Ok(NeededChart {
            release: self.name.clone(),
            repo: parse(&text(&self.repo, what)?, what)?,
            chart: parse(&text(chart, what)?, what)?,
            version: parse(&text(&self.version, what)?, what)?,
            namespace: self.namespace.clone(),
            values: self.values.clone(),
            secret_values: self.secret_values.clone(),
            failure_policy: policy.map(|policy| failure_policy(&text(policy, what)?, what)).transpose()?,
            bootstrap: self.bootstrap,
            memory: quantity(&self.memory)?,
            memory_each_node: quantity(&self.memory_each_node)?,
        })
    }
}

/// Where the folders of the user's that an overlay has are on a node.
pub(super) fn folders_of(overlay: &DnsLabel) -> String {
    format!("/var/lib/hcimage/overlays/{overlay}")
}

/// Whether one of two paths is the other, or below it.
fn is_in(one: &str, other: &str) -> bool {
    let below = |path: &str, dir: &str| {
        path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(one, other) || below(other, one)
}

/// A path below `dir` without detours.
fn path_of(text: &str, dir: &str) -> Option<String> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
    };
    let below = text.strip_prefix(dir)?;
    below.split('/').all(is_plain).then(|| text.to_owned())
}

fn failure_policy(text: &str, what: &str) -> Read<FailurePolicy> {
    match text {
        "abort" => Ok(FailurePolicy::Abort),
        "reinstall" => Ok(FailurePolicy::Reinstall),
        "retry" => Ok(FailurePolicy::Retry),
        other => Err(format!("{what}: unknown failure-policy {other:?}: expected abort, reinstall or retry")),
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str, what: &str) -> Read<T> {
    text.parse().map_err(|error| format!("{what}: {error}"))
}

/// A setting of k3s with its texts evaluated.
fn evaluated(value: &toml::Value, text: &impl Fn(&str) -> Read<String>) -> Read<toml::Value> {
    Ok(match value {
        toml::Value::String(given) => toml::Value::String(text(given)?),
        toml::Value::Array(items) => {
            toml::Value::Array(items.iter().map(|item| evaluated(item, text)).collect::<Read<_>>()?)
        }
        other => other.clone(),
    })
}
