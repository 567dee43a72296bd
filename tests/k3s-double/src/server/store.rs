//! The datastore: one JSON file, which stands in for SQLite, or a real etcd that several servers share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{etcd, files};

/// Keys with JSON values.
#[derive(Debug)]
pub(super) enum Store {
    File { path: PathBuf, all: BTreeMap<String, Value> },
    Etcd(etcd::Client),
}

impl Store {
    /// Reads the file; not there means a new cluster, damaged is an error and never a new cluster.
    ///
    /// # Errors
    /// When the file is there but cannot be read as what was written.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let read = || -> Result<BTreeMap<String, Value>> {
            let Some(text) = files::read_optional(path)? else { return Ok(BTreeMap::new()) };
            let all: BTreeMap<String, Value> = serde_json::from_str(&text)?;
            let known = |key: &String| {
                ["token", "bootstrap"].contains(&key.as_str())
                    || ["passwords/", "nodes/", "objects/", "addons/"]
                        .iter()
                        .any(|prefix| key.starts_with(prefix))
            };
            anyhow::ensure!(!all.is_empty() && all.keys().all(known), "it is not the stand-in's datastore");
            Ok(all)
        };
        let all = read().with_context(|| format!("reading {}", path.display()))?;
        Ok(Self::File { path: path.into(), all })
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Value>> {
        match self {
            Self::File { all, .. } => Ok(all.get(key).cloned()),
            Self::Etcd(client) => client.get(key),
        }
    }

    /// The values of all keys that begin with a text, in the order of the keys.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Value>> {
        Ok(match self {
            Self::File { all, .. } => all
                .iter()
                .filter(|(key, _)| key.starts_with(prefix))
                .map(|(_, value)| value.clone())
                .collect(),
            Self::Etcd(client) => client.list(prefix)?.into_iter().map(|(_, value)| value).collect(),
        })
    }

    pub(super) fn put(&mut self, key: &str, value: Value) -> Result<()> {
        match self {
            Self::File { path, all } => {
                all.insert(key.to_owned(), value);
                save(path, all)
            }
            Self::Etcd(client) => client.put(key, &value),
        }
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<()> {
        match self {
            Self::File { path, all } => {
                all.remove(key);
                save(path, all)
            }
            Self::Etcd(client) => client.delete(key),
        }
    }
}

fn save(path: &Path, all: &BTreeMap<String, Value>) -> Result<()> {
    files::write_atomic(path, 0o600, serde_json::to_string(all)?.as_bytes())
}
