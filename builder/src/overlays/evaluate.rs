//! What a cluster gets of what an overlay asks for: all expressions evaluated, all texts parsed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::formats::helm_chart::FailurePolicy;
use crate::value::{DnsLabel, ImageReference};

use super::needs::{
    NeededChart, NeededDir, NeededFile, NeededFolder, NeededImage, NeededPackage, Needs, Promise, folders_of,
};
use super::parameter::ParameterValue;
use super::template::Templates;
use super::wants::{ChartWant, Wants, Word};

/// The result of reading a text of `overlay.toml`, or what is wrong with it.
type Read<T> = Result<T, String>;

impl Wants {
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
                let path = text(&want.path, &what)?;
                let mode = parse(&want.mode, &what)?;
                let on = |node| NeededDir { path: path.clone(), uid: want.uid, gid: want.gid, mode, node };
                match &want.node {
                    // One, or several with blanks between them.
                    Some(nodes) => {
                        for node in text(nodes, &what)?.split_whitespace() {
                            needs.dirs.push(on(Some(parse(node, &what)?)));
                        }
                    }
                    None => needs.dirs.push(on(None)),
                }
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
