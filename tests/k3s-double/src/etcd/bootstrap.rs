//! The bootstrap data: the authorities of the cluster, kept in its datastore under a key made of the servers' token.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Client, Place};
use crate::secret::{Secret, sha256_hex};
use crate::{files, log};

const PREFIX: &str = "/bootstrap/";

fn key(token: &Secret) -> String {
    format!("{PREFIX}{}", sha256_hex(token.reveal().as_bytes()))
}

impl Client {
    /// Keeps the files in `tls` as those of the cluster, at its beginning. k3s encrypts them with the token.
    ///
    /// # Errors
    /// When etcd does not take them.
    pub(crate) fn save_bootstrap(self, token: &Secret, files: &Value) -> Result<()> {
        self.put(&key(token), files)
    }

    /// The files of the cluster.
    ///
    /// # Errors
    /// When there are none, or those are of another token.
    pub(crate) fn bootstrap(self, token: &Secret) -> Result<Value> {
        self.kept_bootstrap(token)?.context(
            "no bootstrap data found in datastore - check server token value and verify datastore integrity",
        )
    }

    /// The same; none where no cluster has begun there.
    ///
    /// # Errors
    /// When they are of another token.
    pub(crate) fn kept_bootstrap(self, token: &Secret) -> Result<Option<Value>> {
        if let Some(files) = self.get(&key(token))? {
            return Ok(Some(files));
        }
        if self.list(PREFIX)?.is_empty() {
            return Ok(None);
        }
        bail!("bootstrap data already found and encrypted with different token")
    }
}

impl Place {
    /// Brings the files of `tls` in line with those of the datastore, before etcd starts for good: those that are missing
    /// are restored.
    ///
    /// # Errors
    /// When the datastore has none, those of another token, or others than `tls`.
    pub(crate) fn reconcile(&self, token: &Secret, tls: &Path) -> Result<()> {
        let verdict = |client: Client| Ok(client.bootstrap(token).map_err(|error| format!("{error:#}")));
        // etcd 3.4 cannot make a cluster of its own of every state of a member that has just joined: its files were fetched
        // by the join, and the datastore is looked at again once the member is up.
        let all = match self.peek(verdict) {
            Ok(all) => all.map_err(anyhow::Error::msg)?,
            Err(error) => {
                log::warn(&format!("Unable to reconcile with the local datastore: {error:#}"));
                return Ok(());
            }
        };
        restore(&all, tls)
    }
}

/// Writes those of the files that `tls` does not have.
///
/// # Errors
/// When it has others.
pub(crate) fn restore(all: &Value, tls: &Path) -> Result<()> {
    for (name, text) in all.as_object().into_iter().flatten() {
        let text = text.as_str().context("the bootstrap data is damaged")?;
        let path = tls.join(name);
        match files::read_optional(&path)? {
            Some(own) => ensure!(
                own == text,
                "{} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart \
                 to be recreated from datastore",
                path.display()
            ),
            None => files::write_atomic(&path, 0o600, text.as_bytes())?,
        }
    }
    Ok(())
}
