//! Overlays: those that the file switches on, those that these need, and what the cluster gets from all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_spanned::Spanned;

use crate::charts::ChartPlace;
use crate::cluster::field::{Entries, Field, Span};
use crate::cluster::field_type::{FieldType, SecretSource};
use crate::cluster::file::{GivenValue, OverlayTable};
use crate::cluster::k3s_keys::{self, Standing};
use crate::cluster::model::*;
use crate::cluster::problem::Problems;
use crate::cluster::{DEFAULT_CLUSTER_CIDR, DEFAULT_SERVICE_CIDR};
use crate::formats::yaml_load;
use crate::overlays::check::{Finding, Source};
use crate::overlays::{
    self, ActiveOverlay, ClusterFacts, NeededChart, Needs, NodeFacts, Overlay, ParameterType, ParameterValue,
};
use crate::packages::PackageRequest;
use crate::value::{DnsLabel, Host, Role, Secret, Subnet, ValueError};

use super::memory;
use super::read::Reader;

/// The file's tables, by the name of their overlay.
pub(super) type Tables = Entries<DnsLabel, Spanned<OverlayTable>>;

/// An overlay that is wanted, and why.
struct Wanted {
    overlay: Overlay,
    values: BTreeMap<String, ParameterValue>,
    secrets: BTreeMap<String, Secret>,
    /// The overlay that needs it, where the file does not name it.
    asked_by: Option<DnsLabel>,
    /// Where the file names it, or the one that needs it.
    span: Span,
}

/// What the file itself says of k3s, where an overlay could say something else.
pub(super) struct OwnK3s {
    pub(super) flannel_backend: Option<(FlannelBackend, Span)>,
}

/// Adds to `cluster` all that the overlays of the file give it. `loaded` are those that the file names.
pub(super) fn add(
    cluster: &mut Cluster,
    tables: Tables,
    loaded: Vec<Overlay>,
    own: &OwnK3s,
    reader: &mut Reader<'_, '_>,
) {
    let Some(wanted) = wanted(tables, loaded, reader) else { return };
    if let (Some(first), true) = (wanted.first(), cluster.join.is_some()) {
        let hint = "add it to the cluster that these nodes join, or remove the table";
        reader.problems.error(
            &first.span,
            "the nodes join a cluster made elsewhere, which has its own applications",
            hint,
        );
        return;
    }
    let facts = facts(cluster);
    let spans = wanted.iter().map(|one| (one.overlay.name.clone(), one.span.clone())).collect();
    for one in wanted {
        let (span, name) = (one.span.clone(), one.overlay.name.clone());
        let mut parameters = with_defaults(&one.overlay, one.values);
        nodes_exist(cluster, &one.overlay, &mut parameters, &span, reader.problems);
        match ActiveOverlay::new(one.overlay, parameters, one.secrets, one.asked_by, facts.clone()) {
            Ok(active) => {
                let into = &mut Into { cluster, name: &name, span: &span, problems: reader.problems };
                into.needs(&active.needs, own);
                into.charts(&active);
                into.manifests(&active);
                cluster.overlays.push(active);
            }
            Err(error) => {
                let hint = "change the parameters, or fix the overlay";
                reader.problems.error(&span, error.to_string(), hint);
            }
        }
    }
    only_one_of_each(&cluster.overlays, &spans, reader.problems);
    fits_together(cluster, &spans, reader.problems);
    let span = spans.values().next().cloned().unwrap_or_default();
    for line in memory::short(cluster) {
        reader.problems.warning(&span, line, "take a board with more, or other nodes, or fewer overlays");
    }
}

