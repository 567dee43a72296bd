//! What the server remembers over a restart: nodes, the hashes of their passwords, the hash of its own token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::secret::{Secret, sha256_hex};
use crate::{files, node};

/// The stand-in's datastore: one JSON file.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    token: Option<String>,
    passwords: BTreeMap<String, String>,
    nodes: BTreeMap<String, Value>,
    /// When each node last reported; after a restart nobody has.
    heard: BTreeMap<String, SystemTime>,
}

impl State {
    /// Reads the file; not there means a new cluster, damaged is an error and never a new cluster.
    ///
    /// # Errors
    /// When the file is there but cannot be read as what `save` wrote.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = files::read_optional(path)?;
        let saved: Value = match &text {
            Some(text) => {
                serde_json::from_str(text).with_context(|| format!("reading {}", path.display()))?
            }
            None => json!({"token": null, "passwords": {}, "nodes": {}}),
        };
        let field = |name: &str| saved.get(name).cloned().with_context(|| format!("{name} is missing"));
        let read = || -> Result<Self> {
            Ok(Self {
                path: path.into(),
                token: serde_json::from_value(field("token")?)?,
                passwords: serde_json::from_value(field("passwords")?)?,
                nodes: serde_json::from_value(field("nodes")?)?,
                heard: BTreeMap::new(),
            })
        };
        read().with_context(|| format!("reading {}", path.display()))
    }

    fn save(&self) -> Result<()> {
        let saved = json!({"token": self.token, "passwords": self.passwords, "nodes": self.nodes});
        files::write_atomic(&self.path, 0o600, saved.to_string().as_bytes())
    }

    /// Binds the datastore to the server's token, or refuses another token than the one it was bound to.
    ///
    /// # Errors
    /// When the token is another one, or the file cannot be written.
    pub(super) fn bind_token(&mut self, token: &Secret) -> Result<()> {
        let hash = sha256_hex(token.reveal().as_bytes());
        match &self.token {
            Some(bound) => {
                ensure!(*bound == hash, "bootstrap data already found and encrypted with different token");
                Ok(())
            }
            None => {
                self.token = Some(hash);
                self.save()
            }
        }
    }

    /// Whether this is the node's password: the first one that comes is kept.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn admit(&mut self, name: &str, password: &str) -> Result<bool> {
        let hash = sha256_hex(password.as_bytes());
        if let Some(known) = self.passwords.get(name) {
            return Ok(*known == hash);
        }
        self.passwords.insert(name.into(), hash);
        self.save()?;
        Ok(true)
    }

    /// Takes over a node's object.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn put_node(&mut self, name: &str, mut object: Value) -> Result<()> {
        let born = self.nodes.get(name).and_then(|node| node.pointer("/metadata/creationTimestamp")).cloned();
        if let (Some(born), Some(slot)) = (born, object.pointer_mut("/metadata/creationTimestamp")) {
            *slot = born;
        }
        self.heard.insert(name.into(), SystemTime::now());
        // A heartbeat that changes nothing but its own time need not wear the card out.
        let news = self.nodes.get(name).map(node::ready_status) != Some(node::ready_status(&object));
        self.nodes.insert(name.into(), object);
        if news { self.save() } else { Ok(()) }
    }

    /// A node as it is to be shown.
    pub(super) fn node(&self, name: &str) -> Option<Value> {
        let object = self.nodes.get(name)?.clone();
        Some(node::judged(object, self.heard.get(name).copied()))
    }

    /// All nodes as they are to be shown, sorted by name.
    pub(super) fn nodes(&self) -> Vec<Value> {
        self.nodes.keys().filter_map(|name| self.node(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_password_of_a_node_is_kept_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("double.json");
        let mut state = State::load(&path).unwrap();
        assert!(state.admit("a", "one").unwrap());
        let mut again = State::load(&path).unwrap();
        assert!(again.admit("a", "one").unwrap());
        assert!(!again.admit("a", "two").unwrap());
        assert!(again.admit("b", "two").unwrap());
    }

    #[test]
    fn another_token_on_an_old_datastore_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("double.json");
        State::load(&path).unwrap().bind_token(&Secret::new("one")).unwrap();
        State::load(&path).unwrap().bind_token(&Secret::new("one")).unwrap();
        let error = State::load(&path).unwrap().bind_token(&Secret::new("two")).unwrap_err();
        assert!(error.to_string().contains("different token"));
    }

    #[test]
    fn a_damaged_datastore_is_no_new_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("double.json");
        for damaged in ["", "{", "{}", r#"{"token":1,"passwords":{},"nodes":{}}"#] {
            std::fs::write(&path, damaged).unwrap();
            assert!(State::load(&path).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_node_is_unknown_after_a_restart_until_it_reports() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("double.json");
        let ready = json!({"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let mut state = State::load(&path).unwrap();
        state.put_node("a", ready).unwrap();
        assert_eq!(node::ready_status(&state.node("a").unwrap()), "True");
        assert_eq!(node::ready_status(&State::load(&path).unwrap().node("a").unwrap()), "Unknown");
    }
}
