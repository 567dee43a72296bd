//! What the server remembers over a restart: nodes, the hashes of their passwords, the hash of its own token, and objects
//! that somebody has created.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::objects;
use super::store::Store;
use crate::secret::{Secret, sha256_hex};
use crate::{etcd, node};

const TOKEN: &str = "token";
const DELETED: &str = "/metadata/deletionTimestamp";

fn password_of(node: &str) -> String {
    format!("passwords/{node}")
}

fn addon_checksum(addon: &Value) -> &str {
    addon.pointer("/spec/checksum").and_then(Value::as_str).unwrap_or_default()
}

fn path_of(node: &str) -> String {
    format!("nodes/{node}")
}

/// The state of the cluster.
#[derive(Debug)]
pub(super) struct State {
    store: Store,
    /// When each node last reported to this server; after a restart nobody has.
    heard: BTreeMap<String, SystemTime>,
}

impl State {
    /// Reads the file of a server without etcd.
    ///
    /// # Errors
    /// When the file is there but damaged.
    pub(super) fn load(path: &Path) -> Result<Self> {
        Ok(Self { store: Store::load(path)?, heard: BTreeMap::new() })
    }

    /// The state in an etcd, which may not answer yet.
    pub(super) fn shared(client: etcd::Client) -> Self {
        Self { store: Store::Etcd(client), heard: BTreeMap::new() }
    }

    /// The etcd of the servers behind it.
    pub(super) fn etcd(&self) -> Option<etcd::Client> {
        match &self.store {
            Store::Etcd(client @ etcd::Client::Own(_)) => Some(*client),
            Store::Etcd(etcd::Client::Outside(_)) | Store::File { .. } => None,
        }
    }

    /// Binds the datastore to the server's token, or refuses another token than the one it was bound to.
    ///
    /// # Errors
    /// When the token is another one, or the datastore cannot be written.
    pub(super) fn bind_token(&mut self, token: &Secret) -> Result<()> {
        let hash = json!(sha256_hex(token.reveal().as_bytes()));
        match self.store.get(TOKEN)? {
            Some(bound) => {
                ensure!(bound == hash, "bootstrap data already found and encrypted with different token");
                Ok(())
            }
            None => self.store.put(TOKEN, hash),
        }
    }

    /// The authorities of a server without etcd, as its datastore has them since its first start.
    ///
    /// # Errors
    /// When the datastore cannot be written.
    pub(super) fn bootstrap(&mut self, make: impl FnOnce() -> Result<Value>) -> Result<()> {
        if self.store.get("bootstrap")?.is_none() {
            self.store.put("bootstrap", make()?)?;
        }
        Ok(())
    }

    /// What [`State::bootstrap`] has kept.
    ///
    /// # Errors
    /// When the datastore cannot be read.
    pub(super) fn kept_bootstrap(&self) -> Result<Option<Value>> {
        self.store.get("bootstrap")
    }

    /// Whether this is the node's password: the first one that comes is kept.
    ///
    /// # Errors
    /// When the datastore cannot be written.
    pub(super) fn admit(&mut self, name: &str, password: &str) -> Result<bool> {
        let hash = json!(sha256_hex(password.as_bytes()));
        if let Some(known) = self.store.get(&password_of(name))? {
            return Ok(known == hash);
        }
        self.store.put(&password_of(name), hash)?;
        Ok(true)
    }