/// What the overlays' manifests name of each other and of the user's.
fn fits_together(cluster: &Cluster, spans: &BTreeMap<DnsLabel, Span>, problems: &mut Problems<'_>) {
    let parsed = |text: &str| yaml_load::load(text).unwrap_or_default();
    let mut files = Vec::new();
    for active in &cluster.overlays {
        for file in &active.shown.files {
            files.push((Some(active.name()), file.template.clone(), parsed(&file.text)));
        }
    }
    for manifest in &cluster.manifests {
        files.push((None, manifest.name().to_owned(), parsed(manifest.text().expose())));
    }
    let places: Vec<String> = files
        .iter()
        .map(|(overlay, file, _)| match overlay {
            Some(overlay) => format!("overlay {overlay}, {file}"),
            None => file.clone(),
        })
        .collect();
    let sources: Vec<Source<'_>> = files
        .iter()
        .zip(&places)
        .map(|((overlay, _, documents), place)| Source { place, documents, checked: overlay.is_some() })
        .collect();
    let charts = cluster.charts.iter().map(|chart| chart.namespace.to_string()).collect();
    for Finding { place, problem, is_warning } in overlays::check::check(&sources, &charts) {
        let of = files.iter().zip(&places).find(|(_, known)| place.starts_with(&format!("{known}: ")));
        let span = of.and_then(|((overlay, ..), _)| spans.get((*overlay)?)).cloned().unwrap_or_default();
        let message = format!("{place}: {problem}");
        match is_warning {
            true => problems.warning(&span, message, "add it to the overlay's manifest"),
            false => problems.error(&span, message, "fix the overlay, or the manifest of yours"),
        }
    }
}

/// All overlays, those first that others need.
fn wanted(tables: Tables, loaded: Vec<Overlay>, reader: &mut Reader<'_, '_>) -> Option<Vec<Wanted>> {
    let mut known: BTreeMap<DnsLabel, Overlay> =
        loaded.into_iter().map(|overlay| (overlay.name.clone(), overlay)).collect();
    let mut given = BTreeMap::new();
    for (key, table) in tables.0 {
        let Some(overlay) = known.get(&key.value) else { continue };
        let (values, secrets) = split(overlay, table.into_inner(), reader);
        given.insert(key.value, (values, secrets, key.span));
    }
    let mut order = Vec::new();
    let roots: Vec<(DnsLabel, Span)> =
        given.iter().map(|(name, (.., span))| (name.clone(), span.clone())).collect();
    let mut state = BTreeMap::new();
    for (name, span) in &roots {
        visit(name, None, span, &mut known, &mut state, &mut order, reader)?;
    }
    let mut wanted = Vec::new();
    for (name, asked_by, span) in order {
        let Some(overlay) = known.remove(&name) else { continue };
        let (values, secrets, span) = given.remove(&name).unwrap_or((BTreeMap::new(), BTreeMap::new(), span));
        let asked_by = asked_by.filter(|_| !roots.iter().any(|(root, _)| *root == name));
        if let Some(asker) = &asked_by
            && let Some(missing) = required(&overlay)
        {
            let message = format!("the overlay {asker} needs {name}, which needs `{missing}`");
            reader.problems.error(&span, message, format!("add a table [overlays.{name}] with {missing}"));
            continue;
        }
        wanted.push(Wanted { overlay, values, secrets, asked_by, span });
    }
    Some(wanted)
}

