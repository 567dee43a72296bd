//! `overlay.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::local_file::paths_in;
use crate::secrets::Shape;
use crate::value::{DnsLabel, Secret};

use super::active::ClusterFacts;
use super::error::{OverlayError, Result};
use super::folder::{DEFINITION, Folder};
use super::needs::Needs;
use super::parameter::{Parameter, ParameterType, ParameterValue};
use super::template::{SecretValues, Templates};
use super::wants::{
    ChartWant, DirWant, FileWant, FolderWant, ImageWant, K3sWant, PackageWant, ReadyWant, Wants, Word,
};

/// An overlay, as its folder has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    /// Its name, which is that of its folder.
    pub name: DnsLabel,
    /// What it is, in a line.
    pub about: String,
    /// Where it comes from; none where it is compiled in.
    pub dir: Option<String>,
    /// Its README, as Markdown.
    pub readme: String,
    /// Parameters, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Secrets, by name.
    pub secrets: BTreeMap<String, SecretDefinition>,
    /// Overlays that it needs.
    pub needs: Vec<DnsLabel>,
    pub(super) wants: Wants,
    pub(super) folder: Folder,
}

/// A secret of an overlay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretDefinition {
    /// What it is for.
    pub help: String,
    /// Whether only the user can know it. Any other is made by the first build where the user sets none.
    #[serde(default)]
    pub given: bool,
    /// Whether it may be left out; templates then see an empty text.
    #[serde(default)]
    pub optional: bool,
    /// Whether one that the user sets may have several lines.
    #[serde(default)]
    pub lines: bool,
    /// What it begins with, where not anything will do.
    pub prefix: Option<String>,
    /// How many hexadecimal digits it has then.
    pub digits: Option<usize>,
}

/// The fewest and most digits of a secret: 64 bits can't be tried out over a network, and no key is longer.
const DIGITS: std::ops::RangeInclusive<usize> = 16..=128;

impl SecretDefinition {
    /// What one that is made looks like.
    pub fn shape(&self) -> Shape {
        let usual = Shape::default();
        Shape {
            prefix: self.prefix.clone().unwrap_or(usual.prefix),
            digits: self.digits.unwrap_or(usual.digits),
        }
    }

    /// What is wrong with one that the user has set.
    pub fn refuses(&self, given: &Secret) -> Option<String> {
        if !self.lines && given.expose().chars().any(char::is_control) {
            return Some("expected one line without tabs and other control characters".to_owned());
        }
        let has_shape = self.prefix.is_some() || self.digits.is_some();
        let Shape { prefix, digits } = self.shape();
        (has_shape && !self.shape().is_of(given)).then(|| {
            let begin = if prefix.is_empty() { String::new() } else { format!("{prefix} and ") };
            format!("expected {begin}{digits} digits, each 0 to 9 or a to f")
        })
    }

    /// Whether the cluster file must set it.
    pub fn is_required(&self) -> bool {
        self.given && !self.optional
    }

    /// What it is for, and whether the first build makes it.
    pub fn about(&self) -> String {
        let made = if self.given { "" } else { " Made by the first build where it is not set." };
        format!("{}{made}", self.help)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    about: String,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    secrets: BTreeMap<String, SecretDefinition>,
    #[serde(default)]
    needs: Vec<DnsLabel>,
    #[serde(default)]
    provides: Vec<Word>,
    #[serde(default)]
    files: Vec<FileWant>,
    #[serde(default)]
    images: Vec<ImageWant>,
    #[serde(default)]
    charts: Vec<ChartWant>,
    #[serde(default)]
    packages: Vec<PackageWant>,
    #[serde(default)]
    directories: Vec<DirWant>,
    #[serde(default)]
    folders: Vec<FolderWant>,
    #[serde(default)]
    k3s: Vec<K3sWant>,
    #[serde(default)]
    modules: Vec<Word>,
    #[serde(default)]
    sysctls: BTreeMap<String, String>,
    #[serde(default)]
    ready: Vec<ReadyWant>,
}

/// Words that templates know already.
const RESERVED: [&str; 14] = [
    "cluster",
    "secret",
    "overlay",
    "file",
    "render",
    "fail",
    "range",
    "dict",
    "namespace",
    "debug",
    "loop",
    "true",
    "false",
    "none",
];

/// The most manifests of one overlay.
const MOST_MANIFESTS: usize = 50;

impl Overlay {
    /// For templates whose texts many can read: a secret that one of them names is an error.
    pub(super) fn without_secrets(&self) -> Self {
        Self { secrets: BTreeMap::new(), ..self.clone() }
    }

