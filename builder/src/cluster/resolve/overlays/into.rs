//! What a cluster gets from an overlay.

use std::collections::{BTreeMap, BTreeSet};

use crate::charts::ChartPlace;
use crate::cluster::field::Span;
use crate::cluster::field_type::FieldType;
use crate::cluster::k3s_keys::{self, Standing};
use crate::cluster::model::*;
use crate::cluster::problem::Problems;
use crate::overlays::{ActiveOverlay, NeededChart, Needs};
use crate::packages::PackageRequest;
use crate::value::{DirName, DnsLabel, Host, Role, Secret, ValueError};

use super::OwnK3s;

/// What overlays before have set, of which there is one.
#[derive(Default)]
pub(super) struct Taken {
    flannel_backend: Option<(DnsLabel, String)>,
    files: BTreeMap<String, DnsLabel>,
    /// Folders on data disks, each with the first overlay that wants it.
    dirs: BTreeMap<DirName, DnsLabel>,
}

/// Where what an overlay gives goes, and where its problems are reported.
pub(super) struct Into<'a, 'p> {
    pub(super) cluster: &'a mut Cluster,
    pub(super) taken: &'a mut Taken,
    pub(super) name: &'a DnsLabel,
    pub(super) span: &'a Span,
    pub(super) problems: &'a mut Problems<'p>,
}

impl Into<'_, '_> {
    fn error(&mut self, problem: &str, hint: &str) {
        let message = format!("the overlay {}: {problem}", self.name);
        self.problems.error(self.span, message, hint);
    }

    pub(super) fn needs(&mut self, needs: &Needs, own: &OwnK3s) {
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
                nodes: NodeChoice { role: package.role, names: package.node.iter().cloned().collect() },
            });
        }
        self.units();
        self.dirs(needs);
        self.files(needs);
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

    /// A file of a node is of one overlay.
    fn files(&mut self, needs: &Needs) {
        for file in &needs.files {
            if let Some(other) = self.taken.files.insert(file.path.clone(), self.name.clone()) {
                let problem = format!("the file {} is written twice, by {other}, too", file.path);
                self.error(&problem, "remove one of the two");
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
            let path: DirName = match dir.path.parse() {
                Ok(path) => path,
                Err(error) => {
                    self.error(&format!("{error}"), "fix the overlay");
                    continue;
                }
            };
            let made = DataDir { path, mode: dir.mode, uid: dir.uid, gid: dir.gid };
            let other = self.taken.dirs.get(&made.path).filter(|other| *other != self.name).cloned();
            let (mut lacking, mut differs) = (None, false);
            for node in self.cluster.nodes.iter_mut() {
                if dir.node.as_ref().is_some_and(|name| !node.is_called(name)) {
                    continue;
                }
                match &mut node.data_disk {
                    Some(disk) => match disk.dirs.iter().find(|known| known.path == made.path) {
                        Some(known) => differs |= *known != made,
                        None => disk.dirs.push(made.clone()),
                    },
                    None => lacking = Some(node.name.clone()),
                }
            }
            match other {
                Some(other) if differs => {
                    let problem =
                        format!("its folder {} is that of the overlay {other}, with another owner", dir.path);
                    self.error(&problem, "choose another folder for one of them");
                }
                // The user's own choice stays.
                None if differs => self.problems.warning(
                    self.span,
                    format!(
                        "the overlay {}: [[data-disk.folders]] gives its folder {} another owner or mode than {}:{}, {}",
                        self.name, dir.path, dir.uid, dir.gid, dir.mode
                    ),
                    "remove it there, unless you mean it",
                ),
                _ => {}
            }
            self.taken.dirs.entry(made.path).or_insert_with(|| self.name.clone());
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
            let before = self.taken.flannel_backend.replace((self.name.clone(), wanted.clone()));
            if let Some((other, backend)) = before.filter(|(_, backend)| backend != wanted) {
                let problem = format!(
                    "it needs flannel-backend = {wanted:?}, and the overlay {other} needs {backend:?}"
                );
                self.error(&problem, "remove one of them");
            }
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

    pub(super) fn charts(&mut self, active: &ActiveOverlay) {
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

    pub(super) fn manifests(&mut self, active: &ActiveOverlay) {
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