/// Puts an overlay into the order behind all that it needs. `state` says of each that was met whether its needs are in the order.
fn visit(
    name: &DnsLabel,
    asker: Option<&DnsLabel>,
    span: &Span,
    known: &mut BTreeMap<DnsLabel, Overlay>,
    state: &mut BTreeMap<DnsLabel, bool>,
    order: &mut Vec<(DnsLabel, Option<DnsLabel>, Span)>,
    reader: &mut Reader<'_, '_>,
) -> Option<()> {
    match state.get(name) {
        Some(true) => return Some(()),
        Some(false) => {
            let open = state.iter().filter(|(_, done)| !**done).map(|(name, _)| name.as_str());
            let message =
                format!("overlays need each other in a circle: {}", open.collect::<Vec<_>>().join(", "));
            reader.problems.error(span, message, "take one out of the `needs` of another");
            return None;
        }
        None => {}
    }
    if !known.contains_key(name) {
        let asker = asker.map(ToString::to_string).unwrap_or_default();
        match reader.context.overlays.get(name) {
            Ok(Some(overlay)) => {
                known.insert(name.clone(), overlay);
            }
            Ok(None) => {
                let message = format!("the overlay {asker} needs the overlay {name}, which does not exist");
                reader.problems.error(
                    span,
                    message,
                    "add its folder beside the cluster file, or name another",
                );
                return None;
            }
            Err(error) => {
                let message = format!("the overlay {asker} needs {name}: {error}");
                reader.problems.error(span, message, "fix the overlay");
                return None;
            }
        }
    }
    state.insert(name.clone(), false);
    let needs = known.get(name).map(|overlay| overlay.needs.clone()).unwrap_or_default();
    for need in &needs {
        visit(need, Some(name), span, known, state, order, reader)?;
    }
    state.insert(name.clone(), true);
    order.push((name.clone(), asker.cloned(), span.clone()));
    Some(())
}

/// A parameter or secret that somebody must set.
fn required(overlay: &Overlay) -> Option<&str> {
    let parameters = overlay.parameters.iter().filter(|(_, of)| of.default.is_none() && !of.optional);
    let secrets = overlay.secrets.iter().filter(|(_, of)| of.given && !of.optional);
    parameters.map(|(name, _)| name).chain(secrets.map(|(name, _)| name)).next().map(String::as_str)
}

