//! config.yaml and config.yaml.d: one list of keys, merged by k3s's rule.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use yaml_rust2::{Yaml, YamlLoader};

use crate::{files, flags, flags::Role, log};

/// Keys in the order in which they first came, each with its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config(Vec<(String, Vec<String>)>);

impl Config {
    /// Reads `path`, then the files of `path` + `.d` that end in `.yaml` or `.yml`, in the order of their names.
    ///
    /// What is not there is no error unless `required`.
    ///
    /// # Errors
    /// When a file cannot be read or is not a mapping of names to scalars and lists.
    pub(crate) fn load(path: &Path, required: bool) -> Result<Self> {
        let mut config = Self::default();
        let dir = PathBuf::from(format!("{}.d", path.display()));
        match files::read_optional(path)? {
            Some(text) => config.merge(&text).with_context(|| format!("reading {}", path.display()))?,
            None => ensure!(!required, "reading {}: no such file", path.display()),
        }
        for file in files_in(&dir)? {
            let text = files::read_optional(&file)?.unwrap_or_default();
            config.merge(&text).with_context(|| format!("reading {}", file.display()))?;
        }
        Ok(config)
    }

    /// Merges one file: a key replaces what came before, `key+` adds to it.
    fn merge(&mut self, text: &str) -> Result<()> {
        for document in YamlLoader::load_from_str(text).context("parsing YAML")? {
            match document {
                Yaml::Hash(keys) => {
                    keys.iter().try_for_each(|(key, value)| self.set(&scalar(key)?, values(key, value)?))?;
                }
                Yaml::Null | Yaml::BadValue => {}
                _ => bail!("the top level is not a mapping of keys to values"),
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, mut new: Vec<String>) -> Result<()> {
        let (name, append) = key.strip_suffix('+').map_or((key, false), |name| (name, true));
        ensure!(!name.is_empty(), "a key is empty");
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) if append => old.append(&mut new),
            Some((_, old)) => *old = new,
            None => self.0.push((name.to_owned(), new)),
        }
        Ok(())
    }

    /// The keys as command-line arguments. A server leaves out unknown keys with a warning; an agent passes
    /// them on, and so fails on them.
    pub(crate) fn into_arguments(self, role: Role) -> Vec<String> {
        let mut arguments = Vec::new();
        for (key, values) in self.0 {
            if role == Role::Server && !flags::is_known(role, &key) {
                log::warn(&format!("unknown flag --{key} found in config.yaml, skipping"));
                continue;
            }
            arguments.extend(values.into_iter().map(|value| format!("--{key}={value}")));
        }
        arguments
    }
}

fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<std::io::Result<Vec<_>>>),
    };
    let mut paths: Vec<PathBuf> = entries
        .with_context(|| format!("reading {}", dir.display()))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"))
        .collect();
    paths.sort();
    Ok(paths)
}

fn values(key: &Yaml, value: &Yaml) -> Result<Vec<String>> {
    let read = match value {
        Yaml::Array(items) => items.iter().map(scalar).collect(),
        one => scalar(one).map(|text| vec![text]),
    };
    read.with_context(|| format!("the value of {}", key.as_str().unwrap_or("a key")))
}

/// The text of a scalar. The error does not show it: it may be the token.
fn scalar(value: &Yaml) -> Result<String> {
    match value {
        Yaml::String(text) | Yaml::Real(text) => Ok(text.clone()),
        Yaml::Integer(number) => Ok(number.to_string()),
        Yaml::Boolean(truth) => Ok(truth.to_string()),
        Yaml::Null => Ok(String::new()),
        _ => bail!("is neither a scalar nor a list of scalars"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Result<Config> {
        let mut config = Config::default();
        texts.iter().try_for_each(|text| config.merge(text))?;
        Ok(config)
    }

    fn arguments(texts: &[&str], role: Role) -> Vec<String> {
        merged(texts).unwrap().into_arguments(role)
    }

    #[test]
    fn the_last_value_wins_and_plus_appends() {
        let files = ["node-name: a\ntls-san: [x, y]\n", "node-name: b\ntls-san+: z\n"];
        assert_eq!(
            arguments(&files, Role::Server),
            ["--node-name=b", "--tls-san=x", "--tls-san=y", "--tls-san=z"]
        );
        assert_eq!(arguments(&["tls-san: [x]\n", "tls-san: [y]\n"], Role::Server), ["--tls-san=y"]);
    }

    #[test]
    fn scalars_of_every_kind_become_text() {
        let text = "https-listen-port: 7443\ncluster-init: true\nwrite-kubeconfig-mode: \"0644\"\n";
        assert_eq!(
            arguments(&[text], Role::Server),
            ["--https-listen-port=7443", "--cluster-init=true", "--write-kubeconfig-mode=0644"]
        );
    }

    #[test]
    fn a_server_skips_unknown_keys_and_an_agent_passes_them_on() {
        assert!(arguments(&["no-such-key: 1\n"], Role::Server).is_empty());
        assert_eq!(arguments(&["tls-san: x\n"], Role::Agent), ["--tls-san=x"]);
    }

    #[test]
    fn what_is_not_a_mapping_of_scalars_is_refused_without_its_text() {
        for bad in ["- hunter2\n", "token: {a: hunter2}\n", "token: [[hunter2]]\n", "token: \"hunter2\n"] {
            let error = format!("{:#}", merged(&[bad]).unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_empty_file_is_an_empty_configuration() {
        assert_eq!(merged(&["", "# nothing\n"]).unwrap(), Config::default());
    }

    #[test]
    fn files_of_the_dir_come_after_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("config.yaml");
        let dropins = dir.path().join("config.yaml.d");
        fs::create_dir(&dropins).unwrap();
        fs::write(&main, "node-name: main\n").unwrap();
        fs::write(dropins.join("20-b.yaml"), "node-name: b\n").unwrap();
        fs::write(dropins.join("10-a.yaml"), "node-name: a\n").unwrap();
        fs::write(dropins.join("30-c.txt"), "node-name: c\n").unwrap();
        let config = Config::load(&main, true).unwrap();
        assert_eq!(config.into_arguments(Role::Agent), ["--node-name=b"]);
        assert!(Config::load(&dir.path().join("none.yaml"), true).is_err());
    }
}