    /// Takes over a node's object.
    ///
    /// # Errors
    /// When the datastore cannot be written.
    pub(super) fn put_node(&mut self, name: &str, mut object: Value) -> Result<()> {
        let old = self.store.get(&path_of(name))?;
        let kept = |at: &str| old.as_ref().and_then(|node| node.pointer(at)).cloned();
        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for (key, at) in
                [("creationTimestamp", "/metadata/creationTimestamp"), ("deletionTimestamp", DELETED)]
            {
                if let Some(value) = kept(at) {
                    meta.insert(key.into(), value);
                }
            }
        }
        self.heard.insert(name.into(), SystemTime::now());
        // A heartbeat that changes nothing but its own time need not wear the card out; other servers must see it.
        let news = old.as_ref().map(node::ready_status) != Some(node::ready_status(&object));
        if news || self.etcd().is_some() { self.store.put(&path_of(name), object) } else { Ok(()) }
    }

    /// A node as it is to be shown.
    ///
    /// # Errors
    /// When the datastore cannot be read.
    pub(super) fn node(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.store.get(&path_of(name))?.map(|object| self.shown(object)))
    }

    fn shown(&self, object: Value) -> Value {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let heard = match self.store {
            Store::File { .. } => self.heard.get(name).copied(),
            Store::Etcd(_) => node::heartbeat(&object),
        };
        node::judged(object, heard)
    }

    /// All nodes as they are to be shown, sorted by name.
    ///
    /// # Errors
    /// When the datastore cannot be read.
    pub(super) fn nodes(&self) -> Result<Vec<Value>> {
        Ok(self.store.list("nodes/")?.into_iter().map(|object| self.shown(object)).collect())
    }

    /// Marks a node as deleted, and deletes it once its member of etcd is removed. Returns whether it was there.
    ///
    /// # Errors
    /// When the datastore cannot be written.
    pub(super) fn delete_node(&mut self, name: &str) -> Result<bool> {
        let Some(mut object) = self.store.get(&path_of(name))? else { return Ok(false) };
        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.insert("deletionTimestamp".into(), json!(crate::clock::rfc3339_now()));
        }
        self.store.put(&path_of(name), object)?;
        self.finish_deletions()?;
        Ok(true)
    }

    /// The finalizers of nodes that are deleted.
    ///
    /// # Errors
    /// When the datastore or etcd refuses; it is to be tried again.
    pub(super) fn finish_deletions(&mut self) -> Result<()> {
        for node in self.store.list("nodes/")?.iter().filter(|node| node.pointer(DELETED).is_some()) {
            if let Some(client) = self.etcd() {
                etcd::remove_of_node(client, node)?;
            }
            let name = node.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.store.delete(&path_of(&name))?;
            self.store.delete(&password_of(&name))?;
        }
        Ok(())
    }

    /// Keeps Addons whose files were applied: in k3s they outlive their files.
    ///
    /// # Errors
    /// When the datastore cannot be written.
    pub(super) fn keep_addons(&mut self, seen: &[Value]) -> Result<()> {
        for addon in seen.iter().filter(|addon| !addon_checksum(addon).is_empty()) {
            let key = format!("addons/{}", objects::name(addon));
            if self.store.get(&key)?.as_ref() != Some(addon) {
                self.store.put(&key, addon.clone())?;
            }
        }
        Ok(())
    }

    /// Addons of files that are there, and those that were kept of others, all in one namespace.
    ///
    /// # Errors
    /// When the datastore cannot be read.
    pub(super) fn with_kept_addons(
        &self,
        namespace: Option<&str>,
        mut seen: Vec<Value>,
    ) -> Result<Vec<Value>> {
        let kept = self.store.list("addons/")?;
        let others = kept.into_iter().filter(|addon| {
            namespace.is_none_or(|namespace| namespace == "kube-system")
                && !seen.iter().any(|one| objects::name(one) == objects::name(addon))
        });
        let others: Vec<Value> = others.collect();
        seen.extend(others);
        Ok(seen)
    }

    /// An object that somebody has created, at its path.
    ///
    /// # Errors
    /// When the datastore cannot be read.
    pub(super) fn object(&self, path: &str) -> Result<Option<Value>> {
        self.store.get(&format!("objects{path}"))
    }

    /// Keeps an object at its path.
    ///
    /// # Errors
    /// When the datastore cannot be written.
    pub(super) fn put_object(&mut self, path: &str, object: Value) -> Result<()> {
        self.store.put(&format!("objects{path}"), object)
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
        for damaged in ["", "{", "{}", r#"{"nodes":{}}"#] {
            std::fs::write(&path, damaged).unwrap();
            assert!(State::load(&path).is_err(), "{damaged}");
        }
    }

    #[test]
    fn an_addon_outlives_its_file_and_one_that_was_not_applied_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("double.json");
        let addon =
            |name: &str, checksum: &str| json!({"metadata": {"name": name}, "spec": {"checksum": checksum}});
        State::load(&path).unwrap().keep_addons(&[addon("a", "1"), addon("b", "")]).unwrap();
        let again = State::load(&path).unwrap();
        let names = |seen: Vec<Value>| -> Vec<String> {
            let all = again.with_kept_addons(None, seen).unwrap();
            all.iter().map(|addon| format!("{}{}", objects::name(addon), addon_checksum(addon))).collect()
        };
        assert_eq!(names(Vec::new()), ["a1"]);
        assert_eq!(names(vec![addon("a", "2"), addon("c", "")]), ["a2", "c"]);
    }

    #[test]
    fn a_node_is_unknown_after_a_restart_until_it_reports() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("double.json");
        let ready = json!({"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let mut state = State::load(&path).unwrap();
        state.put_node("a", ready).unwrap();
        assert_eq!(node::ready_status(&state.node("a").unwrap().unwrap()), "True");
        assert_eq!(node::ready_status(&State::load(&path).unwrap().node("a").unwrap().unwrap()), "Unknown");
    }
}