/// What the file says, as parameters and secrets. Its types are those of the schema already.
fn split(
    overlay: &Overlay,
    table: OverlayTable,
    reader: &mut Reader<'_, '_>,
) -> (BTreeMap<String, ParameterValue>, BTreeMap<String, Secret>) {
    let (mut values, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for (key, Field { value, span }) in table.values.0 {
        let name = key.value.0;
        if overlay.secrets.contains_key(&name) {
            let source = match value {
                GivenValue::Text(text) => SecretSource::Here(Secret::new(text)),
                GivenValue::File(file) => SecretSource::File(file),
                GivenValue::Switch(_) | GivenValue::Number(_) | GivenValue::List(_) => continue,
            };
            if let Some(secret) = reader.secret(Field { value: source, span }) {
                secrets.insert(name, secret);
            }
            continue;
        }
        let value = match value {
            GivenValue::Switch(on) => ParameterValue::Switch(on),
            GivenValue::Number(number) => ParameterValue::Number(number),
            GivenValue::Text(text) => ParameterValue::Text(text),
            GivenValue::List(items) => ParameterValue::List(items),
            GivenValue::File(_) => continue,
        };
        values.insert(name, value);
    }
    (values, secrets)
}

fn with_defaults(
    overlay: &Overlay,
    mut values: BTreeMap<String, ParameterValue>,
) -> BTreeMap<String, ParameterValue> {
    for (name, parameter) in &overlay.parameters {
        let default = || parameter.default.clone().unwrap_or_else(|| parameter.kind.nothing());
        values.entry(name.clone()).or_insert_with(default);
    }
    values
}

/// A node that a parameter names is one of the cluster; where none is named, it is the first server.
fn nodes_exist(
    cluster: &Cluster,
    overlay: &Overlay,
    values: &mut BTreeMap<String, ParameterValue>,
    span: &Span,
    problems: &mut Problems<'_>,
) {
    let of_nodes = overlay.parameters.iter().filter(|(_, of)| of.kind == ParameterType::Node);
    for (name, _) in of_nodes {
        let Some(ParameterValue::Text(node)) = values.get_mut(name) else { continue };
        if node.is_empty() {
            *node = cluster.nodes.init_server().map(|node| node.name.to_string()).unwrap_or_default();
        } else if cluster.nodes.get(node).is_none() {
            problems.error(span, format!("`{name}`: no node is named {node}"), "name one of [[nodes]]");
        }
    }
}

/// Two that are the same thing would fight.
fn only_one_of_each(
    overlays: &[ActiveOverlay],
    spans: &BTreeMap<DnsLabel, Span>,
    problems: &mut Problems<'_>,
) {
    let mut seen: BTreeMap<&str, &ActiveOverlay> = BTreeMap::new();
    for one in overlays {
        for what in &one.needs.provides {
            match seen.get(what.as_str()) {
                Some(other) => {
                    let (name, other) = (described(one), described(other));
                    let message = format!("{name} and {other} are each a {what}, and a cluster has one");
                    let span = spans.get(one.name()).cloned().unwrap_or_default();
                    problems.error(&span, message, "remove one of them");
                }
                None => {
                    seen.insert(what, one);
                }
            }
        }
    }
}

fn described(active: &ActiveOverlay) -> String {
    match &active.asked_by {
        Some(asker) => format!("{} (which {asker} needs)", active.name()),
        None => active.name().to_string(),
    }
}

fn facts(cluster: &Cluster) -> ClusterFacts {
    let networks = |given: &[Subnet], default: &str| match given {
        [] => vec![default.to_owned()],
        given => given.iter().map(ToString::to_string).collect(),
    };
    let k3s = &cluster.k3s;
    let node = |node: &Node| NodeFacts {
        name: node.name.to_string(),
        role: node.bootstrap_role.role().to_string(),
        address: node.network.static_address().map(|address| address.to_string()).unwrap_or_default(),
        arch: cluster
            .boards
            .get(&node.board)
            .map(|choice| choice.profile.architecture.go().to_owned())
            .unwrap_or_default(),
    };
    let first = cluster.nodes.init_server();
    let service_domain = match k3s.passed_on.get("cluster-domain") {
        Some(Setting::Text(domain)) => domain.clone(),
        _ => "cluster.local".to_owned(),
    };
    ClusterFacts {
        name: cluster.name.to_string(),
        api: cluster.api_host().to_string(),
        domain: cluster.domain.as_ref().map(ToString::to_string).unwrap_or_default(),
        time_zone: cluster.time_zone.as_ref().map(ToString::to_string).unwrap_or_default(),
        service_domain,
        pod_networks: networks(&k3s.cluster_cidr, DEFAULT_CLUSTER_CIDR),
        service_networks: networks(&k3s.service_cidr, DEFAULT_SERVICE_CIDR),
        first_server: first.map(|node| node.name.to_string()).unwrap_or_default(),
        data: first
            .and_then(|node| node.data_disk.as_ref())
            .map_or(DataDisk::DEFAULT_MOUNT.to_owned(), |disk| disk.mount.to_string()),
        nodes: cluster.nodes.iter().map(node).collect(),
    }
}

/// Where what an overlay gives goes, and where its problems are reported.
struct Into<'a, 'p> {
    cluster: &'a mut Cluster,
    name: &'a DnsLabel,
    span: &'a Span,
    problems: &'a mut Problems<'p>,
}

impl Into<'_, '_> {
    fn error(&mut self, problem: &str, hint: &str) {
        let message = format!("the overlay {}: {problem}", self.name);
        self.problems.error(self.span, message, hint);
    }

    fn needs(&mut self, needs: &Needs, own: &OwnK3s) {
        for image in &needs.images {
            let nodes = NodeChoice { role: image.role, names: Vec::new() };
            let source = ImageSource::Registry(image.name.clone());
            self.cluster.images.push(WantedImages { source, nodes });
        }
        for package in &needs.packages {
            self.cluster.packages.push(WantedPackage {
                request: PackageRequest { name: package.name.clone(), recommends: package.recommends },
                enable: package.enable.clone(),
                disable: package.disable.clone(),
                nodes: NodeChoice { role: package.role, names: Vec::new() },
            });
        }
        self.units();
        self.dirs(needs);
        self.k3s(needs, own);
        self.cluster.modules.extend(needs.modules.iter().cloned());
        for (key, value) in &needs.sysctls {
            match self.cluster.sysctls.insert(key.clone(), value.clone()) {
                Some(other) if other != *value => {
                    let problem = format!("{key} must be {value}, and another overlay needs {other}");
                    self.error(&problem, "remove one of them");
                }
                _ => {}
            }
        }
    }

    /// A unit cannot be on and off.
    fn units(&mut self) {
        let packages = &self.cluster.packages;
        let on: BTreeSet<_> = packages.iter().flat_map(|package| &package.enable).collect();
        let both = packages.iter().flat_map(|package| &package.disable).find(|unit| on.contains(unit));
        if let Some(unit) = both.cloned() {
            self.error(
                &format!("{unit} is enabled and disabled"),
                "remove one of the two overlays or packages",
            );
        }
    }

    fn dirs(&mut self, needs: &Needs) {
        for dir in &needs.dirs {
            let path = match dir.path.parse() {
                Ok(path) => path,
                Err(error) => {
                    self.error(&format!("{error}"), "fix the overlay");
                    continue;
                }
            };
            let made = DataDir { path, mode: dir.mode, uid: dir.uid, gid: dir.gid };
            let mut lacking = None;
            for node in self.cluster.nodes.iter_mut() {
                if dir.node.as_ref().is_some_and(|name| *name != node.name) {
                    continue;
                }
                match &mut node.data_disk {
                    // The user's own choice of owner and mode stays.
                    Some(disk) if disk.dirs.iter().any(|known| known.path == made.path) => {}
                    Some(disk) => disk.dirs.push(made.clone()),
                    None => lacking = Some(node.name.clone()),
                }
            }
            if let Some(node) = lacking {
                let problem =
                    format!("it keeps data in {} on {node}, which has `data-disk = false`", dir.path);
                self.error(&problem, "remove that line, or choose another node");
            }
        }
    }

    fn k3s(&mut self, needs: &Needs, own: &OwnK3s) {
        for name in &needs.disable {
            match Component::from_raw(name.clone()) {
                Ok(component) if self.cluster.k3s.disable.contains(&component) => {}
                Ok(component) => self.cluster.k3s.disable.push(component),
                Err(bad) => self.error(&format!("`disable`: {}", bad.message), &bad.hint),
            }
        }
        if let Some(wanted) = &needs.flannel_backend {
            match (FlannelBackend::from_raw(wanted.clone()), &own.flannel_backend) {
                (Err(bad), _) => self.error(&format!("`flannel-backend`: {}", bad.message), &bad.hint),
                (Ok(backend), Some((chosen, span))) if backend != *chosen => {
                    let message = format!("the overlay {} needs flannel-backend = \"{wanted}\"", self.name);
                    self.problems.error(span, message, "remove this line, or the overlay");
                }
                (Ok(backend), _) => self.cluster.k3s.flannel_backend = backend,
            }
        }
        for name in &needs.tls_san {
            match name.parse::<Host>() {
                Ok(host) => self.cluster.tls_san.push(host),
                Err(error) => self.error(&error.to_string(), "change the parameter"),
            }
        }
        for (role, settings) in [(Role::Server, &needs.server), (Role::Agent, &needs.agent)] {
            for (key, value) in settings {
                self.setting(role, key, value);
            }
        }
    }

    fn setting(&mut self, role: Role, key: &str, value: &toml::Value) {
        let Some(new) = setting(value) else {
            return self.error(&format!("invalid value of the k3s key {key}"), "fix the overlay");
        };
        match k3s_keys::standing(key, role) {
            Standing::Free | Standing::Unknown => {}
            Standing::Reserved(instead) => {
                return self.error(&format!("the k3s key {key} is set by hcimage itself"), instead);
            }
            Standing::ServerOnly => {
                return self.error(&format!("the k3s key {key} is for servers"), "fix the overlay");
            }
        }
        let settings = match role {
            Role::Server => &mut self.cluster.k3s.server,
            Role::Agent => &mut self.cluster.k3s.agent,
        };
        match (settings.0.get_mut(key), new) {
            (None, new) => {
                settings.0.insert(key.to_owned(), new);
            }
            // Flags that can be given several times add up.
            (Some(Setting::List(known)), Setting::List(more)) => {
                let new: Vec<String> = more.into_iter().filter(|item| !known.contains(item)).collect();
                known.extend(new);
            }
            (Some(known), new) if *known == new => {}
            (Some(_), _) => {
                let problem = format!("it needs another value of the k3s key {key} for {role}s");
                self.error(&problem, "remove the key from [k3s], or the overlay that sets it");
            }
        }
    }

    fn charts(&mut self, active: &ActiveOverlay) {
        for chart in &active.needs.charts {
            match place(chart) {
                Ok(place) if self.is_free(&chart.release) => self.cluster.charts.push(Chart {
                    release: chart.release.clone(),
                    place,
                    namespace: chart.namespace.clone(),
                    values: value_of(active, chart.values.as_ref()),
                    secret_values: value_of(active, chart.secret_values.as_ref()).map(Secret::new),
                    failure_policy: chart.failure_policy,
                    bootstrap: chart.bootstrap,
                    overlay: Some(ChartOverlay {
                        name: self.name.clone(),
                        secret_values: chart.secret_values.clone(),
                    }),
                }),
                Ok(_) => {
                    let problem = format!("another chart is named {}", chart.release);
                    self.error(&problem, "rename the chart of yours");
                }
                Err(error) => self.error(&error.to_string(), "fix the overlay"),
            }
        }
    }

    fn is_free(&self, release: &DnsLabel) -> bool {
        self.cluster.charts.iter().all(|chart| chart.release != *release)
    }

    fn manifests(&mut self, active: &ActiveOverlay) {
        let mut addons: BTreeSet<String> =
            self.cluster.manifests.iter().map(|manifest| manifest.addon().to_owned()).collect();
        addons.extend(self.cluster.charts.iter().map(Chart::addon));
        addons.extend(self.cluster.overlay_manifests.iter().map(|manifest| manifest.addon().to_owned()));
        for file in &active.shown.files {
            let disabled = self.cluster.k3s.disable.iter().copied();
            if let Some(component) = Manifest::component_in(&file.name, disabled) {
                let problem =
                    format!("{} has the name of a disabled component: k3s deletes it", file.template);
                self.error(
                    &problem,
                    &format!("rename the file, or remove {} from `disable`", component.as_str()),
                );
                continue;
            }
            match Manifest::new(&file.name, file.text.clone()) {
                Ok(manifest) if addons.insert(manifest.addon().to_owned()) => {
                    self.cluster.overlay_manifests.push(manifest);
                }
                Ok(manifest) => {
                    let problem = format!("another manifest is named {}", manifest.addon());
                    self.error(&problem, "rename the file of yours");
                }
                Err(bad) => self.error(&format!("{}: {bad}", file.template), "fix the overlay"),
            }
        }
    }
}

fn place(chart: &NeededChart) -> Result<ChartPlace, ValueError> {
    let name = chart.chart.as_str().to_owned();
    ChartPlace::remote(chart.repo.clone(), name, chart.version.clone(), None, None)
}

fn value_of(active: &ActiveOverlay, file: Option<&String>) -> Option<String> {
    active.shown.values.get(file?).cloned()
}

fn setting(value: &toml::Value) -> Option<Setting> {
    Some(match value {
        toml::Value::String(text) => Setting::Text(text.clone()),
        toml::Value::Integer(number) => Setting::Number(*number),
        toml::Value::Boolean(on) => Setting::Switch(*on),
        toml::Value::Array(items) => {
            Setting::List(items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