    pub(super) fn parse(name: &DnsLabel, folder: Folder, dir: Option<String>) -> Result<Self> {
        let path = folder.path(DEFINITION);
        let invalid = |problem: String| OverlayError::invalid(&path, problem);
        let text = folder.file(DEFINITION).ok_or_else(|| invalid("the file is missing".to_owned()))?;
        let file: File = toml::from_str(text).map_err(|error| invalid(located(text, &error)))?;
        let readme = folder.file("README.md").unwrap_or_default().to_owned();
        let wants = Wants {
            images: file.images,
            charts: file.charts,
            packages: file.packages,
            directories: file.directories,
            folders: file.folders,
            k3s: file.k3s,
            provides: file.provides,
            files: file.files,
            modules: file.modules,
            sysctls: file.sysctls,
            ready: file.ready,
        };
        let overlay = Self {
            name: name.clone(),
            about: file.about,
            dir,
            readme,
            parameters: file.parameters,
            secrets: file.secrets,
            needs: file.needs,
            wants,
            folder,
        };
        overlay.check().map_err(invalid)?;
        Ok(overlay)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let mut seen = BTreeSet::new();
        for name in self.parameters.keys().chain(self.secrets.keys()) {
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_word) {
                return Err(format!("invalid name {name:?}: use lowercase letters, digits and hyphens"));
            }
            if !seen.insert(name) || RESERVED.contains(&name.as_str()) {
                return Err(format!(
                    "{name} is used twice, or has a meaning of its own: choose another name"
                ));
            }
        }
        for (name, parameter) in &self.parameters {
            parameter.check().map_err(|problem| format!("[parameters.{name}]: {problem}"))?;
        }
        if let Some((name, _)) = self.secrets.iter().find(|(_, of)| of.optional && !of.given) {
            return Err(format!(
                "[secrets.{name}]: optional is for secrets that are given: any other is made"
            ));
        }
        if let Some((name, _)) =
            self.secrets.iter().find(|(_, of)| of.digits.is_some_and(|digits| !DIGITS.contains(&digits)))
        {
            return Err(format!("[secrets.{name}]: expected {} to {} digits", DIGITS.start(), DIGITS.end()));
        }
        let is_folder =
            |name: &str| self.parameters.get(name).is_some_and(|of| of.kind == ParameterType::Folder);
        if let Some(name) = self.wants.folder_parameters().find(|name| !is_folder(name)) {
            return Err(format!(
                "[[folders]]: from = {name:?}: expected the name of a parameter with type = \"folder\""
            ));
        }
        let templates =
            self.wants.values().chain(self.folder.files.keys().filter(|file| file.starts_with("manifests/")));
        if let Some(file) = templates.into_iter().find(|file| !file.ends_with(".yaml")) {
            return Err(format!("{file}: expected a name that ends with .yaml"));
        }
        if self.manifests().count() > MOST_MANIFESTS {
            return Err(format!("expected at most {MOST_MANIFESTS} manifests"));
        }
        if self.needs.contains(&self.name) {
            return Err("it needs itself".to_owned());
        }
        Ok(())
    }

    /// What it asks for where every parameter has its default or its example. None where that cannot be said.
    pub fn usual_needs(&self) -> Option<Needs> {
        const FIRST: &str = "first-server";
        let usual = |parameter: &Parameter| {
            if parameter.kind == ParameterType::Node {
                return ParameterValue::Text(FIRST.to_owned());
            }
            if parameter.kind == ParameterType::Nodes {
                return ParameterValue::List(vec![FIRST.to_owned()]);
            }
            if parameter.kind == ParameterType::Folder {
                return parameter.kind.nothing();
            }
            let example = parameter.example.as_ref().filter(|_| !parameter.optional);
            parameter.default.as_ref().or(example).cloned().unwrap_or_else(|| parameter.kind.nothing())
        };
        let values: BTreeMap<String, ParameterValue> =
            self.parameters.iter().map(|(name, parameter)| (name.clone(), usual(parameter))).collect();
        let facts = ClusterFacts {
            data: "/k8s-data".to_owned(),
            first_server: FIRST.to_owned(),
            ..ClusterFacts::default()
        };
        let templates = Templates::new(self, &values, &facts, &BTreeMap::new(), SecretValues::Masked);
        self.wants.resolve(&self.name, &values, &templates).ok()
    }

    /// Its files and folders on this machine; none where it is compiled in.
    pub fn paths(&self) -> BTreeSet<PathBuf> {
        let files = || self.folder.files.keys().map(String::as_str);
        self.dir.as_ref().map(|dir| paths_in(Path::new(dir), files())).unwrap_or_default()
    }

    /// The names of its manifests, as they are sorted when k3s applies them.
    pub fn manifests(&self) -> impl Iterator<Item = &str> {
        self.folder.files.keys().filter_map(|file| file.strip_prefix("manifests/"))
    }
}

/// Line and column of a mistake, and what it is.
pub(super) fn located(text: &str, error: &toml::de::Error) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return error.message().to_owned();
    };
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()).saturating_add(1);
    format!("line {line}, column {column}: {}", error.message())
}
