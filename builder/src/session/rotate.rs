//! A secret renewed.

use std::path::{Path, PathBuf};

use crate::secrets::{Item, NOT_BEFORE, Rotation, SecretsError, rotate_member, store};

use super::project::clock;
use super::{Project, SessionError};

/// What came of renewing a secret.
#[derive(Debug)]
pub enum Rotated {
    /// It is renewed.
    Renewed {
        /// The secrets file.
        secrets_file: PathBuf,
        /// The kubeconfig that was written with it, for the administrator's certificate.
        kubeconfig: Option<PathBuf>,
        /// What is to be done on the nodes, in order.
        steps: Vec<String>,
    },
    /// It cannot be renewed from here; nothing was changed.
    NotRenewable {
        /// Why not.
        why: String,
        /// What to do instead, in order.
        instead: Vec<String>,
    },
}

impl Project {
    /// Renews one item of the cluster's secrets, and writes the kubeconfig again where it holds that item.
    ///
    /// # Errors
    /// When there is no secrets file, as for one node alone, when it cannot be used, and when a file cannot be written.
    pub fn rotate(&self, item: &Item, kubeconfig: &Path) -> Result<Rotated, SessionError> {
        let secrets_file = self.secrets_file().ok_or(SessionError::NoSecrets)?;
        let clock = clock(NOT_BEFORE)?;
        let rotation = match self.cluster.join {
            Some(_) => rotate_member(item),
            None => store::rotate(&secrets_file, self.wanted(), item, clock)?,
        };
        let (secrets, steps) = match rotation {
            Rotation::Renewed { secrets, steps } => (secrets, steps),
            Rotation::NotRenewable { why, instead } => {
                return Ok(Rotated::NotRenewable { why: why.into(), instead });
            }
        };
        let kubeconfig = (*item == Item::AdminCertificate).then(|| kubeconfig.to_owned());
        if let Some(file) = &kubeconfig {
            let failed = |source: SecretsError| SessionError::RotatedKubeconfig(source);
            store::write_private(file, &secrets.kubeconfig(&self.cluster.api_url())).map_err(failed)?;
        }
        Ok(Rotated::Renewed { secrets_file, kubeconfig, steps })
    }
}
